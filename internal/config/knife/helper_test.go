package knife

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/galleyhq/galley/internal/env"
)

// tree writes files below a fresh home directory and returns it.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

// at returns options for a home directory, a directory below it and more
// environment.
func at(home, dir string, more map[string]string) Options {
	m := map[string]string{"HOME": home, "USER": "jo"}
	for k, v := range more {
		m[k] = v
	}
	dir = filepath.Join(home, dir)
	_ = os.MkdirAll(dir, 0o700)
	return Options{Dir: dir, Home: home, Env: env.FromMap(m)}
}

func load(t testing.TB, o Options) *Config {
	t.Helper()
	c, err := Load(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refused loads what must be refused, and returns the error.
func refused(t testing.TB, o Options) *Error {
	t.Helper()
	_, err := Load(context.Background(), o)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %T %v, want an *Error", err, err)
	}
	return e
}

func isString(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %q, want %q", what, got, want)
	}
}
