package ruby

import (
	"strings"
	"time"
)

// timeValue is a Ruby Time.
type timeValue struct{ t time.Time }

func timeMethods() []builtin {
	return []builtin{
		{"to_i", 0, 0, timeGet(func(t time.Time) int { return int(t.Unix()) })},
		{"utc getutc gmtime", 0, 0, timeGet(func(t time.Time) *timeValue { return &timeValue{t.UTC()} })},
		{"-private:__part", 1, 1, timePart},
		{"iso8601 xmlschema", 0, 0, timeGet(func(t time.Time) *String { return NewString(t.Format(time.RFC3339)) })},
	}
}

// timeGet makes a method of a function of the time.
func timeGet[T any](fn func(t time.Time) T) builtinFunc {
	return func(_ *Interp, c *call) Value { return fn(c.self.(*timeValue).t) }
}

// local gives a time in the zone of the environment.
func (in *Interp) local(t time.Time) time.Time {
	if zone, ok := in.env.Lookup("TZ"); ok {
		if loc, err := time.LoadLocation(strings.TrimPrefix(zone, ":")); err == nil {
			return t.In(loc)
		}
	}
	return t.Local()
}

// timePart is what a directive of strftime gives, nil for one that is not
// supported.
func timePart(in *Interp, c *call) Value {
	layout := map[string]string{
		"Y": "2006", "y": "06", "m": "01", "d": "02", "j": "002", "H": "15", "I": "03", "M": "04", "S": "05",
		"B": "January", "b": "Jan", "h": "Jan", "A": "Monday", "a": "Mon", "p": "PM", "P": "pm", "e": "_2",
		"z": "-0700", "Z": "MST", "F": "2006-01-02", "T": "15:04:05", "X": "15:04:05", "R": "15:04",
		"D": "01/02/06", "x": "01/02/06", "c": "Mon Jan _2 15:04:05 2006", "r": "03:04:05 PM",
	}[in.argString(c.args[0])]
	if layout == "" {
		return nil
	}
	return in.str(c.self.(*timeValue).t.Format(layout))
}
