package rubyre

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// translation is the state of translating one pattern, by recursive descent.
type translation struct {
	src    string
	pos    int
	out    bytes.Buffer
	groups int
	names  []string
	byName map[string]int
	depth  int   // of groups and classes
	flags  Flags // those that hold for the current atom
	named  bool  // the pattern has a named group, so plain ones don't capture
	behind int   // the depth of the look-behind that we are inside of, or 0
	neg    int   // negative look-behinds that we are inside of
}

const (
	maxDepth   = 200
	maxPattern = 8 << 10
)

// translate reads a pattern and writes it for regexp2.
func translate(src string, flags Flags) (t *translation, err error) {
	if len(src) > maxPattern {
		return nil, &Error{Msg: fmt.Sprintf("a pattern of more than %d bytes is not supported", maxPattern), Unsupported: true}
	}
	t = &translation{src: src, byName: map[string]int{}, named: hasNamedGroup(src)}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *Error:
			t, err = nil, e
		default:
			panic(e)
		}
	}()
	t.alternatives(flags)
	if t.pos < len(src) {
		t.fail("unmatched close parenthesis")
	}
	return t, nil
}

func (t *translation) fail(format string, args ...any) {
	panic(&Error{Msg: fmt.Sprintf(format, args...)})
}

func (t *translation) unsupported(what string) {
	panic(&Error{Msg: what + " in a regular expression is not supported", Unsupported: true})
}

func (t *translation) has(s string) bool { return strings.HasPrefix(t.src[t.pos:], s) }

func (t *translation) skip(s string) bool {
	if t.has(s) {
		t.pos += len(s)
		return true
	}
	return false
}

// hasNamedGroup looks for (?<name> or (?'name' outside of classes.
func hasNamedGroup(src string) bool {
	for i := 0; i+3 < len(src); i++ {
		switch {
		case src[i] == '\\':
			i++
		case strings.HasPrefix(src[i:], "(?<") && src[i+3] != '=' && src[i+3] != '!', strings.HasPrefix(src[i:], "(?'"):
			return true
		}
	}
	return false
}

// alternatives reads a|b|c up to a closing parenthesis or the end.
func (t *translation) alternatives(flags Flags) {
	if t.depth++; t.depth > maxDepth {
		t.fail("too deep nest level in regular expression")
	}
	defer func() { t.depth-- }()
	t.sequence(flags)
	for t.skip("|") {
		if t.behind > 0 && t.depth > t.behind {
			t.unsupported("a group of alternatives within a look-behind")
		}
		t.out.WriteByte('|')
		t.sequence(flags)
	}
}

