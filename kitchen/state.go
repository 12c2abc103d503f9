package kitchen

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Keys of an instance's state that Test Kitchen and kitchen-openstack write.
const (
	KeyLastAction = "last_action"
	KeyLastError  = "last_error"
	KeyHostname   = "hostname"
	KeyServerID   = "server_id"
	// KeyPort, KeyUsername, KeyPassword and KeySSHKey override the transport's
	// own settings, as in Test Kitchen.
	KeyPort     = "port"
	KeyUsername = "username"
	KeyPassword = "password"
	KeySSHKey   = "ssh_key"
	// KeySession is the identifier of the machine's life, which its log lines
	// carry; the other three name the last go at an action and its run (Test
	// Kitchen 4.1).
	KeySession       = "instance_session_id"
	KeyLastAttempted = "last_attempted_action"
	KeyLastStep      = "last_action_id"
	KeyLastRun       = "last_kitchen_run_id"
)

// KeyOwn is the state key below which everything lies that only Galley
// writes. Test Kitchen keeps it as it is.
const KeyOwn = "galley"

// State is the durable knowledge about an instance: an ordered mapping. Keys
// that the engine does not know are kept. It is safe for concurrent use.
type State struct {
	mu     sync.Mutex
	keys   []string
	values map[string]any
	save   func(*State) error
}

// NewState returns an empty state which save makes durable; a nil save keeps
// it in memory.
func NewState(save func(*State) error) *State {
	return &State{values: map[string]any{}, save: save}
}

// Detached returns a copy that is kept in memory only, for looking at a
// machine without leaving a trace.
func (s *State) Detached() *State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &State{keys: slices.Clone(s.keys), values: maps.Clone(s.values)}
}

// Get returns the value of key, nil when there is none.
func (s *State) Get(key string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[key]
}

// String returns the value of key as text, "" when there is none.
func (s *State) String(key string) string {
	v := s.Get(key)
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// Set gives key a value; a new key goes to the end. Values are strings,
// numbers, booleans, nil, []any and map[string]any.
func (s *State) Set(key string, value any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.values[key]; !ok {
		s.keys = append(s.keys, key)
	}
	s.values[key] = value
}

// Delete forgets keys.
func (s *State) Delete(keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range keys {
		delete(s.values, k)
		s.keys = slices.DeleteFunc(s.keys, func(x string) bool { return x == k })
	}
}

// Own returns the value of key below [KeyOwn].
func (s *State) Own(key string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	own, _ := s.values[KeyOwn].(map[string]any)
	return own[key]
}

// SetOwn sets key below [KeyOwn]; a nil value removes it.
func (s *State) SetOwn(key string, value any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, had := s.values[KeyOwn].(map[string]any)
	own := maps.Clone(old)
	if own == nil {
		own = map[string]any{}
	}
	if value == nil {
		delete(own, key)
	} else {
		own[key] = value
	}
	if !had {
		s.keys = slices.DeleteFunc(s.keys, func(x string) bool { return x == KeyOwn })
		s.keys = append(s.keys, KeyOwn)
	}
	s.values[KeyOwn] = own
}

// Keys returns the keys in order.
func (s *State) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.keys)
}

// Empty says whether nothing is known.
func (s *State) Empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys) == 0
}

// LastAction returns the last action that succeeded, "" for none.
func (s *State) LastAction() Action { return Action(s.String(KeyLastAction)) }

// Save makes the state durable before it returns.
func (s *State) Save() error {
	if s.save == nil {
		return nil
	}
	return s.save(s)
}

// Store keeps the states of instances.
type Store interface {
	// Lock gives this process the instance for itself until unlock is called.
	// While another holds it, Lock waits, and calls waiting once with what is
	// known of the holder.
	Lock(ctx context.Context, instance string, waiting func(holder string)) (unlock func() error, err error)
	// Load returns the state of the instance, an empty one if there is none.
	// Its Save writes back through the store.
	Load(instance string) (*State, error)
	// Delete forgets the instance. That it is unknown is not an error.
	Delete(instance string) error
}
