package ruby

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

func stringMethods() []builtin {
	return []builtin{
		{"to_s to_str", 0, 0, self},
		{"to_sym intern", 0, 0, of(func(_ *Interp, s *String) Value { return Symbol(s.s) })},
		{"to_i", 0, 1, stringToI},
		{"< <= > >=", 1, 1, compareOperator},
		{"+", 1, 1, stringAdd},
		{"*", 1, 1, stringTimes},
		{"%", 1, 1, stringFormat},
		{"<<", 1, 1, stringAppend},
		{"concat", 0, -1, stringAppend},
		{"replace", 1, 1, stringReplace},
		{"+@", 0, 0, stringUnfrozen},
		{"length size", 0, 0, of(func(_ *Interp, s *String) Value { return runeCount(s.s) })},
		{"bytesize", 0, 0, of(func(_ *Interp, s *String) Value { return len(s.s) })},
		{"empty?", 0, 0, of(func(_ *Interp, s *String) Value { return s.s == "" })},
		{"include?", 1, 1, stringIncludes},
		{"start_with?", 0, -1, stringStartsWith},
		{"end_with?", 0, -1, stringEndsWith},
		{"index", 1, 2, stringIndex},
		{"rindex", 1, 1, stringIndex},
		{"[] slice", 1, 2, stringGet},
		{"split", 0, 2, stringSplit},
		{"lines each_line", 0, 1, stringLines},
		{"chars each_char", 0, 0, stringChars},
		{"bytes", 0, 0, stringBytes},
		{"=~", 1, 1, stringMatchAt},
		{"match match?", 1, 1, stringMatch},
		{"scan", 1, 1, stringScan},
		{"sub gsub", 1, 2, stringSub},
		{"force_encoding", 1, 1, stringForceEncoding},
		{"upcase downcase capitalize strip lstrip rstrip chop reverse", 0, 0, stringMapped},
		{"chomp", 0, 1, stringMapped},
		{"tr", 2, 2, stringMapped},
		{"delete_prefix delete_suffix", 1, 1, stringMapped},
		{"upcase! downcase! capitalize! strip! lstrip! rstrip! chop!", 0, 0, inPlace},
		{"chomp!", 0, 1, inPlace},
		{"sub! gsub!", 1, 2, inPlace},
		{"delete_prefix! delete_suffix!", 1, 1, inPlace},
	}
}

func symbolMethods() []builtin {
	return []builtin{
		{"to_s name id2name", 0, 0, func(in *Interp, c *call) Value { return in.str(string(c.self.(Symbol))) }},
		{"to_sym", 0, 0, self},
		{"to_proc", 0, 0, func(in *Interp, c *call) Value { return in.toProc(c.self) }},
		{"length size empty? [] start_with? end_with? =~ match? match", 0, -1, symbolAsString},
		{"upcase downcase capitalize", 0, 0, symbolMapped},
	}
}

func runeCount(s string) int { return utf8.RuneCountInString(s) }

// byteOffset gives the byte offset of character i, or -1 beyond the end; i may
// be one past the last.
func byteOffset(s string, i int) int {
	if i < 0 {
		return -1
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
	in.checkFrozen(s)
	in.alloc(len(t))
	s.set(t)
}

func stringNew(in *Interp, c *call) Value {
	c.kwargs()
	if len(c.args) == 0 {
		return in.str("")
	}
	return in.str(in.argString(c.args[0]))
}

func stringToI(in *Interp, c *call) Value {
	return in.integerPrefix(c.self.(*String).s, in.radix(c))
}

func digitVal(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'z':
		return int(c|0x20-'a') + 10
	}
	return 99
}

// integerPrefix is String#to_i: as many digits as there are.
func (in *Interp) integerPrefix(s string, base int) int {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	sign := 1
	if strings.HasPrefix(s, "-") {
		sign = -1
	}
	s = strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+")
	if len(s) > 1 && s[0] == '0' && strings.IndexByte(map[int]string{2: "bB", 8: "oO", 10: "dD", 16: "xX"}[base], s[1]) >= 0 {
		s = s[2:]
	}
	n := 0
	for i := 0; i < len(s); i++ {
		d := digitVal(s[i])
		if s[i] == '_' && i > 0 && i+1 < len(s) && s[i-1] != '_' {
			continue
		}
		if d >= base {
			break
		}
		n = in.intArith("+", in.multiply(n, base), d).(int)
	}
	return sign * n
}

func stringAdd(in *Interp, c *call) Value {
	return in.str(c.self.(*String).s + in.argString(c.args[0]))
}

