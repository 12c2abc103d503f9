package ruby

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

func defNumeric(l *library) {
	n := l.class("Numeric", "Object", "Comparable")
	i := l.class("Integer", "Numeric")
	f := l.class("Float", "Numeric")

	for _, s := range []*classSpec{i, f} {
		for _, op := range []string{"+", "-", "*", "/", "%", "**"} {
			op := op
			s.def(op, 1, 1, func(in *Interp, c *call) Value { return in.arith(op, c.self, c.args[0]) })
		}
		s.def("modulo", 1, 1, func(in *Interp, c *call) Value { return in.arith("%", c.self, c.args[0]) })
		s.def("pow", 1, 2, func(in *Interp, c *call) Value {
			if len(c.args) == 2 {
				return in.powMod(c)
			}
			return in.arith("**", c.self, c.args[0])
		})
		s.def("==  ===", 1, 1, func(in *Interp, c *call) Value { return in.equal(c.self, c.args[0]) })
		s.def("<=>", 1, 1, func(in *Interp, c *call) Value {
			if r, ok := compareNum(c.self, c.args[0]); ok {
				return r
			}
			return nil
		})
		rel := func(name string, ok func(int) bool) {
			s.def(name, 1, 1, func(in *Interp, c *call) Value {
				r, found := compareNum(c.self, c.args[0])
				if !found {
					switch c.args[0].(type) {
					case float64, int, *big.Int:
						return false // NaN
					}
					in.raise("ArgumentError", "comparison of %s with %s failed", in.classOf(c.self).name, in.cmpName(c.args[0]))
				}
				return ok(r)
			})
		}
		rel("<", func(i int) bool { return i < 0 })
		rel("<=", func(i int) bool { return i <= 0 })
		rel(">", func(i int) bool { return i > 0 })
		rel(">=", func(i int) bool { return i >= 0 })
		s.def("-@", 0, 0, func(in *Interp, c *call) Value { return negate(c.self) })
		s.def("coerce", 1, 1, func(in *Interp, c *call) Value {
			if _, ok := c.self.(float64); !ok {
				switch c.args[0].(type) {
				case int, *big.Int:
					return in.arr([]Value{c.args[0], c.self})
				}
			}
			return in.arr([]Value{in.floatArg(c.args[0]), in.toFloat(c.self)})
		})
		s.def("abs magnitude", 0, 0, func(in *Interp, c *call) Value {
			if r, _ := compareNum(c.self, 0); r < 0 {
				return negate(c.self)
			}
			if f, ok := c.self.(float64); ok {
				return math.Abs(f)
			}
			return c.self
		})
		s.def("divmod", 1, 1, func(in *Interp, c *call) Value {
			if f, ok := c.self.(float64); ok {
				return in.floatDivmod(f, in.floatArg(c.args[0]))
			}
			if g, ok := c.args[0].(float64); ok {
				return in.floatDivmod(in.toFloat(c.self), g)
			}
			return in.arr([]Value{in.arith("/", c.self, c.args[0]), in.arith("%", c.self, c.args[0])})
		})
		s.def("div", 1, 1, func(in *Interp, c *call) Value {
			if r, ok := compareNum(c.args[0], 0); !ok {
				in.arith("+", c.self, c.args[0]) // the error for what is no number
			} else if r == 0 {
				in.arith("%", 1, 0)
			}
			_, af := c.self.(float64)
			_, bf := c.args[0].(float64)
			if !af && !bf {
				return in.arith("/", c.self, c.args[0])
			}
			return in.floatToInt(math.Floor(in.toFloat(c.self) / in.floatArg(c.args[0])))
		})
		s.def("fdiv quo", 1, 1, func(in *Interp, c *call) Value {
			if c.name == "quo" {
				if _, ok := c.self.(float64); !ok {
					in.unsupported("Integer#quo (rational numbers)")
				}
			}
			return in.toFloat(c.self) / in.floatArg(c.args[0])
		})
		s.def("remainder", 1, 1, func(in *Interp, c *call) Value {
			a, aok := c.self.(int)
			b, bok := c.args[0].(int)
			if aok && bok {
				if b == 0 {
					in.raise("ZeroDivisionError", "divided by 0")
				}
				if b == -1 {
					return 0
				}
				return a % b
			}
			if af, ok := c.self.(float64); ok {
				return math.Mod(af, in.floatArg(c.args[0]))
			}
			if bf, ok := c.args[0].(float64); ok {
				return math.Mod(in.toFloat(c.self), bf)
			}
			if r, _ := compareNum(c.args[0], 0); r == 0 {
				in.raise("ZeroDivisionError", "divided by 0")
			}
			return normBig(new(big.Int).Rem(toBig(c.self), in.bigArg(c.args[0])))
		})
		s.def("to_i to_int", 0, 0, func(in *Interp, c *call) Value {
			if f, ok := c.self.(float64); ok {
				return in.floatToInt(f)
			}
			return c.self
		})
		s.def("truncate", 0, 1, func(in *Interp, c *call) Value {
			if f, ok := c.self.(float64); ok {
				if len(c.args) == 1 {
					return in.roundDigits(c.self, in.argInt(c.args[0]), math.Trunc, "truncate", "")
				}
				return in.floatToInt(f)
			}
			if len(c.args) == 1 {
				return in.roundInt(c.self, in.argInt(c.args[0]), "truncate", "")
			}
			return c.self
		})
		s.def("to_f", 0, 0, func(in *Interp, c *call) Value { return in.toFloat(c.self) })
		s.def("to_c to_r rationalize numerator denominator real imaginary", 0, 1, func(in *Interp, c *call) Value {
			in.unsupported(in.classOf(c.self).name + "#" + c.name)
			return nil
		})
		s.def("floor ceil round", 0, -1, func(in *Interp, c *call) Value { return in.rounding(c) })
		s.def("hash", 0, 0, func(in *Interp, c *call) Value { return hashNumber(keyOf(c.self)) })
	}

	n.def("integer?", 0, 0, func(in *Interp, c *call) Value { _, f := c.self.(float64); return !f })
	n.def("zero?", 0, 0, func(in *Interp, c *call) Value { r, ok := compareNum(c.self, 0); return ok && r == 0 })
	n.def("nonzero?", 0, 0, func(in *Interp, c *call) Value {
		if r, ok := compareNum(c.self, 0); ok && r == 0 {
			return nil
		}
		return c.self
	})
	n.def("positive?", 0, 0, func(in *Interp, c *call) Value { r, ok := compareNum(c.self, 0); return ok && r > 0 })
	n.def("negative?", 0, 0, func(in *Interp, c *call) Value { r, ok := compareNum(c.self, 0); return ok && r < 0 })
	n.def("+@", 0, 0, func(in *Interp, c *call) Value { return c.self })
	n.def("real?", 0, 0, func(in *Interp, c *call) Value { return true })
	n.def("finite?", 0, 0, func(in *Interp, c *call) Value {
		f, ok := c.self.(float64)
		return !ok || !math.IsInf(f, 0) && !math.IsNaN(f)
	})
	n.def("infinite?", 0, 0, func(in *Interp, c *call) Value {
		if f, ok := c.self.(float64); ok && math.IsInf(f, 0) {
			if f > 0 {
				return 1
			}
			return -1
		}
		return nil
	})
	n.def("step", 0, -1, func(in *Interp, c *call) Value { return in.numStep(c) })
	f.def("nan?", 0, 0, func(in *Interp, c *call) Value { return math.IsNaN(c.self.(float64)) })
	f.def("next_float", 0, 0, func(in *Interp, c *call) Value { return math.Nextafter(c.self.(float64), math.Inf(1)) })
	f.def("prev_float", 0, 0, func(in *Interp, c *call) Value { return math.Nextafter(c.self.(float64), math.Inf(-1)) })
	f.def("to_s inspect", 0, 0, func(in *Interp, c *call) Value { return in.str(formatFloat(c.self.(float64))) })

	i.def("to_s inspect", 0, 1, func(in *Interp, c *call) Value {
		base := 10
		if len(c.args) == 1 {
			base = in.argInt(c.args[0])
			if base < 2 || base > 36 {
				in.raise("ArgumentError", "invalid radix %d", base)
			}
		}
		switch x := c.self.(type) {
		case int:
			return in.str(strconv.FormatInt(int64(x), base))
		case *big.Int:
			return in.str(in.bigString(x, base))
		}
		return nil
	})
	i.def("times", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		n, ok := c.self.(int)
		if !ok {
			n = math.MaxInt
		}
		for k := 0; k < n; k++ {
			in.yield(c.blk, k)
		}
		return c.self
	})
	i.def("upto downto", 1, 1, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		k, ok := c.self.(int)
		if !ok {
			in.unsupported("upto and downto of very large numbers")
		}
		if _, ok := compareNum(c.self, c.args[0]); !ok {
			in.raise("ArgumentError", "comparison of Integer with %s failed", in.cmpName(c.args[0]))
		}
		for {
			r, _ := compareNum(k, c.args[0])
			if c.name == "upto" && r > 0 || c.name == "downto" && r < 0 {
				return c.self
			}
			in.yield(c.blk, k)
			if c.name == "upto" {
				k++
			} else {
				k--
			}
		}
	})
	i.def("succ next", 0, 0, func(in *Interp, c *call) Value { return in.arith("+", c.self, 1) })
	i.def("pred", 0, 0, func(in *Interp, c *call) Value { return in.arith("-", c.self, 1) })
	i.def("even?", 0, 0, func(in *Interp, c *call) Value { return toBig(c.self).Bit(0) == 0 })
	i.def("odd?", 0, 0, func(in *Interp, c *call) Value { return toBig(c.self).Bit(0) == 1 })
	i.def("chr", 0, 1, func(in *Interp, c *call) Value {
		k, ok := c.self.(int)
		if len(c.args) > 0 {
			if _, enc := c.args[0].(*Object); !enc {
				in.argString(c.args[0])
			}
		}
		if !ok || k < 0 || k > 0x10ffff {
			in.raise("RangeError", "%s out of char range", in.toS(c.self))
		}
		if k < 0x80 {
			s := in.str(string(rune(k)))
			s.binary = k < 0x20 || k == 0x7f
			return s
		}
		if len(c.args) == 0 {
			if k > 255 {
				in.raise("RangeError", "%d out of char range", k)
			}
			s := in.str(string([]byte{byte(k)}))
			s.binary = true
			return s
		}
		return in.str(string(rune(k)))
	})
	i.def("ord", 0, 0, func(in *Interp, c *call) Value { return c.self })
	i.def("size", 0, 0, func(in *Interp, c *call) Value {
		if b, ok := c.self.(*big.Int); ok {
			return (b.BitLen() + 7) / 8
		}
		return 8
	})
	i.def("bit_length", 0, 0, func(in *Interp, c *call) Value {
		b := toBig(c.self)
		if b.Sign() < 0 {
			return new(big.Int).Not(b).BitLen()
		}
		return b.BitLen()
	})
	i.def("digits", 0, 1, func(in *Interp, c *call) Value {
		base := 10
		if len(c.args) > 0 {
			base = in.argInt(c.args[0])
		}
		if base < 2 {
			in.raise("ArgumentError", "invalid radix %d", base)
		}
		b := toBig(c.self)
		if b.Sign() < 0 {
			in.raise("Math::DomainError", "out of domain")
		}
		if b.Sign() == 0 {
			return in.arr([]Value{0})
		}
		var out []Value
		b = new(big.Int).Set(b)
		m := new(big.Int)
		for b.Sign() > 0 {
			in.step(1 + b.BitLen()/1000)
			in.alloc(24)
			b.DivMod(b, big.NewInt(int64(base)), m)
			out = append(out, normBig(new(big.Int).Set(m)))
		}
		return in.arr(out)
	})
	i.def("gcd lcm", 1, 1, func(in *Interp, c *call) Value {
		if _, ok := c.args[0].(float64); ok {
			in.raise("TypeError", "not an integer")
		}
		a, b := new(big.Int).Abs(toBig(c.self)), new(big.Int).Abs(in.bigArg(c.args[0]))
		in.step(a.BitLen() + b.BitLen())
		g := new(big.Int).GCD(nil, nil, a, b)
		if c.name == "gcd" {
			return normBig(g)
		}
		if g.Sign() == 0 {
			return 0
		}
		return normBig(new(big.Int).Mul(new(big.Int).Div(a, g), b))
	})
	bit := func(op string, small func(a, b int) int, large func(z, a, b *big.Int) *big.Int) {
		i.def(op, 1, 1, func(in *Interp, c *call) Value {
			a, ok := c.self.(int)
			b, ok2 := c.args[0].(int)
			if ok && ok2 {
				return small(a, b)
			}
			switch c.args[0].(type) {
			case int, *big.Int:
			default:
				in.raise("TypeError", "%s can't be coerced into Integer", in.coerceName(c.args[0]))
			}
			in.alloc(toBig(c.self).BitLen() / 8)
			return normBig(large(new(big.Int), toBig(c.self), toBig(c.args[0])))
		})
	}
	bit("&", func(a, b int) int { return a & b }, (*big.Int).And)
	bit("|", func(a, b int) int { return a | b }, (*big.Int).Or)
	bit("^", func(a, b int) int { return a ^ b }, (*big.Int).Xor)
	i.def("~", 0, 0, func(in *Interp, c *call) Value {
		if a, ok := c.self.(int); ok {
			return ^a
		}
		return normBig(new(big.Int).Not(toBig(c.self)))
	})
	i.def("<<  >>", 1, 1, func(in *Interp, c *call) Value {
		b := toBig(c.self)
		if n, ok := c.args[0].(*big.Int); ok {
			if (n.Sign() > 0) == (c.name == "<<") && b.Sign() != 0 {
				in.limit("a shift would make too large a number")
			}
			if b.Sign() < 0 {
				return -1
			}
			return 0
		}
		k := in.argInt(c.args[0])
		if c.name == ">>" {
			k = -k
		}
		if k >= 0 {
			if k > 1<<24 {
				in.limit("a shift would make too large a number")
			}
			in.alloc(k / 8)
			return normBig(new(big.Int).Lsh(b, uint(k)))
		}
		if -k > 1<<30 {
			k = -(1 << 30)
		}
		return normBig(new(big.Int).Rsh(b, uint(-k)))
	})
	i.def("[]", 1, 2, func(in *Interp, c *call) Value {
		if len(c.args) == 2 {
			in.unsupported("Integer#[] with a length")
		}
		k, ok := c.args[0].(int)
		if _, big := c.args[0].(*big.Int); !ok && !big {
			k, ok = in.argInt(c.args[0]), true
		}
		if !ok || k < 0 {
			return 0
		}
		b := toBig(c.self)
		if k > b.BitLen()+1 {
			k = b.BitLen() + 1
		}
		if b.Sign() < 0 {
			return 1 - int(new(big.Int).Not(b).Bit(k))
		}
		return int(b.Bit(k))
	})
	i.def("allbits?", 1, 1, func(in *Interp, c *call) Value {
		m := in.argInt(c.args[0])
		a, _ := c.self.(int)
		return a&m == m
	})
	i.def("anybits?", 1, 1, func(in *Interp, c *call) Value { a, _ := c.self.(int); return a&in.argInt(c.args[0]) != 0 })
	i.def("nobits?", 1, 1, func(in *Interp, c *call) Value { a, _ := c.self.(int); return a&in.argInt(c.args[0]) == 0 })
	i.sdef("sqrt", 1, 1, func(in *Interp, c *call) Value {
		b := in.bigArg(c.args[0])
		if b.Sign() < 0 {
			in.raise("Math::DomainError", "Numerical argument is out of domain - \"isqrt\"")
		}
		in.step(b.BitLen())
		return normBig(new(big.Int).Sqrt(b))
	})

	m := l.module("Math")
	l.class("Math::DomainError", "ArgumentError")
	one := func(name string, fn func(float64) float64, ok func(float64) bool) {
		m.sdef(name, 1, 1, func(in *Interp, c *call) Value {
			x := in.floatArg(c.args[0])
			if ok != nil && !ok(x) {
				in.raise("Math::DomainError", "Numerical argument is out of domain - %q", name)
			}
			return fn(x)
		})
	}
	one("sqrt", math.Sqrt, func(x float64) bool { return !(x < 0) })
	one("cbrt", math.Cbrt, nil)
	one("sin", math.Sin, nil)
	one("cos", math.Cos, nil)
	one("tan", math.Tan, nil)
	one("atan", math.Atan, nil)
	one("exp", math.Exp, nil)
	one("log2", math.Log2, func(x float64) bool { return !(x < 0) })
	one("log10", math.Log10, func(x float64) bool { return !(x < 0) })
	m.sdef("log", 1, 2, func(in *Interp, c *call) Value {
		x := in.floatArg(c.args[0])
		if x < 0 {
			in.raise("Math::DomainError", "Numerical argument is out of domain - \"log\"")
		}
		if len(c.args) == 2 {
			return math.Log(x) / math.Log(in.floatArg(c.args[1]))
		}
		return math.Log(x)
	})
	m.sdef("pow", 2, 2, func(in *Interp, c *call) Value { return math.Pow(in.floatArg(c.args[0]), in.floatArg(c.args[1])) })
	m.sdef("hypot", 2, 2, func(in *Interp, c *call) Value { return math.Hypot(in.floatArg(c.args[0]), in.floatArg(c.args[1])) })
	m.sdef("atan2", 2, 2, func(in *Interp, c *call) Value { return math.Atan2(in.floatArg(c.args[0]), in.floatArg(c.args[1])) })
}

