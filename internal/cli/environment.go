package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/config/openrc"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/secret"
)

// variables is an environment; no part is ever written to the process's
// own.
type variables = env.Env

// settings says which environment and which files a run reads.
type settings struct {
	*program
	asked asked

	flags struct {
		rc        string
		cloud     string
		erb       string
		allowExec bool
		// noHostKeys accepts any SSH host key.
		noHostKeys bool
		testBase   string
	}
}

// addFlags adds the flags that every command has.
func (s *settings) addFlags(fs *pflag.FlagSet) {
	f := &s.flags
	fs.StringVar(&f.rc, "rc", "", "read OS_* variables from this OpenStack RC `FILE`, without a shell")
	fs.StringVar(&f.cloud, "os-cloud", "", "use this `CLOUD` of clouds.yaml (default OS_CLOUD)")
	fs.BoolVar(&f.allowExec, "allow-exec", false, "let any ERB and Ruby file run commands (or set GALLEY_RUBY_EXEC=1; see trust)")
	fs.BoolVar(&f.noHostKeys, "no-host-key-verify", false, "accept any SSH host key")
}

// environment returns the variables that this run works with: the process's,
// then those of --rc and --os-cloud over them.
func (s *settings) environment(ctx context.Context) (*variables, error) {
	vars := env.New(os.Environ())
	if s.flags.rc != "" {
		rc, err := openrc.Read(ctx, s.flags.rc, openrc.Options{Env: vars.Map(), Prompt: s.prompter()})
		if err != nil {
			return nil, err
		}
		for _, w := range rc.Warnings {
			s.warnf("%s", w)
		}
		for _, name := range rc.Unset {
			vars.Unset(name)
		}
		for name, value := range rc.Vars {
			vars.Set(name, value)
		}
		// An RC file named by flag counts, whatever cloud the shell names.
		if _, ok := rc.Vars["OS_CLOUD"]; !ok {
			vars.Unset("OS_CLOUD")
		}
	}
	if s.flags.cloud != "" {
		vars.Set("OS_CLOUD", s.flags.cloud)
	}
	if s.flags.erb != "" {
		vars.Set("GALLEY_ERB", s.flags.erb)
	}
	for _, name := range vars.Names() {
		if secret.IsName(name) {
			s.secrets.Add(vars.Get(name))
		}
	}
	return vars, nil
}

// configOptions says how the configuration at root is read.
func (s *settings) configOptions(ctx context.Context, root string, env *variables) (config.Options, error) {
	if _, err := ruby.EngineOf(env); err != nil {
		return config.Options{}, usagef("", "%v", err)
	}
	return config.Options{Root: root, Env: env, AllowExec: s.consent(ctx, env)}, nil
}

// readOptions says how the configuration of the current directory is read.
func (s *settings) readOptions(ctx context.Context) (config.Options, error) {
	env, err := s.environment(ctx)
	if err != nil {
		return config.Options{}, err
	}
	root, err := workingDirectory()
	if err != nil {
		return config.Options{}, err
	}
	return s.configOptions(ctx, root, env)
}

// testBase is the directory of the tests.
func (s *settings) testBase(root string) string {
	dir := s.flags.testBase
	if dir == "" {
		dir = filepath.Join("test", "integration")
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(root, dir)
	}
	return dir
}

func workingDirectory() (string, error) {
	root, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the current directory: %w", err)
	}
	return root, nil
}

// prompter answers what an RC file asks: on the terminal, else from a piped
// standard input as a shell does. A nil interface when there is neither.
func (s *settings) prompter() openrc.Prompter {
	if p := s.streams.Prompter(); p != nil {
		return p
	}
	f, ok := s.streams.In.(*os.File)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice != 0 || info.IsDir() {
		return nil // a terminal that cannot be asked on, or /dev/null
	}
	return pipedAnswers{in: f, notice: s.warnf}
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
