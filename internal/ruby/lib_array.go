package ruby

import (
	"math/big"
	"strings"
)

func (in *Interp) change(a *Array) *Array {
	if a.frozen {
		in.frozenError(a)
	}
	return a
}

func defArray(l *library) {
	d := l.class("Array", "Object", "Enumerable")
	d.sdef("new", 0, 2, func(in *Interp, c *call) Value {
		if c.self != any(in.classes["Array"]) {
			in.unsupported("a subclass of Array")
		}
		if len(c.args) == 0 {
			return in.arr(nil)
		}
		if a, ok := c.args[0].(*Array); ok && len(c.args) == 1 {
			return in.arr(append([]Value(nil), a.a...))
		}
		n := in.argInt(c.args[0])
		if n < 0 {
			in.raise("ArgumentError", "negative array size")
		}
		if n > in.limits.Memory/16 {
			in.alloc(in.limits.Memory + 1)
		}
		if c.blk != nil {
			a := in.arr(nil)
			for i := 0; i < n; i++ {
				in.push(a, in.yield(c.blk, i))
			}
			return a
		}
		in.alloc(16 * n)
		out := make([]Value, n)
		for i := range out {
			out[i] = c.opt(1)
		}
		return &Array{a: out}
	})
	d.sdef("[]", 0, -1, func(in *Interp, c *call) Value { return in.arr(append([]Value(nil), c.args...)) })
	d.sdef("try_convert", 1, 1, func(in *Interp, c *call) Value {
		if a, ok := c.args[0].(*Array); ok {
			return a
		}
		return nil
	})
	d.def("to_a to_ary entries", 0, 0, func(in *Interp, c *call) Value { return c.self })
	d.def("inspect to_s", 0, 0, func(in *Interp, c *call) Value { return in.str(in.inspectArray(c.self.(*Array))) })
	d.def("==", 1, 1, func(in *Interp, c *call) Value { return in.equal(c.self, c.args[0]) })
	d.def("<=>", 1, 1, func(in *Interp, c *call) Value {
		r, ok := in.compare(c.self, c.args[0])
		if !ok {
			return nil
		}
		switch {
		case r < 0:
			return -1
		case r > 0:
			return 1
		}
		return 0
	})
	d.def("hash", 0, 0, func(in *Interp, c *call) Value { return hashNumber(in.hashKey(nil, c.self)) })
	d.def("length size", 0, 0, func(in *Interp, c *call) Value { return len(c.self.(*Array).a) })
	d.def("empty?", 0, 0, func(in *Interp, c *call) Value { return len(c.self.(*Array).a) == 0 })
	d.def("each", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		a := c.self.(*Array)
		for i := 0; i < len(a.a); i++ {
			in.yield(c.blk, a.a[i])
		}
		return a
	})
	d.def("each_index", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		a := c.self.(*Array)
		for i := 0; i < len(a.a); i++ {
			in.yield(c.blk, i)
		}
		return a
	})
	d.def("[] slice", 1, 2, func(in *Interp, c *call) Value {
		a := c.self.(*Array)
		if len(c.args) == 1 {
			if i, ok := c.args[0].(int); ok {
				if i < 0 {
					i += len(a.a)
				}
				if i < 0 || i >= len(a.a) {
					return nil
				}
				return a.a[i]
			}
			if e, ok := c.args[0].(*enumerator); ok && e.meth == "step" || ok && e.meth == "%" {
				in.unsupported("an arithmetic sequence as an index")
			}
		}
		lo, n, ok := in.sliceArgs(c.args, len(a.a))
		if !ok {
			return nil
		}
		if len(c.args) == 1 {
			if _, isR := c.args[0].(*Range); !isR {
				return a.a[lo]
			}
		}
		return in.arr(append([]Value(nil), a.a[lo:lo+n]...))
	})
	d.def("at", 1, 1, func(in *Interp, c *call) Value { return in.arrAt(c.self.(*Array), in.argInt(c.args[0])) })
	d.def("dig", 1, -1, func(in *Interp, c *call) Value { return in.dig(c) })
	d.def("fetch", 1, 2, func(in *Interp, c *call) Value {
		a := c.self.(*Array)
		i := in.argInt(c.args[0])
		j := i
		if j < 0 {
			j += len(a.a)
		}
		if j >= 0 && j < len(a.a) {
			return a.a[j]
		}
		if c.blk != nil {
			return in.yield(c.blk, c.args[0])
		}
		if len(c.args) > 1 {
			return c.args[1]
		}
		in.raise("IndexError", "index %d outside of array bounds: %d...%d", i, -len(a.a), len(a.a))
		return nil
	})
	d.def("values_at", 0, -1, func(in *Interp, c *call) Value {
		a := c.self.(*Array)
		var out []Value
		for _, x := range c.args {
			if r, ok := x.(*Range); ok {
				if lo, n, ok := in.rangeSlice(r, len(a.a)); ok {
					out = append(out, a.a[lo:lo+n]...)
					if hi, ok := r.Hi.(int); ok && hi >= 0 {
						if r.Excl {
							hi--
						}
						in.alloc(16 * (hi + 1))
						for k := lo + n; k <= hi; k++ {
							out = append(out, nil)
						}
					}
				}
				continue
			}
			out = append(out, in.arrAt(a, in.argInt(x)))
		}
		return in.arr(out)
	})
	d.def("first", 0, 1, func(in *Interp, c *call) Value {
		a := c.self.(*Array)
		if len(c.args) == 0 {
			if len(a.a) == 0 {
				return nil
			}
			return a.a[0]
		}
		n := in.argInt(c.args[0])
		if n < 0 {
			in.raise("ArgumentError", "negative array size")
		}
		if n > len(a.a) {
			n = len(a.a)
		}
		return in.arr(append([]Value(nil), a.a[:n]...))
	})
	d.def("last", 0, 1, func(in *Interp, c *call) Value {
		a := c.self.(*Array)
		if len(c.args) == 0 {
			if len(a.a) == 0 {
				return nil
			}
			return a.a[len(a.a)-1]
		}
		n := in.argInt(c.args[0])
		if n < 0 {
			in.raise("ArgumentError", "negative array size")
		}
		if n > len(a.a) {
			n = len(a.a)
		}
		return in.arr(append([]Value(nil), a.a[len(a.a)-n:]...))
	})
	d.def("[]=", 2, 3, func(in *Interp, c *call) Value {
		a := in.change(c.self.(*Array))
		val := c.args[len(c.args)-1]
		if len(c.args) == 2 {
			if _, isR := c.args[0].(*Range); !isR {
				i := in.argInt(c.args[0])
				if i < 0 {
					i += len(a.a)
					if i < 0 {
						in.raise("IndexError", "index %d too small for array; minimum: -%d", i-len(a.a), len(a.a))
					}
				}
				in.grow(a, i+1)
				a.a[i] = val
				return val
			}
		}
		lo, n := 0, 0
		if r, ok := c.args[0].(*Range); ok && len(c.args) == 2 {
			lo = 0
			if r.Lo != nil {
				lo = in.argInt(r.Lo)
			}
			if lo < 0 {
				lo += len(a.a)
				if lo < 0 {
					in.raise("RangeError", "%s out of range", in.inspect(r))
				}
			}
			hi := len(a.a) - 1
			if r.Hi != nil {
				hi = in.argInt(r.Hi)
				if hi < 0 {
					hi += len(a.a)
				}
				if r.Excl {
					hi--
				}
			}
			if n = hi - lo + 1; n < 0 {
				n = 0
			}
		} else {
			lo, n = in.argInt(c.args[0]), in.argInt(c.args[1])
			if n < 0 {
				in.raise("IndexError", "negative length (%d)", n)
			}
			if lo < 0 {
				lo += len(a.a)
				if lo < 0 {
					in.raise("IndexError", "index %d too small for array; minimum: -%d", lo-len(a.a), len(a.a))
				}
			}
		}
		var ins []Value
		if v, ok := val.(*Array); ok {
			ins = v.a
		} else {
			ins = []Value{val}
		}
		in.grow(a, lo)
		if n > len(a.a)-lo {
			n = len(a.a) - lo
		}
		in.alloc(16 * (len(a.a) + len(ins)))
		out := append([]Value(nil), a.a[:lo]...)
		out = append(out, ins...)
		a.a = append(out, a.a[lo+n:]...)
		return val
	})
	d.def("<<", 1, 1, func(in *Interp, c *call) Value {
		in.push(in.change(c.self.(*Array)), c.args[0])
		return c.self
	})
	d.def("push append", 0, -1, func(in *Interp, c *call) Value {
		a := in.change(c.self.(*Array))
		for _, x := range c.args {
			in.push(a, x)
		}
		return a
	})
	d.def("pop", 0, 1, func(in *Interp, c *call) Value {
		a := in.change(c.self.(*Array))
		if len(c.args) == 0 {
			if len(a.a) == 0 {
				return nil
			}
			v := a.a[len(a.a)-1]
			a.a = a.a[:len(a.a)-1]
			return v
		}
		n := in.argInt(c.args[0])
		if n < 0 {
			in.raise("ArgumentError", "negative array size")
		}
		if n > len(a.a) {
			n = len(a.a)
		}
		out := in.arr(append([]Value(nil), a.a[len(a.a)-n:]...))
		a.a = a.a[:len(a.a)-n]
		return out
	})
	d.def("shift", 0, 1, func(in *Interp, c *call) Value {
		a := in.change(c.self.(*Array))
		if len(c.args) == 0 {
			if len(a.a) == 0 {
				return nil
			}
			v := a.a[0]
			a.a = a.a[1:]
			return v
		}
		n := in.argInt(c.args[0])
		if n < 0 {
			in.raise("ArgumentError", "negative array size")
		}
		if n > len(a.a) {
			n = len(a.a)
		}
		out := in.arr(append([]Value(nil), a.a[:n]...))
		a.a = a.a[n:]
		return out
	})
	d.def("unshift prepend", 0, -1, func(in *Interp, c *call) Value {
		a := in.change(c.self.(*Array))
		in.alloc(16 * len(c.args))
		in.step(len(a.a) / 16)
		a.a = append(append([]Value(nil), c.args...), a.a...)
		return a
	})
	d.def("insert", 1, -1, func(in *Interp, c *call) Value {
		a := in.change(c.self.(*Array))
		i := in.argInt(c.args[0])
		if len(c.args) == 1 {
			return a
		}
		if i < 0 {
			i += len(a.a) + 1
			if i < 0 {
				in.raise("IndexError", "index %d too small for array; minimum: -%d", i-len(a.a)-1, len(a.a)+1)
			}
		}
		in.grow(a, i)
		in.alloc(16 * (len(a.a) + len(c.args)))
		out := append([]Value(nil), a.a[:i]...)
		out = append(out, c.args[1:]...)
		a.a = append(out, a.a[i:]...)
		return a
	})
	d.def("concat", 0, -1, func(in *Interp, c *call) Value {
		a := in.change(c.self.(*Array))
		var add []Value
		for _, x := range c.args {
			add = append(add, in.argArray(x).a...)
		}
		in.alloc(40 * len(add)) // with the spare room that appending leaves
		a.a = append(a.a, add...)
		return a
	})
	d.def("+", 1, 1, func(in *Interp, c *call) Value {
		o := in.argArray(c.args[0])
		return in.arr(append(append([]Value(nil), c.self.(*Array).a...), o.a...))
	})
	d.def("-", 1, 1, func(in *Interp, c *call) Value { return d.methods["difference"].bi(in, c) })
	d.def("difference", 0, -1, func(in *Interp, c *call) Value {
		out := c.self.(*Array).a
		for _, x := range c.args {
			drop := in.keySet(in.argArray(x).a)
			var next []Value
			for _, y := range out {
				if !drop[in.hashKey(nil, y)] {
					next = append(next, y)
				}
			}
			out = next
		}
		return in.arr(append([]Value(nil), out...))
	})
	d.def("&", 1, 1, func(in *Interp, c *call) Value { return d.methods["intersection"].bi(in, c) })
	d.def("intersection", 0, -1, func(in *Interp, c *call) Value {
		out := in.uniq(c.self.(*Array).a, nil)
		for _, x := range c.args {
			keep := in.keySet(in.argArray(x).a)
			var next []Value
			for _, y := range out {
				if keep[in.hashKey(nil, y)] {
					next = append(next, y)
				}
			}
			out = next
		}
		return in.arr(out)
	})
	d.def("intersect?", 1, 1, func(in *Interp, c *call) Value {
		keep := in.keySet(in.argArray(c.args[0]).a)
		for _, y := range c.self.(*Array).a {
			if keep[in.hashKey(nil, y)] {
				return true
			}
		}
		return false
	})
	d.def("|", 1, 1, func(in *Interp, c *call) Value { return d.methods["union"].bi(in, c) })
	d.def("union", 0, -1, func(in *Interp, c *call) Value {
		all := append([]Value(nil), c.self.(*Array).a...)
		for _, x := range c.args {
			all = append(all, in.argArray(x).a...)
		}
		return in.arr(in.uniq(all, nil))
	})
	d.def("*", 1, 1, func(in *Interp, c *call) Value {
		a := c.self.(*Array)
		if s, ok := c.args[0].(*String); ok {
			return in.str(in.join(a, s.s))
		}
		n := in.argInt(c.args[0])
		if n < 0 {
			in.raise("ArgumentError", "argument must be non-negative")
		}
		if len(a.a) > 0 && n > in.limits.Memory/16/len(a.a) {
			in.alloc(in.limits.Memory + 1)
		}
		var out []Value
		in.alloc(16 * n * len(a.a))
		for i := 0; i < n; i++ {
			out = append(out, a.a...)
		}
		return in.arr(out)
	})
	d.def("join", 0, 1, func(in *Interp, c *call) Value {
		sep := ""
		if len(c.args) > 0 && c.args[0] != nil && len(c.self.(*Array).a) > 0 {
			sep = in.argString(c.args[0])
		}
		return in.str(in.join(c.self.(*Array), sep))
	})
	d.def("include? member?", 1, 1, func(in *Interp, c *call) Value {
		for _, x := range c.self.(*Array).a {
			in.step(1)
			if in.equal(x, c.args[0]) {
				return true
			}
		}
		return false
	})
	d.def("index find_index rindex", 0, 1, func(in *Interp, c *call) Value {
		a := c.self.(*Array).a
		if len(c.args) == 0 && c.blk == nil {
			return in.enum(c)
		}
		for k := range a {
			in.step(1)
			i := k
			if c.name == "rindex" {
				i = len(a) - 1 - k
			}
			if len(c.args) > 0 && in.equal(a[i], c.args[0]) || len(c.args) == 0 && in.yieldBool(c.blk, a[i]) {
				return i
			}
		}
		return nil
	})
	d.def("delete", 1, 1, func(in *Interp, c *call) Value {
		a := c.self.(*Array)
		var found Value
		hit := false
		var out []Value
		for _, x := range a.a {
			in.step(1)
			if in.equal(x, c.args[0]) {
				found, hit = x, true
				continue
			}
			out = append(out, x)
		}
		if hit {
			in.change(a).a = out
			return found
		}
		if c.blk != nil {
			return in.yield(c.blk, c.args[0])
		}
		return nil
	})
	d.def("delete_at", 1, 1, func(in *Interp, c *call) Value {
		a := in.change(c.self.(*Array))
		i := in.argInt(c.args[0])
		if i < 0 {
			i += len(a.a)
		}
		if i < 0 || i >= len(a.a) {
			return nil
		}
		v := a.a[i]
		a.a = append(append([]Value(nil), a.a[:i]...), a.a[i+1:]...)
		return v
	})
	d.def("slice!", 1, 2, func(in *Interp, c *call) Value {
		a := in.change(c.self.(*Array))
		lo, n, ok := in.sliceArgs(c.args, len(a.a))
		if !ok {
			return nil
		}
		out := append([]Value(nil), a.a[lo:lo+n]...)
		a.a = append(append([]Value(nil), a.a[:lo]...), a.a[lo+n:]...)
		if _, isR := c.args[0].(*Range); !isR && len(c.args) == 1 {
			return out[0]
		}
		return in.arr(out)
	})
	inPlace := func(names string, keep bool, nilIfSame bool) {
		d.def(names, 0, 0, func(in *Interp, c *call) Value {
			if c.blk == nil {
				return in.enum(c)
			}
			a := in.change(c.self.(*Array))
			var out []Value
			for _, x := range append([]Value(nil), a.a...) {
				if in.yieldBool(c.blk, x) == keep {
					out = append(out, x)
				}
			}
			same := len(out) == len(a.a)
			a.a = out
			if same && nilIfSame {
				return nil
			}
			return a
		})
	}
	inPlace("select! filter!", true, true)
	inPlace("keep_if", true, false)
	inPlace("reject!", false, true)
	inPlace("delete_if", false, false)
	d.def("map! collect!", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		a := in.change(c.self.(*Array))
		for i := 0; i < len(a.a); i++ {
			v := in.yield(c.blk, a.a[i])
			if i < len(a.a) {
				a.a[i] = v
			}
		}
		return a
	})
	d.def("sort!", 0, 0, func(in *Interp, c *call) Value {
		a := in.change(c.self.(*Array))
		b := append([]Value(nil), a.a...)
		in.sortWith(b, c.blk)
		a.a = b
		return a
	})
	d.def("sort_by!", 0, 0, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		a := in.change(c.self.(*Array))
		a.a = in.sortBy(a.a, c.blk)
		return a
	})
	d.def("uniq!", 0, 0, func(in *Interp, c *call) Value {
		a := in.change(c.self.(*Array))
		out := in.uniq(a.a, c.blk)
		if len(out) == len(a.a) {
			return nil
		}
		a.a = out
		return a
	})
	d.def("compact", 0, 0, func(in *Interp, c *call) Value { return in.arr(compact(c.self.(*Array).a)) })
	d.def("compact!", 0, 0, func(in *Interp, c *call) Value {
		a := in.change(c.self.(*Array))
		out := compact(a.a)
		if len(out) == len(a.a) {
			return nil
		}
		a.a = out
		return a
	})
	d.def("flatten flatten!", 0, 1, func(in *Interp, c *call) Value {
		depth := -1
		if len(c.args) > 0 && c.args[0] != nil {
			depth = in.argInt(c.args[0])
		}
		a := c.self.(*Array)
		out, changed := in.flatten(nil, a, depth)
		if c.name == "flatten" {
			return in.arr(out)
		}
		in.change(a).a = out
		if !changed {
			return nil
		}
		return a
	})
	d.def("reverse", 0, 0, func(in *Interp, c *call) Value {
		out := append([]Value(nil), c.self.(*Array).a...)
		reverse(out)
		return in.arr(out)
	})
	d.def("reverse!", 0, 0, func(in *Interp, c *call) Value { reverse(in.change(c.self.(*Array)).a); return c.self })
	d.def("rotate rotate!", 0, 1, func(in *Interp, c *call) Value {
		a := c.self.(*Array)
		n := 1
		if len(c.args) > 0 {
			n = in.argInt(c.args[0])
		}
		var out []Value
		if len(a.a) > 0 {
			n %= len(a.a)
			if n < 0 {
				n += len(a.a)
			}
			out = append(append(out, a.a[n:]...), a.a[:n]...)
		}
		if c.name == "rotate!" {
			in.change(a).a = out
			return a
		}
		return in.arr(out)
	})
	d.def("clear", 0, 0, func(in *Interp, c *call) Value { in.change(c.self.(*Array)).a = nil; return c.self })
	d.def("replace", 1, 1, func(in *Interp, c *call) Value {
		o := in.argArray(c.args[0])
		in.change(c.self.(*Array)).a = in.arr(append([]Value(nil), o.a...)).a
		return c.self
	})
	d.def("fill", 0, 3, func(in *Interp, c *call) Value {
		a := in.change(c.self.(*Array))
		args := c.args
		var v Value
		if c.blk == nil {
			if len(args) == 0 {
				in.argError(0, 1, 3)
			}
			v, args = args[0], args[1:]
		}
		lo, n := 0, len(a.a)
		if len(args) > 0 && args[0] != nil {
			if r, ok := args[0].(*Range); ok {
				lo = in.argInt(r.Lo)
				hi := in.argInt(r.Hi)
				if hi < 0 {
					hi += len(a.a)
				}
				if r.Excl {
					hi--
				}
				n = hi - lo + 1
			} else {
				lo = in.argInt(args[0])
				if lo < 0 {
					lo += len(a.a)
				}
				n = len(a.a) - lo
			}
		}
		if len(args) > 1 && args[1] != nil {
			n = in.argInt(args[1])
		}
		if lo < 0 {
			lo = 0
		}
		if n > 0 {
			in.grow(a, lo+n)
		}
		for i := lo; i < lo+n; i++ {
			if c.blk != nil {
				v = in.yield(c.blk, i)
			}
			a.a[i] = v
		}
		return a
	})
	d.def("transpose", 0, 0, func(in *Interp, c *call) Value {
		rows := c.self.(*Array).a
		var out []Value
		for i, r := range rows {
			row := in.argArray(r).a
			if i == 0 {
				for range row {
					out = append(out, in.arr(nil))
				}
			}
			if len(row) != len(out) {
				in.raise("IndexError", "element size differs (%d should be %d)", len(row), len(out))
			}
			for j, x := range row {
				in.push(out[j].(*Array), x)
			}
		}
		return in.arr(out)
	})
	d.def("assoc rassoc", 1, 1, func(in *Interp, c *call) Value {
		k := 0
		if c.name == "rassoc" {
			k = 1
		}
		for _, x := range c.self.(*Array).a {
			if p, ok := x.(*Array); ok && len(p.a) > k && in.equal(p.a[k], c.args[0]) {
				return p
			}
		}
		return nil
	})
	d.def("product", 0, -1, func(in *Interp, c *call) Value {
		lists := [][]Value{c.self.(*Array).a}
		n := len(lists[0])
		for _, x := range c.args {
			a := in.argArray(x).a
			lists = append(lists, a)
			if len(a) > 0 && n > in.limits.Memory/len(a) {
				in.alloc(in.limits.Memory + 1)
			}
			n *= len(a)
		}
		in.alloc(n * (48 + 16*len(lists)))
		rows := []Value{&Array{}}
		for _, l := range lists {
			var next []Value
			for _, r := range rows {
				for _, x := range l {
					in.step(1)
					next = append(next, &Array{a: append(append([]Value(nil), r.(*Array).a...), x)})
				}
			}
			rows = next
		}
		if c.blk != nil {
			for _, r := range rows {
				in.yield(c.blk, r)
			}
			return c.self
		}
		return in.arr(rows)
	})
	d.def("combination permutation repeated_combination repeated_permutation", 0, 1, func(in *Interp, c *call) Value {
		a := append([]Value(nil), c.self.(*Array).a...)
		n := len(a)
		if c.blk == nil && (c.name == "permutation" || len(c.args) == 1) {
			return in.enum(c)
		}
		if c.name != "permutation" && len(c.args) == 0 {
			in.argError(0, 1, 1)
		}
		if len(c.args) > 0 && c.args[0] != nil {
			n = in.argInt(c.args[0])
		}
		if strings.HasPrefix(c.name, "repeated") {
			in.unsupported("Array#" + c.name)
		}
		var walk func(cur []Value, start int, used []bool)
		walk = func(cur []Value, start int, used []bool) {
			in.step(1)
			if len(cur) == n {
				in.yield(c.blk, in.arr(append([]Value(nil), cur...)))
				return
			}
			for i := start; i < len(a); i++ {
				if used != nil {
					if used[i] {
						continue
					}
					used[i] = true
					walk(append(cur, a[i]), 0, used)
					used[i] = false
					continue
				}
				walk(append(cur, a[i]), i+1, nil)
			}
		}
		if n >= 0 && n <= len(a) && n < 500 {
			var used []bool
			if c.name == "permutation" {
				used = make([]bool, len(a))
			}
			walk(make([]Value, 0, n), 0, used)
		}
		return c.self
	})
	d.def("sample shuffle shuffle!", 0, -1, func(in *Interp, c *call) Value {
		c.kwargs()
		a := c.self.(*Array)
		b := append([]Value(nil), a.a...)
		r := in.random()
		for i := len(b) - 1; i > 0; i-- {
			j := r.intn(i + 1)
			b[i], b[j] = b[j], b[i]
		}
		switch c.name {
		case "shuffle!":
			in.change(a).a = b
			return a
		case "sample":
			if len(c.args) == 0 {
				if len(b) == 0 {
					return nil
				}
				return b[0]
			}
			n := in.argInt(c.args[0])
			if n < 0 {
				in.raise("ArgumentError", "negative sample number")
			}
			if n > len(b) {
				n = len(b)
			}
			b = b[:n]
		}
		return in.arr(b)
	})
	d.def("bsearch", 0, 0, func(in *Interp, c *call) Value {
		a := c.self.(*Array).a
		lo, hi := 0, len(a)
		var found Value
		for lo < hi {
			m := (lo + hi) / 2
			switch r := in.yield(in.needBlock(c), a[m]).(type) {
			case bool, nil:
				if truthy(r) {
					found = a[m]
					hi = m
				} else {
					lo = m + 1
				}
			default:
				n, _ := compareNum(r, 0)
				if n == 0 {
					return a[m]
				}
				if n < 0 {
					hi = m
				} else {
					lo = m + 1
				}
			}
		}
		return found
	})
	d.def("pack", 1, -1, func(in *Interp, c *call) Value { return in.packArray(c) })
	d.def("sum", 0, 1, l.byName["Enumerable"].methods["sum"].bi)
	d.def("to_h", 0, 0, l.byName["Enumerable"].methods["to_h"].bi)
}

