package ruby

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

func runeCount(s string) int { return utf8.RuneCountInString(s) }

func truncRunes(s string, n int) string {
	if n >= len(s) {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// byteOffset gives the byte offset of character i, or -1 beyond the end; i may be one past the last.
func byteOffset(s string, i int) int {
	if i < 0 {
		return -1
	}
	if isASCII(s) {
		if i > len(s) {
			return -1
		}
		return i
	}
	for off := range s {
		if i == 0 {
			return off
		}
		i--
	}
	if i == 0 {
		return len(s)
	}
	return -1
}

// edit changes a string in place.
func (in *Interp) edit(s *String, t string) {
	if s.frozen {
		in.frozenError(s)
	}
	in.alloc(len(t))
	s.set(t)
}

func (in *Interp) checkFrozenStr(s *String) {
	if s.frozen {
		in.frozenError(s)
	}
}

// mapping is a method that computes a new string from the old one.
type mapping func(in *Interp, c *call, s string) string

func defString(l *library) {
	d := l.class("String", "Object", "Comparable")
	// name and name!: the second changes the receiver and gives nil when nothing changed
	both := func(name string, min, max int, f mapping) {
		d.def(name, min, max, func(in *Interp, c *call) Value {
			return in.str(f(in, c, c.self.(*String).s))
		})
		d.def(name+"!", min, max, func(in *Interp, c *call) Value {
			s := c.self.(*String)
			in.checkFrozenStr(s)
			t := f(in, c, s.s)
			if t == s.s {
				switch name {
				case "succ", "next", "reverse", "scrub", "unicode_normalize":
					return s
				}
				return nil
			}
			in.edit(s, t)
			return s
		})
	}
	d.sdef("new", 0, -1, func(in *Interp, c *call) Value {
		c.kwargs()
		if c.self != any(in.classes["String"]) {
			in.unsupported("a subclass of String")
		}
		if len(c.args) == 0 {
			return in.str("")
		}
		return in.str(in.argString(c.args[0]))
	})
	d.def("initialize", 0, -1, func(in *Interp, c *call) Value { return nil })
	d.def("to_s to_str", 0, 0, func(in *Interp, c *call) Value { return c.self })
	d.def("inspect dump", 0, 0, func(in *Interp, c *call) Value { return in.str(in.inspect(c.self)) })
	d.def("to_sym intern", 0, 0, func(in *Interp, c *call) Value { return Symbol(c.self.(*String).s) })
	d.def("to_i", 0, 1, func(in *Interp, c *call) Value {
		base := 10
		if len(c.args) > 0 {
			base = in.argInt(c.args[0])
			if base < 0 || base == 1 || base > 36 {
				in.raise("ArgumentError", "invalid radix %d", base)
			}
			if base == 0 {
				base = 10
			}
		}
		s := c.self.(*String).s
		in.step(len(s) / 8)
		if len(s) > 10_000 {
			in.step(len(s) / 100 * (len(s) / 1000))
		}
		return parseIntPrefix(s, base)
	})
	d.def("hex", 0, 0, func(in *Interp, c *call) Value { return parseIntPrefix(truncRunes(c.self.(*String).s, 10_000), 16) })
	d.def("oct", 0, 0, func(in *Interp, c *call) Value {
		s := truncRunes(c.self.(*String).s, 10_000)
		t := strings.ToLower(strings.TrimLeft(strings.TrimSpace(s), "+-"))
		switch {
		case strings.HasPrefix(t, "0x"):
			return parseIntPrefix(s, 16)
		case strings.HasPrefix(t, "0b"):
			return parseIntPrefix(s, 2)
		}
		return parseIntPrefix(s, 8)
	})
	d.def("to_f", 0, 0, func(in *Interp, c *call) Value { return parseFloatPrefix(c.self.(*String).s) })
	d.def("to_c to_r", 0, 0, func(in *Interp, c *call) Value { in.unsupported("String#" + c.name); return nil })
	d.def("==  ===", 1, 1, func(in *Interp, c *call) Value { return in.equal(c.self, c.args[0]) })
	d.def("eql?", 1, 1, func(in *Interp, c *call) Value { return in.equal(c.self, c.args[0]) })
	d.def("<=>", 1, 1, func(in *Interp, c *call) Value {
		if r, ok := in.compare(c.self, c.args[0]); ok {
			return r
		}
		return nil
	})
	d.def("casecmp casecmp?", 1, 1, func(in *Interp, c *call) Value {
		o, ok := c.args[0].(*String)
		if !ok {
			return nil
		}
		s := c.self.(*String).s
		if c.name == "casecmp?" {
			return strings.EqualFold(s, o.s)
		}
		return strings.Compare(asciiDown(s), asciiDown(o.s))
	})
	d.def("+", 1, 1, func(in *Interp, c *call) Value {
		o := in.argString(c.args[0])
		s := c.self.(*String).s
		in.alloc(len(s) + len(o) + 48)
		return &String{s: s + o}
	})
	d.def("*", 1, 1, func(in *Interp, c *call) Value {
		n := in.argInt(c.args[0])
		if n < 0 {
			in.raise("ArgumentError", "negative argument")
		}
		s := c.self.(*String).s
		if len(s) > 0 && n > in.limits.Memory/len(s) {
			in.alloc(in.limits.Memory + 1)
		}
		in.alloc(len(s)*n + 48)
		return &String{s: strings.Repeat(s, n)}
	})
	d.def("%", 1, 1, func(in *Interp, c *call) Value {
		args := []Value{c.args[0]}
		if a, ok := c.args[0].(*Array); ok {
			args = a.a
		}
		return in.str(in.sprintf(c.self.(*String).s, args))
	})
	d.def("<<", 1, 1, func(in *Interp, c *call) Value { return d.methods["concat"].bi(in, c) })
	d.def("concat", 0, -1, func(in *Interp, c *call) Value {
		s := c.self.(*String)
		in.checkFrozenStr(s)
		var add strings.Builder
		for _, a := range c.args {
			if n, ok := a.(int); ok {
				if n < 0 || n > 0x10ffff {
					in.raise("RangeError", "%d out of char range", n)
				}
				add.WriteRune(rune(n))
				continue
			}
			add.WriteString(in.argString(a))
		}
		in.alloc(3*add.Len() + 16)
		s.add(add.String())
		return s
	})
	d.def("prepend", 0, -1, func(in *Interp, c *call) Value {
		t := ""
		for _, a := range c.args {
			t += in.argString(a)
		}
		s := c.self.(*String)
		in.edit(s, t+s.s)
		return s
	})
	d.def("replace", 1, 1, func(in *Interp, c *call) Value {
		in.edit(c.self.(*String), in.argString(c.args[0]))
		return c.self
	})
	d.def("clear", 0, 0, func(in *Interp, c *call) Value { in.edit(c.self.(*String), ""); return c.self })
	d.def("-@", 0, 0, func(in *Interp, c *call) Value {
		s := c.self.(*String)
		if s.frozen {
			return s
		}
		return &String{s: s.s, frozen: true}
	})
	d.def("+@", 0, 0, func(in *Interp, c *call) Value {
		s := c.self.(*String)
		if s.frozen {
			return in.str(s.s)
		}
		return s
	})
	d.def("length size", 0, 0, func(in *Interp, c *call) Value {
		s := c.self.(*String)
		in.step(len(s.s) / 64)
		if s.binary {
			return len(s.s)
		}
		return runeCount(s.s)
	})
	d.def("bytesize", 0, 0, func(in *Interp, c *call) Value { return len(c.self.(*String).s) })
	d.def("empty?", 0, 0, func(in *Interp, c *call) Value { return c.self.(*String).s == "" })
	d.def("hash", 0, 0, func(in *Interp, c *call) Value { return hashNumber(keyOf(c.self)) })
	d.def("ord", 0, 0, func(in *Interp, c *call) Value {
		s := c.self.(*String).s
		if s == "" {
			in.raise("ArgumentError", "empty string")
		}
		r, _ := utf8.DecodeRuneInString(s)
		return int(r)
	})
	d.def("chr", 0, 0, func(in *Interp, c *call) Value { return in.str(truncRunes(c.self.(*String).s, 1)) })
	d.def("sum", 0, 1, func(in *Interp, c *call) Value {
		if len(c.args) > 0 && in.argInt(c.args[0]) != 16 {
			in.unsupported("String#sum with another width")
		}
		n := 0
		for _, b := range []byte(c.self.(*String).s) {
			n += int(b)
		}
		return n & 0xffff
	})

	both("upcase", 0, -1, func(in *Interp, c *call, s string) string {
		if in.caseOption(c) {
			return mapASCII(s, unicode.ToUpper)
		}
		return strings.ReplaceAll(strings.ToUpper(s), "ß", "SS")
	})
	both("downcase", 0, -1, func(in *Interp, c *call, s string) string {
		if in.caseOption(c) {
			return mapASCII(s, unicode.ToLower)
		}
		return strings.ToLower(s)
	})
	both("capitalize", 0, -1, func(in *Interp, c *call, s string) string {
		in.caseOption(c)
		r, w := utf8.DecodeRuneInString(s)
		if w == 0 {
			return s
		}
		return string(unicode.ToTitle(r)) + strings.ToLower(s[w:])
	})
	both("swapcase", 0, -1, func(in *Interp, c *call, s string) string {
		in.caseOption(c)
		return strings.Map(func(r rune) rune {
			if unicode.IsUpper(r) {
				return unicode.ToLower(r)
			}
			return unicode.ToUpper(r)
		}, s)
	})
	both("strip", 0, 0, func(in *Interp, c *call, s string) string {
		return strings.TrimRight(strings.TrimLeft(s, "\t\n\v\f\r \x00"), "\t\n\v\f\r \x00")
	})
	both("lstrip", 0, 0, func(in *Interp, c *call, s string) string { return strings.TrimLeft(s, "\t\n\v\f\r \x00") })
	both("rstrip", 0, 0, func(in *Interp, c *call, s string) string { return strings.TrimRight(s, "\t\n\v\f\r \x00") })
	both("chomp", 0, 1, func(in *Interp, c *call, s string) string {
		if len(c.args) == 0 {
			return chomp(s)
		}
		if c.args[0] == nil {
			return s
		}
		suffix := in.argString(c.args[0])
		switch suffix {
		case "":
			for strings.HasSuffix(s, "\n") {
				s = strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
			}
			return s
		case "\n":
			return chomp(s)
		}
		return strings.TrimSuffix(s, suffix)
	})
	both("chop", 0, 0, func(in *Interp, c *call, s string) string {
		if strings.HasSuffix(s, "\r\n") {
			return s[:len(s)-2]
		}
		_, w := utf8.DecodeLastRuneInString(s)
		return s[:len(s)-w]
	})
	both("squeeze", 0, -1, func(in *Interp, c *call, s string) string {
		var ok func(rune) bool = func(rune) bool { return true }
		if len(c.args) > 0 {
			ok = in.charSets(c.args)
		}
		var b strings.Builder
		last := rune(-1)
		for _, r := range s {
			if r == last && ok(r) {
				continue
			}
			b.WriteRune(r)
			last = r
		}
		return b.String()
	})
	both("delete", 1, -1, func(in *Interp, c *call, s string) string {
		ok := in.charSets(c.args)
		return strings.Map(func(r rune) rune {
			if ok(r) {
				return -1
			}
			return r
		}, s)
	})
	both("tr", 2, 2, func(in *Interp, c *call, s string) string {
		return in.tr(s, in.argString(c.args[0]), in.argString(c.args[1]), false)
	})
	both("tr_s", 2, 2, func(in *Interp, c *call, s string) string {
		return in.tr(s, in.argString(c.args[0]), in.argString(c.args[1]), true)
	})
	both("delete_prefix", 1, 1, func(in *Interp, c *call, s string) string {
		return strings.TrimPrefix(s, in.argString(c.args[0]))
	})
	both("delete_suffix", 1, 1, func(in *Interp, c *call, s string) string {
		return strings.TrimSuffix(s, in.argString(c.args[0]))
	})
	both("succ", 0, 0, func(in *Interp, c *call, s string) string { return strSucc(s) })
	both("next", 0, 0, func(in *Interp, c *call, s string) string { return strSucc(s) })
	both("unicode_normalize", 0, 1, func(in *Interp, c *call, s string) string {
		if !isASCII(s) {
			in.unsupported("String#unicode_normalize")
		}
		return s
	})
	both("scrub", 0, 1, func(in *Interp, c *call, s string) string {
		rep := "\ufffd"
		if utf8.ValidString(s) {
			return s
		}
		if len(c.args) > 0 && c.args[0] != nil {
			rep = in.argString(c.args[0])
		}
		return strings.ToValidUTF8(s, rep)
	})
	both("reverse", 0, 0, func(in *Interp, c *call, s string) string {
		r := []rune(s)
		for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
			r[i], r[j] = r[j], r[i]
		}
		return string(r)
	})
	for _, name := range []string{"sub", "gsub"} {
		global := name == "gsub"
		d.def(name, 1, 2, func(in *Interp, c *call) Value {
			if global && len(c.args) == 1 && c.blk == nil {
				return in.enum(c)
			}
			t, _ := in.subst(c, c.self.(*String).s, global)
			return in.str(t)
		})
		d.def(name+"!", 1, 2, func(in *Interp, c *call) Value {
			if global && len(c.args) == 1 && c.blk == nil {
				return in.enum(c)
			}
			s := c.self.(*String)
			in.checkFrozenStr(s)
			t, changed := in.subst(c, s.s, global)
			if !changed {
				return nil
			}
			in.edit(s, t)
			return s
		})
	}

	d.def("start_with?", 0, -1, func(in *Interp, c *call) Value {
		s := c.self.(*String).s
		for _, a := range c.args {
			if re, ok := a.(*Regexp); ok {
				idx := re.matchAt(in, s, 0)
				if idx != nil {
					in.setMatch(c, &MatchData{re: re, s: s, idx: idx})
					return true
				}
				in.setMatch(c, nil)
				continue
			}
			if strings.HasPrefix(s, in.argString(a)) {
				return true
			}
		}
		return false
	})
	d.def("end_with?", 0, -1, func(in *Interp, c *call) Value {
		for _, a := range c.args {
			if strings.HasSuffix(c.self.(*String).s, in.argString(a)) {
				return true
			}
		}
		return false
	})
	d.def("include?", 1, 1, func(in *Interp, c *call) Value {
		in.step(len(c.self.(*String).s) / 64)
		return strings.Contains(c.self.(*String).s, in.argString(c.args[0]))
	})
	d.def("index", 1, 2, func(in *Interp, c *call) Value {
		s := c.self.(*String).s
		start := 0
		if len(c.args) > 1 {
			start = in.argInt(c.args[1])
			if start < 0 {
				start += runeCount(s)
			}
		}
		off := byteOffset(s, start)
		if off < 0 {
			in.setMatch(c, nil)
			return nil
		}
		var at int
		if re, ok := c.args[0].(*Regexp); ok {
			m := in.search(c, re, s, off)
			if m == nil {
				return nil
			}
			at = m.idx[0]
		} else {
			i := strings.Index(s[off:], in.argString(c.args[0]))
			if i < 0 {
				return nil
			}
			at = off + i
		}
		return runeCount(s[:at])
	})
	d.def("rindex", 1, 2, func(in *Interp, c *call) Value {
		s := c.self.(*String).s
		end := len(s)
		if len(c.args) > 1 {
			n := in.argInt(c.args[1])
			if n < 0 {
				n += runeCount(s)
				if n < 0 {
					return nil
				}
			}
			if off := byteOffset(s, n); off >= 0 {
				end = off
			}
		}
		if re, ok := c.args[0].(*Regexp); ok {
			for pos := end; pos >= 0; {
				if idx := re.matchAt(in, s, pos); idx != nil {
					in.setMatch(c, &MatchData{re: re, s: s, idx: idx})
					return runeCount(s[:idx[0]])
				}
				if pos == 0 {
					break
				}
				_, w := utf8.DecodeLastRuneInString(s[:pos])
				pos -= w
			}
			in.setMatch(c, nil)
			return nil
		}
		t := in.argString(c.args[0])
		lim := end + len(t)
		if lim > len(s) {
			lim = len(s)
		}
		i := strings.LastIndex(s[:lim], t)
		if i < 0 {
			return nil
		}
		return runeCount(s[:i])
	})
	d.def("byteindex", 1, 2, func(in *Interp, c *call) Value { in.unsupported("String#byteindex"); return nil })
	d.def("count", 1, -1, func(in *Interp, c *call) Value {
		ok := in.charSets(c.args)
		n := 0
		for _, r := range c.self.(*String).s {
			if ok(r) {
				n++
			}
		}
		return n
	})
	d.def("[] slice", 1, 2, func(in *Interp, c *call) Value { return in.strIndex(c) })
	d.def("slice!", 1, 2, func(in *Interp, c *call) Value {
		s := c.self.(*String)
		in.checkFrozenStr(s)
		v := in.strIndex(c)
		if v == nil {
			return nil
		}
		lo, hi, ok := in.strRange(c, s.s)
		if ok {
			in.edit(s, s.s[:lo]+s.s[hi:])
		}
		return v
	})
	d.def("[]=", 2, 3, func(in *Interp, c *call) Value {
		s := c.self.(*String)
		val := c.args[len(c.args)-1]
		c.args = c.args[:len(c.args)-1]
		lo, hi, ok := in.strRange(c, s.s)
		if !ok {
			switch x := c.args[0].(type) {
			case *String:
				in.raise("IndexError", "string not matched")
			case *Regexp:
				in.raise("IndexError", "regexp not matched")
			case *Range:
				in.raise("RangeError", "%s out of range", in.inspect(x))
			}
			in.raise("IndexError", "index %s out of string", in.inspect(c.args[0]))
		}
		in.edit(s, s.s[:lo]+in.argString(val)+s.s[hi:])
		return val
	})
	d.def("byteslice", 1, 2, func(in *Interp, c *call) Value {
		s := c.self.(*String).s
		lo, n, ok := in.sliceArgs(c.args, len(s))
		if !ok {
			return nil
		}
		return in.str(s[lo : lo+n])
	})
	d.def("getbyte", 1, 1, func(in *Interp, c *call) Value {
		s := c.self.(*String).s
		i := in.argInt(c.args[0])
		if i < 0 {
			i += len(s)
		}
		if i < 0 || i >= len(s) {
			return nil
		}
		return int(s[i])
	})
	d.def("insert", 2, 2, func(in *Interp, c *call) Value {
		s := c.self.(*String)
		i := in.argInt(c.args[0])
		n := runeCount(s.s)
		if i < 0 {
			i += n + 1
		}
		if i < 0 || i > n {
			in.raise("IndexError", "index %d out of string", in.argInt(c.args[0]))
		}
		off := byteOffset(s.s, i)
		in.edit(s, s.s[:off]+in.argString(c.args[1])+s.s[off:])
		return s
	})
	pad := func(name string, place func(s, fill string, n int) string) {
		d.def(name, 1, 2, func(in *Interp, c *call) Value {
			s := c.self.(*String).s
			w := in.argInt(c.args[0])
			fill := " "
			if len(c.args) > 1 {
				fill = in.argString(c.args[1])
				if fill == "" {
					in.raise("ArgumentError", "zero width padding")
				}
			}
			n := w - runeCount(s)
			if n <= 0 {
				return in.str(s)
			}
			in.alloc(n*4 + len(s))
			return in.str(place(s, fill, n))
		})
	}
	fillTo := func(fill string, n int) string {
		k := runeCount(fill)
		return strings.Repeat(fill, n/k) + truncRunes(fill, n%k)
	}
	pad("ljust", func(s, fill string, n int) string { return s + fillTo(fill, n) })
	pad("rjust", func(s, fill string, n int) string { return fillTo(fill, n) + s })
	pad("center", func(s, fill string, n int) string { return fillTo(fill, n/2) + s + fillTo(fill, n-n/2) })

	d.def("split", 0, 2, func(in *Interp, c *call) Value {
		parts := in.split(c)
		if c.blk != nil {
			for _, p := range parts {
				in.yield(c.blk, p)
			}
			return c.self
		}
		return in.arr(parts)
	})
	d.def("lines each_line", 0, -1, func(in *Interp, c *call) Value {
		if c.name == "each_line" && c.blk == nil {
			return in.enum(c)
		}
		kw := c.kwargs()
		chompIt := kw != nil && func() bool { v, _ := kw.Get(Symbol("chomp")); return truthy(v) }()
		sep := "\n"
		if len(c.args) > 0 && c.args[0] != nil {
			sep = in.argString(c.args[0])
		}
		var out []Value
		for _, ln := range in.splitLines(c.self.(*String).s, sep, chompIt) {
			if c.blk != nil {
				in.yield(c.blk, in.str(ln))
			} else {
				out = append(out, in.str(ln))
			}
		}
		if c.blk != nil {
			return c.self
		}
		return in.arr(out)
	})
	list := func(names string, f func(in *Interp, s *String, add func(Value))) {
		d.def(names, 0, 0, func(in *Interp, c *call) Value {
			each := strings.HasPrefix(c.name, "each_")
			if each && c.blk == nil {
				return in.enum(c)
			}
			var out []Value
			f(in, c.self.(*String), func(v Value) {
				if c.blk != nil {
					in.yield(c.blk, v)
				} else {
					in.alloc(24)
					out = append(out, v)
				}
			})
			if c.blk != nil {
				return c.self
			}
			return in.arr(out)
		})
	}
	list("chars each_char grapheme_clusters each_grapheme_cluster", func(in *Interp, s *String, add func(Value)) {
		for t := s.s; t != ""; {
			_, w := utf8.DecodeRuneInString(t)
			add(in.str(t[:w]))
			t = t[w:]
		}
	})
	list("bytes each_byte", func(in *Interp, s *String, add func(Value)) {
		for i := 0; i < len(s.s); i++ {
			add(int(s.s[i]))
		}
	})
	list("codepoints each_codepoint", func(in *Interp, s *String, add func(Value)) {
		for _, r := range s.s {
			add(int(r))
		}
	})
	d.def("upto", 1, 2, func(in *Interp, c *call) Value {
		if c.blk == nil {
			return in.enum(c)
		}
		in.strUpto(c.self.(*String).s, in.argString(c.args[0]), truthy(c.opt(1)), func(v Value) bool { in.yield(c.blk, v); return true })
		return c.self
	})
	d.def("between?", 2, 2, func(in *Interp, c *call) Value {
		return in.mustCompare(c.self, c.args[0]) >= 0 && in.mustCompare(c.self, c.args[1]) <= 0
	})
	d.def("=~", 1, 1, func(in *Interp, c *call) Value {
		switch x := c.args[0].(type) {
		case *Regexp:
			s := c.self.(*String).s
			m := in.search(c, x, s, 0)
			if m == nil {
				return nil
			}
			return runeCount(s[:m.idx[0]])
		case *String:
			in.raise("TypeError", "wrong argument type String (expected Regexp)")
		}
		return in.send(c.args[0], "=~", c.self)
	})
	d.def("match match?", 1, 2, func(in *Interp, c *call) Value {
		var re *Regexp
		if s, ok := c.args[0].(*String); ok {
			re = in.regexp(s.s, 0)
		} else {
			re = in.toRegexp(c.args[0])
		}
		return in.matchCall(c, re, c.self, c.opt(1))
	})
	d.def("scan", 1, 1, func(in *Interp, c *call) Value {
		s := c.self.(*String).s
		re := in.toRegexp(c.args[0])
		var out []Value
		var last *MatchData
		for pos := 0; pos <= len(s); {
			in.step(1)
			idx := re.match(in, s, pos)
			if idx == nil {
				break
			}
			last = &MatchData{re: re, s: s, idx: idx}
			var v Value
			if len(idx) == 2 {
				v = in.groupValue(last, 0)
			} else {
				var g []Value
				for i := 1; i < len(idx)/2; i++ {
					g = append(g, in.groupValue(last, i))
				}
				v = in.arr(g)
			}
			in.alloc(64)
			in.setMatch(c, last)
			if c.blk != nil {
				in.yield(c.blk, v)
			} else {
				out = append(out, v)
			}
			pos = nextPos(s, idx)
		}
		in.setMatch(c, last)
		if c.blk != nil {
			return c.self
		}
		return in.arr(out)
	})
	d.def("partition rpartition", 1, 1, func(in *Interp, c *call) Value {
		s := c.self.(*String).s
		lo, hi := -1, -1
		if re, ok := c.args[0].(*Regexp); ok {
			if c.name == "partition" {
				if m := in.search(c, re, s, 0); m != nil {
					lo, hi = m.idx[0], m.idx[1]
				}
			} else {
				for pos := len(s); pos >= 0; pos-- {
					if idx := re.matchAt(in, s, pos); idx != nil {
						lo, hi = idx[0], idx[1]
						in.setMatch(c, &MatchData{re: re, s: s, idx: idx})
						break
					}
				}
			}
		} else {
			t := in.argString(c.args[0])
			if c.name == "partition" {
				lo = strings.Index(s, t)
			} else {
				lo = strings.LastIndex(s, t)
			}
			hi = lo + len(t)
		}
		if lo < 0 {
			if c.name == "partition" {
				return in.arr([]Value{in.str(s), in.str(""), in.str("")})
			}
			return in.arr([]Value{in.str(""), in.str(""), in.str(s)})
		}
		return in.arr([]Value{in.str(s[:lo]), in.str(s[lo:hi]), in.str(s[hi:])})
	})
	d.def("encoding", 0, 0, func(in *Interp, c *call) Value {
		name := "UTF_8"
		if c.self.(*String).binary {
			name = "ASCII_8BIT"
		}
		v, _ := in.classConst(in.classes["Encoding"], name)
		return v
	})
	d.def("force_encoding encode unpack unpack1", 0, -1, func(in *Interp, c *call) Value {
		switch c.name {
		case "unpack", "unpack1":
			return in.unpack(c)
		}
		name := "UTF-8"
		if len(c.args) > 0 {
			switch x := c.args[0].(type) {
			case *Hash:
			default:
				name = strings.ToUpper(in.toS(x))
			}
		}
		s := c.self.(*String)
		switch name {
		case "UTF-8", "ASCII-8BIT", "BINARY", "US-ASCII":
		default:
			in.unsupported("the encoding " + name)
		}
		if c.name == "encode" {
			if name == "UTF-8" {
				return in.str(strings.ToValidUTF8(s.s, "\ufffd"))
			}
			return in.str(s.s)
		}
		s.binary = name == "ASCII-8BIT" || name == "BINARY"
		return s
	})
	d.def("b", 0, 0, func(in *Interp, c *call) Value {
		s := in.str(c.self.(*String).s)
		s.binary = true
		return s
	})
	d.def("valid_encoding?", 0, 0, func(in *Interp, c *call) Value { return utf8.ValidString(c.self.(*String).s) })
	d.def("ascii_only?", 0, 0, func(in *Interp, c *call) Value { return isASCII(c.self.(*String).s) })
	d.def("unicode_normalized?", 0, 1, func(in *Interp, c *call) Value { return isASCII(c.self.(*String).s) })
	d.def("crypt", 1, 1, func(in *Interp, c *call) Value { in.unsupported("String#crypt"); return nil })
}

// caseOption checks the options of upcase and its kin; true means :ascii.
func (in *Interp) caseOption(c *call) bool {
	for _, a := range c.args {
		switch a {
		case Symbol("ascii"):
			return true
		case Symbol("turkic"), Symbol("lithuanian"), Symbol("fold"):
			in.unsupported("the option " + in.inspect(a) + " of " + c.name)
		}
		in.raise("ArgumentError", "invalid option: %s", in.toS(a))
	}
	return false
}

func asciiDown(s string) string { return mapASCII(s, unicode.ToLower) }

func mapASCII(s string, f func(rune) rune) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 {
			return f(r)
		}
		return r
	}, s)
}

