package ruby

import "strings"

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
	for i := 0; i < len(repl); i++ {
		if repl[i] != '\\' || i+1 >= len(repl) {
			b.WriteByte(repl[i])
			continue
		}
		i++
		name, _, named := strings.Cut(strings.TrimPrefix(repl[i:], "k<"), ">")
		text := repl[i-1 : i+1]
		switch n := repl[i]; {
		case isDigit(n):
			text, _ = m.group(int(n - '0'))
		case n == '&':
			text, _ = m.group(0)
		case n == '\\':
			text = `\`
		case n == '`', n == '\'':
			in.unsupported(`\` + string(n) + " in a replacement")
		case named && strings.HasPrefix(repl[i:], "k<"):
			text, _ = m.group(in.groupNumber(m, NewString(name)))
			i += len(name) + 2
		}
		b.WriteString(text)
	}
}

// stringSplit splits at a pattern; without one, at white space. An empty match
// splits between characters, and not at the start. The groups of the pattern
// become parts, too.
func stringSplit(in *Interp, c *call) Value {
	s, limit := c.self.(*String).s, in.optInt(c, 1, 0)
	sep, isText := c.opt(0).(*String)
	var re *Regexp
	if isText && sep.s == " " || c.opt(0) == nil {
		s = strings.TrimLeft(s, whiteSpace)
		re = in.regexp(`[\s\x00]+`, "")
	} else {
		re = in.toRegexp(c.args[0])
	}
	parts, beg := in.arr(nil), 0
	if s != "" {
		in.eachMatch(&call{}, re, s, func(m *MatchData) bool {
			switch {
			case limit > 0 && len(parts.a) >= limit-1:
				return false
			case m.idx[1] == m.idx[0] && (m.idx[0] == beg && len(s) > 0 && m.idx[0] == 0 || m.idx[0] == len(s)):
				return true
			}
			in.push(parts, in.str(s[beg:m.idx[0]]))
			for g := 1; g < len(m.idx)/2; g++ {
				if t, ok := m.group(g); ok {
					in.push(parts, in.str(t))
				}
			}
			beg = m.idx[1]
			return true
		})
		in.push(parts, in.str(s[beg:]))
	}
	for n := len(parts.a); limit == 0 && n > 0 && parts.a[n-1].(*String).s == ""; n-- {
		parts.a = parts.a[:n-1]
	}
	return parts
}

func stringBytes(in *Interp, c *call) Value {
	if c.blk != nil {
		in.unsupported("String#bytes with a block")
	}
	out := in.arr(nil)
	for _, b := range []byte(c.self.(*String).s) {
		in.push(out, int(b))
	}
	return out
}
