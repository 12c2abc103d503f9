package text

import (
	"regexp"
	"sync"
)

// Lazy returns a regular expression that is compiled at its first use: most
// runs of a command use few of the program's expressions. It panics then if
// the expression is invalid.
func Lazy(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
