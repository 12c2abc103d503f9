package ruby

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// numberMethods are those of Integer and Float.
var numberMethods = []builtin{
	{"+ - * / % ** modulo", 1, 1, numberArith},
	{"== ===", 1, 1, objectCaseEqual},
	{"< <= > >=", 1, 1, compareOperator},
	{"-@", 0, 0, numberNegate},
	{"+@", 0, 0, self},
	{"abs", 0, 0, numberAbs},
	{"to_i to_int truncate", 0, 0, numberToI},
	{"to_f", 0, 0, numberToF},
	{"floor ceil round", 0, -1, numberRound},
	{"fdiv", 1, 1, numberFdiv},
}

var integerMethods = []builtin{
	{"to_s inspect", 0, 1, integerToS},
	{"times", 0, 0, integerTimes},
	{"ord", 0, 0, self},
}

var floatMethods = []builtin{}

func (in *Interp) tooBig() { in.unsupported("an integer of more than 64 bits") }

func (in *Interp) floatToInt(f float64) int {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		in.raise("FloatDomainError", "%s", formatFloat(f))
	}
	if math.Abs(f) >= math.MaxInt64 {
		in.tooBig()
	}
	return int(f)
}

func numberArith(in *Interp, c *call) Value { return in.arith(c.name, c.self, c.args[0]) }

// arith computes with numbers; other operands is asked to coerce.
func (in *Interp) arith(op string, a, b Value) Value {
	x, xInt := a.(int)
	y, yInt := b.(int)
	if xInt && yInt && !(op == "**" && y < 0) {
		return in.intArith(op, x, y)
	}
	if op == "**" && xInt && yInt {
		in.unsupported("a rational number (a negative power of an integer)")
	}
	f, _ := asFloat(a)
	g, ok := asFloat(b)
	if !ok {
		if o, isObj := b.(*Object); isObj && in.respondTo(o, "coerce") {
			p := in.argArray(in.send(o, "coerce", a))
			return in.send(p.a[0], op, p.a[1])
		}
		in.raise("TypeError", "%s can't be coerced into %s", in.convName(b), in.classOf(a).name)
	}
	switch op {
	case "+":
		return f + g
	case "-":
		return f - g
	case "*":
		return f * g
	case "/":
		return f / g
	case "**":
		if f < 0 && g != math.Floor(g) {
			in.unsupported("a complex number (a root of a negative number)")
		}
		return math.Pow(f, g)
	}
	m := math.Mod(f, g)
	if m != 0 && (m < 0) != (g < 0) {
		m += g
	}
	return m
}

func (in *Interp) intArith(op string, x, y int) Value {
	r, ok := 0, true
	switch op {
	case "+":
		r = x + y
		ok = (r > x) == (y > 0)
	case "-":
		r = x - y
		ok = (r < x) == (y > 0)
	case "*":
		return in.multiply(x, y)
	case "**":
		r = 1
		if y > 64 && x*x > 1 {
			in.tooBig()
		}
		for ; y > 0 && x*x > 1; y-- {
			r = in.multiply(r, x)
		}
		if x == 0 && y > 0 || x == -1 && y%2 == 1 {
			r = x
		}
	default:
		if y == 0 {
			in.raise("ZeroDivisionError", "divided by 0")
		}
		q := x / y
		if r = x % y; r != 0 && (r < 0) != (y < 0) {
			q, r = q-1, r+y
		}
		if op == "/" {
			return q
		}
	}
	if !ok && y != 0 {
		in.tooBig()
	}
	return r
}

func (in *Interp) multiply(x, y int) int {
	abs := func(n int) uint64 {
		if n < 0 {
			return -uint64(n)
		}
		return uint64(n)
	}
	if hi, lo := bits.Mul64(abs(x), abs(y)); hi != 0 || lo > math.MaxInt64 {
		in.tooBig()
	}
	return x * y
}

// compareOperator is <, <=, > and >= of numbers, strings and times.
func compareOperator(in *Interp, c *call) Value {
	x, y := c.self, c.args[0]
	if f, ok := y.(float64); ok && math.IsNaN(f) || !ok && x != x {
		return false
	}
	r := in.mustCompare(x, y)
	switch c.name {
	case "<":
		return r < 0
	case "<=":
		return r <= 0
	case ">":
		return r > 0
	}
	return r >= 0
}

func numberNegate(in *Interp, c *call) Value {
	if f, ok := c.self.(float64); ok {
		return -f
	}
	return in.intArith("-", 0, c.self.(int))
}

