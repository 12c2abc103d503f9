package kitchen

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// cleanupTime is how long a failed or cancelled create may take to remove
// what it has made. It is generous: a resource left behind costs money, and a
// second Ctrl-C ends it at once.
const cleanupTime = 3 * time.Minute

// Request is what to do with which instances.
type Request struct {
	Action    Action
	Instances []*Instance
	// Concurrency is how many instances are worked on at once; below 1 is 1.
	Concurrency int
	// FailFast stops beginning further instances after the first failure.
	FailFast bool
	// KeepOnFailure leaves the machine of a failed create standing.
	KeepOnFailure bool
	// Reuse has [Kitchen.Test] begin with a reset where a machine exists that
	// can be reset, in place of a destroy and a create.
	Reuse bool
}

// Run brings every instance of the request to its action. One instance's
// failure does not stop the others, unless the request says FailFast; a
// cancelled context lets each step under way end in order. The error, if any,
// is a *[RunError], or the context's when nothing had been begun.
func (k *Kitchen) Run(ctx context.Context, req Request) error {
	start := time.Now()
	k.Bus.Publish(Event{Kind: RunStarted, Action: req.Action})
	err := k.each(ctx, req, func(ctx context.Context, inst *Instance) *Failure {
		return k.perform(ctx, inst, req)
	})
	k.Bus.Publish(Event{Kind: RunFinished, Action: req.Action, Elapsed: time.Since(start), Err: err})
	return err
}

// each calls do for every instance, as many at once as the request allows.
func (k *Kitchen) each(ctx context.Context, req Request, do func(context.Context, *Instance) *Failure) error {
	workers := max(1, min(req.Concurrency, len(req.Instances)))
	queue := make(chan *Instance)
	stop := make(chan struct{})
	var (
		once sync.Once
		mu   sync.Mutex
		out  RunError
		wg   sync.WaitGroup
	)
	skip := func(inst *Instance) {
		why := "another instance failed"
		if ctx.Err() != nil {
			why = "the run was interrupted"
		}
		mu.Lock()
		out.Skipped = append(out.Skipped, inst)
		mu.Unlock()
		k.Bus.Publish(Event{Kind: Skipped, Instance: inst.Name, Index: inst.Index, Action: req.Action, Text: why})
	}
	over := func() bool {
		select {
		case <-ctx.Done():
			return true
		case <-stop:
			return true
		default:
			return false
		}
	}
	for range workers {
		wg.Go(func() {
			for inst := range queue {
				// Asked again: it may have been handed over while the run was
				// coming to its end.
				if over() {
					skip(inst)
					continue
				}
				f := do(ctx, inst)
				if f == nil {
					continue
				}
				mu.Lock()
				out.Failures = append(out.Failures, *f)
				mu.Unlock()
				if req.FailFast {
					once.Do(func() { close(stop) })
				}
			}
		})
	}
	for _, inst := range req.Instances {
		select {
		case queue <- inst:
		case <-ctx.Done():
			skip(inst)
		case <-stop:
			skip(inst)
		}
	}
	close(queue)
	wg.Wait()
	switch {
	case len(out.Failures) > 0:
		return &out
	case ctx.Err() != nil && len(out.Skipped) > 0:
		return context.Cause(ctx)
	}
	return nil
}

// perform brings one instance to the request's action.
func (k *Kitchen) perform(ctx context.Context, inst *Instance, req Request) *Failure {
	fail := func(err error) *Failure { return &Failure{Instance: inst, Action: req.Action, Err: err} }
	report := k.Bus.Reporter(inst.Name, inst.Index, req.Action)
	if err := k.needs(inst, req.Action); err != nil {
		report.emit(Event{Kind: StepFailed, Err: err})
		return fail(err)
	}
	unlock, err := k.Store.Lock(ctx, inst.Name, func(holder string) {
		report.Warn("Waiting for %s, which works on <%s>", holder, inst.Name)
	})
	if err != nil {
		report.emit(Event{Kind: StepFailed, Err: err})
		return fail(err)
	}
	defer func() { _ = unlock() }()
	state, err := k.load(inst)
	if err != nil {
		report.emit(Event{Kind: StepFailed, Err: err})
		return fail(err)
	}
	s := &session{kitchen: k, instance: inst, state: state, keep: req.KeepOnFailure}
	defer s.close()
	for _, action := range Owed(state.LastAction(), req.Action) {
		if err := s.step(ctx, action); err != nil {
			return &Failure{Instance: inst, Action: action, Err: err}
		}
	}
	return nil
}

