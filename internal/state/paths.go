package state

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Dir is the folder, below a project's root, that holds all state.
const Dir = ".kitchen"

// Paths names the files of one project. Root is the project's directory.
type Paths struct{ Root string }

// Base returns the directory that holds all state.
func (p Paths) Base() string { return filepath.Join(p.Root, Dir) }

// State returns the state file of an instance, which Test Kitchen shares.
func (p Paths) State(instance string) string {
	return filepath.Join(p.Base(), instance+".yml")
}

// Own returns the directory of the files that only Galley writes.
func (p Paths) Own() string { return filepath.Join(p.Base(), "galley") }

// Journal returns the record of the cloud resources made for an instance. It
// is a file of its own so that it outlives the state file, which Test Kitchen
// deletes on destroy.
func (p Paths) Journal(instance string) string {
	return filepath.Join(p.Own(), instance+".json")
}

// Key returns the private key generated for an instance.
func (p Paths) Key(instance string) string {
	return filepath.Join(p.Own(), instance+".pem")
}

// Lock returns the lock file of an instance.
func (p Paths) Lock(instance string) string {
	return filepath.Join(p.Own(), instance+".lock")
}

// Logs returns the directory of the logs.
func (p Paths) Logs() string { return filepath.Join(p.Base(), "logs") }

// Log returns the log file of an instance.
func (p Paths) Log(instance string) string {
	return filepath.Join(p.Logs(), instance+".log")
}

// CommonLog returns the log file of what concerns no single instance.
func (p Paths) CommonLog() string { return filepath.Join(p.Logs(), "kitchen.log") }

// User names the files of a person that belong to no project. Root is the
// directory that holds them.
type User struct{ Root string }

// UserFiles returns those of the person who runs the program: in galley below
// $XDG_STATE_HOME, or below ~/.local/state when that is unset or relative
// (XDG Base Directory Specification).
func UserFiles(getenv func(string) string) (User, error) {
	if base := getenv("XDG_STATE_HOME"); filepath.IsAbs(base) {
		return User{filepath.Join(base, "galley")}, nil
	}
	home := getenv("HOME")
	if home == "" {
		var err error
		if home, err = os.UserHomeDir(); err != nil {
			return User{}, fmt.Errorf("no directory for what is made: %w; set XDG_STATE_HOME", err)
		}
	}
	return User{filepath.Join(home, ".local", "state", "galley")}, nil
}

// Networks returns the directory of the records of networks.
func (u User) Networks() string { return filepath.Join(u.Root, "networks") }

// Network returns the record of a network of that name in a project of a
// cloud.
func (u User) Network(cloud, project, name string) string {
	return filepath.Join(u.Networks(), fileName(name, cloud, project, name)+".json")
}

// NetworksLock returns the lock file that those who make or remove networks
// hold.
func (u User) NetworksLock() string { return filepath.Join(u.Networks(), "lock") }

// Node returns the record of a node of that name that is being made of a
// machine, at a Chef Server.
func (u User) Node(server, name string) string {
	return filepath.Join(u.Root, "nodes", fileName(name, server, name)+".json")
}

// NodeLock returns the lock file that who makes that node holds.
func (u User) NodeLock(server, name string) string {
	return strings.TrimSuffix(u.Node(server, name), ".json") + ".lock"
}

// fileName makes a file name that people recognise and that is the key's
// alone, whatever signs the name has.
func fileName(name string, key ...string) string {
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, name)
	sum := sha256.Sum256([]byte(strings.Join(key, "\x00")))
	return plain[:min(len(plain), 40)] + "-" + hex.EncodeToString(sum[:8])
}
