package kitchen

import (
	"context"
	"fmt"
	"time"
)

// ImageKeeper is a Driver that can keep a machine as an image.
type ImageKeeper interface {
	// KeepImage makes an image of the machine, waits until it can be used, and
	// returns its identifier. It is recorded durably before it is asked for. An
	// empty name lets the driver choose one.
	KeepImage(ctx context.Context, step *Step, name string) (id string, err error)
}

// ImageCacher is a Driver that can keep a machine on which a provisioner has
// just installed its product, so that later creates boot from that.
type ImageCacher interface {
	// CacheImage does so, if it is configured to and there is no such image. It
	// may return at once when another instance is making it.
	CacheImage(ctx context.Context, step *Step) error
}

// Installer is a Provisioner that installs a product on the machine before it
// puts anything of the project there.
type Installer interface {
	// Installs identifies the software: the product, its version and where
	// it comes from. "" is that nothing is, or nothing that may be kept.
	Installs() string
}

// CannotSaveError tells that an instance's driver cannot make images.
type CannotSaveError struct{ Instance, Driver string }

func (e *CannotSaveError) Error() string {
	return fmt.Sprintf("cannot make an image of instance <%s>: the driver %s has none", e.Instance, e.Driver)
}

// KeepImage makes an image of an instance's machine and returns its identifier.
// Nothing in the instance's state changes. The error, if any, is as of
// [Kitchen.Run].
func (k *Kitchen) KeepImage(ctx context.Context, inst *Instance, name string) (id string, err error) {
	start := time.Now()
	k.Bus.Publish(Event{Kind: RunStarted, Action: Snapshot})
	err = k.each(ctx, Request{Action: Snapshot, Instances: []*Instance{inst}}, func(ctx context.Context, inst *Instance) *Failure {
		var err error
		if id, err = k.keepImage(ctx, inst, name); err != nil {
			return &Failure{Instance: inst, Action: Snapshot, Err: err}
		}
		return nil
	})
	k.Bus.Publish(Event{Kind: RunFinished, Action: Snapshot, Elapsed: time.Since(start), Err: err})
	return id, err
}

func (k *Kitchen) keepImage(ctx context.Context, inst *Instance, name string) (id string, err error) {
	report := k.Bus.Reporter(inst.Name, inst.Index, Snapshot)
	report.step = newID()
	start := time.Now()
	defer func() {
		if err != nil {
			report.emit(Event{Kind: StepFailed, Elapsed: time.Since(start), Err: err})
		}
	}()
	if err := k.needs(inst, Snapshot); err != nil {
		return "", err
	}
	keeper, ok := inst.Driver.(ImageKeeper)
	if !ok {
		return "", &CannotSaveError{inst.Name, inst.DriverName}
	}
	unlock, err := k.Store.Lock(ctx, inst.Name, func(holder string) {
		report.Warn("Waiting for %s, which works on <%s>", holder, inst.Name)
	})
	if err != nil {
		return "", err
	}
	defer func() { _ = unlock() }()
	state, err := k.load(inst)
	if err != nil {
		return "", err
	}
	if state.LastAction() == "" {
		return "", &NotCreatedError{Instance: inst.Name}
	}
	s := &session{kitchen: k, instance: inst, state: state}
	defer s.close()
	step := s.newStep(Snapshot)
	step.Report.step = report.step
	report = step.Report
	report.emit(Event{Kind: StepStarted})
	ctx = withReporter(ctx, report)
	conn, err := s.connect(ctx, step)
	if err != nil {
		return "", err
	}
	if err := s.flush(ctx, step, conn); err != nil {
		return "", err
	}
	if id, err = keeper.KeepImage(ctx, step, name); err != nil {
		return "", err
	}
	report.emit(Event{Kind: StepFinished, Elapsed: time.Since(start)})
	return id, nil
}

// flush has the machine write its files to its disk, of which an image is made
// while it runs.
func (s *session) flush(ctx context.Context, step *Step, conn Conn) error {
	if s.instance.OSType == "windows" {
		return nil
	}
	status, err := conn.Run(ctx, Command{Line: "sync"})
	if err == nil && status != 0 {
		step.Report.Warn("The machine could not flush its disk (sync: exit status %d)", status)
	}
	return err
}

// cacheImage lets the driver keep the machine as it is. That this fails is no
// failure of the converge.
func (s *session) cacheImage(ctx context.Context, step *Step, conn Conn, cacher ImageCacher) error {
	err := s.flush(ctx, step, conn)
	if err == nil {
		err = cacher.CacheImage(ctx, step)
	}
	if err != nil && ctx.Err() == nil {
		step.Report.Warn("The machine was not saved for later creates: %v", err)
		return nil
	}
	return err
}
