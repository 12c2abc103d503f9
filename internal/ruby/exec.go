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

// runCommand runs a command to its end, with the program's environment and directory.
func (in *Interp) runCommand(cmd *exec.Cmd) (stdout, stderr string, code int, err error) {
	ctx, cancel := context.WithDeadline(in.ctx, in.deadline)
	defer cancel()
	cmd.Env = in.env.Environ()
	cmd.Dir = in.dir
	room := in.limits.Memory - in.bytes
	out, errs := &capped{room: room}, &capped{room: room}
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Start(); err != nil {
		return "", "", 127, err
	}
	done := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
			_ = killGroup(cmd)
		case <-done:
		}
	}()
	err = cmd.Wait()
	close(done)
	if cerr := ctx.Err(); cerr != nil {
		if in.ctx.Err() != nil {
			panic(in.ctxError(in.ctx.Err()))
		}
		in.limit("a command ran for too long")
	}
	if out.over || errs.over {
		in.limit("a command's output is too large")
	}
	in.alloc(out.Len() + errs.Len())
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out.String(), errs.String(), exit.ExitCode(), nil
	}
	return out.String(), errs.String(), 0, err
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

func (in *Interp) setStatus(code int) {
	o := &Object{class: in.classes["Process::Status"], data: code}
	in.status = o
}

// backtick is `cmd`.
func (in *Interp) backtick(cmd string) Value {
	in.mayExec("backticks", cmd)
	out, _, code, err := in.runCommand(shellCommand(cmd))
	// without anything for a shell to do, a missing program is an exception
	if err != nil || code == 127 && !strings.ContainsAny(cmd, "*?{}[]<>()~&|\\$;'`\"\n#=%") {
		in.throw(in.newException("Errno::ENOENT", errnoText("Errno::ENOENT")+" - "+cmd))
	}
	in.setStatus(code)
	return in.str(out)
}

func statusMethods() []builtin {
	return []builtin{
		{"success?", 0, 0, statusSuccess},
		{"exitstatus", 0, 0, statusExit},
	}
}

func statusSuccess(_ *Interp, c *call) Value { return c.self.(*Object).data == 0 }

func statusExit(_ *Interp, c *call) Value { return c.self.(*Object).data }