func toBig(v Value) *big.Int {
	switch x := v.(type) {
	case int:
		return big.NewInt(int64(x))
	case *big.Int:
		return x
	}
	return new(big.Int)
}

func (in *Interp) bigArg(v Value) *big.Int {
	if b, ok := v.(*big.Int); ok {
		return b
	}
	switch v.(type) {
	case int:
		return toBig(v)
	case float64:
		return toBig(in.floatToInt(v.(float64)))
	}
	in.raise("TypeError", "not an integer")
	return nil
}

func (in *Interp) coerceName(v Value) string {
	switch v.(type) {
	case nil, bool, float64:
		return in.inspect(v)
	}
	return in.classOf(v).name
}

func (in *Interp) toFloat(v Value) float64 {
	switch x := v.(type) {
	case int:
		return float64(x)
	case float64:
		return x
	case *big.Int:
		f, _ := new(big.Float).SetInt(x).Float64()
		return f
	case *String:
		return parseFloatPrefix(x.s)
	case nil:
		in.raise("TypeError", "can't convert nil into Float")
	}
	if in.respondTo(v, "to_f") {
		if f, ok := in.send(v, "to_f").(float64); ok {
			return f
		}
	}
	in.raise("TypeError", "can't convert %s into Float", in.convName(v))
	return 0
}

