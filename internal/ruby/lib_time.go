package ruby

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// timeValue is a Time.
type timeValue struct {
	t   time.Time
	utc bool
}

// dateValue is a Date: midnight UTC of that day.
type dateValue struct{ t time.Time }

var (
	monthNames = []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	dayNames   = []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
)

func dateNames(constant string) Value {
	var src []string
	abbr := strings.HasPrefix(constant, "ABBR_")
	switch strings.TrimPrefix(constant, "ABBR_") {
	case "MONTHNAMES":
		src = monthNames
	case "DAYNAMES":
		src = dayNames
	default:
		return nil
	}
	var out []Value
	if strings.HasSuffix(constant, "MONTHNAMES") {
		out = append(out, nil)
	}
	for _, s := range src {
		if abbr {
			s = s[:3]
		}
		out = append(out, &String{s: s, frozen: true})
	}
	return &Array{a: out, frozen: true}
}

func (in *Interp) floatTime(v Value) time.Time {
	switch x := v.(type) {
	case int:
		return time.Unix(int64(x), 0)
	case float64:
		s := math.Floor(x)
		return time.Unix(int64(s), int64((x-s)*1e9))
	}
	in.raise("TypeError", "can't convert %s into an exact number", in.convName(v))
	return time.Time{}
}

func seconds(d float64) time.Duration { return time.Duration(math.Round(d * 1e9)) }

func (in *Interp) secondsArg(v Value) float64 {
	f := in.floatArg(v)
	if math.Abs(f) > 9e9 || math.IsNaN(f) {
		in.raise("RangeError", "time out of range")
	}
	return f
}