func stringTimes(in *Interp, c *call) Value {
	s, n := c.self.(*String).s, in.argInt(c.args[0])
	if n < 0 {
		in.raise("ArgumentError", "negative argument")
	}
	in.alloc(in.multiply(len(s), n))
	return in.str(strings.Repeat(s, n))
}

func stringFormat(in *Interp, c *call) Value {
	args := c.args
	if a, ok := args[0].(*Array); ok {
		args = a.a
	}
	return in.str(in.sprintf(c.self.(*String).s, args))
}

func stringAppend(in *Interp, c *call) Value {
	s := c.self.(*String)
	in.checkFrozen(s)
	for _, a := range c.args {
		t := ""
		if n, ok := a.(int); ok {
			t = string(rune(n))
		} else {
			t = in.argString(a)
		}
		in.alloc(3*len(t) + 16)
		s.add(t)
	}
	return s
}

func stringReplace(in *Interp, c *call) Value {
	in.edit(c.self.(*String), in.argString(c.args[0]))
	return c.self
}

func stringUnfrozen(in *Interp, c *call) Value {
	if s := c.self.(*String); s.frozen {
		return in.str(s.s)
	}
	return c.self
}

func stringIncludes(in *Interp, c *call) Value {
	in.step(len(c.self.(*String).s) / 64)
	return strings.Contains(c.self.(*String).s, in.argString(c.args[0]))
}

func stringStartsWith(in *Interp, c *call) Value {
	s := c.self.(*String).s
	for _, a := range c.args {
		if re, ok := a.(*Regexp); ok {
			if in.search(c, in.regexp(`\A`+re.embed(), ""), s, 0) != nil {
				return true
			}
		} else if strings.HasPrefix(s, in.argString(a)) {
			return true
		}
	}
	return false
}

func stringEndsWith(in *Interp, c *call) Value {
	for _, a := range c.args {
		if strings.HasSuffix(c.self.(*String).s, in.argString(a)) {
			return true
		}
	}
	return false
}

// stringIndex is index, with a start, and rindex.
func stringIndex(in *Interp, c *call) Value {
	s := c.self.(*String).s
	from := in.optInt(c, 1, 0)
	if from < 0 {
		from += runeCount(s)
	}
	off, at := byteOffset(s, from), -1
	re, isRe := c.args[0].(*Regexp)
	switch {
	case c.name == "rindex" && isRe:
		in.unsupported("String#rindex with a regexp")
	case c.name == "rindex":
		at = strings.LastIndex(s, in.argString(c.args[0]))
	case off < 0:
	case isRe:
		if m := in.search(c, re, s, off); m != nil {
			at = m.idx[0]
		}
	default:
		if at = strings.Index(s[off:], in.argString(c.args[0])); at >= 0 {
			at += off
		}
	}
	if at < 0 {
		return nil
	}
	return runeCount(s[:at])
}

// Indexes.

// sliceArgs understands (index), (index, length) and (range) over n items; for
// a single index the length is 1.
func (in *Interp) sliceArgs(args []Value, n int) (lo, length int, ok bool) {
	r, isRange := args[0].(*Range)
	switch {
	case isRange:
		lo, length = in.rangeBounds(r, n)
	case len(args) == 1:
		if lo = in.argInt(args[0]); lo < 0 {
			lo += n
		}
		return lo, 1, lo >= 0 && lo < n
	default:
		if lo, length = in.argInt(args[0]), in.argInt(args[1]); lo < 0 {
			lo += n
		}
		if length < 0 {
			return 0, 0, false
		}
	}
	if lo < 0 || lo > n {
		return 0, 0, false
	}
	return lo, max(0, min(length, n-lo)), true
}

// rangeBounds gives the start and length of a range over n items.
func (in *Interp) rangeBounds(r *Range, n int) (lo, length int) {
	hi := n
	if r.Lo != nil {
		if lo = in.argInt(r.Lo); lo < 0 {
			lo += n
		}
	}
	if r.Hi != nil {
		if hi = in.argInt(r.Hi); hi < 0 {
			hi += n
		}
		if !r.Excl {
			hi++
		}
	}
	return lo, max(0, hi-lo)
}

