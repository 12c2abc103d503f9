package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/openstack"
)

// initPlatform is a platform of the kitchen file.
type initPlatform struct {
	Name string
	// Image is its image, "" for a placeholder; User is who logs in, "" where
	// that is not known.
	Image, User string
}

// initOpenStack are the settings of the openstack driver. What is empty becomes a
// comment that says what to fill in.
type initOpenStack struct {
	Flavor string
	// FlavorNote is what the flavor has, for a comment.
	FlavorNote     string
	Network, Pool  string
	SecurityGroups []string
	// Known says that a cloud was looked at: a setting that is empty then is
	// one that is not needed.
	Known bool
	// PortVariable is the environment variable that holds the port on which
	// the cloud's machines answer SSH, "" for the usual port.
	PortVariable string
}

// initPlan says what to write where.
type initPlan struct {
	// options say how the configuration is read.
	options config.Options
	// Root is the project's directory.
	Root string
	// KitchenFile is the path of the kitchen file to be written; one that
	// exists is left alone.
	KitchenFile string
	// Driver is openstack, proxy or dummy; Provisioner any name.
	Driver, Provisioner string
	// Cookbook is the name of the project's cookbook, "" when it is none.
	Cookbook string
	// TestBase is the directory of tests.
	TestBase  string
	Platforms []initPlatform
	OpenStack initOpenStack
	// images are those of the cloud, where it was asked.
	images []openstack.Image
}

// initVerb says what happened to a file, in Thor's words.
type initVerb string

// The verbs.
const (
	initCreated  initVerb = "create"
	initLeft     initVerb = "exist"
	initAppended initVerb = "append"
)

// initChange is what happened to one file or directory.
type initChange struct {
	Verb initVerb
	// Path is relative to the project's directory where it is below it.
	Path string
}

// writeInitFiles writes the files and returns what happened to each, also when it fails
// halfway.
func writeInitFiles(o initPlan) (done []initChange, err error) {
	tell := func(v initVerb, path string) { done = append(done, initChange{v, relativeTo(o.Root, path)}) }
	for _, f := range []struct{ path, content string }{{o.KitchenFile, initKitchenFile(o)}, {filepath.Join(o.Root, "chefignore"), chefignore}} {
		verb, err := createFile(f.path, f.content)
		if err != nil {
			return done, err
		}
		tell(verb, f.path)
	}
	entries, err := os.ReadDir(o.TestBase)
	switch dir := filepath.Join(o.TestBase, suite); {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return done, fmt.Errorf("looking for tests: %w", err)
	case slices.ContainsFunc(entries, fs.DirEntry.IsDir): // for any suite
		tell(initLeft, o.TestBase)
	default:
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return done, fmt.Errorf("making a directory for tests: %w", err)
		}
		tell(initCreated, dir)
	}
	if !inGit(o.Root) {
		return done, nil
	}
	path := filepath.Join(o.Root, ".gitignore")
	verb, err := addIgnored(path)
	if err != nil {
		return done, fmt.Errorf("writing %s: %w", path, err)
	}
	tell(verb, path)
	return done, nil
}

// createFile writes a file unless there is one.
func createFile(path, content string) (initVerb, error) {
	// O_EXCL, so that nothing that came in the meantime is overwritten.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return initLeft, nil
	}
	if err == nil {
		_, err = f.WriteString(content)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return "", fmt.Errorf("writing %s: %w", path, err)
	}
	return initCreated, nil
}

// relativeTo shortens a path below a directory.
func relativeTo(root, path string) string {
	if rel, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// ignored is what git must not track: state, and a user's own settings.
var ignored = []string{".kitchen/", "kitchen.local.yml", ".kitchen.local.yml"}

// addIgnored adds missing entries to a .gitignore.
func addIgnored(path string) (initVerb, error) {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	verb := initAppended
	if err != nil {
		verb = initCreated
	}
	have := strings.Split(string(old), "\n")
	add := ""
	for _, line := range ignored {
		if !slices.ContainsFunc(have, func(h string) bool { return sameIgnore(h, line) }) {
			add += line + "\n"
		}
	}
	if add == "" {
		return initLeft, nil
	}
	if len(old) > 0 && old[len(old)-1] != '\n' {
		add = "\n" + add
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(add)
	return verb, errors.Join(err, f.Close())
}

// sameIgnore reports whether two lines of .gitignore mean the same.
func sameIgnore(have, want string) bool {
	trim := func(s string) string { return strings.Trim(strings.TrimRight(s, " \t\r"), "/") }
	return trim(have) == trim(want)
}

// inGit reports whether a directory is in a git work tree. In a linked one
// .git is a file.
func inGit(dir string) bool {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return true
		}
		up := filepath.Dir(dir)
		if up == dir {
			return false
		}
		dir = up
	}
}
