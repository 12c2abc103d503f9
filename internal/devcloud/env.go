package devcloud

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"al.essio.dev/pkg/shellescape"

	"github.com/galleyhq/galley/internal/atomicfile"
	"github.com/galleyhq/galley/internal/devcloud/identity"
)

// environ are the variables for a user of the project demo: what an RC file
// exports, in both generations' spelling, and the cloud's own.
func (c *Cloud) environ(user string) map[string]string {
	var project string
	c.db.View(func() { project = identity.FindProject(c.db, demoProject) })
	return map[string]string{
		"OS_AUTH_URL":              c.URL + "/v3",
		"OS_IDENTITY_API_VERSION":  "3",
		"OS_USERNAME":              user,
		"OS_PASSWORD":              c.opts.Password,
		"OS_USER_DOMAIN_NAME":      "Default",
		"OS_PROJECT_DOMAIN_ID":     domainID,
		"OS_PROJECT_ID":            project,
		"OS_PROJECT_NAME":          demoProject,
		"OS_TENANT_NAME":           demoProject, // what kitchen files of the time of v2.0 ask for
		"OS_REGION_NAME":           region,
		"OS_INTERFACE":             "public",
		"GALLEY_DEVCLOUD_DIR":      c.opts.Dir,
		"GALLEY_DEVCLOUD_URL":      c.URL,
		"GALLEY_DEVCLOUD_SSH_KEY":  filepath.Join(c.opts.Dir, keyFile),
		"GALLEY_DEVCLOUD_SSH_PORT": strconv.Itoa(c.SSHPort),
	}
}

// Env are the variables that make a client use the cloud, as the RC file
// exports them.
func (c *Cloud) Env() map[string]string { return c.environ(c.opts.User) }

// AdminEnv are the same for the administrator.
func (c *Cloud) AdminEnv() map[string]string { return c.environ(adminUser) }

// Exports writes variables as a POSIX shell's export lines, sorted.
func Exports(env map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(&b, "export %s=%s\n", k, shellescape.Quote(env[k]))
	}
	return b.String()
}

// stale are variables that would win over ours if a shell had them from another
// RC file.
var stale = []string{
	"OS_CLOUD", "OS_TOKEN", "OS_TENANT_ID", "OS_DOMAIN_ID", "OS_DOMAIN_NAME", "OS_USER_ID", "OS_USER_DOMAIN_ID", "OS_PROJECT_DOMAIN_NAME",
	"OS_AUTH_TYPE", "OS_APPLICATION_CREDENTIAL_ID", "OS_APPLICATION_CREDENTIAL_NAME", "OS_APPLICATION_CREDENTIAL_SECRET", "OS_CACERT", "OS_CERT", "OS_KEY", "OS_INSECURE",
}

// writeEnv writes the RC files and clouds.yaml.
func (c *Cloud) writeEnv() error {
	dir := c.opts.Dir
	for _, admin := range []bool{false, true} {
		env, rc := c.Env(), RCFile
		if admin {
			env, rc = c.AdminEnv(), adminRCFile
		}
		text := "# The embedded cloud's RC file: source it, or give it to --rc.\nunset " + strings.Join(stale, " ") + "\n" + Exports(env)
		if err := writeFile(dir, rc, []byte(text)); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	b.WriteString("clouds:\n  devcloud:\n    auth_type: password\n    auth:\n")
	env := c.Env()
	for _, key := range []string{"auth_url", "username", "password", "project_name", "user_domain_name", "project_domain_id"} {
		fmt.Fprintf(&b, "      %s: %q\n", key, env["OS_"+strings.ToUpper(key)])
	}
	fmt.Fprintf(&b, "    region_name: %q\n    interface: public\n    identity_api_version: 3\n", region)
	return writeFile(dir, cloudsFile, b.Bytes())
}

// Files in the state directory.
const (
	// dbDir holds the cloud's state: snapshot and journal.
	dbDir = "state"
	// imageDir holds image data, guestDir a directory for each server.
	imageDir = "images"
	guestDir = "guests"
	// objectDir holds what the object store keeps.
	objectDir = "objects"
	// lockFile is held by the daemon while it runs.
	lockFile = "lock"
	// optionsFile is what `up` tells the daemon; daemonFile is what a running
	// daemon tells its clients.
	optionsFile = "options.json"
	daemonFile  = "daemon.json"
	// logFile is the background daemon's log.
	logFile = "daemon.log"
	// RCFile is what a user sources, the others what the administrator does and
	// what tools are pointed at.
	RCFile      = "openrc.sh"
	adminRCFile = "admin-openrc.sh"
	cloudsFile  = "clouds.yaml"
	keyFile     = "ssh_key"
	publicFile  = "ssh_key.pub"
)

// privateDir makes a directory that only its owner can look into.
func privateDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return os.Chmod(path, 0o700) //nolint:gosec // a directory
}

func writeFile(dir, name string, data []byte) error {
	return atomicfile.Write(filepath.Join(dir, name), data, 0o600)
}