// floatArg is toFloat for arguments of arithmetic.
func (in *Interp) floatArg(v Value) float64 {
	switch v.(type) {
	case int, float64, *big.Int:
		return in.toFloat(v)
	case nil:
		in.raise("TypeError", "can't convert nil into Float")
	}
	in.raise("TypeError", "can't convert %s into Float", in.convName(v))
	return 0
}

func (in *Interp) floatToInt(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		in.raise("FloatDomainError", "%s", formatFloat(f))
	}
	if f > -9e18 && f < 9e18 {
		if i := int64(f); int64(int(i)) == i {
			return int(i)
		}
	}
	b, _ := new(big.Float).SetFloat64(math.Trunc(f)).Int(nil)
	return normBig(b)
}

// arith is an arithmetic operator on numbers.
func (in *Interp) arith(op string, a, b Value) Value {
	if x, ok := a.(int); ok {
		if y, ok := b.(int); ok {
			switch op {
			case "+":
				if z := x + y; (z > x) == (y > 0) {
					return z
				}
			case "-":
				if z := x - y; (z < x) == (y > 0) {
					return z
				}
			case "*":
				if x == 0 || y == 0 {
					return 0
				}
				if z := x * y; z/y == x && !(x == -1 && y == math.MinInt) && !(y == -1 && x == math.MinInt) {
					return z
				}
			case "/", "%":
				if y == 0 {
					in.raise("ZeroDivisionError", "divided by 0")
				}
				if y == -1 {
					if op == "%" {
						return 0
					}
					return negate(x)
				}
				q, r := x/y, x%y
				if r != 0 && (r < 0) != (y < 0) {
					q--
					r += y
				}
				if op == "/" {
					return q
				}
				return r
			}
		}
	}
	_, af := a.(float64)
	_, bf := b.(float64)
	switch b.(type) {
	case int, *big.Int, float64:
	default:
		if o, ok := b.(*Object); ok && in.respondTo(o, "coerce") {
			pair := in.argArray(in.send(o, "coerce", a))
			if len(pair.a) == 2 {
				return in.send(pair.a[0], op, pair.a[1])
			}
		}
		in.raise("TypeError", "%s can't be coerced into %s", in.coerceName(b), in.classOf(a).name)
	}
	if af || bf {
		x, y := in.toFloat(a), in.toFloat(b)
		switch op {
		case "+":
			return x + y
		case "-":
			return x - y
		case "*":
			return x * y
		case "/":
			return x / y
		case "%":
			if y == 0 {
				in.raise("ZeroDivisionError", "divided by 0")
			}
			return floatMod(x, y)
		case "**":
			if x < 0 && y != math.Trunc(y) {
				in.unsupported("a complex number")
			}
			return math.Pow(x, y)
		}
	}
	x, y := toBig(a), toBig(b)
	in.alloc((x.BitLen() + y.BitLen()) / 8)
	z := new(big.Int)
	switch op {
	case "+":
		z.Add(x, y)
	case "-":
		z.Sub(x, y)
	case "*":
		in.step(1 + x.BitLen()/64*(y.BitLen()/64)/100)
		z.Mul(x, y)
	case "/", "%":
		if y.Sign() == 0 {
			in.raise("ZeroDivisionError", "divided by 0")
		}
		in.step(1 + x.BitLen()/64*(y.BitLen()/64)/100)
		r := new(big.Int)
		z.QuoRem(x, y, r)
		if r.Sign() != 0 && (r.Sign() < 0) != (y.Sign() < 0) {
			z.Sub(z, big.NewInt(1))
			r.Add(r, y)
		}
		if op == "%" {
			return normBig(r)
		}
	case "**":
		if y.Sign() < 0 {
			if x.Sign() == 0 {
				in.raise("ZeroDivisionError", "divided by 0")
			}
			in.unsupported("a rational number (Integer ** negative)")
		}
		if x.IsInt64() && (x.Int64() == 0 || x.Int64() == 1 || x.Int64() == -1) {
			if x.Int64() == -1 && y.Bit(0) == 0 {
				return 1
			}
			if y.Sign() == 0 {
				return 1
			}
			return normBig(x)
		}
		if !y.IsInt64() || y.Int64() > 1<<22 || int64(x.BitLen())*y.Int64() > 1<<22 {
			in.limit("a power would make too large a number")
		}
		bits := x.BitLen() * int(y.Int64())
		in.alloc(bits / 8)
		in.step(1 + bits/64*(bits/64)/2000)
		z.Exp(x, y, nil)
	}
	return normBig(z)
}

