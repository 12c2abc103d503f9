package ruby

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// numberMethods are those of Integer and Float.
func numberMethods() []builtin {
	return []builtin{
		{"+ - * / % ** modulo", 1, 1, func(in *Interp, c *call) Value { return in.arith(c.name, c.self, c.args[0]) }},
		{"== ===", 1, 1, objectCaseEqual},
		{"< <= > >=", 1, 1, compareOperator},
		{"-@", 0, 0, func(in *Interp, c *call) Value { return in.negate(c.self) }},
		{"+@", 0, 0, self},
		{"abs", 0, 0, numberAbs},
		{"to_i to_int truncate", 0, 0, numberToI},
		{"to_f", 0, 0, numberToF},
		{"floor ceil", 0, 0, numberRound},
		{"round", 0, -1, numberRound},
		{"fdiv", 1, 1, func(in *Interp, c *call) Value { return in.arith("/", numberToF(in, c), c.args[0]) }},
	}
}

func integerMethods() []builtin {
	return []builtin{
		{"to_s inspect", 0, 1, integerToS},
		{"times", 0, 0, orEnum(integerTimes)},
		{"ord", 0, 0, self},
	}
}

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

// arith computes with numbers; another operand is asked to coerce.
func (in *Interp) arith(op string, a, b Value) Value {
	x, xInt := a.(int)
	y, yInt := b.(int)
	if xInt && yInt {
		return in.intArith(op, x, y)
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
	switch op {
	case "+", "-":
		r := x + y
		if op == "-" {
			r = x - y
		}
		if (r > x) != ((y > 0) == (op == "+")) && y != 0 {
			in.tooBig()
		}
		return r
	case "*":
		return in.multiply(x, y)
	case "**":
		return in.power(x, y)
	}
	if y == 0 {
		in.raise("ZeroDivisionError", "divided by 0")
	}
	q, r := x/y, x%y
	if r != 0 && (r < 0) != (y < 0) {
		q, r = q-1, r+y
	}
	if op == "/" {
		return q
	}
	return r
}

func (in *Interp) power(x, y int) Value {
	if y < 0 {
		in.unsupported("a rational number (a negative power of an integer)")
	}
	if y > 64 && (x < -1 || x > 1) {
		in.tooBig()
	}
	if x >= -1 && x <= 1 && y > 0 {
		y = 2 - y%2
	}
	r := 1
	for ; y > 0; y-- {
		r = in.multiply(r, x)
	}
	return r
}

func (in *Interp) multiply(x, y int) int {
	abs := func(n int) uint64 { return uint64(max(n, -n)) }
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

func (in *Interp) negate(v Value) Value {
	if f, ok := v.(float64); ok {
		return -f
	}
	return in.intArith("-", 0, v.(int))
}

func numberAbs(in *Interp, c *call) Value {
	if f, _ := asFloat(c.self); f < 0 || math.Signbit(f) {
		return in.negate(c.self)
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

// numberRound is floor, ceil and round, the last with a number of digits.
func numberRound(in *Interp, c *call) Value {
	digits := 0
	if len(c.args) > 0 {
		if c.kwargs() != nil || len(c.args) > 1 {
			in.unsupported("an option of round")
		}
		digits = in.argInt(c.args[0])
	}
	f, isFloat := c.self.(float64)
	switch {
	case digits < 0:
		in.unsupported("rounding to tens (a negative number of digits)")
	case !isFloat || digits >= 15 || digits > 0 && (math.IsInf(f, 0) || math.IsNaN(f)):
		return c.self
	case digits > 0:
		return roundDecimal(f, digits)
	case c.name == "floor":
		f = math.Floor(f)
	case c.name == "ceil":
		f = math.Ceil(f)
	default:
		f = math.Round(f)
	}
	return in.floatToInt(f)
}

// roundDecimal rounds at a decimal digit, as Ruby computes it.
func roundDecimal(f float64, digits int) float64 {
	unit := math.Pow(10, float64(digits))
	n := math.Round(f * unit)
	if f > 0 && (n+0.5)/unit <= f {
		n++
	} else if f < 0 && (n-0.5)/unit >= f {
		n--
	}
	return n / unit
}

// radix reads the base of a number in text; without an argument it is 10.
func (in *Interp) radix(c *call) int {
	base := in.optInt(c, 0, 10)
	if base < 2 || base > 36 {
		in.raise("ArgumentError", "invalid radix %d", base)
	}
	return base
}

func integerToS(in *Interp, c *call) Value {
	return in.str(strconv.FormatInt(int64(c.self.(int)), in.radix(c)))
}

func integerTimes(in *Interp, c *call) Value {
	for i := 0; i < c.self.(int); i++ {
		in.yield(c.blk, i)
	}
	return c.self
}

// Formats.

// directive is one %… of a format.
type directive struct {
	flags       string
	width, prec int // prec is -1 when it is not given
	verb        byte
}

func (d directive) has(flag string) bool { return strings.Contains(d.flags, flag) }

// pad fills a text up to the width.
func (d directive) pad(s string) string {
	fill := strings.Repeat(" ", max(0, d.width-runeCount(s)))
	if d.has("-") {
		return s + fill
	}
	return fill + s
}

// number adds sign and zeros to the digits of a number.
func (d directive) number(negative bool, digits string) string {
	sign := ""
	switch {
	case negative:
		sign = "-"
	case d.has("+"):
		sign = "+"
	case d.has(" "):
		sign = " "
	}
	if n := d.width - len(sign) - len(digits); d.has("0") && !d.has("-") && n > 0 {
		digits = strings.Repeat("0", n) + digits
	}
	return d.pad(sign + digits)
}

// formatter is the state of one sprintf.
type formatter struct {
	in     *Interp
	format string // what is still to be read
	args   []Value
	next   int
}

func (f *formatter) arg() Value {
	if f.next >= len(f.args) {
		f.in.raise("ArgumentError", "too few arguments")
	}
	f.next++
	return f.args[f.next-1]
}

// named is the value of %<name> or %{name}, whose bracket has been read.
func (f *formatter) named(closing string) Value {
	name, rest, _ := strings.Cut(f.format, closing)
	f.format = rest
	h, isHash := (*Hash)(nil), false
	if len(f.args) == 1 {
		h, isHash = f.args[0].(*Hash)
	}
	if !isHash {
		f.in.raise("ArgumentError", "one hash required")
	}
	v, ok := h.Get(Symbol(name))
	if !ok {
		f.in.raise("KeyError", "key<%s> not found", name)
	}
	return v
}

// number reads digits.
func (f *formatter) number() int {
	rest := strings.TrimLeft(f.format, "0123456789")
	n, _ := strconv.Atoi(f.format[:len(f.format)-len(rest)])
	f.format = rest
	f.in.alloc(n)
	return n
}

// sprintf is format.
func (in *Interp) sprintf(format string, args []Value) string {
	f := &formatter{in: in, format: format, args: args}
	var b strings.Builder
	for {
		text, rest, found := strings.Cut(f.format, "%")
		b.WriteString(text)
		if !found {
			return b.String()
		}
		f.format = rest
		b.WriteString(f.directive())
	}
}

// directive reads and fills one directive, whose % has been read.
func (f *formatter) directive() string {
	d := directive{prec: -1}
	read := f.arg
	for f.format != "" {
		d.verb, f.format = f.format[0], f.format[1:]
		switch ch := d.verb; {
		case strings.IndexByte("-+ 0", ch) >= 0:
			d.flags += string(ch)
		case isDigit(ch):
			f.format = string(ch) + f.format
			d.width = f.number()
		case ch == '.':
			d.prec = f.number()
		case strings.IndexByte("*$#", ch) >= 0:
			f.in.unsupported("the flag " + string(ch) + " in a format")
		case ch == '<':
			v := f.named(">")
			read = func() Value { return v }
		case ch == '{':
			d.verb = 's'
			return f.in.formatValue(d, f.named("}"))
		case ch == '%':
			return "%"
		default:
			return f.in.formatValue(d, read())
		}
	}
	f.in.raise("ArgumentError", "incomplete format specifier; use %%%% (double %%) instead")
	return ""
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
		if off := byteOffset(s, d.prec); off >= 0 {
			s = s[:off]
		}
		return d.pad(s)
	case 'd', 'i', 'u', 'x', 'X', 'o', 'b':
		if f, ok := v.(float64); ok {
			v = math.Floor(f)
		}
		return in.formatInt(d, in.send(in.main, "Integer", v).(int))
	case 'f':
		x := in.send(in.main, "Float", v).(float64)
		if math.IsInf(x, 0) || math.IsNaN(x) {
			in.unsupported("a format of infinity")
		}
		if d.prec < 0 {
			d.prec = 6
		}
		return d.number(math.Signbit(x), strconv.FormatFloat(math.Abs(x), 'f', d.prec, 64))
	case 'c', 'e', 'E', 'g', 'G', 'a', 'A', 'B':
		in.unsupported("the format %" + string(d.verb))
	}
	in.raise("ArgumentError", "malformed format string - %%%c", d.verb)
	return ""
}

func (in *Interp) formatInt(d directive, n int) string {
	base := 10
	switch d.verb {
	case 'x', 'X':
		base = 16
	case 'o':
		base = 8
	case 'b':
		base = 2
	}
	if d.prec >= 0 || n < 0 && base != 10 {
		in.unsupported("a precision, or a base for a negative number, in a format")
	}
	digits := strings.TrimPrefix(strconv.FormatInt(int64(n), base), "-")
	if d.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	return d.number(n < 0, digits)
}
