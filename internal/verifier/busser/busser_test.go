package busser_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/verifier/busser"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

func verifier(t *testing.T, m *kitchentest.Machine, files map[string]string, change func(*base.Options)) *busser.Verifier {
	t.Helper()
	o := base.Options{Instance: "default-debian-12", Suite: "default", Platform: "debian-12", Root: t.TempDir()}
	for name, content := range files {
		p := filepath.Join(o.Root, "test", "integration", name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		perm := os.FileMode(0o644)
		if strings.HasPrefix(content, "#!") {
			perm = 0o755
		}
		if err := os.WriteFile(p, []byte(content), perm); err != nil {
			t.Fatal(err)
		}
	}
	if change != nil {
		change(&o)
	}
	v, err := busser.New(config.NewSection(map[string]any{"root_path": m.Path("verifier")}), o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func verify(t *testing.T, m *kitchentest.Machine, v *busser.Verifier) (string, error) {
	t.Helper()
	step, rec := kitchentest.NewStep(kitchen.Verify, m)
	err := v.Verify(t.Context(), step, m.Conn())
	return rec.Text(), err
}

func needBash(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
}

func TestContract(t *testing.T) {
	of := func(script string) func(*testing.T, *kitchentest.Machine) kitchen.Verifier {
		return func(t *testing.T, m *kitchentest.Machine) kitchen.Verifier {
			return verifier(t, m, map[string]string{"default/bash/it_test.sh": "#!/bin/sh\n" + script}, nil)
		}
	}
	kitchentest.Verifier(t, kitchentest.VerifierCase{New: of("true\n"), Failing: of("exit 3\n"), Slow: of("exec sleep 60\n")})
}

func TestNothingToDo(t *testing.T) {
	m := kitchentest.NewMachine(t)
	for _, files := range []map[string]string{nil, {"default/default_test.rb": "x", "default/data_bags/x.json": "{}", "helpers/bats/h.bash": "x"}} {
		text, err := verify(t, m, verifier(t, m, files, func(o *base.Options) { o.OSType = "windows" }))
		if err != nil || !strings.Contains(text, "nothing to verify") || len(m.Commands()) != 0 {
			t.Errorf("error %v, commands %q, text:\n%s", err, m.Commands(), text)
		}
	}
}

func TestExecutables(t *testing.T) {
	m := kitchentest.NewMachine(t)
	files := map[string]string{
		"default/bash/one_test.sh": "#!/bin/sh\necho one as ${SUDO:-me}\n",
		"default/bash/two_test.sh": "echo two; exit 2\n",
		"default/sh/last":          "#!/bin/sh\necho last; cat \"$(dirname \"$0\")/shared\"\n",
		"default/sh/notes.txt":     "no test\n",
		"helpers/sh/shared":        "of all suites\n",
		"default/data/x":           "x",
	}
	text, err := verify(t, m, verifier(t, m, files, nil))
	var failed *base.CommandError
	if !errors.As(err, &failed) || failed.Status != 1 {
		t.Errorf("error %v", err)
	}
	want := "-----> Running bash test suite\none as 1\nok one_test.sh\ntwo\nnot ok two_test.sh\n-----> Running sh test suite\nlast\nof all suites\nok last\n"
	if !strings.Contains(text, want) {
		t.Errorf("no\n%s\nin\n%s", want, text)
	}
}

func TestFrameworksAreRefused(t *testing.T) {
	m := kitchentest.NewMachine(t)
	for dir, hint := range map[string]string{"serverspec": "InSpec", "minitest": "bats", "inspec": "name: inspec"} {
		v := verifier(t, m, map[string]string{"default/" + dir + "/a/b.rb": "x"}, nil)
		_, err := verify(t, m, v)
		var fe *busser.FrameworkError
		if !errors.As(err, &fe) || fe.Framework != dir || !strings.Contains(kitchen.Hint(err), hint) {
			t.Errorf("%s: error %v, hint %q", dir, err, kitchen.Hint(err))
		}
		step, _ := kitchentest.NewStep("", m)
		if c := v.Check(t.Context(), step); len(c) != 1 || !strings.Contains(c[0], "test/integration/default/"+dir) {
			t.Errorf("complaints %q", c)
		}
	}
	if len(m.Commands()) != 0 {
		t.Errorf("commands were run: %q", m.Commands())
	}
}

const batsFile = `#!/usr/bin/env bats

load helper

setup() {
  export MADE=$BATS_TEST_TMPDIR/made
  : >"$MADE"
}

teardown() {
  echo "teardown $BATS_TEST_DESCRIPTION" >>"$HOME/teardowns"
}

@test "addition works" {
  result=$((2 + 2))
  [ "$result" -eq 4 ]
  [ -e "$MADE" ]
}

@test 'run keeps status, output and lines' {
  run sh -c 'echo one; echo; echo two; exit 3'
  [ "$status" -eq 3 ]
  [ "${lines[0]}" = one ]
  [ "${lines[1]}" = two ]
  [[ $output == *one* ]]
}

@test "a helper is loaded" {
  helped
}

@test "left out" {
  skip "not here"
  false
}

@test "left out without a reason" { skip; }

@test "fails in the middle" {
  echo "some output"
  [ 1 -eq 2 ]
  true
}

@test "unexpected status" {
  run -1 true
}

@test "failure inside a function" {
  broken_helper
}

@test "a test with \"quotes\"" {
  run ! false
  run -0 true
}
`

func TestBatsFiles(t *testing.T) {
	needBash(t)
	m := kitchentest.NewMachine(t)
	files := map[string]string{
		"default/bats/a.bats":      batsFile,
		"default/bats/b.bats":      "setup_file() { export SHARED=1; }\nteardown_file() { echo done >>\"$HOME/file\"; }\n@test \"shared\" { [ \"$SHARED\" = 1 ]; }\r\n",
		"helpers/bats/helper.bash": "helped() { true; }\nbroken_helper() {\n  echo in the helper\n  false\n  true\n}\n",
	}
	text, err := verify(t, m, verifier(t, m, files, nil))
	var failed *base.CommandError
	if !errors.As(err, &failed) {
		t.Errorf("error %v", err)
	}
	at := m.Path("verifier", "suites", "bats", "a.bats")
	want := []string{
		"-----> Running bats test suite",
		"1..10",
		"ok 1 addition works",
		"ok 2 run keeps status, output and lines",
		"ok 3 a helper is loaded",
		"ok 4 left out # skip not here",
		"ok 5 left out without a reason # skip",
		"not ok 6 fails in the middle",
		"# (in test file " + at + ", line 41)",
		"#   `[ 1 -eq 2 ]' failed",
		"# some output",
		"not ok 7 unexpected status",
		"# (in test file " + at + ", line 46)",
		"#   `run -1 true' failed",
		"# run: the command ended with 0, not 1: true",
		"not ok 8 failure inside a function",
		"# (in test file " + at + ", line 50)",
		"#   `broken_helper' failed",
		"# in the helper",
		`ok 9 a test with "quotes"`,
		"ok 10 shared",
	}
	got := text[strings.Index(text, want[0]):]
	if w := strings.Join(want, "\n") + "\n"; got != w {
		t.Errorf("got\n%s\nwant\n%s", got, w)
	}
	if n := strings.Count(m.Read("teardowns"), "teardown"); n != 9 {
		t.Errorf("%d teardowns, want 9:\n%s", n, m.Read("teardowns"))
	}
	if m.Read("file") != "done\n" {
		t.Error("teardown_file did not run")
	}
}

func TestBatsFilesThatPass(t *testing.T) {
	needBash(t)
	m := kitchentest.NewMachine(t)
	if text, err := verify(t, m, verifier(t, m, map[string]string{"default/bats/a.bats": "@test \"fine\" {\n  true\n}"}, nil)); err != nil || !strings.Contains(text, "1..1\nok 1 fine\n") {
		t.Errorf("error %v\n%s", err, text)
	}
}

func TestBatsFilesThatAreBroken(t *testing.T) {
	needBash(t)
	m := kitchentest.NewMachine(t)
	for name, file := range map[string]string{
		"syntax":     "@test \"x\" {\n  if\n}\n",
		"setup_file": "setup_file() { return 1; }\n@test \"x\" { true; }\n",
		"load":       "load nothing\n@test \"x\" { true; }\n",
		"teardown":   "teardown() { false; }\n@test \"x\" { true; }\n",
		"setup":      "setup() { false; }\n@test \"x\" { true; }\n",
	} {
		text, err := verify(t, m, verifier(t, m, map[string]string{"default/bats/a.bats": file}, nil))
		if err == nil || !strings.Contains(text, "not ok 1 x\n") {
			t.Errorf("%s: error %v\n%s", name, err, text)
		}
	}
}

func TestBatsItselfWins(t *testing.T) {
	m := kitchentest.NewMachine(t)
	m.Program(t, "bats", "echo \"real bats: $*\"\n")
	text, err := verify(t, m, verifier(t, m, map[string]string{"default/bats/a b.bats": "x", "default/bats/c.bats": "y", "default/bats/lib/d.bats": "z"}, nil))
	if err != nil || !strings.Contains(text, "real bats: suites/bats/a b.bats suites/bats/c.bats\n") {
		t.Errorf("error %v\n%s", err, text)
	}
}

func TestMootSettings(t *testing.T) {
	m := kitchentest.NewMachine(t)
	root := t.TempDir()
	m.Write(t, filepath.Join(root, "test/integration/default/sh/x.sh"), "true\n", 0o644)
	v, err := busser.New(config.NewSection(map[string]any{"root_path": m.Path("v"), "version": "0.6.0"}), base.Options{Suite: "default", Instance: "x", Root: root})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := verify(t, m, v); err != nil || !strings.Contains(text, "version has no effect") {
		t.Errorf("error %v\n%s", err, text)
	}
}
