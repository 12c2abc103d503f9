package solver

import (
	"context"

	"github.com/galleyhq/galley/internal/cookbooks/version"
)

// DefaultSteps bounds a resolution. Real problems take as many steps as the
// solution has cookbooks, and a few hundred when it has to go back; this is
// some seconds of work.
const DefaultSteps = 400_000

// Choice is a cookbook of the solution.
type Choice struct {
	Name    string
	Version version.Version
}

// Solve picks a version of each cookbook that the demands need, directly or
// not. The order of the demands and of the requirements in the graph decides
// between solutions. maxSteps <= 0 is [DefaultSteps].
//
// The choices come in the order in which the cookbooks were first required.
// Errors are a [*Conflict] without a solution, a [*BudgetError] where
// none was found within the steps, and the context's.
func Solve(ctx context.Context, g *Graph, demands []Demand, maxSteps int) ([]Choice, error) {
	if maxSteps <= 0 {
		maxSteps = DefaultSteps
	}
	g.sort()
	r := &resolution{
		graph:   g,
		active:  &activated{vertices: map[string]*vertex{}},
		parents: map[*requirement]int{},
	}
	var requested []*requirement
	for _, d := range demands {
		q := &requirement{Requirement: d.Requirement, origin: d.Origin}
		v := r.active.add(q.Name)
		v.explicit = append(v.explicit, q)
		requested = append(requested, q)
	}
	r.push(requested, true, &state{conflicts: &conflicts{}})
	for n := 0; ; n++ {
		top := r.top()
		if !top.possibility && top.requirement == nil && len(top.requirements) == 0 {
			break
		}
		if n >= maxSteps {
			return nil, &BudgetError{Steps: maxSteps, Conflict: r.explain()}
		}
		if n%256 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !top.possibility {
			r.pushPossibility(top)
		}
		if err := r.process(); err != nil {
			return nil, err
		}
	}
	return r.choices(), nil
}

// choices are the newest members of the sets that everything agrees on.
func (r *resolution) choices() []Choice {
	var out []Choice
	for _, v := range r.order() {
		for i := len(v.chosen.versions) - 1; i >= 0; i-- {
			a := v.chosen.versions[i]
			if r.satisfiesAll(v.requirements(), a) {
				out = append(out, Choice{a.name, a.version})
				break
			}
		}
	}
	return out
}

// order lists the vertices with a choice as they came in.
func (r *resolution) order() []*vertex {
	var out []*vertex
	for _, c := range r.active.log {
		if c.added != nil && c.added.chosen != nil {
			out = append(out, c.added)
		}
	}
	return out
}
