package external

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
)

// Provider is the work of a provider program.
type Provider interface {
	Capabilities() Capabilities
	// Validate returns the faults of a request; none means that Run may
	// be tried.
	Validate(ctx context.Context, r Request) (errors, warnings []Message)
	// Run converges the instance. An error is a failed converge, not a fault
	// of the protocol; one with the method ExitCode() int names the status of
	// what failed. state is kept for the next request, nil for none.
	Run(ctx context.Context, r Request, events *Events) (state map[string]any, err error)
}

// Exit statuses of a provider program.
const (
	exitOK       = 0
	exitProtocol = 1
	exitUsage    = 64
)

// Serve answers one operation, as `PROGRAM capabilities|validate|run` does, and
// returns the exit status: 0 where an answer was written. hide are secrets
// that must not be in any event.
func Serve(ctx context.Context, op string, in io.Reader, out, errs io.Writer, p Provider, hide *secret.Redactor) int {
	if op == OpCapabilities {
		return write(out, errs, p.Capabilities())
	}
	if op != OpValidate && op != OpRun {
		fmt.Fprintf(errs, "unknown operation %q: it is %s, %s or %s\n", op, OpCapabilities, OpValidate, OpRun)
		return exitUsage
	}
	r, err := readRequest(in, op)
	if err != nil {
		fmt.Fprintln(errs, err)
		return exitProtocol
	}
	bad, warnings := p.Validate(ctx, r)
	if op == OpValidate {
		v := Validation{ProtocolVersion: Version, Status: "ok", Errors: bad, Warnings: warnings}
		if len(bad) > 0 {
			v.Status = "error"
		}
		return write(out, errs, v)
	}
	events := &Events{out: out, hide: hide, now: time.Now}
	result := Event{Type: "result", Status: "passed"}
	if len(bad) > 0 {
		err = errors.New(bad[0].Message)
	} else {
		var state map[string]any
		if state, err = p.Run(ctx, r, events); state != nil {
			result.State = &ProviderState{Provider: state}
		}
	}
	if err != nil {
		result.Status, result.Message = "failed", err.Error()
		var status interface{ ExitCode() int }
		if errors.As(err, &status) {
			code := status.ExitCode()
			result.ExitCode = &code
		}
	}
	if err := events.emit(result); err != nil {
		fmt.Fprintln(errs, err)
		return exitProtocol
	}
	return exitOK
}

func readRequest(in io.Reader, op string) (Request, error) {
	var r Request
	data, err := io.ReadAll(io.LimitReader(in, maxDocument+1))
	switch {
	case err != nil:
		return r, fmt.Errorf("reading the request: %w", err)
	case len(data) > maxDocument:
		return r, fmt.Errorf("the request has more than %d bytes", maxDocument)
	case strings.TrimSpace(string(data)) == "":
		return r, errors.New("there is no request on standard input")
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("the request is not JSON of the protocol: %w", err)
	}
	if r.ProtocolVersion != Version {
		return r, fmt.Errorf("the request has version %q of the protocol, and this program speaks %s", r.ProtocolVersion, Version)
	}
	if r.Operation != op {
		return r, fmt.Errorf("the request is for %q, and the command for %q", r.Operation, op)
	}
	return r, nil
}

func write(out, errs io.Writer, v any) int {
	if err := json.NewEncoder(out).Encode(v); err != nil {
		fmt.Fprintln(errs, err)
		return exitProtocol
	}
	return exitOK
}

// Events writes the events of a run. It is safe for use by several goroutines
// at once.
type Events struct {
	mu   sync.Mutex
	out  io.Writer
	hide *secret.Redactor
	now  func() time.Time
}

// Log writes a log event of the level debug, info, warn or error.
func (e *Events) Log(level, message string) {
	_ = e.emit(Event{Type: "log", Level: level, Message: message})
}

// Progress writes that a stage of the work has been reached.
func (e *Events) Progress(stage, message string) {
	_ = e.emit(Event{Type: "progress", Stage: stage, Message: message})
}

func (e *Events) emit(ev Event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	ev.ProtocolVersion = Version
	ev.Timestamp = e.now().UTC().Format(time.RFC3339Nano)
	ev.Message = text.CleanOutput(e.hide.Clean(ev.Message))
	return json.NewEncoder(e.out).Encode(ev)
}
