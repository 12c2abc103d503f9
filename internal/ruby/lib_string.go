package ruby

import (
	"strings"
	"unicode/utf8"
)

func stringMethods() []builtin {
	return []builtin{
		{"to_s to_str", 0, 0, self},
		{"to_sym intern", 0, 0, of(func(_ *Interp, s *String) Value { return Symbol(s.s) })},
		{"< <= > >=", 1, 1, compareOperator},
		{"+", 1, 1, stringAdd},
		{"*", 1, 1, stringTimes},
		{"<<", 1, 1, stringAppend},
		{"concat", 0, -1, stringAppend},
		{"replace", 1, 1, stringReplace},
		{"length size", 0, 0, of(func(_ *Interp, s *String) Value { return runeCount(s.s) })},
		{"empty?", 0, 0, of(func(_ *Interp, s *String) Value { return s.s == "" })},
		{"include?", 1, 1, stringIncludes},
		{"[] slice", 1, 2, stringGet},
		{"split", 0, 2, stringSplit},
		{"bytes", 0, 0, stringBytes},
		{"=~ match match?", 1, 1, regexpMatch},
		{"scan", 1, 1, stringScan},
		{"sub gsub", 1, 2, stringSub},
		{"upcase", 0, 0, mapped(strings.ToUpper)},
		{"downcase", 0, 0, mapped(strings.ToLower)},
		{"strip", 0, 0, mapped(func(s string) string { return strings.Trim(s, whiteSpace) })},
		{"lstrip", 0, 0, mapped(func(s string) string { return strings.TrimLeft(s, whiteSpace) })},
		{"rstrip", 0, 0, mapped(func(s string) string { return strings.TrimRight(s, whiteSpace) })},
		{"upcase! downcase! capitalize! strip! lstrip! rstrip!", 0, 0, inPlace},
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
		{"upcase downcase capitalize", 0, 0, func(in *Interp, c *call) Value { return Symbol(in.toS(symbolAsString(in, c))) }},
	}
}

func runeCount(s string) int { return utf8.RuneCountInString(s) }

// edit changes a string in place.
func (in *Interp) edit(s *String, t string) {
	in.checkFrozen(s)
	in.alloc(len(t))
	s.s, s.sb = t, nil
}

func stringNew(in *Interp, c *call) Value {
	c.kwargs()
	if len(c.args) == 0 {
		return in.str("")
	}
	return in.str(in.argString(c.args[0]))
}

func stringBytes(in *Interp, c *call) Value {
	in.unsupportedIf(c.blk != nil, "String#bytes with a block")
	out := in.arr(nil)
	for _, b := range []byte(c.self.(*String).s) {
		in.push(out, int(b))
	}
	return out
}

func stringAdd(in *Interp, c *call) Value {
	return in.str(c.self.(*String).s + in.argString(c.args[0]))
}

func stringTimes(in *Interp, c *call) Value {
	s, n := c.self.(*String).s, in.argInt(c.args[0])
	in.raiseIf(n < 0, "ArgumentError", "negative argument")
	in.alloc(in.multiply(len(s), n))
	return in.str(strings.Repeat(s, n))
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

func stringIncludes(in *Interp, c *call) Value {
	return strings.Contains(c.self.(*String).s, in.argString(c.args[0]))
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

func stringGet(in *Interp, c *call) Value {
	s := c.self.(*String).s
	in.step(len(s) / 256)
	switch x := c.args[0].(type) {
	case *String:
		if strings.Contains(s, x.s) {
			return in.str(x.s)
		}
		return nil
	case *Regexp:
		m := in.search(c, x, s)
		if m == nil || len(c.args) == 1 {
			return in.groupValue(m, 0)
		}
		return in.groupValue(m, in.groupNumber(m, c.args[1]))
	}
	runes := []rune(s)
	lo, n, ok := in.sliceArgs(c.args, len(runes))
	if !ok {
		return nil
	}
	return in.str(string(runes[lo : lo+n]))
}

// Methods that compute a new string.

const whiteSpace = "\t\n\v\f\r \x00"

// mapped makes a method of a function of the text.
func mapped(fn func(s string) string) builtinFunc {
	return func(in *Interp, c *call) Value { return in.str(fn(c.self.(*String).s)) }
}

// symbolAsString calls the method of the same name on the symbol's text.
func symbolAsString(in *Interp, c *call) Value {
	return in.call(c.on(NewString(string(c.self.(Symbol))), c.name))
}
