package config

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/settings"
)

// project writes files to a new directory, the home below it included, and
// returns options that read them. Names are relative; "~/" is the home.
func project(t *testing.T, files map[string]string) Options {
	t.Helper()
	dir := t.TempDir()
	root, home := filepath.Join(dir, "project"), filepath.Join(dir, "home")
	for _, d := range []string{root, home} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if rest, ok := strings.CutPrefix(name, "~/"); ok {
			path = filepath.Join(home, rest)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Options{Root: root, Env: testEnv(map[string]string{"HOME": home})}
}

// load reads a project of one kitchen.yml.
func load(t *testing.T, text string) *Project {
	t.Helper()
	p, err := Load(context.Background(), project(t, map[string]string{"kitchen.yml": text}))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// loadError reads a project of one kitchen.yml that cannot be read.
func loadError(t *testing.T, text string) error {
	t.Helper()
	_, err := Load(context.Background(), project(t, map[string]string{"kitchen.yml": text}))
	if err == nil {
		t.Fatalf("read without an error:\n%s", text)
	}
	return err
}

// everySetting is the table of settings as one list.
func everySetting() []settings.Setting {
	var out []settings.Setting
	for _, g := range settings.Groups() {
		out = append(out, g.Settings...)
	}
	return out
}
