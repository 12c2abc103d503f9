package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/config/openrc"
	"github.com/galleyhq/galley/internal/env"
)

// environment returns the variables that this run works with: the process's,
// then those of --rc and --os-cloud over them. The process's own environment
// is never written to.
func (a *app) environment(ctx context.Context) (*env.Env, error) {
	env := env.New(os.Environ())
	if a.flags.rc != "" {
		rc, err := openrc.Read(ctx, a.flags.rc, openrc.Options{Env: env.Map(), Prompt: a.prompter()})
		if err != nil {
			return nil, err
		}
		for _, w := range rc.Warnings {
			fmt.Fprintf(a.streams.Err, "%s: warning: %s\n", a.name, w)
		}
		for _, name := range rc.Unset {
			env.Unset(name)
		}
		for name, value := range rc.Vars {
			env.Set(name, value)
		}
		// An RC file given by hand is meant, whatever cloud the shell names.
		if _, ok := rc.Vars["OS_CLOUD"]; !ok {
			env.Unset("OS_CLOUD")
		}
	}
	if a.flags.cloud != "" {
		env.Set("OS_CLOUD", a.flags.cloud)
	}
	for _, name := range []string{"OS_PASSWORD", "OS_TOKEN", "OS_APPLICATION_CREDENTIAL_SECRET"} {
		a.secrets.Add(env.Get(name))
	}
	return env, nil
}

// configOptions says how the configuration at root is read.
func (a *app) configOptions(root string, env *env.Env) (config.Options, error) {
	o := config.Options{Root: root, Env: env, AllowExec: a.flags.allowExec || env.Get("GALLEY_RUBY_EXEC") == "1"}
	switch a.flags.erb {
	case "", "galley":
	case "ruby":
		o.SystemRuby = true
	default:
		return o, usagef("", "unknown ERB engine %q: it is galley or ruby", a.flags.erb)
	}
	return o, nil
}

// prompter answers what an RC file asks: on the terminal, else from a piped
// standard input as a shell does. A nil interface when there is neither.
func (a *app) prompter() openrc.Prompter {
	if p := a.streams.Prompter(); p != nil {
		return p
	}
	f, ok := a.streams.In.(*os.File)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice != 0 || info.IsDir() {
		return nil // a terminal that cannot be asked on, or /dev/null
	}
	return pipedAnswers{in: f, notice: a.warnf}
}

// pipedAnswers takes answers line by line from standard input.
type pipedAnswers struct {
	in     io.Reader
	notice func(format string, args ...any)
}

// Prompt implements [openrc.Prompter]. It reads no more than one line: the
// rest of the input may be for the command itself.
func (p pipedAnswers) Prompt(ctx context.Context, question string, _ bool) (string, error) {
	type reply struct {
		line string
		err  error
	}
	answered := make(chan reply, 1)
	go func() {
		var line []byte
		for one := make([]byte, 1); len(line) < 4<<10; {
			n, err := p.in.Read(one)
			if n == 1 && one[0] == '\n' || errors.Is(err, io.EOF) && len(line) > 0 {
				break
			}
			if err != nil {
				answered <- reply{err: err}
				return
			}
			line = append(line, one[:n]...)
		}
		answered <- reply{line: strings.TrimSuffix(string(line), "\r")}
	}()
	notice := time.NewTimer(3 * time.Second)
	defer notice.Stop()
	for {
		select {
		case r := <-answered:
			return r.line, r.err
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-notice.C:
			p.notice("waiting for the answer to %q on standard input", question)
		}
	}
}

func (a *app) bootstrapPrompter() bootstrap.Prompter {
	if p := a.streams.Prompter(); p != nil {
		return p
	}
	return nil
}
