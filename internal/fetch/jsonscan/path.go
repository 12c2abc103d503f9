package jsonscan

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

type stepKind uint8

const (
	stepKey stepKind = iota
	stepIndex
	stepLast
	stepFilter
)

type step struct {
	kind  stepKind
	key   string // stepKey, stepFilter: the member's name
	want  string // stepFilter: the member's value
	index int    // stepIndex
}

// Path says where in a document a value lies. The zero Path is the document's
// root.
type Path struct {
	text  string
	steps []step
}

// maxSteps bounds the depth of a path.
const maxSteps = 30

// String returns the path as it was written.
func (p Path) String() string {
	if p.text == "" {
		return "$"
	}
	return p.text
}

// IsRoot reports whether the path is the document itself.
func (p Path) IsRoot() bool { return len(p.steps) == 0 }

// PathError says what is wrong with the text of a path, and where.
type PathError struct {
	Text string
	At   int // byte, from 0
	Msg  string
}

func (e *PathError) Error() string {
	return fmt.Sprintf("JSON path %q: %s at character %d", e.Text, e.Msg, utf8.RuneCountInString(e.Text[:min(e.At, len(e.Text))])+1)
}

// ParsePath reads a path: names joined by dots, each followed by any number of
// brackets. `meta.next_token`; `links[0].href`, with [-1] for the last
// element; `servers_links[rel=next]`, the first element whose member rel is
// next, and of it the member href unless the path goes on;
// `["a.b"]` for a name that contains a dot or a bracket. A leading `$` or dot
// is allowed; "", "." and "$" are the root.
func ParsePath(text string) (Path, error) {
	p := Path{text: text}
	fail := func(at int, msg string) (Path, error) {
		return Path{}, &PathError{Text: text, At: at, Msg: msg}
	}
	i := 0
	if strings.HasPrefix(text, "$") {
		i = 1
	}
	if text[i:] == "." {
		return p, nil
	}
	filters := 0
	for first := true; i < len(text); first = false {
		if len(p.steps) == maxSteps {
			return fail(i, "more than "+strconv.Itoa(maxSteps)+" steps")
		}
		switch {
		case text[i] == '[':
			st, n, msg := parseBracket(text[i:])
			if msg != "" {
				return fail(i, msg)
			}
			if st.kind == stepFilter {
				if filters++; filters > 1 {
					return fail(i, "a second filter (one is supported)")
				}
			}
			p.steps = append(p.steps, st)
			i += n
		case text[i] == '.' || first:
			if text[i] == '.' {
				i++
			}
			n := strings.IndexAny(text[i:], ".[")
			if n < 0 {
				n = len(text) - i
			}
			if n == 0 {
				return fail(i, "a name is missing")
			}
			name := text[i : i+n]
			if j := strings.IndexAny(name, "]\"*"); j >= 0 {
				return fail(i+j, fmt.Sprintf("%q in a name (write [\"…\"])", name[j]))
			}
			p.steps = append(p.steps, step{kind: stepKey, key: name})
			i += n
		default:
			return fail(i, "a dot or a bracket is missing")
		}
	}
	if n := len(p.steps); n > 0 && p.steps[n-1].kind == stepFilter {
		// A link object: what is wanted of it is where it points.
		p.steps = append(p.steps, step{kind: stepKey, key: "href"})
	}
	return p, nil
}

// parseBracket reads one bracketed step at the start of s and returns how many
// bytes it takes, or what is wrong.
func parseBracket(s string) (step, int, string) {
	if len(s) > 1 && (s[1] == '"' || s[1] == '\'') {
		end := strings.IndexByte(s[2:], s[1])
		if end < 0 || len(s) <= end+3 || s[end+3] != ']' {
			return step{}, 0, "the quoted name has no end"
		}
		return step{kind: stepKey, key: s[2 : end+2]}, end + 4, ""
	}
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return step{}, 0, "the bracket has no end"
	}
	in := s[1:end]
	if key, want, ok := strings.Cut(in, "="); ok {
		key = strings.TrimSuffix(strings.TrimSpace(key), "=")
		want = strings.TrimSpace(want)
		want = strings.TrimSpace(strings.TrimPrefix(want, "="))
		if n := len(want); n >= 2 && (want[0] == '"' || want[0] == '\'') && want[n-1] == want[0] {
			want = want[1 : n-1]
		}
		if key == "" || want == "" {
			return step{}, 0, "a filter is [name=value]"
		}
		return step{kind: stepFilter, key: key, want: want}, end + 1, ""
	}
	if in == "-1" {
		return step{kind: stepLast}, end + 1, ""
	}
	n, err := strconv.Atoi(in)
	if err != nil || n < 0 || in[0] == '+' {
		return step{}, 0, "in brackets stands a number from 0, -1, name=value or a quoted name"
	}
	return step{kind: stepIndex, index: n}, end + 1, ""
}

// MustParsePath is [ParsePath] for paths written in code; it panics on a bad
// one.
func MustParsePath(text string) Path {
	p, err := ParsePath(text)
	if err != nil {
		panic(err)
	}
	return p
}
