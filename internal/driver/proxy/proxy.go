// Package proxy is the driver for a host that exists: it makes nothing, and
// runs a command on the host, where one is configured, to bring it back to a
// known state.
//
// It may be imported by internal/cli and by tests.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/kitchen"
)

// Options is what the driver needs to know beside its section.
type Options struct {
	// Serial lets one instance at a time reset the host, which many may share
	// (Test Kitchen runs this driver's actions in turn). It must be the same
	// for all instances of a run; nil gives the driver its own.
	Serial *sync.Mutex
}

// Driver lends a host to an instance (Test Kitchen: the proxy driver).
type Driver struct {
	host, reset string
	serial      *sync.Mutex
}

var _ kitchen.Driver = (*Driver)(nil)

// New reads the keys host (needed) and reset_command (run on the host by
// create and destroy). The keys about how to log in are read by
// [TransportDefaults].
func New(section config.Section, o Options) (*Driver, error) {
	d := &Driver{serial: o.Serial}
	if d.serial == nil {
		d.serial = &sync.Mutex{}
	}
	var err error
	if d.host, err = section.String("host", ""); err != nil {
		return nil, err
	}
	if d.host = strings.TrimSpace(d.host); d.host == "" {
		return nil, &config.ValueError{Section: "driver", Key: "host", Where: section.Where("host"), Found: "missing", Want: "the name or address of a host"}
	}
	d.reset, err = section.String("reset_command", "")
	return d, err
}

// TransportDefaults returns what a proxy section says of how to log in, as
// keys of the transport, which win over it: username, password, port and
// ssh_key.
func TransportDefaults(section config.Section) (map[string]any, error) {
	r := &config.Reader{Section: section}
	out := map[string]any{}
	for key, value := range map[string]string{"username": r.Text("username", ""), "password": r.Text("password", ""), "ssh_key": r.File("ssh_key", "")} {
		if value != "" {
			out[key] = value
		}
	}
	if r.Has("port") {
		out["port"] = int64(r.Number("port", 22))
	}
	return out, r.Err()
}

// Create implements [kitchen.Driver].
func (d *Driver) Create(ctx context.Context, step *kitchen.Step) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// An instance that has the host already keeps its state.
	if step.State.String(kitchen.KeyHostname) == d.host {
		step.Report.Info("%s is in use already.", d.host)
		return nil
	}
	step.State.Set(kitchen.KeyHostname, d.host)
	if err := step.State.Save(); err != nil {
		return err
	}
	if err := d.run(ctx, step); err != nil {
		step.State.Delete(kitchen.KeyHostname)
		return errors.Join(err, step.State.Save())
	}
	return nil
}

// Destroy implements [kitchen.Driver].
func (d *Driver) Destroy(ctx context.Context, step *kitchen.Step) error {
	if step.State.String(kitchen.KeyHostname) == "" {
		return nil
	}
	if err := d.run(ctx, step); err != nil {
		return err
	}
	step.State.Delete(kitchen.KeyHostname)
	return nil
}

// run runs the reset command on the host.
func (d *Driver) run(ctx context.Context, step *kitchen.Step) error {
	if d.reset == "" {
		return nil
	}
	d.serial.Lock()
	defer d.serial.Unlock()
	step.Report.Info("Resetting instance state with command: %s", d.reset)
	t := step.Instance.Transport
	if err := t.Wait(ctx, step); err != nil {
		return fmt.Errorf("resetting %s: %w", d.host, err)
	}
	conn, err := t.Connect(ctx, step)
	if err != nil {
		return fmt.Errorf("resetting %s: %w", d.host, err)
	}
	defer conn.Close()
	out := step.Report.Output()
	defer out.Close()
	status, err := conn.Run(ctx, kitchen.Command{Line: d.reset, Stdout: out, Stderr: out, TTY: step.Terminal})
	if err != nil {
		return fmt.Errorf("resetting %s: %w", d.host, err)
	}
	if status != 0 {
		return fmt.Errorf("resetting %s: %w", d.host, &kitchen.ExitError{Command: d.reset, Status: status})
	}
	return nil
}
