package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/text"
)

// asked are the files that the user was asked about in this run and does not
// trust.
type asked struct {
	mu      sync.Mutex
	refused []string
}

// consent returns the decision which files may run commands in a run with this
// environment: all with --allow-exec or GALLEY_RUBY_EXEC=1, else those that the
// user trusts.
func (s *settings) consent(ctx context.Context, env *variables) ruby.Consent {
	if s.flags.allowExec || env.Get("GALLEY_RUBY_EXEC") == "1" {
		return ruby.Always
	}
	return func(file, command string) bool { return s.trusts(ctx, file, command) }
}

// trusts reports whether a file may run a command, "" being any by a real
// ruby. On a terminal it asks, once for each file in a run.
func (s *settings) trusts(ctx context.Context, file, command string) bool {
	s.asked.mu.Lock()
	defer s.asked.mu.Unlock()
	f, err := s.read(file)
	if err != nil || slices.Contains(s.asked.refused, f.path) {
		return false
	}
	if f.store.Has(f.path, f.content) {
		return true
	}
	if s.streams.Prompter() == nil {
		return false
	}
	if command == "" {
		command = "ruby " + file
	}
	s.warnf("%s", f.describe(command))
	yes, err := s.askYesNo(ctx, "Trust this file as it is now?")
	if err != nil || !yes {
		s.asked.refused = append(s.asked.refused, f.path)
		return false
	}
	if err := f.store.Add(f.path, f.content); err != nil {
		s.warnf("the answer is not remembered: %v", err)
	}
	return true
}

// codeFile is a file that may run commands.
type codeFile struct {
	name, path string
	content    []byte
	store      state.Trust
}

func (p *program) read(file string) (codeFile, error) {
	user, err := state.UserFiles(p.streams.Getenv)
	if err != nil {
		return codeFile{}, err
	}
	f := codeFile{name: file, store: user.Trust()}
	if f.path, err = filepath.Abs(file); err != nil {
		return f, err
	}
	f.content, err = os.ReadFile(f.path)
	return f, err
}

// reCommand finds code that runs commands.
var reCommand = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("`[^`]+`|%x\\W|\\b(system|exec|spawn|popen|shell_out!?)\\b|\\bOpen3\\b|Mixlib::ShellOut")
})

// mostCommands bounds the lines that a question shows.
const mostCommands = 20

// describe names the file, the command that it is about to run, if any, and the
// lines that seem to run commands.
func (f codeFile) describe(command string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s runs commands on this machine, as you", f.name)
	if command != "" {
		fmt.Fprintf(&b, "; the next is: %s", text.Shorten(text.CleanLine(command), 200))
	}
	shown := 0
	for i, line := range strings.Split(string(f.content), "\n") {
		if !reCommand().MatchString(line) {
			continue
		}
		if shown++; shown > mostCommands {
			b.WriteString("\n  …")
			break
		}
		fmt.Fprintf(&b, "\n  line %d: %s", i+1, text.Shorten(strings.TrimSpace(line), 200))
	}
	return b.String()
}

// trustOptions are those of trust.
type trustOptions struct {
	*program
	revoke bool
	output listingFlags
}

var trustColumns = []string{"File", "Status", "SHA-256"}

func newTrustCommand(d *deps) *cobra.Command {
	o := &trustOptions{program: d.program}
	cmd := &cobra.Command{
		Use:   "trust [FILE]...",
		Short: "Let files run commands, or list those that may",
		Long: `Show the lines of each FILE that run commands and ask whether it may, from now on and
until its content changes. On a terminal Galley asks by itself when a kitchen.yml,
knife.rb, metadata.rb, Berksfile or Policyfile wants to run a command or needs a real
ruby. Without FILE the trusted files are listed.

Where nobody can be asked, --allow-exec or GALLEY_RUBY_EXEC=1 trusts every file.`,
		Example: `  galley trust
  galley trust kitchen.yml --yes
  galley trust --revoke kitchen.yml`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	cmd.Flags().BoolVar(&o.revoke, "revoke", false, "trust the files no longer")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask for confirmation")
	o.output.add(cmd, trustColumns)
	return cmd
}

func (o *trustOptions) run(ctx context.Context, files []string) error {
	if len(files) == 0 && o.revoke {
		return usagef("as in `galley trust --revoke kitchen.yml`", "--revoke needs a file")
	}
	if len(files) == 0 {
		return o.list()
	}
	for _, file := range files {
		do := o.add
		if o.revoke {
			do = o.remove
		}
		if err := do(ctx, file); err != nil {
			return err
		}
	}
	return nil
}

func (o *trustOptions) list() error {
	user, err := state.UserFiles(o.streams.Getenv)
	if err != nil {
		return err
	}
	files, err := user.Trust().List()
	if err != nil {
		return err
	}
	l := listing{columns: trustColumns, optional: []string{"SHA-256"}}
	for _, f := range files {
		status := "trusted"
		content, err := os.ReadFile(f.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			status = "missing"
		case err != nil:
			status = "not readable"
		case state.Digest(content) != f.Digest:
			status = "changed since"
		}
		l.add(f.Path, status, f.Digest)
	}
	return o.print(l, &o.output)
}

func (o *trustOptions) add(ctx context.Context, file string) error {
	f, err := o.read(file)
	if err != nil {
		return err
	}
	if !o.yes {
		o.notef("%s", f.describe(""))
	}
	yes, err := o.confirm(ctx, "Trust this file as it is now")
	if err != nil || !yes {
		return err
	}
	return f.store.Add(f.path, f.content)
}

func (o *trustOptions) remove(_ context.Context, file string) error {
	f, err := o.read(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	was, err := f.store.Remove(f.path)
	if err == nil && !was {
		err = usagef("`galley trust` lists those that are", "%s is not trusted", file)
	}
	return err
}
