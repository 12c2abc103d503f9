// Package busser is the default verifier of Test Kitchen: it runs the tests in
// test/integration/SUITE/bats and in the directories of plain executables. It
// installs nothing on the machine; frameworks that would need Ruby gems there
// are refused.
//
// It may be imported by internal/cli and by tests.
package busser

import (
	"context"
	_ "embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/kitchen"
)

// runner runs files in the notation of Bats where Bats is not installed.
//
//go:embed bats.sh
var runner []byte

// Verifier runs a suite's bats files and executables.
type Verifier struct {
	set *base.Settings
	// moot are settings about installing busser, which is never done.
	moot []string
}

var (
	_ kitchen.Verifier = (*Verifier)(nil)
	_ kitchen.Checker  = (*Verifier)(nil)
)

// New reads the keys that every verifier has. version, busser_bin and
// ruby_bindir (Test Kitchen: of the busser gem) are accepted and reported as
// having nothing to act on.
func New(section config.Section, o base.Options) (*Verifier, error) {
	// Whether there is anything to run on the machine is known when it is
	// verified: until then any platform will do.
	set, err := base.ReadAnywhere(section, o)
	if err != nil {
		return nil, err
	}
	v := &Verifier{set: set}
	for _, key := range []string{"version", "busser_bin", "ruby_bindir"} {
		if section.Has(key) {
			v.moot = append(v.moot, key)
		}
	}
	return v, nil
}

// Directories of a suite that are not tests (Test Kitchen's chef_data_dir?,
// and what Galley and InSpec use).
var dataDirs = []string{"data", "data_bags", "environments", "nodes", "roles", "clients", "apply", "helpers"}

// Directories whose files are run as they are.
var plainDirs = []string{"bash", "sh", "shell"}

// FrameworkError refuses tests of a framework that busser would install.
type FrameworkError struct {
	// Dir is the directory, Framework its name.
	Dir, Framework string
}

func (e *FrameworkError) Error() string {
	if e.Framework == "inspec" {
		return e.Dir + " holds InSpec tests, which the verifier busser does not run"
	}
	return fmt.Sprintf("%s holds tests of %q: running them would install Ruby gems on the machine, which Galley does not do", e.Dir, e.Framework)
}

// Hint tells what works.
func (e *FrameworkError) Hint() string {
	if e.Framework == "inspec" {
		return "write `verifier: {name: inspec}`"
	}
	return "write them for InSpec (`verifier: {name: inspec}`) or bats, or start them from here with `verifier: {name: shell, command: …}`"
}

// suite is what there is to run.
type suite struct {
	tree base.Tree
	// bats are the .bats files, plain the executables, as paths below the
	// root path.
	bats, plain []string
	// warnings are about files that had to be changed.
	warnings []string
}

// find collects the suite's tests.
func (v *Verifier) find() (*suite, error) {
	s := &suite{}
	entries, err := os.ReadDir(v.set.SuiteDir())
	if os.IsNotExist(err) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for tests: %w", err)
	}
	for _, e := range entries {
		dir := filepath.Join(v.set.SuiteDir(), e.Name())
		// A link to a directory is one.
		if !base.IsDir(dir) || strings.HasPrefix(e.Name(), ".") || slices.Contains(dataDirs, e.Name()) {
			continue
		}
		if empty, err := holdsNoFile(dir); err != nil {
			return nil, fmt.Errorf("looking for tests: %w", err)
		} else if empty {
			continue
		}
		if e.Name() != "bats" && !slices.Contains(plainDirs, e.Name()) {
			return nil, &FrameworkError{Dir: v.show(dir), Framework: e.Name()}
		}
		if err := s.add(e.Name(), dir); err != nil {
			return nil, err
		}
		// Helpers are beside the tests (Test Kitchen: helper_files).
		helpers := filepath.Join(v.set.HelpersDir(), e.Name())
		if base.IsDir(helpers) {
			if err := s.tree.AddDir("suites/"+e.Name(), helpers, nil); err != nil {
				return nil, fmt.Errorf("reading %s: %w", v.show(helpers), err)
			}
		}
	}
	return s, nil
}

// show is a path as the user would write it.
func (v *Verifier) show(p string) string {
	if rel, err := filepath.Rel(v.set.Root, p); err == nil && !strings.HasPrefix(rel, "..") {
		return filepath.ToSlash(rel)
	}
	return p
}

func holdsNoFile(dir string) (bool, error) {
	empty := true
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			empty = false
			return fs.SkipAll
		}
		return err
	})
	return empty, err
}

