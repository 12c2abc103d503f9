package config

import (
	"regexp"

	"github.com/galleyhq/galley/internal/ruby/rubyre"
)

// Pattern is an entry of includes or excludes, of a suite or of a hook: the
// name of a platform, or a Ruby regular expression between slashes.
type Pattern struct {
	text string
	re   *rubyre.Regexp // nil for a name
}

// String is the entry as it was written.
func (p Pattern) String() string { return p.text }

// Match tells whether the entry fits the name of a platform. The error is
// [rubyre.ErrTimeout].
func (p Pattern) Match(name string) (bool, error) {
	if p.re == nil {
		return p.text == name, nil
	}
	return p.re.MatchString(name)
}

// reSlashes is a regular expression between slashes with its flags (Test
// Kitchen: PlatformFilter).
const reSlashes = `(?m)^/(.*)/([ix]*)$`

// newPattern reads an entry. The error names the refused part.
func newPattern(text string) (Pattern, error) {
	p := Pattern{text: text}
	g := regexp.MustCompile(reSlashes).FindStringSubmatch(text)
	if g == nil {
		return p, nil
	}
	var err error
	p.re, err = rubyre.Compile(g[1], rubyre.ParseFlags(g[2]))
	return p, err
}

// CompilePattern compiles a Ruby regular expression without slashes, as an
// argument that selects instances is one.
func CompilePattern(expr string) (Pattern, error) {
	re, err := rubyre.Compile(expr, 0)
	return Pattern{text: expr, re: re}, err
}
