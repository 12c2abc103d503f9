package solver

import (
	"slices"
)

// unwind is a way to go back from a conflict: to the state of a requirement,
// whose other sets might avoid it.
type unwind struct {
	index       int // of the state; -1 is before the first
	requirement *requirement
	// tree leads from a demand's requirement down to the one in conflict; it
	// grows at its beginning while the options are built.
	tree *tree
	// conflicting are the requirements that conflict, trees how each came.
	conflicting []*requirement
	trees       *[]*tree
	// instead holds the requirements to whose states one went rather.
	instead []*requirement
}

// tree is a list of requirements, the last one in reverse order of the way
// from the demand: the first element is the requirement in conflict.
type tree []*requirement

// distance is how far the state's requirement is from the conflict.
func (u *unwind) distance() int {
	if u.requirement == nil {
		return 999_999
	}
	return slices.IndexFunc(*u.tree, u.requirement.equal)
}

func (u *unwind) compare(o *unwind) int {
	if u.index != o.index {
		return u.index - o.index
	}
	return u.distance() - o.distance()
}

// primary says whether the state's requirement is itself in conflict.
func (u *unwind) primary() bool { return (*u.tree)[0].equal(u.requirement) }

// avoid are the requirements that led from the state's one to the conflict.
func (u *unwind) avoid() []*requirement {
	var out []*requirement
	for _, t := range *u.trees {
		// From the demand's side, the first occurrence counts.
		for i := len(*t) - 1; i > 0; i-- {
			if u.requirement.equal((*t)[i]) {
				out = append(out, (*t)[i-1])
				break
			}
		}
	}
	return out
}

func (u *unwind) all() []*requirement {
	var out []*requirement
	for _, t := range *u.trees {
		out = append(out, *t...)
	}
	return out
}

// unwind goes back to the state that promises to avoid the topmost conflict.
func (r *resolution) unwind() error {
	details := r.details()
	top := r.top()
	c, unused := top.conflicts, top.unused
	r.last = c
	if details.index < 0 {
		return r.explain()
	}
	r.active.rewind(r.states[details.index+1])
	r.states = r.states[:details.index+1]
	back := r.top()
	back.conflicts, back.unused = c, unused
	r.filter(details, back)
	for q, i := range r.parents {
		if i >= details.index {
			delete(r.parents, q)
		}
	}
	back.unused = slices.DeleteFunc(slices.Clone(back.unused),
		func(u *unwind) bool { return u.index >= details.index })
	return nil
}

// details chooses where to go back to.
func (r *resolution) details() *unwind {
	top := r.top()
	options := r.options(r.binding(top.conflicts.get(top.name)))
	last := options[0]
	for _, u := range options[1:] {
		if u.compare(last) >= 0 {
			last = u
		}
	}
	chosen := last
	// An earlier conflict may have left a better place.
	all := last.all()
	var relevant []*unwind
	for _, u := range top.unused {
		if len(minus(all, u.instead)) == len(all) {
			continue
		}
		if u.compare(chosen) > 0 {
			chosen = u
		}
		relevant = append(relevant, u)
	}
	for _, u := range options {
		if u.index != -1 {
			top.unused = append(top.unused, u)
		}
	}
	for _, u := range append(relevant, options...) {
		if !slices.Contains(u.instead, chosen.requirement) {
			u.instead = append(u.instead, chosen.requirement)
		}
	}
	return chosen
}

// options lists the states to which going back may help.
func (r *resolution) options(binding []*requirement) []*unwind {
	var out []*unwind
	trees := &[]*tree{}
	for _, q := range slices.Backward(binding) {
		t := &tree{q}
		*trees = append(*trees, t)
		add := func(index int, q *requirement) {
			out = append(out, &unwind{index: index, requirement: q, tree: t, conflicting: binding, trees: trees})
		}
		add(-1, nil)
		// Another version for this requirement may satisfy the others.
		if i := r.stateOf(q); i >= 0 && r.fixes(r.states[i], binding) {
			add(i, q)
		}
		// Another version of what led here may not need it.
		for child, parent := q, r.parent(q); parent != nil; child, parent = parent, r.parent(parent) {
			*t = append(*t, parent)
			i := r.stateOf(parent)
			if i >= 0 &&
				slices.ContainsFunc(r.states[i].sets, func(s *set) bool { return !contains(s.needs, child) }) {
				add(i, parent)
			}
		}
	}
	return out
}

// fixes says whether a state has a version left that all would accept.
func (r *resolution) fixes(s *state, reqs []*requirement) bool {
	return slices.ContainsFunc(s.sets, func(s *set) bool { return r.anyFits(s, reqs) })
}

func (r *resolution) anyFits(s *set, reqs []*requirement) bool {
	return slices.ContainsFunc(s.versions, func(a *artifact) bool { return r.fits(a, reqs) })
}

// binding reduces the requirements of a conflict to those that cause it.
func (r *resolution) binding(c *conflict) []*requirement {
	if c.tried.latest() == nil {
		return []*requirement{c.requirement}
	}
	possible := c.flat()
	if c.circle != nil {
		return possible
	}
	versions := r.matching(c.requirement)
	anyLeft := func(reqs []*requirement) bool {
		return slices.ContainsFunc(versions, func(a *artifact) bool { return r.fits(a, reqs) })
	}
	if anyLeft(possible) {
		out := []*requirement{c.requirement}
		if existing := r.requirementFor(c.requirement.Name); existing != nil {
			out = append(out, existing)
		}
		return out
	}
	out := slices.Clone(possible)
	for _, q := range slices.Backward(possible) {
		if q.equal(c.requirement) {
			continue
		}
		if without := minus(out, []*requirement{q}); !anyLeft(without) {
			out = without
		}
	}
	return out
}

// requirementFor is the requirement by which a cookbook was chosen.
func (r *resolution) requirementFor(name string) *requirement {
	if v := r.active.vertices[name]; v == nil || v.chosen == nil {
		return nil
	}
	for _, s := range r.states {
		if s.name == name {
			return s.requirement
		}
	}
	return nil
}

// filter drops the sets of a state that would lead to the same conflict.
func (r *resolution) filter(details *unwind, s *state) {
	if len(s.sets) == 0 {
		return
	}
	var here []*unwind
	for _, u := range s.unused {
		if u.index == details.index {
			here = append(here, u)
		}
	}
	here = append(here, details)
	if details.primary() {
		s.sets = slices.DeleteFunc(slices.Clone(s.sets), func(c *set) bool {
			return !slices.ContainsFunc(c.versions, func(a *artifact) bool {
				return slices.ContainsFunc(here, func(u *unwind) bool { return r.fits(a, u.conflicting) })
			})
		})
		return
	}
	allowed := map[*set]bool{}
	var avoid []*requirement
	for _, u := range here {
		if !u.primary() {
			avoid = append(avoid, u.avoid()...)
			continue
		}
		for _, c := range r.states[u.index].sets {
			if r.anyFits(c, u.conflicting) {
				allowed[c] = true
			}
		}
	}
	s.sets = slices.DeleteFunc(slices.Clone(s.sets), func(c *set) bool {
		return !allowed[c] && len(minus(avoid, c.needs)) == 0
	})
}
