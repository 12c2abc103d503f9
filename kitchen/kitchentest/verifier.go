package kitchentest

import (
	"testing"

	"github.com/galleyhq/galley/kitchen"
)

// VerifierCase says how to get the verifiers that the suite tries.
type VerifierCase struct {
	// New returns a verifier whose tests pass.
	New func(t *testing.T, m *Machine) kitchen.Verifier
	// Failing returns one whose tests fail, Slow one whose tests take at least
	// a minute. Nil leaves these tests out.
	Failing, Slow func(t *testing.T, m *Machine) kitchen.Verifier
	// Untouched says that the verifier never uses the connection.
	Untouched bool
}

// Verifier tries whether a verifier keeps the contract of
// [kitchen.Verifier].
func Verifier(t *testing.T, c VerifierCase) {
	of := func(f func(*testing.T, *Machine) kitchen.Verifier) func(*testing.T, *Machine) worker {
		if f == nil {
			return nil
		}
		return func(t *testing.T, m *Machine) worker { return f(t, m).Verify }
	}
	suite(t, kitchen.Verify, of(c.New), of(c.Failing), of(c.Slow), c.Untouched)
}
