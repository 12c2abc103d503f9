package version

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Version is the version of a cookbook: major, minor and patch.
type Version [3]uint64

// FormatError tells that a text is not a version or not a constraint.
type FormatError struct {
	// What is "version" or "version constraint".
	What string
	Text string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%q is not a %s", e.Text, e.What)
}

// Hint gives examples.
func (e *FormatError) Hint() string {
	if e.What == "version" {
		return "a version has one to three numbers, as 1.2.3"
	}
	return "a constraint is an operator (=, >, >=, <, <= or ~>) and a version of one to three numbers, as ~> 1.2"
}

// Parse reads a version of one to three numbers; missing ones are 0.
func Parse(s string) (Version, error) {
	v, parts, ok := parse(s)
	if !ok && parts < 3 {
		v, _, ok = parse(strings.TrimSuffix(s, ".")) // "1." and "1.2." are accepted, too
	}
	if !ok {
		return Version{}, &FormatError{What: "version", Text: s}
	}
	return v, nil
}

// parse reads a version and says how many numbers it has.
func parse(s string) (v Version, parts int, ok bool) {
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil || part[0] == '+' || parts == len(v) {
			return Version{}, parts, false
		}
		v[parts] = n
		parts++
	}
	return v, parts, true
}

// String writes all three numbers.
func (v Version) String() string { return v.first(3) }

// first writes so many numbers.
func (v Version) first(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = strconv.FormatUint(v[i], 10)
	}
	return strings.Join(parts, ".")
}

// Compare orders versions: negative when v is before w.
func (v Version) Compare(w Version) int { return slices.Compare(v[:], w[:]) }
