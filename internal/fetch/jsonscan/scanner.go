package jsonscan

import (
	"errors"
	"fmt"
)

// SyntaxError says where a document stopped being JSON.
type SyntaxError struct {
	Offset int64 // bytes from the document's start
	Msg    string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Msg)
}

// ErrTruncated is the error, wrapped, of a document that ends too early.
var ErrTruncated = errors.New("the document ends early")

const (
	// maxDepth is encoding/json's limit of nesting.
	maxDepth = 10000
	errDeep  = "nested more than 10000 levels deep"

	defaultMaxValue = 64 << 10
	maxQueries      = 16
)

// MaxKeys is how many names [Scanner.Keys] returns at most.
const MaxKeys = 64

// Options say what a scanner looks for.
type Options struct {
	// Values are the paths of single values, at most 15.
	Values []Path
	// Items is the path of an array whose elements are counted and given to
	// OnItem; nil for none.
	Items *Path
	// OnItem receives the elements of the array at Items in pieces, each as
	// it was sent; last marks the final piece of an element. The slice is
	// the caller's chunk: it must not be kept. Its error ends the scan.
	OnItem func(piece []byte, last bool) error
	// MaxValue bounds a wanted value in bytes; 0 means 64 KiB.
	MaxValue int
}

type query struct {
	steps  []step
	filter int // index of the filter among steps, -1 for none

	have    bool // kind and raw are set
	matched bool // the filter holds for the element at hand
	locked  bool // the filter's first hit was found
	kind    Kind
	raw     []byte
}

func (q *query) clear() { q.have, q.kind, q.raw = false, None, q.raw[:0] }

type state uint8

const (
	sTop   state = iota // before the document's value
	sElem               // an element, or the end of an empty array
	sValue              // a value
	sKey0               // a name, or the end of an empty object
	sKey                // a name
	sColon
	sAfter // a comma or a closing bracket
	sString
	sEsc
	sHex
	sNeg
	sZero
	sInt
	sDot
	sFrac
	sE
	sESign
	sExp
	sLit
	sDone // after the document's value
)

// Scanner is a push tokenizer. Feed it with Write, tell it the end with
// Finish, then ask for the values. It is not safe for concurrent use.
type Scanner struct {
	st    state
	inKey bool
	hex   int
	lit   string // what a literal still lacks
	off   int64  // of the chunk at hand
	err   error

	depth int
	kinds [maxDepth/64 + 1]uint64 // one bit per level: an object

	skipping         bool
	skipTo           int
	skipStr, skipEsc uint64

	queries  []query
	alive    [maxSteps + 3]uint16 // by depth: whose path leads through here
	index    [maxSteps + 3]int    // by depth: the element at hand
	want     uint16               // whose path ends at the value at hand
	through  uint16               // whose path goes on through it
	test     uint16               // whose filter asks for it
	itemsBit uint16

	itemsDepth int // depth inside the items array, 0 when outside
	itemsKind  Kind
	items      int64
	emitting   bool
	start      int // of the element at hand, in this chunk
	onItem     func([]byte, bool) error

	// An object or array that is wanted itself is held as it was sent.
	holding   bool
	holdDepth int    // depth outside of it
	holdMask  uint16 // whose it is
	holdFrom  int    // in this chunk
	hold      []byte
	holdLong  bool

	root     Kind
	capture  bool
	tooLong  bool
	kind     Kind
	tok      []byte
	maxValue int

	key     []byte
	keyLong bool
	keyMax  int
	scratch []byte
	keys    []string
	bom     int
}

