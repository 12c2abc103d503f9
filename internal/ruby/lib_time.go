package ruby

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// timeValue is a Ruby Time.
type timeValue struct{ t time.Time }

var timeClassMethods = []builtin{
	{"now", 0, 0, timeNow},
	{"at", 1, 1, timeAt},
}

var timeMethods = []builtin{
	{"year month mon day mday hour min sec nsec usec wday yday to_i", 0, 0, timePart},
	{"to_f", 0, 0, timeToF},
	{"utc getutc gmtime", 0, 0, timeToUTC},
	{"strftime", 1, 1, timeStrftime},
	{"iso8601 xmlschema", 0, 0, timeISO},
	{"to_s inspect", 0, 0, timeToS},
	{"+", 1, 1, timeAdd},
	{"-", 1, 1, timeSub},
	{"< <= > >=", 1, 1, compareOperator},
}

func timeNow(in *Interp, _ *call) Value { return &timeValue{in.local(in.cfg.Now())} }

// local gives a time in the zone of the environment.
func (in *Interp) local(t time.Time) time.Time {
	if zone, ok := in.env.Lookup("TZ"); ok {
		if loc, err := time.LoadLocation(strings.TrimPrefix(zone, ":")); err == nil {
			return t.In(loc)
		}
	}
	return t.Local()
}

func (in *Interp) seconds(v Value) time.Duration {
	f, ok := asFloat(v)
	if !ok {
		in.raise("TypeError", "can't convert %s into an exact number", in.classOf(v).name)
	}
	return time.Duration(math.Round(f * 1e9))
}

func timeAt(in *Interp, c *call) Value {
	if n, ok := c.args[0].(int); ok {
		return &timeValue{in.local(time.Unix(int64(n), 0))}
	}
	return &timeValue{in.local(time.Unix(0, int64(in.seconds(c.args[0]))))}
}

func timePart(_ *Interp, c *call) Value {
	t := c.self.(*timeValue).t
	switch c.name {
	case "year":
		return t.Year()
	case "month", "mon":
		return int(t.Month())
	case "day", "mday":
		return t.Day()
	case "hour":
		return t.Hour()
	case "min":
		return t.Minute()
	case "sec":
		return t.Second()
	case "nsec":
		return t.Nanosecond()
	case "usec":
		return t.Nanosecond() / 1000
	case "wday":
		return int(t.Weekday())
	case "yday":
		return t.YearDay()
	}
	return int(t.Unix())
}

func timeToF(_ *Interp, c *call) Value { return float64(c.self.(*timeValue).t.UnixNano()) / 1e9 }

func timeToUTC(_ *Interp, c *call) Value { return &timeValue{c.self.(*timeValue).t.UTC()} }

func timeStrftime(in *Interp, c *call) Value {
	return in.str(in.strftime(c.self.(*timeValue).t, in.argString(c.args[0])))
}

func timeISO(in *Interp, c *call) Value { return in.str(c.self.(*timeValue).t.Format(time.RFC3339)) }

func timeToS(in *Interp, c *call) Value {
	t := c.self.(*timeValue).t
	layout := "2006-01-02 15:04:05"
	if c.name == "inspect" && t.Nanosecond() != 0 {
		layout += ".999999999"
	}
	if t.Location() == time.UTC {
		return in.str(t.Format(layout + " UTC"))
	}
	return in.str(t.Format(layout + " -0700"))
}

func timeAdd(in *Interp, c *call) Value {
	return &timeValue{c.self.(*timeValue).t.Add(in.seconds(c.args[0]))}
}

func timeSub(in *Interp, c *call) Value {
	t := c.self.(*timeValue).t
	if o, ok := c.args[0].(*timeValue); ok {
		return float64(t.Sub(o.t)) / 1e9
	}
	return &timeValue{t.Add(-in.seconds(c.args[0]))}
}

// strftime formats a time. Widths and flags other than - are refused.
func (in *Interp) strftime(t time.Time, format string) string {
	var b strings.Builder
	for format != "" {
		text, rest, found := strings.Cut(format, "%")
		b.WriteString(text)
		if !found || rest == "" {
			b.WriteString(when(found, "%"))
			break
		}
		plain := strings.HasPrefix(rest, "-")
		rest = strings.TrimPrefix(rest, "-")
		if rest == "" || strings.IndexByte("0123456789_^#:", rest[0]) >= 0 {
			in.unsupported("a flag or width in the format of strftime")
		}
		if n, width, ok := timeNumber(t, rest[0]); ok {
			if plain {
				width = 0
			}
			fmt.Fprintf(&b, "%0*d", width, n)
		} else {
			b.WriteString(in.timeText(t, rest[0]))
		}
		format = rest[1:]
	}
	return b.String()
}

// timeNumber gives the number of a directive and its width.
func timeNumber(t time.Time, d byte) (n, width int, ok bool) {
	switch d {
	case 'Y':
		return t.Year(), 4, true
	case 'C':
		return t.Year() / 100, 2, true
	case 'y':
		return t.Year() % 100, 2, true
	case 'm':
		return int(t.Month()), 2, true
	case 'd':
		return t.Day(), 2, true
	case 'j':
		return t.YearDay(), 3, true
	case 'H':
		return t.Hour(), 2, true
	case 'I':
		return (t.Hour()+11)%12 + 1, 2, true
	case 'M':
		return t.Minute(), 2, true
	case 'S':
		return t.Second(), 2, true
	case 'L':
		return t.Nanosecond() / 1e6, 3, true
	case 'N':
		return t.Nanosecond(), 9, true
	case 'u':
		return (int(t.Weekday())+6)%7 + 1, 1, true
	case 'w':
		return int(t.Weekday()), 1, true
	case 'V':
		_, w := t.ISOWeek()
		return w, 2, true
	case 's':
		return int(t.Unix()), 1, true
	}
	return 0, 0, false
}

// timeText gives the text of a directive.
func (in *Interp) timeText(t time.Time, d byte) string {
	layout := map[byte]string{
		'B': "January", 'b': "Jan", 'h': "Jan", 'A': "Monday", 'a': "Mon", 'p': "PM", 'P': "pm", 'e': "_2",
		'z': "-0700", 'Z': "MST", 'F': "2006-01-02", 'T': "15:04:05", 'X': "15:04:05", 'R': "15:04",
		'D': "01/02/06", 'x': "01/02/06", 'c': "Mon Jan _2 15:04:05 2006", 'r': "03:04:05 PM",
	}[d]
	switch {
	case layout != "":
		return t.Format(layout)
	case d == '%':
		return "%"
	case d == 'n':
		return "\n"
	case d == 't':
		return "\t"
	}
	in.unsupported("the directive " + strconv.Quote("%"+string(d)) + " of strftime")
	return ""
}
