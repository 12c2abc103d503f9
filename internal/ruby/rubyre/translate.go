package rubyre

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// translation is the state of translating one pattern, by recursive descent.
// Mistakes that the engine finds itself, such as a missing bracket, are left to
// it.
type translation struct {
	src    string
	pos    int
	out    bytes.Buffer
	groups int
	names  []string
	byName map[string]int
	depth  int  // of groups and classes
	named  bool // the pattern has a named group, so plain ones don't capture
}

const (
	maxDepth   = 200
	maxPattern = 8 << 10
)

// The pieces of the syntax, each at the start of the rest of a pattern.
var syntax = sync.OnceValue(func() (s struct{ group, flags, quantifier, reference, posix *regexp.Regexp }) {
	s.group = regexp.MustCompile(`^\((?:\?(?:([=!>]|<[=!])|<([\pL_][\pL\pN_]*)>|'([\pL_][\pL\pN_]*)'))?`)
	s.flags = regexp.MustCompile(`^\(\?([imx]*)-?([imx]*)([:)])`)
	s.quantifier = regexp.MustCompile(`^(?:[*+?][+?]?|\{(\d+)\}|\{(\d*),(\d*)\}\??)`)
	s.reference = regexp.MustCompile(`^\\(?:([1-9])|k<([\pL_][\pL\pN_]*)>|k'([\pL_][\pL\pN_]*)')`)
	s.posix = regexp.MustCompile(`^\[:(\^?[a-z]+):\]`)
	return s
})

// refusal unwinds the translation.
type refusal struct{ what string }

// translate reads a pattern and writes it for regexp2.
func translate(src string, flags Flags) (t *translation, err error) {
	if len(src) > maxPattern {
		return nil, fmt.Errorf("a pattern of more than %d bytes", maxPattern)
	}
	t = &translation{src: src, byName: map[string]int{}, named: hasNamedGroup(src)}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case refusal:
			t, err = nil, errors.New(e.what)
		default:
			panic(e)
		}
	}()
	t.alternatives(flags)
	t.refuseIf(t.pos < len(src), "a closing parenthesis without its group")
	return t, nil
}

func (t *translation) refuse(what string) { panic(refusal{what}) }

func (t *translation) refuseIf(cond bool, what string) {
	if cond {
		t.refuse(what)
	}
}

func (t *translation) rest() string { return t.src[t.pos:] }

// at is the byte i bytes on, 0 beyond the end.
func (t *translation) at(i int) byte {
	if t.pos+i < len(t.src) {
		return t.src[t.pos+i]
	}
	return 0
}

func (t *translation) skip(s string) bool {
	if !strings.HasPrefix(t.rest(), s) {
		return false
	}
	t.pos += len(s)
	return true
}

// take reads what an expression of [syntax] matches.
func (t *translation) take(re *regexp.Regexp) []string {
	m := re.FindStringSubmatch(t.rest())
	if m != nil {
		t.pos += len(m[0])
	}
	return m
}

// hasNamedGroup looks for (?<name> or (?'name' outside of classes.
func hasNamedGroup(src string) bool {
	for i := 0; i < len(src); i++ {
		if src[i] == '\\' {
			i++
		} else if m := syntax().group.FindStringSubmatch(src[i:]); m != nil && m[2]+m[3] != "" {
			return true
		}
	}
	return false
}

func (t *translation) enter() func() {
	if t.depth++; t.depth > maxDepth {
		t.refuse("deep nesting")
	}
	return func() { t.depth-- }
}

// alternatives reads a|b|c up to a closing parenthesis or the end.
func (t *translation) alternatives(flags Flags) {
	defer t.enter()()
	t.sequence(flags)
	for t.skip("|") {
		t.out.WriteByte('|')
		t.sequence(flags)
	}
}

func (t *translation) sequence(flags Flags) {
	for t.pos < len(t.src) && t.at(0) != '|' && t.at(0) != ')' {
		if t.blank(flags) {
			continue
		}
		if m := syntax().flags.FindStringSubmatch(t.rest()); m != nil && m[3] == ")" {
			// (?i) holds to the end of the group, alternatives included.
			t.pos += len(m[0])
			f := (flags | ParseFlags(m[1])) &^ ParseFlags(m[2])
			t.out.WriteString("(?" + engineFlags(f) + ":")
			t.alternatives(f)
			t.out.WriteByte(')')
			return
		}
		t.quantified(flags)
	}
}

