package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/internal/ui"
)

// The names under which the program behaves as the tools it replaces.
const (
	nameGalley  = "galley"
	nameKitchen = "kitchen"
	nameKnife   = "knife"
)

// program is the side of a run that faces its user: the standard streams, the
// name it was called by, the flags that say how much is printed and how, and
// the secrets that must not be.
type program struct {
	streams *ui.Streams
	// name is "galley", or "kitchen" or "knife" where it was called that.
	name    string
	secrets *secret.Redactor
	// quiet means that there is nothing to stop gracefully: an interrupt is
	// how the command is meant to end.
	quiet atomic.Bool

	logLevel string
	// verbose asks for all of Test Kitchen's lines.
	verbose bool
	// verbosity counts knife's -V.
	verbosity         int
	colored, noColor  bool
	yes, useDefaults  bool
	flagChanged       func(name string) bool
	warnedAboutEnvLog bool
}

// addFlags adds the flags that every command has.
func (p *program) addFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&p.logLevel, "log-level", "l", "", "`LEVEL` of messages to print: debug, info, warn, error or fatal (default info, or KITCHEN_LOG)")
	fs.BoolVar(&p.colored, "color", false, "use colors (default: on a terminal, unless NO_COLOR is set)")
	fs.BoolVar(&p.noColor, "no-color", false, "do not use colors")
	p.flagChanged = fs.Changed
}

// color returns what the user asked for by flag, nil for nothing.
func (p *program) color() *bool {
	yes, no := true, false
	switch {
	case p.flagChanged == nil:
		return nil
	case p.noColor:
		return &no
	case p.flagChanged("color") && p.colored:
		return &yes
	case p.flagChanged("color"):
		return &no
	}
	return nil
}

// colors reports whether text on w is colored.
func (p *program) colors(w io.Writer) bool { return p.streams.Color(w, p.color()) }

// painter colors text for w, where w takes colors.
func (p *program) painter(w io.Writer) func(ui.Color, string) string {
	if !p.colors(w) {
		return func(_ ui.Color, s string) string { return s }
	}
	return ui.Color.Paint
}

// people returns where messages go: standard error, so that standard output
// is a script's; under the names kitchen and knife standard output, as there.
func (p *program) people() io.Writer {
	if p.name == nameGalley {
		return p.streams.Err
	}
	return p.streams.Out
}

// clean returns text of any origin without secrets and without characters
// that control a terminal.
func (p *program) clean(s string) string { return text.Clean(p.secrets.Clean(s)) }

// notef prints a message.
func (p *program) notef(format string, args ...any) {
	fmt.Fprintln(p.people(), p.clean(fmt.Sprintf(format, args...)))
}

// warnf prints a warning, always on standard error.
func (p *program) warnf(format string, args ...any) {
	fmt.Fprintf(p.streams.Err, "%s: warning: %s\n", p.name, p.clean(fmt.Sprintf(format, args...)))
}

// level returns the log level asked for.
func (p *program) level() (ui.Level, error) {
	if p.logLevel != "" {
		l, err := ui.ParseLevel(p.logLevel)
		if err != nil {
			return 0, &usageError{err: err}
		}
		return l, nil
	}
	if p.verbosity > 0 {
		return ui.DebugLevel, nil
	}
	name := p.streams.Getenv("KITCHEN_LOG")
	if name == "" {
		return ui.InfoLevel, nil
	}
	l, err := ui.ParseLevel(name)
	if err != nil && !p.warnedAboutEnvLog {
		p.warnedAboutEnvLog = true
		p.warnf("KITCHEN_LOG: %v; using info", err)
	}
	return l, nil
}

// debugf returns where details of the cloud's API go, nil below debug level.
func (p *program) debugf() (func(format string, args ...any), error) {
	level, err := p.level()
	if err != nil || level != ui.DebugLevel {
		return nil, err
	}
	return func(format string, args ...any) {
		fmt.Fprintln(p.streams.Err, "D      "+p.clean(fmt.Sprintf(format, args...)))
	}, nil
}

// json prints data for a script.
func (p *program) json(v any) error { return encodeJSON(p.streams.Out, v, "  ") }

// encodeJSON writes data with readable URLs, on one line without an indent.
func encodeJSON(w io.Writer, v any, indent string) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", indent)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func (p *program) yaml(v any) error {
	enc := yaml.NewEncoder(p.streams.Out)
	enc.SetIndent(2)
	return enc.Encode(v)
}

// confirm asks whether to do something irreversible. With --yes it does not
// ask; where nobody can be asked, the error says so.
func (p *program) confirm(ctx context.Context, question string) (bool, error) {
	switch {
	case p.yes:
		return true, nil
	case p.useDefaults:
		return false, usagef("add --yes (-y)", "%s? The default answer, which --defaults takes, is no", question)
	case p.streams.Prompter() == nil:
		return false, usagef("add --yes (-y)", "%s? There is no terminal to ask on", question)
	}
	return p.askYesNo(ctx, question+"?")
}

// confirmAll asks whether to remove all that was printed; no is an error.
func (p *program) confirmAll(ctx context.Context) error {
	sure, err := p.confirm(ctx, "Do you really want to remove all this")
	if err == nil && !sure {
		err = errors.New("nothing is removed, as you answered")
	}
	return err
}

// each calls do for every item, also after a failure of one, and joins the
// errors; an interrupt ends it.
func each[T any](ctx context.Context, items []T, do func(T) error) error {
	var errs []error
	for _, item := range items {
		if err := do(item); err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return session.Join(errs...)
}

// askYesNo asks at the terminal until the answer is yes or no; an empty one is
// no.
func (p *program) askYesNo(ctx context.Context, question string) (bool, error) {
	terminal := p.streams.Prompter()
	for {
		answer, err := terminal.Prompt(ctx, p.clean(question)+" (Y/N) ", true)
		if err != nil {
			return false, err
		}
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "y", "yes":
			return true, nil
		case "n", "no", "":
			return false, nil
		}
	}
}

// bootstrapPrompter asks for passphrases and passwords; a nil interface when
// a terminal is missing.
func (p *program) bootstrapPrompter() bootstrap.Prompter {
	if terminal := p.streams.Prompter(); terminal != nil {
		return terminal
	}
	return nil
}

// silent returns a program that prints nothing and has no terminal.
func (p *program) silent() *program {
	return &program{
		name: p.name, secrets: p.secrets, logLevel: "fatal",
		streams: &ui.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Env: p.streams.Env},
	}
}
