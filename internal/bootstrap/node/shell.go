package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/google/uuid"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/limit"
	"github.com/galleyhq/galley/internal/bootstrap/posix"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
)

const (
	// begin is the line that parts what sudo and su write from what the script
	// does.
	begin = "galley-begin"
	// ask is sudo's question for the password.
	ask = "galley-ask:"
	// starter is what runs as root: a shell that reads its script from standard
	// input.
	starter = "echo " + begin + "; exec sh"
)

// waitForTTY bounds how long su or sudo may take to ask for a password.
const waitForTTY = 60 * time.Second

// root is a machine on which shell code is run as root.
type root struct {
	m   Machine
	how Elevation
	out io.Writer
	rep Reporter
	// prefix is what stands before sh on the command line.
	prefix string
	// secret answers what asks for a password, at a terminal if tty is true,
	// else on standard input.
	secret secret.Text
	tty    bool
}

// newRoot finds out how to become root.
func newRoot(ctx context.Context, m Machine, how Elevation, out io.Writer, rep Reporter) (*root, error) {
	if out == nil {
		out = io.Discard
	}
	r := &root{m: m, how: how, out: &lockedWriter{w: out}, rep: rep}
	var said, errs bytes.Buffer
	_, err := m.Run(ctx, bootstrap.Command{
		Line:   "sh -c " + shellescape.Quote(`echo "galley-user $(id -u)"; command -v sudo >/dev/null 2>&1 && echo galley-sudo; exit 0`),
		Stdout: &said, Stderr: &errs,
	})
	if err != nil {
		return nil, fmt.Errorf("looking who the login user is: %w", err)
	}
	if !strings.Contains(said.String(), "galley-user ") {
		return nil, &ShellError{Said: text.Shorten(text.CleanLine(said.String()+errs.String()), 300)}
	}
	// The login user's own profile may have said something too.
	isRoot := strings.Contains(said.String(), "galley-user 0\n")
	hasSudo := strings.Contains(said.String(), "galley-sudo\n")
	switch {
	case how.SuUser != "":
		r.prefix, r.secret, r.tty = "su - "+shellescape.Quote(how.SuUser)+" -c ", how.SuPassword, true
		if how.Sudo && hasSudo && !isRoot {
			// Root is asked for nothing by su.
			r.prefix, r.secret = r.sudo()+r.prefix, how.Password
		}
	case isRoot && !(how.Sudo && hasSudo):
		return r, nil
	case !hasSudo:
		return nil, &ElevationError{How: "sudo", Missing: true}
	default:
		r.prefix = r.sudo()
	}
	return r, r.check(ctx)
}

// sudo is the beginning of a command line. With a password at hand it asks each
// time, unless the user needs none.
func (r *root) sudo() string {
	s := "sudo -n "
	switch r.secret = r.how.Password; {
	case r.secret == "":
	case r.tty:
		s = "sudo -k -p " + ask + " "
	default:
		s = "sudo -S -k -p " + ask + " "
	}
	if r.how.PreserveHome {
		s += `env HOME="$HOME" `
	}
	return s
}

// check tries it once, before anything depends on it.
func (r *root) check(ctx context.Context) error {
	status, tail, err := r.run(ctx, `[ "$(id -u)" = 0 ] || { id -un; exit 98; }`, io.Discard)
	var refused *ElevationError
	if errors.As(err, &refused) && !r.tty && posix.WantsTerminal(refused.Said) {
		r.rep.Debug("sudo wants a terminal here")
		r.tty = true
		r.prefix = r.sudo()
		status, tail, err = r.run(ctx, `[ "$(id -u)" = 0 ] || { id -un; exit 98; }`, io.Discard)
	}
	switch {
	case err != nil:
		return err
	case status == 98:
		return &ElevationError{How: r.name(), Said: "it makes the user " + strings.Join(tail, " ") + ", who is not root"}
	case status != 0:
		return failed("a first command as root", status, tail)
	}
	return nil
}

func (r *root) name() string {
	if r.how.SuUser != "" {
		return "su"
	}
	return "sudo"
}

// ask runs shell code as root and returns its output.
func (r *root) ask(ctx context.Context, code string) (string, int, error) {
	var said bytes.Buffer
	status, _, err := r.run(ctx, code, &said)
	return said.String(), status, err
}

// play runs shell code as root, its output going to the user.
func (r *root) play(ctx context.Context, code string) (status int, tail []string, err error) {
	return r.run(ctx, code, r.out)
}

// run runs shell code as root. When the connection ends, so does the code.
func (r *root) run(ctx context.Context, code string, out io.Writer) (status int, tail []string, err error) {
	f := &filter{out: out}
	if r.tty {
		status, err = r.atTerminal(ctx, code, f)
	} else {
		status, err = r.overPipe(ctx, code, f)
	}
	f.flush()
	if err != nil {
		return 0, nil, err
	}
	if !f.begun {
		return 0, nil, &ElevationError{How: r.name(), Said: strings.TrimSpace(f.before.String()), Given: r.secret != ""}
	}
	return status, f.tail.Lines(0), nil
}

// watched makes of shell code a script for a shell's standard input. The code
// has no separate input and is ended, with all that it has started, when the
// standard input ends. Braces have the shell read all of it first.
func watched(code string) string {
	return "{\n" + posix.Attached("exec 2>&1", code, "kill") + "\n}\n"
}

