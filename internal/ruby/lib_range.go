package ruby

import (
	"math"
	"math/big"
)

func (in *Interp) eachRange(r *Range, fn func(Value) bool) {
	switch lo := r.Lo.(type) {
	case int:
		hi := math.MaxInt
		switch h := r.Hi.(type) {
		case nil:
		case int:
			hi = h
			if r.Excl {
				hi--
			}
		case float64:
			if math.IsNaN(h) {
				return
			}
			if h < 9e18 {
				f := math.Floor(h)
				hi = int(f)
				if r.Excl && f == h {
					hi--
				}
			}
		case *big.Int:
			if h.Sign() < 0 {
				return
			}
		default:
			in.raise("TypeError", "can't iterate from Integer")
		}
		for i := lo; i <= hi; i++ {
			in.step(1)
			if !fn(i) || i == math.MaxInt {
				return
			}
		}
		return
	case *String:
		if h, ok := r.Hi.(*String); ok {
			in.strUpto(lo.s, h.s, r.Excl, fn)
			return
		}
		if r.Hi == nil {
			for s := lo.s; ; s = strSucc(s) {
				if !fn(in.str(s)) {
					return
				}
			}
		}
	case Symbol:
		if h, ok := r.Hi.(Symbol); ok {
			in.strUpto(string(lo), string(h), r.Excl, func(v Value) bool { return fn(Symbol(v.(*String).s)) })
			return
		}
	case nil, float64, bool:
		in.raise("TypeError", "can't iterate from %s", in.classOf(r.Lo).name)
	}
	if !in.respondTo(r.Lo, "succ") {
		in.raise("TypeError", "can't iterate from %s", in.classOf(r.Lo).name)
	}
	for x := r.Lo; ; x = in.send(x, "succ") {
		in.step(1)
		if r.Hi != nil {
			c := in.mustCompare(x, r.Hi)
			if c > 0 || c == 0 && r.Excl {
				return
			}
		}
		if !fn(x) {
			return
		}
	}
}

// covers tells whether v lies in the range by order.
func (in *Interp) covers(r *Range, v Value) bool {
	if r.Lo != nil {
		c, ok := in.compare(r.Lo, v)
		if !ok || c > 0 {
			return false
		}
	}
	if r.Hi != nil {
		c, ok := in.compare(v, r.Hi)
		if !ok || c > 0 || c == 0 && r.Excl {
			return false
		}
	}
	return true
}