// blank skips a comment, and white space in the extended form.
func (t *translation) blank(flags Flags) bool {
	rest, end := t.rest(), 0
	switch c := rest[0]; {
	case strings.HasPrefix(rest, "(?#"):
		end = strings.IndexByte(rest, ')') + 1
	case flags&Extended == 0:
	case c == ' ' || c >= '\t' && c <= '\r':
		end = 1
	case c == '#':
		end = strings.IndexByte(rest+"\n", '\n')
	}
	t.pos += end
	return end > 0
}

// engineFlags are the flags as a group of regexp2 has them; white space of
// the extended form has been removed.
func engineFlags(f Flags) string {
	return [...]string{"-is", "i-s", "s-i", "is"}[f&IgnoreCase|f&Multiline>>1]
}

// quantified reads one atom and what repeats it.
func (t *translation) quantified(flags Flags) {
	start := t.out.Len()
	t.atom(flags)
	for t.pos < len(t.src) {
		if t.blank(flags) {
			continue
		}
		q := t.quantifier()
		if q == "" {
			return
		}
		t.pos += len(q)
		if strings.HasPrefix(q, "{,") {
			q = "{0" + q[1:]
		}
		// A ? after {n} is a separate quantifier; {n,m}+ is not possessive.
		open, possessive := "(?:(?:", len(q) == 2 && q[1] == '+'
		if possessive {
			open, q = "(?>(?:", q[:1]
		}
		atom := open + string(t.out.Bytes()[start:]) + ")" + q + ")"
		t.out.Truncate(start)
		t.out.WriteString(atom)
	}
}

// quantifier is the one at the current position, or "".
func (t *translation) quantifier() string {
	q := syntax().quantifier.FindString(t.rest())
	return strings.TrimPrefix(q, "{,}")
}

func (t *translation) atom(flags Flags) {
	switch c := t.at(0); c {
	case '(':
		t.group(flags)
	case '\\':
		t.escape()
	case '[':
		t.out.WriteString("[" + t.class(flags) + "]")
	case '^', '$', '.':
		t.pos++
		t.out.WriteString(map[byte]string{'^': `(?:\A|(?<=\n)(?!\z))`, '$': `(?=\n|\z)`, '.': "."}[c])
	default:
		t.refuseIf(t.quantifier() != "", "a repetition of nothing")
		r, size := utf8.DecodeRuneInString(t.rest())
		t.pos += size
		t.out.WriteString(literal(r))
	}
}

