package ruby

import (
	"fmt"
	"unicode/utf8"

	"github.com/galleyhq/galley/internal/ruby/rubyre"
)

// Regexp is a Ruby regular expression.
type Regexp struct {
	*rubyre.Regexp
	src   string
	flags rubyre.Flags
}

// MatchData is the result of a match.
type MatchData struct {
	re  *Regexp
	s   string
	idx []int // begin and end of the match and of each group, in bytes
}

func regexpClassMethods() []builtin {
	return []builtin{
		{"new compile", 1, 1, regexpNew},
		{"escape quote", 1, 1, func(in *Interp, c *call) Value { return in.str(rubyre.Quote(in.argName(c.args[0]))) }},
	}
}

func matchMethods() []builtin {
	return []builtin{
		{"[]", 1, 1, matchGet},
		{"to_a", 0, 0, of(func(in *Interp, m *MatchData) Value { return in.arr(in.groups(m, 0)) })},
		{"captures", 0, 0, of(func(in *Interp, m *MatchData) Value { return in.arr(in.groups(m, 1)) })},
		{"names", 0, 0, of(func(_ *Interp, m *MatchData) Value { return FromGo(m.re.Names()) })},
		{"to_s", 0, 0, of(func(in *Interp, m *MatchData) Value { return in.groupValue(m, 0) })},
	}
}

// maxSubject bounds the texts that are searched, as the memory of the search
// grows with them.
const maxSubject = 256 << 10

func newRegexp(src, flags string) (*Regexp, error) {
	f := rubyre.ParseFlags(flags)
	re, err := rubyre.Compile(src, f)
	return &Regexp{re, src, f}, err
}

// regexp compiles a pattern met at run time.
func (in *Interp) regexp(src, flags string) *Regexp {
	in.alloc(100*len(src) + 200)
	in.step(len(src))
	re, err := newRegexp(src, flags)
	if err != nil {
		in.unsupported(fmt.Sprintf("the regular expression /%s/: %v", src, err))
	}
	return re
}

// toRegexp gives a regexp for a pattern argument: a string matches itself.
func (in *Interp) toRegexp(v Value) *Regexp {
	if re, ok := v.(*Regexp); ok {
		return re
	}
	return in.regexp(rubyre.Quote(in.argString(v)), "")
}

// find searches a prepared text from a byte offset on.
func (in *Interp) find(re *Regexp, t *rubyre.Text, from int) *MatchData {
	in.step(1)
	in.checkLimits()
	if len(t.String()) > maxSubject {
		in.limit(fmt.Sprintf("a text of more than %d KiB is too large for a regular expression", maxSubject>>10))
	}
	idx, err := re.Find(t, from)
	if err != nil {
		in.limit(err.Error())
	} else if idx == nil {
		return nil
	}
	in.alloc(64 + 8*len(idx))
	return &MatchData{re, t.String(), idx}
}

// search matches and sets $~ of the caller.
func (in *Interp) search(c *call, re *Regexp, s string) *MatchData {
	return in.setMatch(c, in.find(re, in.newText(s), 0))
}

// newText prepares a text for searches.
func (in *Interp) newText(s string) *rubyre.Text {
	in.alloc(12 * len(s))
	in.step(len(s) / 16)
	return rubyre.NewText(s)
}

func (in *Interp) setMatch(c *call, m *MatchData) *MatchData {
	if c.f != nil {
		c.f.mf.match = m
	}
	return m
}

// eachMatch calls fn for the matches of a pattern, with $~ set, until it
// returns false, and returns the last match.
func (in *Interp) eachMatch(c *call, re *Regexp, s string, fn func(m *MatchData) bool) *MatchData {
	t := in.newText(s)
	var last *MatchData
	for pos := 0; pos <= len(s); {
		m := in.find(re, t, pos)
		if m == nil {
			break
		}
		last = m
		in.setMatch(c, m)
		if !fn(m) {
			break
		}
		if pos = m.idx[1]; m.idx[1] == m.idx[0] { // an empty match moves on by a character
			_, w := utf8.DecodeRuneInString(s[pos:])
			pos += max(1, w)
		}
	}
	return in.setMatch(c, last)
}

// group is the text of a group; ok is false where it took no part.
func (m *MatchData) group(i int) (string, bool) {
	if m == nil || i < 0 || 2*i+1 >= len(m.idx) || m.idx[2*i] < 0 {
		return "", false
	}
	return m.s[m.idx[2*i]:m.idx[2*i+1]], true
}

func (in *Interp) groupValue(m *MatchData, i int) Value {
	if s, ok := m.group(i); ok {
		return in.str(s)
	}
	return nil
}

// groupNumber finds a group by its number or name.
func (in *Interp) groupNumber(m *MatchData, v Value) int {
	switch v.(type) {
	case *String, Symbol:
		n := m.re.GroupNumber(in.argName(v))
		in.raiseIf(n == 0, "IndexError", "there is no group of this name")
		return n
	case *Range:
		in.unsupported("a range as an index of MatchData")
	}
	return in.argInt(v)
}

// groups are the groups from a number on.
func (in *Interp) groups(m *MatchData, from int) []Value {
	var out []Value
	for i := from; i < len(m.idx)/2; i++ {
		out = append(out, in.groupValue(m, i))
	}
	return out
}

func regexpNew(in *Interp, c *call) Value {
	if re, ok := c.args[0].(*Regexp); ok {
		return re
	}
	return in.regexp(in.argString(c.args[0]), "")
}

// subject is the text of a string or symbol.
func subject(v Value) (string, bool) {
	switch x := v.(type) {
	case *String:
		return x.s, true
	case Symbol:
		return string(x), true
	}
	return "", false
}

// operands are the regexp and the subject of a match, in either order.
func (in *Interp) operands(c *call) (*Regexp, Value) {
	if re, ok := c.self.(*Regexp); ok {
		return re, c.args[0]
	}
	if text, ok := c.args[0].(*String); ok && c.name != "=~" {
		return in.regexp(text.s, ""), c.self
	}
	return argOf[*Regexp](in, c.args[0], "Regexp"), c.self
}

// regexpMatch is =~, ===, match and match? of regexps and strings.
func regexpMatch(in *Interp, c *call) Value {
	switch c.args[0].(type) {
	case *Regexp, *String, Symbol, nil:
	default:
		if _, ok := c.self.(*String); ok && c.name == "=~" {
			return nil // the operand's own =~
		}
	}
	re, v := in.operands(c)
	s, ok := subject(v)
	if !ok && v != nil && c.name != "===" {
		s, ok = in.argString(v), true
	}
	if c.name == "match?" {
		return ok && in.find(re, in.newText(s), 0) != nil
	}
	m := in.setMatch(c, nil)
	if ok {
		m = in.search(c, re, s)
	}
	switch {
	case c.name == "===":
		return m != nil
	case m == nil:
		return nil
	case c.name == "=~":
		return runeCount(s[:m.idx[0]])
	case c.blk != nil:
		return in.yield(c.blk, m)
	}
	return m
}

func matchGet(in *Interp, c *call) Value {
	m := c.self.(*MatchData)
	return in.groupValue(m, in.groupNumber(m, c.args[0]))
}
