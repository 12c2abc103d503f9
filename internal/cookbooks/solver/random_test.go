package solver

import (
	"fmt"
	"math/rand/v2"

	"github.com/galleyhq/galley/internal/cookbooks/version"
)

// problem is a universe and demands, in the form that testdata/solve.rb reads.
type problem struct {
	Graph   []book      `json:"graph"`
	Demands [][2]string `json:"demands"`
}

// book is one version: its name, version and requirements.
type book [3]any

// randomProblem makes a universe of a few cookbooks with up to six versions.
// Dependencies mostly point at later cookbooks; now and then one closes a
// circle or names a cookbook that there is not.
func randomProblem(rng *rand.Rand, books, versions int) problem {
	p := problem{Demands: [][2]string{}}
	have := make([][]string, books)
	for i := range have {
		v := [3]int{rng.IntN(2), 0, 0}
		for range 1 + rng.IntN(versions) {
			have[i] = append(have[i], fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]))
			switch rng.IntN(6) {
			case 0:
				v = [3]int{v[0] + 1, 0, 0}
			case 1, 2:
				v = [3]int{v[0], v[1] + 1, 0}
			default:
				v[2] += 1 + rng.IntN(2)
			}
		}
	}
	constraint := func(i int) string {
		op := []string{">=", ">=", "~>", "~>", "=", "<", "<=", ">"}[rng.IntN(8)]
		v, _ := version.Parse(have[i][rng.IntN(len(have[i]))])
		switch rng.IntN(4) {
		case 0:
			return ">= 0.0.0"
		case 1:
			return fmt.Sprintf("%s %d.%d", op, v[0], v[1])
		}
		return op + " " + v.String()
	}
	name := func(i int) string { return fmt.Sprintf("c%02d", i) }
	for i := range have {
		var needs [][2]string
		for _, v := range have[i] {
			if needs == nil || rng.IntN(3) > 0 {
				needs = [][2]string{}
				seen := map[int]bool{i: true}
				for range rng.IntN(4) {
					to := i + 1 + rng.IntN(books)
					if rng.IntN(40) == 0 {
						to = rng.IntN(books + 1) // perhaps backwards, perhaps nowhere
					}
					switch {
					case to == books && !seen[to]:
						needs = append(needs, [2]string{"nowhere", ">= 0.0.0"})
					case to < books && !seen[to]:
						needs = append(needs, [2]string{name(to), constraint(to)})
					}
					seen[to] = true
				}
			}
			p.Graph = append(p.Graph, book{name(i), v, needs})
		}
	}
	for _, i := range rng.Perm(books)[:1+rng.IntN(min(6, books))] {
		p.Demands = append(p.Demands, [2]string{name(i), constraint(i)})
	}
	rng.Shuffle(len(p.Demands), func(i, j int) { p.Demands[i], p.Demands[j] = p.Demands[j], p.Demands[i] })
	return p
}

func mustConstraint(s string) version.Constraint {
	c, err := version.ParseConstraint(s)
	if err != nil {
		panic(err)
	}
	return c
}

// build makes the graph and the demands of a problem.
func (p problem) build() (*Graph, []Demand) {
	g := NewGraph()
	for _, b := range p.Graph {
		v, err := version.Parse(b[1].(string))
		if err != nil {
			panic(err)
		}
		var needs []Requirement
		for _, n := range b[2].([][2]string) {
			needs = append(needs, Requirement{n[0], mustConstraint(n[1])})
		}
		g.Add(b[0].(string), v, needs)
	}
	var demands []Demand
	for _, d := range p.Demands {
		demands = append(demands, Demand{Requirement: Requirement{d[0], mustConstraint(d[1])}})
	}
	return g, demands
}
