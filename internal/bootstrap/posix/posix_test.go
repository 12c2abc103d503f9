//go:build unix

package posix_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap/posix"
)

// loginShells are the shells that sshd may hand a command line to, and how it
// does. Those that are not installed are skipped.
var loginShells = map[string][]string{
	"bash":    {"bash", "-c"},
	"dash":    {"dash", "-c"},
	"tcsh":    {"tcsh", "-c"},
	"csh":     {"csh", "-c"},
	"fish":    {"fish", "-c"},
	"zsh":     {"zsh", "-c"},
	"ksh":     {"ksh", "-c"},
	"mksh":    {"mksh", "-c"},
	"busybox": {"busybox", "sh", "-c"},
	"rbash":   {"rbash", "-c"},
}

func eachShell(t *testing.T, test func(t *testing.T, name string, argv []string)) {
	for name, argv := range loginShells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(argv[0])
			if err != nil {
				t.Skipf("%s is not installed", argv[0])
			}
			test(t, path, argv)
		})
	}
}

var awkward = map[string]string{
	"a line":         "echo one",
	"lines":          "echo one\necho two\n",
	"history":        `echo "no!such"; echo 'a!b' !!`,
	"quotes":         `echo "it's" 'say "hi"' \'x\'`,
	"backslashes":    `printf '%s\n' 'a\\b' "c\\\\d" 'e\nf'`,
	"percent":        `printf '%s %%d\n' 5; date +%Y >/dev/null`,
	"dollars":        "x='a b'; echo \"$x\" \"${x#a}\" $(echo sub) `echo ticks` $((1 + 2))",
	"here document":  "cat <<'EOF'\n$x !! \\n\nEOF\n",
	"not ASCII":      "echo 'grüße 世界'",
	"control":        "printf 'a\tb\001c' | od -c",
	"status":         "exit 3",
	"long":           "x='" + strings.Repeat("0123456789!", 3000) + "'; echo ${#x}",
	"no parameters":  `echo "$#:$*"`,
	"globs":          "cd / && echo et[c] ~root >/dev/null; case x in ?) echo m;; esac",
	"trailing space": "echo 'a '  ",
}

func TestScriptInEveryLoginShell(t *testing.T) {
	eachShell(t, func(t *testing.T, path string, argv []string) {
		for what, code := range awkward {
			want, wantErr := exec.Command("sh", "-c", code).Output()
			got, gotErr := exec.Command(path, append(argv[1:], posix.Script(code))...).Output()
			if string(got) != string(want) || (wantErr == nil) != (gotErr == nil) || wantErr != nil && wantErr.Error() != gotErr.Error() {
				t.Errorf("%s: %q, %v; want %q, %v", what, got, gotErr, want, wantErr)
			}
		}
	})
}

func TestLoginInEveryLoginShell(t *testing.T) {
	lines := map[string]string{
		`ls / >/dev/null || echo "no!such"; echo "a!b"`: "a!b\n",
		"printf '%s\\n' 'one\ntwo'":                     "one\ntwo\n",
		"x=1 sh -c 'echo $x'; false && echo no; true":   "1\n",
		"echo out 2>&1": "out\n",
	}
	eachShell(t, func(t *testing.T, path string, argv []string) {
		for line, want := range lines {
			cmd := exec.Command(path, append(argv[1:], posix.Login(line, ""))...)
			cmd.Env = append(os.Environ(), "SHELL="+path, posix.RunVariable+"=x")
			got, err := cmd.Output()
			if err != nil || string(got) != want {
				t.Errorf("%q: %q, %v; want %q", line, got, err, want)
			}
		}
	})
}

func TestLoginUsesABourneLoginShell(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	for shell, want := range map[string]string{bash: "yes\n", "/bin/tcsh": "no\n", "": "no\n"} {
		cmd := exec.Command("dash", "-c", posix.Login(`[ -n "$BASH_VERSION" ] && echo yes || echo no`, ""))
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SHELL=" + shell}
		if got, err := cmd.Output(); err != nil || string(got) != want {
			t.Errorf("SHELL=%s: bash %q, %v", shell, got, err)
		}
	}
}

func TestTheMarkIsNotInherited(t *testing.T) {
	for name, line := range map[string]string{
		"plain":   posix.Script("env"),
		"encoded": posix.Script("env\n"),
		"login":   posix.Login("env", ""),
	} {
		cmd := exec.Command("sh", "-c", line)
		cmd.Env = append(os.Environ(), posix.RunVariable+"=secret")
		if out, err := cmd.Output(); err != nil || strings.Contains(string(out), posix.RunVariable) {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
	if line := posix.Script("true"); posix.Login(line, "") != line || !posix.IsScript(line) {
		t.Error("a script is wrapped again")
	}
}

func attached(t *testing.T, leader bool, code string) (*exec.Cmd, io.WriteCloser, *bytes.Buffer) {
	t.Helper()
	cmd := exec.Command("sh", "-c", posix.Script(posix.Attached("", code, "kill")))
	if leader {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	} else {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, in, out
}

func TestAttachedRuns(t *testing.T) {
	cmd, _, out := attached(t, true, "cat; echo said >&2; exit 4")
	err := cmd.Wait()
	if cmd.ProcessState.ExitCode() != 4 || out.String() != "said\n" {
		t.Errorf("%v, %q", err, out)
	}
}

func TestAttachedEndsWithItsInput(t *testing.T) {
	for name, leader := range map[string]bool{"session of its own": true, "a part of one": false} {
		for what, code := range map[string]string{
			"willing":  "echo $$ >%s; sleep 600 & sleep 600",
			"stubborn": "trap '' TERM; echo $$ >%s; while :; do sleep 600; done",
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				file := filepath.Join(t.TempDir(), "pid")
				cmd, in, _ := attached(t, leader, "sh -c '"+strings.ReplaceAll(strings.ReplaceAll(code, "'", `'\''`), "%s", file)+"'")
				var pid int
				for pid == 0 {
					data, _ := os.ReadFile(file)
					pid, _ = strconv.Atoi(strings.TrimSpace(string(data)))
					time.Sleep(5 * time.Millisecond)
				}
				in.Close()
				done := make(chan struct{})
				go func() { _ = cmd.Wait(); close(done) }()
				select {
				case <-done:
				case <-time.After(time.Minute):
					t.Fatal("it goes on without its input")
				}
				for began := time.Now(); syscall.Kill(pid, 0) == nil; time.Sleep(5 * time.Millisecond) {
					if time.Since(began) > time.Minute {
						t.Fatal("a process is left")
					}
				}
			})
		}
	}
}
