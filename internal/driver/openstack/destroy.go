package openstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	cloud "github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/kitchen"
)

// reclaimTime bounds the clean-up after a failed or cancelled create.
const reclaimTime = 5 * time.Minute

// cleanUp removes what a failing create has created, unless it is to be kept or
// the server was complete before, and returns cause.
func (d *Driver) cleanUp(ctx context.Context, c *cloud.Cloud, j cloud.Journal, step *kitchen.Step, cause error) error {
	rec, err := j.Read()
	switch {
	case err != nil:
		return errors.Join(cause, err)
	case rec == nil:
		d.forget(step)
		return cause
	case rec.Complete:
		return cause // What failed came after: the server is good.
	case step.KeepOnFailure:
		step.Report.Warn("Keeping what the failed create has created; `galley destroy %s` removes it", d.o.Instance)
		return cause
	}
	if len(rec.Resources) > 0 {
		step.Report.Info("Removing the resources created for <%s>...", d.o.Instance)
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), reclaimTime)
	defer cancel()
	if err := c.Reclaim(clean, j, cloud.ReclaimOptions{}, step.Report); err != nil {
		return errors.Join(cause, fmt.Errorf("not everything could be removed, `galley destroy %s` tries again: %w", d.o.Instance, err))
	}
	d.removeKey(rec)
	d.forget(step)
	return cause
}

// forget drops the keys of a server that no longer exists from the state.
func (d *Driver) forget(step *kitchen.Step) {
	step.State.Delete(kitchen.KeyServerID, kitchen.KeyHostname, kitchen.KeySSHKey)
	for _, key := range []string{"server", "host_keys", "host_keys_of"} {
		if step.State.Own(key) != nil {
			step.State.SetOwn(key, nil)
		}
	}
	if own, ok := step.State.Get(kitchen.KeyOwn).(map[string]any); ok && len(own) == 0 {
		step.State.Delete(kitchen.KeyOwn)
	}
}

// removeKey removes the private key that was generated for the instance.
func (d *Driver) removeKey(rec *cloud.Record) {
	if rec != nil && rec.KeyFile != "" && rec.KeyFile == d.o.KeyPath() {
		_ = os.Remove(rec.KeyFile)
	}
}

// Destroy implements [kitchen.Driver].
func (d *Driver) Destroy(ctx context.Context, step *kitchen.Step) error {
	j := d.journal(step)
	rec, err := j.Read()
	if err != nil {
		return err
	}
	unfinished, err := d.imageJournal().Read()
	if err != nil {
		return err
	}
	id := step.State.String(kitchen.KeyServerID)
	if rec == nil && id == "" && unfinished == nil {
		return nil
	}
	if d.o.Forget {
		return d.forgetRecord(j, rec, step)
	}
	c, err := d.Cloud(ctx)
	if err != nil {
		return err
	}
	if err := d.removeUnfinished(ctx, c, step); err != nil {
		return err
	}
	if rec, err = d.reconcile(ctx, c, j, step); err != nil {
		return err
	}
	if rec != nil && step.Action == kitchen.Create && rec.Complete {
		// Cleaning up after a create: nothing is worth keeping.
		rec.Complete = false
		if err := j.Write(rec); err != nil {
			return err
		}
	}
	if err := c.Reclaim(ctx, j, cloud.ReclaimOptions{NoWait: d.o.NoWait}, step.Report); err != nil {
		return err
	}
	d.removeKey(rec)
	d.forget(step)
	return nil
}

// forgetRecord drops the record of unreachable resources, and names
// what may still exist.
func (d *Driver) forgetRecord(j cloud.Journal, rec *cloud.Record, step *kitchen.Step) error {
	if err := cloud.Forget(d.imageJournal(), step.Report); err != nil {
		return err
	}
	if rec == nil && step.State.String(kitchen.KeyServerID) != "" {
		step.Report.Warn("forgotten, and not removed: the server %s", step.State.String(kitchen.KeyServerID))
	}
	if err := cloud.Forget(j, step.Report); err != nil {
		return err
	}
	d.removeKey(rec)
	d.forget(step)
	return nil
}