func defTime(l *library) {
	t := l.class("Time", "Object", "Comparable")
	t.sdef("now", 0, 1, func(in *Interp, c *call) Value { return &timeValue{t: in.cfg.Now()} })
	t.sdef("at", 1, -1, func(in *Interp, c *call) Value {
		c.kwargs()
		if x, ok := c.args[0].(*timeValue); ok {
			return &timeValue{t: x.t}
		}
		return &timeValue{t: in.floatTime(c.args[0])}
	})
	mk := func(names string, utc bool) {
		t.sdef(names, 0, -1, func(in *Interp, c *call) Value {
			c.kwargs()
			if len(c.args) == 0 {
				return &timeValue{t: in.cfg.Now()}
			}
			n := []int{1970, 1, 1, 0, 0, 0}
			var nsec int
			for i, a := range c.args {
				if i >= 6 || a == nil {
					break
				}
				if f, ok := a.(float64); ok && i == 5 {
					n[5] = int(f)
					nsec = int((f - math.Floor(f)) * 1e9)
					continue
				}
				n[i] = in.argInt(in.toInteger(a, 10))
			}
			loc := in.zone()
			if utc {
				loc = time.UTC
			}
			if len(c.args) > 6 {
				if s, ok := c.args[6].(*String); ok {
					loc = in.zoneArg(s.s)
				}
			}
			if n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > 31 || n[3] < 0 || n[3] > 24 || n[4] < 0 || n[4] > 59 || n[5] < 0 || n[5] > 60 {
				in.raise("ArgumentError", "argument out of range")
			}
			return &timeValue{t: time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], nsec, loc), utc: utc}
		})
	}
	mk("new local mktime", false)
	mk("utc gm", true)
	t.sdef("parse iso8601 xmlschema rfc2822 httpdate strptime", 1, -1, func(in *Interp, c *call) Value {
		if c.name == "strptime" || !in.required["time"] && c.name != "parse" {
			in.unsupported("Time." + c.name)
		}
		s := strings.TrimSpace(in.argString(c.args[0]))
		for _, f := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999 -0700", "2006-01-02 15:04:05 MST", time.RFC1123Z, time.RFC1123} {
			if x, err := time.Parse(f, s); err == nil {
				return &timeValue{t: x, utc: strings.HasSuffix(s, "Z") || strings.HasSuffix(s, "UTC")}
			}
		}
		for _, f := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02 15:04", "2006-01-02"} {
			if x, err := time.ParseInLocation(f, s, in.zone()); err == nil {
				return &timeValue{t: x}
			}
		}
		in.unsupported("Time." + c.name + " of a text in this form")
		return nil
	})
	num := func(names string, f func(x time.Time) Value) {
		t.def(names, 0, 0, func(in *Interp, c *call) Value { return f(in.local(c.self.(*timeValue))) })
	}
	num("year", func(x time.Time) Value { return x.Year() })
	num("month mon", func(x time.Time) Value { return int(x.Month()) })
	num("day mday", func(x time.Time) Value { return x.Day() })
	num("hour", func(x time.Time) Value { return x.Hour() })
	num("min", func(x time.Time) Value { return x.Minute() })
	num("sec", func(x time.Time) Value { return x.Second() })
	num("usec", func(x time.Time) Value { return x.Nanosecond() / 1000 })
	num("nsec", func(x time.Time) Value { return x.Nanosecond() })
	num("wday", func(x time.Time) Value { return int(x.Weekday()) })
	num("yday", func(x time.Time) Value { return x.YearDay() })
	num("to_i tv_sec", func(x time.Time) Value { return int(x.Unix()) })
	num("to_f", func(x time.Time) Value { return float64(x.UnixNano()) / 1e9 })
	num("utc_offset gmt_offset gmtoff", func(x time.Time) Value { _, o := x.Zone(); return o })
	num("zone", func(x time.Time) Value { z, _ := x.Zone(); return NewString(z) })
	for i, n := range dayNames {
		i := time.Weekday(i)
		num(strings.ToLower(n)+"?", func(x time.Time) Value { return x.Weekday() == i })
	}
	t.def("utc? gmt?", 0, 0, func(in *Interp, c *call) Value { return c.self.(*timeValue).utc })
	t.def("utc gmtime getutc getgm", 0, 0, func(in *Interp, c *call) Value {
		x := c.self.(*timeValue)
		if strings.HasPrefix(c.name, "get") {
			return &timeValue{t: x.t.UTC(), utc: true}
		}
		x.t, x.utc = x.t.UTC(), true
		return x
	})
	t.def("localtime getlocal", 0, 1, func(in *Interp, c *call) Value {
		x := c.self.(*timeValue)
		loc := in.zone()
		if s, ok := c.opt(0).(*String); ok {
			loc = in.zoneArg(s.s)
		}
		if c.name == "getlocal" {
			return &timeValue{t: x.t.In(loc)}
		}
		x.t, x.utc = x.t.In(loc), false
		return x
	})
	t.def("strftime", 1, 1, func(in *Interp, c *call) Value {
		return in.str(in.strftime(in.local(c.self.(*timeValue)), in.argString(c.args[0]), c.self.(*timeValue).utc))
	})
	t.def("iso8601 xmlschema", 0, 1, func(in *Interp, c *call) Value {
		if !in.required["time"] {
			in.raiseName("NoMethodError", c.name, c.self, "undefined method `%s' for %s", c.name, in.describe(c.self))
		}
		f := "%Y-%m-%dT%H:%M:%S"
		if len(c.args) > 0 {
			if n := in.argInt(c.args[0]); n > 0 && n < 100 {
				f += ".%" + strconv.Itoa(n) + "N"
			}
		}
		x := c.self.(*timeValue)
		if x.utc {
			f += "Z"
		} else {
			f += "%:z"
		}
		return in.str(in.strftime(in.local(x), f, x.utc))
	})
	t.def("to_s", 0, 0, func(in *Interp, c *call) Value { return in.str(in.timeString(c.self.(*timeValue))) })
	t.def("inspect", 0, 0, func(in *Interp, c *call) Value {
		x := c.self.(*timeValue)
		f := "%Y-%m-%d %H:%M:%S"
		if ns := x.t.Nanosecond(); ns != 0 {
			f += "." + strings.TrimRight(fmt.Sprintf("%09d", ns), "0")
		}
		if x.utc {
			f += " UTC"
		} else {
			f += " %z"
		}
		return in.str(in.strftime(in.local(x), f, x.utc))
	})
	t.def("+", 1, 1, func(in *Interp, c *call) Value {
		x := c.self.(*timeValue)
		if _, ok := c.args[0].(*timeValue); ok {
			in.raise("TypeError", "time + time?")
		}
		return &timeValue{t: x.t.Add(seconds(in.secondsArg(c.args[0]))), utc: x.utc}
	})
	t.def("-", 1, 1, func(in *Interp, c *call) Value {
		x := c.self.(*timeValue)
		if y, ok := c.args[0].(*timeValue); ok {
			return x.t.Sub(y.t).Seconds()
		}
		return &timeValue{t: x.t.Add(-seconds(in.secondsArg(c.args[0]))), utc: x.utc}
	})
	t.def("round floor ceil", 0, 1, func(in *Interp, c *call) Value {
		x := c.self.(*timeValue)
		return &timeValue{t: x.t.Round(time.Second), utc: x.utc}
	})
	t.def("<=>", 1, 1, func(in *Interp, c *call) Value {
		if r, ok := in.compare(c.self, c.args[0]); ok {
			return r
		}
		return nil
	})
	t.def("==  eql?", 1, 1, func(in *Interp, c *call) Value { return in.equal(c.self, c.args[0]) })
	t.def("to_date", 0, 0, func(in *Interp, c *call) Value {
		x := in.local(c.self.(*timeValue))
		return &dateValue{time.Date(x.Year(), x.Month(), x.Day(), 0, 0, 0, 0, time.UTC)}
	})
	t.def("to_time", 0, 0, func(in *Interp, c *call) Value { return c.self })
	t.def("to_a", 0, 0, func(in *Interp, c *call) Value { in.unsupported("Time#to_a"); return nil })

	d := l.class("Date", "Object", "Comparable")
	day := func(y, m, dd int) *dateValue {
		return &dateValue{time.Date(y, time.Month(m), dd, 0, 0, 0, 0, time.UTC)}
	}
	valid := func(y, m, dd int) (*dateValue, bool) {
		if m < 0 {
			m += 13
		}
		if m < 1 || m > 12 {
			return nil, false
		}
		if dd < 0 {
			dd = time.Date(y, time.Month(m)+1, 0, 0, 0, 0, 0, time.UTC).Day() + dd + 1
		}
		v := day(y, m, dd)
		return v, dd >= 1 && v.t.Day() == dd && int(v.t.Month()) == m
	}
	d.sdef("today", 0, 1, func(in *Interp, c *call) Value {
		n := in.cfg.Now().In(in.zone())
		return day(n.Year(), int(n.Month()), n.Day())
	})
	d.sdef("new civil", 0, 4, func(in *Interp, c *call) Value {
		n := []int{-4712, 1, 1}
		for i, a := range c.args {
			if i < 3 {
				n[i] = in.argInt(a)
			}
		}
		v, ok := valid(n[0], n[1], n[2])
		if !ok {
			in.raise("Date::Error", "invalid date")
		}
		return v
	})
	d.sdef("valid_date? valid_civil?", 3, 4, func(in *Interp, c *call) Value {
		_, ok := valid(in.argInt(c.args[0]), in.argInt(c.args[1]), in.argInt(c.args[2]))
		return ok
	})
	d.sdef("parse iso8601", 1, 2, func(in *Interp, c *call) Value {
		s := in.argString(c.args[0])
		for _, f := range []string{"2006-01-02", "20060102", "2006/01/02", "2 Jan 2006", "Jan 2 2006", "January 2, 2006"} {
			if x, err := time.Parse(f, strings.TrimSpace(s)); err == nil {
				return &dateValue{x}
			}
		}
		if x, err := time.Parse(time.RFC3339, s); err == nil {
			return day(x.Year(), int(x.Month()), x.Day())
		}
		if !strings.ContainsAny(s, "0123456789") {
			in.raise("Date::Error", "invalid date")
		}
		in.unsupported("Date.parse of a text in this form")
		return nil
	})
	d.sdef("leap? gregorian_leap?", 1, 1, func(in *Interp, c *call) Value {
		y := in.argInt(c.args[0])
		return y%4 == 0 && y%100 != 0 || y%400 == 0
	})
	dnum := func(names string, f func(x time.Time) Value) {
		d.def(names, 0, 0, func(in *Interp, c *call) Value { return f(c.self.(*dateValue).t) })
	}
	dnum("year", func(x time.Time) Value { return x.Year() })
	dnum("month mon", func(x time.Time) Value { return int(x.Month()) })
	dnum("day mday", func(x time.Time) Value { return x.Day() })
	dnum("wday", func(x time.Time) Value { return int(x.Weekday()) })
	dnum("yday", func(x time.Time) Value { return x.YearDay() })
	dnum("cwday", func(x time.Time) Value { return (int(x.Weekday())+6)%7 + 1 })
	dnum("cweek", func(x time.Time) Value { _, w := x.ISOWeek(); return w })
	dnum("cwyear", func(x time.Time) Value { y, _ := x.ISOWeek(); return y })
	dnum("jd", func(x time.Time) Value { return int(x.Unix()/86400) + 2440588 })
	dnum("to_date", func(x time.Time) Value { return &dateValue{x} })
	dnum("succ next", func(x time.Time) Value { return &dateValue{x.AddDate(0, 0, 1)} })
	dnum("leap?", func(x time.Time) Value { y := x.Year(); return y%4 == 0 && y%100 != 0 || y%400 == 0 })
	dnum("to_s iso8601 xmlschema", func(x time.Time) Value { return NewString(x.Format("2006-01-02")) })
	dnum("inspect", func(x time.Time) Value { return NewString("#<Date: " + x.Format("2006-01-02") + ">") })
	for i, n := range dayNames {
		i := time.Weekday(i)
		dnum(strings.ToLower(n)+"?", func(x time.Time) Value { return x.Weekday() == i })
	}
	d.def("to_time", 0, 0, func(in *Interp, c *call) Value {
		x := c.self.(*dateValue).t
		return &timeValue{t: time.Date(x.Year(), x.Month(), x.Day(), 0, 0, 0, 0, in.zone())}
	})
	d.def("strftime", 0, 1, func(in *Interp, c *call) Value {
		f := "%F"
		if len(c.args) > 0 {
			f = in.argString(c.args[0])
		}
		return in.str(in.strftime(c.self.(*dateValue).t, f, false))
	})
	days := func(in *Interp, v Value) int {
		n := in.argInt(v)
		if n > 10_000_000 || n < -10_000_000 {
			in.raise("RangeError", "date out of range")
		}
		return n
	}
	months := func(x time.Time, n int) Value {
		y, m := x.Year(), int(x.Month())-1+n
		y += floorDiv(m, 12)
		m = m - floorDiv(m, 12)*12 + 1
		last := time.Date(y, time.Month(m)+1, 0, 0, 0, 0, 0, time.UTC).Day()
		return day(y, m, min(x.Day(), last))
	}
	d.def("+ next_day", 0, 1, func(in *Interp, c *call) Value {
		n := 1
		if len(c.args) > 0 {
			n = days(in, c.args[0])
		}
		return &dateValue{c.self.(*dateValue).t.AddDate(0, 0, n)}
	})
	d.def("- prev_day", 0, 1, func(in *Interp, c *call) Value {
		if _, ok := c.opt(0).(*dateValue); ok {
			in.unsupported("the difference of two dates (a rational number)")
		}
		n := 1
		if len(c.args) > 0 {
			n = days(in, c.args[0])
		}
		return &dateValue{c.self.(*dateValue).t.AddDate(0, 0, -n)}
	})
	d.def(">> next_month", 0, 1, func(in *Interp, c *call) Value {
		n := 1
		if len(c.args) > 0 {
			n = days(in, c.args[0])
		}
		return months(c.self.(*dateValue).t, n)
	})
	d.def("<< prev_month", 0, 1, func(in *Interp, c *call) Value {
		n := 1
		if len(c.args) > 0 {
			n = days(in, c.args[0])
		}
		return months(c.self.(*dateValue).t, -n)
	})
	d.def("next_year prev_year", 0, 1, func(in *Interp, c *call) Value {
		n := 1
		if len(c.args) > 0 {
			n = days(in, c.args[0]) % 100_000
		}
		if c.name == "prev_year" {
			n = -n
		}
		return months(c.self.(*dateValue).t, 12*n)
	})
	d.def("<=>", 1, 1, func(in *Interp, c *call) Value {
		if r, ok := in.compare(c.self, c.args[0]); ok {
			return r
		}
		return nil
	})
	d.def("== eql? ===", 1, 1, func(in *Interp, c *call) Value { return in.equal(c.self, c.args[0]) })
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// zone is the program's time zone: TZ of its environment, else the machine's.
func (in *Interp) zone() *time.Location {
	if tz, ok := in.env.Lookup("TZ"); ok {
		if tz == "" {
			return time.UTC
		}
		if loc, err := time.LoadLocation(strings.TrimPrefix(tz, ":")); err == nil {
			return loc
		}
		return time.UTC
	}
	return time.Local
}

