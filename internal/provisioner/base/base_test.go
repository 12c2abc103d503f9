//go:build unix

package base_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFind(t *testing.T) {
	o := base.Options{Suite: "web", Root: t.TempDir()}
	steps := []struct{ make, want string }{
		{"", ""},
		{"data/x", "data"},
		{"test/integration/data/x", "test/integration/data"},
		{"test/integration/web/data/x", "test/integration/web/data"},
	}
	for _, s := range steps {
		if s.make != "" {
			write(t, o.Root, map[string]string{s.make: ""})
		}
		want := ""
		if s.want != "" {
			want = filepath.Join(o.Root, s.want)
		}
		if got := o.FindDir("data"); got != want {
			t.Errorf("after %q: %q, want %q", s.make, got, want)
		}
		if got := o.FindFile("data"); got != "" {
			t.Errorf("a directory counts as a file: %q", got)
		}
	}
	other := base.Options{Suite: "web", Root: o.Root, TestBase: filepath.Join(o.Root, "elsewhere")}
	if got := other.FindDir("data"); got != filepath.Join(o.Root, "data") {
		t.Errorf("with another directory of tests: %q", got)
	}
}

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"no/tool": "", "yes/tool": "", "yes/dir/x": ""})
	if err := os.Chmod(filepath.Join(dir, "yes", "tool"), 0o755); err != nil {
		t.Fatal(err)
	}
	o := base.Options{Environ: []string{"PATH=ignored", "PATH=relative:" + filepath.Join(dir, "no") + ":" + filepath.Join(dir, "yes")}}
	if got := o.LookPath("none", "dir", "tool"); got != filepath.Join(dir, "yes", "tool") {
		t.Errorf("found %q", got)
	}
	if got := (base.Options{}).LookPath("sh"); got != "" {
		t.Errorf("without a PATH: %q", got)
	}
}

