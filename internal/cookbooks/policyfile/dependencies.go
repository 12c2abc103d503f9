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

func (r *lockReader) dependencies(o *jsonorder.Object) (d dependencies) {
	const who = "solution_dependencies of the lock"
	d.policyfile = r.requirements(need[[]any](r, o, who, "Policyfile"), "the Policyfile")
	deps := need[*jsonorder.Object](r, o, who, "dependencies")
	for _, key := range deps.Keys() {
		m := bookAndVersion().FindStringSubmatch(key)
		if m == nil {
			r.fail("%s: %q is not a cookbook with its version", who, key)
			continue
		}
		d.books = append(d.books, bookDependencies{m[1], m[2], r.requirements(need[[]any](r, deps, who, key), key)})
	}
	return d
}

// requirements reads pairs [name, constraint]; of whom is for the error.
func (r *lockReader) requirements(list []any, of string) []solver.Requirement {
	var out []solver.Requirement
	for _, e := range list {
		pair, _ := e.([]any)
		if len(pair) != 2 {
			pair = []any{nil, nil}
		}
		name, _ := pair[0].(string)
		text, _ := pair[1].(string)
		c, err := version.ParseConstraint(text)
		if name == "" || text == "" || err != nil {
			r.fail("solution_dependencies of the lock, of %s: %v is not a pair of a name and a version constraint", of, e)
		}
		out = append(out, solver.Requirement{Name: name, Constraint: c})
	}
	return out
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
