package openstack

import (
	"context"

	cloud "github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/kitchen"
)

var _ kitchen.Resetter = (*Driver)(nil)

// Reset implements [kitchen.Resetter] by Nova's rebuild.
func (d *Driver) Reset(ctx context.Context, step *kitchen.Step) error {
	asked, err := d.reset(ctx, step)
	if err != nil && !asked {
		return &kitchen.CannotResetError{Instance: d.o.Instance, Err: err}
	}
	return err
}

func (d *Driver) reset(ctx context.Context, step *kitchen.Step) (asked bool, err error) {
	spec, err := d.Spec()
	if err != nil {
		return false, err
	}
	c, err := d.Cloud(ctx)
	if err != nil {
		return false, err
	}
	j := d.journal(step)
	if _, err := d.reconcile(ctx, c, j, step); err != nil {
		return false, err
	}
	if err := d.fromCache(ctx, c, step, &spec); err != nil {
		return false, err
	}
	if asked, err = c.Reset(ctx, spec, j, d.freshSystem(step), step.Report); err == nil {
		step.Report.Info("OpenStack instance <%s> rebuilt.", step.State.String(kitchen.KeyServerID))
	}
	return asked, err
}

// finishReset ends a reset that was begun in another run.
func (d *Driver) finishReset(ctx context.Context, c *cloud.Cloud, spec cloud.ServerSpec, j cloud.Journal, step *kitchen.Step) error {
	return c.FinishReset(ctx, spec, j, d.freshSystem(step), step.Report)
}

// freshSystem returns the steps for when a server has a new system: it has
// other host keys than the ones remembered.
func (d *Driver) freshSystem(step *kitchen.Step) func() error {
	return func() error {
		for _, key := range []string{"host_keys", "host_keys_of"} {
			if step.State.Own(key) != nil {
				step.State.SetOwn(key, nil)
			}
		}
		return step.State.Save()
	}
}
