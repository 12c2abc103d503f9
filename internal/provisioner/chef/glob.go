package chef

import (
	"regexp"
	"strings"
)

// matcher tells which files of a cookbook are wanted, by the patterns that
// Ruby's Dir.glob knows: *, **/, ?, [], {} and \, with dot files included.
type matcher struct {
	files []*regexp.Regexp
	// tops match the first parts of the paths, to leave out whole trees.
	tops []*regexp.Regexp
}

func newMatcher(globs []string) *matcher {
	m := &matcher{}
	for _, g := range globs {
		for _, plain := range expandBraces(g) {
			plain = strings.TrimPrefix(plain, "./")
			if plain == "" {
				continue
			}
			m.files = append(m.files, globRegexp(plain))
			top, _, _ := strings.Cut(plain, "/")
			if top == "**" {
				top = "*"
			}
			m.tops = append(m.tops, globRegexp(top))
		}
	}
	return m
}

// keep says whether a file is wanted, or whether a directory may hold one.
func (m *matcher) keep(rel string, dir bool) bool {
	if dir {
		top, _, _ := strings.Cut(rel, "/")
		for _, re := range m.tops {
			if re.MatchString(top) {
				return true
			}
		}
		return false
	}
	for _, re := range m.files {
		if re.MatchString(rel) {
			return true
		}
	}
	return false
}

// splitGlobs splits a list of patterns at its commas, but not inside braces.
func splitGlobs(s string) []string {
	var (
		out   []string
		depth int
		start int
	)
	for i, c := range s {
		switch c {
		case '{':
			depth++
		case '}':
			depth--
		case ',':
			if depth <= 0 {
				out = append(out, strings.TrimSpace(s[start:i]))
				start = i + 1
			}
		}
	}
	return append(out, strings.TrimSpace(s[start:]))
}

// mostAlternatives bounds what braces may expand to.
const mostAlternatives = 1000

// expandBraces writes out {a,b}.
func expandBraces(s string) []string {
	open := strings.IndexByte(s, '{')
	if open < 0 {
		return []string{s}
	}
	depth, end := 0, -1
	for i := open; i < len(s); i++ {
		switch s[i] {
		case '{':
			depth++
		case '}':
			depth--
		}
		if depth == 0 {
			end = i
			break
		}
	}
	if end < 0 {
		return []string{s}
	}
	var out []string
	rests := expandBraces(s[end+1:])
	for _, alt := range splitGlobs(s[open+1 : end]) {
		alts := expandBraces(alt)
		for _, rest := range rests {
			for _, a := range alts {
				if len(out) < mostAlternatives {
					out = append(out, s[:open]+a+rest)
				}
			}
		}
	}
	return out
}

// globRegexp translates a pattern without braces; * and ? stop at slashes.
func globRegexp(g string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("(?s)^")
	for i := 0; i < len(g); i++ {
		switch c := g[i]; {
		case strings.HasPrefix(g[i:], "**/") && (i == 0 || g[i-1] == '/'):
			b.WriteString(`(?:[^/]+/)*`)
			i += 2
		case c == '*':
			b.WriteString(`[^/]*`)
		case c == '?':
			b.WriteString(`[^/]`)
		case c == '[':
			i += class(&b, g[i:]) - 1
		case c == '\\' && i+1 < len(g):
			i++
			b.WriteString(regexp.QuoteMeta(g[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(g[i : i+1]))
		}
	}
	return compile(b.String()+"$", g)
}

// class writes a bracket expression and returns how long it is in the pattern.
func class(b *strings.Builder, g string) int {
	end := strings.IndexByte(g[1:], ']')
	if end <= 0 {
		b.WriteString(`\[`)
		return 1
	}
	body := g[1 : end+1]
	b.WriteByte('[')
	if body[0] == '!' || body[0] == '^' {
		b.WriteByte('^')
		body = body[1:]
	}
	for _, c := range body {
		if strings.ContainsRune(`\[]^&`, c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	b.WriteByte(']')
	return end + 2
}

// compile falls back to the pattern as plain text where it makes no sense.
func compile(re, plain string) *regexp.Regexp {
	if c, err := regexp.Compile(re); err == nil {
		return c
	}
	return regexp.MustCompile("^" + regexp.QuoteMeta(strings.ToValidUTF8(plain, "\ufffd")) + "$")
}

// fnmatch translates a pattern of chefignore, as File.fnmatch without flags
// takes it: * and ? match slashes too, but not a dot at the very beginning.
func fnmatch(g string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("(?s)^")
	for i := 0; i < len(g); i++ {
		switch c := g[i]; {
		case c == '*' && i == 0:
			b.WriteString(`(?:[^.].*)?`)
		case c == '*':
			b.WriteString(`.*`)
		case c == '?' && i == 0:
			b.WriteString(`[^.]`)
		case c == '?':
			b.WriteString(`.`)
		case c == '[':
			i += class(&b, g[i:]) - 1
		case c == '\\' && i+1 < len(g):
			i++
			b.WriteString(regexp.QuoteMeta(g[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(g[i : i+1]))
		}
	}
	return compile(b.String()+"$", g)
}
