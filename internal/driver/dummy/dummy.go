// Package dummy is the driver that makes no machine: for trying a
// configuration's shape. With it comes a [Transport] that reaches nothing.
//
// It may be imported by internal/cli and by tests.
package dummy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/kitchen"
)

// Host is the address that instances of this driver have. The name is
// reserved for what does not exist (RFC 2606), so nothing is ever reached by
// it.
const Host = "dummy.invalid"

// Driver makes no machines.
type Driver struct {
	sleep                           time.Duration
	random, failCreate, failDestroy bool
}

var (
	_ kitchen.Driver   = (*Driver)(nil)
	_ kitchen.Resetter = (*Driver)(nil)
)

// New reads the keys sleep (s, 0), random_failure (false), fail_create and
// fail_destroy (false).
func New(section config.Section) (*Driver, error) {
	r := &config.Reader{Section: section}
	d := &Driver{
		sleep: r.Time("sleep", 0), random: r.Flag("random_failure", false),
		failCreate: r.Flag("fail_create", false), failDestroy: r.Flag("fail_destroy", false),
	}
	return d, r.Err()
}

// Create implements [kitchen.Driver].
func (d *Driver) Create(ctx context.Context, step *kitchen.Step) error {
	if err := d.act(ctx, step, d.failCreate, "fail_create"); err != nil {
		return err
	}
	if step.State.String(kitchen.KeyHostname) == "" {
		// my_id is the key of Test Kitchen's dummy.
		step.State.Set("my_id", fmt.Sprintf("%s-%d", step.Instance.Name, time.Now().Unix()))
		step.State.Set(kitchen.KeyHostname, Host)
	}
	return step.State.Save()
}

// Destroy implements [kitchen.Driver].
func (d *Driver) Destroy(ctx context.Context, step *kitchen.Step) error {
	if step.State.String(kitchen.KeyHostname) != "" {
		if err := d.act(ctx, step, d.failDestroy, "fail_destroy"); err != nil {
			return err
		}
	}
	step.State.Delete("my_id", kitchen.KeyHostname)
	return nil
}

// Reset implements [kitchen.Resetter].
func (d *Driver) Reset(ctx context.Context, step *kitchen.Step) error {
	return d.act(ctx, step, false, "")
}

func (d *Driver) act(ctx context.Context, step *kitchen.Step, fail bool, key string) error {
	step.Report.Info("[Dummy] %s on <%s>", step.Action.Noun(), step.Instance.Name)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	defer retry.Every(time.Second, func(since time.Time) {
		step.Report.Waiting("the dummy's sleep to end", d.sleep.String(), since)
	})()
	if retry.Sleep(ctx, d.sleep) != nil {
		return context.Cause(ctx)
	}
	if fail {
		return fmt.Errorf("the dummy fails, as `%s: true` asks", key)
	}
	if d.random && rand.IntN(2) == 0 {
		return errors.New("the dummy fails, as `random_failure: true` asks now and then")
	}
	return nil
}

// Transport reaches no machine: connections open and close, and refuse
// everything else.
type Transport struct{}

var _ kitchen.Transport = Transport{}

// Wait implements [kitchen.Transport]: there is nothing to wait for.
func (Transport) Wait(ctx context.Context, _ *kitchen.Step) error { return ctx.Err() }

// Connect implements [kitchen.Transport].
func (Transport) Connect(ctx context.Context, step *kitchen.Step) (kitchen.Conn, error) {
	return conn{step.Instance.Name}, ctx.Err()
}

// NoMachineError tells that something was to be done on a machine that the
// dummy driver never made.
type NoMachineError struct {
	Instance string
	// Doing is the request, as "run a command".
	Doing string
}

func (e *NoMachineError) Error() string {
	return fmt.Sprintf("cannot %s on <%s>: the dummy driver makes no machine", e.Doing, e.Instance)
}

// Hint tells what works with the driver.
func (e *NoMachineError) Hint() string {
	return "the dummy driver goes with the dummy provisioner and the dummy verifier, or a shell verifier that runs here"
}

type conn struct{ instance string }

func (c conn) refuse(doing string) error { return &NoMachineError{Instance: c.instance, Doing: doing} }

func (c conn) Run(context.Context, kitchen.Command) (int, error) {
	return 0, c.refuse("run a command")
}
func (c conn) Upload(context.Context, fs.FS, string) error    { return c.refuse("upload files") }
func (c conn) Download(context.Context, string, string) error { return c.refuse("download files") }
func (c conn) Shell(context.Context, kitchen.Terminal) (int, error) {
	return 0, c.refuse("open a shell")
}
func (c conn) Close() error { return nil }
