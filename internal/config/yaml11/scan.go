package yaml11

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The scanner and the parser read YAML as libyaml 0.2.5 does, which is what
// Psych stands on: the same texts are accepted, with the same result, and the
// same are refused. Other parsers, also those derived from it, differ in tabs,
// in question marks and colons within brackets, and in comments.

type tokenKind uint8

const (
	tokStreamEnd tokenKind = iota
	tokVersion
	tokTagDirective
	tokDocumentStart
	tokDocumentEnd
	tokBlockSequence
	tokBlockMapping
	tokBlockEnd
	tokFlowSequence
	tokFlowSequenceEnd
	tokFlowMapping
	tokFlowMappingEnd
	tokBlockEntry
	tokFlowEntry
	tokKey
	tokValue
	tokAlias
	tokAnchor
	tokTag
	tokScalar
)

// mark is a place in the text: a byte offset, and a line and a column from 0.
// Columns count characters.
type mark struct {
	pos, line, col int
}

type token struct {
	kind  tokenKind
	start mark
	// text is a scalar's text, an anchor's or alias's name, a tag's suffix, a
	// version, a tag directive's prefix.
	text string
	// handle is a tag's or a tag directive's handle.
	handle string
	// plain says that a scalar has neither quotes nor a block's indicator.
	plain bool
}

// candidate is a token that will turn out to be a key if a colon follows.
type candidate struct {
	possible, required bool
	token              int
	at                 mark
}

// maxKey is how long a key without a question mark may be, in characters.
const maxKey = 1024

type scanner struct {
	src string
	at  mark
	// index counts characters, as the limit of keys does.
	index int

	tokens []token
	head   int
	// parsed is the number of tokens handed out.
	parsed int

	indent  int
	indents []int
	// flow is the depth of brackets; keys has one candidate for each depth.
	flow int
	keys []candidate
	// keyAllowed says whether a key may start here.
	keyAllowed bool
	ended      bool
}

func newScanner(src string) *scanner {
	return &scanner{src: src, indent: -1, keys: make([]candidate, 1, 8), keyAllowed: true}
}

// scanError is a fault at a place; start is where the thing began that it is
// a fault of, with a zero line when that is of no interest.
func (s *scanner) fault(at mark, start *mark, format string, args ...any) *Error {
	e := &Error{Line: at.line + 1, Column: at.col + 1, Msg: fmt.Sprintf(format, args...)}
	if start != nil && start.line != at.line {
		e.Start = start.line + 1
	}
	e.Text = s.excerpt(at)
	return e
}

// excerpt is the line at a place, shortened.
func (s *scanner) excerpt(at mark) string {
	if at.pos > len(s.src) {
		at.pos = len(s.src)
	}
	from := strings.LastIndexByte(s.src[:at.pos], '\n') + 1
	line := s.src[from:]
	if i := strings.IndexAny(line, "\r\n"); i >= 0 {
		line = line[:i]
	}
	line = strings.ToValidUTF8(strings.TrimSpace(line), "\uFFFD")
	if utf8.RuneCountInString(line) > 80 {
		line = string([]rune(line)[:77]) + "..."
	}
	return line
}

// end is what [scanner.peek] gives behind the text; a NUL cannot be in it.
const end = 0

func (s *scanner) peek(n int) byte {
	if p := s.at.pos + n; p < len(s.src) {
		return s.src[p]
	}
	return end
}

// breakAt returns the length of a line break at an offset, 0 for none. The
// line breaks of YAML 1.1 include three of Unicode's.
func (s *scanner) breakAt(n int) int {
	p := s.at.pos + n
	if p >= len(s.src) {
		return 0
	}
	switch s.src[p] {
	case '\n':
		return 1
	case '\r':
		if p+1 < len(s.src) && s.src[p+1] == '\n' {
			return 2
		}
		return 1
	case 0xC2:
		if strings.HasPrefix(s.src[p:], "\u0085") {
			return 2
		}
	case 0xE2:
		if strings.HasPrefix(s.src[p:], "\u2028") || strings.HasPrefix(s.src[p:], "\u2029") {
			return 3
		}
	}
	return 0
}

func (s *scanner) blankAt(n int) bool {
	c := s.peek(n)
	return c == ' ' || c == '\t'
}

