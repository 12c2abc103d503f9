//go:build unix

package devcloud

import (
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Each cloud has its own password, which outlives restarts and which
// only the owner of the state directory can read.
func TestPasswordIsRandom(t *testing.T) {
	c, other := startCloud(t), startCloud(t)
	password := c.Env()["OS_PASSWORD"]
	if len(password) < 20 || password == other.Env()["OS_PASSWORD"] {
		t.Errorf("passwords %q and %q", password, other.Env()["OS_PASSWORD"])
	}
	dir := c.opts.Dir
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = startCloud(t, func(o *Options) { o.Dir = dir })
	if got := c.Env()["OS_PASSWORD"]; got != password {
		t.Errorf("after a restart the password is %q, not %q", got, password)
	}
	login(t, c, c.Env())
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err == nil && st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, st.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Another user of this machine reaches the API's port and nothing behind it.
func TestOtherUsersAreRefused(t *testing.T) {
	c := startCloud(t)
	for _, path := range []string{"status", "resources", "requests", "faults", "guests"} {
		resp, err := http.Get(c.URL + "/_devcloud/" + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without the token: %s", path, resp.Status)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	nobody := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, _ := cmd.CombinedOutput() // it should fail
		return string(out)
	}
	for _, file := range []string{RCFile, adminRCFile, cloudsFile, keyFile, daemonFile, optionsFile} {
		if out := nobody("cat", filepath.Join(c.opts.Dir, file)); strings.Contains(out, c.opts.Password) || strings.Contains(out, c.token) ||
			strings.Contains(out, "PRIVATE KEY") {
			t.Errorf("nobody reads %s", file)
		}
	}
	for _, user := range []string{"demo", "admin"} {
		for _, password := range []string{"", "only-on-this-machine", "demo", "admin", "secret"} {
			body := `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"` + user +
				`","domain":{"id":"default"},"password":"` + password + `"}}}}}`
			out := nobody(curl, "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Content-Type: application/json", "-d", body, c.URL+"/v3/auth/tokens")
			if out != "401" {
				t.Errorf("nobody as %s with %q: %s", user, password, out)
			}
		}
	}
	out := nobody(curl, "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "-d", `{"server":{}}`, c.URL+"/compute/v2.1/servers")
	if out != "401" {
		t.Errorf("nobody creates a server: %s", out)
	}
}
