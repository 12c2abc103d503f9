package ruby

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"time"
)

// Consent says whether a file may run a command; for a command "" whether it may
// be evaluated by the ruby on the PATH, which can run any. It may ask the user.
// A nil Consent refuses.
type Consent func(file, command string) bool

// Always is consent to everything.
func Always(string, string) bool { return true }

func (c Consent) given(file, command string) bool { return c != nil && c(file, command) }

// mayExec refuses commands unless the user allowed them.
func (in *Interp) mayExec(what, cmd string) {
	file := ""
	if prog, _ := in.place(); prog != nil {
		file = prog.opts.File
	}
	asked := time.Now()
	consent := in.cfg.AllowExec.given(file, cmd)
	in.deadline = in.deadline.Add(time.Since(asked)) // the program did not run meanwhile
	if consent {
		return
	}
	if len(cmd) > 80 {
		cmd = cmd[:80] + "…"
	}
	in.refuse(what, "the file wants to run the command `"+cmd+"', which is not allowed",
		"if you trust the file, run `galley trust "+file+"`, or allow commands with --allow-exec or GALLEY_RUBY_EXEC=1")
}

// runCommand runs a command to its end, with the program's environment and
// directory, and returns its output and exit status.
func (in *Interp) runCommand(line string) (stdout string, code int, err error) {
	ctx, cancel := context.WithDeadline(in.ctx, in.deadline)
	defer cancel()
	cmd := shellCommand(ctx, line)
	cmd.Env, cmd.Dir, cmd.WaitDelay = in.env.Environ(), in.dir, 2*time.Second
	cmd.Cancel = func() error { return killGroup(cmd) }
	out := &capped{room: in.limits.Memory - in.bytes}
	cmd.Stdout = out
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case in.ctx.Err() != nil:
		panic(in.ctxError(in.ctx.Err()))
	case ctx.Err() != nil:
		in.limit("a command ran for too long")
	case out.over:
		in.limit("a command's output is too large")
	case errors.As(err, &exit):
		code, err = exit.ExitCode(), nil
	}
	in.alloc(out.Len())
	return out.String(), code, err
}

// capped collects output up to a limit.
type capped struct {
	bytes.Buffer
	room int
	over bool
}

func (c *capped) Write(p []byte) (int, error) {
	if c.Len()+len(p) > c.room {
		c.over = true
		return len(p), nil
	}
	return c.Buffer.Write(p)
}

// backtick is `cmd`.
func (in *Interp) backtick(cmd string) Value {
	in.mayExec("backticks", cmd)
	out, code, err := in.runCommand(cmd)
	// without anything for a shell to do, a missing program is an exception
	if err != nil || code == 127 && !strings.ContainsAny(cmd, "*?{}[]<>()~&|\\$;'`\"\n#=%") {
		name, _, _ := strings.Cut(strings.TrimSpace(cmd), " ")
		in.raise("Errno::ENOENT", "%s - %s", errnoText("Errno::ENOENT"), name)
	}
	in.status = &Object{class: in.classes["Process::Status"], data: code}
	return in.str(out)
}
