package runlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

// The types of record (Test Kitchen: event_type).
const (
	TypeLog    = "log"
	TypeBanner = "banner"
	// TypeStream is a line that a command wrote.
	TypeStream = "stream"
)

// Record is one line of the log. The fields up to Own, their names and their
// order are Test Kitchen's (4.1, lib/kitchen/logger.rb).
type Record struct {
	// Run is the process that wrote the record, Session the life of the
	// instance's machine, Step one go at one action.
	Run      string `json:"kitchen_run_id,omitempty"`
	Instance string `json:"instance,omitempty"`
	Suite    string `json:"suite,omitempty"`
	Platform string `json:"platform,omitempty"`
	Action   string `json:"action,omitempty"`
	Step     string `json:"action_id,omitempty"`
	Session  string `json:"instance_session_id,omitempty"`
	Time     Stamp  `json:"timestamp"`
	// Level is debug, info, warn, error, fatal or unknown.
	Level   string `json:"level"`
	Type    string `json:"event_type"`
	Message string `json:"message"`
	// Program is the instance, or the tool for the run as a whole.
	Program string `json:"progname"`
	// Sequence counts the records that one process writes into one file, from
	// 1.
	Sequence int  `json:"sequence"`
	Own      *Own `json:"galley,omitempty"`
}

// Own is what only Galley writes.
type Own struct {
	Kind kitchen.EventKind `json:"kind"`
	// Elapsed is the duration, in seconds, of what finished or of the wait.
	Elapsed float64 `json:"elapsed,omitempty"`
	// Error is why a step failed, Hint what to do, Class the name that the
	// state file gives it.
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	Class string `json:"class,omitempty"`
	// Interrupted says that the step was ended from outside, as by Ctrl-C.
	Interrupted bool `json:"interrupted,omitempty"`
}

// Waited is the kind of the record of a wait that is over.
const Waited kitchen.EventKind = "waited"

// Kind returns the kind of event of the record, "" if Test Kitchen wrote it.
func (r *Record) Kind() kitchen.EventKind {
	if r.Own == nil {
		return ""
	}
	return r.Own.Kind
}

// Stamp is a time as Test Kitchen writes it: UTC, to the microsecond.
type Stamp struct{ time.Time }

const stampLayout = "2006-01-02T15:04:05.000000Z"

// MarshalText writes the time.
func (s Stamp) MarshalText() ([]byte, error) {
	return []byte(s.UTC().Format(stampLayout)), nil
}

// MarshalJSON writes the time as a string.
func (s Stamp) MarshalJSON() ([]byte, error) {
	return []byte(`"` + s.UTC().Format(stampLayout) + `"`), nil
}

// UnmarshalJSON reads any RFC 3339 time; anything else becomes the zero time,
// since a strange clock is not a reason to lose a line.
func (s *Stamp) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		s.Time, _ = time.Parse(time.RFC3339Nano, text)
	}
	return nil
}

// encode returns the record as a line, with its line feed.
func (r *Record) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Decode reads a line, and returns false if it is no JSON object. A field of
// another type than Test Kitchen's is left out.
func Decode(line []byte) (Record, bool) {
	var r Record
	line = bytes.Trim(line, " \t\r\n")
	if len(line) == 0 || line[0] != '{' {
		return r, false
	}
	var wrong *json.UnmarshalTypeError
	if err := json.Unmarshal(line, &r); err != nil && !errors.As(err, &wrong) {
		return r, false
	}
	return r, true
}

// levels are in rising order; a level that is none of them counts as the last
// (Test Kitchen: Command::Logs::LEVELS).
var levels = []string{"debug", "info", "warn", "error", "fatal", "unknown"}

// ParseLevel reads the name of the least level to show and returns its rank;
// false if it is none.
func ParseLevel(name string) (int, bool) {
	i := slices.Index(levels, strings.ToLower(name))
	return i, i >= 0
}

// Rank returns the rank of the record's level, as [ParseLevel] does.
func (r *Record) Rank() int {
	if i := slices.Index(levels, r.Level); i >= 0 {
		return i
	}
	return len(levels) - 1
}

// LevelOf returns the record's level for painting.
func (r *Record) LevelOf() ui.Level { return min(ui.Level(r.Rank()), ui.FatalLevel) }
