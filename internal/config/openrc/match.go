package openrc

import "regexp"

// fullMatch matches an expression that the pattern package made. One that Go
// refuses fits nothing.
func fullMatch(expr, s string) bool {
	re, err := regexp.Compile(expr)
	return err == nil && re.MatchString(s)
}
