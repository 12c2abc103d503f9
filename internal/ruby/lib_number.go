package ruby

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/text"
)

// numberMethods are those of Integer and Float.
func numberMethods() []builtin {
	return []builtin{
		{"+ - * / % modulo", 1, 1, func(in *Interp, c *call) Value { return in.arith(c.name, c.self, c.args[0]) }},
		{"== ===", 1, 1, objectCaseEqual},
		{"< <= > >=", 1, 1, compareOperator},
		{"-@", 0, 0, func(in *Interp, c *call) Value { return in.negate(c.self) }},
		{"+@", 0, 0, self},
		{"to_i to_int truncate", 0, 0, numberToI},
		{"to_f", 0, 0, numberToF},
		{"floor ceil", 0, 0, numberRound},
		{"round", 0, 1, numberRound},
	}
}

func integerMethods() []builtin {
	return []builtin{
		{"to_s inspect", 0, 0, func(in *Interp, c *call) Value { return in.str(plainString(c.self)) }},
		{"ord", 0, 0, self},
	}
}

func (in *Interp) tooBig() { in.unsupported("an integer of more than 64 bits") }

func (in *Interp) floatToInt(f float64) int {
	if !(math.Abs(f) < math.MaxInt64) {
		in.tooBig()
	}
	return int(f)
}

// arith computes with numbers.
func (in *Interp) arith(op string, a, b Value) Value {
	x, xInt := a.(int)
	y, yInt := b.(int)
	if xInt && yInt {
		return in.intArith(op, x, y)
	}
	f, _ := asFloat(a)
	g, ok := asFloat(b)
	if !ok {
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
	}
	in.raiseIf(y == 0, "ZeroDivisionError", "divided by 0")
	q, r := x/y, x%y
	if r != 0 && (r < 0) != (y < 0) {
		q, r = q-1, r+y
	}
	if op == "/" {
		return q
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
	r := in.mustCompare(c.self, c.args[0])
	return map[string]bool{"<": r < 0, "<=": r <= 0, ">": r > 0, ">=": r >= 0}[c.name]
}

func (in *Interp) negate(v Value) Value {
	if f, ok := v.(float64); ok {
		return -f
	}
	return in.intArith("-", 0, v.(int))
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
	in.unsupportedIf(c.kw, "an option of round")
	digits := in.optInt(c, 0, 0)
	f, isFloat := c.self.(float64)
	switch {
	case digits < 0:
		in.unsupported("rounding to tens (a negative number of digits)")
	case !isFloat || digits >= 15 || digits > 0 && (math.IsInf(f, 0) || math.IsNaN(f)):
		return c.self
	case digits > 0:
		return roundDecimal(f, digits)
	}
	round := map[string]func(float64) float64{"floor": math.Floor, "ceil": math.Ceil, "round": math.Round}[c.name]
	return in.floatToInt(round(f))
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

// Formats.

// formatSyntax is a directive of a format: its name, flags, width, precision and
// letter; or %{name}; or another %, which is refused.
var formatSyntax = text.Lazy(`%(?:<(\w+)>)?([-+ 0]*)(\d{0,4}(?:\.\d{1,4})?)([a-zA-Z%])|%\{(\w+)\}|%`)

// sprintf is format. The directives are those of Go's, but for details of %s.
func (in *Interp) sprintf(format string, args []Value) string {
	re := formatSyntax()
	arg := func(name string) Value {
		if name == "" {
			in.raiseIf(len(args) == 0, "ArgumentError", "too few arguments")
			v := args[0]
			args = args[1:]
			return v
		}
		in.raiseIf(len(args) != 1, "ArgumentError", "one hash required")
		v, ok := in.argHash(args[0]).Get(Symbol(name))
		in.raiseIf(!ok, "KeyError", "key<%s> not found", name)
		return v
	}
	return re.ReplaceAllStringFunc(format, func(d string) string {
		m := re.FindStringSubmatch(d)
		name, flags, size, verb := m[1], m[2], m[3], m[4]
		in.alloc(1000)
		switch verb {
		case "":
			if m[5] != "" {
				return in.toS(arg(m[5]))
			}
		case "%":
			return "%"
		case "s", "p":
			text := in.toS
			if verb == "p" {
				text = in.inspect
			}
			if strings.Contains(flags, "-") {
				size = "-" + size
			}
			return fmt.Sprintf("%"+size+"s", text(arg(name)))
		case "d", "i", "u", "x", "X", "o", "b":
			v := arg(name)
			if f, ok := v.(float64); ok {
				v = math.Floor(f)
			}
			n := in.send(in.main, "Integer", v).(int)
			verb = map[string]string{"i": "d", "u": "d"}[verb] + verb
			if n >= 0 || verb[0] == 'd' {
				return fmt.Sprintf("%"+flags+size+verb[:1], n)
			}
		case "f", "e":
			f := in.send(in.main, "Float", arg(name)).(float64)
			if !math.IsInf(f, 0) && !math.IsNaN(f) {
				return fmt.Sprintf("%"+flags+size+verb, f)
			}
		}
		in.unsupported("the directive " + strconv.Quote(d) + " in a format, or its argument,")
		return ""
	})
}
