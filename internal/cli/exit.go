package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/galleyhq/galley/internal/fetch"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/internal/ui/runlog"
	"github.com/galleyhq/galley/kitchen"
)

// Exit codes. The table in the README says the same.
const (
	exitOK = 0
	// exitUsage is a command line that cannot be carried out: an unknown flag
	// or command, an argument that selects no instance, a doctor's finding.
	exitUsage = 1
	// exitFailed is a failed action or a configuration error (Test Kitchen).
	exitFailed = 20
	// exitInterrupted is a run ended by Ctrl-C.
	exitInterrupted = 130
)

// The codes that mean something else under the name knife (knife 18).
const (
	// exitKnifeFailed is any failure.
	exitKnifeFailed = 1
	// exitKnifeMissing is an option that is needed and not there.
	exitKnifeMissing = 2
	// exitKnifeUnknown is a command that there is not.
	exitKnifeUnknown = 10
)

// exitCodes is what `galley help` and every command's help say of them.
const exitCodes = `Exit codes:
  0    all done
  1    usage: an unknown flag, command or instance, or doctor found trouble
  20   an action failed, or the configuration is wrong
  130  interrupted by Ctrl-C
  login and exec on one instance end with the status of what ran there
  under the name knife: 1 any failure, 2 a missing option, 10 an unknown command`

// usageError is a mistake on the command line.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
func (e *usageError) Hint() string  { return e.hint }

func usagef(hint, format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...), hint}
}

// statusError ends the process with the status of something that ran on a
// machine; there is nothing to print.
type statusError struct{ status int }

func (e *statusError) Error() string { return fmt.Sprintf("exit status %d", e.status) }

// errInterrupted is the cause of a context that Ctrl-C cancelled.
var errInterrupted error = interruption{}

type interruption struct{}

func (interruption) Error() string { return "interrupted" }
func (interruption) Unwrap() error { return context.Canceled }

// knifeError is an error that has a code of its own under the name knife.
type knifeError struct {
	error
	code int
}

func (e *knifeError) Unwrap() error { return e.error }

// exitCode says which code an error ends the process with, by the name that
// the program was called as.
func (a *app) exitCode(ctx context.Context, err error) int {
	code := exitCode(ctx, err)
	if a.name != "knife" {
		return code
	}
	var own *knifeError
	switch {
	case errors.As(err, &own):
		return own.code
	case code == exitFailed:
		return exitKnifeFailed
	}
	return code
}

// exitCode says which code an error ends the process with.
func exitCode(ctx context.Context, err error) int {
	var (
		usage   *usageError
		sel     *kitchen.SelectError
		log     *runlog.NoLogError
		session *runlog.NoSessionError
		status  *statusError
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return status.status
	case errors.Is(context.Cause(ctx), errInterrupted):
		return exitInterrupted
	case errors.As(err, &usage), errors.As(err, &sel), errors.As(err, &log), errors.As(err, &session):
		return exitUsage
	}
	return exitFailed
}

// printError tells the person why a command failed.
func (a *app) printError(err error) {
	var status *statusError
	if errors.As(err, &status) {
		return
	}
	w := a.streams.Err
	paint := func(s string) string {
		if a.streams.Color(w, a.color()) {
			return ui.Red.Paint(s)
		}
		return s
	}
	var run *kitchen.RunError
	if errors.As(err, &run) {
		for line := range strings.SplitSeq(a.secrets.Clean(a.runReport(run)), "\n") {
			fmt.Fprintln(w, paint(">>>>>> "+line))
		}
		return
	}
	if errors.Is(err, errInterrupted) {
		fmt.Fprintf(w, "%s: interrupted\n", a.name)
		if f := (*fetch.Error)(nil); errors.As(err, &f) && f.Resumable {
			writeHint(w, a.secrets.Clean(f.Hint()))
		}
		return
	}
	fmt.Fprintf(w, "%s: %s %s\n", a.name, paint("error:"), a.secrets.Clean(err.Error()))
	if hint := kitchen.Hint(err); hint != "" {
		writeHint(w, a.secrets.Clean(hint))
	}
}

func writeHint(w io.Writer, hint string) {
	fmt.Fprintln(w, "hint: "+strings.ReplaceAll(strings.TrimSpace(hint), "\n", "\n      "))
}

// runReport is the closing block of a failed run, in the form of Test
// Kitchen's, with what it leaves out: the reasons and what to do.
func (a *app) runReport(e *kitchen.RunError) string {
	var b strings.Builder
	fmt.Fprintf(&b, "------Exception-------\nClass: Kitchen::ActionFailed\nMessage: %d actions failed.\n", len(e.Failures))
	// One cause, such as a wrong password, fails them all: it is told once.
	told := map[string]string{}
	for _, f := range e.Failures {
		reason, hint := f.Err.Error(), kitchen.Hint(f.Err)
		head := fmt.Sprintf("    %s failed on instance <%s>: ", f.Action.Noun(), f.Instance.Name)
		if first, ok := told[reason+"\x00"+hint]; ok {
			fmt.Fprintf(&b, "%sfor the same reason as <%s>\n", head, first)
		} else {
			told[reason+"\x00"+hint] = f.Instance.Name
			fmt.Fprintf(&b, "%s%s\n", head, strings.ReplaceAll(reason, "\n", "\n      "))
			if hint != "" {
				fmt.Fprintf(&b, "      hint: %s\n", strings.ReplaceAll(hint, "\n", "\n            "))
			}
		}
		fmt.Fprintf(&b, "      log:  .kitchen/logs/%s.log\n", f.Instance.Name)
	}
	if len(e.Skipped) > 0 {
		names := make([]string, len(e.Skipped))
		for i, s := range e.Skipped {
			names[i] = s.Name
		}
		fmt.Fprintf(&b, "    not begun: %s\n", strings.Join(names, ", "))
	}
	b.WriteString("----------------------")
	return b.String()
}

// exitStatus returns the status of a command that ran on a machine and
// failed, if that is what the error is of.
func exitStatus(err error) (int, bool) {
	var exit *kitchen.ExitError
	if errors.As(err, &exit) {
		return exit.Status, true
	}
	return 0, false
}
