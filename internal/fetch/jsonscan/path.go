package jsonscan

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

type stepKind uint8

const (
	stepKey    stepKind = iota // the member of this name
	stepSuffix                 // the first member whose name ends so
	stepIndex                  // the element of this number
	stepLast                   // the last element
	stepAny                    // every element
	stepFilter                 // the first element with such a member
)

type step struct {
	kind  stepKind
	key   string // stepKey, stepFilter: the member's name; stepSuffix: its end
	want  string // stepFilter: the member's value
	index int    // stepIndex
}

// Path is the place of a value in a document. The zero Path is the document's
// root.
type Path struct {
	text  string
	steps []step
}

// maxSteps bounds the depth of a path.
const maxSteps = 30

// PathSyntax describes the text of a path in one sentence, for messages.
const PathSyntax = `a path is names joined by dots: meta.next, links[0].href, data[-1].id (the last), ` +
	`links[rel=next] or links[?(@.rel=='next')].href, data[*].items, ["a.b"] for a name with a dot`

// String returns the path as it was written.
func (p Path) String() string {
	if p.text == "" {
		return "$"
	}
	return p.text
}

// IsRoot reports whether the path is the document itself.
func (p Path) IsRoot() bool { return len(p.steps) == 0 }

// Root returns the first name of the path, "" if it does not begin with one.
func (p Path) Root() string {
	if len(p.steps) == 0 || p.steps[0].kind != stepKey {
		return ""
	}
	return p.steps[0].key
}

// Names returns the names of a path that has no other steps, and false for one
// that has.
func (p Path) Names() ([]string, bool) {
	var names []string
	for _, s := range p.steps {
		if s.kind != stepKey {
			return nil, false
		}
		names = append(names, s.key)
	}
	return names, true
}

// Places returns the names and the numbers of elements of a path that has no
// other steps, and false for one that has.
func (p Path) Places() ([]string, bool) {
	var places []string
	for _, s := range p.steps {
		switch s.kind {
		case stepKey:
			places = append(places, s.key)
		case stepIndex:
			places = append(places, strconv.Itoa(s.index))
		default:
			return nil, false
		}
	}
	return places, true
}

// EndsInAny reports whether the path's last step is [*], and returns the path
// without it.
func (p Path) EndsInAny() (Path, bool) {
	n := len(p.steps)
	if n == 0 || p.steps[n-1].kind != stepAny {
		return p, false
	}
	return Path{text: strings.TrimSuffix(p.text, "[*]"), steps: p.steps[:n-1]}, true
}

// PathError describes an error in the text of a path.
type PathError struct {
	Text string
	At   int // byte, from 0
	Msg  string
}

func (e *PathError) Error() string {
	return fmt.Sprintf("JSON path %q: %s at character %d", e.Text, e.Msg, utf8.RuneCountInString(e.Text[:min(e.At, len(e.Text))])+1)
}

// odata begins names that contain a dot, such as @odata.nextLink: no API nests
// anything below a member @odata.
const odata = "@odata."

// ParsePath reads a path: names joined by dots, each followed by any number of
// brackets. `meta.next_token`; `links[0].href`, with [-1] for the last element
// and [*] for every one; `servers_links[rel=next]`, the first element whose
// member rel is next, and of it the member href unless the path goes on, also
// written `servers_links[?(@.rel=='next')].href` (RFC 9535); `["a.b"]` for a
// name that contains a dot or a bracket; `*_links` for the first name that ends
// so. A leading `$` or dot is allowed; "", "." and "$" are the root. Any other
// syntax is an error, since a name that nobody meant would match nothing.
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
			st, n, msg := parseName(text[i:])
			if msg != "" {
				return fail(i+n, msg)
			}
			p.steps = append(p.steps, st)
			i += n
		default:
			return fail(i, "a dot or a bracket is missing")
		}
	}
	if n := len(p.steps); n > 0 && p.steps[n-1].kind == stepFilter {
		// A link object: the value wanted is its target.
		p.steps = append(p.steps, step{kind: stepKey, key: "href"})
	}
	return p, nil
}

