package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"gopkg.in/yaml.v3"

	"github.com/galleyhq/galley/kitchen"
)

// lockRetry is how often a held lock is tried again.
const lockRetry = 100 * time.Millisecond

// NewStore returns the store of the states below a project's .kitchen
// directory, in the files that Test Kitchen reads and writes too.
func NewStore(root string) *kitchen.FileStore {
	p := Paths{root}
	return &kitchen.FileStore{Dir: p.Base(), Format: yamlFormat{}, Locks: p.Own(), LockFile: Lock}
}

// Lock is the [kitchen.LockFunc] of this program: it locks the file at path for
// what, which names it in messages, and returns what unlocks it. While another
// process has the lock, Lock reports which one and waits until the context
// ends. The system releases the lock when the process ends in whatever way.
func Lock(ctx context.Context, path, what string, waiting func(holder string)) (func() error, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("creating the directory of %s: %w", path, err)
	}
	l := flock.New(path, flock.SetPermissions(0o600))
	got, err := l.TryLock()
	if err == nil && !got {
		if waiting != nil {
			waiting(holder(path))
		}
		got, err = l.TryLockContext(ctx, lockRetry)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("waiting for the lock of %s, held by %s: %w", what, holder(path), ctx.Err())
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	// Written in place: a rename would replace the file that is locked.
	who := fmt.Sprintf("process %d since %s\n", os.Getpid(), time.Now().Format(time.TimeOnly))
	if err := os.WriteFile(path, []byte(who), 0o600); err != nil {
		l.Unlock()
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return l.Unlock, nil
}

// holder returns which process has a lock, as that process wrote it down.
func holder(path string) string {
	data, err := os.ReadFile(path)
	if who := strings.TrimSpace(string(data)); err == nil && who != "" {
		return who
	}
	return "another process"
}

// yamlFormat writes states as Test Kitchen does: a YAML mapping.
type yamlFormat struct{}

func (yamlFormat) Extension() string { return ".yml" }

// Decode reads a mapping. Ruby may have written symbols as keys; they are the
// same keys.
func (yamlFormat) Decode(data []byte, st *kitchen.State) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return err
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return errors.New("it is not a mapping")
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		var v any
		if err := root.Content[i+1].Decode(&v); err != nil {
			return err
		}
		st.Set(strings.TrimPrefix(root.Content[i].Value, ":"), v)
	}
	return nil
}

func (yamlFormat) Encode(st *kitchen.State) ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, k := range st.Keys() {
		var v yaml.Node
		if err := v.Encode(st.Get(k)); err != nil {
			return nil, fmt.Errorf("key %s: %w", k, err)
		}
		root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: k}, &v)
	}
	var b bytes.Buffer
	b.WriteString("---\n")
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
