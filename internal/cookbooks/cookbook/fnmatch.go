package cookbook

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// glob is a pattern that matches as Ruby's File.fnmatch without FNM_PATHNAME
// decides it: * and ? match slashes, too.
type glob struct {
	re *regexp.Regexp
	// dot says that it begins with a dot. Nothing else matches a dot at the very
	// beginning.
	dot bool
}

func (g glob) match(path string) bool {
	return (g.dot || !strings.HasPrefix(path, ".")) && g.re.MatchString(path)
}

// nothing is a regular expression that matches nothing.
const nothing = `[^\x00-\x{10FFFF}]`

func newGlob(s string) glob {
	g := glob{dot: strings.HasPrefix(strings.TrimPrefix(s, `\`), ".")}
	re := `(?s)\A`
	s = strings.ToValidUTF8(s, string(utf8.RuneError)) // as a wrong byte of a path is read
	for s != "" {
		c := s[0]
		switch {
		case c == '*':
			re, s = re+".*", s[1:]
		case c == '?':
			re, s = re+".", s[1:]
		case c == '[':
			var class string
			class, s = bracket(s[1:])
			re += class
		default:
			r, rest := sign(s)
			re, s = re+quote(r), rest
		}
	}
	g.re = regexp.MustCompile(re + `\z`)
	return g
}

// quote escapes a sign, in a class or outside of one.
func quote(s string) string { return strings.ReplaceAll(regexp.QuoteMeta(s), "-", `\-`) }

// sign splits off the first sign, from which a backslash takes its meaning.
func sign(s string) (first, rest string) {
	if len(s) > 1 && s[0] == '\\' {
		s = s[1:]
	}
	_, n := utf8.DecodeRuneInString(s)
	return s[:n], s[n:]
}

// bracket translates a class, whose [ is gone, and returns what follows it. A
// class without an end matches nothing.
func bracket(s string) (class, rest string) {
	negated := s != "" && (s[0] == '!' || s[0] == '^')
	if negated {
		s = s[1:]
	}
	for s != "" {
		if s[0] == ']' {
			switch {
			case class == "" && negated:
				return ".", s[1:]
			case class == "":
				return nothing, s[1:]
			case negated:
				return "[^" + class + "]", s[1:]
			}
			return "[" + class + "]", s[1:]
		}
		var low, high string
		low, s = sign(s)
		class += quote(low)
		if len(s) > 1 && s[0] == '-' && s[1] != ']' {
			if high, s = sign(s[1:]); low < high {
				class += "-"
			}
			class += quote(high)
		}
	}
	return nothing, ""
}
