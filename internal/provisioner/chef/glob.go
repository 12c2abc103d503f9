package chef

import (
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// matcher tells which files of a cookbook are wanted, by the patterns that
// Ruby's Dir.glob knows: *, **/, ?, [], {} and \, with dot files included.
type matcher struct {
	files []string
	// tops match the first parts of the paths, to leave out whole trees.
	tops []string
}

func newMatcher(globs []string) *matcher {
	m := &matcher{}
	for _, g := range globs {
		g = strings.TrimPrefix(g, "./")
		if !doublestar.ValidatePattern(g) || g == "" {
			continue // it matches nothing
		}
		m.files = append(m.files, g)
		top, _, _ := strings.Cut(g, "/")
		if top == "**" || !doublestar.ValidatePattern(top) { // a / in braces
			top = "*"
		}
		m.tops = append(m.tops, top)
	}
	return m
}

// keep says whether a file is wanted, or whether a directory may hold one.
func (m *matcher) keep(rel string, dir bool) bool {
	globs := m.files
	if dir {
		globs = m.tops
		rel, _, _ = strings.Cut(rel, "/")
	}
	for _, g := range globs {
		if doublestar.MatchUnvalidated(g, rel) {
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
