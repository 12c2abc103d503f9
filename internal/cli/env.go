package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/config/openrc"
	"github.com/galleyhq/galley/internal/ruby"
)

// environment returns the variables that this run works with: the process's,
// then those of --rc and --os-cloud over them. The process's own environment
// is never written to.
func (a *app) environment(ctx context.Context) (*ruby.Env, error) {
	env := ruby.NewEnv(os.Environ())
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
func (a *app) configOptions(root string, env *ruby.Env) (config.Options, error) {
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

// prompter asks on the terminal; a nil interface when there is none.
func (a *app) prompter() openrc.Prompter {
	if p := a.streams.Prompter(); p != nil {
		return p
	}
	return nil
}

func (a *app) bootstrapPrompter() bootstrap.Prompter {
	if p := a.streams.Prompter(); p != nil {
		return p
	}
	return nil
}
