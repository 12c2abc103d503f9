package policyfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/solver"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/version"
	"github.com/galleyhq/galley/internal/jsonorder"
	"github.com/galleyhq/galley/internal/text"
)

// dependencies is the section solution_dependencies of a lock.
type dependencies struct {
	// policyfile are the demands: one for each cookbook.
	policyfile []solver.Requirement
	// books are what the cookbooks need.
	books []bookDependencies
}

type bookDependencies struct {
	name, version string
	needs         []solver.Requirement
}

func (b bookDependencies) String() string { return b.name + " (" + b.version + ")" }

func (d *dependencies) object() *jsonorder.Object {
	demands := [][2]string{}
	for _, r := range d.policyfile {
		demands = append(demands, [2]string{r.Name, r.Constraint.String()})
	}
	slices.SortStableFunc(demands, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	list := make([]any, len(demands))
	for i, r := range demands {
		list[i] = []string{r[0], r[1]}
	}
	books := slices.SortedFunc(slices.Values(d.books),
		func(a, b bookDependencies) int { return strings.Compare(a.String(), b.String()) })
	deps := &jsonorder.Object{}
	for _, b := range books {
		needs := make([]any, len(b.needs))
		for i, r := range b.needs {
			needs[i] = []string{r.Name, r.Constraint.String()}
		}
		deps.Set(b.String(), needs)
	}
	return jsonorder.NewObject("Policyfile", list, "dependencies", deps)
}

var bookAndVersion = text.Lazy(`\A(\S+) \(([^\s)]+)\)\z`)

func dependenciesFrom(o *jsonorder.Object) (dependencies, error) {
	var d dependencies
	demands, ok := o.Value("Policyfile").([]any)
	deps := o.Object("dependencies")
	if !ok || deps == nil {
		return d, fmt.Errorf(
			"solution_dependencies of the lock must have a list Policyfile and an object dependencies",
		)
	}
	for _, e := range demands {
		r, err := requirementFrom(e)
		if err != nil {
			return d, fmt.Errorf("solution_dependencies of the lock, Policyfile: %w", err)
		}
		d.policyfile = append(d.policyfile, r)
	}
	for _, key := range deps.Keys() {
		m := bookAndVersion().FindStringSubmatch(key)
		list, ok := deps.Value(key).([]any)
		if m == nil || !ok {
			return d, fmt.Errorf(
				"solution_dependencies of the lock: %q is not a cookbook with its version and a list", key)
		}
		b := bookDependencies{name: m[1], version: m[2]}
		for _, e := range list {
			r, err := requirementFrom(e)
			if err != nil {
				return d, fmt.Errorf("solution_dependencies of the lock, %s: %w", key, err)
			}
			b.needs = append(b.needs, r)
		}
		d.books = append(d.books, b)
	}
	return d, nil
}

// requirementFrom reads a pair [name, constraint].
func requirementFrom(e any) (solver.Requirement, error) {
	var pair [2]string
	list, _ := e.([]any)
	if len(list) != 2 {
		return solver.Requirement{}, fmt.Errorf("%v is not a pair of a name and a constraint", e)
	}
	for i, v := range list {
		s, ok := v.(string)
		if !ok || s == "" {
			return solver.Requirement{}, fmt.Errorf("%v is not a pair of a name and a constraint", e)
		}
		pair[i] = s
	}
	c, err := version.ParseConstraint(pair[1])
	return solver.Requirement{Name: pair[0], Constraint: c}, err
}

// book returns the entry of a cookbook, nil for none.
func (d *dependencies) book(name string) *bookDependencies {
	for i := range d.books {
		if d.books[i].name == name {
			return &d.books[i]
		}
	}
	return nil
}

// closure returns cookbooks and all that they need, sorted. A name that the
// lock does not have is an error.
func (d *dependencies) closure(names []string) ([]string, error) {
	var out []string
	for todo := slices.Clone(names); len(todo) > 0; todo = todo[1:] {
		name := todo[0]
		if slices.Contains(out, name) {
			continue
		}
		b := d.book(name)
		if b == nil {
			return nil, source.NotLocked("the lock", name, d.names())
		}
		out = append(out, name)
		for _, r := range b.needs {
			todo = append(todo, r.Name)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (d *dependencies) names() []string {
	var out []string
	for _, b := range d.books {
		out = append(out, b.name)
	}
	return out
}

// replace takes a cookbook's new version and dependencies over, and sees that
// all still fits together.
func (d *dependencies) replace(name, v string, needs []solver.Requirement) {
	d.books = slices.DeleteFunc(d.books, func(b bookDependencies) bool { return b.name == name })
	d.books = append(d.books, bookDependencies{name, v, needs})
}

// conflicts says what does not fit about a cookbook's version.
func (d *dependencies) conflicts(name string) []string {
	b := d.book(name)
	v, err := version.Parse(b.version)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	against := func(who string, list []solver.Requirement) {
		for _, r := range list {
			if r.Name == name && !r.Constraint.Allows(v) {
				out = append(out, fmt.Sprintf("%s needs %s", who, r))
			}
		}
	}
	against("the Policyfile", d.policyfile)
	for _, o := range d.books {
		against(o.String(), o.needs)
	}
	for _, r := range b.needs {
		have := d.book(r.Name)
		if have == nil {
			out = append(out, fmt.Sprintf("it needs %s, which the lock does not have", r))
			continue
		}
		if hv, err := version.Parse(have.version); err != nil || !r.Constraint.Allows(hv) {
			out = append(out, fmt.Sprintf("it needs %s, and the lock has %s", r, have))
		}
	}
	return out
}