// needs returns a *[MissingPluginError] unless everything is there that an
// action of an instance needs. It is called before anything is locked or
// created.
func (k *Kitchen) needs(inst *Instance, a Action) error {
	missing := func(kind string) error { return &MissingPluginError{inst.Name, kind} }
	switch {
	case k.Store == nil:
		return &MissingPluginError{Kind: "store"}
	case inst.Driver == nil:
		return missing("driver")
	case a != Destroy && inst.Transport == nil:
		return missing("transport")
	case (a == Converge || a == Setup || a == Verify) && inst.Provisioner == nil:
		return missing("provisioner")
	case a == Verify && inst.Verifier == nil:
		return missing("verifier")
	}
	if _, ok := inst.Driver.(Resetter); a == Reset && !ok {
		return &CannotResetError{Instance: inst.Name, Err: fmt.Errorf("the driver %s cannot reset a machine", inst.DriverName)}
	}
	return nil
}

// load returns the state of an instance.
func (k *Kitchen) load(inst *Instance) (*State, error) {
	if k.Store == nil {
		return nil, &MissingPluginError{Kind: "store"}
	}
	return k.Store.Load(inst.Name)
}

// session is one instance's way through the steps of a request. It keeps one
// connection to the machine for all of them.
type session struct {
	kitchen  *Kitchen
	instance *Instance
	state    *State
	keep     bool

	mu   sync.Mutex
	conn Conn
}

// newStep is what plug-ins are given for an action.
func (s *session) newStep(a Action) *Step {
	report := s.kitchen.Bus.Reporter(s.instance.Name, s.instance.Index, a)
	report.session = s.state.String(KeySession)
	step := &Step{
		Instance:      s.instance,
		Action:        a,
		State:         s.state,
		Report:        report,
		KeepOnFailure: s.keep,
		Terminal:      s.kitchen.Terminal,
	}
	if src, ok := s.instance.Driver.(HostKeySource); ok {
		step.HostKeys = func(ctx context.Context) ([]string, error) { return src.HostKeys(ctx, step) }
	}
	if cacher, ok := s.instance.Driver.(ImageCacher); ok {
		step.Installed = func(ctx context.Context, conn Conn) error { return s.cacheImage(ctx, step, conn, cacher) }
	}
	return step
}

// step runs one action with its hooks and writes down how it went.
func (s *session) step(ctx context.Context, a Action) (err error) {
	start := time.Now()
	step := s.begin(a)
	step.Report.emit(Event{Kind: StepStarted})
	ctx = withReporter(ctx, step.Report)
	defer func() {
		took := time.Since(start)
		if errors.Is(err, context.Canceled) {
			err = &InterruptedError{err}
		}
		if err != nil {
			step.Report.emit(Event{Kind: StepFailed, Elapsed: took, Err: err})
			return
		}
		step.Report.emit(Event{Kind: StepFinished, Elapsed: took})
	}()
	defer func() {
		// The finally hooks run even when the step was cancelled.
		herr := s.hooks(context.WithoutCancel(ctx), step, "finally")
		err = errors.Join(err, herr)
	}()
	if err := s.hooks(ctx, step, "pre"); err != nil {
		return err
	}
	if err := s.record(step, start, s.act(ctx, step)); err != nil {
		return err
	}
	return s.hooks(ctx, step, "post")
}

// begin returns the step for a go at an action, and notes it in the state,
// which becomes durable when the state is next saved.
func (s *session) begin(a Action) *Step {
	if s.state.String(KeySession) == "" {
		s.state.Set(KeySession, newID())
	}
	step := s.newStep(a)
	step.Report.step = newID()
	s.state.Set(KeyLastAttempted, string(a))
	s.state.Set(KeyLastStep, step.Report.step)
	s.state.Set(KeyLastRun, s.kitchen.Bus.Run())
	return step
}