func floatMod(x, y float64) float64 {
	if math.IsInf(y, 0) && !math.IsInf(x, 0) && !math.IsNaN(x) {
		if x == 0 || (x < 0) == (y < 0) {
			return x
		}
		return y
	}
	m := math.Mod(x, y)
	if m != 0 && (m < 0) != (y < 0) {
		m += y
	}
	return m
}

func (in *Interp) floatDivmod(x, y float64) Value {
	if y == 0 {
		in.raise("ZeroDivisionError", "divided by 0")
	}
	m := floatMod(x, y)
	return in.arr([]Value{in.floatToInt(math.Round((x - m) / y)), m})
}

func (in *Interp) powMod(c *call) Value {
	m := in.bigArg(c.args[1])
	if m.Sign() == 0 {
		in.raise("ZeroDivisionError", "divided by 0")
	}
	e := in.bigArg(c.args[0])
	if e.Sign() < 0 {
		in.raise("RangeError", "Integer#pow() 2nd argument cannot be negative when 3rd argument specified")
	}
	if m.BitLen() > 10_000 || e.BitLen() > 10_000 {
		in.limit("a modular power of too large numbers")
	}
	z := new(big.Int).Exp(toBig(c.self), e, m)
	if z.Sign() != 0 && (z.Sign() < 0) != (m.Sign() < 0) {
		z.Add(z, m)
	}
	return normBig(z)
}

