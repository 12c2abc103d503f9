package kitchentest

import (
	"context"
	"errors"
	"testing"

	"github.com/galleyhq/galley/kitchen"
)

// Driver tries whether a driver keeps the contract of [kitchen.Driver]. New
// returns the driver of one instance; every call is another instance, and
// none of its resources exist. Each instance that the suite makes is destroyed.
func Driver(t *testing.T, newDriver func(t *testing.T) kitchen.Driver) {
	t.Run("create is idempotent", func(t *testing.T) {
		d := newDriver(t)
		step, rec := NewStep(kitchen.Create, nil)
		first := ""
		for i := range 2 {
			if err := d.Create(t.Context(), step); err != nil {
				t.Fatalf("create %d: %v\n%s", i+1, err, rec.Text())
			}
			host := step.State.String(kitchen.KeyHostname)
			if host == "" {
				t.Fatalf("create %d succeeded and left no hostname", i+1)
			}
			if first == "" {
				first = host + " " + step.State.String(kitchen.KeyServerID)
			}
			if again := host + " " + step.State.String(kitchen.KeyServerID); again != first {
				t.Errorf("create %d changed the machine from %q to %q", i+1, first, again)
			}
		}
		destroyTwice(t, d, step)
	})
	t.Run("reset", func(t *testing.T) {
		d := newDriver(t)
		r, ok := d.(kitchen.Resetter)
		if !ok {
			t.Skip("the driver cannot reset a machine")
		}
		step, rec := NewStep(kitchen.Create, nil)
		if err := d.Create(t.Context(), step); err != nil {
			t.Fatalf("create: %s", describe(err))
		}
		identity := func() string {
			return step.State.String(kitchen.KeyHostname) + " " + step.State.String(kitchen.KeyServerID)
		}
		before := identity()
		for i := range 2 {
			if err := r.Reset(t.Context(), step); err != nil {
				t.Fatalf("reset %d: %v\n%s", i+1, err, rec.Text())
			}
			if identity() != before {
				t.Errorf("reset %d changed the machine from %q to %q", i+1, before, identity())
			}
		}
		destroyTwice(t, d, step)
	})
	t.Run("destroy without create", func(t *testing.T) {
		d := newDriver(t)
		step, _ := NewStep(kitchen.Destroy, nil)
		destroyTwice(t, d, step)
	})
	t.Run("a half-made machine", func(t *testing.T) {
		// The state is lost, as by a kill before it was written.
		d := newDriver(t)
		step, _ := NewStep(kitchen.Create, nil)
		if err := d.Create(t.Context(), step); err != nil {
			t.Fatalf("create: %s", describe(err))
		}
		lost, _ := NewStep(kitchen.Destroy, nil)
		destroyTwice(t, d, lost)
	})
	t.Run("cancelled", func(t *testing.T) {
		d := newDriver(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		step, _ := NewStep(kitchen.Create, nil)
		if err := d.Create(ctx, step); !errors.Is(err, context.Canceled) {
			t.Errorf("create: %s, want context.Canceled", describe(err))
		}
		destroyTwice(t, d, step)
	})
}

func destroyTwice(t *testing.T, d kitchen.Driver, step *kitchen.Step) {
	t.Helper()
	for i := range 2 {
		if err := d.Destroy(t.Context(), step); err != nil {
			t.Errorf("destroy %d: %v", i+1, err)
		}
	}
	for _, key := range []string{kitchen.KeyServerID, kitchen.KeyHostname} {
		if v := step.State.String(key); v != "" {
			t.Errorf("after destroy the state still has %s %q", key, v)
		}
	}
}