// record writes the outcome of a step into the state, as Test Kitchen does:
// a failure leaves last_action as it is, a success clears last_error.
func (s *session) record(step *Step, start time.Time, actErr error) error {
	if actErr == nil && step.Action == Destroy {
		return s.kitchen.Store.Delete(s.instance.Name)
	}
	if actErr == nil {
		last := step.Action
		if last == Reset {
			last = Create
		}
		s.state.Set(KeyLastAction, string(last))
		s.state.Set(KeyLastError, nil)
		timings, _ := s.state.Own("timings").(map[string]any)
		// Not Duration.Seconds, whose sum of two parts is 1.6680000000000001.
		next := map[string]any{string(step.Action): float64(time.Since(start).Round(time.Millisecond).Milliseconds()) / 1000}
		for a, t := range timings {
			if _, ok := next[a]; !ok {
				next[a] = t
			}
		}
		s.state.SetOwn("timings", next)
	} else {
		s.state.Set(KeyLastError, Class(actErr))
	}
	return errors.Join(actErr, s.state.Save())
}

// act does what the action is for.
func (s *session) act(ctx context.Context, step *Step) error {
	switch step.Action {
	case Create:
		return s.create(ctx, step)
	case Converge:
		return s.onMachine(ctx, step, func(conn Conn) error {
			return s.instance.Provisioner.Converge(ctx, step, conn)
		})
	case Verify:
		return s.onMachine(ctx, step, func(conn Conn) error {
			return s.instance.Verifier.Verify(ctx, step, conn)
		})
	case Destroy:
		s.close()
		return s.instance.Driver.Destroy(ctx, step)
	case Reset:
		return s.reset(ctx, step)
	}
	// Setup does nothing in Test Kitchen either, but counts as done.
	return nil
}

// create makes the machine and waits until it can be used. A machine that was
// made here and cannot be reached is removed.
func (s *session) create(ctx context.Context, step *Step) error {
	before := s.state.String(KeyServerID) + "@" + s.state.String(KeyHostname)
	if err := s.instance.Driver.Create(ctx, step); err != nil {
		return err
	}
	if s.state.String(KeyHostname) == "" {
		return &NoAddressError{Instance: s.instance.Name}
	}
	if s.state.String(KeyServerID)+"@"+s.state.String(KeyHostname) == before && s.state.LastAction() != "" {
		// The machine was there before: only see that it still answers.
		return s.instance.Transport.Wait(ctx, step)
	}
	if err := s.makeReady(ctx, step); err != nil {
		return s.giveUp(ctx, step, err)
	}
	return nil
}

// makeReady waits for the machine and lets the driver finish it. The first boot
// of some machines ends with a restart, which may cut the connection after the
// wait: it is then waited for once more.
func (s *session) makeReady(ctx context.Context, step *Step) error {
	err := s.reach(ctx, step)
	if err != nil {
		return err
	}
	finisher, ok := s.instance.Driver.(Finisher)
	if !ok {
		return nil
	}
	finish := func() error {
		conn, err := s.connect(ctx, step)
		if err != nil {
			return err
		}
		return finisher.Finish(ctx, step, conn)
	}
	if err = finish(); err == nil || ctx.Err() != nil {
		return err
	}
	step.Report.Info("%v: waiting for the machine again", err)
	s.close()
	if err := s.reach(ctx, step); err != nil {
		return err
	}
	return finish()
}

// reach waits until a command can be run on the machine.
func (s *session) reach(ctx context.Context, step *Step) error {
	start := time.Now()
	err := s.instance.Transport.Wait(ctx, step)
	if err == nil {
		traced(ctx, "wait until a command can be run", start)
	}
	return err
}

// giveUp removes a machine that was made and is of no use, and returns why
// it is not, with what the driver knows of it.
func (s *session) giveUp(ctx context.Context, step *Step, cause error) error {
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	cause = s.detailed(ctx, step, cause)
	if s.keep {
		step.Report.Warn("Keeping %s of the failed create; `galley destroy %s` removes it", s.state.String(KeyHostname), s.instance.Name)
		return cause
	}
	if id := s.state.String(KeyServerID); id != "" {
		step.Report.Error("Server %s (%s) is not usable. Destroying server...", s.state.String(KeyHostname), id)
	} else {
		step.Report.Error("%s is not usable", s.state.String(KeyHostname)) // the user's own machine
	}
	s.close()
	if err := s.instance.Driver.Destroy(clean, step); err != nil {
		return errors.Join(cause, err)
	}
	return cause
}

// detailed adds to the failure of a machine what its driver knows of it.
func (s *session) detailed(ctx context.Context, step *Step, cause error) error {
	d, ok := s.instance.Driver.(FailureDetailer)
	if !ok || ctx.Err() != nil {
		return cause
	}
	if detail := d.FailureDetail(ctx, step); detail != "" {
		return &DetailedError{Err: cause, Detail: detail}
	}
	return cause
}

