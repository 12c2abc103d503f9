package ruby

import (
	"strings"
	"unicode/utf8"

	"github.com/galleyhq/galley/internal/ruby/rubyre"
)

func stringMatchAt(in *Interp, c *call) Value {
	switch x := c.args[0].(type) {
	case *Regexp:
		return in.matchAt(c, x, c.self)
	case *String:
		in.raise("TypeError", "wrong argument type String (expected Regexp)")
	}
	return in.send(c.args[0], "=~", c.self)
}

func stringMatch(in *Interp, c *call) Value {
	re, ok := c.args[0].(*Regexp)
	if !ok {
		re = in.regexp(in.argString(c.args[0]), "")
	}
	return in.match(c, re, c.self)
}

func stringScan(in *Interp, c *call) Value {
	var out []Value
	in.eachMatch(c, in.toRegexp(c.args[0]), c.self.(*String).s, func(m *MatchData) bool {
		v := in.groupValue(m, 0)
		if len(m.idx) > 2 {
			v = in.arr(in.groups(m, 1))
		}
		in.alloc(64)
		if c.blk != nil {
			in.yield(c.blk, v)
		} else {
			out = append(out, v)
		}
		return true
	})
	if c.blk != nil {
		return c.self
	}
	return in.arr(out)
}

// stringSub is sub and gsub.
func stringSub(in *Interp, c *call) Value {
	s := c.self.(*String).s
	global := strings.HasPrefix(c.name, "g")
	if len(c.args) == 1 && c.blk == nil {
		if global {
			in.unsupported("String#gsub without a replacement")
		}
		in.argError(1, 2, 2)
	}
	hash, isHash := c.opt(1).(*Hash)
	repl := ""
	if len(c.args) == 2 && !isHash {
		repl = in.argString(c.args[1])
	}
	var b strings.Builder
	done := 0
	in.eachMatch(c, in.toRegexp(c.args[0]), s, func(m *MatchData) bool {
		b.WriteString(s[done:m.idx[0]])
		before := b.Len()
		switch {
		case isHash:
			b.WriteString(in.toS(in.hashGet(hash, in.groupValue(m, 0))))
		case len(c.args) == 2:
			in.expand(&b, repl, m)
		default:
			b.WriteString(in.toS(in.yield(c.blk, in.groupValue(m, 0))))
		}
		in.alloc(2*(b.Len()-before+m.idx[0]-done) + 16)
		done = m.idx[1]
		return global
	})
	b.WriteString(s[done:])
	return in.str(b.String())
}

// expand writes a replacement text with \1, \0, \k<name>, \\ and the like
// filled in.
func (in *Interp) expand(b *strings.Builder, repl string, m *MatchData) {
	group := func(i int) {
		s, _ := m.group(i)
		b.WriteString(s)
	}
	for i := 0; i < len(repl); i++ {
		if repl[i] != '\\' || i+1 >= len(repl) {
			b.WriteByte(repl[i])
			continue
		}
		i++
		name, _, named := strings.Cut(strings.TrimPrefix(repl[i:], "k<"), ">")
		switch n := repl[i]; {
		case isDigit(n):
			group(int(n - '0'))
		case n == '&':
			group(0)
		case n == '\\':
			b.WriteByte('\\')
		case n == '`':
			b.WriteString(m.s[:m.idx[0]])
		case n == '\'':
			b.WriteString(m.s[m.idx[1]:])
		case named && strings.HasPrefix(repl[i:], "k<"):
			group(in.groupNumber(m, NewString(name)))
			i += len(name) + 2
		default:
			b.WriteString(repl[i-1 : i+1])
		}
	}
}

// splitter collects the parts of a split.
type splitter struct {
	in    *Interp
	limit int
	out   []Value
}

func (p *splitter) add(s string) {
	p.in.alloc(24)
	p.out = append(p.out, p.in.str(s))
}

// full tells that all that is left is one part.
func (p *splitter) full() bool { return p.limit > 0 && len(p.out) >= p.limit-1 }