func (in *Interp) arrAt(a *Array, i int) Value {
	if i < 0 {
		i += len(a.a)
	}
	if i < 0 || i >= len(a.a) {
		return nil
	}
	return a.a[i]
}

// grow makes the array at least n long.
func (in *Interp) grow(a *Array, n int) {
	if n <= len(a.a) {
		return
	}
	if n > in.limits.Memory/16 {
		in.alloc(in.limits.Memory + 1)
	}
	in.alloc(16 * (n - len(a.a)))
	for len(a.a) < n {
		a.a = append(a.a, nil)
	}
}

func (in *Interp) keySet(a []Value) map[any]bool {
	m := make(map[any]bool, len(a))
	in.alloc(32 * len(a))
	for _, x := range a {
		m[in.hashKey(nil, x)] = true
	}
	return m
}

func compact(a []Value) []Value {
	var out []Value
	for _, x := range a {
		if x != nil {
			out = append(out, x)
		}
	}
	return out
}

func (in *Interp) flatten(out []Value, a *Array, depth int) ([]Value, bool) {
	if !in.enter(a) {
		in.raise("ArgumentError", "tried to flatten recursive array")
	}
	defer in.leaveOnly(a)
	changed := false
	for _, x := range a.a {
		in.step(1)
		if sub, ok := x.(*Array); ok && depth != 0 {
			out, _ = in.flatten(out, sub, depth-1)
			changed = true
			continue
		}
		in.alloc(24)
		out = append(out, x)
	}
	in.depth -= 6
	return out, changed
}

