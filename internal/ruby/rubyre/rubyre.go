package rubyre

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
)

// Timeout bounds the time of one match.
const Timeout = time.Second

// ErrTimeout is the error of a match that took longer than [Timeout].
var ErrTimeout = errors.New("the regular expression takes too long on this text")

// Flags are the letters after a pattern, with the values of Ruby's constants.
type Flags int

// The flags.
const (
	IgnoreCase Flags = 1 // i
	Extended   Flags = 2 // x
	Multiline  Flags = 4 // m: the dot matches a newline
)

// ParseFlags reads letters such as "ix"; letters of other meaning are skipped.
func ParseFlags(s string) Flags {
	var f Flags
	for _, c := range s {
		switch c {
		case 'i':
			f |= IgnoreCase
		case 'x':
			f |= Extended
		case 'm':
			f |= Multiline
		}
	}
	return f
}

// Regexp is a compiled regular expression; several goroutines may use it.
type Regexp struct {
	re     *regexp2.Regexp
	groups int
	names  []string
	byName map[string]int
}

// Compile compiles a pattern, the text between the slashes. The error names
// the refused part.
func Compile(src string, flags Flags) (*Regexp, error) {
	t, err := translate(src, flags)
	if err != nil {
		return nil, err
	}
	re, err := regexp2.Compile("(?"+engineFlags(flags)+":"+t.out.String()+")", regexp2.None)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	re.MatchTimeout = Timeout
	return &Regexp{re: re, groups: t.groups, names: t.names, byName: t.byName}, nil
}

// Names are the names of the groups, in order; if there are any, all groups
// have one.
func (r *Regexp) Names() []string { return r.names }

// GroupNumber returns the number of a named group, counted from 1, or 0.
func (r *Regexp) GroupNumber(name string) int { return r.byName[name] }

// MatchString tells whether the pattern matches anywhere in s. The error is
// [ErrTimeout].
func (r *Regexp) MatchString(s string) (bool, error) {
	ok, err := r.re.MatchString(s)
	if err != nil {
		return false, ErrTimeout
	}
	return ok, nil
}

// Text is a text prepared for several searches.
type Text struct {
	s     string
	runes []rune
	at    []int // byte offset of each rune, and of the end
}

// NewText prepares a text.
func NewText(s string) *Text {
	t := &Text{s: s, runes: make([]rune, 0, len(s)), at: make([]int, 0, len(s)+1)}
	for i, r := range s {
		t.runes, t.at = append(t.runes, r), append(t.at, i)
	}
	t.at = append(t.at, len(s))
	return t
}

// String is the text.
func (t *Text) String() string { return t.s }

// Find searches from a byte offset on, which look-behind sees past, and
// returns the byte offsets of the match and of each group, begin and end, -1
// where a group took no part. Without a match it returns nil. The error is
// [ErrTimeout].
func (r *Regexp) Find(t *Text, from int) ([]int, error) {
	if from > len(t.s) {
		return nil, nil
	}
	start, _ := slices.BinarySearch(t.at, from)
	m, err := r.re.FindRunesMatchStartingAt(t.runes, start)
	if err != nil {
		return nil, ErrTimeout
	}
	if m == nil {
		return nil, nil
	}
	out := make([]int, 0, 2*r.groups+2)
	for _, g := range m.Groups() {
		if len(g.Captures) == 0 {
			out = append(out, -1, -1)
			continue
		}
		out = append(out, t.at[g.Index], t.at[g.Index+g.Length])
	}
	return out, nil
}

// Quote escapes a text so that it matches itself, as Regexp.escape does.
func Quote(s string) string {
	return strings.NewReplacer(`[`, `\[`, `]`, `\]`, `{`, `\{`, `}`, `\}`, `(`, `\(`, `)`, `\)`, `|`, `\|`, `-`, `\-`, `*`, `\*`,
		`.`, `\.`, `\`, `\\`, `?`, `\?`, `+`, `\+`, `^`, `\^`, `$`, `\$`, `#`, `\#`, ` `, `\ `,
		"\t", `\t`, "\n", `\n`, "\r", `\r`, "\f", `\f`, "\v", `\v`).Replace(s)
}