func stringSplit(in *Interp, c *call) Value {
	s := c.self.(*String).s
	in.step(len(s) / 16)
	p := &splitter{in: in, limit: in.optInt(c, 1, 0)}
	switch sep := c.opt(0).(type) {
	case nil:
		p.words(s)
	case *String:
		if sep.s == " " {
			p.words(s)
		} else {
			p.text(s, sep.s)
		}
	case *Regexp:
		p.regexp(s, sep)
	default:
		in.raise("TypeError", "wrong argument type %s (expected Regexp)", in.classOf(sep).name)
	}
	if p.limit == 0 {
		for len(p.out) > 0 && p.out[len(p.out)-1].(*String).s == "" {
			p.out = p.out[:len(p.out)-1]
		}
	}
	if c.blk == nil {
		return in.arr(p.out)
	}
	for _, x := range p.out {
		in.yield(c.blk, x)
	}
	return c.self
}

// words splits at white space.
func (p *splitter) words(s string) {
	s = strings.TrimLeft(s, whiteSpace)
	for s != "" && !p.full() {
		i := strings.IndexAny(s, whiteSpace)
		if i < 0 {
			break
		}
		p.add(s[:i])
		s = strings.TrimLeft(s[i:], whiteSpace)
	}
	if s != "" || p.limit != 0 && len(p.out) > 0 {
		p.add(s)
	}
}

// text splits at a text; "" splits into characters.
func (p *splitter) text(s, sep string) {
	if s == "" {
		return
	}
	for !p.full() {
		i := strings.Index(s, sep)
		if sep == "" {
			if _, i = utf8.DecodeRuneInString(s); i == len(s) && p.limit >= 0 {
				break
			}
		}
		if i < 0 || sep == "" && s == "" {
			break
		}
		p.add(s[:i])
		s = s[i+len(sep):]
	}
	p.add(s)
}

func (p *splitter) regexp(s string, re *Regexp) {
	if s == "" {
		return
	}
	p.in.alloc(4 * len(s))
	t := rubyre.NewText(s)
	beg, start := 0, 0
	afterEmpty := false // the last match was empty, and we moved on by a character
	for start <= len(s) && !p.full() {
		m := p.in.find(re, t, start)
		if m == nil {
			break
		}
		switch empty := m.idx[0] == start && m.idx[1] == start; {
		case empty && !afterEmpty:
			_, w := utf8.DecodeRuneInString(s[start:])
			start += max(1, w)
			afterEmpty = true
			continue
		case empty:
			p.add(s[beg:start])
			beg = start
		default:
			p.add(s[beg:m.idx[0]])
			beg, start = m.idx[1], m.idx[1]
		}
		afterEmpty = false
		p.groups(m)
	}
	if beg < len(s) || p.limit != 0 {
		p.add(s[beg:])
	}
}

// groups adds the groups of a separator.
func (p *splitter) groups(m *MatchData) {
	for g := 1; g < len(m.idx)/2; g++ {
		if s, ok := m.group(g); ok {
			p.add(s)
		}
	}
}

func stringLines(in *Interp, c *call) Value {
	return in.listOrEach(c, in.linesOf(c, c.self.(*String).s))
}

// listOrEach gives the elements to the block, or returns them.
func (in *Interp) listOrEach(c *call, list []Value) Value {
	if c.blk == nil && strings.HasPrefix(c.name, "each") {
		return in.enum(c)
	}
	if c.blk == nil {
		return in.arr(list)
	}
	for _, x := range list {
		in.yield(c.blk, x)
	}
	return c.self
}

// linesOf gives the lines of a text, without their ends if the call says so.
func (in *Interp) linesOf(c *call, s string) []Value {
	chomped, _ := flag(c.kwargs(), "chomp")
	if given := len(c.args) - c.min; given > 0 {
		in.unsupported("the method " + c.name + " with a separator")
	}
	var out []Value
	for line := range strings.Lines(s) {
		if chomped {
			line = in.chomp(line, nil)
		}
		out = append(out, in.str(line))
	}
	return out
}

func stringChars(in *Interp, c *call) Value {
	var out []Value
	for s := c.self.(*String).s; s != ""; {
		_, w := utf8.DecodeRuneInString(s)
		out = append(out, in.str(s[:w]))
		s = s[w:]
	}
	return in.listOrEach(c, out)
}

func stringBytes(in *Interp, c *call) Value {
	var out []Value
	for _, b := range []byte(c.self.(*String).s) {
		out = append(out, int(b))
	}
	return in.listOrEach(c, out)
}

// stringForceEncoding is for UTF-8, which every text has here.
func stringForceEncoding(in *Interp, c *call) Value {
	if name := strings.ToUpper(in.toS(c.args[0])); name != "UTF-8" {
		in.unsupported("the encoding " + name)
	}
	return c.self
}
