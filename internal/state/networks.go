package state

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Networks names the files of the networks that are made without a kitchen
// file. Base is the folder of all of them; see [NetworksDir].
type Networks struct{ Base string }

// NetworksDir is where the records of networks lie: galley/networks in
// $XDG_STATE_HOME, or in ~/.local/state when that is unset or relative.
func NetworksDir(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "galley", "networks"), nil
	}
	home := getenv("HOME")
	if home == "" {
		var err error
		if home, err = os.UserHomeDir(); err != nil {
			return "", fmt.Errorf("no directory for the records of networks: %w; set XDG_STATE_HOME", err)
		}
	}
	return filepath.Join(home, ".local", "state", "galley", "networks"), nil
}

// Record returns the record of a network of that name in a project of a
// cloud. People recognise the name; the digest tells clouds, projects and
// names apart that look the same.
func (n Networks) Record(cloud, project, network string) string {
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, network)
	sum := sha256.Sum256([]byte(strings.Join([]string{cloud, project, network}, "\x00")))
	return filepath.Join(n.Base, fmt.Sprintf("%s-%x.json", plain[:min(len(plain), 40)], sum[:8]))
}

// Lock returns the lock file that whoever makes or removes a network holds:
// one for all, since they share routers.
func (n Networks) Lock() string { return filepath.Join(n.Base, "lock") }
