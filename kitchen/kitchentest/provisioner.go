package kitchentest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galleyhq/galley/kitchen"
)

// Machine is a machine for tests: its commands are run by this machine's
// shell, in its own directory and with an empty environment. Absolute
// paths are this machine's, so a plug-in under test is given a root path below
// Dir. It has a sudo that runs the command.
type Machine struct {
	// Dir is its home and working directory, Bin holds programs that win over
	// those of this machine.
	Dir, Bin string
	// Intercept is asked before every command; an error is what running it
	// ends with. It may be nil.
	Intercept func(kitchen.Command) error

	mu       sync.Mutex
	commands []string
	received int64
	opened   int
	closed   int
	waits    int
}

// NewMachine returns a machine that goes away with the test. The test is
// skipped where there is no POSIX shell.
func NewMachine(t testing.TB) *Machine {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a POSIX shell")
	}
	top := t.TempDir()
	m := &Machine{Dir: filepath.Join(top, "home"), Bin: filepath.Join(top, "bin")}
	for _, d := range []string{m.Dir, m.Bin} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.Program(t, "sudo", "while :; do case $1 in -*) shift ;; *) break ;; esac; done\nSUDO=1 exec \"$@\"\n")
	return m
}

// Program puts a shell script of that name into the machine's path.
func (m *Machine) Program(t testing.TB, name, script string) {
	t.Helper()
	m.Write(t, filepath.Join(m.Bin, name), "#!/bin/sh\n"+script, 0o755)
}

// Write makes a file, and the directories above it.
func (m *Machine) Write(t testing.TB, file, content string, perm fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), perm); err != nil {
		t.Fatal(err)
	}
}

// Path returns a path below the machine's home.
func (m *Machine) Path(parts ...string) string {
	return filepath.Join(append([]string{m.Dir}, parts...)...)
}

// Read returns the content of a file below the machine's home, "" when there
// is none.
func (m *Machine) Read(parts ...string) string {
	b, err := os.ReadFile(m.Path(parts...))
	if err != nil {
		return ""
	}
	return string(b)
}

// Commands returns the command lines that were run, in order.
func (m *Machine) Commands() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.commands)
}

// Received returns how many bytes commands have read from their input.
func (m *Machine) Received() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.received
}

// Connections returns how many connections were opened and closed, and how
// often the machine was waited for.
func (m *Machine) Connections() (opened, closed, waits int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.opened, m.closed, m.waits
}

// Reset forgets what [Machine.Commands] and [Machine.Received] count.
func (m *Machine) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commands, m.received = nil, 0
}

// Conn returns an open connection to the machine.
func (m *Machine) Conn() kitchen.Conn {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opened++
	return &machineConn{m: m}
}

// Wait implements [kitchen.Transport].
func (m *Machine) Wait(ctx context.Context, _ *kitchen.Step) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waits++
	return ctx.Err()
}

// Connect implements [kitchen.Transport].
func (m *Machine) Connect(ctx context.Context, _ *kitchen.Step) (kitchen.Conn, error) {
	return m.Conn(), ctx.Err()
}

type machineConn struct {
	m    *Machine
	mu   sync.Mutex
	shut bool
}

