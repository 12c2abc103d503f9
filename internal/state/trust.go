package state

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Trust remembers the files that the user lets run commands, each with a digest
// of its content: a file that has changed is not trusted any more.
type Trust struct{ Base string }

// Trust returns the record of the files that the user trusts.
func (u User) Trust() Trust { return Trust{filepath.Join(u.Root, "trusted")} }

// TrustedFile is a file as it was when the user trusted it.
type TrustedFile struct{ Path, Digest string }

func (t Trust) record(path string) string {
	return filepath.Join(t.Base, fileName(filepath.Base(path), path))
}

// Digest returns the digest of a content.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Has reports whether the file at an absolute path is trusted with this content.
func (t Trust) Has(path string, content []byte) bool {
	f, err := readTrusted(t.record(path))
	return err == nil && f == TrustedFile{path, Digest(content)}
}

// Add trusts the file at an absolute path with this content.
func (t Trust) Add(path string, content []byte) error {
	return WriteFile(t.record(path), []byte(Digest(content)+" "+path+"\n"))
}

// Remove forgets a file, and reports whether it was trusted.
func (t Trust) Remove(path string) (bool, error) {
	err := os.Remove(t.record(path))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// List returns all trusted files.
func (t Trust) List() ([]TrustedFile, error) {
	entries, err := os.ReadDir(t.Base)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the trusted files: %w", err)
	}
	var out []TrustedFile
	for _, e := range entries {
		f, err := readTrusted(filepath.Join(t.Base, e.Name()))
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func readTrusted(record string) (TrustedFile, error) {
	data, err := os.ReadFile(record)
	if err != nil {
		return TrustedFile{}, err
	}
	digest, path, ok := strings.Cut(strings.TrimSuffix(string(data), "\n"), " ")
	if !ok {
		return TrustedFile{}, fmt.Errorf("%s is not a record of a trusted file; remove it", record)
	}
	return TrustedFile{path, digest}, nil
}