func chomp(s string) string {
	switch {
	case strings.HasSuffix(s, "\r\n"):
		return s[:len(s)-2]
	case strings.HasSuffix(s, "\n"), strings.HasSuffix(s, "\r"):
		return s[:len(s)-1]
	}
	return s
}

// nextPos is where the search goes on after a match; an empty match moves on by a character.
func nextPos(s string, idx []int) int {
	if idx[1] > idx[0] {
		return idx[1]
	}
	if idx[1] >= len(s) {
		return len(s) + 1
	}
	_, w := utf8.DecodeRuneInString(s[idx[1]:])
	return idx[1] + w
}

// sliceArgs understands (index), (index, length) and (range) over n items; for a single index length is 1.
func (in *Interp) sliceArgs(args []Value, n int) (lo, length int, ok bool) {
	if r, isR := args[0].(*Range); isR && len(args) == 1 {
		return in.rangeSlice(r, n)
	}
	lo = in.argInt(args[0])
	if lo < 0 {
		lo += n
	}
	if len(args) == 1 {
		return lo, 1, lo >= 0 && lo < n
	}
	length = in.argInt(args[1])
	if lo < 0 || lo > n || length < 0 {
		return 0, 0, false
	}
	if length > n-lo {
		length = n - lo
	}
	return lo, length, true
}

