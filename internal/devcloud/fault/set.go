package fault

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Set is the rules in force and the request log.
type Set struct {
	mu      sync.Mutex
	rules   []*entry
	next    int
	changed chan struct{} // closed and replaced at every change
	closed  bool

	log requestLog
}

type entry struct {
	State
	// act tells, once released, whether a call held before acting is acted on.
	act bool
	// shut tells that a rule of the kind HoldAnswered keeps later calls
	// waiting.
	shut bool
}

// NewSet returns a set without rules.
func NewSet() *Set { return &Set{changed: make(chan struct{})} }

func (s *Set) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Add puts a rule in force and returns it with its ID.
func (s *Set) Add(r Rule) (State, error) {
	if err := r.prepare(); err != nil {
		return State{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.ID == "" {
		s.next++
		r.ID = fmt.Sprintf("f%d", s.next)
	}
	if s.find(r.ID) != nil {
		return State{}, fmt.Errorf("there is a fault %q already", r.ID)
	}
	e := &entry{State: State{Rule: r}}
	s.rules = append(s.rules, e)
	s.notify()
	return e.State, nil
}

// await returns when until is true, which is looked at again after every change,
// or ctx is done. The set is locked then, as it is when await is called.
func (s *Set) await(ctx context.Context, until func() bool) {
	for ctx.Err() == nil && !until() {
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		s.mu.Lock()
	}
}

// List returns the rules in force.
func (s *Set) List() []State {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []State{}
	for _, e := range s.rules {
		out = append(out, e.State)
	}
	return out
}

func (s *Set) find(id string) *entry {
	if i := slices.IndexFunc(s.rules, func(e *entry) bool { return e.ID == id }); i >= 0 {
		return s.rules[i]
	}
	return nil
}

// Clear takes a rule out of force, or all of them when id is empty, and lets go
// what they hold. It tells how many.
func (s *Set) Clear(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.rules)
	s.rules = slices.DeleteFunc(s.rules, func(e *entry) bool {
		gone := id == "" || e.ID == id
		e.Released, e.act = e.Released || gone, e.act || gone
		return gone
	})
	s.notify()
	return before - len(s.rules)
}

// Release lets go what a rule holds and ends the rule. Calls held before acting
// are acted on if act, else dropped.
func (s *Set) Release(id string, act bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(id)
	if e == nil {
		return fmt.Errorf("there is no fault %q", id)
	}
	e.Released, e.act = true, act
	s.notify()
	return nil
}

// Close drops everything that is held, for good.
func (s *Set) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.notify()
}

// WaitHits returns when a rule has applied n times.
func (s *Set) WaitHits(ctx context.Context, id string, n int) (st State, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.await(ctx, func() bool {
		e := s.find(id)
		if e == nil {
			err = fmt.Errorf("there is no fault %q", id)
			return true
		}
		st = e.State
		return st.Hits >= n
	})
	if err == nil && st.Hits < n {
		err = ctx.Err()
	}
	return st, err
}

// apply counts a match and tells whether the rule applies to it.
func (e *entry) apply() bool {
	if e.Released {
		return false
	}
	e.Seen++
	if e.Seen < e.Nth || e.Count > 0 && e.Seen >= e.Nth+e.Count {
		return false
	}
	e.Hits++
	return true
}

// match returns the rules that apply to a call. Those that hold count as hit
// when the call is where they hold it.
func (s *Set) match(service, method, path string) []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*entry
	for _, e := range s.rules {
		if e.matchesCall(service, method, path) && e.apply() {
			if e.Action == HoldBefore || e.Action == HoldAfter || e.Action == HoldAnswered {
				e.Hits--
			}
			out = append(out, e)
		}
	}
	if len(out) > 0 {
		s.notify()
	}
	return out
}

// hold waits until the rule is released or limit, if not zero, has passed.
// act is false when the request is to be dropped: Release said so, or the
// cloud is closing.
func (s *Set) hold(e *entry, limit time.Duration) (act bool) {
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if limit > 0 {
		ctx, cancel = context.WithTimeout(ctx, limit)
	}
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Action != LateEffect {
		e.Hits++
	}
	s.held(ctx, e)
	return (e.act || !e.Released) && !s.closed
}

// held counts a call that a rule keeps waiting, for as long as it does.
func (s *Set) held(ctx context.Context, e *entry) {
	e.Holding++
	s.notify()
	s.await(ctx, func() bool { return s.closed || e.Released })
	e.Holding--
	s.notify()
}

// shut closes the gate for a rule of the kind HoldAnswered, before its call is
// answered.
func (s *Set) shut(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.shut = true
}

// answered marks a rule of the kind HoldAnswered as hit: its call's answer is
// on the wire.
func (s *Set) answered(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Hits++
	s.notify()
}

// gate waits while a rule of the kind HoldAnswered is hit and not released;
// false when the call is to be dropped.
func (s *Set) gate() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		i := slices.IndexFunc(s.rules, func(e *entry) bool { return e.shut && !e.Released })
		if i < 0 {
			return true
		}
		by := s.rules[i]
		s.held(context.Background(), by)
		if !by.act {
			return false
		}
	}
	return false
}

// Hit applies the rules of one action to the server, volume or pool of that
// name: it tells whether one applies, and the rule's message.
func (s *Set) Hit(action, name string) (message string, hit bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.rules {
		if e.Action == action && e.name.MatchString(name) && e.apply() {
			s.notify()
			return e.Message, true
		}
	}
	return "", false
}
