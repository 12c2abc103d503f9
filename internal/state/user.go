package state

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// User names the files of a person that belong to no project. Root is the
// directory that holds them.
type User struct{ Root string }

// UserFiles returns those of the user who runs the program: in galley below
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
			return User{}, fmt.Errorf("no directory for records: %w; set XDG_STATE_HOME", err)
		}
	}
	return User{filepath.Join(home, ".local", "state", "galley")}, nil
}

// Fetched is the directory in which `galley fetch` remembers the versions of
// finished downloads.
func (u User) Fetched() string { return filepath.Join(u.Root, "fetched") }

// Kitchen returns the directory of the copies of the records of the kitchen in
// root.
func (u User) Kitchen(root string) string {
	return filepath.Join(u.Root, "kitchens", fileName(filepath.Base(root), root))
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