func (in *Interp) rangeSlice(r *Range, n int) (lo, length int, ok bool) {
	hi := n - 1
	if r.Lo != nil {
		lo = in.argInt(r.Lo)
	}
	if r.Hi != nil {
		hi = in.argInt(r.Hi)
		if hi < 0 {
			hi += n
		}
		if r.Excl {
			hi--
		}
	}
	if lo < 0 {
		lo += n
	}
	if lo < 0 || lo > n {
		return 0, 0, false
	}
	if hi >= n {
		hi = n - 1
	}
	if hi < lo {
		return lo, 0, true
	}
	return lo, hi - lo + 1, true
}

// strRange finds the bytes that an index expression means.
func (in *Interp) strRange(c *call, s string) (lo, hi int, ok bool) {
	switch x := c.args[0].(type) {
	case *String:
		if len(c.args) > 1 {
			in.argInt(c.args[0])
		}
		i := strings.Index(s, x.s)
		return i, i + len(x.s), i >= 0
	case *Regexp:
		m := in.search(c, x, s, 0)
		if m == nil {
			return 0, 0, false
		}
		g := 0
		if len(c.args) > 1 {
			g = in.groupNumber(m, c.args[1])
		}
		if g < 0 || 2*g+1 >= len(m.idx) || m.idx[2*g] < 0 {
			return 0, 0, false
		}
		return m.idx[2*g], m.idx[2*g+1], true
	}
	if isASCII(s) {
		lo, n, ok := in.sliceArgs(c.args, len(s))
		return lo, lo + n, ok
	}
	i, n, ok := in.sliceArgs(c.args, runeCount(s))
	if !ok {
		return 0, 0, false
	}
	lo = byteOffset(s, i)
	hi = lo + byteOffset(s[lo:], n)
	return lo, hi, true
}