func (s *scanner) breakzAt(n int) bool {
	return s.at.pos+n >= len(s.src) || s.breakAt(n) > 0
}

func (s *scanner) blankzAt(n int) bool { return s.blankAt(n) || s.breakzAt(n) }

// skip passes over one character that is no line break.
func (s *scanner) skip() {
	if s.at.pos >= len(s.src) {
		return
	}
	c := s.src[s.at.pos]
	size := 1
	if c >= utf8.RuneSelf {
		_, size = utf8.DecodeRuneInString(s.src[s.at.pos:])
	}
	s.at.pos += size
	s.at.col++
	s.index++
}

func (s *scanner) skipN(n int) {
	for range n {
		s.skip()
	}
}

// read appends one character to b and passes over it.
func (s *scanner) read(b *strings.Builder) {
	from := s.at.pos
	s.skip()
	b.WriteString(s.src[from:s.at.pos])
}

// skipLine passes over a line break.
func (s *scanner) skipLine() {
	n := s.breakAt(0)
	if n == 0 {
		return
	}
	s.index++
	if n == 2 && s.src[s.at.pos] == '\r' {
		s.index++
	}
	s.at.pos += n
	s.at.line++
	s.at.col = 0
}

// readLine passes over a line break and returns it in its normal form.
func (s *scanner) readLine() string {
	from := s.at.pos
	s.skipLine()
	if s.at.pos-from == 3 {
		return s.src[from:s.at.pos]
	}
	if s.at.pos > from {
		return "\n"
	}
	return ""
}

// next returns the token at the head without taking it.
func (s *scanner) next() (*token, error) {
	for {
		if s.head < len(s.tokens) {
			if err := s.stale(); err != nil {
				return nil, err
			}
			waiting := false
			for i := range s.keys {
				if s.keys[i].possible && s.keys[i].token == s.parsed {
					waiting = true
					break
				}
			}
			if !waiting {
				return &s.tokens[s.head], nil
			}
		}
		if s.ended {
			return &token{kind: tokStreamEnd, start: s.at}, nil
		}
		if err := s.fetch(); err != nil {
			return nil, err
		}
	}
}

// take drops the token at the head.
func (s *scanner) take() {
	s.head++
	s.parsed++
	if s.head == len(s.tokens) {
		s.tokens, s.head = s.tokens[:0], 0
	}
}

func (s *scanner) add(t token) { s.tokens = append(s.tokens, t) }

// insert puts a token before the one with that number.
func (s *scanner) insert(number int, t token) {
	i := s.head + number - s.parsed
	s.tokens = append(s.tokens, token{})
	copy(s.tokens[i+1:], s.tokens[i:])
	s.tokens[i] = t
}

// count is the number that the next token added will have.
func (s *scanner) count() int { return s.parsed + len(s.tokens) - s.head }

// stale gives up candidates that can no longer be keys.
func (s *scanner) stale() error {
	for i := range s.keys {
		k := &s.keys[i]
		if !k.possible || k.at.line == s.at.line && s.index-k.at.pos <= maxKey {
			continue
		}
		// at.pos of a candidate counts characters, see save.
		if k.required {
			return s.missingColon(k)
		}
		k.possible = false
	}
	return nil
}

func (s *scanner) missingColon(k *candidate) error {
	at := k.at
	at.pos = s.offsetOf(k.at)
	return s.fault(at, nil, "there should be a colon and a blank behind this key, or it is indented wrongly")
}

// offsetOf finds the byte offset of a place whose pos is a character count.
func (s *scanner) offsetOf(m mark) int {
	pos := 0
	for line := 0; line < m.line; line++ {
		t := scanner{src: s.src, at: mark{pos: pos}}
		for !t.breakzAt(0) {
			t.skip()
		}
		t.skipLine()
		pos = t.at.pos
	}
	return pos
}

func (s *scanner) save() error {
	if !s.keyAllowed {
		return nil
	}
	if err := s.drop(); err != nil {
		return err
	}
	at := s.at
	at.pos = s.index
	s.keys[len(s.keys)-1] = candidate{possible: true, required: s.flow == 0 && s.indent == s.at.col, token: s.count(), at: at}
	return nil
}

