package shell_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/provisioner/shell"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

// project makes a project directory of the given files.
func project(t *testing.T, files map[string]string) base.Options {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return base.Options{Instance: "default-debian-12", Suite: "default", Platform: "debian-12", Root: root}
}

func provisioner(t *testing.T, m *kitchentest.Machine, o base.Options, keys map[string]any) *shell.Provisioner {
	t.Helper()
	data := map[string]any{"name": "shell", "root_path": m.Path("kitchen")}
	for k, v := range keys {
		data[k] = v
	}
	p, err := shell.New(config.NewSection(data).WithRoot(o.Root), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func converge(t *testing.T, m *kitchentest.Machine, p kitchen.Provisioner) (string, error) {
	t.Helper()
	step, rec := kitchentest.NewStep(kitchen.Converge, m)
	err := p.Converge(t.Context(), step, m.Conn())
	return rec.Text(), err
}

func TestContract(t *testing.T) {
	of := func(script string) func(*testing.T, *kitchentest.Machine) kitchen.Provisioner {
		return func(t *testing.T, m *kitchentest.Machine) kitchen.Provisioner {
			return provisioner(t, m, project(t, map[string]string{"bootstrap.sh": "#!/bin/sh\n" + script}), nil)
		}
	}
	kitchentest.Provisioner(t, kitchentest.ProvisionerCase{
		New:     of("echo fine\n"),
		Failing: of("echo broken; exit 3\n"),
		Slow:    of("exec sleep 60\n"),
	})
}

func TestScript(t *testing.T) {
	m := kitchentest.NewMachine(t)
	o := project(t, map[string]string{
		"test/integration/default/bootstrap.sh": "#!/bin/sh\nfor a; do echo \"arg=$a\"; done\necho sudo=$SUDO proxy=$http_proxy $HTTP_PROXY kitchen=$TEST_KITCHEN ci=$CI license=$CHEF_LICENSE own=$OWN\ncat \"$(dirname \"$0\")/data/it's\"\necho err >&2\n",
		"bootstrap.sh":                          "exit 9\n",
		"test/integration/data/it's":            "some data",
	})
	o.Environ = []string{"HTTP_PROXY=http://p'x:1", "CI=true", "CHEF_LICENSE=accept", "TKENV_OWN=a b", "TKENV_not-a-name=x"}
	p := provisioner(t, m, o, map[string]any{"arguments": []any{"one two", "it's", "$HOME"}})
	text, err := converge(t, m, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Preparing files for transfer\nPreparing data\nPreparing script\nTransferring files to <default-debian-12>\n",
		"arg=one two\narg=it's\narg=$HOME\n",
		"sudo=1 proxy=http://p'x:1 http://p'x:1 kitchen=1 ci=true license=accept own=a b\n",
		"some dataerr\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	// Nothing changed: nothing is sent.
	m.Reset()
	if _, err := converge(t, m, p); err != nil {
		t.Fatal(err)
	}
	if n := m.Received(); n != 0 {
		t.Errorf("the second converge sent %d bytes", n)
	}
}

func TestCommandRunsWithoutSudoAndScript(t *testing.T) {
	m := kitchentest.NewMachine(t)
	o := project(t, map[string]string{"bootstrap.sh": "exit 9\n"})
	p := provisioner(t, m, o, map[string]any{"command": "echo \"it's ${SUDO:-me} in $PWD\" 'quoted'"})
	text, err := converge(t, m, p)
	if err != nil {
		t.Fatal(err)
	}
	if want := "it's me in " + m.Dir + " quoted\n"; !strings.Contains(text, want) {
		t.Errorf("no %q in:\n%s", want, text)
	}
	if strings.Contains(m.Read("kitchen", "bootstrap.sh"), "exit") {
		t.Error("the script was uploaded")
	}
}

func TestNoScript(t *testing.T) {
	m := kitchentest.NewMachine(t)
	text, err := converge(t, m, provisioner(t, m, project(t, nil), nil))
	if err != nil || !strings.Contains(text, "No provisioner script file specified, skipping\n") {
		t.Errorf("error %v, text:\n%s", err, text)
	}
}

func TestOldDataGoes(t *testing.T) {
	m := kitchentest.NewMachine(t)
	o := project(t, map[string]string{"data/x": "1", "bootstrap.sh": "#!/bin/sh\n"})
	if _, err := converge(t, m, provisioner(t, m, o, nil)); err != nil {
		t.Fatal(err)
	}
	if m.Read("kitchen", "data", "x") != "1" {
		t.Fatal("data were not uploaded")
	}
	o2 := project(t, map[string]string{"bootstrap.sh": "#!/bin/sh\n"})
	if _, err := converge(t, m, provisioner(t, m, o2, nil)); err != nil {
		t.Fatal(err)
	}
	if m.Read("kitchen", "data", "x") != "" {
		t.Error("old data stayed")
	}
}

func TestFailureSaysWhy(t *testing.T) {
	m := kitchentest.NewMachine(t)
	o := project(t, map[string]string{"go.sh": "#!/bin/sh\necho first\necho 'the reason' >&2\nexit 7\n"})
	_, err := converge(t, m, provisioner(t, m, o, map[string]any{"script": "go.sh"}))
	var exit *kitchen.ExitError
	if !errors.As(err, &exit) || exit.Status != 7 {
		t.Fatalf("error %v", err)
	}
	if !strings.Contains(err.Error(), "go.sh ended with exit status 7") || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("error %q", err)
	}
}

func TestRetry(t *testing.T) {
	script := "#!/bin/sh\necho run >>~/runs\n[ $(wc -l <~/runs) -ge 3 ] || exit 35\n"
	for _, c := range []struct {
		name    string
		keys    map[string]any
		runs    int
		success bool
	}{
		{"not configured", nil, 1, false},
		{"too few", map[string]any{"retry_on_exit_code": []any{35, 213}, "wait_for_retry": 0}, 2, false},
		{"enough", map[string]any{"retry_on_exit_code": 35, "max_retries": 5, "wait_for_retry": 0.01}, 3, true},
		{"other status", map[string]any{"retry_on_exit_code": []any{20}, "max_retries": 5, "wait_for_retry": 0}, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := kitchentest.NewMachine(t)
			p := provisioner(t, m, project(t, map[string]string{"bootstrap.sh": script}), c.keys)
			_, err := converge(t, m, p)
			if (err == nil) != c.success {
				t.Errorf("error %v", err)
			}
			if n := strings.Count(m.Read("runs"), "run"); n != c.runs {
				t.Errorf("%d runs, want %d", n, c.runs)
			}
			opened, closed, waits := m.Connections()
			if waits != c.runs-1 || opened != c.runs || closed != c.runs-1 {
				t.Errorf("waited %d times, opened %d and closed %d connections", waits, opened, closed)
			}
		})
	}
}

func TestUploadsAndDownloads(t *testing.T) {
	m := kitchentest.NewMachine(t)
	o := project(t, map[string]string{"up.txt": "up", "updir/a/b": "ab", "bootstrap.sh": "#!/bin/sh\necho result >~/out.txt\nmkdir -p ~/outdir/x; echo deep >~/outdir/x/y\n"})
	into := m.Path("existing")
	m.Write(t, filepath.Join(into, "mine"), "mine", 0o644)
	if err := os.Mkdir(filepath.Join(o.Root, "results"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := provisioner(t, m, o, map[string]any{
		"uploads":   map[string]any{"up.txt": m.Path("some", "name.txt"), "updir": into},
		"downloads": map[string]any{m.Path("out.txt"): "fetched.txt", m.Path("outdir"): "results"},
	})
	text, err := converge(t, m, p)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "Downloading files from <default-debian-12>") {
		t.Error(text)
	}
	for file, want := range map[string]string{"some/name.txt": "up", "existing/updir/a/b": "ab", "existing/mine": "mine"} {
		if got := m.Read(file); got != want {
			t.Errorf("%s on the machine is %q, want %q", file, got, want)
		}
	}
	for file, want := range map[string]string{"fetched.txt": "result\n", "results/outdir/x/y": "deep\n"} {
		if got, err := os.ReadFile(filepath.Join(o.Root, file)); string(got) != want {
			t.Errorf("%s here is %q (%v), want %q", file, got, err, want)
		}
	}
}

func TestDownloadsAfterAFailure(t *testing.T) {
	m := kitchentest.NewMachine(t)
	o := project(t, map[string]string{"bootstrap.sh": "#!/bin/sh\necho why >~/log\nexit 1\n"})
	p := provisioner(t, m, o, map[string]any{"downloads": map[string]any{m.Path("log"): "log", m.Path("none"): "none"}})
	text, err := converge(t, m, p)
	var failed *base.CommandError
	if !errors.As(err, &failed) {
		t.Errorf("error %v", err)
	}
	if b, _ := os.ReadFile(filepath.Join(o.Root, "log")); string(b) != "why\n" {
		t.Errorf("the log is %q", b)
	}
	if !strings.Contains(text, "none") {
		t.Errorf("no word of what could not be fetched:\n%s", text)
	}
}

func TestSettings(t *testing.T) {
	m := kitchentest.NewMachine(t)
	m.Program(t, "doas", "DOAS=1 exec \"$@\"\n")
	m.Program(t, "pre", "echo pre-$1; exec \"$@\"\n")
	o := project(t, map[string]string{"bootstrap.sh": "#!/bin/sh\necho doas=$DOAS sudo=$SUDO p=$http_proxy\n"})
	o.Environ = []string{"http_proxy=http://outer"}
	for _, c := range []struct {
		keys map[string]any
		want string
	}{
		{map[string]any{"sudo_command": "doas", "http_proxy": "http://own"}, "doas=1 sudo= p=http://own\n"},
		{map[string]any{"sudo": false, "http_proxy": ""}, "doas= sudo= p=\n"},
		{map[string]any{"sudo": "false", "command_prefix": "pre"}, "pre-sh\ndoas= sudo= p=http://outer\n"},
	} {
		text, err := converge(t, m, provisioner(t, m, o, c.keys))
		if err != nil || !strings.Contains(text, c.want) {
			t.Errorf("%v: error %v, no %q in:\n%s", c.keys, err, c.want, text)
		}
	}
}

func TestWrongSettings(t *testing.T) {
	for key, value := range map[string]any{
		"root_path": "relative", "retry_on_exit_code": "abc", "max_retries": -1, "wait_for_retry": "soon", "sudo": "maybe",
		"uploads": "x", "arguments": map[string]any{"a": 1}, "script": []any{"x"},
	} {
		o := project(t, nil)
		if _, err := shell.New(config.NewSection(map[string]any{key: value}), o); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s %v: error %v", key, value, err)
		}
	}
	o := project(t, nil)
	o.OSType, o.ShellType = "windows", "powershell"
	if _, err := shell.New(config.NewSection(nil), o); err == nil || kitchen.Hint(err) == "" {
		t.Errorf("windows: error %v", err)
	}
}

func TestMissingScript(t *testing.T) {
	m := kitchentest.NewMachine(t)
	p := provisioner(t, m, project(t, nil), map[string]any{"script": "gone.sh"})
	if _, err := converge(t, m, p); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if len(m.Commands()) != 0 {
		t.Errorf("commands were run: %q", m.Commands())
	}
	step, _ := kitchentest.NewStep("", m)
	if c := p.Check(t.Context(), step); len(c) != 1 || !strings.Contains(c[0], "gone.sh") {
		t.Errorf("complaints %q", c)
	}
}

func TestEveryCommandIsOneLineForTheShell(t *testing.T) {
	m := kitchentest.NewMachine(t)
	if _, err := converge(t, m, provisioner(t, m, project(t, map[string]string{"bootstrap.sh": "#!/bin/sh\n"}), nil)); err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(m.Commands(), func(s string) bool { return !strings.HasPrefix(s, "sh -c '") }); i >= 0 {
		t.Errorf("command %q", m.Commands()[i])
	}
}
