package config

import (
	"slices"
	"strings"
)

// Faults collects the faults of the values of a section, so that all of them are
// reported at once. The zero value holds nothing.
type Faults struct{ list []error }

// Add notes a fault; nil is none. Of one value the first fault counts: the
// others follow from it.
func (f *Faults) Add(err error) {
	if err == nil {
		return
	}
	if all, ok := err.(FaultsError); ok { //nolint:errorlint // Err returns it as it is
		for _, e := range all {
			f.Add(e)
		}
		return
	}
	value := faultyValue(err)
	if !slices.ContainsFunc(f.list, func(e error) bool {
		return value != "" && faultyValue(e) == value || e.Error() == err.Error()
	}) {
		f.list = append(f.list, err)
	}
}

// Err is nil without a fault, the fault if there is one, else a [FaultsError].
func (f *Faults) Err() error {
	switch len(f.list) {
	case 0:
		return nil
	case 1:
		return f.list[0]
	}
	return FaultsError(slices.Clone(f.list))
}

func faultyValue(err error) string {
	if k, ok := err.(interface{ FaultyValue() string }); ok {
		return k.FaultyValue()
	}
	return ""
}

// FaultsError is several faults of one section.
type FaultsError []error

// Error has a line for each fault.
func (e FaultsError) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the faults.
func (e FaultsError) Unwrap() []error { return e }
