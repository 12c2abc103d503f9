package version

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Version is the version of a cookbook. The zero value is 0.0.0.
type Version struct {
	Major, Minor, Patch uint64
	// Pre and Build are what follows a dash and a plus sign, without it.
	Pre, Build string
}

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

// Parse reads a version of one to three numbers; missing ones are 0. Only a
// version of three numbers may have a pre-release or a build.
func Parse(s string) (Version, error) {
	bad := &FormatError{What: "version", Text: s}
	var v Version
	numbers, rest := leadingNumbers(s)
	nums := []*uint64{&v.Major, &v.Minor, &v.Patch}
	if len(numbers) == 0 || len(numbers) > 3 {
		return Version{}, bad
	}
	for i, n := range numbers {
		x, err := strconv.ParseUint(n, 10, 64)
		if err != nil {
			return Version{}, bad
		}
		*nums[i] = x
	}
	if rest == "." && len(numbers) < 3 {
		return v, nil // "1." and "1.2." are accepted, too
	}
	if len(numbers) < 3 && rest != "" {
		return Version{}, bad
	}
	var ok bool
	if v.Pre, v.Build, ok = suffixes(rest); !ok {
		return Version{}, bad
	}
	return v, nil
}

// leadingNumbers splits off the numbers separated by points.
func leadingNumbers(s string) (numbers []string, rest string) {
	for {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		if n == 0 {
			return numbers, s
		}
		numbers = append(numbers, s[:n])
		s = s[n:]
		if len(numbers) == 3 || len(s) < 2 || s[0] != '.' || s[1] < '0' || s[1] > '9' {
			return numbers, s
		}
		s = s[1:]
	}
}

// suffixes reads "-pre+build", both of which may be missing.
func suffixes(s string) (pre, build string, ok bool) {
	if s == "" {
		return "", "", true
	}
	if s[0] == '-' {
		pre, build, _ = strings.Cut(s[1:], "+")
		if !identifierText(pre) {
			return "", "", false
		}
		if len(pre)+1 == len(s) {
			return pre, "", true
		}
		return pre, build, identifierText(build)
	}
	build, isBuild := strings.CutPrefix(s, "+")
	return "", build, isBuild && identifierText(build)
}

func identifierText(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '.':
		default:
			return false
		}
	}
	return s != ""
}

// String writes all three numbers.
func (v Version) String() string {
	s := strconv.FormatUint(
		v.Major,
		10,
	) + "." + strconv.FormatUint(v.Minor, 10) + "." + strconv.FormatUint(v.Patch, 10)
	if v.Pre != "" {
		s += "-" + v.Pre
	}
	if v.Build != "" {
		s += "+" + v.Build
	}
	return s
}

// Compare orders versions: negative when v is before w. A pre-release is
// before its version, a build after it.
func (v Version) Compare(w Version) int {
	if c := cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch),
		cmp.Compare(v.presence(), w.presence()), compareIdentifiers(v.Pre, w.Pre)); c != 0 {
		return c
	}
	if v.Build != "" && w.Build != "" {
		return compareIdentifiers(v.Build, w.Build)
	}
	return strings.Compare(v.Build, w.Build)
}

func (v Version) presence() int {
	switch {
	case v.Pre != "":
		return 0
	case v.Build == "":
		return 1
	}
	return 2
}

// compareIdentifiers compares texts of several parts: numbers by value and
// before words, a shorter text before a longer one that continues it.
func compareIdentifiers(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		if i >= len(as) || i >= len(bs) {
			return cmp.Compare(len(as), len(bs))
		}
		x, xNum := number(as[i])
		y, yNum := number(bs[i])
		switch {
		case xNum && yNum:
			if c := cmp.Compare(x, y); c != 0 {
				return c
			}
		case xNum != yNum:
			if xNum {
				return -1
			}
			return 1
		default:
			if c := strings.Compare(as[i], bs[i]); c != 0 {
				return c
			}
		}
	}
	return 0
}

// number reads an identifier that is a number without leading zeros.
func number(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && strconv.FormatUint(n, 10) == s
}
