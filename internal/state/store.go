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

// Store keeps states as files below a project's .kitchen directory.
type Store struct{ paths Paths }

// NewStore returns the store of the project at root.
func NewStore(root string) *Store { return &Store{Paths{root}} }

// CorruptError tells that a state file cannot be read.
type CorruptError struct {
	Path string
	Err  error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("the state file %s cannot be read: %v", e.Path, e.Err)
}
func (e *CorruptError) Unwrap() error { return e.Err }

// Hint tells how to go on without losing the machine.
func (e *CorruptError) Hint() string {
	return "repair the file, or move it away and run `galley destroy` for the instance: " +
		"the journal below .kitchen/galley still knows what was made"
}

// Lock implements [kitchen.Store] with an advisory lock on a file, which the
// system releases when the process ends in whatever way.
func (s *Store) Lock(ctx context.Context, instance string, waiting func(holder string)) (func() error, error) {
	return Lock(ctx, s.paths.Lock(instance), "<"+instance+">", waiting)
}

// Lock holds the lock file at path for what, in people's words, and returns
// what lets go of it. While another process holds it, Lock waits, having told
// who that is; the context ends the wait. The system releases the lock when
// the process ends in whatever way.
func Lock(ctx context.Context, path, what string, waiting func(holder string)) (func() error, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of %s: %w", path, err)
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
	// Written in place: a rename would take the lock's file away under it.
	who := fmt.Sprintf("process %d since %s\n", os.Getpid(), time.Now().Format(time.TimeOnly))
	if err := os.WriteFile(path, []byte(who), 0o600); err != nil {
		l.Unlock()
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return l.Unlock, nil
}

// holder says who holds a lock, as that process wrote it down.
func holder(path string) string {
	data, err := os.ReadFile(path)
	if who := strings.TrimSpace(string(data)); err == nil && who != "" {
		return who
	}
	return "another process"
}

// Load implements [kitchen.Store]. An empty file is an empty state; one that
// is no mapping is a *[CorruptError].
func (s *Store) Load(instance string) (*kitchen.State, error) {
	path := s.paths.State(instance)
	st := kitchen.NewState(func(st *kitchen.State) error { return s.save(instance, st) })
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return st, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state of <%s>: %w", instance, err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, &CorruptError{path, err}
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return st, nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, &CorruptError{path, errors.New("it is no mapping")}
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		var v any
		if err := root.Content[i+1].Decode(&v); err != nil {
			return nil, &CorruptError{path, err}
		}
		// Ruby may have written symbols; they are the same keys.
		st.Set(strings.TrimPrefix(root.Content[i].Value, ":"), v)
	}
	return st, nil
}

func (s *Store) save(instance string, st *kitchen.State) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, k := range st.Keys() {
		var v yaml.Node
		if err := v.Encode(st.Get(k)); err != nil {
			return fmt.Errorf("the state of <%s>: key %s: %w", instance, k, err)
		}
		root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: k}, &v)
	}
	var b bytes.Buffer
	b.WriteString("---\n")
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return fmt.Errorf("the state of <%s>: %w", instance, err)
	}
	return WriteFile(s.paths.State(instance), b.Bytes())
}

// Delete implements [kitchen.Store].
func (s *Store) Delete(instance string) error {
	if err := Remove(s.paths.State(instance)); err != nil {
		return fmt.Errorf("removing the state of <%s>: %w", instance, err)
	}
	return nil
}
