package base

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap/limit"
	"github.com/galleyhq/galley/kitchen"
)

// Local is a command on the workstation.
type Local struct {
	// What names the command in messages.
	What string
	// Line is run by the shell; where it is empty, Args are run as they are.
	Line string
	Args []string
	// Dir is the working directory, "" for the project's.
	Dir string
	// Env is added to the environment of the options.
	Env []string
	// Stdin is the text that the command reads.
	Stdin string
	// Timeout ends it, 0 is none.
	Timeout time.Duration
	// OK are the exit statuses that count as success; nil is 0 alone.
	OK []int
	// User runs it as another user, "" as the same. Unix only.
	User string
	// Quiet tells the output as debug lines, and in the error of a failure.
	Quiet bool
	// Stdout receives standard output in place of the report. Standard error is
	// then only kept for the error of a failure.
	Stdout io.Writer
}

// RunLocal runs a command on the workstation and tells its output. A status
// that is not OK is a *[CommandError].
func (o Options) RunLocal(ctx context.Context, step *kitchen.Step, l Local) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if l.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, l.Timeout, fmt.Errorf("%s did not end within %s", l.What, l.Timeout))
		defer cancel()
	}
	args := l.Args
	if l.Line != "" {
		args = nil
	}
	cmd, err := kitchen.LocalCommand(ctx, l.Line, args, l.User)
	if err != nil {
		return err
	}
	cmd.Dir = cmp.Or(l.Dir, o.Root)
	cmd.Env = append(append([]string{}, o.Environ...), l.Env...) // never nil, which is this process's own
	if l.Stdin != "" {
		cmd.Stdin = strings.NewReader(l.Stdin)
	}
	out := step.Report.Output()
	if l.Quiet {
		out = debugWriter{step.Report}
	}
	keep := &limit.Tail{}
	w := io.MultiWriter(out, keep)
	cmd.Stdout, cmd.Stderr = w, w
	if l.Stdout != nil {
		cmd.Stdout, cmd.Stderr = l.Stdout, keep
	}
	// What it leaves running must not hold up the action.
	cmd.WaitDelay = 10 * time.Second
	err = cmd.Run()
	out.Close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	status := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		status = exit.ExitCode()
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return fmt.Errorf("running %s: %w", l.What, err)
	}
	if status == 0 && l.OK == nil || slices.Contains(l.OK, status) {
		return nil
	}
	return &CommandError{What: l.What, Command: cmp.Or(l.Line, strings.Join(l.Args, " ")), Status: status, Tail: keep.Lines(tailLines)}
}

type debugWriter struct{ r *kitchen.Reporter }

func (d debugWriter) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		d.r.Debug("%s", strings.TrimRight(line, "\r\n"))
	}
	return len(p), nil
}

func (d debugWriter) Close() error { return nil }