// drop gives up the candidate of this depth.
func (s *scanner) drop() error {
	k := &s.keys[len(s.keys)-1]
	if k.possible && k.required {
		return s.missingColon(k)
	}
	k.possible = false
	return nil
}

// roll begins a block collection when the column is deeper than the block's.
func (s *scanner) roll(col, number int, kind tokenKind, at mark) error {
	if s.flow > 0 || s.indent >= col {
		return nil
	}
	if len(s.indents) >= maxDepth {
		return s.fault(s.at, nil, "nested too deeply")
	}
	s.indents = append(s.indents, s.indent)
	s.indent = col
	t := token{kind: kind, start: at}
	if number < 0 {
		s.add(t)
	} else {
		s.insert(number, t)
	}
	return nil
}

// unroll ends the block collections that are deeper than the column.
func (s *scanner) unroll(col int) {
	if s.flow > 0 {
		return
	}
	for s.indent > col {
		s.add(token{kind: tokBlockEnd, start: s.at})
		s.indent = s.indents[len(s.indents)-1]
		s.indents = s.indents[:len(s.indents)-1]
	}
}

// toNext passes over blanks, comments and line breaks. Tabs are blanks only
// where no key could start.
func (s *scanner) toNext() {
	for {
		// A byte order mark may begin any line; it counts as a column, so that
		// what follows is indented.
		if s.at.col == 0 && strings.HasPrefix(s.src[s.at.pos:], "\uFEFF") {
			s.skip()
		}
		for s.peek(0) == ' ' || (s.flow > 0 || !s.keyAllowed) && s.peek(0) == '\t' {
			s.skip()
		}
		if s.peek(0) == '#' {
			for !s.breakzAt(0) {
				s.skip()
			}
		}
		if s.breakAt(0) == 0 {
			return
		}
		s.skipLine()
		if s.flow == 0 {
			s.keyAllowed = true
		}
	}
}

func (s *scanner) documentIndicator() bool {
	return s.at.col == 0 && (strings.HasPrefix(s.src[s.at.pos:], "---") || strings.HasPrefix(s.src[s.at.pos:], "...")) && s.blankzAt(3)
}

// fetch scans the next token, or several.
func (s *scanner) fetch() error {
	s.toNext()
	if err := s.stale(); err != nil {
		return err
	}
	s.unroll(s.at.col)
	if s.at.pos >= len(s.src) {
		s.unroll(-1)
		for i := range s.keys {
			if k := &s.keys[i]; k.possible && k.required {
				return s.missingColon(k)
			}
			s.keys[i].possible = false
		}
		s.keyAllowed = false
		s.ended = true
		s.add(token{kind: tokStreamEnd, start: s.at})
		return nil
	}
	c := s.peek(0)
	if s.at.col == 0 && c == '%' {
		s.unroll(-1)
		if err := s.drop(); err != nil {
			return err
		}
		s.keyAllowed = false
		return s.directive()
	}
	if s.documentIndicator() {
		s.unroll(-1)
		if err := s.drop(); err != nil {
			return err
		}
		s.keyAllowed = false
		kind := tokDocumentStart
		if c == '.' {
			kind = tokDocumentEnd
		}
		s.add(token{kind: kind, start: s.at})
		s.skipN(3)
		return nil
	}
	switch c {
	case '[':
		return s.open(tokFlowSequence)
	case '{':
		return s.open(tokFlowMapping)
	case ']':
		return s.close(tokFlowSequenceEnd)
	case '}':
		return s.close(tokFlowMappingEnd)
	case ',':
		if err := s.drop(); err != nil {
			return err
		}
		s.keyAllowed = true
		s.one(tokFlowEntry)
		return nil
	case '*':
		return s.name(tokAlias)
	case '&':
		return s.name(tokAnchor)
	case '!':
		return s.tag()
	case '\'', '"':
		if err := s.save(); err != nil {
			return err
		}
		s.keyAllowed = false
		return s.quoted(c == '\'')
	}
	switch {
	case c == '-' && s.blankzAt(1):
		return s.blockEntry()
	case c == '?' && (s.flow > 0 || s.blankzAt(1)):
		return s.key()
	case c == ':' && (s.flow > 0 || s.blankzAt(1)):
		return s.value()
	case (c == '|' || c == '>') && s.flow == 0:
		if err := s.drop(); err != nil {
			return err
		}
		s.keyAllowed = true
		return s.block(c == '|')
	}
	if !s.blankzAt(0) && strings.IndexByte("-?:,[]{}#&*!|>'\"%@`", c) < 0 ||
		c == '-' && !s.blankAt(1) ||
		s.flow == 0 && (c == '?' || c == ':') && !s.blankzAt(1) {
		if err := s.save(); err != nil {
			return err
		}
		s.keyAllowed = false
		return s.plain()
	}
	if c == '\t' {
		return s.fault(s.at, nil, "a tab in the indentation; YAML wants spaces")
	}
	return s.fault(s.at, nil, "nothing can begin with %q here; put the text in quotes", c)
}

