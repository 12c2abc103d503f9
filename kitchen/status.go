package kitchen

import (
	"context"
	"sync"
	"time"
)

// probeTime bounds a probe of one machine, its login included.
const probeTime = 20 * time.Second

// atOnce is how many instances are asked about at the same time.
const atOnce = 10

// StatusReporter is a Driver that can ask whether the machine behind an
// instance is there.
type StatusReporter interface {
	// Status looks at the machine and changes nothing. That it is not there
	// is a Status; an error is that this could not be found out.
	Status(ctx context.Context, step *Step) (Status, error)
}

// Status is the known state of a machine (Test Kitchen 4.1: list --live).
type Status struct {
	// Live says whether the machine runs, nil when that is not known.
	Live *bool `json:"live"`
	// State is it in a word, the cloud's own where it has one: "ACTIVE".
	State string `json:"state"`
	// Source is who says so: "driver" or "transport".
	Source string `json:"source"`
	// ResourceID is the machine's identifier, "" when there is none.
	ResourceID string `json:"resource_id,omitempty"`
	// Message is for the user, Error why nothing could be found out.
	Message string    `json:"message,omitempty"`
	Error   string    `json:"error,omitempty"`
	Checked time.Time `json:"checked_at"`
	// Probe is what logging in to the machine showed, nil when that was not
	// asked for.
	Probe *Probe `json:"transport_probe,omitempty"`
}

// Probe is whether a command can be run on a machine (Test Kitchen 4.1: list
// --probe).
type Probe struct {
	Reachable bool `json:"reachable"`
	// State is "reachable", "unreachable" or "not_created".
	State   string    `json:"state"`
	Source  string    `json:"source"`
	Message string    `json:"message,omitempty"`
	Error   string    `json:"error,omitempty"`
	Checked time.Time `json:"checked_at"`
}

// States that are not the cloud's own words.
const (
	StateUnknown    = "unknown"
	StateNotCreated = "not_created"
	StateGone       = "gone"
)

// Status asks for the machines of instances, several at once, and with probe
// also whether a command can be run on them. The result is in the order of
// instances. Nothing of an instance is changed, and its lock is not needed.
func (k *Kitchen) Status(ctx context.Context, instances []*Instance, probe bool) ([]Status, error) {
	out := make([]Status, len(instances))
	errs := make([]error, len(instances))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, inst := range instances {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			out[i], errs[i] = k.status(ctx, inst, probe)
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (k *Kitchen) status(ctx context.Context, inst *Instance, probe bool) (Status, error) {
	state, err := k.load(inst)
	if err != nil {
		return Status{}, err
	}
	// What is pinned or written on the way is not to last: a look changes
	// nothing.
	s := &session{kitchen: k, instance: inst, state: state.Detached()}
	defer s.close()
	st := Status{State: StateUnknown, Message: "the driver " + inst.DriverName + " does not tell"}
	if d, ok := inst.Driver.(StatusReporter); ok {
		if st, err = d.Status(ctx, s.newStep("")); err != nil {
			st = Status{State: StateUnknown, Error: Class(err), Message: err.Error()}
		}
	}
	st.Source, st.Checked = "driver", time.Now().UTC()
	if probe {
		p := s.probe(ctx)
		st.Probe = &p
	}
	return st, nil
}

// probe logs in and runs a command that does nothing.
func (s *session) probe(ctx context.Context) Probe {
	p := Probe{State: "unreachable", Source: "transport"}
	if s.state.LastAction() == "" {
		p.State, p.Message = StateNotCreated, "the instance has not been created yet"
		p.Checked = time.Now().UTC()
		return p
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	conn, err := s.connect(ctx, s.newStep(""))
	if err == nil {
		_, err = conn.Run(ctx, Command{Line: "exit 0"})
	}
	if err != nil {
		p.Error, p.Message = Class(err), err.Error()
	} else {
		p.Reachable, p.State, p.Message = true, "reachable", "a command was run over "+s.instance.TransportName
	}
	p.Checked = time.Now().UTC()
	return p
}