// New returns a scanner for the options given.
func New(o Options) (*Scanner, error) {
	if len(o.Values) >= maxQueries {
		return nil, fmt.Errorf("a scanner looks for %d values at most", maxQueries-1)
	}
	s := &Scanner{onItem: o.OnItem, maxValue: o.MaxValue}
	if s.maxValue <= 0 {
		s.maxValue = defaultMaxValue
	}
	add := func(p Path) {
		q := query{steps: p.steps, filter: -1}
		for i, st := range p.steps {
			if st.kind == stepFilter {
				q.filter = i
			}
			s.keyMax = max(s.keyMax, len(st.key))
		}
		s.queries = append(s.queries, q)
	}
	for _, p := range o.Values {
		add(p)
	}
	if o.Items != nil {
		for _, st := range o.Items.steps {
			if st.kind == stepFilter || st.kind == stepLast {
				return nil, fmt.Errorf("JSON path %q: the path of the array is made of names, numbers and [*]", o.Items)
			}
		}
		s.itemsBit = 1 << len(s.queries)
		add(*o.Items)
	}
	// One byte of a name may be written as \u00XX.
	s.keyMax = max(6*s.keyMax, 64) + 1
	s.key = make([]byte, 0, s.keyMax)
	s.scratch = make([]byte, 0, s.keyMax)
	s.tok = make([]byte, 0, 256)
	s.Reset()
	return s, nil
}

// Reset makes the scanner ready for the next document.
func (s *Scanner) Reset() {
	s.st, s.inKey, s.off, s.err, s.depth, s.skipping = sTop, false, 0, nil, 0, false
	s.itemsDepth, s.itemsKind, s.items, s.emitting = 0, None, 0, false
	s.want, s.through, s.test = 0, 0, 0
	s.capture, s.bom, s.holding, s.root = false, 0, false, None
	s.keys = s.keys[:0]
	for i := range s.queries {
		q := &s.queries[i]
		q.clear()
		q.matched, q.locked = false, false
		if len(q.steps) == 0 {
			s.want |= 1 << i
		} else {
			s.through |= 1 << i
		}
	}
}

// Value returns the value found at the i-th of Options.Values. Where a name
// occurs twice in an object the last counts, as in encoding/json. It is
// settled once Finish has returned nil.
func (s *Scanner) Value(i int) Value {
	q := &s.queries[i]
	if !q.have || q.filter >= 0 && !q.locked {
		return Value{}
	}
	if q.kind >= Object && len(q.raw) == 0 {
		return Value{Kind: q.kind}
	}
	return Value{Kind: q.kind, raw: q.raw}
}

// Items returns how many elements were seen at Options.Items, and what stands
// there: None if the path led nowhere.
func (s *Scanner) Items() (int64, Kind) { return s.items, s.itemsKind }

// Root returns the kind of the document itself, None before it began.
func (s *Scanner) Root() Kind { return s.root }

// Keys returns the first few names of the document's root object, for
// messages.
func (s *Scanner) Keys() []string { return s.keys }

// Finish ends the document. It returns an error if it was not
// complete, or the error that Write gave.
func (s *Scanner) Finish() error {
	if s.err != nil {
		return s.err
	}
	if s.depth == 0 {
		switch s.st {
		case sZero, sInt, sFrac, sExp:
			s.valueEnd(nil, 0)
		}
	}
	if s.err == nil && s.st != sDone {
		what := "inside an object or array"
		switch {
		case s.depth > 0:
		case s.st == sTop:
			what = "before any value"
		default:
			what = "inside a value"
		}
		s.err = fmt.Errorf("%w: after %d bytes, %s", ErrTruncated, s.off, what)
	}
	return s.err
}

func (s *Scanner) fail(i int, msg string) {
	if s.err == nil {
		s.err = &SyntaxError{Offset: s.off + int64(i), Msg: msg}
	}
}

func (s *Scanner) push(c byte) bool {
	if s.depth == maxDepth {
		return false
	}
	if c == '{' {
		s.kinds[s.depth>>6] |= 1 << (s.depth & 63)
	} else {
		s.kinds[s.depth>>6] &^= 1 << (s.depth & 63)
	}
	s.depth++
	return true
}

func (s *Scanner) inObject() bool {
	d := s.depth - 1
	return s.kinds[d>>6]>>(d&63)&1 == 1
}

func (s *Scanner) pop(c byte) bool {
	if s.inObject() != (c == '}') {
		return false
	}
	s.depth--
	return true
}