func numberAbs(in *Interp, c *call) Value {
	if f, ok := c.self.(float64); ok {
		return math.Abs(f)
	}
	if n := c.self.(int); n < 0 {
		return in.intArith("-", 0, n)
	}
	return c.self
}

func numberToI(in *Interp, c *call) Value {
	if f, ok := c.self.(float64); ok {
		return in.floatToInt(f)
	}
	return c.self
}

func numberToF(_ *Interp, c *call) Value {
	f, _ := asFloat(c.self)
	return f
}

// numberRound is floor, ceil and round, with an optional number of digits.
func numberRound(in *Interp, c *call) Value {
	if kw := c.kwargs(); kw != nil {
		in.unsupported("the option half: of round")
	}
	digits := 0
	if len(c.args) > 0 {
		digits = in.argInt(c.args[0])
	}
	n, isInt := c.self.(int)
	if isInt && digits >= 0 {
		return n
	}
	round := map[string]func(float64) float64{"floor": math.Floor, "ceil": math.Ceil, "round": math.Round}[c.name]
	if isInt {
		unit := in.intArith("**", 10, -digits).(int)
		low := n - in.intArith("%", n, unit).(int)
		switch rest := n - low; {
		case rest == 0 || c.name == "floor" || c.name == "round" && (2*rest < unit || 2*rest == unit && n < 0):
			return low
		}
		return low + unit
	}
	f := c.self.(float64)
	if digits > 0 {
		if digits >= 15 || math.IsInf(f, 0) || math.IsNaN(f) {
			return f
		}
		return roundDecimal(f, digits, c.name)
	}
	if digits < 0 {
		unit := math.Pow(10, float64(-digits))
		return in.floatToInt(round(f/unit) * unit)
	}
	return in.floatToInt(round(f))
}

// roundDecimal rounds at a decimal digit, as Ruby computes it.
func roundDecimal(f float64, digits int, mode string) float64 {
	unit := math.Pow(10, float64(digits))
	switch mode {
	case "floor":
		n := math.Floor(f * unit)
		if up := (n + 1) / unit; up <= f {
			return up
		}
		return n / unit
	case "ceil":
		n := math.Ceil(f * unit)
		if down := (n - 1) / unit; down >= f {
			return down
		}
		return n / unit
	}
	n := math.Round(f * unit)
	if f > 0 && (n+0.5)/unit <= f {
		n++
	} else if f < 0 && (n-0.5)/unit >= f {
		n--
	}
	return n / unit
}

func numberFdiv(in *Interp, c *call) Value {
	f, _ := asFloat(c.self)
	return in.arith("/", f, c.args[0])
}

func integerToS(in *Interp, c *call) Value {
	base := 10
	if len(c.args) > 0 {
		if base = in.argInt(c.args[0]); base < 2 || base > 36 {
			in.raise("ArgumentError", "invalid radix %d", base)
		}
	}
	return in.str(strconv.FormatInt(int64(c.self.(int)), base))
}

func integerTimes(in *Interp, c *call) Value {
	if c.blk == nil {
		return in.enum(c)
	}
	for i := 0; i < c.self.(int); i++ {
		in.yield(c.blk, i)
	}
	return c.self
}

// Formats.

// directive is one %… of a format.
type directive struct {
	flags       string
	width, prec int // -1: not given
	verb        byte
}

func (d directive) has(flag string) bool { return strings.Contains(d.flags, flag) }

// pad fills a text up to the width.
func (d directive) pad(s string) string {
	n := d.width - runeCount(s)
	switch {
	case n <= 0:
		return s
	case d.has("-"):
		return s + strings.Repeat(" ", n)
	}
	return strings.Repeat(" ", n) + s
}

// number adds sign and zeros to the digits of a number.
func (d directive) number(negative bool, prefix, digits string) string {
	switch {
	case negative:
		prefix = "-" + prefix
	case d.has("+"):
		prefix = "+" + prefix
	case d.has(" "):
		prefix = " " + prefix
	}
	if n := d.width - len(prefix) - len(digits); d.has("0") && !d.has("-") && n > 0 {
		digits = strings.Repeat("0", n) + digits
	}
	return d.pad(prefix + digits)
}

// formatter is the state of one sprintf.
type formatter struct {
	in   *Interp
	args []Value
	next int
}

func (f *formatter) arg() Value {
	if f.next >= len(f.args) {
		f.in.raise("ArgumentError", "too few arguments")
	}
	f.next++
	return f.args[f.next-1]
}

