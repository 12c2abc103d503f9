package dummy_test

import (
	"testing"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/provisioner/dummy"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

func TestContract(t *testing.T) {
	of := func(keys map[string]any) func(*testing.T, *kitchentest.Machine) kitchen.Provisioner {
		return func(t *testing.T, _ *kitchentest.Machine) kitchen.Provisioner {
			p, err := dummy.New(config.NewSection(keys), base.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
	}
	kitchentest.Provisioner(t, kitchentest.ProvisionerCase{
		New:       of(map[string]any{"sleep": 0.01}),
		Failing:   of(map[string]any{"fail": true}),
		Slow:      of(map[string]any{"sleep": 60}),
		Untouched: true,
	})
}

func TestRandomFailure(t *testing.T) {
	p, err := dummy.New(config.NewSection(map[string]any{"random_failure": "true"}), base.Options{})
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for range 200 {
		step, _ := kitchentest.NewStep(kitchen.Converge, nil)
		if p.Converge(t.Context(), step, nil) != nil {
			failed++
		}
	}
	if failed == 0 || failed == 200 {
		t.Errorf("failed %d times of 200", failed)
	}
	if _, err := dummy.New(config.NewSection(map[string]any{"sleep": "long"}), base.Options{}); err == nil {
		t.Error("no error for a bad sleep")
	}
}