func TestTree(t *testing.T) {
	disk := t.TempDir()
	outside := filepath.Join(t.TempDir(), "shared")
	write(t, disk, map[string]string{"a.txt": "a", "sub/b.txt": "b", "sub/deep/c.txt": "c", "skip/d.txt": "d"})
	write(t, outside, map[string]string{"lib/e.txt": "e"})
	for link, target := range map[string]string{"in": "sub/b.txt", "sub/up": "../a.txt", "out": outside, "dangling": "nowhere", "abs": filepath.Join(disk, "a.txt")} {
		if err := os.Symlink(target, filepath.Join(disk, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(disk, "sub", "b.txt"), 0o755); err != nil {
		t.Fatal(err)
	}
	var tree base.Tree
	if err := tree.AddDir("top", disk, nil); err != nil {
		t.Fatal(err)
	}
	tree.AddBytes("made/up.json", []byte("{}"), 0o600)
	if err := tree.AddFile("file", filepath.Join(disk, "in")); err != nil {
		t.Fatal(err)
	}
	tree.Mkdir("empty/dir")
	got := map[string]string{}
	err := fs.WalkDir(&tree, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			got[p], err = tree.ReadLink(p)
			got[p] = "-> " + got[p]
			return err
		}
		b, err := fs.ReadFile(&tree, p)
		got[p] = info.Mode().String() + " " + string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"top/a.txt": "-rw-r----- a", "top/sub/b.txt": "-rwxr-xr-x b", "top/sub/deep/c.txt": "-rw-r----- c", "top/skip/d.txt": "-rw-r----- d",
		"top/in": "-> sub/b.txt", "top/sub/up": "-> ../a.txt", "top/dangling": "-> nowhere",
		// What would not be there on the machine is sent itself.
		"top/out/lib/e.txt": "-rw-r----- e", "top/abs": "-rw-r----- a",
		"made/up.json": "-rw------- {}", "file": "-rwxr-xr-x b",
	}
	for p, w := range want {
		if got[p] != w {
			t.Errorf("%s is %q, want %q", p, got[p], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d files, want %d: %v", len(got), len(want), got)
	}
	if _, err := tree.Open("top/in"); err == nil {
		t.Error("a link was followed")
	}
	if _, err := tree.Open("nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if err := tree.AddFile("x", disk); err == nil {
		t.Error("a directory was added as a file")
	}
}

func TestTreeIsAFileSystem(t *testing.T) {
	var tree base.Tree
	tree.AddBytes("a/b/c", []byte("x"), 0o644)
	tree.AddBytes("a/d", nil, 0o755)
	tree.AddBytes("e", []byte("long content"), 0o644)
	if err := fstest.TestFS(&tree, "a/b/c", "a/d", "e"); err != nil {
		t.Error(err)
	}
}

func TestTreeKeep(t *testing.T) {
	disk := t.TempDir()
	write(t, disk, map[string]string{"recipes/default.rb": "", "spec/x.rb": "", "vendor/deep/y.rb": "", "README.md": ""})
	asked := map[string]bool{}
	var tree base.Tree
	err := tree.AddDir("c", disk, func(rel string, dir bool) bool {
		asked[rel] = true
		return rel != "vendor" && (dir || strings.HasPrefix(rel, "recipes/"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if asked["vendor/deep"] || tree.Has("c/spec") || tree.Has("c/README.md") || !tree.Has("c/recipes/default.rb") {
		t.Errorf("asked %v", asked)
	}
}

func TestTreeEndsInACircle(t *testing.T) {
	disk, other := t.TempDir(), t.TempDir()
	if err := errors.Join(os.Symlink(other, filepath.Join(disk, "x")), os.Symlink(disk, filepath.Join(other, "y"))); err != nil {
		t.Fatal(err)
	}
	var tree base.Tree
	if err := tree.AddDir("c", disk, nil); err == nil {
		t.Error("no error")
	}
}

func settings(t *testing.T, m *kitchentest.Machine, keys map[string]any) *base.Settings {
	t.Helper()
	s, err := base.Read(config.NewSection(keys), base.Options{Instance: "x"}, base.Defaults{RootPath: m.Path("root"), RetryOn: []int{35, 213}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A reboot may cut the connection before the exit status is seen.
func TestRebootThatCutsTheConnection(t *testing.T) {
	for name, c := range map[string]struct {
		uptime string
		again  bool
	}{"rebooted": {"0.00 0.00", true}, "still up": {"99999.50 1.00", false}, "no /proc": {"", false}} {
		t.Run(name, func(t *testing.T) {
			m := kitchentest.NewMachine(t)
			lost := errors.New("the connection was lost")
			m.Program(t, "cat", "case $1 in /proc/uptime) echo '"+c.uptime+"' ;; *) exec /bin/cat \"$@\" ;; esac\n")
			first := true
			m.Intercept = func(cmd kitchen.Command) error {
				if strings.Contains(cmd.Line, "the-run") && first {
					first = false
					return lost
				}
				return nil
			}
			mm := settings(t, m, map[string]any{"wait_for_retry": 0}).On(stepOn(m), m.Conn())
			defer mm.Close()
			err := mm.RunRetrying(t.Context(), "the run", "echo the-run")
			if c.again && err != nil || !c.again && !errors.Is(err, lost) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func stepOn(m *kitchentest.Machine) *kitchen.Step {
	step, _ := kitchentest.NewStep(kitchen.Converge, m)
	return step
}

func TestLostConnectionIsReportedAtOnceWithoutRetries(t *testing.T) {
	m := kitchentest.NewMachine(t)
	lost := errors.New("the connection was lost")
	m.Intercept = func(kitchen.Command) error { return lost }
	mm := settings(t, m, map[string]any{"max_retries": 0, "wait_for_retry": 600}).On(stepOn(m), m.Conn())
	if err := mm.RunRetrying(t.Context(), "the run", "true"); !errors.Is(err, lost) {
		t.Errorf("error %v", err)
	}
}

func TestPut(t *testing.T) {
	m := kitchentest.NewMachine(t)
	mm := settings(t, m, nil).On(stepOn(m), m.Conn())
	for private, want := range map[bool]fs.FileMode{true: 0o600, false: 0o644} {
		file := m.Path("a dir", "it's")
		if err := mm.Put(t.Context(), file, []byte("content"), private); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != want || m.Read("a dir", "it's") != "content" {
			t.Errorf("%v, %v", info, err)
		}
	}
	if err := mm.Put(t.Context(), "/proc/none/x", nil, true); err == nil {
		t.Error("no error")
	}
}

func TestOutputThatIsLongKeepsItsEnd(t *testing.T) {
	m := kitchentest.NewMachine(t)
	mm := settings(t, m, nil).On(stepOn(m), m.Conn())
	err := mm.Run(t.Context(), "it", "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done; echo; echo last; exit 9")
	var failed *base.CommandError
	if !errors.As(err, &failed) || failed.Status != 9 || len(failed.Tail) != 15 || failed.Tail[14] != "last" || failed.Tail[13] != "line 4999" {
		t.Errorf("%v", err)
	}
}

// What a command on the machine finds in its environment: the section's
// proxies, else the workstation's, in both cases.
func TestProxies(t *testing.T) {
	m := kitchentest.NewMachine(t)
	o := base.Options{Instance: "x", Environ: []string{"HTTP_PROXY=http://env:1", "ftp_proxy=http://env:2", "https_proxy=http://env:3", "NO_PROXY=env", "TKENV_COLOUR=green; echo x", "TKENV_BAD-NAME=x", "CI=true"}}
	keys := map[string]any{"https_proxy": "http://own:3", "no_proxy": "", "ftp_proxy": nil}
	s, err := base.Read(config.NewSection(keys), o, base.Defaults{RootPath: m.Path("root")})
	if err != nil {
		t.Fatal(err)
	}
	mm := s.On(stepOn(m), m.Conn())
	out, _, err := mm.Ask(t.Context(), "it", `echo "$http_proxy $HTTP_PROXY|$https_proxy $HTTPS_PROXY|$ftp_proxy|$no_proxy$NO_PROXY|$COLOUR|$CI$TEST_KITCHEN"`)
	if want := "http://env:1 http://env:1|http://own:3 http://own:3|http://env:2||green; echo x|true1\n"; err != nil || out != want {
		t.Errorf("got  %q\nwant %q (%v)", out, want, err)
	}
}

// The keys about root's rights, and the prefix, in front of a command.
func TestSudoAndItsKin(t *testing.T) {
	m := kitchentest.NewMachine(t)
	m.Program(t, "doas", "echo doas \"$@\"; \"$@\"\n")
	m.Program(t, "nice-wrapper", "echo wrapped; exec \"$@\"\n")
	for name, c := range map[string]struct {
		keys map[string]any
		want string
	}{
		"another command": {map[string]any{"sudo_command": "doas"}, "doas echo it\nit\n"},
		"none":            {map[string]any{"sudo": false, "sudo_command": "doas"}, "it\n"},
		"a prefix":        {map[string]any{"sudo": "no", "command_prefix": "nice-wrapper"}, "wrapped\nit\n"},
	} {
		mm := settings(t, m, c.keys).On(stepOn(m), m.Conn())
		if out, _, err := mm.Ask(t.Context(), "it", mm.Sudo("echo it")); err != nil || out != c.want {
			t.Errorf("%s: got %q, want %q (%v)", name, out, c.want, err)
		}
	}
}
