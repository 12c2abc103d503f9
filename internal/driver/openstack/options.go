package openstack

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	cloud "github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/secret"
)

// Options is what a driver needs to know beside its section.
type Options struct {
	// Instance is the instance's name; Suite and Platform are its
	// parts.
	Instance, Suite, Platform string
	// Root is the absolute path of the project's directory.
	Root string
	// Env returns the value of an environment variable, "" when it is unset.
	// It is asked for OS_* variables and OS_CLOUD; nil means that there are
	// none.
	Env func(name string) string
	// Connector holds the connections that all instances of a run share. It
	// must be the same for all of them; nil gives the driver its own.
	Connector *cloud.Connector
	// Warn receives warnings about clouds.yaml; nil disables
	// it. Instances that share an entry tell the
	// same.
	Warn func(text string)
	// Secrets is given the secrets that clouds.yaml names; nil disables it.
	Secrets *secret.Redactor
	// TTL is how long servers may live, as in 4h; it overrides the key ttl. ""
	// leaves it to that and to the variable GALLEY_TTL.
	TTL string
	// Copies is the directory of copies of the records, outside the project, ""
	// for none.
	Copies string
	// NoWait has a destroy not wait for requests that were never answered:
	// what they may still create stays recorded, and the destroy fails.
	NoWait bool
	// Forget has a destroy drop the record without asking the cloud.
	Forget bool
	// Dir is where the driver keeps its journal and generated keys, by default
	// .kitchen/galley below Root.
	Dir string
}

// dir returns the directory of journal and key files.
func (o Options) dir() string {
	if o.Dir != "" {
		return o.Dir
	}
	return filepath.Join(o.Root, ".kitchen", "galley")
}

// JournalPath is the file that records the resources of the instance. It
// stays when the state file is deleted by another tool.
func (o Options) JournalPath() string { return filepath.Join(o.dir(), o.Instance+".json") }

// KeyPath is the file of the private key generated for the instance.
func (o Options) KeyPath() string { return filepath.Join(o.dir(), o.Instance+".pem") }

// Project identifies the kitchen that instances belong to: as it was first
// chosen, by its directory's name and a hash of its path.
func (o Options) Project() string {
	if mark := o.savedProject(); mark != "" || o.Root == "" {
		return mark
	}
	host, _ := os.Hostname()
	sum := sha256.Sum256([]byte(host + "\x00" + o.Root))
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return -1
	}, strings.ToLower(filepath.Base(o.Root)))
	return fmt.Sprintf("%.7s-%x", name, sum[:4])
}
