package dummy_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/driver/dummy"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

func driver(t *testing.T, keys map[string]any) *dummy.Driver {
	t.Helper()
	d, err := dummy.New(config.NewSection(keys))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestContract(t *testing.T) {
	kitchentest.Driver(t, func(t *testing.T) kitchen.Driver { return driver(t, map[string]any{"sleep": "0.01"}) })
}

func TestFailures(t *testing.T) {
	d := driver(t, map[string]any{"fail_create": true, "fail_destroy": "true"})
	step, _ := kitchentest.NewStep(kitchen.Create, nil)
	if err := d.Create(t.Context(), step); err == nil || !strings.Contains(err.Error(), "fail_create") {
		t.Errorf("create: %v", err)
	}
	if err := d.Destroy(t.Context(), step); err != nil {
		t.Errorf("destroy of nothing: %v", err)
	}
	step.State.Set(kitchen.KeyHostname, dummy.Host)
	if err := d.Destroy(t.Context(), step); err == nil || !strings.Contains(err.Error(), "fail_destroy") {
		t.Errorf("destroy: %v", err)
	}
	if _, err := dummy.New(config.NewSection(map[string]any{"sleep": "x"})); err == nil {
		t.Error("no error for a bad sleep")
	}
}

func TestCancelledWhileItSleeps(t *testing.T) {
	d := driver(t, map[string]any{"sleep": 60})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	step, _ := kitchentest.NewStep(kitchen.Create, nil)
	go func() { done <- d.Create(ctx, step) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestNothingRunsAnywhere(t *testing.T) {
	step, _ := kitchentest.NewStep(kitchen.Create, nil)
	var tr dummy.Transport
	if err := tr.Wait(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	c, err := tr.Connect(t.Context(), step)
	if err != nil {
		t.Fatal(err)
	}
	_, runErr := c.Run(t.Context(), kitchen.Command{Line: "true"})
	_, shellErr := c.Shell(t.Context(), kitchen.Terminal{})
	for _, err := range []error{runErr, shellErr, c.Upload(t.Context(), nil, "/"), c.Download(t.Context(), "/", "/")} {
		var no *dummy.NoMachineError
		if !errors.As(err, &no) || kitchen.Hint(err) == "" {
			t.Errorf("error %v", err)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
