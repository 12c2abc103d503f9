package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap/posix"
	"github.com/galleyhq/galley/internal/text"
)

// The probe prints a word; any shell can do that, be it of Unix or Windows.
// Where there is a POSIX shell, it also says whether cloud-init is at work.
const (
	probeWord    = "galley-is-in"
	probeTimeout = 60 * time.Second
)

var probeLine = "echo " + probeWord + "; " + posix.Script(bootCheck)

// loginAs is what the root account of a cloud image answers.
var loginAs = text.Lazy(`(?i)please log ?in as the (?:following )?user:? *["']?([A-Za-z_][A-Za-z0-9_.-]*)`)

// probe runs a command and looks for its output.
func (c *Client) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	// A probe that is not needed any more takes its connection with it.
	defer context.AfterFunc(ctx, func() { c.ssh.Close() })()
	found := make(chan error, 1)
	out := &watch{see: func(text string) {
		var err error
		switch m := loginAs().FindStringSubmatch(text); {
		case m != nil:
			err = &AuthError{User: c.cfg.User, Addr: c.cfg.Addr(), Suggest: m[1]}
		case !strings.Contains(text, probeWord):
			return
		}
		select {
		case found <- err:
		default:
		}
	}}
	type end struct {
		status int
		err    error
	}
	ended := make(chan end, 1)
	go func() {
		status, err := c.Run(ctx, Command{Line: probeLine, Stdout: out, Stderr: out})
		ended <- end{status, err}
	}()
	var e end
	select {
	case err := <-found:
		if err != nil {
			// The account goes on to sleep for ten seconds.
			return err
		}
		e = <-ended
	case e = <-ended:
	}
	select {
	case err := <-found:
		if err != nil {
			return err
		}
	default:
	}
	text := out.String()
	switch {
	case e.err != nil:
		if ctx.Err() != nil && context.Cause(ctx) == context.DeadlineExceeded { //nolint:errorlint // ours, unwrapped
			return &SessionError{User: c.cfg.User, Addr: c.cfg.Addr(), Reason: fmt.Sprintf("the first command did not end within %s", probeTimeout), Output: text}
		}
		var lost *LostError
		if errors.As(e.err, &lost) && text != "" {
			return &SessionError{User: c.cfg.User, Addr: c.cfg.Addr(), Reason: "the session ended at once", Output: text, Err: e.err}
		}
		return e.err
	case strings.Contains(out.all(), probeWord):
		c.booting, c.booted = bootState(out.all())
		return nil
	}
	return &SessionError{
		User: c.cfg.User, Addr: c.cfg.Addr(), Output: text,
		Reason: fmt.Sprintf("%q ended with status %d and did not print its word", "echo "+probeWord, e.status),
	}
}

// watch collects a little output and shows what there is each time.
type watch struct {
	mu  sync.Mutex
	buf bytes.Buffer
	see func(string)
}

func (w *watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.buf.Len() < 16<<10 {
		w.buf.Write(p)
		w.see(w.buf.String())
	}
	return len(p), nil
}

// all is the collected data.
func (w *watch) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// String is the beginning of it, for messages.
func (w *watch) String() string {
	return text.Clean(text.Shorten(strings.TrimSpace(w.all()), 300))
}
