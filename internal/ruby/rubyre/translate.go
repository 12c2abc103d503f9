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
	depth  int
	refs   []int // back references, checked when all groups are known
	flags  Flags // those that hold for the current atom
	named  bool  // the pattern has a named group, so plain ones don't capture
	behind int   // look-behinds we are inside of
	neg    int   // negative ones among them
}

// width is how many characters a piece of a pattern can match; max is -1
// without a bound.
type width struct{ min, max int }

func (w width) plus(v width) width {
	if w.max < 0 || v.max < 0 {
		return width{w.min + v.min, -1}
	}
	return width{w.min + v.min, w.max + v.max}
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
	for _, n := range t.refs {
		if n > t.groups {
			t.fail("invalid backref number/name")
		}
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

// alternatives reads a|b|c up to a closing parenthesis or the end. Inside a
// look-behind the alternatives may differ in width, each being fixed.
func (t *translation) alternatives(flags Flags) width {
	if t.depth++; t.depth > maxDepth {
		t.fail("too deep nest level in regular expression")
	}
	defer func() { t.depth-- }()
	w := t.sequence(flags)
	for t.skip("|") {
		t.out.WriteByte('|')
		v := t.sequence(flags)
		w = width{min(w.min, v.min), max(w.max, v.max)}
		if w.max >= 0 && v.max < 0 {
			w.max = -1
		}
	}
	return w
}

func (t *translation) sequence(flags Flags) width {
	var w width
	for t.pos < len(t.src) && t.src[t.pos] != '|' && t.src[t.pos] != ')' {
		if t.blank(flags) {
			continue
		}
		if f, ok := t.openFlags(flags); ok {
			// (?i) holds to the end of the group, alternatives included.
			t.out.WriteString("(?")
			t.out.WriteString(engineFlags(f))
			t.out.WriteByte(':')
			v := t.alternatives(f)
			t.out.WriteByte(')')
			return w.plus(v)
		}
		w = w.plus(t.quantified(flags))
	}
	return w
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
func (t *translation) quantified(flags Flags) width {
	start := t.out.Len()
	w := t.atom(flags)
	for t.pos < len(t.src) {
		if t.blank(flags) {
			continue
		}
		q, lo, hi, ok := t.quantifier()
		if !ok {
			break
		}
		open := "(?:(?:"
		if strings.HasSuffix(q, "+") && len(q) > 1 {
			open, q = "(?>(?:", q[:len(q)-1]
		}
		atom := open + string(t.out.Bytes()[start:]) + ")" + q + ")"
		t.out.Truncate(start)
		t.out.WriteString(atom)
		w = w.times(lo, hi)
	}
	return w
}

func (w width) times(lo, hi int) width {
	v := width{w.min * lo, -1}
	if hi >= 0 && w.max >= 0 {
		v.max = w.max * hi
	}
	if w.max == 0 {
		v.max = 0
	}
	return v
}

const maxRepeat = 100_000

// quantifier reads *, +, ?, {n,m} with what makes them lazy or possessive.
// The text is for regexp2, except that a final + means possessive.
func (t *translation) quantifier() (text string, lo, hi int, ok bool) {
	switch t.src[t.pos] {
	case '*':
		text, lo, hi = "*", 0, -1
	case '+':
		text, lo, hi = "+", 1, -1
	case '?':
		text, lo, hi = "?", 0, 1
	case '{':
		return t.interval()
	default:
		return "", 0, 0, false
	}
	t.pos++
	switch {
	case t.skip("?"):
		text += "?"
	case t.skip("+"):
		text += "+"
	}
	return text, lo, hi, true
}

// interval reads {n}, {n,}, {,m} and {n,m}; anything else is not a quantifier.
func (t *translation) interval() (text string, lo, hi int, ok bool) {
	end := strings.IndexByte(t.src[t.pos:], '}')
	if end < 0 {
		return "", 0, 0, false
	}
	from, to, comma := strings.Cut(t.src[t.pos+1:t.pos+end], ",")
	number := func(s string) int {
		if s == "" || strings.Trim(s, "0123456789") != "" {
			return -1
		}
		n, err := strconv.Atoi(s)
		if err != nil || n > maxRepeat {
			t.fail("too big number range")
		}
		return n
	}
	lo, hi = number(from), number(to)
	if !comma {
		hi = lo
	}
	switch {
	case lo < 0 && (from != "" || !comma || hi < 0), hi < 0 && to != "":
		return "", 0, 0, false
	case lo < 0:
		lo = 0
	}
	if hi >= 0 && hi < lo {
		t.unsupported("a range of repetitions that counts down")
	}
	t.pos += end + 1
	text = "{" + strconv.Itoa(lo) + ","
	if hi >= 0 {
		text += strconv.Itoa(hi)
	}
	text += "}"
	// After {n} a ? is a separate quantifier; {n,m}+ is not possessive.
	if comma && t.skip("?") {
		text += "?"
	}
	return text, lo, hi, true
}

func (t *translation) atom(flags Flags) width {
	one := width{1, 1}
	t.flags = flags
	if _, _, _, ok := t.quantifier(); ok {
		t.fail("target of repeat operator is not specified")
	}
	switch c := t.src[t.pos]; c {
	case '(':
		return t.group(flags)
	case '[':
		t.pos++
		t.out.WriteString(t.class().text())
		return one
	case '\\':
		return t.escape()
	case '.':
		t.pos++
		if flags&Multiline != 0 {
			t.out.WriteString(`[\s\S]`)
		} else {
			t.out.WriteString(`[^\n]`)
		}
		return one
	case '^':
		t.pos++
		t.out.WriteString(`(?:\A|(?<=\n)(?!\z))`)
		return width{}
	case '$':
		t.pos++
		t.out.WriteString(`(?=\n|\z)`)
		return width{}
	}
	r, size := utf8.DecodeRuneInString(t.src[t.pos:])
	t.pos += size
	t.literal(r)
	return one
}

// literal writes one character that matches itself.
func (t *translation) literal(r rune) { t.out.WriteString(literal(r)) }

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
func (t *translation) group(flags Flags) width {
	if f, rest, ok := t.readFlags(flags); ok && rest == ':' {
		t.pos += strings.IndexByte(t.src[t.pos:], ':') + 1
		return t.body("(?"+engineFlags(f)+":", f)
	}
	t.pos++
	switch {
	case t.skip("?="):
		t.body("(?=", flags)
		return width{}
	case t.skip("?!"):
		t.body("(?!", flags)
		return width{}
	case t.skip("?<="):
		t.lookBehind("(?<=", flags)
		return width{}
	case t.skip("?<!"):
		t.neg++
		t.lookBehind("(?<!", flags)
		t.neg--
		return width{}
	case t.skip("?>"):
		return t.body("(?>", flags)
	case t.skip("?<"):
		return t.namedGroup(">", flags)
	case t.skip("?'"):
		return t.namedGroup("'", flags)
	case t.skip("?("):
		t.unsupported("a conditional group")
	case t.skip("?~"):
		t.unsupported("an absence operator")
	case t.has("?"):
		t.fail("undefined group option")
	}
	if t.named {
		return t.body("(?:", flags)
	}
	t.capture()
	return t.body("(", flags)
}

func (t *translation) capture() {
	if t.neg > 0 {
		t.fail("invalid pattern in look-behind")
	}
	t.groups++
}

func (t *translation) namedGroup(closing string, flags Flags) width {
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
	return t.body("(", flags)
}

// body writes a group and reads it up to its closing parenthesis.
func (t *translation) body(open string, flags Flags) width {
	t.out.WriteString(open)
	w := t.alternatives(flags)
	if !t.skip(")") {
		t.fail("end pattern with unmatched parenthesis")
	}
	t.out.WriteByte(')')
	return w
}

// lookBehind reads a look-behind, whose top alternatives have a fixed width
// each.
func (t *translation) lookBehind(open string, flags Flags) {
	t.out.WriteString(open)
	t.behind++
	for {
		if w := t.sequence(flags); w.min != w.max {
			t.fail("invalid pattern in look-behind")
		}
		if !t.skip("|") {
			break
		}
		t.out.WriteByte('|')
	}
	t.behind--
	if !t.skip(")") {
		t.fail("end pattern with unmatched parenthesis")
	}
	t.out.WriteByte(')')
}

// escape reads a backslash sequence outside of a class.
func (t *translation) escape() width {
	if t.pos+1 >= len(t.src) {
		t.fail("too short escape sequence")
	}
	c := t.src[t.pos+1]
	none, one := width{}, width{1, 1}
	if set, ok := escapeClass(c); ok {
		t.pos += 2
		t.out.WriteString(set.text())
		return one
	}
	switch c {
	case 'A', 'z', 'b', 'B':
		t.pos += 2
		t.out.WriteString(`\` + string(c))
		return none
	case 'Z':
		t.pos += 2
		t.out.WriteString(`(?=\n?\z)`)
		return none
	case 'R':
		t.pos += 2
		t.out.WriteString(`(?>\r\n|[\n\v\f\r\u0085\u2028\u2029])`)
		return width{1, 2}
	case 'G', 'K', 'X', 'g', 'y', 'Y', 'N', 'O':
		t.unsupported(`\` + string(c))
	case 'k':
		t.pos += 2
		return t.reference()
	case 'p', 'P':
		t.out.WriteString(t.property().text())
		return one
	}
	if c >= '1' && c <= '9' {
		if w, ok := t.numbered(); ok {
			return w
		}
	}
	t.literal(t.character())
	return one
}

// numbered reads a back reference such as \1; a number beyond the groups is
// an octal character or an error.
func (t *translation) numbered() (width, bool) {
	end := t.pos + 1
	for end < len(t.src) && t.src[end] >= '0' && t.src[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(t.src[t.pos+1 : end])
	if err != nil || n > 9 && n > t.groups {
		return width{}, false
	}
	if t.named {
		t.fail("numbered backref/call is not allowed. (use name)")
	}
	t.pos = end
	return t.refer(n), true
}

func (t *translation) refer(n int) width {
	if t.behind > 0 {
		t.fail("invalid pattern in look-behind")
	}
	t.refs = append(t.refs, n)
	if n > t.groups {
		// A reference to a group further on: that group is unset at first.
		t.unsupported("a reference to a later group")
	}
	fmt.Fprintf(&t.out, `(?:\%d)`, n)
	return width{0, -1}
}

// reference reads the rest of \k<name>, \k'name', \k<1> and \k<-1>.
func (t *translation) reference() width {
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
	if n := t.byName[name]; n > 0 {
		return t.refer(n)
	}
	n, err := strconv.Atoi(name)
	switch {
	case err != nil:
		t.fail("undefined name <%s> reference", name)
	case t.named:
		t.fail("numbered backref/call is not allowed. (use name)")
	case n < 0:
		n += t.groups + 1
	}
	if n <= 0 {
		t.fail("invalid backref number/name")
	}
	return t.refer(n)
}