// Write feeds the next chunk. It is one function, since a call per byte would
// take most of its time. It returns len(p) and nil, or the error that
// ended the scan, which every later call returns again.
func (s *Scanner) Write(p []byte) (int, error) { //nolint:funlen // a call for each byte would take most of its time
	if s.err != nil {
		return 0, s.err
	}
	s.start, s.holdFrom = 0, 0
	for i := 0; i < len(p); {
		if s.skipping {
			if i = s.skip(p, i); !s.skipping && s.err == nil {
				s.valueEnd(p, i)
			}
			if s.err != nil {
				return 0, s.err
			}
			continue
		}
		c := p[i]
		switch s.st {
		case sString:
			n := stringEnd(p, i)
			s.keep(p[i:n])
			if n == len(p) {
				i = n
				continue
			}
			i = n + 1
			switch p[n] {
			case '"':
				s.keep(p[n:i])
				if s.inKey {
					s.inKey, s.st = false, sColon
					s.keyEnd()
				} else {
					s.valueEnd(p, i)
				}
			case '\\':
				s.keep(p[n:i])
				s.st = sEsc
			default:
				s.fail(n, "a control character in a string")
			}
		case sEsc:
			s.keep(p[i : i+1])
			i++
			switch c {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				s.st = sString
			case 'u':
				s.st, s.hex = sHex, 4
			default:
				s.fail(i-1, "an unknown escape in a string")
			}
		case sHex:
			if !isHex(c) {
				s.fail(i, "an escape \\u without four hexadecimal digits")
				break
			}
			s.keep(p[i : i+1])
			i++
			if s.hex--; s.hex == 0 {
				s.st = sString
			}
		case sNeg, sZero, sInt, sDot, sFrac, sE, sESign, sExp:
			next, ok := number(s.st, c)
			if ok {
				s.keep(p[i : i+1])
				s.st = next
				i++
				break
			}
			switch s.st {
			case sZero, sInt, sFrac, sExp:
				s.valueEnd(p, i)
			default:
				s.fail(i, "a number breaks off")
			}
		case sLit:
			if c != s.lit[0] {
				s.fail(i, "a word that is neither true, false nor null")
				break
			}
			s.keep(p[i : i+1])
			s.lit = s.lit[1:]
			i++
			if s.lit == "" {
				s.valueEnd(p, i)
			}
		default:
			if c == ' ' || c == '\n' || c == '\r' || c == '\t' {
				i++
				break
			}
			if s.itemsDepth != 0 && s.itemsDepth == s.depth && s.st <= sValue && c != ']' {
				s.start, s.emitting = i, true
			}
			i = s.structure(p, c, i)
		}
		if s.err != nil {
			return 0, s.err
		}
	}
	if s.emitting && s.onItem != nil && s.start < len(p) {
		if s.err = s.onItem(p[s.start:], false); s.err != nil {
			return 0, s.err
		}
	}
	if s.holding {
		s.holdOn(p[s.holdFrom:])
	}
	s.off += int64(len(p))
	return len(p), nil
}

// bomBytes is the byte order mark, which RFC 8259 lets a reader pass over.
const bomBytes = "\xef\xbb\xbf"

// structure handles c, which begins a value or stands between values, and
// returns the index to go on from.
func (s *Scanner) structure(p []byte, c byte, i int) int {
	switch s.st {
	case sTop:
		if s.bom < 3 && c == bomBytes[s.bom] {
			s.bom++
			return i + 1
		}
		if s.bom == 1 || s.bom == 2 {
			s.fail(i, "a broken byte order mark")
			return i
		}
		return s.valueStart(c, i)
	case sElem:
		if c == ']' {
			return s.close(p, c, i)
		}
		s.element()
		return s.valueStart(c, i)
	case sValue:
		if s.depth > 0 && !s.inObject() {
			s.element()
		}
		return s.valueStart(c, i)
	case sKey0, sKey:
		if c == '}' && s.st == sKey0 {
			return s.close(p, c, i)
		}
		if c != '"' {
			s.fail(i, "a name in quotes is missing")
			return i
		}
		s.st, s.inKey = sString, true
		s.key, s.keyLong = s.key[:0], false
		return i + 1
	case sColon:
		if c != ':' {
			s.fail(i, "a colon is missing after a name")
		}
		s.st = sValue
		return i + 1
	case sAfter:
		if c != ',' {
			if c != '}' && c != ']' {
				s.fail(i, "a comma or a closing bracket is missing")
				return i
			}
			return s.close(p, c, i)
		}
		if s.inObject() {
			s.st = sKey
		} else {
			s.st = sValue
		}
		return i + 1
	default: // sDone
		s.fail(i, "more follows after the end of the document")
		return i
	}
}

