package ruby

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"time"
)

func processID() int { return os.Getpid() }

// mayExec refuses commands unless the user allowed them.
func (in *Interp) mayExec(what, cmd string) {
	if in.cfg.AllowExec {
		return
	}
	if len(cmd) > 80 {
		cmd = cmd[:80] + "…"
	}
	in.refuse(what, "the file wants to run the command `"+cmd+"', which is not allowed", "if you trust the file, allow it with --allow-exec or GALLEY_RUBY_EXEC=1")
}

// runCommand runs a command to its end, with the program's environment and directory.
func (in *Interp) runCommand(cmd *exec.Cmd, stdin string) (stdout, stderr string, code int, err error) {
	ctx, cancel := context.WithDeadline(in.ctx, in.deadline)
	defer cancel()
	cmd.Env = in.env.Environ()
	cmd.Dir = in.dir
	room := in.limits.Memory - in.bytes
	out, errs := &capped{room: room}, &capped{room: room}
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.Stdin = strings.NewReader(stdin)
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
	// without anything for a shell to do, a missing program is an exception
	if f := strings.Fields(cmd); len(f) > 0 && !strings.ContainsAny(cmd, "*?{}[]<>()~&|\\$;'`\"\n#=%") {
		if _, err := in.lookPath(f[0]); err != nil {
			in.throw(in.newException("Errno::ENOENT", errnoText["Errno::ENOENT"]+" - "+f[0]))
		}
	}
	out, _, code, err := in.runCommand(shellCommand(cmd), "")
	if err != nil {
		in.throw(in.newException("Errno::ENOENT", errnoText["Errno::ENOENT"]+" - "+cmd))
	}
	in.setStatus(code)
	return in.str(out)
}

// lookPath finds a program by the program's own PATH.
func (in *Interp) lookPath(name string) (string, error) {
	if strings.ContainsAny(name, "/\\") {
		p := in.native(name)
		_, err := os.Stat(p)
		return p, err
	}
	switch name {
	case "cd", "exit", "export", "set", "unset", "test", "echo", "printf", "true", "false", "pwd", "exec", "eval", "type", "command":
		return name, nil // the shell's own
	}
	for _, dir := range strings.Split(in.env.Get("PATH"), pathListSeparator) {
		if dir == "" {
			continue
		}
		p := dir + "/" + name
		if st, err := os.Stat(p); err == nil && !st.IsDir() {
			return p, nil
		}
		if _, err := os.Stat(p + ".exe"); err == nil {
			return p + ".exe", nil
		}
	}
	return "", exec.ErrNotFound
}

// command makes the command that system and Open3 are called with.
func (in *Interp) command(c *call, what string) (cmd *exec.Cmd, stdin string) {
	if kw := c.kwargs(); kw != nil {
		if v, ok := kw.Get(Symbol("stdin_data")); ok {
			stdin = in.argString(v)
		}
		kw.Each(func(k, _ Value) bool {
			switch k {
			case Symbol("stdin_data"), Symbol("exception"), Symbol("out"), Symbol("err"):
			default:
				in.unsupported("the option " + in.inspect(k) + " of " + what)
			}
			return true
		})
	}
	if len(c.args) > 0 {
		if h, ok := c.args[0].(*Hash); ok {
			in.mayExec(what, "")
			_ = h
			in.unsupported("an environment for " + what)
		}
	}
	if len(c.args) == 0 {
		in.argError(0, 1, -1)
	}
	var words []string
	for _, a := range c.args {
		words = append(words, in.argString(a))
	}
	in.mayExec(what, strings.Join(words, " "))
	if len(words) == 1 {
		return shellCommand(words[0]), stdin
	}
	p, err := in.lookPath(words[0])
	if err != nil {
		p = words[0]
	}
	cmd = exec.Command(p, words[1:]...)
	ownGroup(cmd)
	return cmd, stdin
}

// system is Kernel#system: true, false, or nil when the command can't be started.
func (in *Interp) system(c *call) Value {
	if c.name == "spawn" {
		in.refuse("spawn", "`spawn' is not available here", "use backticks or system")
	}
	cmd, stdin := in.command(c, "system")
	out, errs, code, err := in.runCommand(cmd, stdin)
	in.print(out)
	in.print(errs)
	in.setStatus(code)
	if err != nil || code == 127 {
		return nil
	}
	return code == 0
}

func defExec(l *library) {
	o := l.module("Open3")
	o.sdef("capture2 capture2e capture3", 1, -1, func(in *Interp, c *call) Value {
		cmd, stdin := in.command(c, "Open3."+c.name)
		if c.name == "capture2e" {
			out, errs, code, err := in.runCommand(cmd, stdin)
			if err != nil {
				in.throw(in.newException("Errno::ENOENT", errnoText["Errno::ENOENT"]+" - "+cmd.Path))
			}
			in.setStatus(code)
			return in.arr([]Value{in.str(out + errs), in.status})
		}
		out, errs, code, err := in.runCommand(cmd, stdin)
		if err != nil {
			in.throw(in.newException("Errno::ENOENT", errnoText["Errno::ENOENT"]+" - "+cmd.Path))
		}
		in.setStatus(code)
		if c.name == "capture3" {
			return in.arr([]Value{in.str(out), in.str(errs), in.status})
		}
		return in.arr([]Value{in.str(out), in.status})
	})
	o.sdef("popen2 popen2e popen3 pipeline", 0, -1, func(in *Interp, c *call) Value {
		in.unsupported("Open3." + c.name)
		return nil
	})
	p := l.module("Process")
	ids := func(name string, f func() int) { p.sdef(name, 0, 0, func(in *Interp, c *call) Value { return f() }) }
	ids("uid", func() int { u, _, _, _ := userIDs(); return u })
	ids("euid", func() int { _, u, _, _ := userIDs(); return u })
	ids("gid", func() int { _, _, g, _ := userIDs(); return g })
	ids("egid", func() int { _, _, _, g := userIDs(); return g })
	ids("pid", os.Getpid)
	ids("ppid", os.Getppid)
	p.sdef("clock_gettime", 1, 2, func(in *Interp, c *call) Value {
		t := float64(in.cfg.Now().UnixNano()) / 1e9
		if u, ok := c.opt(1).(Symbol); ok {
			switch u {
			case "millisecond":
				return int(t * 1e3)
			case "second":
				return int(t)
			case "nanosecond":
				return int(in.cfg.Now().UnixNano())
			}
		}
		return t
	})
	st := l.class("Process::Status", "Object")
	st.def("success?", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Object).data.(int) == 0 })
	st.def("exitstatus to_i", 0, 0, func(in *Interp, c *call) Value {
		n := c.self.(*Object).data.(int)
		if c.name == "to_i" {
			return n << 8
		}
		return n
	})
	st.def("exited?", 0, 0, func(in *Interp, c *call) Value { return true })
	st.def("pid", 0, 0, func(in *Interp, c *call) Value { return 0 })
	st.def("==", 1, 1, func(in *Interp, c *call) Value {
		if n, ok := c.args[0].(int); ok {
			return c.self.(*Object).data.(int)<<8 == n
		}
		return c.self == c.args[0]
	})
	p.sdef("kill spawn wait detach fork daemon exit abort setproctitle setsid", 0, -1, func(in *Interp, c *call) Value {
		in.refuse("Process."+c.name, "Process."+c.name+" is not available here", "")
		return nil
	})
}
