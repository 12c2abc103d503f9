package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Servers names the files of the servers that are made without a kitchen
// file, each below the folder of the cloud's project that it is in. Base is
// the folder of all of them; see [User.Servers].
type Servers struct{ Base string }

// Servers returns the names of the files of servers.
func (u User) Servers() Servers { return Servers{filepath.Join(u.Root, "servers")} }

const recordExt = ".json"

// Record returns the record of a server, of the project with that ID.
func (s Servers) Record(project, server string) string {
	return filepath.Join(s.Base, fileName(project, project), fileName(server, server)+recordExt)
}

// Key returns the private key generated for a server.
func (s Servers) Key(project, server string) string {
	return strings.TrimSuffix(s.Record(project, server), recordExt) + ".pem"
}

// Lock returns the lock file of a server.
func (s Servers) Lock(project, server string) string {
	return s.LockOf(s.Record(project, server))
}

// LockOf returns the lock file of the server with a record.
func (s Servers) LockOf(record string) string {
	return strings.TrimSuffix(record, recordExt) + ".lock"
}

// Records returns the records there are of a project's servers, sorted.
func (s Servers) Records(project string) ([]string, error) {
	return records(filepath.Join(s.Base, fileName(project, project)))
}

// AllRecords returns the records there are of all projects' servers.
func (s Servers) AllRecords() ([]string, error) {
	dirs, err := filepath.Glob(filepath.Join(s.Base, "*"))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, dir := range dirs {
		more, err := records(dir)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// records returns the records in a directory, sorted.
func records(dir string) ([]string, error) {
	list, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the records: %w", err)
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