func (in *Interp) strIndex(c *call) Value {
	s := c.self.(*String).s
	in.step(len(s) / 256)
	lo, hi, ok := in.strRange(c, s)
	if !ok {
		return nil
	}
	return in.str(s[lo:hi])
}

func (in *Interp) groupNumber(m *MatchData, v Value) int {
	switch x := v.(type) {
	case int:
		if x < 0 {
			x += len(m.idx) / 2
		}
		return x
	case *String, Symbol:
		name := in.argName(v)
		gs, ok := m.re.group[name]
		if !ok {
			in.raise("IndexError", "undefined group name reference: %s", name)
		}
		for i := len(gs) - 1; i >= 0; i-- {
			if m.idx[2*gs[i]] >= 0 {
				return gs[i]
			}
		}
		return gs[0]
	}
	return in.argInt(v)
}

// charSets understands the "a-z", "^0-9" arguments of count, delete, squeeze; several intersect.
func (in *Interp) charSets(args []Value) func(rune) bool {
	var sets []func(rune) bool
	for _, a := range args {
		s := in.argString(a)
		neg := false
		if len(s) > 1 && s[0] == '^' {
			neg = true
			s = s[1:]
		}
		rs := in.expandRanges(s, math.MaxInt)
		set := make(map[rune]bool, len(rs))
		for _, r := range rs {
			set[r] = true
		}
		sets = append(sets, func(r rune) bool { return set[r] != neg })
	}
	return func(r rune) bool {
		for _, f := range sets {
			if !f(r) {
				return false
			}
		}
		return true
	}
}