func (f *formatter) named(name string) Value {
	h, ok := Value(nil), false
	if len(f.args) == 1 {
		h = f.args[0]
	}
	hash, isHash := h.(*Hash)
	if !isHash {
		f.in.raise("ArgumentError", "one hash required")
	}
	v, ok := hash.Get(Symbol(name))
	if !ok {
		f.in.raise("KeyError", "key<%s> not found", name)
	}
	return v
}

// sprintf is format.
func (in *Interp) sprintf(format string, args []Value) string {
	f := &formatter{in: in, args: args}
	var b strings.Builder
	for format != "" {
		text, rest, found := strings.Cut(format, "%")
		b.WriteString(text)
		if !found {
			break
		}
		format = rest
		d := directive{width: -1, prec: -1}
		var val Value
		hasVal := false
	read:
		for {
			if format == "" {
				in.raise("ArgumentError", "incomplete format specifier; use %%%% (double %%) instead")
			}
			d.verb, format = format[0], format[1:]
			switch ch := d.verb; {
			case strings.IndexByte("-+ 0#", ch) >= 0:
				d.flags += string(ch)
			case ch == '*':
				d.width = in.argInt(f.arg())
			case isDigit(ch):
				d.width, format = number(string(ch) + format)
			case ch == '.':
				d.prec, format = number(format)
			case ch == '$':
				in.unsupported("a numbered argument in a format")
			case ch == '<' || ch == '{':
				name, tail, _ := strings.Cut(format, map[byte]string{'<': ">", '{': "}"}[ch])
				val, hasVal, format = f.named(name), true, tail
				if ch == '{' {
					d.verb = 's'
					break read
				}
			default:
				break read
			}
		}
		if d.width > in.limits.Memory || d.prec > in.limits.Memory {
			in.alloc(in.limits.Memory + 1)
		}
		in.alloc(d.width + d.prec + 32)
		if d.verb == '%' {
			b.WriteByte('%')
			continue
		}
		if !hasVal {
			val = f.arg()
		}
		b.WriteString(in.formatValue(d, val))
	}
	return b.String()
}

// number reads digits at the start of a text.
func number(s string) (int, string) {
	rest := strings.TrimLeft(s, "0123456789")
	n, _ := strconv.Atoi(s[:len(s)-len(rest)])
	return n, rest
}

func (in *Interp) formatValue(d directive, v Value) string {
	switch d.verb {
	case 's', 'p':
		s := ""
		if d.verb == 's' {
			s = in.toS(v)
		} else {
			s = in.inspect(v)
		}
		if d.prec >= 0 {
			s = truncRunes(s, d.prec)
		}
		return d.pad(s)
	case 'c':
		if s, ok := v.(*String); ok {
			return d.pad(truncRunes(s.s, 1))
		}
		return d.pad(string(rune(in.argInt(v))))
	case 'd', 'i', 'u', 'x', 'X', 'o', 'b', 'B':
		return in.formatInt(d, in.send(in.main, "Integer", in.floored(v)).(int))
	case 'f', 'e', 'E', 'g', 'G':
		x := in.send(in.main, "Float", v).(float64)
		if math.IsInf(x, 0) || math.IsNaN(x) {
			d.flags = strings.ReplaceAll(d.flags, "0", "")
			return d.number(x < 0, "", strings.TrimSuffix(strings.TrimPrefix(formatFloat(x), "-"), "inity"))
		}
		prec := d.prec
		if prec < 0 {
			prec = 6
		}
		s := strconv.FormatFloat(math.Abs(x), d.verb, prec, 64)
		if d.verb|0x20 == 'g' {
			in.unsupported("the format %g")
		}
		return d.number(math.Signbit(x), "", s)
	}
	in.raise("ArgumentError", "malformed format string - %%%c", d.verb)
	return ""
}

// floored makes the integer that %d shows of a float.
func (in *Interp) floored(v Value) Value {
	if f, ok := v.(float64); ok {
		return math.Floor(f)
	}
	return v
}

func (in *Interp) formatInt(d directive, n int) string {
	base, prefix := 10, ""
	switch d.verb {
	case 'x', 'X':
		base, prefix = 16, "0"+string(d.verb)
	case 'o':
		base, prefix = 8, "0"
	case 'b', 'B':
		base, prefix = 2, "0"+string(d.verb)
	}
	if !d.has("#") || n == 0 {
		prefix = ""
	}
	if n < 0 && base != 10 && !d.has("+") && !d.has(" ") {
		in.unsupported("the two's complement of a negative number in a format")
	}
	digits := strings.TrimPrefix(strconv.FormatInt(int64(n), base), "-")
	if d.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	if d.prec > len(digits) {
		digits = strings.Repeat("0", d.prec-len(digits)) + digits
	}
	return d.number(n < 0, prefix, digits)
}
