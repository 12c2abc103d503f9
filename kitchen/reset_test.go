package kitchen_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/galleyhq/galley/kitchen"
)

// resettable is a fake whose machine can be reset.
type resettable struct{ *fake }

func (r resettable) Reset(ctx context.Context, s *kitchen.Step) error {
	if last := s.State.LastAction(); last != "" {
		return errors.New("the state still says " + string(last))
	}
	return r.did(ctx, "reset")
}

func TestReset(t *testing.T) {
	gone := &kitchen.CannotResetError{Instance: "one", Err: errors.New("it is gone")}
	for name, tt := range map[string]struct {
		fail error
		// last is the last action in the state afterwards; of a test it is
		// that after the test.
		last, tested kitchen.Action
		want         []string
	}{
		"as after a create": {nil, kitchen.Create, kitchen.Verify, []string{"reset", "wait", "connect", "finish", "close"}},
		"left as it was":    {gone, kitchen.Verify, kitchen.Verify, []string{"reset"}},
		"failed midway":     {errors.New("no"), "", "", []string{"reset"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{address: "192.0.2.1", fail: map[string]error{}}
			k, _ := newKitchen(f, "one")
			k.Instances[0].Driver = resettable{f}
			if err := run(t, k, kitchen.Reset); !errors.As(err, new(*kitchen.NotCreatedError)) {
				t.Errorf("without a machine: %v", err)
			}
			if err := run(t, k, kitchen.Verify); err != nil {
				t.Fatal(err)
			}
			f.fail["reset"] = tt.fail
			f.log = nil
			if err := run(t, k, kitchen.Reset); (err == nil) != (tt.fail == nil) {
				t.Errorf("reset: %v", err)
			}
			if diff := cmp.Diff(tt.want, f.steps()); diff != "" {
				t.Error(diff)
			}
			st, err := k.Store.Load("one")
			if err != nil || st.LastAction() != tt.last {
				t.Errorf("the last action is %q (%v), want %q", st.LastAction(), err, tt.last)
			}
			f.log = nil
			err = k.Test(t.Context(), kitchen.Request{Instances: k.Instances, Reuse: true}, kitchen.DestroyNever)
			if want := tt.last != ""; (err == nil) != want {
				t.Errorf("test: %v", err)
			}
			if created := len(f.log) > 1 && f.log[1] == "destroy"; created != (tt.fail == gone) {
				t.Errorf("test did %v", f.log)
			}
			if st, err := k.Store.Load("one"); err != nil || st.LastAction() != tt.tested {
				t.Errorf("the last action after a test is %q (%v)", st.LastAction(), err)
			}
		})
	}
}
