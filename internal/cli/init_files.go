package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/config"
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
func writeInitFiles(o initPlan) ([]initChange, error) {
	w := &initWriter{o: o}
	w.file(o.KitchenFile, initKitchenFile(o))
	w.file(filepath.Join(o.Root, "chefignore"), chefignore)
	w.tests()
	if inGit(o.Root) {
		w.gitignore()
	}
	return w.done, w.err
}

type initWriter struct {
	o    initPlan
	done []initChange
	err  error
}

func (w *initWriter) tell(v initVerb, path string) {
	if rel, err := filepath.Rel(w.o.Root, path); err == nil && filepath.IsLocal(rel) {
		path = rel
	}
	w.done = append(w.done, initChange{v, path})
}

// file writes a file unless there is one.
func (w *initWriter) file(path, content string) {
	if w.err != nil {
		return
	}
	// O_EXCL, so that nothing that came in the meantime is overwritten.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		w.tell(initLeft, path)
		return
	}
	if err == nil {
		_, err = f.WriteString(content)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		w.err = fmt.Errorf("writing %s: %w", path, err)
		return
	}
	w.tell(initCreated, path)
}

// tests makes a directory for the suite's tests unless there is one for any.
func (w *initWriter) tests() {
	if w.err != nil {
		return
	}
	entries, err := os.ReadDir(w.o.TestBase)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.err = fmt.Errorf("looking for tests: %w", err)
		return
	}
	if slices.ContainsFunc(entries, fs.DirEntry.IsDir) {
		w.tell(initLeft, w.o.TestBase)
		return
	}
	dir := filepath.Join(w.o.TestBase, suite)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.err = fmt.Errorf("making a directory for tests: %w", err)
		return
	}
	w.tell(initCreated, dir)
}

// ignored is what git must not track: state, and a user's own settings.
var ignored = []string{".kitchen/", "kitchen.local.yml", ".kitchen.local.yml"}

// gitignore adds missing entries to .gitignore.
func (w *initWriter) gitignore() {
	if w.err != nil {
		return
	}
	path := filepath.Join(w.o.Root, ".gitignore")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.err = err
		return
	}
	verb := initAppended
	if err != nil {
		verb = initCreated
	}
	have := strings.Split(string(old), "\n")
	var add bytes.Buffer
	for _, line := range ignored {
		if !slices.ContainsFunc(have, func(h string) bool { return sameIgnore(h, line) }) {
			add.WriteString(line + "\n")
		}
	}
	if add.Len() == 0 {
		w.tell(initLeft, path)
		return
	}
	if len(old) > 0 && old[len(old)-1] != '\n' {
		add = *bytes.NewBufferString("\n" + add.String())
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err == nil {
		_, err = f.Write(add.Bytes())
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		w.err = fmt.Errorf("writing %s: %w", path, err)
		return
	}
	w.tell(verb, path)
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
