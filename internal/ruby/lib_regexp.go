package ruby

import "strings"

// matchCall is match and match? of strings and regexps.
func (in *Interp) matchCall(c *call, re *Regexp, subject, pos Value) Value {
	if subject == nil {
		if pos != nil {
			in.argInt(pos)
		}
		if c.name == "match" {
			in.setMatch(c, nil)
			return nil
		}
		return false
	}
	var s string
	if y, ok := subject.(Symbol); ok {
		s = string(y)
	} else {
		s = in.argString(subject)
	}
	start := 0
	if pos != nil {
		n := in.argInt(pos)
		if n < 0 {
			n += runeCount(s)
		}
		start = byteOffset(s, n)
		if start < 0 {
			if c.name == "match?" {
				return false
			}
			in.setMatch(c, nil)
			return nil
		}
	}
	if c.name == "match?" {
		return re.match(in, s, start) != nil
	}
	m := in.search(c, re, s, start)
	if m == nil {
		return nil
	}
	if c.blk != nil {
		return in.yield(c.blk, m)
	}
	return m
}

func defRegexp(l *library) {
	d := l.class("Regexp", "Object")
	d.sdef("new compile", 1, 3, func(in *Interp, c *call) Value {
		if re, ok := c.args[0].(*Regexp); ok {
			return re
		}
		flags := 0
		switch x := c.opt(1).(type) {
		case nil:
		case int:
			flags = x & 7
		default:
			if truthy(x) {
				flags = reIgnoreCase
			}
		}
		return in.regexp(in.argString(c.args[0]), flags)
	})
	d.sdef("escape quote", 1, 1, func(in *Interp, c *call) Value { return in.str(quoteRegexp(in.argName(c.args[0]))) })
	d.sdef("union", 0, -1, func(in *Interp, c *call) Value {
		args := flattenArgs(c.args)
		if len(args) == 0 {
			return in.regexp("(?!)", 0)
		}
		var parts []string
		for _, a := range args {
			if re, ok := a.(*Regexp); ok {
				if len(args) == 1 {
					return re
				}
				parts = append(parts, re.embed())
				continue
			}
			parts = append(parts, quoteRegexp(in.argName(a)))
		}
		return in.regexp(strings.Join(parts, "|"), 0)
	})
	d.sdef("last_match", 0, 1, func(in *Interp, c *call) Value {
		if c.f == nil || c.f.mf.match == nil {
			return nil
		}
		if len(c.args) == 1 {
			return in.groupValue(c.f.mf.match, in.groupNumber(c.f.mf.match, c.args[0]))
		}
		return c.f.mf.match
	})
	d.def("source", 0, 0, func(in *Interp, c *call) Value { return in.str(c.self.(*Regexp).src) })
	d.def("options", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Regexp).flags })
	d.def("casefold?", 0, 0, func(in *Interp, c *call) Value { return c.self.(*Regexp).flags&reIgnoreCase != 0 })
	d.def("names", 0, 0, func(in *Interp, c *call) Value {
		var out []Value
		for _, n := range c.self.(*Regexp).names {
			out = append(out, in.str(n))
		}
		return in.arr(out)
	})
	d.def("to_s", 0, 0, func(in *Interp, c *call) Value { return in.str(c.self.(*Regexp).embed()) })
	d.def("inspect", 0, 0, func(in *Interp, c *call) Value {
		re := c.self.(*Regexp)
		return in.str("/" + escapeSlash(re.src) + "/" + re.flagString())
	})
	d.def("==  eql?", 1, 1, func(in *Interp, c *call) Value { return in.equal(c.self, c.args[0]) })
	d.def("===", 1, 1, func(in *Interp, c *call) Value {
		var s string
		switch x := c.args[0].(type) {
		case *String:
			s = x.s
		case Symbol:
			s = string(x)
		default:
			in.setMatch(c, nil)
			return false
		}
		return in.search(c, c.self.(*Regexp), s, 0) != nil
	})
	d.def("=~", 1, 1, func(in *Interp, c *call) Value {
		var s string
		switch x := c.args[0].(type) {
		case nil:
			in.setMatch(c, nil)
			return nil
		case Symbol:
			s = string(x)
		default:
			s = in.argString(x)
		}
		m := in.search(c, c.self.(*Regexp), s, 0)
		if m == nil {
			return nil
		}
		return runeCount(s[:m.idx[0]])
	})
	d.def("match match?", 1, 2, func(in *Interp, c *call) Value {
		return in.matchCall(c, c.self.(*Regexp), c.args[0], c.opt(1))
	})
	d.def("~", 0, 0, func(in *Interp, c *call) Value { in.unsupported("~ of a regexp"); return nil })

	m := l.class("MatchData", "Object")
	m.def("[]", 1, 2, func(in *Interp, c *call) Value {
		md := c.self.(*MatchData)
		if len(c.args) == 1 {
			switch x := c.args[0].(type) {
			case int:
				return in.groupValue(md, in.groupNumber(md, x))
			case *String, Symbol:
				return in.groupValue(md, in.groupNumber(md, x))
			}
		}
		cc := *c
		cc.self, cc.name = in.arr(in.groups(md, 0)), "[]"
		return stdlib().byName["Array"].methods["[]"].bi(in, &cc)
	})
	m.def("to_a", 0, 0, func(in *Interp, c *call) Value { return in.arr(in.groups(c.self.(*MatchData), 0)) })
	m.def("captures deconstruct", 0, 0, func(in *Interp, c *call) Value { return in.arr(in.groups(c.self.(*MatchData), 1)) })
	m.def("named_captures", 0, -1, func(in *Interp, c *call) Value {
		md := c.self.(*MatchData)
		h := NewHash()
		for _, n := range md.re.names {
			in.hset(h, in.str(n), in.namedGroup(md, n))
		}
		return h
	})
	m.def("names", 0, 0, func(in *Interp, c *call) Value {
		var out []Value
		for _, n := range c.self.(*MatchData).re.names {
			out = append(out, in.str(n))
		}
		return in.arr(out)
	})
	m.def("values_at", 0, -1, func(in *Interp, c *call) Value {
		md := c.self.(*MatchData)
		var out []Value
		for _, a := range c.args {
			out = append(out, in.groupValue(md, in.groupNumber(md, a)))
		}
		return in.arr(out)
	})
	m.def("pre_match", 0, 0, func(in *Interp, c *call) Value { md := c.self.(*MatchData); return in.str(md.s[:md.idx[0]]) })
	m.def("post_match", 0, 0, func(in *Interp, c *call) Value { md := c.self.(*MatchData); return in.str(md.s[md.idx[1]:]) })
	m.def("to_s", 0, 0, func(in *Interp, c *call) Value { return in.groupValue(c.self.(*MatchData), 0) })
	m.def("string", 0, 0, func(in *Interp, c *call) Value { return &String{s: c.self.(*MatchData).s, frozen: true} })
	m.def("regexp", 0, 0, func(in *Interp, c *call) Value { return c.self.(*MatchData).re })
	m.def("length size", 0, 0, func(in *Interp, c *call) Value { return len(c.self.(*MatchData).idx) / 2 })
	m.def("begin end offset", 1, 1, func(in *Interp, c *call) Value {
		md := c.self.(*MatchData)
		g := in.groupNumber(md, c.args[0])
		if g < 0 || 2*g+1 >= len(md.idx) {
			in.raise("IndexError", "index %d out of matches", g)
		}
		var lo, hi Value
		if md.idx[2*g] >= 0 {
			lo, hi = runeCount(md.s[:md.idx[2*g]]), runeCount(md.s[:md.idx[2*g+1]])
		}
		switch c.name {
		case "begin":
			return lo
		case "end":
			return hi
		}
		return in.arr([]Value{lo, hi})
	})
	m.def("==", 1, 1, func(in *Interp, c *call) Value { return c.self == c.args[0] })
	m.def("inspect", 0, 0, func(in *Interp, c *call) Value {
		md := c.self.(*MatchData)
		s := "#<MatchData " + in.inspect(in.groupValue(md, 0))
		for i := 1; i < len(md.idx)/2; i++ {
			name := in.toS(i)
			for n, gs := range md.re.group {
				for _, g := range gs {
					if g == i {
						name = n
					}
				}
			}
			s += " " + name + ":" + in.inspect(in.groupValue(md, i))
		}
		return in.str(s + ">")
	})
}

func (in *Interp) groups(md *MatchData, from int) []Value {
	var out []Value
	for i := from; i < len(md.idx)/2; i++ {
		out = append(out, in.groupValue(md, i))
	}
	return out
}
