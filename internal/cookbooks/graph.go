package cookbooks

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/solver"
	"github.com/galleyhq/galley/internal/cookbooks/source"
)

// Graph is the locked cookbooks of a project and what they need.
type Graph struct {
	// roots are the demands of the project's file.
	roots    []solver.Requirement
	versions map[string]string
	needs    map[string][]solver.Requirement
}

// Node is a cookbook in the form for JSON.
type Node struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Root says that the project's file asks for it.
	Root  bool   `json:"root"`
	Needs []Need `json:"needs"`
}

// Need is a dependency.
type Need struct {
	Name       string `json:"name"`
	Constraint string `json:"constraint"`
}

// Nodes returns all cookbooks, sorted by name.
func (g *Graph) Nodes() []Node {
	out := []Node{}
	for _, name := range g.names() {
		n := Node{Name: name, Version: g.versions[name], Needs: []Need{}}
		n.Root = slices.ContainsFunc(g.roots, func(r solver.Requirement) bool { return r.Name == name })
		for _, r := range g.needs[name] {
			n.Needs = append(n.Needs, Need{r.Name, r.Constraint.String()})
		}
		out = append(out, n)
	}
	return out
}

func (g *Graph) names() []string {
	names := make([]string, 0, len(g.versions))
	for n := range g.versions {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Text draws the graph as a tree. What a cookbook needs is drawn where it
// occurs first.
func (g *Graph) Text() string {
	var b strings.Builder
	drawn := map[string]bool{}
	var draw func(r solver.Requirement, first, rest string)
	draw = func(r solver.Requirement, first, rest string) {
		name := r.Name
		fmt.Fprintf(&b, "%s%s %s (%s)", first, name, g.versions[name], r.Constraint)
		if drawn[name] && len(g.needs[name]) > 0 {
			b.WriteString(" …\n")
			return
		}
		b.WriteString("\n")
		drawn[name] = true
		for i, n := range g.needs[name] {
			if i == len(g.needs[name])-1 {
				draw(n, rest+"└── ", rest+"    ")
			} else {
				draw(n, rest+"├── ", rest+"│   ")
			}
		}
	}
	for _, r := range g.roots {
		draw(r, "", "")
	}
	return b.String()
}

// Dot writes the graph in the language of Graphviz.
func (g *Graph) Dot() string {
	var b strings.Builder
	b.WriteString("digraph cookbooks {\n")
	for _, name := range g.names() {
		fmt.Fprintf(&b, "  %q [label=%q];\n", name, name+" "+g.versions[name])
		for _, r := range g.needs[name] {
			fmt.Fprintf(&b, "  %q -> %q [label=%q];\n", name, r.Name, r.Constraint.String())
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// mostChains bounds the ways that Why lists.
const mostChains = 100

// Why returns the ways from the project's file to a cookbook: each is a list
// of lines, the demand first.
func (g *Graph) Why(name string) ([][]string, error) {
	if _, ok := g.versions[name]; !ok {
		return nil, source.NotLocked("the lock", name, g.names())
	}
	var out [][]string
	reaches := g.reaching(name)
	var walk func(r solver.Requirement, way []string, seen map[string]bool)
	walk = func(r solver.Requirement, way []string, seen map[string]bool) {
		if seen[r.Name] || !reaches[r.Name] || len(out) >= mostChains {
			return
		}
		way = append(slices.Clone(way), fmt.Sprintf("%s %s (%s)", r.Name, g.versions[r.Name], r.Constraint))
		if r.Name == name {
			out = append(out, way)
			return
		}
		seen[r.Name] = true
		for _, n := range g.needs[r.Name] {
			walk(n, way, seen)
		}
		delete(seen, r.Name)
	}
	for _, r := range g.roots {
		walk(r, nil, map[string]bool{})
	}
	return out, nil
}

// reaching are the cookbooks from which another one can be reached.
func (g *Graph) reaching(name string) map[string]bool {
	found := map[string]bool{name: true}
	for again := true; again; {
		again = false
		for n, needs := range g.needs {
			if !found[n] &&
				slices.ContainsFunc(needs, func(r solver.Requirement) bool { return found[r.Name] }) {
				found[n], again = true, true
			}
		}
	}
	return found
}
