package fault

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The actions of a rule. Those up to HoldAnswered are about API requests, the
// rest about servers, volumes and pools.
const (
	// Latency waits Delay before the cloud acts; a client that leaves
	// meanwhile ends the wait.
	Latency = "latency"
	// LateEffect makes the cloud act Delay after the request arrived, whether
	// or not the client still waits, and answer then. Holding counts the
	// requests that are yet to take effect; Release ends the wait.
	LateEffect = "late-effect"
	// LateAnswer acts at once and answers Delay later.
	LateAnswer = "late-answer"
	// Duplicate carries the request out twice, as a proxy that repeats it
	// does, and answers what the second attempt was answered.
	Duplicate = "duplicate"
	// Status answers with Status and Body, and RetryAfter if set, instead of
	// acting.
	Status = "status"
	// Answer acts, and answers with Status (the real one when zero) and
	// exactly Body.
	Answer = "answer"
	// DropBefore closes the connection instead of acting.
	DropBefore = "drop-before"
	// DropAfter acts, and closes the connection instead of answering.
	DropAfter = "drop-after"
	// Truncate acts, and closes the connection in the middle of the body.
	Truncate = "truncate"
	// HoldBefore keeps a request waiting before the cloud acts, HoldAfter
	// after it has acted and before the answer, until the rule is released.
	HoldBefore = "hold-before"
	HoldAfter  = "hold-after"
	// HoldAnswered lets a request be answered and keeps every later request
	// waiting until the rule is released.
	HoldAnswered = "hold-answered"
	// ServerError sends a server that is being built to ERROR with the fault
	// Message.
	ServerError = "server-error"
	// VolumeError sends a volume that is being created to "error".
	VolumeError = "volume-error"
	// PoolEmpty leaves a floating IP pool without addresses.
	PoolEmpty = "pool-empty"
)

// Actions lists every action in the order of the documentation.
var Actions = []string{
	Latency, LateEffect, LateAnswer, Duplicate, Status, Answer, DropBefore, DropAfter, Truncate,
	HoldBefore, HoldAfter, HoldAnswered, ServerError, VolumeError, PoolEmpty,
}

var services = []string{"identity", "compute", "network", "image", "volume", "object-store", "placement"}

// Duration is a time.Duration that JSON shows as "1.5s" and reads as that or as
// a number of milliseconds.
type Duration time.Duration

// MarshalJSON gives "1.5s".
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads "1.5s" or milliseconds.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var ms float64
	if json.Unmarshal(b, &ms) == nil {
		*d = Duration(ms * float64(time.Millisecond))
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := time.ParseDuration(s)
	*d = Duration(v)
	return err
}

// Rule is one fault. The zero value of a selector matches everything.
type Rule struct {
	ID string `json:"id,omitempty"`
	// Service is identity, compute, network, image, volume, object-store or
	// placement.
	Service string `json:"service,omitempty"`
	Method  string `json:"method,omitempty"`
	// Path is a regular expression for the path below the service's prefix,
	// as `galley devcloud requests` shows it.
	Path string `json:"path,omitempty"`
	// Name is a regular expression for the name of the server, volume or pool
	// in the actions that are about one.
	Name string `json:"name,omitempty"`
	// Nth is the first of the matching requests that the rule applies to, 1
	// when zero.
	Nth int `json:"nth,omitempty"`
	// Count is how many requests it applies to: 1 when zero, all when negative.
	Count  int    `json:"count,omitempty"`
	Action string `json:"action"`

	// Delay is the time of Latency, LateEffect and LateAnswer.
	Delay Duration `json:"delay,omitempty"`
	// Status is the HTTP status of the actions Status and Answer.
	Status int `json:"status,omitempty"`
	// Body is sent as it is, as JSON, HTML or plain text by its look. For the
	// action Status an empty one means a JSON error in the service's own
	// form, unless EmptyBody is set.
	Body      string `json:"body,omitempty"`
	EmptyBody bool   `json:"empty_body,omitempty"`
	// RetryAfter is the header's value, in seconds or as a date.
	RetryAfter string `json:"retry_after,omitempty"`
	Message    string `json:"message,omitempty"`

	path, name *regexp.Regexp
}

// prepare validates a rule and fills in its defaults.
func (r *Rule) prepare() error {
	if !slices.Contains(Actions, r.Action) {
		return fmt.Errorf("unknown fault action %q; the actions are %s", r.Action, strings.Join(Actions, ", "))
	}
	if r.Service != "" && !slices.Contains(services, r.Service) {
		return fmt.Errorf("unknown service %q; the services are %s", r.Service, strings.Join(services, ", "))
	}
	if valid := r.Status >= 200 && r.Status <= 599; r.Action == Status && !valid ||
		r.Action == Answer && r.Status != 0 && !valid {
		return fmt.Errorf("the action %q needs an HTTP status from 200 to 599, not %d", r.Action, r.Status)
	}
	if r.delays() && r.Delay <= 0 {
		return fmt.Errorf("the action %q needs a delay", r.Action)
	}
	if err := r.unused(); err != nil {
		return err
	}
	r.Nth, r.Count, r.Method = max(r.Nth, 1), cmp.Or(r.Count, 1), strings.ToUpper(r.Method)
	if r.Action == ServerError && r.Message == "" {
		r.Message = "No valid host was found. There are not enough hosts available."
	}
	var err error
	if r.path, err = regexp.Compile(r.Path); err != nil {
		return fmt.Errorf("path pattern: %w", err)
	}
	if r.name, err = regexp.Compile(r.Name); err != nil {
		return fmt.Errorf("name pattern: %w", err)
	}
	return nil
}

// unused refuses a field that the rule's action does not read.
func (r *Rule) unused() error {
	answers := r.Action == Status || r.Action == Answer
	for _, f := range []struct {
		name       string
		set, reads bool
	}{
		{"service", r.Service != "", !r.onResources()},
		{"method", r.Method != "", !r.onResources()},
		{"path", r.Path != "", !r.onResources()},
		{"name", r.Name != "", r.onResources()},
		{"delay", r.Delay != 0, r.delays()},
		{"status", r.Status != 0, answers},
		{"body", r.Body != "", answers},
		{"empty_body", r.EmptyBody, r.Action == Status && r.Body == ""},
		{"retry_after", r.RetryAfter != "", answers},
		{"message", r.Message != "", r.Action == Status || r.Action == ServerError},
	} {
		if f.set && !f.reads {
			return fmt.Errorf("the action %q does not use %s", r.Action, f.name)
		}
	}
	return nil
}

func (r *Rule) delays() bool {
	return r.Action == Latency || r.Action == LateEffect || r.Action == LateAnswer
}

// onResources reports whether the rule selects a server, volume or pool
// rather than an API request.
func (r *Rule) onResources() bool {
	return r.Action == ServerError || r.Action == VolumeError || r.Action == PoolEmpty
}

func (r *Rule) matchesCall(service, method, path string) bool {
	return !r.onResources() && (r.Service == "" || r.Service == service) &&
		(r.Method == "" || r.Method == method) && r.path.MatchString(path)
}

// State is a rule with its counters.
type State struct {
	Rule
	// Seen counts the requests that matched, Hits those the rule applied to,
	// Holding those it keeps waiting at the moment.
	Seen     int  `json:"seen"`
	Hits     int  `json:"hits"`
	Holding  int  `json:"holding"`
	Released bool `json:"released"`
}
