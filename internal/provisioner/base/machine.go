package base

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap/delta"
	"github.com/galleyhq/galley/kitchen"
)

// Machine is a machine on which a plug-in works for the time of one action.
type Machine struct {
	*Settings
	step *kitchen.Step

	mu   sync.Mutex
	conn kitchen.Conn
	own  bool // conn was opened here
}

// On returns the machine at the other end of conn. The caller closes it,
// which leaves conn itself open.
func (s *Settings) On(step *kitchen.Step, conn kitchen.Conn) *Machine {
	return &Machine{Settings: s, step: step, conn: conn}
}

// Close closes what was opened after a reboot.
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

// CommandError tells that a command ran on the machine and failed.
type CommandError struct {
	// What names the command for a person, as "chef-client".
	What string
	// Command is the shell code, without the environment around it.
	Command string
	Status  int
	// Tail are the last lines it wrote.
	Tail []string
	// Advice is what to do next, "" for nothing but to look.
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

// Hint tells what to do.
func (e *CommandError) Hint() string {
	if e.Advice == "" && slices.ContainsFunc(e.Tail, refusedSudo) {
		return "the login user may not use sudo here: let it (NOPASSWD), log in as root, or switch it off (sudo: false)"
	}
	return e.Advice
}

// Class is the name of the failure in the state file (Test Kitchen:
// last_error).
func (e *CommandError) Class() string { return "Kitchen::ActionFailed" }

// Unwrap returns the failure as the engine knows it.
func (e *CommandError) Unwrap() error {
	return &kitchen.ExitError{Command: e.Command, Status: e.Status}
}

// refusedSudo says whether a line is sudo's refusal, or that of a shell that
// finds no sudo.
func refusedSudo(line string) bool {
	return strings.HasPrefix(line, "sudo: ") && (strings.Contains(line, "password") || strings.Contains(line, "terminal")) ||
		strings.Contains(line, "is not in the sudoers file") || strings.Contains(line, "sudo: not found") || strings.Contains(line, "sudo: command not found")
}

// tailLines is how much of a failed command's output goes into the error:
// enough for a client's own summary.
const tailLines = 15

// Run runs shell code in the environment of every command and tells its
// output. What names it in the error, a *[CommandError] for a non-zero status.
func (m *Machine) Run(ctx context.Context, what, code string) error {
	status, tail, err := m.stream(ctx, m.Wrap(code))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if status != 0 {
		return &CommandError{What: what, Command: code, Status: status, Tail: tail}
	}
	return nil
}

// RunRaw is [Machine.Run] for a line that the login shell gets as it is.
func (m *Machine) RunRaw(ctx context.Context, what, line string) error {
	status, tail, err := m.stream(ctx, line)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if status != 0 {
		return &CommandError{What: what, Command: line, Status: status, Tail: tail}
	}
	return nil
}

func (m *Machine) stream(ctx context.Context, line string) (status int, tail []string, err error) {
	out := m.step.Report.Output()
	keep := &tailWriter{}
	w := io.MultiWriter(out, keep)
	// A terminal, because sudo may insist on one, and because what runs ends
	// with the connection.
	status, err = m.Conn().Run(ctx, kitchen.Command{Line: line, Stdout: w, Stderr: w, TTY: true})
	out.Close()
	return status, keep.lines(), err
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

// Ask runs shell code without telling its output, and returns it.
func (m *Machine) Ask(ctx context.Context, what, code string) (out string, status int, err error) {
	var stdout, stderr bytes.Buffer
	status, err = m.Conn().Run(ctx, kitchen.Command{Line: m.Wrap(code), Stdout: &stdout, Stderr: &stderr})
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w", what, err)
	}
	if s := strings.TrimSpace(stderr.String()); s != "" {
		m.step.Report.Debug("%s: %s", what, s)
	}
	return stdout.String(), status, nil
}

// Put writes a file on the machine, readable by its owner alone if private.
func (m *Machine) Put(ctx context.Context, file string, content []byte, private bool) error {
	umask := "umask 022"
	if private {
		umask = "umask 077"
	}
	var stderr bytes.Buffer
	code := umask + "; mkdir -p " + Quote(path.Dir(file)) + " && rm -f " + Quote(file) + " && cat >" + Quote(file)
	status, err := m.Conn().Run(ctx, kitchen.Command{Line: "sh -c " + Quote(code), Stdin: bytes.NewReader(content), Stderr: &stderr})
	if err != nil {
		return fmt.Errorf("writing %s on the machine: %w", file, err)
	}
	if status != 0 {
		return &delta.RemoteError{Doing: "writing " + file + " on the machine", Status: status, Output: strings.TrimSpace(stderr.String())}
	}
	return nil
}

// runner is the machine as delta knows it.
func (m *Machine) runner(ctx context.Context, line string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	return m.Conn().Run(ctx, kitchen.Command{Line: line, Stdin: stdin, Stdout: stdout, Stderr: stderr})
}

// Sync makes the directory dest on the machine hold src. Keep says of which
// of its top directories the machine's own files stay; nil is none.
func (m *Machine) Sync(ctx context.Context, src fs.FS, dest string, keep func(string) bool) error {
	return m.sync(ctx, src, dest, delta.Options{Keep: keep})
}

func (m *Machine) sync(ctx context.Context, src fs.FS, dest string, o delta.Options) error {
	start := time.Now()
	o.Progress = func(sent, total int64) {
		// What is over in no time is no wait.
		if time.Since(start) > time.Second {
			m.step.Report.Waiting("the upload to "+m.Instance, Size(sent)+" of "+Size(total), start)
		}
	}
	o.Remove = func(ctx context.Context, code string) error {
		return m.Run(ctx, "removing old files", m.Sudo("sh -c "+Quote(code)))
	}
	if n, ok := m.Conn().(kitchen.Neighbour); ok {
		o.Plain = n.Near()
	}
	st, err := delta.Sync(ctx, m.runner, src, dest, o)
	if err != nil {
		return err
	}
	switch {
	case st.SentFiles == 0 && st.Deleted == 0:
		m.step.Report.Debug("%s has all %d files already", dest, st.Files)
	default:
		m.step.Report.Info("Sent %d of %d files (%s), removed %d", st.SentFiles, st.Files, Size(st.SentBytes), st.Deleted)
	}
	return nil
}

// Size writes a number of bytes for a person.
func Size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.0f kB", float64(n)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1000/1000)
}

