package version

import (
	"strconv"
	"strings"
)

// Constraint limits the versions that may be chosen. The zero value is not
// valid; [Any] allows every version.
type Constraint struct {
	op string
	// version is what the operator compares with; parts is how many of its
	// numbers were written, which counts for ~> alone.
	version Version
	parts   int
}

// Any is the constraint of a dependency that names none: >= 0.0.0.
var Any = Constraint{op: ">=", parts: 3}

// operators in an order in which a longer one comes before its beginning.
var operators = []string{"~>", ">=", "<=", "!=", "=", ">", "<", "~"}

// ParseConstraint reads a constraint: an operator and a version of one to
// three numbers. Without an operator it means =; an empty text means [Any].
// Spaces are allowed between the two only.
func ParseConstraint(s string) (Constraint, error) {
	if s == "" {
		return Any, nil
	}
	bad := &FormatError{What: "version constraint", Text: s}
	c, rest := Constraint{op: "="}, s
	for _, op := range operators {
		if after, ok := strings.CutPrefix(s, op); ok {
			c.op, rest = op, strings.TrimLeft(after, " \t\n\v\f\r")
			break
		}
	}
	numbers, suffix := leadingNumbers(rest)
	if len(numbers) == 0 {
		return Constraint{}, bad
	}
	c.parts = len(numbers)
	for i, at := range []*uint64{&c.version.Major, &c.version.Minor, &c.version.Patch} {
		if i < len(numbers) {
			n, err := strconv.ParseUint(numbers[i], 10, 64)
			if err != nil {
				return Constraint{}, bad
			}
			*at = n
		}
	}
	var ok bool
	if c.version.Pre, c.version.Build, ok = suffixes(suffix); !ok {
		return Constraint{}, bad
	}
	if !c.pessimistic() {
		c.parts = 3
	}
	return c, nil
}

// Exactly is the constraint that allows one version.
func Exactly(v Version) Constraint { return Constraint{op: "=", version: v, parts: 3} }

func (c Constraint) pessimistic() bool { return c.op == "~>" || c.op == "~" }

// IsAny says whether every version is allowed.
func (c Constraint) IsAny() bool { return c.Equal(Any) }

// Equal says whether two constraints have the same operator and version; how
// many numbers were written doesn't count.
func (c Constraint) Equal(d Constraint) bool {
	return c.op == d.op && c.version.Compare(d.version) == 0
}

// String writes the constraint as lock files have it: all three numbers, but
// for ~>, which keeps as many as were written.
func (c Constraint) String() string {
	if !c.pessimistic() {
		return c.op + " " + c.version.String()
	}
	s := c.op + " " + strconv.FormatUint(c.version.Major, 10)
	if c.parts > 1 {
		s += "." + strconv.FormatUint(c.version.Minor, 10)
	}
	if c.parts > 2 {
		s += "." + strconv.FormatUint(c.version.Patch, 10)
	}
	if c.version.Pre != "" {
		s += "-" + c.version.Pre
	}
	if c.version.Build != "" {
		s += "+" + c.version.Build
	}
	return s
}

// Allows says whether a version satisfies the constraint. A pre-release does
// so only where the constraint names one, or where it is an upper bound.
func (c Constraint) Allows(v Version) bool {
	zero := c.version.Major == 0 && c.version.Minor == 0 && c.version.Patch == 0
	upper := c.op == "<" || c.op == "<="
	if v.Pre != "" && c.version.Pre == "" && !zero && !upper {
		return false
	}
	order := v.Compare(c.version)
	switch c.op {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	}
	return order >= 0 && v.Compare(c.ceiling()) < 0
}

// ceiling is the first version that ~> no longer allows.
func (c Constraint) ceiling() Version {
	v := c.version
	switch {
	case c.parts < 3:
		// Semverse makes it a pre-release, so that 2.0.0-rc is beyond ~> 1.2.
		return Version{Major: v.Major + 1, Pre: "0"}
	case v.Build != "":
		v.Build = nextIdentifier(v.Build)
		return v
	case v.Pre != "":
		v.Pre = nextIdentifier(v.Pre)
		return v
	}
	return Version{Major: v.Major, Minor: v.Minor + 1, Pre: "0"}
}

// nextIdentifier replaces the last part: a number by a dash, which is after
// every number, and a word by nothing, as Semverse does.
func nextIdentifier(s string) string {
	parts := strings.Split(s, ".")
	last := len(parts) - 1
	if _, isNumber := number(parts[last]); isNumber {
		parts[last] = "-"
	} else {
		parts[last] = ""
	}
	return strings.Join(parts, ".")
}