func (in *Interp) join(a *Array, sep string) string {
	if !in.enter(a) {
		in.raise("ArgumentError", "recursive array join")
	}
	defer in.leaveOnly(a)
	var b strings.Builder
	for i, x := range a.a {
		in.step(1)
		var s string
		if sub, ok := x.(*Array); ok {
			s = in.join(sub, sep)
		} else {
			s = in.toS(x)
		}
		in.alloc(len(s) + len(sep))
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(s)
	}
	in.depth -= 6
	return b.String()
}

// dig is Array#dig and Hash#dig.
func (in *Interp) dig(c *call) Value {
	v := c.self
	for _, k := range c.args {
		switch x := v.(type) {
		case nil:
			return nil
		case *Hash:
			v = in.hashGet(x, k)
		case *Array:
			v = in.arrAt(x, in.argInt(k))
		default:
			if !in.respondTo(v, "dig") {
				in.raise("TypeError", "%s does not have #dig method", in.classOf(v).name)
			}
			v = in.send(v, "dig", k)
		}
	}
	return v
}

func (in *Interp) packArray(c *call) Value {
	f := in.argString(c.args[0])
	a := c.self.(*Array).a
	switch f {
	case "m", "m0":
		if len(a) == 0 {
			in.raise("ArgumentError", "too few arguments")
		}
		return in.str(base64Encode(in.argString(a[0]), f == "m"))
	case "U*":
		var b strings.Builder
		for _, x := range a {
			b.WriteRune(rune(in.argInt(x)))
		}
		return in.str(b.String())
	case "C*", "c*":
		var b []byte
		for _, x := range a {
			b = append(b, byte(in.argInt(x)))
		}
		s := in.str(string(b))
		s.binary = true
		return s
	case "H*":
		if len(a) == 0 {
			in.raise("ArgumentError", "too few arguments")
		}
		s := in.argString(a[0])
		n, ok := new(big.Int).SetString(s, 16)
		if !ok || len(s) > 4096 {
			in.unsupported("pack with H* of this text")
		}
		r := in.str(string(n.FillBytes(make([]byte, (len(s)+1)/2))))
		r.binary = true
		return r
	}
	in.unsupported("pack with " + in.inspect(c.args[0]))
	return nil
}
