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

// Exit codes; see exitCodesTopic.
const (
	exitOK = 0
	// exitUsage is a command line that cannot be executed: an unknown flag
	// or command, an argument that selects no instance, a doctor's finding.
	exitUsage = 1
	// exitFailed is a failed action or a configuration error (Test Kitchen).
	exitFailed = 20
	// The failures of fetch, by their kind.
	exitRefused    = 21
	exitNotFound   = 22
	exitNetwork    = 23
	exitIncomplete = 24
	exitDamaged    = 25
	exitLocalFile  = 26
	// exitInterrupted is a run ended by Ctrl-C.
	exitInterrupted = 130
)

// The codes that mean something else under the name knife (knife 18).
const (
	// exitKnifeFailed is any failure.
	exitKnifeFailed = 1
	// exitKnifeMissing is a missing option.
	exitKnifeMissing = 2
	// exitKnifeUnknown is an unknown command.
	exitKnifeUnknown = 10
)

// exitCodesTopic is the help topic exit-codes.
const exitCodesTopic = `  0    success
  1    usage error: an unknown flag, command or instance; doctor or config validate
       has found a problem
  20   an action failed, or the configuration is wrong
  130  interrupted by Ctrl-C

login and exec on one instance end with the status of the command that ran there.

fetch:
  21   the server refused the request, or redirects lead nowhere
  22   not found (404, 410)
  23   no connection, or one that was too slow
  24   incomplete: body, pages, or not the expected data
  25   wrong checksum, or damaged compression
  26   a local file could not be written

deps:
  2    the lock has changed, or a cookbook is outdated, where --exit-code asks
  3    no versions satisfy all constraints
  4    a source cannot be reached

Under the name knife: 1 for any failure, 2 for a missing option, 10 for an unknown
command.`

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

// knifeError is an error that has its own code under the name knife.
type knifeError struct {
	error
	code int
}

func (e *knifeError) Unwrap() error { return e.error }

// exitCode returns the code that an error ends the process with, under the
// name that the program was called by.
func (p *program) exitCode(ctx context.Context, err error) int {
	code := exitCode(ctx, err)
	if p.name != nameKnife {
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

func exitCode(ctx context.Context, err error) int {
	var (
		usage   *usageError
		sel     *kitchen.SelectError
		log     *runlog.NoLogError
		session *runlog.NoSessionError
		status  *statusError
		config  *configError
		failed  *fetch.Error
		coded   *codedError
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return status.status
	case errors.Is(context.Cause(ctx), errInterrupted):
		return exitInterrupted
	case errors.As(err, &config):
		return exitFailed
	case errors.As(err, &usage), errors.As(err, &sel), errors.As(err, &log), errors.As(err, &session):
		return exitUsage
	case errors.As(err, &failed):
		return fetchExit(failed)
	case errors.As(err, &coded):
		return coded.code
	}
	return exitFailed
}

// printError says why a command failed.
func (p *program) printError(err error) {
	var status *statusError
	if errors.As(err, &status) {
		return
	}
	w := p.streams.Err
	var run *runFailure
	if errors.As(err, &run) {
		p.printFailure(w, run)
		return
	}
	if said := reasonText(err); said == "interrupted" {
		fmt.Fprintf(w, "%s: interrupted\n", p.name)
		if f := (*fetch.Error)(nil); errors.As(err, &f) && f.Resumable {
			writeHint(w, p.clean(f.Hint()))
		}
		return
	}
	fmt.Fprintf(w, "%s: %s %s\n", p.name, p.painter(w)(ui.Red, "error:"), p.clean(reasonText(err)))
	if hint := kitchen.Hint(err); hint != "" {
		writeHint(w, p.clean(hint))
	}
}

func writeHint(w io.Writer, hint string) {
	fmt.Fprintln(w, "hint: "+strings.ReplaceAll(strings.TrimSpace(hint), "\n", "\n      "))
}

// exitStatus returns the status of a command that ran on a machine and
// failed, if the error is about that.
func exitStatus(err error) (int, bool) {
	var exit *kitchen.ExitError
	if errors.As(err, &exit) {
		return exit.Status, true
	}
	return 0, false
}
