package version

import "strings"

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
	c, rest := Constraint{op: "="}, s
	for _, op := range operators {
		if after, ok := strings.CutPrefix(s, op); ok {
			c.op, rest = op, strings.TrimLeft(after, " \t\n\v\f\r")
			break
		}
	}
	var ok bool
	if c.version, c.parts, ok = parse(rest); !ok {
		return Constraint{}, &FormatError{What: "version constraint", Text: s}
	}
	if !c.pessimistic() {
		c.parts = 3
	}
	return c, nil
}

// Exactly is the constraint that allows one version.
func Exactly(v Version) Constraint { return Constraint{op: "=", version: v, parts: 3} }

func (c Constraint) pessimistic() bool { return c.op[0] == '~' }

// Equal says whether two constraints have the same operator and version; how
// many numbers were written doesn't count.
func (c Constraint) Equal(d Constraint) bool { return c.op == d.op && c.version == d.version }

// String writes the constraint as lock files have it: all three numbers, but
// for ~>, which keeps as many as were written.
func (c Constraint) String() string { return c.op + " " + c.version.first(c.parts) }

// Allows says whether a version satisfies the constraint.
func (c Constraint) Allows(v Version) bool {
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
	// ~> 1.2 and ~> 1 allow what is before 2.0.0, ~> 1.2.3 what is before 1.3.0.
	end := Version{c.version[0] + 1}
	if c.parts == 3 {
		end = Version{c.version[0], c.version[1] + 1}
	}
	return order >= 0 && v.Compare(end) < 0
}