// literal is one character that matches itself, within brackets too.
func literal(r rune) string {
	switch {
	case r < 0x20 || r == 0x7f:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x80 && r != '_' && !isAlnum(r):
		return `\` + string(r)
	}
	return string(r)
}

func isAlnum(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// group reads what begins with a parenthesis.
func (t *translation) group(flags Flags) {
	if m := t.take(syntax().flags); m != nil {
		f := (flags | ParseFlags(m[1])) &^ ParseFlags(m[2])
		t.body("(?"+engineFlags(f)+":", f)
		return
	}
	m := t.take(syntax().group)
	look, name := m[1], m[2]+m[3]
	switch {
	case look != "":
		t.body("(?"+look, flags)
		return
	case name == "" && t.at(0) == '?':
		t.refuse("the group (?" + string(t.at(1)) + "…)")
	case name == "" && t.named:
		t.body("(?:", flags)
		return
	case t.byName[name] > 0:
		t.refuse("a second group with the name " + name)
	}
	t.groups++
	if name != "" {
		t.names = append(t.names, name)
		t.byName[name] = t.groups
	}
	t.body("(", flags)
}

// body writes a group and reads it up to its closing parenthesis.
func (t *translation) body(open string, flags Flags) {
	t.out.WriteString(open)
	t.alternatives(flags)
	t.refuseIf(!t.skip(")"), "a group without its closing parenthesis")
	t.out.WriteByte(')')
}

// escape reads a backslash sequence outside of a class.
func (t *translation) escape() {
	c := t.at(1)
	switch {
	case c == 'W':
		t.pos += 2
		t.out.WriteString("[^" + classOf('w') + "]")
	case classOf(c) != "":
		t.pos += 2
		t.out.WriteString("[" + classOf(c) + "]")
	case c == 'R':
		t.pos += 2
		t.out.WriteString(`(?>\r\n|[\n\v\f\r\u0085\u2028\u2029])`)
	case c != 0 && strings.IndexByte("AzbBZ", c) >= 0:
		t.pos += 2
		t.out.WriteString(`\` + string(c))
	default:
		m := t.take(syntax().reference)
		if m == nil {
			t.out.WriteString(literal(t.character()))
			return
		}
		n, _ := strconv.Atoi(m[1])
		if m[1] == "" {
			n = t.byName[m[2]+m[3]]
		}
		t.refuseIf(n == 0 || n > t.groups || m[1] != "" && t.named || isDigit(t.at(0)), "the reference "+m[0])
		fmt.Fprintf(&t.out, `(?:\%d)`, n)
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// classOf gives the characters of \d, \w, \s, \h and their opposites, as
// between brackets, "" for another letter.
func classOf(c byte) string {
	switch c {
	case 'd':
		return "0-9"
	case 'D':
		return "\\x00-/:-\U0010ffff"
	case 'w':
		return "a-zA-Z0-9_"
	case 'W':
		return "\\x00-/:-@\\[-\\^`{-\U0010ffff"
	case 's':
		return `\t\n\v\f\r\x20`
	case 'S':
		return "\\x00-\\x08\\x0e-\\x1f!-\U0010ffff"
	case 'h':
		return "0-9a-fA-F"
	case 'H':
		return "\\x00-/:-@G-`g-\U0010ffff"
	}
	return ""
}

// class reads a bracketed class and gives what goes between brackets.
func (t *translation) class(flags Flags) string {
	defer t.enter()()
	t.pos++
	items := ""
	if t.skip("^") {
		items = "^"
	}
	for first := true; first || !t.skip("]"); first = false {
		switch {
		case t.pos >= len(t.src):
			t.refuse("a character class without its closing bracket")
		case strings.HasPrefix(t.rest(), "&&"):
			t.refuse("an intersection of character classes (&&)")
		case strings.HasPrefix(t.rest(), "[^"):
			t.refuse("a negated character class within another")
		}
		items += t.classItem(flags)
	}
	return items
}

// classItem reads a character, a range, an escape or a nested class.
func (t *translation) classItem(flags Flags) string {
	if m := t.take(syntax().posix); m != nil {
		return t.posix(m[1], flags)
	}
	if t.at(0) == '[' {
		return t.class(flags)
	}
	if s := classOf(t.at(1)); t.at(0) == '\\' && s != "" {
		t.refuseIf(t.at(1) == 'W' && flags&IgnoreCase != 0, `\W within brackets, with the option i`)
		t.pos += 2
		return s
	}
	lo := t.classRune()
	if t.at(0) != '-' || t.at(1) == ']' || t.at(1) == '[' {
		return literal(lo)
	}
	t.pos++
	t.refuseIf(t.at(0) == '\\' && classOf(t.at(1)) != "", "a range up to a character class")
	return literal(lo) + "-" + literal(t.classRune())
}

// classRune reads one character of a class.
func (t *translation) classRune() rune {
	if t.skip(`\b`) {
		return '\b'
	}
	if t.at(0) == '\\' {
		return t.character()
	}
	r, size := utf8.DecodeRuneInString(t.rest())
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
	digits := map[rune]int{'x': 2, 'u': 4}[c]
	if digits == 0 && !isAlnum(c) && size > 0 {
		return c
	}
	r, err := strconv.ParseUint(t.rest()[:min(digits, len(t.rest()))], 16, 32)
	t.refuseIf(err != nil || c == 'x' && r >= 0x80, `\`+string(c))
	t.pos += digits
	return rune(r)
}

// posix gives the characters of a POSIX bracket; they are Unicode.
func (t *translation) posix(name string, flags Flags) string {
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
		"print":  `\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co}\p{Zs}`,
	}[name]
	switch {
	case !ok:
		t.refuse("the character class [:" + name + ":]")
	case flags&IgnoreCase != 0 && (name == "upper" || name == "lower"):
		return items + "a-zA-Z"
	}
	return items
}