func (s *Scanner) close(p []byte, c byte, i int) int {
	if !s.pop(c) {
		s.fail(i, "a closing bracket of the wrong kind")
		return i
	}
	d := s.depth + 1
	if d >= 2 {
		// An element that a filter chose is over: does it hold?
		for j := range s.queries {
			q := &s.queries[j]
			if s.alive[d]>>j&1 == 1 && q.steps[d-2].kind == stepFilter {
				if q.matched && q.have {
					q.locked = true
				} else {
					q.clear()
				}
			}
		}
	}
	if d == s.itemsDepth {
		s.itemsDepth = 0
	}
	s.valueEnd(p, i+1)
	return i + 1
}

// valueStart begins the value whose first character is c.
func (s *Scanner) valueStart(c byte, i int) int {
	s.capture, s.tooLong, s.tok = s.want|s.test != 0, false, s.tok[:0]
	switch c {
	case '{', '[':
		s.capture = false
		kind := Object
		if c == '[' {
			kind = Array
		}
		s.begins(kind, i)
		items := s.want&s.itemsBit != 0 && kind == Array
		if !s.push(c) {
			s.fail(i, errDeep)
			return i
		}
		if s.through == 0 && !items {
			s.skipping, s.skipTo, s.skipStr, s.skipEsc = true, s.depth-1, 0, 0
			return i + 1
		}
		s.alive[s.depth], s.index[s.depth] = s.through, 0
		if items {
			s.itemsDepth = s.depth
		}
		if s.st = sElem; kind == Object {
			s.st = sKey0
		}
		return i + 1
	case '"':
		s.kind, s.st = String, sString
	case '-':
		s.kind, s.st = Number, sNeg
	case '0':
		s.kind, s.st = Number, sZero
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		s.kind, s.st = Number, sInt
	case 't':
		s.kind, s.st, s.lit = Bool, sLit, "rue"
	case 'f':
		s.kind, s.st, s.lit = Bool, sLit, "alse"
	case 'n':
		s.kind, s.st, s.lit = Null, sLit, "ull"
	default:
		s.fail(i, fmt.Sprintf("%q where a value should begin", rune(c)))
		return i
	}
	if s.depth == 0 {
		s.root = s.kind
	}
	if s.capture {
		s.tok = append(s.tok, c)
	}
	return i + 1
}

// valueEnd ends the value at hand, whose last byte is before p[i].
func (s *Scanner) valueEnd(p []byte, i int) {
	if s.capture {
		s.found(s.kind)
		s.capture = false
	}
	if s.holding && s.depth == s.holdDepth {
		s.release(p, i)
	}
	if s.emitting && s.depth == s.itemsDepth {
		s.emitting = false
		s.items++
		if s.onItem != nil && s.err == nil {
			s.err = s.onItem(p[s.start:i], true)
		}
	}
	if s.depth == 0 {
		s.st = sDone
		return
	}
	s.st = sAfter
}

// keep appends a piece of a name or of a wanted scalar to the part of it that is held.
func (s *Scanner) keep(b []byte) {
	if s.inKey {
		if s.keyLong || len(s.key)+len(b) > s.keyMax {
			s.keyLong = true
			return
		}
		s.key = append(s.key, b...)
		return
	}
	if s.capture && !s.tooLong {
		if len(s.tok)+len(b) > s.maxValue {
			s.tooLong = true
			return
		}
		s.tok = append(s.tok, b...)
	}
}
