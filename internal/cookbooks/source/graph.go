package source

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/cookbooks/solver"
	"github.com/galleyhq/galley/internal/cookbooks/version"
)

// Requirements parses the constraints of a cookbook's dependencies.
func Requirements(list []cookbook.Dependency) ([]solver.Requirement, error) {
	out := make([]solver.Requirement, len(list))
	for i, d := range list {
		c, err := version.ParseConstraint(d.Constraint)
		if err != nil {
			return nil, fmt.Errorf("the dependency on %s: %w", d.Name, err)
		}
		out[i] = solver.Requirement{Name: d.Name, Constraint: c}
	}
	return out, nil
}

// Graph collects the versions of cookbooks, and of all that they may need, as
// find returns them. Of a version that is returned twice the first counts.
func Graph(names []string, find func(name string) ([]Release, error)) (*solver.Graph, error) {
	g := solver.NewGraph()
	seen := map[string]bool{}
	for todo := slices.Clone(names); len(todo) > 0; {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[name] {
			continue
		}
		seen[name] = true
		releases, err := find(name)
		if err != nil {
			return nil, err
		}
		for _, r := range releases {
			if strings.ContainsAny(r.Version, "-+") {
				continue // a pre-release, which Chef does not accept
			}
			v, err := version.Parse(r.Version)
			if err != nil {
				return nil, fmt.Errorf("the cookbook %s: %w", name, err)
			}
			if g.Has(name, v) {
				continue
			}
			needs, err := Requirements(r.Dependencies)
			if err != nil {
				return nil, fmt.Errorf("the cookbook %s %s: %w", name, r.Version, err)
			}
			g.Add(name, v, needs)
			for _, n := range needs {
				todo = append(todo, n.Name)
			}
		}
	}
	return g, nil
}
