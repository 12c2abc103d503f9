package solver

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/version"
)

// conflict tells why no version of a cookbook could be taken.
type conflict struct {
	requirement *requirement
	// groups are the requirements on the cookbook, by where they come from.
	groups [][]*requirement
	tried  *set
	circle []*vertex
	chains [][]Link // see [Clash.Chains]
}

func (c *conflict) flat() []*requirement { return unique(slices.Concat(c.groups...)) }

// conflicts are those that were met, by cookbook, in the order of their first
// occurrence.
type conflicts struct {
	names []string
	byOf  map[string]*conflict
}

func (c *conflicts) get(name string) *conflict { return c.byOf[name] }

func (c *conflicts) copy() *conflicts {
	n := &conflicts{names: slices.Clone(c.names), byOf: make(map[string]*conflict, len(c.byOf))}
	for k, v := range c.byOf {
		n.byOf[k] = v
	}
	return n
}

func (c *conflicts) remove(name string) {
	if _, ok := c.byOf[name]; ok {
		delete(c.byOf, name)
		c.names = slices.DeleteFunc(c.names, func(n string) bool { return n == name })
	}
}

func (c *conflicts) set(name string, to *conflict) {
	if c.byOf == nil {
		c.byOf = map[string]*conflict{}
	}
	if _, ok := c.byOf[name]; !ok {
		c.names = append(c.names, name)
	}
	c.byOf[name] = to
}

// addConflict notes in the topmost state why its set cannot be taken.
func (r *resolution) addConflict(circle []*vertex) {
	top := r.top()
	v := r.active.vertices[top.name]
	c := &conflict{requirement: top.requirement, tried: r.current(), circle: circle}
	if len(v.explicit) > 0 {
		c.groups = append(c.groups, v.explicit)
	}
	byOrigin := map[*artifact]int{}
	for _, e := range v.incoming {
		from := e.origin.chosen.latest()
		i, ok := byOrigin[from]
		if !ok {
			i = len(c.groups)
			byOrigin[from] = i
			c.groups = append(c.groups, nil)
		}
		c.groups[i] = slices.Insert(c.groups[i], 0, e.requirement)
	}
	for _, q := range v.requirements() {
		var chain []Link
		for at := q; at != nil; at = r.parent(at) {
			l := Link{Origin: at.origin, Requirement: at.Requirement}
			if at.owner != nil {
				l.By = at.owner.String()
			}
			chain = append(chain, l)
		}
		slices.Reverse(chain)
		c.chains = append(c.chains, chain)
	}
	top.conflicts.set(top.name, c)
}

// Conflict is the error of a problem without a solution.
type Conflict struct {
	// Clashes explain it, one a cookbook.
	Clashes []Clash
}

// Clash tells why no version of one cookbook fits.
type Clash struct {
	// Name is the cookbook's.
	Name string
	// Chains lead from the user's demands to the requirements on the
	// cookbook, the demand first.
	Chains [][]Link
	// Versions are those that there are, newest first; none when no source
	// has the cookbook.
	Versions []version.Version
	// Circle holds the cookbooks that require each other, for a circle.
	Circle []string
}

// Link is a requirement on the way from a demand to a clash.
type Link struct {
	// By is "" for a demand, else the cookbook and version that requires.
	By string
	// Origin says where a demand was written.
	Origin      string
	Requirement Requirement
}

// explain makes an error of the conflicts known so far.
func (r *resolution) explain() *Conflict {
	e := &Conflict{}
	if r.last == nil {
		return e
	}
	for _, name := range r.last.names {
		c := r.last.byOf[name]
		clash := Clash{Name: name, Versions: r.graph.Versions(name), Chains: c.chains}
		for _, v := range c.circle {
			clash.Circle = append(clash.Circle, v.name)
		}
		e.Clashes = append(e.Clashes, clash)
	}
	// A cookbook of which some version fits was only in the way of another one.
	if slices.ContainsFunc(e.Clashes, Clash.unsolvable) {
		e.Clashes = slices.DeleteFunc(e.Clashes, func(c Clash) bool { return !c.unsolvable() })
	}
	return e
}

// unsolvable says whether the requirements alone exclude every version.
func (c Clash) unsolvable() bool {
	return len(c.Circle) > 0 || !slices.ContainsFunc(c.Versions, func(v version.Version) bool {
		return !slices.ContainsFunc(c.Chains, func(chain []Link) bool { return !chain[len(chain)-1].Requirement.Constraint.Allows(v) })
	})
}

// mostVersions is how many existing versions an explanation lists.
const mostVersions = 12

func (e *Conflict) Error() string {
	if len(e.Clashes) == 0 {
		return "no versions of the cookbooks fit together"
	}
	var b strings.Builder
	b.WriteString("no versions of the cookbooks fit together:")
	for _, c := range e.Clashes {
		b.WriteString(c.text())
	}
	return b.String()
}

// Hint tells what usually helps.
func (e *Conflict) Hint() string {
	for _, c := range e.Clashes {
		switch {
		case len(c.Circle) > 0:
			return "cookbooks that need each other cannot be used by Chef; take the dependency out of one of them"
		case len(c.Versions) == 0:
			return "check the spelling of " + c.Name + ", or name the source that has it"
		}
	}
	return "loosen one of the constraints above, or take a newer version of the cookbook that declares it"
}

func (c Clash) text() string {
	var b strings.Builder
	switch {
	case len(c.Circle) == 1:
		fmt.Fprintf(&b, "\n  %s needs itself", c.Circle[0])
	case len(c.Circle) > 1:
		fmt.Fprintf(&b, "\n  a circle: %s needs %s", strings.Join(c.Circle, " needs "), c.Circle[0])
	case len(c.Versions) == 0:
		fmt.Fprintf(&b, "\n  no source has a cookbook %s", c.Name)
	default:
		fmt.Fprintf(&b, "\n  no version of %s fits", c.Name)
	}
	for _, chain := range c.Chains {
		b.WriteString("\n    ")
		for i, l := range chain {
			if i > 0 {
				b.WriteString("; ")
			}
			fmt.Fprintf(&b, "%s needs %s", cmp.Or(l.By, l.Origin, "the policy"), l.Requirement)
		}
	}
	if len(c.Circle) > 0 || len(c.Versions) == 0 {
		return b.String()
	}
	names := make([]string, 0, mostVersions+1)
	for i, v := range c.Versions {
		if i == mostVersions {
			names = append(names, fmt.Sprintf("and %d older ones", len(c.Versions)-i))
			break
		}
		names = append(names, v.String())
	}
	fmt.Fprintf(&b, "\n    there are %s %s", c.Name, strings.Join(names, ", "))
	return b.String()
}

// BudgetError tells that no solution was found within the steps allowed.
type BudgetError struct {
	Steps int
	// Conflict is the one met last.
	Conflict *Conflict
}

func (e *BudgetError) Error() string {
	s := fmt.Sprintf("no solution found in %d steps; there may be one", e.Steps)
	if e.Conflict != nil && len(e.Conflict.Clashes) > 0 {
		s += "\nthe last conflict: " + e.Conflict.Error()
	}
	return s
}

// Hint tells how to make the search shorter.
func (e *BudgetError) Hint() string {
	return "constrain the cookbooks above more tightly, so that fewer versions have to be tried"
}