// expandRanges spells out a-z; max stops it once so many characters are known.
func (in *Interp) expandRanges(s string, max int) []rune {
	src := []rune(s)
	var out []rune
	for i := 0; i < len(src) && len(out) < max; i++ {
		r := src[i]
		if r == '\\' && i+1 < len(src) {
			i++
			out = append(out, src[i])
			continue
		}
		if i+2 < len(src) && src[i+1] == '-' {
			hi := src[i+2]
			if hi < r {
				in.raise("ArgumentError", "invalid range %q in string transliteration", string(src[i:i+3]))
			}
			in.alloc(4 * int(hi-r))
			for ; r <= hi; r++ {
				out = append(out, r)
			}
			i += 2
			continue
		}
		out = append(out, r)
	}
	return out
}

func (in *Interp) tr(s, from, to string, squeeze bool) string {
	neg := false
	if len(from) > 1 && from[0] == '^' {
		neg = true
		from = from[1:]
	}
	f := in.expandRanges(from, math.MaxInt)
	n := len(f)
	if neg {
		n = math.MaxInt
	}
	t := in.expandRanges(to, n)
	m := map[rune]rune{}
	for i, r := range f {
		switch {
		case len(t) == 0:
			m[r] = -1
		case i < len(t):
			m[r] = t[i]
		default:
			m[r] = t[len(t)-1]
		}
	}
	var b strings.Builder
	last := rune(-2)
	for _, r := range s {
		x, ok := m[r]
		if neg {
			ok = !ok
			if len(t) == 0 {
				x = -1
			} else {
				x = t[len(t)-1]
			}
		}
		if !ok {
			b.WriteRune(r)
			last = -2
			continue
		}
		if x >= 0 && !(squeeze && x == last) {
			b.WriteRune(x)
		}
		last = x
	}
	return b.String()
}