func (t *translation) sequence(flags Flags) {
	for t.pos < len(t.src) && t.src[t.pos] != '|' && t.src[t.pos] != ')' {
		if t.blank(flags) {
			continue
		}
		if f, ok := t.openFlags(flags); ok {
			// (?i) holds to the end of the group, alternatives included.
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
	if t.skip("(?#") {
		end := strings.IndexByte(t.src[t.pos:], ')')
		if end < 0 {
			t.fail("end pattern in group")
		}
		t.pos += end + 1
		return true
	}
	if flags&Extended == 0 {
		return false
	}
	switch c := t.src[t.pos]; {
	case c == ' ' || c >= '\t' && c <= '\r':
		t.pos++
		return true
	case c == '#':
		for t.pos < len(t.src) && t.src[t.pos] != '\n' {
			t.pos++
		}
		return true
	}
	return false
}

// openFlags reads (?imx-imx) without a colon.
func (t *translation) openFlags(flags Flags) (Flags, bool) {
	f, rest, ok := t.readFlags(flags)
	if !ok || rest != ')' {
		return 0, false
	}
	t.pos = strings.IndexByte(t.src[t.pos:], ')') + t.pos + 1
	return f, true
}

// readFlags looks at (?imx-imx without moving; rest is the byte that follows.
func (t *translation) readFlags(flags Flags) (f Flags, rest byte, ok bool) {
	if !t.has("(?") {
		return 0, 0, false
	}
	f, on := flags, true
	for i := t.pos + 2; i < len(t.src); i++ {
		switch c := t.src[i]; c {
		case '-':
			on = false
		case 'i', 'm', 'x':
			bit := ParseFlags(string(c))
			if on {
				f |= bit
			} else {
				f &^= bit
			}
		case ')', ':':
			return f, c, true
		case 'a', 'u', 'd':
			t.unsupported("the option " + string(c))
		default:
			return 0, 0, false
		}
	}
	return 0, 0, false
}

// engineFlags are the flags as a group of regexp2 has them; white space of
// the extended form has been removed.
func engineFlags(f Flags) string {
	on, off := "", ""
	for _, x := range []struct {
		flag   Flags
		letter string
	}{{IgnoreCase, "i"}, {Multiline, "s"}} {
		if f&x.flag != 0 {
			on += x.letter
		} else {
			off += x.letter
		}
	}
	if off != "" {
		return on + "-" + off
	}
	return on
}

// quantified reads one atom and what repeats it.
func (t *translation) quantified(flags Flags) {
	start := t.out.Len()
	t.atom(flags)
	for t.pos < len(t.src) {
		if t.blank(flags) {
			continue
		}
		q, ok := t.quantifier()
		if !ok {
			return
		}
		if t.behind > 0 {
			t.unsupported("a repetition within a look-behind")
		}
		open := "(?:(?:"
		if strings.HasSuffix(q, "+") && len(q) > 1 {
			open, q = "(?>(?:", q[:len(q)-1]
		}
		atom := open + string(t.out.Bytes()[start:]) + ")" + q + ")"
		t.out.Truncate(start)
		t.out.WriteString(atom)
	}
}

const maxRepeat = 100_000

// quantifier reads *, +, ?, {n,m} with what makes them lazy or possessive.
// The text is for regexp2, except that a final + means possessive.
func (t *translation) quantifier() (text string, ok bool) {
	c := t.src[t.pos]
	switch c {
	case '*', '+', '?':
	case '{':
		return t.interval()
	default:
		return "", false
	}
	t.pos++
	text = string(c)
	switch {
	case t.skip("?"):
		text += "?"
	case t.skip("+"):
		text += "+"
	}
	return text, true
}

// interval reads {n}, {n,}, {,m} and {n,m}; anything else is not a quantifier.
func (t *translation) interval() (text string, ok bool) {
	body, _, closed := strings.Cut(t.src[t.pos+1:], "}")
	from, to, comma := strings.Cut(body, ",")
	if !closed || strings.Trim(from+to, "0123456789") != "" || from+to == "" {
		return "", false
	}
	lo, err1 := strconv.Atoi("0" + from)
	hi, err2 := strconv.Atoi("0" + to)
	switch {
	case err1 != nil || err2 != nil || max(lo, hi) > maxRepeat:
		t.fail("too big number range")
	case to != "" && hi < lo:
		t.unsupported("a range of repetitions that counts down")
	}
	t.pos += len(body) + 2
	if text = "{" + strconv.Itoa(lo) + "}"; comma {
		text = "{" + strconv.Itoa(lo) + "," + to + "}"
	}
	// After {n} a ? is a separate quantifier; {n,m}+ is not possessive.
	if comma && t.skip("?") {
		text += "?"
	}
	return text, true
}

func (t *translation) atom(flags Flags) {
	t.flags = flags
	if _, ok := t.quantifier(); ok {
		t.fail("target of repeat operator is not specified")
	}
	switch c := t.src[t.pos]; c {
	case '(':
		t.group(flags)
	case '\\':
		t.escape()
	case '[', '.', '^', '$':
		t.pos++
		switch {
		case c == '[':
			t.out.WriteString(t.class().text())
		case c == '^':
			t.out.WriteString(`(?:\A|(?<=\n)(?!\z))`)
		case c == '$':
			t.out.WriteString(`(?=\n|\z)`)
		case flags&Multiline != 0:
			t.out.WriteString(`[\s\S]`)
		default:
			t.out.WriteString(`[^\n]`)
		}
	default:
		r, size := utf8.DecodeRuneInString(t.src[t.pos:])
		t.pos += size
		t.out.WriteString(literal(r))
	}
}

// literal is one character that matches itself.
func literal(r rune) string {
	switch {
	case r < 0x80 && (r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'):
		return string(r)
	case r < 0x20 || r == 0x7f:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x80:
		return `\` + string(r)
	}
	return string(r)
}

// group reads what begins with a parenthesis.
func (t *translation) group(flags Flags) {
	if f, rest, ok := t.readFlags(flags); ok && rest == ':' {
		t.pos += strings.IndexByte(t.src[t.pos:], ':') + 1
		t.body("(?"+engineFlags(f)+":", f)
		return
	}
	t.pos++
	for _, open := range []string{"?=", "?!", "?>"} {
		if t.skip(open) {
			t.body("("+open, flags)
			return
		}
	}
	switch {
	case t.skip("?<="):
		t.lookBehind("(?<=", flags)
	case t.skip("?<!"):
		t.neg++
		t.lookBehind("(?<!", flags)
		t.neg--
	case t.skip("?<"):
		t.namedGroup(">", flags)
	case t.skip("?'"):
		t.namedGroup("'", flags)
	case t.has("?("), t.has("?~"):
		t.unsupported("a conditional group or an absence operator")
	case t.has("?"):
		t.fail("undefined group option")
	case t.named:
		t.body("(?:", flags)
	default:
		t.capture()
		t.body("(", flags)
	}
}

func (t *translation) capture() {
	if t.neg > 0 {
		t.fail("invalid pattern in look-behind")
	}
	t.groups++
}

func (t *translation) namedGroup(closing string, flags Flags) {
	name, rest, ok := strings.Cut(t.src[t.pos:], closing)
	first, _ := utf8.DecodeRuneInString(name)
	switch {
	case name == "":
		t.fail("group name is empty")
	case !ok || first != '_' && !unicode.IsLetter(first) || strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}):
		t.fail("invalid group name <%s>", name)
	case t.byName[name] > 0:
		t.unsupported("a second group with the name " + name)
	}
	t.pos = len(t.src) - len(rest)
	t.capture()
	t.names = append(t.names, name)
	t.byName[name] = t.groups
	t.body("(", flags)
}

// body writes a group and reads it up to its closing parenthesis.
func (t *translation) body(open string, flags Flags) {
	t.out.WriteString(open)
	t.alternatives(flags)
	if !t.skip(")") {
		t.fail("end pattern with unmatched parenthesis")
	}
	t.out.WriteByte(')')
}

// lookBehind reads a look-behind. Ruby takes one of a fixed width, or some of
// them as alternatives; here it is refused in other forms without measuring it.
func (t *translation) lookBehind(open string, flags Flags) {
	outer := t.behind
	t.behind = t.depth + 1
	t.body(open, flags)
	t.behind = outer
}

// escape reads a backslash sequence outside of a class.
func (t *translation) escape() {
	if t.pos+1 >= len(t.src) {
		t.fail("too short escape sequence")
	}
	c := t.src[t.pos+1]
	set, isClass := escapeClass(c)
	switch {
	case strings.IndexByte("GKXgyYNOpP", c) >= 0, c == 'R' && t.behind > 0:
		t.unsupported(`\` + string(c))
	case c >= '1' && c <= '9':
		t.numbered()
		return
	case isClass, strings.IndexByte("AzbBZRk", c) >= 0:
		t.pos += 2
	}
	switch {
	case isClass:
		t.out.WriteString(set.text())
	case c == 'Z':
		t.out.WriteString(`(?=\n?\z)`)
	case c == 'R':
		t.out.WriteString(`(?>\r\n|[\n\v\f\r\u0085\u2028\u2029])`)
	case c == 'k':
		t.reference()
	case c == 'A' || c == 'z' || c == 'b' || c == 'B':
		t.out.WriteString(`\` + string(c))
	default:
		t.out.WriteString(literal(t.character()))
	}
}

// numbered reads a back reference such as \1.
func (t *translation) numbered() {
	end := t.pos + 1
	for end < len(t.src) && t.src[end] >= '0' && t.src[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(t.src[t.pos+1 : end])
	if err != nil || n > 9 {
		t.unsupported("a number beyond \\9")
	}
	if t.named {
		t.fail("numbered backref/call is not allowed. (use name)")
	}
	t.pos = end
	t.refer(n)
}

func (t *translation) refer(n int) {
	if t.behind > 0 {
		t.fail("invalid pattern in look-behind")
	}
	if n > t.groups {
		// A reference to a group further on: that group is unset at first.
		t.unsupported("a reference to a later group")
	}
	fmt.Fprintf(&t.out, `(?:\%d)`, n)
}

// reference reads the rest of \k<name> and \k'name'.
func (t *translation) reference() {
	closing := ">"
	switch {
	case t.skip("<"):
	case t.skip("'"):
		closing = "'"
	default:
		t.fail("invalid backref number/name")
	}
	name, rest, ok := strings.Cut(t.src[t.pos:], closing)
	if !ok {
		t.fail("invalid backref number/name")
	}
	t.pos = len(t.src) - len(rest)
	if strings.Trim(name, "-0123456789") == "" {
		t.unsupported("\\k with a number")
	}
	n := t.byName[name]
	if n == 0 {
		t.fail("undefined name <%s> reference", name)
	}
	t.refer(n)
}