func (in *Interp) rounding(c *call) Value {
	half := "up"
	if kw := c.kwargs(); kw != nil {
		if v, ok := kw.Get(Symbol("half")); ok && v != nil {
			half = in.toS(v)
		}
	}
	if len(c.args) > 1 {
		in.argError(len(c.args), 0, 1)
	}
	nd := 0
	if len(c.args) == 1 && c.args[0] != nil {
		nd = in.argInt(c.args[0])
	}
	f, ok := c.self.(float64)
	if !ok {
		if nd >= 0 {
			return c.self
		}
		return in.roundInt(c.self, nd, c.name, half)
	}
	var fn func(float64) float64
	switch c.name {
	case "floor":
		fn = math.Floor
	case "ceil":
		fn = math.Ceil
	default:
		switch half {
		case "up":
			fn = math.Round
		case "even":
			fn = math.RoundToEven
		case "down":
			fn = func(x float64) float64 {
				r := math.Round(x)
				if math.Abs(x-math.Trunc(x)) == 0.5 {
					return math.Trunc(x)
				}
				return r
			}
		default:
			in.raise("ArgumentError", "invalid rounding mode: %s", half)
		}
	}
	if nd == 0 {
		if math.IsNaN(f) || math.IsInf(f, 0) {
			in.raise("FloatDomainError", "%s", formatFloat(f))
		}
		return in.floatToInt(fn(f))
	}
	return in.roundDigits(f, nd, fn, c.name, half)
}

