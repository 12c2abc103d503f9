package rubyre

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// set is a character class: what regexp2 writes between brackets, or a
// pattern that matches one character where brackets can't say it.
type set struct {
	items string // between brackets; regexp2 and we agree on their meaning
	other string // a pattern that matches exactly one character, or ""
}

// text is the set as a pattern.
func (s set) text() string {
	switch {
	case s.other != "" && s.items != "":
		return "(?:[" + s.items + "]|" + s.other + ")"
	case s.other != "":
		return s.other
	case s.items == "":
		return `(?!)`
	}
	return "[" + s.items + "]"
}

func (s set) plus(v set) set {
	s.items += v.items
	switch {
	case s.other == "":
		s.other = v.other
	case v.other != "":
		s.other = "(?:" + s.other + "|" + v.other + ")"
	}
	return s
}

func (s set) not() set {
	if s.other == "" && s.items != "" {
		return set{other: "[^" + s.items + "]"}
	}
	return set{other: "(?:(?!" + s.text() + `)[\s\S])`}
}

// escapeClass is the set of \d, \w, \s, \h or the opposite.
func escapeClass(c byte) (set, bool) {
	var s set
	switch c {
	case 'd', 'D':
		s.items = "0-9"
	case 'w', 'W':
		s.items = "a-zA-Z0-9_"
	case 's', 'S':
		s.items = `\t\n\v\f\r\x20`
	case 'h', 'H':
		s.items = "0-9a-fA-F"
	default:
		return s, false
	}
	if c < 'a' {
		return s.not(), true
	}
	return s, true
}

// class reads a bracketed class; the opening bracket has been read.
func (t *translation) class() set {
	if t.depth++; t.depth > maxDepth {
		t.fail("too deep nest level in regular expression")
	}
	defer func() { t.depth-- }()
	negated := t.skip("^")
	var cur set
	empty := true
	for {
		switch {
		case t.pos >= len(t.src):
			t.fail("premature end of char-class")
		case t.has("&&"):
			t.unsupported("an intersection of classes (&&)")
		case t.src[t.pos] == ']' && empty:
			// Ruby warns of a bracket that stands first, and takes it as it is,
			// unless it is the only closing one.
			if !strings.Contains(t.src[t.pos+1:], "]") {
				t.fail("empty char-class")
			}
			t.pos++
			cur.items += `\]`
		case t.skip("]"):
			if negated {
				cur = cur.not()
			}
			return cur
		default:
			cur = cur.plus(t.classItem())
		}
		empty = false
	}
}

// classItem reads a character, a range, an escape or a nested class.
func (t *translation) classItem() set {
	if t.has("[:") {
		if s, ok := t.posix(); ok {
			return s
		}
	}
	if t.skip("[") {
		return t.class()
	}
	if t.has(`\`) && t.pos+1 < len(t.src) {
		c := t.src[t.pos+1]
		if s, ok := escapeClass(c); ok {
			t.pos += 2
			return s
		}
		if strings.IndexByte("pPRX", c) >= 0 {
			t.unsupported(`\` + string(c) + " within brackets")
		}
	}
	lo := t.classRune()
	if !t.has("-") || t.has("-]") || t.has("-[") {
		return set{items: literal(lo)}
	}
	t.pos++
	if t.pos+1 < len(t.src) && t.src[t.pos] == '\\' {
		if _, ok := escapeClass(t.src[t.pos+1]); ok || t.src[t.pos+1] == 'p' {
			t.fail("char-class value at end of range")
		}
	}
	if t.pos >= len(t.src) {
		t.fail("premature end of char-class")
	}
	hi := t.classRune()
	if hi < lo {
		t.fail("empty range in char class")
	}
	return set{items: literal(lo) + "-" + literal(hi)}
}

// classRune reads one character of a class.
func (t *translation) classRune() rune {
	if t.has(`\b`) {
		t.pos += 2
		return '\b'
	}
	if t.has(`\`) {
		if t.pos+1 >= len(t.src) {
			t.fail("premature end of char-class")
		}
		return t.character()
	}
	r, size := utf8.DecodeRuneInString(t.src[t.pos:])
	t.pos += size
	return r
}

// character reads a backslash sequence that means one character.
func (t *translation) character() rune {
	c, size := utf8.DecodeRuneInString(t.src[t.pos+1:])
	t.pos += 1 + size
	if i := strings.IndexRune("tnrfvae", c); i >= 0 {
		return rune("\t\n\r\f\v\a\x1b"[i])
	}
	switch {
	case c == 'x' && t.has("{"):
		t.unsupported(`\x{…}`)
	case c == 'u':
		return t.unicodeEscape()
	case c == 'c' || c == 'C' || c == 'M':
		t.unsupported("a meta or control escape")
	case c != 'x' && (c < '0' || c > '7'):
		return c
	}
	base, digits := 16, 2
	if c != 'x' {
		t.pos -= size
		base, digits = 8, 3
	}
	r := t.number(base, digits)
	if r >= 0x80 {
		t.unsupported("a byte beyond ASCII")
	}
	return r
}

// number reads up to n digits.
func (t *translation) number(base, n int) rune {
	end := t.pos
	for end < len(t.src) && end < t.pos+n {
		if _, err := strconv.ParseUint(t.src[end:end+1], base, 8); err != nil {
			break
		}
		end++
	}
	if end == t.pos {
		t.fail("invalid hex escape")
	}
	v, _ := strconv.ParseUint(t.src[t.pos:end], base, 32)
	t.pos = end
	return rune(v)
}

func (t *translation) unicodeEscape() rune {
	if t.has("{") {
		t.unsupported(`\u{…}`)
	}
	start := t.pos
	r := t.number(16, 4)
	if t.pos != start+4 {
		t.fail("invalid Unicode escape")
	}
	return r
}

// posixSet gives the items of a POSIX bracket; they are Unicode.
func (t *translation) posixSet(name string) (string, bool) {
	if t.flags&IgnoreCase != 0 && (name == "upper" || name == "lower") {
		return map[string]string{"upper": `\p{Lu}a-z`, "lower": `\p{Ll}A-Z`}[name], true
	}
	items, ok := map[string]string{
		"alpha":  `\p{L}\p{Nl}\p{Mn}\p{Mc}`,
		"digit":  `\p{Nd}`,
		"alnum":  `\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}`,
		"upper":  `\p{Lu}`,
		"lower":  `\p{Ll}`,
		"space":  `\t\n\v\f\r\x20\u0085\p{Z}`,
		"blank":  `\t\p{Zs}`,
		"cntrl":  `\p{Cc}`,
		"punct":  `\p{P}\$\+<=>\^\x60\|~`,
		"xdigit": `0-9a-fA-F`,
		"word":   `\p{L}\p{M}\p{N}\p{Pc}`,
		"ascii":  `\x00-\x7f`,
		"graph":  `\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co}`,
		"print":  `\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co}\p{Zs}`,
	}[name]
	return items, ok
}

// posix reads [:alpha:] or [:^alpha:]; ok is false when it is something else.
func (t *translation) posix() (set, bool) {
	name, rest, ok := strings.Cut(t.src[t.pos+2:], ":]")
	name, negated := strings.CutPrefix(name, "^")
	if !ok {
		return set{}, false
	}
	items, ok := t.posixSet(name)
	if !ok {
		return set{}, false
	}
	t.pos = len(t.src) - len(rest)
	s := set{items: items}
	if negated {
		s = s.not()
	}
	return s, true
}