// subst is sub and gsub.
func (in *Interp) subst(c *call, s string, global bool) (string, bool) {
	pat := c.args[0]
	bad := func() {
		switch pat.(type) {
		case *Regexp, *String:
		default:
			in.raise("TypeError", "wrong argument type %s (expected Regexp)", in.classOf(pat).name)
		}
	}
	if global || c.blk != nil || len(c.args) > 1 {
		bad()
	}
	if len(c.args) == 1 && c.blk == nil {
		in.raise("ArgumentError", "wrong number of arguments (given 1, expected 2)")
	}
	var hash *Hash
	repl := ""
	if len(c.args) == 2 {
		if h, ok := c.args[1].(*Hash); ok {
			hash = h
		} else {
			repl = in.argString(c.args[1])
		}
	}
	var re *Regexp
	lit, isLit := pat.(*String)
	if !isLit {
		re = pat.(*Regexp)
	} else {
		re = &Regexp{src: quoteRegexp(lit.s), ncap: 1}
	}
	find := func(pos int) []int {
		if isLit {
			i := strings.Index(s[pos:], lit.s)
			if i < 0 {
				return nil
			}
			return []int{pos + i, pos + i + len(lit.s)}
		}
		return re.match(in, s, pos)
	}
	var b strings.Builder
	done := 0
	changed := false
	var last *MatchData
	for pos := 0; pos <= len(s); {
		in.step(1)
		idx := find(pos)
		if idx == nil {
			break
		}
		changed = true
		last = &MatchData{re: re, s: s, idx: idx}
		b.WriteString(s[done:idx[0]])
		before := b.Len()
		switch {
		case hash != nil:
			b.WriteString(in.toS(in.hashGet(hash, in.groupValue(last, 0))))
		case len(c.args) == 2:
			in.expand(&b, repl, last)
		default:
			in.setMatch(c, last)
			b.WriteString(in.toS(in.yield(c.blk, in.groupValue(last, 0))))
		}
		in.alloc(2*(b.Len()-before+(idx[0]-done)) + 16)
		done = idx[1]
		pos = nextPos(s, idx)
		if !global {
			break
		}
	}
	in.setMatch(c, last)
	if !changed {
		return s, false
	}
	b.WriteString(s[done:])
	return b.String(), true
}