func (in *Interp) roundDigits(v Value, nd int, fn func(float64) float64, mode, half string) Value {
	f := v.(float64)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		if nd > 0 {
			return f
		}
		in.raise("FloatDomainError", "%s", formatFloat(f))
	}
	if nd > 0 {
		// the checks and corrections are those of Ruby's float.c
		_, exp := math.Frexp(f)
		cut := exp/3 - 1
		if exp > 0 {
			cut = exp / 4
		}
		if f == 0 || nd >= 17-cut {
			return f
		}
		if nd > 14 {
			r, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', nd, 64), 64)
			return r
		}
		p := math.Pow(10, float64(nd))
		x := fn(f * p)
		switch mode {
		case "round":
			if half == "up" {
				if f > 0 && (x+0.5)/p <= f {
					x++
				} else if f < 0 && (x-0.5)/p >= f {
					x--
				}
			}
		case "floor":
			if r := (x + 1) / p; r <= f {
				return r
			}
		case "ceil":
			if r := (x - 1) / p; r >= f {
				return r
			}
		}
		return x / p
	}
	if nd < -400 {
		return 0
	}
	if nd == 0 {
		return in.floatToInt(fn(f))
	}
	i := in.floatToInt(fn(f))
	p := math.Pow(10, float64(-nd))
	return in.floatToInt(fn(in.toFloat(i)/p) * p)
}

func (in *Interp) roundInt(v Value, nd int, mode, half string) Value {
	if nd < -10_000 {
		return 0
	}
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-nd)), nil)
	x := toBig(v)
	q, r := new(big.Int).DivMod(x, p, new(big.Int)) // r >= 0
	up := false
	switch mode {
	case "ceil":
		up = r.Sign() > 0
	case "round":
		c := new(big.Int).Lsh(r, 1).Cmp(p)
		up = c > 0
		if c == 0 {
			switch half {
			case "even":
				up = q.Bit(0) == 1
			case "down":
				up = x.Sign() < 0
			default:
				up = x.Sign() >= 0
			}
		}
	case "truncate":
		up = x.Sign() < 0 && r.Sign() > 0
	}
	if up {
		q.Add(q, big.NewInt(1))
	}
	return normBig(q.Mul(q, p))
}

func (in *Interp) numStep(c *call) Value {
	if c.blk == nil {
		return in.enum(c)
	}
	var limit, step Value = nil, 1
	if kw := c.kwargs(); kw != nil {
		if v, ok := kw.Get(Symbol("by")); ok {
			step = v
		}
		if v, ok := kw.Get(Symbol("to")); ok {
			limit = v
		}
	}
	if len(c.args) > 0 {
		limit = c.args[0]
	}
	if len(c.args) > 1 {
		step = c.args[1]
	}
	if r, ok := compareNum(step, 0); !ok || r == 0 {
		in.raise("ArgumentError", "step can't be 0")
	}
	up, _ := compareNum(step, 0)
	_, f1 := c.self.(float64)
	_, f2 := step.(float64)
	_, f3 := limit.(float64)
	if f1 || f2 || f3 {
		in.floatSteps(in.toFloat(c.self), limit, in.toFloat(step), false, func(x Value) { in.yield(c.blk, x) })
		return c.self
	}
	for x := c.self; ; x = in.arith("+", x, step) {
		if limit != nil {
			r, ok := compareNum(x, limit)
			if !ok {
				in.raise("ArgumentError", "comparison of Integer with %s failed", in.cmpName(limit))
			}
			if r*up > 0 {
				return c.self
			}
		}
		in.yield(c.blk, x)
	}
}

