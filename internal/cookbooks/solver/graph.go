package solver

import (
	"slices"
	"sort"

	"github.com/galleyhq/galley/internal/cookbooks/version"
)

// Requirement is what a demand or a cookbook asks for.
type Requirement struct {
	Name       string
	Constraint version.Constraint
}

func (r Requirement) String() string { return r.Name + " " + r.Constraint.String() }

// Demand is a requirement of the user's own.
type Demand struct {
	Requirement
	// Origin says where it was written, as "Policyfile.rb:7". It only appears
	// in explanations.
	Origin string
}

// Graph holds the versions that may be chosen and what each of them needs.
// The zero value is not ready; use [NewGraph].
type Graph struct {
	byName map[string][]*artifact // in ascending order once sorted is set
	sorted bool
}

// artifact is one version of a cookbook.
type artifact struct {
	name    string
	version version.Version
	needs   []*requirement
}

func (a *artifact) String() string { return a.name + " " + a.version.String() }

// NewGraph returns an empty graph.
func NewGraph() *Graph { return &Graph{byName: map[string][]*artifact{}} }

// Has says whether the graph holds a version.
func (g *Graph) Has(name string, v version.Version) bool {
	return slices.ContainsFunc(g.byName[name], func(a *artifact) bool { return a.version.Compare(v) == 0 })
}

// Add adds a version of a cookbook and its requirements, in the order in
// which the cookbook declares them: it decides between equal choices. The
// caller adds each version once.
func (g *Graph) Add(name string, v version.Version, needs []Requirement) {
	a := &artifact{name: name, version: v, needs: make([]*requirement, len(needs))}
	for i, n := range needs {
		a.needs[i] = &requirement{Requirement: n, owner: a}
	}
	g.byName[name] = append(g.byName[name], a)
	g.sorted = false
}

// Versions returns the versions of a cookbook, newest first.
func (g *Graph) Versions(name string) []version.Version {
	g.sort()
	list := g.byName[name]
	out := make([]version.Version, len(list))
	for i, a := range list {
		out[len(list)-1-i] = a.version
	}
	return out
}

func (g *Graph) sort() {
	if g.sorted {
		return
	}
	for _, list := range g.byName {
		sort.SliceStable(list, func(i, j int) bool { return list[i].version.Compare(list[j].version) < 0 })
	}
	g.sorted = true
}

// requirement is a Requirement of a demand (owner nil) or of an artifact.
// Each place where it was declared has its own, compared by address.
type requirement struct {
	Requirement
	owner  *artifact
	origin string
	// matches are the artifacts that satisfy it alone, ascending; see
	// [resolution.matching].
	matches  []*artifact
	searched bool
}

// equal compares them as Molinillo does: requirements of artifacts
// are the same only if they are the same one, demands by what they ask for.
func (r *requirement) equal(o *requirement) bool {
	if r == o || r == nil || o == nil {
		return r == o
	}
	return r.owner == nil && o.owner == nil && r.Name == o.Name && r.Constraint.Equal(o.Constraint)
}

func contains(list []*requirement, r *requirement) bool {
	return slices.ContainsFunc(list, r.equal)
}

// smallArray is up to which size Ruby subtracts arrays by comparing elements;
// larger ones it hashes, which compares requirements by address.
const smallArray = 16

// minus returns the elements of a that b does not have.
func minus(a, b []*requirement) []*requirement {
	bySame := len(a) > smallArray && len(b) > smallArray
	var out []*requirement
	for _, r := range a {
		if bySame && !slices.Contains(b, r) || !bySame && !contains(b, r) {
			out = append(out, r)
		}
	}
	return out
}

// unique drops elements that occurred before.
func unique(list []*requirement) []*requirement {
	seen := make(map[*requirement]bool, len(list))
	out := make([]*requirement, 0, len(list))
	for _, r := range list {
		if !seen[r] {
			seen[r] = true
			out = append(out, r)
		}
	}
	return out
}
