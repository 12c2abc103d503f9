package state

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Servers names the files of the servers that are made without a kitchen
// file, each below the folder of the cloud's project that it is in. Base is
// the folder of all of them; see [ServersDir].
type Servers struct{ Base string }

// ServersDir is where the records of servers lie: galley/servers in
// $XDG_STATE_HOME, or in ~/.local/state.
func ServersDir(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "galley", "servers"), nil
	}
	home := getenv("HOME")
	if home == "" {
		var err error
		if home, err = os.UserHomeDir(); err != nil {
			return "", fmt.Errorf("no directory for the records of servers: %w; set XDG_STATE_HOME", err)
		}
	}
	return filepath.Join(home, ".local", "state", "galley", "servers"), nil
}

const recordExt = ".json"

// Record returns the record of a server, of the project with that ID.
func (s Servers) Record(project, server string) string {
	return filepath.Join(s.Base, fileName(project), fileName(server)+recordExt)
}

// Key returns the private key generated for a server.
func (s Servers) Key(project, server string) string {
	return strings.TrimSuffix(s.Record(project, server), recordExt) + ".pem"
}

// Lock returns the lock file of a server.
func (s Servers) Lock(project, server string) string {
	return strings.TrimSuffix(s.Record(project, server), recordExt) + ".lock"
}

// Records returns the records there are of a project's servers, sorted.
func (s Servers) Records(project string) ([]string, error) {
	dir := filepath.Join(s.Base, fileName(project))
	list, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the records of servers: %w", err)
	}
	var out []string
	for _, e := range list {
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && strings.HasSuffix(e.Name(), recordExt) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(out)
	return out, nil
}

// longestFileName leaves room for the endings and for temporary names.
const longestFileName = 200

// fileName makes a file name of any name: what a file system could take
// amiss is written as in a URL, and a name that is too long ends in a digest.
// Different names have different files, also where case does not count.
func fileName(name string) string {
	escaped := url.PathEscape(name)
	if strings.Trim(escaped, ".") == "" || strings.HasPrefix(escaped, ".") {
		escaped = "%2E" + strings.TrimPrefix(escaped, ".")
	}
	if strings.ToLower(name) != name || len(escaped) > longestFileName || strings.ContainsAny(escaped, ":*") {
		sum := sha256.Sum256([]byte(name))
		escaped = strings.NewReplacer(":", "%3A", "*", "%2A").Replace(escaped)
		escaped = fmt.Sprintf("%s-%x", escaped[:min(len(escaped), longestFileName)], sum[:6])
	}
	return escaped
}