// one adds a token of one character.
func (s *scanner) one(kind tokenKind) {
	s.add(token{kind: kind, start: s.at})
	s.skip()
}

func (s *scanner) open(kind tokenKind) error {
	if err := s.save(); err != nil {
		return err
	}
	if s.flow >= maxDepth {
		return s.fault(s.at, nil, "nested too deeply")
	}
	s.flow++
	s.keys = append(s.keys, candidate{})
	s.keyAllowed = true
	s.one(kind)
	return nil
}

func (s *scanner) close(kind tokenKind) error {
	if err := s.drop(); err != nil {
		return err
	}
	if s.flow > 0 {
		s.flow--
		s.keys = s.keys[:len(s.keys)-1]
	}
	s.keyAllowed = false
	s.one(kind)
	return nil
}

func (s *scanner) blockEntry() error {
	if s.flow == 0 {
		if !s.keyAllowed {
			return s.fault(s.at, nil, "a list cannot begin here")
		}
		if err := s.roll(s.at.col, -1, tokBlockSequence, s.at); err != nil {
			return err
		}
	}
	if err := s.drop(); err != nil {
		return err
	}
	s.keyAllowed = true
	s.one(tokBlockEntry)
	return nil
}

func (s *scanner) key() error {
	if s.flow == 0 {
		if !s.keyAllowed {
			return s.fault(s.at, nil, "a key cannot begin here")
		}
		if err := s.roll(s.at.col, -1, tokBlockMapping, s.at); err != nil {
			return err
		}
	}
	if err := s.drop(); err != nil {
		return err
	}
	s.keyAllowed = s.flow == 0
	s.one(tokKey)
	return nil
}

func (s *scanner) value() error {
	k := &s.keys[len(s.keys)-1]
	if k.possible {
		at := k.at
		s.insert(k.token, token{kind: tokKey, start: at})
		k.possible = false
		if err := s.roll(k.at.col, k.token, tokBlockMapping, at); err != nil {
			return err
		}
		s.keyAllowed = false
	} else {
		if s.flow == 0 {
			if !s.keyAllowed {
				return s.fault(s.at, nil, "a colon and a value cannot stand here; is the line indented wrongly, or should the text be in quotes?")
			}
			if err := s.roll(s.at.col, -1, tokBlockMapping, s.at); err != nil {
				return err
			}
		}
		s.keyAllowed = s.flow == 0
	}
	s.one(tokValue)
	return nil
}

func wordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '-'
}

// word passes over letters, digits, - and _.
func (s *scanner) word() string {
	from := s.at.pos
	for wordByte(s.peek(0)) {
		s.skip()
	}
	return s.src[from:s.at.pos]
}

func (s *scanner) blanks() {
	for s.blankAt(0) {
		s.skip()
	}
}

// restOfLine passes over blanks and a comment to the end of the line.
func (s *scanner) restOfLine() error {
	s.blanks()
	if s.peek(0) == '#' {
		for !s.breakzAt(0) {
			s.skip()
		}
	}
	if !s.breakzAt(0) {
		return s.fault(s.at, nil, "only a comment may follow in this line")
	}
	s.skipLine()
	return nil
}