// DetailedError adds to an error observations from elsewhere, as the end of a
// console log.
type DetailedError struct {
	Err error
	// Detail is one or more lines.
	Detail string
}

func (e *DetailedError) Error() string { return e.Err.Error() + "\n" + e.Detail }
func (e *DetailedError) Unwrap() error { return e.Err }

// onMachine calls do with the session's connection.
func (s *session) onMachine(ctx context.Context, step *Step, do func(Conn) error) error {
	conn, err := s.connect(ctx, step)
	if err != nil {
		return err
	}
	return do(conn)
}

// connect returns the session's connection, opened at first use.
func (s *session) connect(ctx context.Context, step *Step) (Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		return s.conn, nil
	}
	if s.state.String(KeyHostname) == "" {
		if s.state.LastAction() == "" {
			return nil, &NotCreatedError{Instance: s.instance.Name}
		}
		return nil, &NoAddressError{Instance: s.instance.Name}
	}
	if s.instance.Transport == nil {
		return nil, &MissingPluginError{s.instance.Name, "transport"}
	}
	start := time.Now()
	conn, err := s.instance.Transport.Connect(ctx, step)
	traced(ctx, "connect", start)
	if err != nil {
		return nil, s.askDriver(ctx, step, err)
	}
	s.conn = tracedConn{conn}
	return s.conn, nil
}

// askDriver returns why a machine cannot be reached, if its driver knows better
// than the transport: that it is gone, does not run, or has another address.
func (s *session) askDriver(ctx context.Context, step *Step, cause error) error {
	d, ok := s.instance.Driver.(StatusReporter)
	if !ok || ctx.Err() != nil || step.Action == Create {
		return cause
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	st, err := d.Status(ctx, step)
	if err != nil || st.Live == nil || *st.Live && st.Message == "" {
		return cause
	}
	return &MachineError{Instance: s.instance.Name, Status: st, Err: cause}
}

func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// Connect opens a connection to the machine of an instance that has been
// created, for something outside the lifecycle (login, exec).
func (k *Kitchen) Connect(ctx context.Context, inst *Instance) (Conn, error) {
	state, err := k.load(inst)
	if err != nil {
		return nil, err
	}
	s := &session{kitchen: k, instance: inst, state: state}
	return s.connect(ctx, s.newStep(""))
}

// Exec runs a command on the machine of each instance in turn, or as many at
// once as the request allows, and gives the streams that open returns its
// output. A non-zero status is an *[ExitError].
func (k *Kitchen) Exec(ctx context.Context, req Request, line string, open func(*Instance) Command) error {
	return k.each(ctx, req, func(ctx context.Context, inst *Instance) *Failure {
		err := k.exec(ctx, inst, line, open)
		if err == nil {
			return nil
		}
		return &Failure{Instance: inst, Action: "exec", Err: err}
	})
}

func (k *Kitchen) exec(ctx context.Context, inst *Instance, line string, open func(*Instance) Command) error {
	conn, err := k.Connect(ctx, inst)
	if err != nil {
		return err
	}
	defer conn.Close()
	cmd := open(inst)
	cmd.Line = line
	status, err := conn.Run(ctx, cmd)
	if err != nil {
		return err
	}
	if status != 0 {
		return &ExitError{Command: line, Status: status}
	}
	return nil
}

// Orphans asks the instances' drivers for the leftovers of instances that are
// configured no longer. Drivers that share a cloud are asked once each; what
// several of them find is returned once.
func (k *Kitchen) Orphans(ctx context.Context) ([]Orphan, error) {
	configured := func(name string) bool {
		for _, inst := range k.Instances {
			if inst.Name == name {
				return true
			}
		}
		return false
	}
	var out []Orphan
	seen := map[string]bool{}
	for _, inst := range k.Instances {
		finder, ok := inst.Driver.(OrphanFinder)
		if !ok {
			continue
		}
		found, err := finder.Orphans(ctx, configured)
		if err != nil {
			return nil, fmt.Errorf("looking for leftovers, as instance <%s> logs in: %w", inst.Name, err)
		}
		for _, o := range found {
			key := o.Instance + "\x00" + strings.Join(o.What, "\x00")
			if !seen[key] {
				seen[key] = true
				out = append(out, o)
			}
		}
	}
	return out, nil
}
