package cookbook

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/env"
)

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var globs = []string{"*.tmp", "spec/*", "/x", ".*", "*", "docs", "test/**", "[!a]*", "[a-c]?", "\\*", "**/x", "a[", "a/*/c", "?b", "[^.]x", "[a\\]]b", "\\.x", "[.]x", "[]b", "[!]b", "[c-a]b", "a.c", "[a-]b", "[+-.]x", "x\\", "*b*/c", "[a\\-z]b", ""}

var paths = []string{"a.tmp", "x/b.tmp", "spec/x", "spec/a/b", ".x", "x/.y", "docs/a", "docs", "test/a/b", "b", "ab", "*", "x/x", "a[", "a/b/c", "a/b/d/c", "]b", "üb", ""}

// TestMatchAsRuby compares with Ruby's File.fnmatch.
func TestMatchAsRuby(t *testing.T) {
	ruby, err := exec.LookPath("ruby")
	if err != nil {
		t.Skip("ruby is not installed")
	}
	program := `globs, paths = ARGV[0].split("\n", -1), ARGV[1].split("\n", -1)
globs.each { |g| paths.each { |p| puts File.fnmatch(g, p) } }`
	cmd := exec.CommandContext(t.Context(), ruby, "-Ku", "-e", program, strings.Join(globs, "\n"), strings.Join(paths, "\n"))
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i, g := range globs {
		for j, p := range paths {
			if got := newGlob(g).match(p); got != (lines[i*len(paths)+j] == "true") {
				t.Errorf("%q with %q: %v", g, p, got)
			}
		}
	}
}

func FuzzGlob(f *testing.F) {
	for _, g := range globs {
		f.Add(g, "a/b.tmp")
	}
	f.Add("\xff[\xfe-", "\xff")
	f.Fuzz(func(t *testing.T, g, path string) {
		if newGlob(g).match(path) && g == "" && path != "" {
			t.Errorf("an empty glob matches %q", path)
		}
	})
}

func TestFilesAndIdentifier(t *testing.T) {
	dir := tree(t, map[string]string{
		"metadata.rb": "name 'a'\nversion '1.0.0'\n", "recipes/default.rb": "log 'a default'\n",
	})
	// Recorded from chef-cli.
	if id, err := Identify(dir); err != nil || id != "32bf7ff00e8d727d078f646aa6551557e9bade00" || id.Dotted() != "14284305044770162.35192684535260757.23467327675904" {
		t.Errorf("identifier %s, %s, %v", id, id.Dotted(), err)
	}
	dir = tree(t, map[string]string{
		"metadata.rb": "", ".hidden": "", ".git/config": "", "files/.hidden": "", "a.tmp": "", "x/.uploaded-cookbook-version.json": "", "x/y": "", "chefignore": "# no\n*.tmp\n\n",
	})
	if err := os.Symlink("../metadata.rb", filepath.Join(dir, "files", "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("x", filepath.Join(dir, "folder")); err != nil {
		t.Fatal(err)
	}
	ignore, err := FindIgnore(filepath.Join(dir, "x"))
	if err != nil {
		t.Fatal(err)
	}
	if !ignore.Has("x.tmp") || ignore.Has("tmp") {
		t.Errorf("ignored %v", ignore)
	}
	files, err := Files(dir)
	if want := []string{".hidden", "chefignore", "files/.hidden", "files/link", "metadata.rb", "x/y"}; err != nil || !slices.Equal(files, want) {
		t.Errorf("files %q, %v", files, err)
	}
}

func TestMetadata(t *testing.T) {
	dir := tree(t, map[string]string{
		"metadata.rb": `name 'app'
version IO.read(File.join(File.dirname(__FILE__), 'VERSION'))
depends 'b', '~> 1.4'
depends 'a'
%w(ubuntu debian).each { |os| supports os, '>= 12' }
chef_version '>= 14', '< 19' if respond_to?(:chef_version)
gem 'x', '1.0'
attribute 'ghost', type: 'string'
`, "VERSION": "1.2\n", "recipes/default.rb": "", "recipes/sub/two.rb": "",
	})
	m, err := Reader{Env: &env.Env{}}.Read(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "app" || m.Version != "1.2.0" || !slices.Equal(m.Dependencies, []Dependency{{"b", "~> 1.4"}, {"a", ">= 0.0.0"}}) {
		t.Errorf("%+v", m)
	}
	text := string(m.Compiled([]string{"metadata.rb", "recipes/default.rb", "recipes/sub/two.rb"}))
	for _, want := range []string{`"app::two": ""`, `"app": ""`, `"< 19"`, `"ubuntu": ">= 12"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	for src, want := range map[string]string{
		"name 'a'\ndepends 'a'": "depends on itself", "name 'a'\ndepends 'b', 'about 1'": "not a version constraint", "name 3": "String",
		"name 'a'\nversion '1'": "1.2.3", "name '../x'": "cannot be the name", "raise 'boom'": "boom", "chef_version 'x'": "requirement",
	} {
		if _, err := (Reader{}).Read(t.Context(), tree(t, map[string]string{"metadata.rb": src})); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", src, err)
		}
	}
	if _, err := (Reader{}).Read(t.Context(), t.TempDir()); !errors.Is(err, ErrNotCookbook) {
		t.Errorf("an empty folder: %v", err)
	}
}