func (s *scanner) directive() error {
	start := s.at
	s.skip()
	name := s.word()
	if name == "" || !s.blankzAt(0) {
		return s.fault(start, nil, "no directive of YAML's")
	}
	t := token{start: start}
	switch name {
	case "YAML":
		t.kind = tokVersion
		s.blanks()
		from := s.at.pos
		digits := func() bool {
			n := 0
			for c := s.peek(0); c >= '0' && c <= '9'; c = s.peek(0) {
				s.skip()
				n++
			}
			return n > 0 && n < 10
		}
		if !digits() || s.peek(0) != '.' {
			return s.fault(s.at, nil, "no version of YAML's")
		}
		s.skip()
		if !digits() {
			return s.fault(s.at, nil, "no version of YAML's")
		}
		t.text = s.src[from:s.at.pos]
	case "TAG":
		t.kind = tokTagDirective
		s.blanks()
		var err error
		if t.handle, err = s.tagHandle(true); err != nil {
			return err
		}
		if !s.blankAt(0) {
			return s.fault(s.at, nil, "a blank should follow a tag's handle")
		}
		s.blanks()
		if t.text, err = s.tagURI(true, ""); err != nil {
			return err
		}
		if !s.blankzAt(0) {
			return s.fault(s.at, nil, "a blank should follow a tag's prefix")
		}
	default:
		return s.fault(start, nil, "YAML has no directive %%%s", name)
	}
	if err := s.restOfLine(); err != nil {
		return err
	}
	s.add(t)
	return nil
}

// name scans an anchor or an alias.
func (s *scanner) name(kind tokenKind) error {
	if err := s.save(); err != nil {
		return err
	}
	s.keyAllowed = false
	start := s.at
	s.skip()
	text := s.word()
	if text == "" || !s.blankzAt(0) && strings.IndexByte("?:,]}%@`", s.peek(0)) < 0 {
		what := "an anchor's name"
		if kind == tokAlias {
			what = "an alias's name"
		}
		return s.fault(start, nil, "%s is made of letters, digits, - and _; put the text in quotes if it is none", what)
	}
	s.add(token{kind: kind, start: start, text: text})
	return nil
}

func (s *scanner) tag() error {
	if err := s.save(); err != nil {
		return err
	}
	s.keyAllowed = false
	t := token{kind: tokTag, start: s.at}
	var err error
	if s.peek(1) == '<' {
		s.skipN(2)
		if t.text, err = s.tagURI(true, ""); err != nil {
			return err
		}
		if s.peek(0) != '>' {
			return s.fault(t.start, nil, "a tag that is not closed with >")
		}
		s.skip()
	} else {
		handle, err := s.tagHandle(false)
		if err != nil {
			return err
		}
		if len(handle) > 1 && handle[len(handle)-1] == '!' {
			t.handle = handle
			if t.text, err = s.tagURI(false, ""); err != nil {
				return err
			}
		} else {
			if t.text, err = s.tagURI(false, handle); err != nil {
				return err
			}
			t.handle = "!"
			if t.text == "" {
				t.handle, t.text = "", "!"
			}
		}
	}
	if !s.blankzAt(0) && (s.flow == 0 || s.peek(0) != ',') {
		return s.fault(t.start, nil, "a tag has a sign in it that it cannot have; put the text in quotes if it is none")
	}
	s.add(t)
	return nil
}

func (s *scanner) tagHandle(directive bool) (string, error) {
	start := s.at
	if s.peek(0) != '!' {
		return "", s.fault(start, nil, "a tag begins with !")
	}
	s.skip()
	s.word()
	if s.peek(0) == '!' {
		s.skip()
	} else if directive && s.src[start.pos:s.at.pos] != "!" {
		return "", s.fault(start, nil, "a tag's handle ends with !")
	}
	return s.src[start.pos:s.at.pos], nil
}

// tagURI scans the rest of a tag, of which head is scanned already.
func (s *scanner) tagURI(wide bool, head string) (string, error) {
	start := s.at
	n := len(head)
	var b strings.Builder
	if n > 1 {
		b.WriteString(head[1:])
	}
	for {
		c := s.peek(0)
		switch {
		case wordByte(c) || c != end && strings.IndexByte(";/?:@&=+$.!~*'()", c) >= 0 || wide && (c == ',' || c == '[' || c == ']'):
			s.read(&b)
		case c == '%':
			if !hexByte(s.peek(1)) || !hexByte(s.peek(2)) {
				return "", s.fault(s.at, nil, "two hexadecimal digits should follow %% in a tag")
			}
			b.WriteByte(hexValue(s.peek(1))<<4 | hexValue(s.peek(2)))
			s.skipN(3)
		default:
			if n == 0 {
				return "", s.fault(start, nil, "a tag without a name; put the text in quotes if it is none")
			}
			if !utf8.ValidString(b.String()) {
				return "", s.fault(start, nil, "a tag that is not UTF-8")
			}
			return b.String(), nil
		}
		n++
	}
}

func hexByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func hexValue(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// block scans a literal or folded block.
func (s *scanner) block(literal bool) error {
	start := s.at
	s.skip()
	var chomp byte
	increment := 0
	digit := func() error {
		c := s.peek(0)
		if c < '0' || c > '9' {
			return nil
		}
		if c == '0' {
			return s.fault(s.at, nil, "a block's indentation cannot be 0")
		}
		increment = int(c - '0')
		s.skip()
		return nil
	}
	if c := s.peek(0); c == '+' || c == '-' {
		chomp = c
		s.skip()
		if err := digit(); err != nil {
			return err
		}
	} else {
		if err := digit(); err != nil {
			return err
		}
		if c := s.peek(0); increment > 0 && (c == '+' || c == '-') {
			chomp = c
			s.skip()
		}
	}
	if err := s.restOfLine(); err != nil {
		return err
	}
	indent := 0
	if increment > 0 {
		indent = max(s.indent, 0) + increment
	}
	var text, trailing strings.Builder
	if err := s.blockBreaks(&indent, &trailing, start); err != nil {
		return err
	}
	lead := ""
	leadingBlank := false
	for s.at.col == indent && s.at.pos < len(s.src) {
		blank := s.blankAt(0)
		if !literal && lead == "\n" && !leadingBlank && !blank {
			if trailing.Len() == 0 {
				text.WriteByte(' ')
			}
		} else {
			text.WriteString(lead)
		}
		text.WriteString(trailing.String())
		trailing.Reset()
		leadingBlank = blank
		from := s.at.pos
		for !s.breakzAt(0) {
			s.skip()
		}
		text.WriteString(s.src[from:s.at.pos])
		lead = s.readLine()
		if err := s.blockBreaks(&indent, &trailing, start); err != nil {
			return err
		}
	}
	if chomp != '-' {
		text.WriteString(lead)
	}
	if chomp == '+' {
		text.WriteString(trailing.String())
	}
	s.add(token{kind: tokScalar, start: start, text: text.String()})
	return nil
}

// blockBreaks passes over indentation and empty lines in a block, and finds
// the block's indentation when it is not known.
func (s *scanner) blockBreaks(indent *int, breaks *strings.Builder, start mark) error {
	deepest := 0
	for {
		for (*indent == 0 || s.at.col < *indent) && s.peek(0) == ' ' {
			s.skip()
		}
		deepest = max(deepest, s.at.col)
		if (*indent == 0 || s.at.col < *indent) && s.peek(0) == '\t' {
			return s.fault(s.at, &start, "a tab in the indentation; YAML wants spaces")
		}
		if s.breakAt(0) == 0 {
			break
		}
		breaks.WriteString(s.readLine())
	}
	if *indent == 0 {
		*indent = max(deepest, s.indent+1, 1)
	}
	return nil
}

// fold is the state of joining the lines of a quoted or plain scalar.
type fold struct {
	blanks, trailing strings.Builder
	lead             string
	// broken says that a line break has been passed.
	broken bool
}

// join writes what the lines passed over come to.
func (f *fold) join(b *strings.Builder) {
	if f.broken {
		if f.lead == "\n" {
			if f.trailing.Len() == 0 {
				b.WriteByte(' ')
			}
		} else {
			b.WriteString(f.lead)
		}
		b.WriteString(f.trailing.String())
	} else {
		b.WriteString(f.blanks.String())
	}
	f.broken, f.lead = false, ""
	f.blanks.Reset()
	f.trailing.Reset()
}

// lineBreak passes over one.
func (f *fold) lineBreak(s *scanner) {
	if !f.broken {
		f.blanks.Reset()
		f.lead = s.readLine()
		f.broken = true
	} else {
		f.trailing.WriteString(s.readLine())
	}
}

func (s *scanner) quoted(single bool) error {
	start := s.at
	quote := s.peek(0)
	s.skip()
	var b strings.Builder
	var f fold
	for {
		if s.documentIndicator() {
			return s.fault(start, nil, "a quoted text that is not closed before the document ends")
		}
		if s.at.pos >= len(s.src) {
			return s.fault(start, nil, "a quoted text that is not closed")
		}
		f.broken = false
		for !s.blankzAt(0) {
			c := s.peek(0)
			if single && c == '\'' && s.peek(1) == '\'' {
				b.WriteByte('\'')
				s.skipN(2)
				continue
			}
			if c == quote {
				break
			}
			if !single && c == '\\' {
				if s.breakAt(1) > 0 {
					s.skip()
					s.skipLine()
					f.broken = true
					break
				}
				if err := s.escape(&b); err != nil {
					return err
				}
				continue
			}
			s.read(&b)
		}
		if s.peek(0) == quote {
			break
		}
		for s.blankAt(0) || s.breakAt(0) > 0 {
			if s.blankAt(0) {
				if f.broken {
					s.skip()
				} else {
					s.read(&f.blanks)
				}
			} else {
				f.lineBreak(s)
			}
		}
		f.join(&b)
	}
	s.skip()
	s.add(token{kind: tokScalar, start: start, text: b.String()})
	return nil
}

// escapes are what one letter behind a backslash stands for.
var escapes = map[byte]string{
	'0': "\x00", 'a': "\a", 'b': "\b", 't': "\t", '\t': "\t", 'n': "\n", 'v': "\v", 'f': "\f", 'r': "\r", 'e': "\x1b",
	' ': " ", '"': `"`, '/': "/", '\\': `\`, 'N': "\u0085", '_': "\u00a0", 'L': "\u2028", 'P': "\u2029",
}

func (s *scanner) escape(b *strings.Builder) error {
	at := s.at
	c := s.peek(1)
	if t, ok := escapes[c]; ok && at.pos+1 < len(s.src) {
		b.WriteString(t)
		s.skipN(2)
		return nil
	}
	digits := 0
	switch c {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		return s.fault(at, nil, "an unknown escape in double quotes; write a backslash twice, or use single quotes")
	}
	s.skipN(2)
	var r uint32
	for range digits {
		h := s.peek(0)
		if !hexByte(h) {
			return s.fault(at, nil, "\\%c in double quotes wants %d hexadecimal digits", c, digits)
		}
		r = r<<4 | uint32(hexValue(h))
		s.skip()
	}
	if r >= 0xD800 && r <= 0xDFFF || r > 0x10FFFF {
		return s.fault(at, nil, "an escape in double quotes that is no character")
	}
	b.WriteRune(rune(r))
	return nil
}

func (s *scanner) plain() error {
	start := s.at
	var b strings.Builder
	var f fold
	indent := s.indent + 1
	for !s.documentIndicator() && s.peek(0) != '#' {
		for !s.blankzAt(0) {
			c := s.peek(0)
			if c == ':' {
				if s.blankzAt(1) {
					break
				}
				if s.flow > 0 && strings.IndexByte(",?[]{}", s.peek(1)) >= 0 {
					return s.fault(s.at, nil, "a colon without a blank behind it, within brackets; put the text in quotes")
				}
			}
			if s.flow > 0 && strings.IndexByte(",[]{}", c) >= 0 {
				break
			}
			if f.broken || f.blanks.Len() > 0 {
				f.join(&b)
			}
			s.read(&b)
		}
		if !s.blankAt(0) && s.breakAt(0) == 0 {
			break
		}
		for s.blankAt(0) || s.breakAt(0) > 0 {
			switch {
			case s.breakAt(0) > 0:
				f.lineBreak(s)
			case f.broken && s.at.col < indent && s.peek(0) == '\t':
				return s.fault(s.at, nil, "a tab in the indentation; YAML wants spaces")
			case f.broken:
				s.skip()
			default:
				s.read(&f.blanks)
			}
		}
		if s.flow == 0 && s.at.col < indent {
			break
		}
	}
	if f.broken {
		s.keyAllowed = true
	}
	s.add(token{kind: tokScalar, start: start, text: b.String(), plain: true})
	return nil
}
