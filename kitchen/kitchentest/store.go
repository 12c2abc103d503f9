package kitchentest

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/galleyhq/galley/kitchen"
)

// Store is a [kitchen.Store] in memory. Its zero value is ready for use.
type Store struct {
	mu     sync.Mutex
	locks  map[string]chan struct{}
	states map[string]saved
	saves  int
}

type saved struct {
	keys   []string
	values map[string]any
}

// Lock implements [kitchen.Store].
func (s *Store) Lock(ctx context.Context, instance string, waiting func(string)) (func() error, error) {
	s.mu.Lock()
	if s.locks == nil {
		s.locks = map[string]chan struct{}{}
	}
	l := s.locks[instance]
	if l == nil {
		l = make(chan struct{}, 1)
		s.locks[instance] = l
	}
	s.mu.Unlock()
	unlock := func() error { <-l; return nil }
	select {
	case l <- struct{}{}:
		return unlock, nil
	default:
	}
	if waiting != nil {
		waiting("another goroutine")
	}
	select {
	case l <- struct{}{}:
		return unlock, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Load implements [kitchen.Store].
func (s *Store) Load(instance string) (*kitchen.State, error) {
	st := kitchen.NewState(func(st *kitchen.State) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		v := saved{keys: st.Keys(), values: map[string]any{}}
		for _, k := range v.keys {
			v.values[k] = st.Get(k)
		}
		if s.states == nil {
			s.states = map[string]saved{}
		}
		s.states[instance] = v
		s.saves++
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.states[instance].keys {
		st.Set(k, s.states[instance].values[k])
	}
	return st, nil
}

// Delete implements [kitchen.Store].
func (s *Store) Delete(instance string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.states, instance)
	return nil
}

// Instances returns the names of the instances that have a state, sorted.
func (s *Store) Instances() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.states))
}

// Saves returns how often a state was saved.
func (s *Store) Saves() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saves
}
