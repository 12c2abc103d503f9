package kitchen

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lockRetry is how often a lock that is held is tried again.
const lockRetry = 100 * time.Millisecond

// FileStore is a [Store] of one file for each instance in a directory. Files
// are readable by the user alone and replaced atomically. A lock is held by
// one process at a time and ends with it in whatever way.
type FileStore struct {
	// Dir is the directory, which is created when it is needed.
	Dir string
	// Format is how states are written; nil for JSON.
	Format Format
	// Locks is the directory of the lock files; "" for Dir.
	Locks string
	// LockFile locks a file; nil for an advisory lock of the system.
	LockFile LockFunc
}

// LockFunc locks the file at path for what, which names it in messages, and
// returns what unlocks it. While another process has the lock it calls
// waiting once with the known facts about that process, and waits until the context
// ends.
type LockFunc func(ctx context.Context, path, what string, waiting func(holder string)) (unlock func() error, err error)

// Format is how a [FileStore] writes states.
type Format interface {
	// Extension ends the files' names, as in ".json".
	Extension() string
	Encode(state *State) ([]byte, error)
	// Decode sets the keys of an empty state. Empty data is an empty state.
	Decode(data []byte, state *State) error
}

// CorruptError reports that a state file cannot be read.
type CorruptError struct {
	Path string
	Err  error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("the state file %s cannot be read: %v", e.Path, e.Err)
}
func (e *CorruptError) Unwrap() error { return e.Err }

// Hint says how to go on without losing the machine.
func (e *CorruptError) Hint() string {
	return "repair the file, or move it away and run `galley destroy` for the instance: " +
		"the journal below .kitchen/galley still knows the resources"
}

func (s *FileStore) format() Format {
	if s.Format == nil {
		return jsonFormat{}
	}
	return s.Format
}

// Path returns the file of an instance's state.
func (s *FileStore) Path(instance string) string {
	return filepath.Join(s.Dir, instance+s.format().Extension())
}

// checkName refuses names that lead out of the directory.
func checkName(instance string) error {
	if instance == "" || instance != filepath.Base(instance) || strings.HasPrefix(instance, ".") {
		return fmt.Errorf("%q cannot be the name of an instance: it is not the name of a file", instance)
	}
	return nil
}

// Lock implements [Store].
func (s *FileStore) Lock(ctx context.Context, instance string, waiting func(holder string)) (func() error, error) {
	if err := checkName(instance); err != nil {
		return nil, err
	}
	dir, lock := s.Locks, s.LockFile
	if dir == "" {
		dir = s.Dir
	}
	if lock == nil {
		lock = lockFile
	}
	return lock(ctx, filepath.Join(dir, instance+".lock"), "<"+instance+">", waiting)
}

// Load implements [Store]. A file that cannot be decoded is a *[CorruptError].
func (s *FileStore) Load(instance string) (*State, error) {
	if err := checkName(instance); err != nil {
		return nil, err
	}
	path := s.Path(instance)
	state := NewState(func(st *State) error { return s.save(instance, st) })
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return state, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state of <%s>: %w", instance, err)
	}
	if err := s.format().Decode(data, state); err != nil {
		return nil, &CorruptError{path, err}
	}
	return state, nil
}

func (s *FileStore) save(instance string, state *State) error {
	data, err := s.format().Encode(state)
	if err == nil {
		err = replaceFile(s.Path(instance), data)
	}
	if err != nil {
		return fmt.Errorf("writing the state of <%s>: %w", instance, err)
	}
	return nil
}

// Delete implements [Store].
func (s *FileStore) Delete(instance string) error {
	if err := checkName(instance); err != nil {
		return err
	}
	if err := os.Remove(s.Path(instance)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the state of <%s>: %w", instance, err)
	}
	return nil
}

// replaceFile replaces a file atomically; the data is on disk when it returns.
func replaceFile(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// lockFile is the [LockFunc] of a store that has none.
func lockFile(ctx context.Context, path, what string, waiting func(holder string)) (func() error, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	tick := time.NewTicker(lockRetry)
	defer tick.Stop()
	for {
		unlock, err := tryLock(path)
		if err != nil {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if unlock != nil {
			return unlock, nil
		}
		if waiting != nil {
			waiting("another process")
			waiting = nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the lock of %s, held by another process: %w", what, context.Cause(ctx))
		}
	}
}

// jsonFormat writes states as JSON objects, whose keys keep their order.
type jsonFormat struct{}

func (jsonFormat) Extension() string { return ".json" }

func (jsonFormat) Encode(state *State) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("{")
	for i, key := range state.Keys() {
		name, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		value, err := json.MarshalIndent(state.Get(key), "  ", "  ")
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", key, err)
		}
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n  %s: %s", name, value)
	}
	b.WriteString("\n}\n")
	return b.Bytes(), nil
}

func (jsonFormat) Decode(data []byte, state *State) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return errors.New("it is not a JSON object")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return err
		}
		state.Set(fmt.Sprint(key), value)
	}
	_, err := dec.Token()
	return err
}
