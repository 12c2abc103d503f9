package kitchen

import "regexp"

// Pattern matches names of platforms or instances. The program brings the
// language of its patterns, compiled when the configuration is read.
type Pattern interface {
	// Match tells whether the pattern fits. The error is that of a match
	// that was given up.
	Match(name string) (bool, error)
}

// Name is the [Pattern] of one exact name.
type Name string

// Match compares the names.
func (n Name) Match(name string) (bool, error) { return string(n) == name, nil }

// goPattern is the [Pattern] of Go's regular expressions.
type goPattern struct{ re *regexp.Regexp }

func (p goPattern) Match(name string) (bool, error) { return p.re.MatchString(name), nil }

// compile compiles a regular expression of the command line.
func (k *Kitchen) compile(expr string) (Pattern, error) {
	if k.CompilePattern != nil {
		return k.CompilePattern(expr)
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	return goPattern{re}, nil
}
