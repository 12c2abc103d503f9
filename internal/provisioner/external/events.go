package external

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/galleyhq/galley/internal/text"
)

// Limits of the input from a provider.
const (
	maxLine     = 1 << 20
	maxDocument = 1 << 20
)

// ProtocolError is a provider that does not keep to the protocol.
type ProtocolError struct {
	// Command is the provider's command, Operation its operation.
	Command, Operation string
	// Problem describes its fault, without a full stop.
	Problem string
	// Stderr is the end of its output there, "" for nothing.
	Stderr string
}

func (e *ProtocolError) Error() string {
	s := fmt.Sprintf("the external provider %q (%s) %s", e.Command, e.Operation, e.Problem)
	if e.Stderr != "" {
		s += ": " + e.Stderr
	}
	return s
}

// Hint says who can mend it.
func (e *ProtocolError) Hint() string {
	return "this is a fault of the provider; try it by hand: echo '{}' | " + e.Command + " " + OpCapabilities
}

// reader takes the events of run apart, line by line. Its Write never fails
// and stops reading at the first error, which finish returns.
type reader struct {
	handle func(Event)
	// failed is called at the first error, to end a provider that goes on.
	failed func()
	buf    []byte
	line   int
	result *Event
	err    error
}

func (r *reader) Write(p []byte) (int, error) {
	for rest := p; r.err == nil && len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			r.buf = append(r.buf, rest...)
			if len(r.buf) > maxLine {
				r.err = fmt.Errorf("wrote a line of more than %d bytes", maxLine)
			}
			break
		}
		r.take(append(r.buf, rest[:i]...))
		r.buf, rest = r.buf[:0], rest[i+1:]
	}
	if r.err != nil {
		r.failed()
	}
	return len(p), nil
}

// finish returns the result, once the stream has ended.
func (r *reader) finish() (*Event, error) {
	if r.err == nil && len(r.buf) > 0 {
		r.take(r.buf)
	}
	if r.err == nil && r.result == nil {
		r.err = fmt.Errorf("ended without a result event")
	}
	return r.result, r.err
}

func (r *reader) take(line []byte) {
	r.line++
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return
	}
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		r.err = fmt.Errorf("wrote what is not an event in line %d: %s", r.line, text.Shorten(text.CleanLine(string(line)), 120))
		return
	}
	if r.err = r.check(e); r.err != nil {
		return
	}
	if e.Type == "result" {
		r.result = &e
		return
	}
	r.handle(e)
}

func (r *reader) check(e Event) error {
	switch {
	case e.ProtocolVersion != Version:
		return fmt.Errorf("speaks version %q of the protocol in line %d, and Galley %s", e.ProtocolVersion, r.line, Version)
	case r.result != nil:
		return fmt.Errorf("wrote a further event after its result, in line %d", r.line)
	case e.Type == "log" && !slices.Contains([]string{"debug", "info", "warn", "error"}, e.Level):
		return fmt.Errorf("wrote a log event of the unknown level %q in line %d", e.Level, r.line)
	case e.Type == "result" && !slices.Contains([]string{"passed", "failed", "skipped"}, e.Status):
		return fmt.Errorf("wrote a result with the unknown status %q in line %d", e.Status, r.line)
	case e.Type != "log" && e.Type != "progress" && e.Type != "result":
		return fmt.Errorf("wrote an event of the unknown type %q in line %d", e.Type, r.line)
	}
	return nil
}