func (in *Interp) floatSteps(beg float64, limit Value, step float64, excl bool, fn func(Value)) {
	end := math.Inf(1)
	if step < 0 {
		end = math.Inf(-1)
	}
	if limit != nil {
		end = in.floatArg(limit)
	}
	n := (end - beg) / step
	err := (math.Abs(beg) + math.Abs(end) + math.Abs(end-beg)) / math.Abs(step) * 2.220446049250313e-16
	if math.IsInf(n, 1) {
		for i := 0; ; i++ {
			fn(beg + float64(i)*step)
		}
	}
	if err > 0.5 {
		err = 0.5
	}
	if excl {
		if n <= 0 {
			return
		}
		if n < 1 {
			n = 0
		} else {
			n = math.Floor(n - err)
		}
		if d := float64(n)*step + beg; d < end {
			n++
		}
	} else {
		if n < 0 {
			return
		}
		n = math.Floor(n+err) + 1
	}
	for i := 0; float64(i) < n; i++ {
		d := beg + float64(i)*step
		if !excl && (step > 0 && d > end || step < 0 && d < end) {
			d = end
		}
		fn(d)
	}
}

// sprintf is Kernel#format.
func (in *Interp) sprintf(f string, args []Value) string {
	var b strings.Builder
	next := 0
	var hash *Hash
	arg := func() Value {
		if next >= len(args) {
			in.raise("ArgumentError", "too few arguments")
		}
		v := args[next]
		next++
		return v
	}
	named := func(name string) Value {
		if hash == nil {
			h, ok := Value(nil), false
			if len(args) == 1 {
				h = args[0]
				hash, ok = h.(*Hash)
			}
			if !ok {
				in.raise("ArgumentError", "one hash required")
			}
		}
		v, ok := hash.Get(Symbol(name))
		if !ok {
			if hash.defProc != nil || hash.def != nil {
				return in.hashDefault(hash, Symbol(name))
			}
			e := in.newException("KeyError", "key<"+name+"> not found")
			e.extra = Symbol(name)
			in.throw(e)
		}
		return v
	}
	for i := 0; i < len(f); {
		j := strings.IndexByte(f[i:], '%')
		if j < 0 {
			b.WriteString(f[i:])
			break
		}
		b.WriteString(f[i : i+j])
		i += j + 1
		var minus, plus, zero, space, alt bool
		width, prec := 0, -1
		hasVal := false
		var val Value
	flags:
		for {
			if i >= len(f) {
				in.raise("ArgumentError", "incomplete format specifier; use %%%% (double %%) instead")
			}
			switch c := f[i]; c {
			case '-':
				minus = true
			case '+':
				plus = true
			case '0':
				zero = true
			case ' ':
				space = true
			case '#':
				alt = true
			case '1', '2', '3', '4', '5', '6', '7', '8', '9':
				n := 0
				for i < len(f) && isDigit(f[i]) {
					n = n*10 + int(f[i]-'0')
					if n > 1<<24 {
						in.limit("a format width is too large")
					}
					i++
				}
				if i < len(f) && f[i] == '$' {
					if n > len(args) {
						in.raise("ArgumentError", "too few arguments")
					}
					val, hasVal = args[n-1], true
				} else {
					width = n
					i--
				}
			case '*':
				width = in.argInt(arg())
				if width < 0 {
					minus, width = true, -width
				}
				if width > 1<<24 {
					in.limit("a format width is too large")
				}
			case '.':
				prec = 0
				i++
				if i < len(f) && f[i] == '*' {
					prec = in.argInt(arg())
				} else {
					for i < len(f) && isDigit(f[i]) {
						prec = prec*10 + int(f[i]-'0')
						if prec > 1<<20 {
							in.limit("a format precision is too large")
						}
						i++
					}
					i--
				}
			case '<':
				e := strings.IndexByte(f[i:], '>')
				if e < 0 {
					in.raise("ArgumentError", "malformed name - unmatched parenthesis")
				}
				val, hasVal = named(f[i+1:i+e]), true
				i += e
			default:
				break flags
			}
			i++
		}
		in.alloc(width + 16)
		if width > 0 {
			in.step(width / 64)
		}
		pad := func(s string) {
			n := width - runeCount(s)
			if n <= 0 {
				b.WriteString(s)
			} else if minus {
				b.WriteString(s + strings.Repeat(" ", n))
			} else {
				b.WriteString(strings.Repeat(" ", n) + s)
			}
		}
		get := func() Value {
			if hasVal {
				return val
			}
			return arg()
		}
		verb := f[i]
		i++
		switch verb {
		case '%':
			b.WriteByte('%')
		case '\n', 0:
			b.WriteByte('%')
			b.WriteByte(verb)
		case '{':
			e := strings.IndexByte(f[i:], '}')
			if e < 0 {
				in.raise("ArgumentError", "malformed name - unmatched parenthesis")
			}
			s := in.toS(named(f[i : i+e]))
			i += e + 1
			if prec >= 0 {
				s = truncRunes(s, prec)
			}
			pad(s)
		case 's', 'p':
			v := get()
			var s string
			if verb == 's' {
				s = in.toS(v)
			} else {
				s = in.inspect(v)
			}
			if prec >= 0 {
				s = truncRunes(s, prec)
			}
			in.alloc(len(s))
			pad(s)
		case 'c':
			v := get()
			if n, ok := v.(int); ok {
				pad(string(rune(n)))
			} else {
				pad(truncRunes(in.argString(v), 1))
			}
		case 'd', 'i', 'u', 'x', 'X', 'o', 'b', 'B':
			n := in.formatInt(get())
			base := map[byte]int{'x': 16, 'X': 16, 'o': 8, 'b': 2, 'B': 2}[verb]
			if base == 0 {
				base = 10
			}
			neg := n.Sign() < 0
			s := in.bigString(new(big.Int).Abs(n), base)
			prefix := ""
			if alt && n.Sign() != 0 {
				prefix = map[byte]string{'x': "0x", 'X': "0X", 'o': "0", 'b': "0b", 'B': "0B"}[verb]
			}
			sign := ""
			switch {
			case neg && base != 10 && !plus && !space:
				// two's complement with an endless row of leading digits
				s = twosComplement(n, base)
				if verb == 'X' {
					s = strings.ToUpper(s)
				}
				if prec > len(s) {
					s = strings.Repeat(string(maxDigit(base, verb)), prec-len(s)) + s
				} else if zero && !minus && width > len(s)+len(prefix) {
					s = strings.Repeat(string(maxDigit(base, verb)), width-len(s)-len(prefix)) + s
				} else {
					s = ".." + s
				}
				pad(prefix + s)
				continue
			case neg:
				sign = "-"
			case plus:
				sign = "+"
			case space:
				sign = " "
			}
			if verb == 'X' {
				s = strings.ToUpper(s)
			}
			if prec > len(s) {
				s = strings.Repeat("0", prec-len(s)) + s
			} else if zero && !minus && prec < 0 {
				if n := width - len(s) - len(sign) - len(prefix); n > 0 {
					s = strings.Repeat("0", n) + s
				}
			}
			pad(sign + prefix + s)
		case 'f', 'e', 'E', 'g', 'G', 'a', 'A':
			v := get()
			var x float64
			if s, ok := v.(*String); ok {
				y, ok := parseFloatStrict(s.s)
				if !ok {
					in.raise("ArgumentError", "invalid value for Float(): %s", in.inspect(s))
				}
				x = y
			} else {
				x = in.toFloat(v)
			}
			spec := "%"
			if plus {
				spec += "+"
			}
			if space {
				spec += " "
			}
			if alt {
				spec += "#"
			}
			if math.IsInf(x, 0) || math.IsNaN(x) {
				s := "Inf"
				if math.IsNaN(x) {
					s = "NaN"
				}
				if x < 0 {
					s = "-" + s
				} else if plus {
					s = "+" + s
				} else if space {
					s = " " + s
				}
				pad(s)
				continue
			}
			if prec >= 0 {
				spec += "." + strconv.Itoa(prec)
			} else if verb == 'f' || verb == 'e' || verb == 'E' || verb == 'g' || verb == 'G' {
				spec += ".6"
			}
			if verb == 'a' || verb == 'A' {
				in.unsupported("the format %" + string(verb))
			}
			s := fmt.Sprintf(spec+string(verb), x)
			if zero && !minus {
				sign := ""
				if s != "" && strings.IndexByte("+- ", s[0]) >= 0 {
					sign, s = s[:1], s[1:]
				}
				if n := width - len(s) - len(sign); n > 0 {
					s = strings.Repeat("0", n) + s
				}
				s = sign + s
			}
			in.alloc(len(s))
			pad(s)
		default:
			in.raise("ArgumentError", "malformed format string - %%%c", verb)
		}
	}
	in.alloc(b.Len())
	return b.String()
}

func maxDigit(base int, verb byte) byte {
	switch base {
	case 16:
		if verb == 'X' {
			return 'F'
		}
		return 'f'
	case 8:
		return '7'
	}
	return '1'
}

func twosComplement(n *big.Int, base int) string {
	bits := 1
	for 1<<bits < base {
		bits++
	}
	width := n.BitLen()/bits*bits + bits
	m := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), uint(width)), n)
	s := m.Text(base)
	d := maxDigit(base, 'x')
	// one leading digit stands for all of them
	for len(s) > 1 && s[0] == d && s[1] == d {
		s = s[1:]
	}
	if s[0] != d {
		s = string(d) + s
	}
	return s
}

func (in *Interp) formatInt(v Value) *big.Int {
	switch x := v.(type) {
	case int, *big.Int:
		return toBig(v)
	case float64:
		return toBig(in.floatToInt(math.Floor(x)))
	}
	return toBig(in.toInteger(v, nil))
}