// stringRange finds the bytes that an index expression means.
func (in *Interp) stringRange(c *call, args []Value) (lo, hi int, ok bool) {
	s := c.self.(*String).s
	switch x := args[0].(type) {
	case *String:
		i := strings.Index(s, x.s)
		return i, i + len(x.s), i >= 0
	case *Regexp:
		m := in.search(c, x, s, 0)
		if m == nil {
			return 0, 0, false
		}
		g := 0
		if len(args) > 1 {
			g = in.groupNumber(m, args[1])
		}
		if _, ok := m.group(g); !ok {
			return 0, 0, false
		}
		return m.idx[2*g], m.idx[2*g+1], true
	}
	i, n, ok := in.sliceArgs(args, runeCount(s))
	if !ok {
		return 0, 0, false
	}
	lo = byteOffset(s, i)
	return lo, lo + byteOffset(s[lo:], n), true
}

func stringGet(in *Interp, c *call) Value {
	s := c.self.(*String).s
	in.step(len(s) / 256)
	lo, hi, ok := in.stringRange(c, c.args)
	if !ok {
		return nil
	}
	return in.str(s[lo:hi])
}

// Methods that compute a new string.

func stringMapped(in *Interp, c *call) Value { return in.str(in.mapString(c, c.name)) }

const whiteSpace = "\t\n\v\f\r \x00"

func (in *Interp) mapString(c *call, name string) string {
	s := c.self.(*String).s
	in.step(len(s) / 64)
	switch name {
	case "upcase":
		return strings.ToUpper(s)
	case "downcase":
		return strings.ToLower(s)
	case "capitalize":
		r, w := utf8.DecodeRuneInString(s)
		if w == 0 {
			return s
		}
		return string(unicode.ToTitle(r)) + strings.ToLower(s[w:])
	case "strip":
		return strings.TrimRight(strings.TrimLeft(s, whiteSpace), whiteSpace)
	case "lstrip":
		return strings.TrimLeft(s, whiteSpace)
	case "rstrip":
		return strings.TrimRight(s, whiteSpace)
	case "chomp":
		return in.chomp(s, c.args)
	case "chop":
		_, w := utf8.DecodeLastRuneInString(strings.TrimSuffix(s, "\r\n"))
		if strings.HasSuffix(s, "\r\n") {
			w = 2
		}
		return s[:len(s)-w]
	case "reverse":
		r := []rune(s)
		slices.Reverse(r)
		return string(r)
	case "delete_prefix":
		return strings.TrimPrefix(s, in.argString(c.args[0]))
	case "delete_suffix":
		return strings.TrimSuffix(s, in.argString(c.args[0]))
	}
	return in.tr(s, in.argString(c.args[0]), in.argString(c.args[1]))
}

// chomp drops a line's end, or a suffix.
func (in *Interp) chomp(s string, args []Value) string {
	if len(args) == 0 {
		return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
	}
	suffix := in.argString(args[0])
	if suffix == "" || suffix == "\n" {
		in.unsupported("String#chomp of all line ends")
	}
	return strings.TrimSuffix(s, suffix)
}

// expandRanges spells out a-z.
func (in *Interp) expandRanges(s string) []rune {
	src := []rune(s)
	var out []rune
	for i := 0; i < len(src); i++ {
		r := src[i]
		switch {
		case r == '\\' && i+1 < len(src):
			i++
			out = append(out, src[i])
		case i+2 < len(src) && src[i+1] == '-':
			hi := src[i+2]
			if hi < r {
				in.raise("ArgumentError", "invalid range %q in string transliteration", string(src[i:i+3]))
			}
			in.alloc(4 * int(hi-r))
			for ; r <= hi; r++ {
				out = append(out, r)
			}
			i += 2
		default:
			out = append(out, r)
		}
	}
	return out
}

func (in *Interp) tr(s, from, to string) string {
	set, negated := strings.CutPrefix(from, "^")
	if set == "" {
		set, negated = from, false
	}
	f, t := in.expandRanges(set), in.expandRanges(to)
	return strings.Map(func(r rune) rune {
		i := slices.Index(f, r)
		if (i < 0) != negated {
			return r
		}
		if negated {
			i = len(t) - 1
		}
		if len(t) == 0 {
			return -1
		}
		return t[min(i, len(t)-1)]
	}, s)
}

// Symbols.

// symbolAsString calls the method of the same name on the symbol's text.
func symbolAsString(in *Interp, c *call) Value {
	return in.call(invocation{f: c.f, self: NewString(string(c.self.(Symbol))), name: c.name, args: c.args, kw: c.kw, blk: c.blk})
}

func symbolMapped(in *Interp, c *call) Value {
	return Symbol(in.mapString(&call{self: NewString(string(c.self.(Symbol)))}, c.name))
}