func (c *machineConn) Run(ctx context.Context, cmd kitchen.Command) (int, error) {
	c.mu.Lock()
	shut := c.shut
	c.mu.Unlock()
	if shut {
		return 0, errors.New("the connection is closed")
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	c.m.mu.Lock()
	c.m.commands = append(c.m.commands, cmd.Line)
	c.m.mu.Unlock()
	if c.m.Intercept != nil {
		if err := c.m.Intercept(cmd); err != nil {
			return 0, err
		}
	}
	p := exec.CommandContext(ctx, "/bin/sh", "-c", cmd.Line)
	p.Dir = c.m.Dir
	p.Env = []string{"HOME=" + c.m.Dir, "PATH=" + c.m.Bin + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "USER=tester", "LOGNAME=tester"}
	ownSession(p)
	if cmd.Stdin != nil {
		// Not p.Stdin: Run would wait for a Read under way.
		in, err := p.StdinPipe()
		if err != nil {
			return 0, err
		}
		go func() {
			_, _ = io.Copy(in, &countingReader{r: cmd.Stdin, m: c.m})
			in.Close()
		}()
	}
	p.Stdout, p.Stderr = cmd.Stdout, cmd.Stderr
	if cmd.TTY {
		p.Stderr = cmd.Stdout
	}
	// What the command leaves running must not hold up the test.
	p.WaitDelay = 20 * time.Second
	err := p.Run()
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

type countingReader struct {
	r io.Reader
	m *Machine
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.m.mu.Lock()
	c.m.received += int64(n)
	c.m.mu.Unlock()
	return n, err
}

func (c *machineConn) Upload(ctx context.Context, src fs.FS, dest string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return os.CopyFS(dest, src)
}

func (c *machineConn) Download(ctx context.Context, src, dest string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !filepath.IsAbs(src) {
		src = c.m.Path(src)
	}
	info, err := os.Stat(src)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.CopyFS(dest, os.DirFS(src))
	}
	b, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	return os.WriteFile(dest, b, info.Mode().Perm())
}

func (c *machineConn) Shell(context.Context, kitchen.Terminal) (int, error) {
	return 0, errors.New("this machine has no terminals")
}

func (c *machineConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut {
		return nil
	}
	c.shut = true
	c.m.mu.Lock()
	c.m.closed++
	c.m.mu.Unlock()
	return nil
}

// Record keeps the events of a step.
type Record struct {
	mu     sync.Mutex
	events []kitchen.Event
}

// Add is a [kitchen.Subscriber].
func (r *Record) Add(e kitchen.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// Text returns the texts of the events of the given kinds, one a line; of all
// kinds without any.
func (r *Record) Text(kinds ...kitchen.EventKind) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, e := range r.events {
		if len(kinds) == 0 || slices.Contains(kinds, e.Kind) {
			b.WriteString(e.Text + "\n")
		}
	}
	return b.String()
}

// NewStep returns a step of an instance "default-debian-12" on the machine
// (which may be nil), and the record of its events.
func NewStep(a kitchen.Action, m *Machine) (*kitchen.Step, *Record) {
	rec := &Record{}
	inst := &kitchen.Instance{Name: "default-debian-12", Suite: "default", Platform: "debian-12", OSType: "unix", ShellType: "bourne"}
	if m != nil {
		inst.Transport = m
	}
	return &kitchen.Step{
		Instance: inst,
		Action:   a,
		State:    kitchen.NewState(nil),
		Report:   kitchen.NewBus(rec.Add).Reporter(inst.Name, 0, a),
	}, rec
}

// worker is what provisioners and verifiers have in common.
type worker func(ctx context.Context, step *kitchen.Step, conn kitchen.Conn) error

// ProvisionerCase says how to get the provisioners that the suite tries. What
// they run must go through the machine's connection, with a root path below
// its home.
type ProvisionerCase struct {
	// New returns a provisioner whose converge succeeds.
	New func(t *testing.T, m *Machine) kitchen.Provisioner
	// Failing returns one whose run fails on the machine, Slow one whose run
	// takes at least a minute. Nil leaves these tests out.
	Failing, Slow func(t *testing.T, m *Machine) kitchen.Provisioner
	// Untouched says that the provisioner never uses the connection.
	Untouched bool
}

// Provisioner tries whether a provisioner keeps the contract of
// [kitchen.Provisioner].
func Provisioner(t *testing.T, c ProvisionerCase) {
	of := func(f func(*testing.T, *Machine) kitchen.Provisioner) func(*testing.T, *Machine) worker {
		if f == nil {
			return nil
		}
		return func(t *testing.T, m *Machine) worker { return f(t, m).Converge }
	}
	suite(t, kitchen.Converge, of(c.New), of(c.Failing), of(c.Slow), c.Untouched)
}

// suite holds the requirements on provisioners and verifiers alike, one subtest
// each.
func suite(t *testing.T, a kitchen.Action, good, failing, slow func(*testing.T, *Machine) worker, untouched bool) { //nolint:funlen // one subtest for each requirement
	t.Run("twice", func(t *testing.T) {
		m := NewMachine(t)
		run := good(t, m)
		for i := range 2 {
			step, rec := NewStep(a, m)
			if err := run(t.Context(), step, m.Conn()); err != nil {
				t.Fatalf("time %d: %v\n%s", i+1, err, rec.Text())
			}
		}
		if _, closed, _ := m.Connections(); closed != 0 {
			t.Error("it closed a connection that is not its own")
		}
		if untouched != (len(m.Commands()) == 0) {
			t.Errorf("commands on the machine: %q", m.Commands())
		}
	})
	t.Run("instances at once", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 3 {
			m := NewMachine(t)
			run := good(t, m)
			wg.Go(func() {
				step, rec := NewStep(a, m)
				if err := run(t.Context(), step, m.Conn()); err != nil {
					t.Errorf("%v\n%s", err, rec.Text())
				}
			})
		}
		wg.Wait()
	})
	t.Run("cancelled before it begins", func(t *testing.T) {
		m := NewMachine(t)
		run := good(t, m)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		step, _ := NewStep(a, m)
		if err := run(ctx, step, m.Conn()); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
	})
	if !untouched {
		t.Run("connection lost", func(t *testing.T) {
			lost := errors.New("the connection was lost")
			for n := 0; ; n++ {
				m := NewMachine(t)
				run := good(t, m)
				left := n
				m.Intercept = func(kitchen.Command) error {
					if left--; left < 0 {
						return lost
					}
					return nil
				}
				step, _ := NewStep(a, m)
				err := run(t.Context(), step, m.Conn())
				if left >= 0 {
					if n == 0 || err != nil {
						t.Errorf("after %d commands: %v", n, err)
					}
					return
				}
				if !errors.Is(err, lost) {
					t.Errorf("lost at command %d: error %v, want one that wraps the connection's", n+1, err)
				}
				if n > 50 {
					t.Fatal("more than 50 commands")
				}
			}
		})
	}
	if failing != nil {
		t.Run("failure", func(t *testing.T) {
			m := NewMachine(t)
			step, rec := NewStep(a, m)
			err := failing(t, m)(t.Context(), step, m.Conn())
			if err == nil {
				t.Fatalf("no error\n%s", rec.Text())
			}
			if s := err.Error(); s == "" || strings.HasSuffix(s, ".") {
				t.Errorf("error %q is empty or ends with a full stop", s)
			}
		})
	}
	if slow != nil {
		t.Run("cancelled", func(t *testing.T) {
			m := NewMachine(t)
			run := slow(t, m)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			started := make(chan struct{})
			var once sync.Once
			m.Intercept = func(kitchen.Command) error { once.Do(func() { close(started) }); return nil }
			step, _ := NewStep(a, m)
			done := make(chan error, 1)
			go func() { done <- run(ctx, step, m.Conn()) }()
			if untouched {
				cancel()
			} else {
				<-started
				cancel()
			}
			select {
			case err := <-done:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("error %v, want context.Canceled", err)
				}
			case <-time.After(20 * time.Second):
				t.Error("still running 20 s after it was cancelled")
			}
		})
	}
}

// describe names a worker's outcome in messages of the suites.
func describe(err error) string {
	if err == nil {
		return "success"
	}
	return fmt.Sprintf("error %q", err)
}
