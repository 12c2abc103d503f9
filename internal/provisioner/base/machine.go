package base

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap/limit"
	"github.com/galleyhq/galley/internal/bootstrap/posix"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/kitchen"
)

// Machine is a machine on which a plug-in works for the time of one action.
type Machine struct {
	*Settings
	step *kitchen.Step

	mu   sync.Mutex
	conn kitchen.Conn
	own  bool // conn was opened here
	// tty says that sudo on this machine wants a terminal.
	tty bool
}

// On returns the machine at the other end of conn. The caller closes it,
// which leaves conn itself open.
func (s *Settings) On(step *kitchen.Step, conn kitchen.Conn) *Machine {
	return &Machine{Settings: s, step: step, conn: conn}
}

// Close closes the connection that was opened after a reboot.
func (m *Machine) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.own {
		return nil
	}
	m.own = false
	return m.conn.Close()
}

// Conn returns the connection in use.
func (m *Machine) Conn() kitchen.Conn {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.conn
}

// Run runs shell code in the environment of every command and reports its
// output. The code has no standard input. What names it in the error, a
// *[CommandError] for a non-zero status.
func (m *Machine) Run(ctx context.Context, what, code string) error {
	password := m.password()
	kill := m.Sudo("kill")
	line := m.line(posix.Attached(m.sudoSetup(password != "")+m.exports, code, kill))
	tty := m.step.Terminal || m.tty
	status, tail, err := m.stream(ctx, line, password, tty)
	if err == nil && status != 0 && !tty && posix.WantsTerminal(strings.Join(tail, "\n")) {
		m.step.Report.Debug("sudo wants a terminal on <%s>", m.Instance)
		m.tty = true
		status, tail, err = m.stream(ctx, line, password, true)
	}
	return m.outcome(what, code, status, tail, err)
}

// RunRaw is [Machine.Run] for a line that the login shell gets as it is.
func (m *Machine) RunRaw(ctx context.Context, what, line string) error {
	status, tail, err := m.stream(ctx, line, "", m.step.Terminal || m.tty)
	return m.outcome(what, line, status, tail, err)
}

func (m *Machine) outcome(what, code string, status int, tail []string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if status != 0 {
		return &CommandError{What: what, Command: code, Status: status, Tail: tail}
	}
	return nil
}

// line is the command line that runs a script, behind command_prefix.
func (s *Settings) line(script string) string {
	if s.prefix != "" {
		script = s.prefix + " sh -c " + Quote(script)
	}
	return posix.Script(script)
}

// password is sudo's password, "" where none is known.
func (m *Machine) password() secret.Text {
	if m.sudo == "" || m.sudoPassword != "" || m.Login == nil {
		return m.SudoPassword("")
	}
	login, err := m.Login(m.step.State)
	if err != nil {
		return ""
	}
	return m.SudoPassword(login.Password)
}

// stream runs a command line and reports its output. Its input is the
// password, where there is one, and then stays open: see posix.Attached.
func (m *Machine) stream(ctx context.Context, line string, password secret.Text, tty bool) (status int, tail []string, err error) {
	out := m.step.Report.Output()
	keep := &limit.Tail{}
	w := io.MultiWriter(out, keep)
	in, write := io.Pipe()
	defer write.Close()
	send := func(s string) { go func() { _, _ = io.WriteString(write, s) }() }
	if password != "" {
		send(password.Reveal() + "\n")
	}
	if tty {
		w = io.MultiWriter(w, &answerer{password: password, send: send})
	}
	status, err = m.Conn().Run(ctx, kitchen.Command{Line: line, Stdin: in, Stdout: w, Stderr: w, TTY: tty})
	out.Close()
	return status, keep.Lines(tailLines), err
}

// rebooting is the status of a run that has the machine reboot (Chef's exit
// codes, RFC 062).
const rebooting = 35

// RunRetrying is [Machine.Run], repeated as retry_on_exit_code says. Each
// repetition has a fresh connection: the machine may have rebooted. Where a
// reboot is to be followed by another run, a reboot that cuts the connection
// before the status was seen counts as well.
func (m *Machine) RunRetrying(ctx context.Context, what, code string) error {
	for try := 1; ; try++ {
		start := time.Now()
		err := m.Run(ctx, what, code)
		if err == nil || ctx.Err() != nil || try > m.MaxRetries {
			return err
		}
		var failed *CommandError
		if !errors.As(err, &failed) {
			if !slices.Contains(m.RetryOn, rebooting) || !m.rebooted(ctx, err, start) {
				return err
			}
			m.step.Report.Info("The machine rebooted: running %s again (%d of %d)", what, try, m.MaxRetries)
			continue
		}
		if !slices.Contains(m.RetryOn, failed.Status) {
			return err
		}
		m.step.Report.Info("%s ended with exit status %d: trying again in %s (%d of %d)", what, failed.Status, m.Wait, try, m.MaxRetries)
		if err := m.reconnect(ctx); err != nil {
			return err
		}
	}
}