func defRange(l *library) {
	d := l.class("Range", "Object", "Enumerable")
	en := l.byName["Enumerable"].methods
	d.sdef("new", 2, 3, func(in *Interp, c *call) Value { return in.newRange(c.args[0], c.args[1], truthy(c.opt(2))) })
	d.def("begin", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Range).Lo })
	d.def("end", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Range).Hi })
	d.def("first", 0, 1, func(in *Interp, c *call) Value {
		r := c.self.(*Range)
		if r.Lo == nil {
			in.raise("RangeError", "cannot get the first element of beginless range")
		}
		if len(c.args) == 0 {
			return r.Lo
		}
		return en["first"].bi(in, c)
	})
	d.def("last", 0, 1, func(in *Interp, c *call) Value {
		r := c.self.(*Range)
		if r.Hi == nil {
			in.raise("RangeError", "cannot get the last element of endless range")
		}
		if len(c.args) == 0 {
			return r.Hi
		}
		n := in.argInt(c.args[0])
		if n < 0 {
			in.raise("ArgumentError", "negative array size")
		}
		a := in.toA(r)
		if n > len(a) {
			n = len(a)
		}
		return in.arr(append([]Value(nil), a[len(a)-n:]...))
	})
	d.def("min max", 0, 1, func(in *Interp, c *call) Value {
		r := c.self.(*Range)
		if c.blk != nil || len(c.args) > 0 {
			return en[c.name].bi(in, c)
		}
		if r.Lo == nil && c.name == "min" {
			in.raise("RangeError", "cannot get the minimum of beginless range")
		}
		if r.Hi == nil && c.name == "max" {
			in.raise("RangeError", "cannot get the maximum of endless range")
		}
		if r.Lo != nil && r.Hi != nil {
			k := in.mustCompare(r.Lo, r.Hi)
			if k > 0 || k == 0 && r.Excl {
				return nil
			}
		}
		if c.name == "min" {
			return r.Lo
		}
		if r.Excl {
			if h, ok := r.Hi.(int); ok {
				if _, ok := r.Lo.(int); ok {
					return h - 1
				}
			}
			if _, ok := r.Hi.(float64); ok {
				in.raise("TypeError", "cannot exclude non Integer end value")
			}
			return en["max"].bi(in, c)
		}
		return r.Hi
	})
	d.def("size count", 0, 1, func(in *Interp, c *call) Value {
		r := c.self.(*Range)
		if c.name == "size" && len(c.args) > 0 {
			in.argError(len(c.args), 0, 0)
		}
		if c.name == "count" && (len(c.args) > 0 || c.blk != nil) {
			return en["count"].bi(in, c)
		}
		switch lo := r.Lo.(type) {
		case int, float64:
			if r.Hi == nil {
				return math.Inf(1)
			}
			if f, ok := lo.(float64); ok {
				if c.name == "count" {
					in.raise("TypeError", "can't iterate from Float")
				}
				h := in.toFloat(r.Hi)
				n := math.Floor(h-f) + 1
				if r.Excl && f+n-1 >= h {
					n--
				}
				return in.floatToInt(math.Max(0, n))
			}
			if h, ok := r.Hi.(float64); ok {
				if math.IsInf(h, 1) {
					return h
				}
				n := math.Floor(h) - float64(lo.(int)) + 1
				if r.Excl && math.Floor(h) == h {
					n--
				}
				return in.floatToInt(math.Max(0, n))
			}
			h, ok := r.Hi.(int)
			if !ok {
				return nil
			}
			n := h - lo.(int) + 1
			if r.Excl {
				n--
			}
			if n < 0 {
				n = 0
			}
			return n
		}
		if c.name == "size" {
			if r.Lo == nil {
				if _, ok := r.Hi.(int); ok {
					return math.Inf(1)
				}
			}
			return nil
		}
		return en["count"].bi(in, c)
	})
	d.def("exclude_end?", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Range).Excl })
	d.def("each", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		in.eachRange(c.self.(*Range), func(x Value) bool { in.yield(c.blk, x); return true })
		return c.self
	})
	d.def("reverse_each", 0, 0, func(in *Interp, c *call) Value {
		r := c.self.(*Range)
		if r.Hi == nil {
			in.raise("TypeError", "can't iterate from NilClass")
		}
		return en["reverse_each"].bi(in, c)
	})
	d.def("to_a to_ary entries", 0, 0, func(in *Interp, c *call) Value {
		r := c.self.(*Range)
		if r.Hi == nil {
			in.raise("RangeError", "cannot convert endless range to an array")
		}
		return in.arr(in.toA(r))
	})
	delete(d.methods, "to_ary")
	d.def("include? member? === cover?", 1, 1, func(in *Interp, c *call) Value {
		r := c.self.(*Range)
		if o, ok := c.args[0].(*Range); ok && c.name == "cover?" {
			if !in.covers(r, o.Lo) {
				return false
			}
			k, ok := in.compare(o.Hi, r.Hi)
			return ok && (k < 0 || k == 0 && (!r.Excl || o.Excl))
		}
		if s, ok := r.Lo.(*String); ok && (c.name == "include?" || c.name == "member?") {
			if h, ok := r.Hi.(*String); ok {
				v, ok := c.args[0].(*String)
				if !ok {
					return false
				}
				found := false
				in.strUpto(s.s, h.s, r.Excl, func(x Value) bool { found = x.(*String).s == v.s; return !found })
				return found
			}
		}
		return in.covers(r, c.args[0])
	})
	d.def("==  eql?", 1, 1, func(in *Interp, c *call) Value { return in.equal(c.self, c.args[0]) })
	d.def("hash", 0, 0, func(in *Interp, c *call) Value { return hashNumber(in.hashKey(nil, c.self)) })
	d.def("to_s inspect", 0, 0, func(in *Interp, c *call) Value {
		r := c.self.(*Range)
		f := in.toS
		if c.name == "inspect" {
			f = func(v Value) string {
				if v == nil {
					return ""
				}
				return in.inspect(v)
			}
		}
		dots := ".."
		if r.Excl {
			dots = "..."
		}
		lo, hi := f(r.Lo), f(r.Hi)
		if r.Lo == nil && r.Hi == nil && c.name == "inspect" {
			lo = "nil"
		}
		return in.str(lo + dots + hi)
	})
	d.def("step %", 0, 1, func(in *Interp, c *call) Value {
		r := c.self.(*Range)
		if c.blk == nil {
			if c.name == "%" && len(c.args) == 0 {
				in.argError(0, 1, 1)
			}
			en := in.enum(c)
			if (en.(*enumerator).arithmetic() || c.name == "%") && len(c.args) > 0 {
				if k, ok := compareNum(c.args[0], 0); !ok {
					in.raise("TypeError", "no implicit conversion of %s into Integer", in.convName(c.args[0]))
				} else if k == 0 {
					in.raise("ArgumentError", "step can't be 0")
				}
			}
			return en
		}
		var st Value = 1
		if len(c.args) > 0 {
			st = c.args[0]
		}
		k, ok := compareNum(st, 0)
		if !ok {
			in.raise("TypeError", "no implicit conversion of %s into Integer", in.convName(st))
		}
		if k == 0 {
			in.raise("ArgumentError", "step can't be 0")
		}
		if k < 0 {
			in.raise("ArgumentError", "step can't be negative")
		}
		switch lo := r.Lo.(type) {
		case int, float64:
			_, f1 := lo.(float64)
			_, f2 := r.Hi.(float64)
			_, f3 := st.(float64)
			if f1 || f2 || f3 {
				in.floatSteps(in.toFloat(lo), r.Hi, in.toFloat(st), r.Excl, func(x Value) { in.yield(c.blk, x) })
				return r
			}
			for x := r.Lo; ; x = in.arith("+", x, st) {
				if r.Hi != nil {
					k := in.mustCompare(x, r.Hi)
					if k > 0 || k == 0 && r.Excl {
						return r
					}
				}
				in.yield(c.blk, x)
			}
		}
		n := in.argInt(st)
		i := 0
		in.eachRange(r, func(x Value) bool {
			if i%n == 0 {
				in.yield(c.blk, x)
			}
			i++
			return true
		})
		return r
	})
	d.def("sum", 0, 1, func(in *Interp, c *call) Value {
		r := c.self.(*Range)
		lo, ok1 := r.Lo.(int)
		hi, ok2 := r.Hi.(int)
		if ok1 && ok2 && c.blk == nil && len(c.args) == 0 {
			if r.Excl {
				hi--
			}
			if hi < lo {
				return 0
			}
			a, b := big.NewInt(int64(lo)), big.NewInt(int64(hi))
			n := new(big.Int).Add(new(big.Int).Sub(b, a), big.NewInt(1))
			s := new(big.Int).Mul(new(big.Int).Add(a, b), n)
			return normBig(s.Rsh(s, 1))
		}
		return en["sum"].bi(in, c)
	})
}
