package solver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/cookbooks/version"
)

func parsed(t *testing.T, s string) Requirement {
	t.Helper()
	name, c, _ := strings.Cut(s, " ")
	constraint, err := version.ParseConstraint(c)
	if err != nil {
		t.Fatal(err)
	}
	return Requirement{name, constraint}
}

// dense is a problem without a solution that takes many steps: each of the
// cookbooks a, b, … needs another version of the last one.
func dense(t *testing.T) (*Graph, []Demand) {
	g := NewGraph()
	var demands []Demand
	for i := range 6 {
		name := string(rune('a' + i))
		demands = append(demands, Demand{Requirement: parsed(t, name), Origin: "Policyfile.rb:1"})
		for v := range 8 {
			g.Add(name, version.Version{uint64(v)}, []Requirement{parsed(t, fmt.Sprintf("z = %d.%d.0", v, i))})
		}
	}
	for v := range 8 {
		g.Add("z", version.Version{uint64(v)}, nil)
	}
	return g, demands
}

func TestStepsAreBounded(t *testing.T) {
	g, demands := dense(t)
	_, err := Solve(t.Context(), g, demands, 8)
	var budget *BudgetError
	if !errors.As(err, &budget) || budget.Steps != 8 || budget.Hint() == "" {
		t.Fatalf("%v", err)
	}
	if !strings.Contains(err.Error(), "no solution found in 8 steps; there may be one\nthe last conflict: no versions of the cookbooks fit together") {
		t.Errorf("%v", err)
	}
	_, err = Solve(t.Context(), g, demands, 0)
	var conflict *Conflict
	if !errors.As(err, &conflict) || !strings.Contains(err.Error(), "Policyfile.rb:1 needs a") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err = Solve(ctx, g, demands, 0); err == nil || err.Error() != "enough" {
		t.Errorf("cancelled: %v", err)
	}
}

func TestHints(t *testing.T) {
	add := func(g *Graph, name string, needs ...string) {
		var list []Requirement
		for _, n := range needs {
			list = append(list, parsed(t, n))
		}
		g.Add(name, version.Version{1}, list)
	}
	for hint, build := range map[string]func(g *Graph){
		"take the dependency out of one of them": func(g *Graph) { add(g, "a", "b"); add(g, "b", "a") },
		"check the spelling of b":                func(g *Graph) { add(g, "a", "b") },
		"loosen one of the constraints above":    func(g *Graph) { add(g, "a", "b > 1"); add(g, "b") },
	} {
		g := NewGraph()
		build(g)
		_, err := Solve(t.Context(), g, []Demand{{Requirement: parsed(t, "a")}}, 0)
		var c *Conflict
		if !errors.As(err, &c) || !strings.Contains(c.Hint(), hint) {
			t.Errorf("%v, want the hint %q", err, hint)
		}
	}
}
