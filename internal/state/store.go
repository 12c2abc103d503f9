package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/galleyhq/galley/kitchen"
)

// NewStore returns the store of the states below a project's .kitchen
// directory, in the files that Test Kitchen reads and writes too.
func NewStore(root string) *kitchen.FileStore {
	p := Paths{root}
	return &kitchen.FileStore{Dir: p.Base(), Format: yamlFormat{}, Locks: p.Own(), LockFile: p.lock}
}

// lock is [Lock] for an instance. The lock file goes with the instance.
func (p Paths) lock(ctx context.Context, path, what string, waiting func(holder string)) (func() error, error) {
	unlock, err := Lock(ctx, path, what, waiting)
	if err != nil {
		return nil, err
	}
	instance := strings.TrimSuffix(filepath.Base(path), ".lock")
	return func() error {
		if isGone(p.State(instance)) && isGone(p.Journal(instance)) {
			_ = os.Remove(path) // It stays on systems that keep open files.
		}
		return unlock()
	}, nil
}

func isGone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
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