// parseName reads a name at the start of s and returns how many bytes it takes,
// or where it is wrong and how.
func parseName(s string) (st step, n int, problem string) {
	from := 0
	if strings.HasPrefix(s, odata) {
		from = len(odata)
	}
	if n = strings.IndexAny(s[from:], ".["); n < 0 {
		n = len(s)
	} else {
		n += from
	}
	name := s[:n]
	if name == "" {
		if strings.HasPrefix(s, ".") {
			return st, 0, "searching at every depth (..) is not supported; a name is missing"
		}
		return st, 0, "a name is missing"
	}
	kind := stepKey
	if name[0] == '*' {
		if kind, name = stepSuffix, name[1:]; name == "" {
			return st, 0, `"*" in a name (all elements of an array are [*])`
		}
	}
	if j := strings.IndexAny(name, "]\"'*?()=<>,{}|&"); j >= 0 {
		return st, n - len(name) + j, fmt.Sprintf("%q in a name (write [\"…\"])", name[j])
	}
	return step{kind: kind, key: name}, n, ""
}

// parseBracket reads one bracketed step at the start of s and returns how many
// bytes it takes, or the problem.
func parseBracket(s string) (step, int, string) {
	if len(s) > 1 && (s[1] == '"' || s[1] == '\'') {
		end := strings.IndexByte(s[2:], s[1])
		if end < 0 || len(s) <= end+3 || s[end+3] != ']' {
			return step{}, 0, "the quoted name has no end"
		}
		return step{kind: stepKey, key: s[2 : end+2]}, end + 4, ""
	}
	if strings.HasPrefix(s, "[?") {
		return parseExpression(s)
	}
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return step{}, 0, "the bracket has no end"
	}
	switch in := s[1:end]; {
	case in == "*":
		return step{kind: stepAny}, end + 1, ""
	case in == "-1":
		return step{kind: stepLast}, end + 1, ""
	case strings.Contains(in, "="):
		st, ok := parseEquality(in)
		if !ok {
			return step{}, 0, "a filter is [name=value]"
		}
		return st, end + 1, ""
	default:
		n, err := strconv.Atoi(in)
		if err != nil || n < 0 || in[0] == '+' {
			return step{}, 0, "brackets take a number from 0, -1, *, name=value or a quoted name"
		}
		return step{kind: stepIndex, index: n}, end + 1, ""
	}
}

// parseExpression reads a filter of RFC 9535 that compares one member with one
// literal: [?@.rel=='next'] or [?(@["rel"] == "next")].
func parseExpression(s string) (step, int, string) {
	const problem = "of filters, [?(@.name=='value')] is supported"
	end, quote := -1, byte(0)
	depth := 0
	for i := 0; i < len(s) && end < 0; i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			if depth--; depth == 0 {
				end = i
			}
		}
	}
	if end < 0 {
		return step{}, 0, "the filter has no end"
	}
	in := strings.TrimSpace(s[2:end])
	if strings.HasPrefix(in, "(") && strings.HasSuffix(in, ")") {
		in = strings.TrimSpace(in[1 : len(in)-1])
	}
	in, ok := strings.CutPrefix(in, "@")
	left, right, ok2 := strings.Cut(in, "==")
	if !ok || !ok2 {
		return step{}, 0, problem
	}
	member, err := ParsePath("$" + strings.TrimSpace(left))
	if err != nil || len(member.steps) != 1 || member.steps[0].kind != stepKey {
		return step{}, 0, problem
	}
	literal := strings.TrimSpace(right)
	quoted := len(literal) >= 2 && (literal[0] == '"' || literal[0] == '\'') && strings.IndexByte(literal[1:], literal[0]) == len(literal)-2
	st, ok := parseEquality("x=" + right)
	if !ok || !quoted && strings.ContainsAny(literal, "&|=<>()@'\"") {
		return step{}, 0, problem
	}
	st.key = member.steps[0].key
	return st, end + 1, ""
}

// parseEquality reads name=value, also with two equals signs and a quoted value.
func parseEquality(in string) (step, bool) {
	key, want, _ := strings.Cut(in, "=")
	key = strings.TrimSpace(key)
	want = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(want), "="))
	if n := len(want); n >= 2 && (want[0] == '"' || want[0] == '\'') && want[n-1] == want[0] {
		want = want[1 : n-1]
	}
	if key == "" || want == "" || strings.ContainsAny(key, "?()@'\"<>!*") {
		return step{}, false
	}
	return step{kind: stepFilter, key: key, want: want}, true
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

// StartsWith reports whether the path's first step can be a member of this
// name.
func (p Path) StartsWith(name string) bool {
	return len(p.steps) > 0 && p.steps[0].names([]byte(name))
}
