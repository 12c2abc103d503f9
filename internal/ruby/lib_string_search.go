package ruby

import (
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/text"
)

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
		in.unsupportedIf(global, "String#gsub without a replacement")
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
			b.WriteString(in.expand(repl, m))
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

// reference is what a replacement text fills in: \1, \0, \&, \k<name>, \\.
var reference = text.Lazy(`\\(?:([0-9&\\])|k<(\w+)>|([\x60']))`)

// expand fills in the groups that a replacement text names.
func (in *Interp) expand(repl string, m *MatchData) string {
	return reference().ReplaceAllStringFunc(repl, func(ref string) string {
		parts := reference().FindStringSubmatch(ref)
		group := 0
		switch {
		case parts[3] != "":
			in.unsupported(ref + " in a replacement")
		case parts[2] != "":
			group = in.groupNumber(m, NewString(parts[2]))
		case parts[1] == `\`:
			return `\`
		case parts[1] != "&":
			group, _ = strconv.Atoi(parts[1])
		}
		s, _ := m.group(group)
		return s
	})
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