// rebooted says whether a connection was lost because the machine has
// rebooted since start. It leaves a fresh connection when it has.
func (m *Machine) rebooted(ctx context.Context, lost error, start time.Time) bool {
	m.step.Report.Warn("%v", lost)
	m.step.Report.Info("Seeing in %s whether the machine has rebooted", m.Wait)
	if err := m.reconnect(ctx); err != nil {
		m.step.Report.Debug("it cannot be reached again: %v", err)
		return false
	}
	out, status, err := m.Ask(ctx, "asking for the uptime", "cat /proc/uptime")
	if err != nil || status != 0 {
		return false
	}
	first, _, _ := strings.Cut(out, " ")
	up, err := strconv.ParseFloat(first, 64)
	return err == nil && up < time.Since(start).Seconds()
}

// reconnect waits for wait_for_retry and then until the machine answers.
func (m *Machine) reconnect(ctx context.Context) error {
	if err := Sleep(ctx, m.step, m.Wait, "the time before the next try (wait_for_retry) to pass"); err != nil {
		return err
	}
	t := m.step.Instance.Transport
	if t == nil {
		return nil
	}
	if err := t.Wait(ctx, m.step); err != nil {
		return fmt.Errorf("waiting for the machine before the next try: %w", err)
	}
	conn, err := t.Connect(ctx, m.step)
	if err != nil {
		return fmt.Errorf("connecting again: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.own {
		m.conn.Close()
	}
	m.conn, m.own = conn, true
	return nil
}

// maxAnswer bounds the length of the answer to a question, in bytes.
const maxAnswer = 4 << 20

// Ask runs shell code without reporting its output, and returns it.
func (m *Machine) Ask(ctx context.Context, what, code string) (out string, status int, err error) {
	stdout := limit.NewBuffer("the answer of <"+m.Instance+">", maxAnswer)
	stderr := &limit.Tail{}
	status, err = m.runner(ctx, m.exports+code, nil, stdout, stderr)
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w", what, err)
	}
	for _, line := range stderr.Lines(tailLines) {
		m.step.Report.Debug("%s: %s", what, line)
	}
	return stdout.String(), status, nil
}

// runner runs a script without a terminal; it is the machine as delta knows it.
// The script may use [Settings.Sudo].
func (m *Machine) runner(ctx context.Context, code string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	setup := ""
	if strings.Contains(code, "galley_sudo") {
		password := m.password()
		setup = m.sudoSetup(password != "")
		if password != "" {
			in := io.Reader(strings.NewReader(password.Reveal() + "\n"))
			if stdin != nil {
				in = io.MultiReader(in, stdin)
			}
			stdin = in
		}
	}
	return m.Conn().Run(ctx, kitchen.Command{Line: m.line(setup + code), Stdin: stdin, Stdout: stdout, Stderr: stderr})
}

// CommandError says that a command ran on the machine and failed.
type CommandError struct {
	// What names the command for messages, as "chef-client".
	What string
	// Command is the shell code, without the environment around it.
	Command string
	Status  int
	// Tail are the last lines it wrote.
	Tail []string
	// Advice is what to do next, may be empty.
	Advice string
}

// WithoutOutput is the error for where the command's output was just shown.
func (e *CommandError) WithoutOutput() string {
	return fmt.Sprintf("%s ended with exit status %d", e.What, e.Status)
}

func (e *CommandError) Error() string {
	msg := e.WithoutOutput()
	if len(e.Tail) > 0 {
		msg += "; the end of its output:\n  " + strings.Join(e.Tail, "\n  ")
	}
	return msg
}

// Hint says what to do next.
func (e *CommandError) Hint() string {
	advice := cmp.Or(e.Advice, sudoAdvice(strings.Join(e.Tail, "\n")))
	if advice == "" && e.Status == killed {
		return "something killed it, most often the kernel for want of memory (`dmesg` on the machine tells): use a bigger flavor"
	}
	return advice
}

// killed is the status of a command that SIGKILL ended.
const killed = 128 + 9

// Class is the name of the failure in the state file (Test Kitchen:
// last_error).
func (e *CommandError) Class() string { return "Kitchen::ActionFailed" }

// Unwrap returns the failure as the engine knows it.
func (e *CommandError) Unwrap() error {
	return &kitchen.ExitError{Command: e.Command, Status: e.Status}
}

// tailLines is how much of a failed command's output goes into the error:
// enough for a client's own summary.
const tailLines = 15
