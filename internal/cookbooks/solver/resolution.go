package solver

import (
	"slices"
	"sort"
)

// resolution is one run of the algorithm: a stack of states, two a level. A
// requirement's state holds the sets that may satisfy it; above it is the
// state of the set that is being tried.
type resolution struct {
	graph  *Graph
	active *activated
	states []*state
	// parents says which state required a requirement of an artifact.
	parents map[*requirement]int
	// trial replaces the choice of one cookbook while a version is tried out.
	trial *artifact
	// worst is the conflict that explains most, for an exhausted budget.
	last *conflicts
}

// state is a point to which the resolution can go back.
type state struct {
	// possibility marks the state of a set that is tried.
	possibility  bool
	name         string
	requirement  *requirement
	requirements []*requirement // still to do
	sets         []*set         // the last one is tried first
	conflicts    *conflicts
	unused       []*unwind
}

func (r *resolution) top() *state { return r.states[len(r.states)-1] }

// current is the set that the topmost state is about, nil where none is left.
func (r *resolution) current() *set {
	if s := r.top().sets; len(s) > 0 {
		return s[len(s)-1]
	}
	return nil
}

// push adds the state of the next requirement.
func (r *resolution) push(todo []*requirement, order bool, from *state) {
	if order {
		todo = r.sorted(unique(todo), from.conflicts)
	}
	s := &state{conflicts: from.conflicts.copy(), unused: slices.Clone(from.unused)}
	for len(todo) > 0 {
		next := todo[0]
		todo = todo[1:]
		if !slices.ContainsFunc(r.states, func(s *state) bool { return next.equal(s.requirement) }) {
			s.requirement, s.name = next, next.Name
			s.sets = r.grouped(next)
			break
		}
	}
	s.requirements = todo
	r.states = append(r.states, s)
	r.active.tag(s)
}

// pushPossibility moves the last set of a state into a new state.
func (r *resolution) pushPossibility(from *state) {
	s := &state{
		possibility: true, name: from.name, requirement: from.requirement, requirements: slices.Clone(from.requirements),
		conflicts: from.conflicts.copy(), unused: slices.Clone(from.unused),
	}
	if n := len(from.sets); n > 0 {
		s.sets = []*set{from.sets[n-1]}
		from.sets = from.sets[:n-1]
	}
	r.states = append(r.states, s)
	r.active.tag(s)
}

// sorted brings requirements into the order in which they are dealt with:
// chosen cookbooks first, then those in a conflict, then by the number of
// versions that match.
func (r *resolution) sorted(todo []*requirement, c *conflicts) []*requirement {
	type keyed struct {
		key [3]int
		req *requirement
	}
	list := make([]keyed, len(todo))
	for i, q := range todo {
		k := [3]int{1, 1, len(r.matching(q))}
		if r.active.vertices[q.Name].chosen != nil {
			k[0] = 0
		}
		if c.get(q.Name) != nil {
			k[1] = 0
		}
		list[i] = keyed{k, q}
	}
	sort.SliceStable(list, func(i, j int) bool { return slices.Compare(list[i].key[:], list[j].key[:]) < 0 })
	for i, k := range list {
		todo[i] = k.req
	}
	return todo
}

// matching are the versions that satisfy a requirement alone, ascending.
func (r *resolution) matching(q *requirement) []*artifact {
	if !q.searched {
		q.searched = true
		for _, a := range r.graph.byName[q.Name] {
			if q.Constraint.Allows(a.version) {
				q.matches = append(q.matches, a)
			}
		}
	}
	return q.matches
}

// grouped makes sets of the versions that match. Requirements of different
// versions never compare equal, so only versions without any form a set.
func (r *resolution) grouped(q *requirement) []*set {
	var sets []*set
	for _, a := range r.matching(q) {
		if n := len(sets); n > 0 && len(a.needs) == 0 && len(sets[n-1].needs) == 0 {
			sets[n-1].versions = append(sets[n-1].versions, a)
			continue
		}
		sets = append(sets, &set{needs: a.needs, versions: []*artifact{a}})
	}
	return sets
}

// satisfies says whether a version fits a requirement, and the choice that
// has been made for the requirement's cookbook.
func (r *resolution) satisfies(q *requirement, a *artifact) bool {
	if !q.Constraint.Allows(a.version) {
		return false
	}
	v := r.active.vertices[q.Name]
	if r.trial != nil && r.trial.name == q.Name && v != nil {
		return r.trial.version.Compare(a.version) == 0
	}
	if v == nil || v.chosen == nil || len(v.chosen.versions) == 0 {
		return true
	}
	return slices.ContainsFunc(v.chosen.versions, func(b *artifact) bool { return b.version.Compare(a.version) == 0 })
}

func (r *resolution) satisfiesAll(reqs []*requirement, a *artifact) bool {
	return !slices.ContainsFunc(reqs, func(q *requirement) bool { return !r.satisfies(q, a) })
}

// fits says whether a version, were it chosen, would satisfy requirements.
func (r *resolution) fits(a *artifact, reqs []*requirement) bool {
	r.trial = a
	defer func() { r.trial = nil }()
	return r.satisfiesAll(reqs, a)
}

// process deals with the topmost state.
func (r *resolution) process() error {
	circle, failed := r.attempt()
	if !failed && circle == nil {
		return nil
	}
	r.addConflict(circle)
	return r.unwind()
}

// attempt tries the topmost state's set. It reports a circle of requirements,
// or that the set cannot be taken.
func (r *resolution) attempt() (circle []*vertex, failed bool) {
	s := r.current()
	if s == nil {
		return nil, true
	}
	top := r.top()
	v := r.active.vertices[top.name]
	if v.chosen != nil {
		both := &set{needs: v.chosen.needs}
		for _, a := range v.chosen.versions {
			if slices.Contains(s.versions, a) {
				both.versions = append(both.versions, a)
			}
		}
		if len(both.versions) == 0 {
			return nil, true
		}
		r.active.choose(v, both)
		r.push(slices.Clone(top.requirements), false, top)
		return nil, false
	}
	top.conflicts.remove(top.name)
	r.active.choose(v, s)
	return r.require(v, s), false
}

// require adds what a set needs to the graph and to the work.
func (r *resolution) require(v *vertex, s *set) (circle []*vertex) {
	needs := s.latest().needs
	top := r.top()
	for _, q := range needs {
		child := r.active.add(q.Name)
		if circle := r.active.connect(v, child, q); circle != nil {
			return circle
		}
		if _, known := r.parents[q]; !known {
			r.parents[q] = len(r.states) - 1
		}
	}
	r.push(append(slices.Clone(top.requirements), needs...), len(needs) > 0, top)
	return nil
}

// parent is the requirement that led to a requirement, nil for a demand's.
func (r *resolution) parent(q *requirement) *requirement {
	if q == nil {
		return nil
	}
	i, ok := r.parents[q]
	if !ok || i >= len(r.states) {
		return nil
	}
	return r.states[i].requirement
}

// stateOf is the first state of a requirement and its index, -1 for none.
func (r *resolution) stateOf(q *requirement) int {
	if q == nil {
		return -1
	}
	return slices.IndexFunc(r.states, func(s *state) bool { return q.equal(s.requirement) })
}
