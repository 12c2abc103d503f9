package solver

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/cookbooks/version"
)

// bruteForce says whether a problem has a solution, by trying every choice of
// versions. Circles do not count.
func bruteForce(g *Graph, demands []Demand) bool {
	chosen := map[string]*artifact{}
	var solve func(todo []Requirement) bool
	solve = func(todo []Requirement) bool {
		if len(todo) == 0 {
			return !circular(chosen)
		}
		r, rest := todo[0], todo[1:]
		if a := chosen[r.Name]; a != nil {
			return r.Constraint.Allows(a.version) && solve(rest)
		}
		for _, a := range g.byName[r.Name] {
			if !r.Constraint.Allows(a.version) {
				continue
			}
			chosen[r.Name] = a
			next := append([]Requirement(nil), rest...)
			for _, n := range a.needs {
				next = append(next, n.Requirement)
			}
			if solve(next) {
				return true
			}
			delete(chosen, r.Name)
		}
		return false
	}
	var todo []Requirement
	for _, d := range demands {
		todo = append(todo, d.Requirement)
	}
	return solve(todo)
}

func circular(chosen map[string]*artifact) bool {
	state := map[string]int{}
	var visit func(name string) bool
	visit = func(name string) bool {
		switch state[name] {
		case 1:
			return true
		case 2:
			return false
		}
		state[name] = 1
		for _, n := range chosen[name].needs {
			if visit(n.Name) {
				return true
			}
		}
		state[name] = 2
		return false
	}
	for name := range chosen {
		if visit(name) {
			return true
		}
	}
	return false
}

// TestSolutionsHold checks the solutions of random problems against all
// constraints, and their absence against a search by brute force.
func TestSolutionsHold(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 12))
	solved, unsolvable, given := 0, 0, 0
	for i := range 3000 {
		p := randomProblem(rng, 2+rng.IntN(7), 1+rng.IntN(4))
		g, demands := p.build()
		choices, err := Solve(t.Context(), g, demands, 0)
		possible := bruteForce(g, demands)
		if err != nil {
			var c *Conflict
			if !errors.As(err, &c) || len(c.Clashes) == 0 || c.Error() == "" {
				t.Fatalf("problem %d: %v", i, err)
			}
			unsolvable++
			if possible {
				given++
			}
			continue
		}
		solved++
		if !possible {
			t.Fatalf("problem %d: brute force finds no solution, here %v", i, choices)
		}
		check(t, g, demands, choices)
	}
	// Molinillo's algorithm may give up in rare cases with circles.
	if given > unsolvable/50 {
		t.Errorf("of %d problems without a solution, %d have one", unsolvable, given)
	}
	t.Logf("%d solved, %d without a solution, of which %d have one by brute force", solved, unsolvable, given)
}

// check sees that choices satisfy every constraint and are all needed.
func check(t *testing.T, g *Graph, demands []Demand, choices []Choice) {
	t.Helper()
	chosen := map[string]version.Version{}
	for _, c := range choices {
		chosen[c.Name] = c.Version
	}
	needed := map[string]bool{}
	holds := func(r Requirement) {
		needed[r.Name] = true
		if v, ok := chosen[r.Name]; !ok || !r.Constraint.Allows(v) {
			t.Errorf("%s is not satisfied by %v", r, choices)
		}
	}
	for _, d := range demands {
		holds(d.Requirement)
	}
	for _, c := range choices {
		for _, a := range g.byName[c.Name] {
			if a.version == c.Version {
				for _, n := range a.needs {
					holds(n.Requirement)
				}
			}
		}
	}
	for name := range chosen {
		if !needed[name] {
			t.Errorf("nothing needs %s of %v", name, choices)
		}
	}
}

// TestDenseConflictsEnd has a problem that takes longer than anyone waits.
func TestDenseConflictsEnd(t *testing.T) {
	g := NewGraph()
	var demands []Demand
	const books, versions = 14, 12
	name := func(i int) string { return string(rune('a' + i)) }
	for i := range books {
		for v := range versions {
			var needs []Requirement
			for j := i + 1; j < books; j++ {
				// Each version wants another residue of the ones below.
				needs = append(needs, Requirement{name(j), mustConstraint("!= 1." + string(rune('0'+(v+j)%10)) + ".0")})
			}
			needs = append(needs, Requirement{"last", mustConstraint("> " + string(rune('1'+v%3)) + ".0.0")})
			g.Add(name(i), version.Version{1, uint64(v)}, needs)
		}
		demands = append(demands, Demand{Requirement: Requirement{name(i), version.Any}, Origin: "Policyfile.rb:1"})
	}
	g.Add("last", version.Version{1}, nil)
	_, err := Solve(t.Context(), g, demands, 20_000)
	var b *BudgetError
	var c *Conflict
	if !errors.As(err, &b) && !errors.As(err, &c) {
		t.Fatalf("error %v", err)
	}
	if !strings.Contains(err.Error(), "last") {
		t.Errorf("the cause is not named: %v", err)
	}
	if errors.As(err, &b) && !strings.Contains(b.Hint(), "constrain") {
		t.Errorf("hint %q", b.Hint())
	}
}
