package bootstrap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap/limit"
	"github.com/galleyhq/galley/internal/bootstrap/posix"
	"github.com/galleyhq/galley/internal/text"
)

// Limits of a wait for cloud-init: with user data, which may ask much of it,
// and without, where it may still hold the locks of the package manager.
const (
	DefaultBootTimeout = 600 * time.Second
	ShortBootTimeout   = 60 * time.Second
)

// bootCheck is shell code that prints "galley-boot running" while cloud-init is
// at work (cloud-init: boot-finished, status.json), and its result after that.
// It must stay one that every shell reads alike; see posix.Script.
const bootCheck = `if [ -e /run/cloud-init/result.json ]; then echo galley-boot done; cat /run/cloud-init/result.json; ` +
	`elif [ -e /run/cloud-init/enabled ] || [ -e /run/cloud-init/status.json ] || [ -e /run/cloud-init/cloud-id ]; ` +
	`then echo galley-boot running; fi`

// bootState reads a probe's output: whether cloud-init is at work, and its
// result where it has finished.
func bootState(output string) (booting bool, result string) {
	for line := range strings.Lines(output) {
		switch strings.TrimSpace(line) {
		case "galley-boot running":
			return true, ""
		case "galley-boot done":
			_, result, _ = strings.Cut(output, line)
			return false, result
		}
	}
	return false, ""
}

// BootError says that cloud-init did not finish in time.
type BootError struct {
	Addr   string
	Waited time.Duration
}

func (e *BootError) Error() string {
	return fmt.Sprintf("cloud-init on %s did not finish within %s", e.Addr, e.Waited.Round(time.Second))
}

// Hint says where to look and how to wait differently.
func (e *BootError) Hint() string {
	return "look at /var/log/cloud-init-output.log on the machine; wait_for_cloud_init sets another limit in seconds, or false for no wait"
}

// maxResult bounds cloud-init's result file, in bytes.
const maxResult = 256 << 10

// awaitBoot waits until cloud-init has finished, and warns of its errors.
func (c *Client) awaitBoot(ctx context.Context, within time.Duration) error {
	outer := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, within, &BootError{Addr: c.cfg.Addr(), Waited: within})
	defer cancel()
	defer c.notice("cloud-init on "+c.cfg.Addr(), "the first boot is still under way")()
	out := limit.NewBuffer("the result of cloud-init", maxResult)
	line := posix.Script("while ! [ -s /run/cloud-init/result.json ]; do sleep 0.1 2>/dev/null || sleep 1; done; cat /run/cloud-init/result.json")
	status, err := c.Run(ctx, Command{Line: line, Stdout: out})
	if err != nil {
		return err
	}
	if outer.Err() != nil {
		return context.Cause(outer)
	}
	if status == 0 {
		c.warnOfBoot(out.String())
	}
	return nil
}

// warnOfBoot warns of the errors in cloud-init's result.
func (c *Client) warnOfBoot(result string) {
	if errs := bootErrors([]byte(result)); len(errs) > 0 {
		c.cfg.Report.Warn("cloud-init on %s finished with errors: %s (see /var/log/cloud-init-output.log there)", c.cfg.Addr(), strings.Join(errs, "; "))
	}
}

// failedModule is the module in one of cloud-init's errors, a Python tuple.
var failedModule = text.Lazy(`^\('([\w.-]+)', *(.*)\)$`)

// bootErrors are the errors in cloud-init's result file, each with the name of
// the module that failed.
func bootErrors(result []byte) []string {
	var r struct {
		V1 struct {
			Errors []string `json:"errors"`
		} `json:"v1"`
	}
	if json.Unmarshal(result, &r) != nil {
		return nil
	}
	var out []string
	for _, e := range r.V1.Errors {
		if m := failedModule().FindStringSubmatch(e); m != nil {
			e = "module " + m[1] + ": " + m[2]
		}
		out = append(out, text.Shorten(text.CleanLine(e), 200))
	}
	return out
}

// whenBooted waits for cloud-init on a machine that has just been reached.
// again reaches it once more: what cloud-init was asked for may be a reboot.
func whenBooted(ctx context.Context, c *Client, o WaitOptions, again func() (*Client, bool, error)) (*Client, error) {
	start := time.Now()
	for {
		left := o.Boot - time.Since(start)
		if left <= 0 {
			left = time.Millisecond
		}
		err := c.awaitBoot(ctx, left)
		var lost *LostError
		var late *BootError
		switch {
		case err == nil:
			return c, nil
		case errors.As(err, &late):
			late.Waited = o.Boot
			if o.MustBoot {
				c.Close()
				return nil, late
			}
			c.cfg.Report.Info("%v; going on without it", late)
			return c, nil
		case !errors.As(err, &lost) || ctx.Err() != nil:
			c.Close()
			return nil, err
		}
		c.cfg.Report.Info("The connection was lost while cloud-init was at work: connecting again")
		c.Close()
		booting := false
		if c, booting, err = again(); err != nil {
			return nil, err
		}
		if !booting {
			return c, nil
		}
	}
}

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