// expand writes a replacement text with \1, \0, \k<name>, \\ and the like filled in.
func (in *Interp) expand(b *strings.Builder, repl string, m *MatchData) {
	group := func(i int) {
		if 2*i+1 < len(m.idx) && m.idx[2*i] >= 0 {
			b.WriteString(m.s[m.idx[2*i]:m.idx[2*i+1]])
		}
	}
	for i := 0; i < len(repl); i++ {
		ch := repl[i]
		if ch != '\\' || i+1 >= len(repl) {
			b.WriteByte(ch)
			continue
		}
		i++
		switch n := repl[i]; {
		case isDigit(n):
			group(int(n - '0'))
		case n == '&':
			group(0)
		case n == '`':
			b.WriteString(m.s[:m.idx[0]])
		case n == '\'':
			b.WriteString(m.s[m.idx[1]:])
		case n == '\\':
			b.WriteByte('\\')
		case n == 'k' && i+1 < len(repl) && repl[i+1] == '<':
			e := strings.IndexByte(repl[i:], '>')
			if e < 0 {
				b.WriteString("\\k")
				continue
			}
			group(in.groupNumber(m, NewString(repl[i+2:i+e])))
			i += e
		default:
			b.WriteByte('\\')
			b.WriteByte(n)
		}
	}
}

// split is String#split.
func (in *Interp) split(c *call) []Value {
	s := c.self.(*String).s
	in.step(len(s) / 16)
	limit := 0
	if len(c.args) > 1 {
		limit = in.argInt(c.args[1])
	}
	var out []Value
	add := func(t string) {
		in.alloc(24)
		out = append(out, in.str(t))
	}
	if s == "" {
		return nil
	}
	if limit == 1 {
		add(s)
		return out
	}
	var pat Value
	if len(c.args) > 0 {
		pat = c.args[0]
	}
	full := func() bool { return limit > 0 && len(out) == limit-1 }
	awk := pat == nil
	if p, ok := pat.(*String); ok && p.s == " " {
		awk = true
	}
	switch p := pat.(type) {
	case nil, *String:
		if awk {
			i := 0
			for {
				for i < len(s) && (isSpace(s[i]) || s[i] == 0) {
					i++
				}
				if i >= len(s) {
					if limit != 0 && len(out) > 0 {
						add("")
					}
					break
				}
				if full() {
					add(s[i:])
					break
				}
				j := i
				for j < len(s) && !isSpace(s[j]) && s[j] != 0 {
					j++
				}
				add(s[i:j])
				i = j
				if i >= len(s) {
					break
				}
			}
			break
		}
		sep := p.(*String).s
		rest := s
		for {
			if full() {
				break
			}
			var i int
			if sep == "" {
				_, i = utf8.DecodeRuneInString(rest)
				if i >= len(rest) {
					break
				}
			} else if i = strings.Index(rest, sep); i < 0 {
				break
			}
			add(rest[:i])
			rest = rest[i+len(sep):]
		}
		if sep == "" {
			add(rest)
			if limit < 0 || limit > len(out) {
				add("")
			}
		} else {
			add(rest)
		}
	case *Regexp:
		beg, start := 0, 0
		lastNull := false
		for start <= len(s) && !full() {
			in.step(1)
			idx := p.match(in, s, start)
			if idx == nil {
				break
			}
			if idx[0] == start && idx[1] == idx[0] {
				if !lastNull {
					_, w := utf8.DecodeRuneInString(s[start:])
					if w == 0 {
						w = 1
					}
					start += w
					lastNull = true
					continue
				}
				add(s[beg:start])
				beg = start
			} else {
				add(s[beg:idx[0]])
				beg, start = idx[1], idx[1]
			}
			lastNull = false
			for g := 1; g < len(idx)/2; g++ {
				if idx[2*g] >= 0 {
					add(s[idx[2*g]:idx[2*g+1]])
				}
			}
		}
		if len(s) == beg && limit == 0 {
			break
		}
		add(s[beg:])
	default:
		in.raise("TypeError", "wrong argument type %s (expected Regexp)", in.classOf(pat).name)
	}
	if limit == 0 {
		for len(out) > 0 && out[len(out)-1].(*String).s == "" {
			out = out[:len(out)-1]
		}
	}
	return out
}

func (in *Interp) splitLines(s, sep string, chompIt bool) []string {
	var out []string
	para := sep == ""
	if para {
		sep = "\n\n"
	}
	for s != "" {
		i := strings.Index(s, sep)
		if i < 0 {
			out = append(out, cutLine(s, sep, chompIt))
			break
		}
		e := i + len(sep)
		if para {
			for e < len(s) && s[e] == '\n' {
				e++
			}
			out = append(out, cutLine(s[:i+2], sep, chompIt))
		} else {
			out = append(out, cutLine(s[:e], sep, chompIt))
		}
		s = s[e:]
		in.alloc(32)
	}
	return out
}