func (in *Interp) zoneArg(s string) *time.Location {
	if s == "UTC" || s == "Z" {
		return time.UTC
	}
	if x, err := time.Parse("-07:00", s); err == nil {
		_, o := x.Zone()
		return time.FixedZone("", o)
	}
	in.raise("ArgumentError", "\"+HH:MM\", \"-HH:MM\", \"UTC\" or \"A\"..\"I\",\"K\"..\"Z\" expected for utc_offset: %s", s)
	return nil
}

func (in *Interp) local(x *timeValue) time.Time {
	if x.utc {
		return x.t.UTC()
	}
	if x.t.Location() == time.Local {
		return x.t.In(in.zone())
	}
	return x.t
}

func (in *Interp) timeString(x *timeValue) string {
	if x.utc {
		return in.strftime(in.local(x), "%Y-%m-%d %H:%M:%S UTC", true)
	}
	return in.strftime(in.local(x), "%Y-%m-%d %H:%M:%S %z", false)
}

// strftime is Time#strftime.
func (in *Interp) strftime(t time.Time, f string, utc bool) string {
	var b strings.Builder
	for i := 0; i < len(f); i++ {
		if f[i] != '%' || i+1 >= len(f) {
			b.WriteByte(f[i])
			continue
		}
		start := i
		i++
		pad := byte(0)
		upper, swap := false, false
		colons := 0
		width := 0
	flags:
		for i < len(f) {
			switch f[i] {
			case '-', '0', '_':
				pad = f[i]
			case '^':
				upper = true
			case '#':
				swap = true
			case ':':
				colons++
			default:
				break flags
			}
			i++
		}
		for i < len(f) && isDigit(f[i]) {
			width = width*10 + int(f[i]-'0')
			if width > 1024 {
				in.limit("a strftime width is too large")
			}
			i++
		}
		if i >= len(f) {
			b.WriteString(f[start:])
			break
		}
		num := func(n, w int, fill byte) string {
			if pad == '-' {
				return strconv.Itoa(n)
			}
			if pad == '_' {
				fill = ' '
			} else if pad == '0' {
				fill = '0'
			}
			if width > 0 {
				w = width
			}
			s := strconv.Itoa(n)
			if len(s) < w {
				if fill == '0' && n < 0 {
					return "-" + strings.Repeat("0", w-len(s)) + s[1:]
				}
				s = strings.Repeat(string(fill), w-len(s)) + s
			}
			return s
		}
		txt := func(s string) string {
			if upper || swap {
				s = strings.ToUpper(s)
			}
			if len(s) < width {
				fill := " "
				if pad == '0' {
					fill = "0"
				}
				s = strings.Repeat(fill, width-len(s)) + s
			}
			return s
		}
		h12 := (t.Hour()+11)%12 + 1
		switch f[i] {
		case 'Y':
			w := 4
			if t.Year() < 0 {
				w = 5
			}
			b.WriteString(num(t.Year(), w, '0'))
		case 'C':
			b.WriteString(num(floorDiv(t.Year(), 100), 2, '0'))
		case 'y':
			b.WriteString(num((t.Year()%100+100)%100, 2, '0'))
		case 'm':
			b.WriteString(num(int(t.Month()), 2, '0'))
		case 'B':
			b.WriteString(txt(t.Month().String()))
		case 'b', 'h':
			b.WriteString(txt(t.Month().String()[:3]))
		case 'd':
			b.WriteString(num(t.Day(), 2, '0'))
		case 'e':
			b.WriteString(num(t.Day(), 2, ' '))
		case 'j':
			b.WriteString(num(t.YearDay(), 3, '0'))
		case 'H':
			b.WriteString(num(t.Hour(), 2, '0'))
		case 'k':
			b.WriteString(num(t.Hour(), 2, ' '))
		case 'I':
			b.WriteString(num(h12, 2, '0'))
		case 'l':
			b.WriteString(num(h12, 2, ' '))
		case 'M':
			b.WriteString(num(t.Minute(), 2, '0'))
		case 'S':
			b.WriteString(num(t.Second(), 2, '0'))
		case 'L', 'N':
			w := 9
			if f[i] == 'L' {
				w = 3
			}
			if width > 0 {
				w = width
			}
			s := fmt.Sprintf("%09d", t.Nanosecond())
			if w > len(s) {
				s += strings.Repeat("0", w-len(s))
			}
			b.WriteString(s[:w])
		case 'P':
			b.WriteString(txt(strings.ToLower(t.Format("PM"))))
		case 'p':
			s := t.Format("PM")
			if swap {
				s, swap = strings.ToLower(s), false
			}
			b.WriteString(txt(s))
		case 'A':
			b.WriteString(txt(t.Weekday().String()))
		case 'a':
			b.WriteString(txt(t.Weekday().String()[:3]))
		case 'u':
			b.WriteString(num((int(t.Weekday())+6)%7+1, 1, '0'))
		case 'w':
			b.WriteString(num(int(t.Weekday()), 1, '0'))
		case 'G':
			y, _ := t.ISOWeek()
			b.WriteString(num(y, 4, '0'))
		case 'g':
			y, _ := t.ISOWeek()
			b.WriteString(num(y%100, 2, '0'))
		case 'V':
			_, w := t.ISOWeek()
			b.WriteString(num(w, 2, '0'))
		case 'U':
			b.WriteString(num((t.YearDay()+6-int(t.Weekday()))/7, 2, '0'))
		case 'W':
			b.WriteString(num((t.YearDay()+6-(int(t.Weekday())+6)%7)/7, 2, '0'))
		case 's':
			b.WriteString(num(int(t.Unix()), 1, '0'))
		case 'z':
			_, o := t.Zone()
			sign := "+"
			if o < 0 {
				sign, o = "-", -o
			}
			switch colons {
			case 0:
				b.WriteString(fmt.Sprintf("%s%02d%02d", sign, o/3600, o/60%60))
			case 1:
				b.WriteString(fmt.Sprintf("%s%02d:%02d", sign, o/3600, o/60%60))
			default:
				b.WriteString(fmt.Sprintf("%s%02d:%02d:%02d", sign, o/3600, o/60%60, o%60))
			}
		case 'Z':
			z, _ := t.Zone()
			if swap {
				z, swap = strings.ToLower(z), false
			}
			b.WriteString(txt(z))
		case 'F':
			b.WriteString(in.strftime(t, "%Y-%m-%d", utc))
		case 'T', 'X':
			b.WriteString(in.strftime(t, "%H:%M:%S", utc))
		case 'R':
			b.WriteString(in.strftime(t, "%H:%M", utc))
		case 'r':
			b.WriteString(in.strftime(t, "%I:%M:%S %p", utc))
		case 'D', 'x':
			b.WriteString(in.strftime(t, "%m/%d/%y", utc))
		case 'c':
			b.WriteString(in.strftime(t, "%a %b %e %H:%M:%S %Y", utc))
		case 'v':
			b.WriteString(in.strftime(t, "%e-%^b-%Y", utc))
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case '%':
			b.WriteByte('%')
		default:
			b.WriteString(f[start : i+1])
		}
		in.alloc(8 + width)
	}
	return b.String()
}