// SendUploads puts the configured uploads on the machine. Like cp, it puts
// them into what is a directory there already.
func (m *Machine) SendUploads(ctx context.Context) error {
	if len(m.Uploads) == 0 {
		return nil
	}
	m.step.Report.Info("Uploading files to %s", "<"+m.Instance+">")
	for _, u := range m.Uploads {
		info, err := os.Stat(u.From)
		if err != nil {
			return fmt.Errorf("uploads: %w", err)
		}
		dest, name := path.Dir(strings.TrimRight(u.To, "/")), path.Base(u.To)
		_, status, err := m.Ask(ctx, "uploads", "test -d "+Quote(u.To))
		if err != nil {
			return err
		}
		if status == 0 || strings.HasSuffix(u.To, "/") {
			dest, name = u.To, filepath.Base(u.From)
		}
		var t Tree
		if info.IsDir() {
			err = t.AddDir(name, u.From, nil)
		} else {
			err = t.AddFile(name, u.From)
		}
		if err != nil {
			return fmt.Errorf("uploads: %w", err)
		}
		err = m.sync(ctx, &t, dest, delta.Options{Transient: true, Keep: func(string) bool { return true }})
		if err != nil {
			return err
		}
	}
	return nil
}

// FetchDownloads fetches the configured downloads. Like cp, it puts them into
// what is a directory here already.
func (m *Machine) FetchDownloads(ctx context.Context) error {
	if len(m.Downloads) == 0 {
		return nil
	}
	m.step.Report.Info("Downloading files from <%s>", m.Instance)
	for _, d := range m.Downloads {
		to := d.To
		if info, err := os.Stat(to); strings.HasSuffix(to, "/") || err == nil && info.IsDir() {
			to = filepath.Join(to, path.Base(d.From))
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("downloads: %w", err)
		}
		if err := m.Conn().Download(ctx, d.From, to); err != nil {
			return fmt.Errorf("downloading %s to %s: %w", d.From, to, err)
		}
	}
	return nil
}

// Finish fetches the downloads of a run that ended with err, also of one that
// failed (Test Kitchen 4.1): logs of a failure are what people want most.
func (m *Machine) Finish(ctx context.Context, err error) error {
	if err == nil {
		return m.FetchDownloads(ctx)
	}
	if ctx.Err() == nil {
		if derr := m.FetchDownloads(ctx); derr != nil {
			m.step.Report.Warn("%v", derr)
		}
	}
	return err
}

// tailWriter keeps the last lines written to it.
type tailWriter struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tailWriter) Write(p []byte) (int, error) {
	const most = 8 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*most {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-most:]...)
	}
	return len(p), nil
}

func (t *tailWriter) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for line := range strings.Lines(string(t.buf)) {
		if line = strings.TrimRight(line, "\r\n \t"); line != "" {
			out = append(out, line)
		}
	}
	return out[max(0, len(out)-tailLines):]
}
