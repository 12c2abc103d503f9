package fault

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// What a rule does.
const (
	// Latency delays a call by Delay before it is acted on.
	Latency = "latency"
	// Status answers with Status and Body, and RetryAfter if set, instead of acting.
	Status = "status"
	// DropBefore closes the connection instead of acting.
	DropBefore = "drop-before"
	// DropAfter acts, and closes the connection instead of answering.
	DropAfter = "drop-after"
	// Truncate acts, and breaks off in the middle of the answer's body.
	Truncate = "truncate"
	// HoldBefore keeps a call waiting before it is acted on, HoldAfter after it has been acted on and before the
	// answer, until the rule is released.
	HoldBefore = "hold-before"
	HoldAfter  = "hold-after"
	// HoldAnswered lets a call be answered and keeps every later call waiting until the rule is released.
	HoldAnswered = "hold-answered"
	// ServerError sends a server that is built to ERROR, with the fault Message.
	ServerError = "server-error"
	// VolumeError sends a volume that is made to "error".
	VolumeError = "volume-error"
	// PoolEmpty lets a floating IP pool give no address.
	PoolEmpty = "pool-empty"
)

var actions = []string{Latency, Status, DropBefore, DropAfter, Truncate, HoldBefore, HoldAfter, HoldAnswered, ServerError, VolumeError, PoolEmpty}

// Duration is a time.Duration that JSON shows as "1.5s" and reads as that or as a number of milliseconds.
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
	// Service is identity, compute, network, image, volume or object-store.
	Service string `json:"service,omitempty"`
	Method  string `json:"method,omitempty"`
	// Path is a regular expression for the path below the service's prefix, as in /_devcloud/requests.
	Path string `json:"path,omitempty"`
	// Name is a regular expression for the server's, volume's or pool's name in the actions that are about one.
	Name string `json:"name,omitempty"`
	// Nth is the first of the matching calls the rule applies to, 1 when zero.
	Nth int `json:"nth,omitempty"`
	// Count is how many calls it applies to: 1 when zero, all when negative.
	Count  int    `json:"count,omitempty"`
	Action string `json:"action"`

	Delay Duration `json:"delay,omitempty"`
	// Status is the HTTP status of the action "status".
	Status int `json:"status,omitempty"`
	// Body is sent as it is; a JSON error in the service's form when empty.
	Body string `json:"body,omitempty"`
	// RetryAfter is the header's value, in seconds or as a date.
	RetryAfter string `json:"retry_after,omitempty"`
	Message    string `json:"message,omitempty"`

	path, name *regexp.Regexp
}

// prepare checks a rule.
func (r *Rule) prepare() error {
	if !slices.Contains(actions, r.Action) {
		return fmt.Errorf("there is no fault action %q; it is one of %s", r.Action, strings.Join(actions, ", "))
	}
	if r.Service != "" && !slices.Contains([]string{"identity", "compute", "network", "image", "volume", "object-store"}, r.Service) {
		return fmt.Errorf("there is no service %q; it is identity, compute, network, image, volume or object-store", r.Service)
	}
	if r.Action == Status && (r.Status < 200 || r.Status > 599) {
		return fmt.Errorf("the action %q needs an HTTP status from 200 to 599, not %d", Status, r.Status)
	}
	if r.Action == Latency && r.Delay <= 0 {
		return fmt.Errorf("the action %q needs a delay", Latency)
	}
	if r.aboutThings() && (r.Service != "" || r.Method != "" || r.Path != "") {
		return fmt.Errorf("the action %q is about servers, volumes or pools by name, not about calls", r.Action)
	}
	r.Nth, r.Method = max(r.Nth, 1), strings.ToUpper(r.Method)
	if r.Count == 0 {
		r.Count = 1
	}
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

func (r *Rule) aboutThings() bool {
	return r.Action == ServerError || r.Action == VolumeError || r.Action == PoolEmpty
}

func (r *Rule) matchesCall(service, method, path string) bool {
	return !r.aboutThings() && (r.Service == "" || r.Service == service) && (r.Method == "" || r.Method == method) && r.path.MatchString(path)
}

// State is a rule with what has become of it.
type State struct {
	Rule
	// Seen counts the calls that matched, Hits those it applied to, Holding those it keeps waiting now.
	Seen     int  `json:"seen"`
	Hits     int  `json:"hits"`
	Holding  int  `json:"holding"`
	Released bool `json:"released"`
}
