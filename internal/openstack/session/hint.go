package session

import (
	"errors"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/settings"
)

// Pieces of advice that differ from front end to front end.
var (
	// Owner is what a server is to its user.
	Owner = settings.Phrase{Kitchen: "instance", Knife: "server"}
	// DestroyIt is how it is removed.
	DestroyIt = settings.Phrase{Kitchen: "destroy the instance", Knife: "delete the server"}
	// AnyFreeAddress has a floating IP chosen for each server.
	AnyFreeAddress = settings.Phrase{Kitchen: "set floating_ip_pool", Knife: "give --openstack-floating-ip without an address"}
	// AllocateAddress has a floating IP allocated for the server and released
	// with it.
	AllocateAddress = settings.Phrase{Kitchen: "set allocate_floating_ip: true", Knife: "give --openstack-floating-ip without an address"}
)

// hinter is an error with advice; dialectHinter one whose advice is in the
// words of a front end.
type (
	hinter        interface{ Hint() string }
	dialectHinter interface {
		HintIn(d settings.Dialect) string
	}
)

// spelled is an error whose advice is in the words of a front end.
type spelled struct {
	error
	dialect settings.Dialect
}

// Spelled returns err with its advice in the words of a front end. It is nil
// for nil.
func Spelled(err error, d settings.Dialect) error {
	if err == nil {
		return nil
	}
	return &spelled{err, d}
}

// Unwrap returns the error itself.
func (e *spelled) Unwrap() error { return e.error }

// Hint returns the advice.
func (e *spelled) Hint() string { return hintIn(e.error, e.dialect) }

// hintIn returns the advice of the first error in the chain that has any.
func hintIn(err error, d settings.Dialect) string {
	var s dialectHinter
	if errors.As(err, &s) {
		return s.HintIn(d)
	}
	var h hinter
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// Errors are independent failures that are reported together.
type Errors []error

// Error implements error: one failure to a line.
func (s Errors) Error() string {
	lines := make([]string, len(s))
	for i, err := range s {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the failures.
func (s Errors) Unwrap() []error { return s }

// Hint returns the hints of all that have one, each once.
func (s Errors) Hint() string { return s.HintIn(settings.Environment) }

// HintIn is [Errors.Hint] in the words of a front end.
func (s Errors) HintIn(d settings.Dialect) string {
	var lines []string
	for _, err := range s {
		if h := hintIn(err, d); h != "" && !slices.Contains(lines, h) {
			lines = append(lines, h)
		}
	}
	return strings.Join(lines, "\n")
}

// Join makes one error of those that are not nil: that one, or [Errors]. Of
// none it is nil.
func Join(errs ...error) error {
	var out Errors
	for _, err := range errs {
		if more, ok := err.(Errors); ok { //nolint:errorlint // one wrapped in more keeps its words
			out = append(out, more...)
		} else if err != nil {
			out = append(out, err)
		}
	}
	switch len(out) {
	case 0:
		return nil
	case 1:
		return out[0]
	}
	return out
}