// add takes the tests of one directory.
func (s *suite) add(kind, dir string) error {
	top := "suites/" + kind
	if err := s.tree.AddDir(top, dir, nil); err != nil {
		return fmt.Errorf("reading the tests in %s: %w", dir, err)
	}
	script := func(string) bool { return true }
	if err := s.tree.FixScripts(top, script, func(name, changed string) {
		s.warnings = append(s.warnings, base.ScriptWarning(name, changed))
	}); err != nil {
		return fmt.Errorf("reading the tests in %s: %w", dir, err)
	}
	return fs.WalkDir(&s.tree, top, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if kind == "bats" {
			// bats itself does not look into directories below.
			if path.Dir(p) == top && strings.HasSuffix(p, ".bats") {
				s.bats = append(s.bats, p)
			}
			return nil
		}
		info, err := d.Info()
		if err == nil && info.Mode().IsRegular() && (info.Mode()&0o111 != 0 || strings.HasSuffix(p, "_test.sh") || path.Dir(p) == top && strings.HasSuffix(p, ".sh")) {
			s.plain = append(s.plain, p)
		}
		return err
	})
}

// script is what runs all of the tests and fails if one of them does.
func (s *suite) script() string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\ncd \"$(dirname \"$0\")\" || exit 1\nfailed=0\n")
	if len(s.bats) > 0 {
		var files strings.Builder
		for _, f := range s.bats {
			files.WriteString(" " + base.Quote(f))
		}
		b.WriteString("echo '-----> Running bats test suite'\n" +
			"if command -v bats >/dev/null 2>&1; then\n" +
			"\tbats" + files.String() + " || failed=1\n" +
			"elif command -v bash >/dev/null 2>&1; then\n" +
			"\tbash ./bats.sh" + files.String() + " || failed=1\n" +
			"else\n" +
			"\techo 'bats files need bash, which this machine does not have' >&2\n" +
			"\tfailed=1\n" +
			"fi\n")
	}
	for i, f := range s.plain {
		if i == 0 || path.Dir(f) != path.Dir(s.plain[i-1]) {
			b.WriteString("echo " + base.Quote("-----> Running "+strings.TrimPrefix(path.Dir(f), "suites/")+" test suite") + "\n")
		}
		// The shell is asked where the file itself does not say who runs it.
		q := base.Quote("./" + f)
		b.WriteString("if [ -x " + q + " ]; then " + q + "; else sh " + q + "; fi && echo ok " + base.Quote(path.Base(f)) +
			" || { echo not ok " + base.Quote(path.Base(f)) + "; failed=1; }\n")
	}
	b.WriteString("exit $failed\n")
	return b.String()
}

// Check implements [kitchen.Checker].
func (v *Verifier) Check(context.Context, *kitchen.Step) []string {
	if _, err := v.find(); err != nil {
		return []string{err.Error() + "."}
	}
	return nil
}

// Verify implements [kitchen.Verifier].
func (v *Verifier) Verify(ctx context.Context, step *kitchen.Step, conn kitchen.Conn) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s, err := v.find()
	if err != nil {
		return err
	}
	if len(s.bats)+len(s.plain) == 0 {
		step.Report.Info("No tests for busser in %s: nothing to verify", v.show(v.set.SuiteDir()))
		return nil
	}
	if v.set.OSType == "windows" || v.set.ShellType == "powershell" {
		return &base.UnsupportedError{What: "the tests in " + v.show(v.set.SuiteDir()), Why: "busser needs a POSIX shell on the machine", Advice: "verify Windows with `verifier: {name: inspec}` or from here with `verifier: {name: shell}`"}
	}
	for _, key := range v.moot {
		step.Report.Info("Busser itself is not installed: %s has no effect", key)
	}
	for _, w := range s.warnings {
		step.Report.Warn("%s", w)
	}
	m := v.set.On(step, conn)
	defer m.Close()
	s.tree.AddBytes("run", []byte(s.script()), 0o755)
	s.tree.AddBytes("bats.sh", runner, 0o755)
	if err := m.SendUploads(ctx); err != nil {
		return err
	}
	step.Report.Info("Transferring files to <%s>", step.Instance.Name)
	if err := m.Sync(ctx, &s.tree, nil, m.SudoCode()); err != nil {
		return err
	}
	return m.Finish(ctx, m.RunRetrying(ctx, "the test run", m.Sudo("sh "+base.Quote(v.set.OnMachine("run")))))
}