func cutLine(s, sep string, chompIt bool) string {
	if !chompIt {
		return s
	}
	if sep == "\n" {
		return chomp(s)
	}
	return strings.TrimSuffix(s, sep)
}

// strSucc is String#succ.
func strSucc(s string) string {
	if s == "" {
		return ""
	}
	b := []rune(s)
	alnum := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r))
	}
	last := -1
	for i := len(b) - 1; i >= 0; i-- {
		if alnum(b[i]) {
			last = i
			break
		}
	}
	if last < 0 {
		for i := len(b) - 1; i >= 0; i-- {
			b[i]++
			if b[i] <= unicode.MaxRune {
				return string(b)
			}
			b[i] = 1
		}
		return string(b)
	}
	i := last
	for {
		carry := rune(0)
		switch b[i] {
		case '9':
			b[i], carry = '0', '1'
		case 'z':
			b[i], carry = 'a', 'a'
		case 'Z':
			b[i], carry = 'A', 'A'
		default:
			b[i]++
			return string(b)
		}
		// the next alphanumeric to the left; other characters between stop the carry unless more follow
		j := i - 1
		for j >= 0 && !alnum(b[j]) {
			j--
		}
		if j < 0 || (i-j > 1 && !sameSort(b[j], b[i])) {
			out := append([]rune(nil), b[:i]...)
			out = append(out, carry)
			return string(append(out, b[i:]...))
		}
		i = j
	}
}

func sameSort(a, b rune) bool {
	kind := func(r rune) int {
		if r >= '0' && r <= '9' {
			return 0
		}
		return 1
	}
	return kind(a) == kind(b)
}

// strUpto calls fn for the strings from lo to hi as Ruby's ranges of strings do.
func (in *Interp) strUpto(lo, hi string, excl bool, fn func(Value) bool) {
	if runeCount(lo) == 1 && runeCount(hi) == 1 && isASCII(lo) && isASCII(hi) {
		for c := int(lo[0]); c <= int(hi[0]); c++ {
			if excl && c == int(hi[0]) {
				return
			}
			if !fn(in.str(string(rune(c)))) {
				return
			}
		}
		return
	}
	if allDigits(lo) && allDigits(hi) && len(lo) <= 18 && len(hi) <= 18 {
		a, b := parseIntPrefix(lo, 10).(int), parseIntPrefix(hi, 10).(int)
		w := len(lo)
		for ; a <= b; a++ {
			if excl && a == b {
				return
			}
			t := in.toS(a)
			if len(t) < w {
				t = strings.Repeat("0", w-len(t)) + t
			}
			if !fn(in.str(t)) {
				return
			}
		}
		return
	}
	if len(lo) > len(hi) || len(lo) == len(hi) && lo > hi {
		return
	}
	for s := lo; ; s = strSucc(s) {
		in.step(1)
		if s == hi {
			if !excl {
				fn(in.str(s))
			}
			return
		}
		if runeCount(s) > runeCount(hi) {
			return
		}
		if !fn(in.str(s)) {
			return
		}
	}
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// unpack knows the directives that people use on digests and text.
func (in *Interp) unpack(c *call) Value {
	f := in.argString(c.args[0])
	s := c.self.(*String).s
	var out []Value
	switch {
	case f == "C*" || f == "c*":
		for i := 0; i < len(s); i++ {
			out = append(out, int(s[i]))
		}
	case f == "U*":
		for _, r := range s {
			out = append(out, int(r))
		}
	case f == "a*" || f == "A*":
		out = append(out, in.str(s))
	case f == "H*":
		out = append(out, in.str(hexOf(s)))
	case f == "m0" || f == "m":
		out = append(out, in.base64Decode(s, false))
	default:
		in.unsupported("unpack with " + in.inspect(c.args[0]))
	}
	in.alloc(24 * len(out))
	if c.name == "unpack1" {
		if len(out) == 0 {
			return nil
		}
		return out[0]
	}
	return in.arr(out)
}

func hexOf(s string) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 2*len(s))
	for i := 0; i < len(s); i++ {
		b = append(b, digits[s[i]>>4], digits[s[i]&15])
	}
	return string(b)
}

func defSymbol(l *library) {
	d := l.class("Symbol", "Object", "Comparable")
	str := l.byName["String"]
	d.def("to_s name id2name", 0, 0, func(in *Interp, c *call) Value { return in.str(string(c.self.(Symbol))) })
	d.def("to_sym", 0, 0, func(in *Interp, c *call) Value { return c.self })
	d.def("to_proc", 0, 0, func(in *Interp, c *call) Value { return in.toProc(c.self) })
	d.def("inspect", 0, 0, func(in *Interp, c *call) Value { return in.str(inspectSymbol(string(c.self.(Symbol)))) })
	d.def("==  ===", 1, 1, func(in *Interp, c *call) Value { return c.self == c.args[0] })
	d.def("<=>", 1, 1, func(in *Interp, c *call) Value {
		if r, ok := in.compare(c.self, c.args[0]); ok {
			return r
		}
		return nil
	})
	// the rest is that of the string, turned back into a symbol where Ruby does so
	for _, n := range strings.Fields("length size empty? [] slice start_with? end_with? =~ match match? encoding casecmp casecmp? upcase downcase capitalize swapcase succ next") {
		m := str.methods[n]
		back := strings.Contains(" upcase downcase capitalize swapcase succ next ", " "+n+" ")
		n := n
		d.def(n, m.min, m.max, func(in *Interp, c *call) Value {
			cc := *c
			cc.self = &String{s: string(c.self.(Symbol))}
			if len(c.args) == 1 && strings.HasPrefix(n, "casecmp") {
				o, ok := c.args[0].(Symbol)
				if !ok {
					return nil
				}
				cc.args = []Value{&String{s: string(o)}}
			}
			v := m.bi(in, &cc)
			if s, ok := v.(*String); ok && back {
				return Symbol(s.s)
			}
			return v
		})
	}
	d.sdef("all_symbols", 0, 0, func(in *Interp, c *call) Value { in.unsupported("Symbol.all_symbols"); return nil })
}
