package kitchen

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Strategy says when a test destroys the machine that it has made (Test
// Kitchen: test --destroy).
type Strategy string

// The strategies.
const (
	// DestroyPassing destroys the machine when everything has passed.
	DestroyPassing Strategy = "passing"
	// DestroyAlways destroys it also after a failure.
	DestroyAlways Strategy = "always"
	// DestroyNever leaves it.
	DestroyNever Strategy = "never"
)

// ParseStrategy reads a strategy's name.
func ParseStrategy(name string) (Strategy, error) {
	switch s := Strategy(name); s {
	case DestroyPassing, DestroyAlways, DestroyNever:
		return s, nil
	}
	return "", fmt.Errorf("unknown destroy strategy %q: it is passing, always or never", name)
}

// Test takes every instance of the request from nothing through the whole
// lifecycle, and destroys it by the strategy. The request's Action is not
// looked at. The error, if any, is as of [Kitchen.Run].
func (k *Kitchen) Test(ctx context.Context, req Request, destroy Strategy) error {
	start := time.Now()
	k.Bus.Publish(Event{Kind: RunStarted, Action: "test"})
	err := k.each(ctx, req, func(ctx context.Context, inst *Instance) *Failure {
		return k.testOne(ctx, inst, req, destroy)
	})
	k.Bus.Publish(Event{Kind: RunFinished, Action: "test", Elapsed: time.Since(start), Err: err})
	return err
}

func (k *Kitchen) testOne(ctx context.Context, inst *Instance, req Request, destroy Strategy) *Failure {
	start := time.Now()
	report := k.Bus.Reporter(inst.Name, inst.Index, "test")
	run := func(ctx context.Context, a Action) *Failure {
		r := req
		r.Action = a
		return k.perform(ctx, inst, r)
	}
	fresh := false
	if req.Reuse {
		var f *Failure
		if fresh, f = k.reuse(inst, report, func() *Failure { return run(ctx, Reset) }); f != nil {
			return f
		}
	}
	if !fresh {
		report.Banner("Cleaning up any prior instances of <%s>", inst.Name)
		if f := run(ctx, Destroy); f != nil {
			return f
		}
	}
	report.Banner("Testing <%s>", inst.Name)
	failed := run(ctx, Verify)
	if destroy == DestroyAlways || destroy == DestroyPassing && failed == nil {
		// Always means also after Ctrl-C: the user has asked for it.
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
		defer cancel()
		if f := run(clean, Destroy); f != nil {
			if failed == nil {
				return f
			}
			failed.Err = errors.Join(failed.Err, f.Err)
		}
	}
	if failed == nil {
		report.Info("Finished testing <%s> (%s).", inst.Name, Clock(time.Since(start)))
	}
	return failed
}

// reuse resets an instance's machine, if it has one, and says whether it is
// fresh now. One that cannot be reset is left for a destroy.
func (k *Kitchen) reuse(inst *Instance, report *Reporter, reset func() *Failure) (fresh bool, f *Failure) {
	st, err := k.load(inst)
	if err != nil {
		return false, &Failure{Instance: inst, Action: Reset, Err: err}
	}
	if _, ok := inst.Driver.(Resetter); !ok || st.String(KeyServerID) == "" && st.String(KeyHostname) == "" {
		return false, nil
	}
	f = reset()
	var unchanged *CannotResetError
	if f != nil && errors.As(f.Err, &unchanged) && !errors.Is(f.Err, context.Canceled) {
		report.Warn("%v: destroying and creating it instead", f.Err)
		return false, nil
	}
	return f == nil, f
}