// plainly is watched without the watch, for a session that has a terminal and
// therefore ends with the connection.
func plainly(code string) string {
	return "exec 2>&1\n(\nexec </dev/null\n" + code + "\n)\nexit $?\n"
}

// overPipe sends the script over standard input, which stays open until the
// end. Where sudo may ask, nothing is sent before it is known what reads it:
// the password when sudo asks, once, and the script when the shell is there.
func (r *root) overPipe(ctx context.Context, code string, f *filter) (int, error) {
	in, write := io.Pipe()
	defer write.Close()
	send := func(text string) { _, _ = io.WriteString(write, text) }
	// Not in the writer's own goroutine: the session reads no faster than it
	// is written to.
	if r.secret == "" {
		go send(watched(code))
	} else {
		f.answer = func() bool { go send(string(r.secret) + "\n"); return true }
		f.refused = func() { write.Close() }
		f.started = func() { go send(watched(code)) }
	}
	return r.m.Run(ctx, bootstrap.Command{Line: r.prefix + "sh -c " + shellescape.Quote(starter), Stdin: in, Stdout: f, Stderr: f})
}

// atTerminal gives su or sudo a terminal. A script cannot be sent through a terminal:
// that goes through a named pipe that the login user makes, so that it lies on
// no disk.
func (r *root) atTerminal(ctx context.Context, code string, f *filter) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir := "/tmp/galley-" + uuid.NewString()
	quiet := func(ctx context.Context, code string, in io.Reader) (int, string, error) {
		var said bytes.Buffer
		status, err := r.m.Run(ctx, bootstrap.Command{Line: "sh -c " + shellescape.Quote(code), Stdin: in, Stdout: &said, Stderr: &said})
		return status, strings.TrimSpace(said.String()), err
	}
	status, said, err := quiet(ctx, "umask 077; mkdir "+dir+" && mkfifo "+dir+"/in", nil)
	if err != nil {
		return 0, err
	}
	if status != 0 {
		return 0, &CommandError{What: "making a pipe in /tmp", Status: status, Tail: []string{said}}
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
		defer cancel()
		_, _, err := quiet(ctx, "rm -rf "+dir, nil)
		if err != nil {
			r.rep.Debug("removing %s: %v", dir, err)
		}
	}()
	var feeding sync.WaitGroup
	defer feeding.Wait()
	feedCtx, stop := context.WithCancel(ctx)
	defer stop()
	feeding.Go(func() {
		_, _, _ = quiet(feedCtx, "cat >"+dir+"/in", strings.NewReader(plainly(code)))
	})
	in, typed := io.Pipe()
	defer typed.Close()
	f.answer = func() bool {
		if r.secret == "" {
			return false
		}
		go func() { _, _ = io.WriteString(typed, string(r.secret)+"\n") }()
		return true
	}
	f.refused = cancel
	f.tty = true
	impatient := time.AfterFunc(waitForTTY, func() {
		if !f.reached() {
			cancel()
		}
	})
	defer impatient.Stop()
	start := "echo " + begin + "; exec sh <" + dir + "/in"
	line := r.prefix + "sh -c " + shellescape.Quote(start)
	if r.how.SuUser != "" {
		// Its question is known in one language; - drops the variable again.
		line = "LC_ALL=C " + r.prefix + shellescape.Quote(start)
	}
	status, err = r.m.Run(ctx, bootstrap.Command{Line: "sh -c " + shellescape.Quote(line), Stdin: in, Stdout: f, Stderr: f, TTY: true})
	if err != nil && !f.reached() && f.asked > 0 {
		// It was we who gave up.
		return 0, nil
	}
	return status, err
}

// lockedWriter is written to by both streams of a command.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// filter passes on what comes after the line begin, and keeps the end of it.
type filter struct {
	out io.Writer
	tty bool
	// answer gives the password when it is asked for the first time, false
	// where there is none; refused is called when it is asked for again, started
	// when the script can be sent. All may be nil.
	answer           func() bool
	refused, started func()

	mu     sync.Mutex
	begun  bool
	asked  int
	line   []byte // of the time before begin, unfinished
	before bytes.Buffer
	tail   limit.Tail
}

func (f *filter) reached() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.begun
}

func (f *filter) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(p)
	for !f.begun && len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			f.line = append(f.line, p...)
			p = nil
			f.prompted()
			break
		}
		line := append(f.line, p[:i+1]...)
		f.line, p = nil, p[i+1:]
		if strings.TrimSpace(string(line)) == begin {
			f.begun = true
			if f.started != nil {
				f.started()
			}
			break
		}
		if f.before.Len() < 8<<10 {
			f.before.Write(line)
		}
	}
	if len(p) == 0 {
		return n, nil
	}
	if f.tty {
		p = bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n"))
	}
	_, _ = f.tail.Write(p)
	_, err := f.out.Write(p)
	return n, err
}

// prompted answers a question for a password; the second one means that the
// answer was wrong.
func (f *filter) prompted() {
	line, ours := strings.CutSuffix(string(f.line), ask)
	if f.answer == nil || !ours && !suAsks(line) {
		return
	}
	f.line = nil
	if ours {
		f.before.WriteString(line)
	}
	if f.asked++; f.asked > 1 || !f.answer() {
		f.refused()
	}
}

// suAsks says whether an unfinished line is su's question.
func suAsks(line string) bool {
	line = strings.ToLower(strings.TrimSpace(line))
	return strings.Contains(line, "password") && strings.HasSuffix(line, ":")
}

func (f *filter) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before.Write(f.line)
	f.line = nil
}
