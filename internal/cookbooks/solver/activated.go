package solver

// activated is the graph of the cookbooks chosen so far. Every change is
// logged, so that it can be undone when the resolution goes back.
type activated struct {
	vertices map[string]*vertex
	log      []change
	visit    int // the number of the current walk; see vertex.visited
}

// vertex is a cookbook that something requires. chosen is nil until a version
// has been picked.
type vertex struct {
	name     string
	chosen   *set
	explicit []*requirement
	incoming []edge
	outgoing []*vertex // destinations, in the order of the edges
	visited  int
}

// edge leads from the cookbook that declares the requirement.
type edge struct {
	origin      *vertex
	requirement *requirement
}

// set is a list of neighbouring versions without requirements, or one version
// with some: the candidates that are tried as one.
type set struct {
	needs    []*requirement
	versions []*artifact // ascending
}

func (s *set) latest() *artifact {
	if s == nil || len(s.versions) == 0 {
		return nil
	}
	return s.versions[len(s.versions)-1]
}

// change is one entry of the log: exactly one of the fields is set.
type change struct {
	tag    *state
	added  *vertex // a new vertex
	chosen *vertex // another choice, before which it was old
	old    *set
	edgeTo *vertex // an edge from origin
	origin *vertex
}

func (g *activated) tag(s *state) { g.log = append(g.log, change{tag: s}) }

// add returns the vertex of a name, a new one where there is none.
func (g *activated) add(name string) *vertex {
	if v := g.vertices[name]; v != nil {
		return v
	}
	v := &vertex{name: name}
	g.vertices[name] = v
	g.log = append(g.log, change{added: v})
	return v
}

func (g *activated) choose(v *vertex, s *set) {
	g.log = append(g.log, change{chosen: v, old: v.chosen})
	v.chosen = s
}

// connect adds an edge, unless that would close a circle: then it returns the
// vertices on it.
func (g *activated) connect(from, to *vertex, r *requirement) (circle []*vertex) {
	g.visit++
	if path := g.path(to, from); path != nil {
		return path
	}
	from.outgoing = append(from.outgoing, to)
	to.incoming = append(to.incoming, edge{from, r})
	g.log = append(g.log, change{edgeTo: to, origin: from})
	return nil
}

// path returns the vertices from one to another, nil if none leads there.
func (g *activated) path(from, to *vertex) []*vertex {
	if from.visited == g.visit {
		return nil
	}
	from.visited = g.visit
	if from == to {
		return []*vertex{from}
	}
	for _, next := range from.outgoing {
		if rest := g.path(next, to); rest != nil {
			return append([]*vertex{from}, rest...)
		}
	}
	return nil
}

// rewind undoes everything since a state was tagged, the tag included.
func (g *activated) rewind(to *state) {
	for len(g.log) > 0 {
		c := g.log[len(g.log)-1]
		g.log = g.log[:len(g.log)-1]
		switch {
		case c.tag != nil:
			if c.tag == to {
				return
			}
		case c.added != nil:
			delete(g.vertices, c.added.name)
		case c.chosen != nil:
			c.chosen.chosen = c.old
		case c.edgeTo != nil:
			// Edges are undone in reverse, so it is the last on both sides.
			c.origin.outgoing = c.origin.outgoing[:len(c.origin.outgoing)-1]
			c.edgeTo.incoming = c.edgeTo.incoming[:len(c.edgeTo.incoming)-1]
		}
	}
}

// requirements are all that require the vertex.
func (v *vertex) requirements() []*requirement {
	list := make([]*requirement, 0, len(v.incoming)+len(v.explicit))
	for _, e := range v.incoming {
		list = append(list, e.requirement)
	}
	return unique(append(list, v.explicit...))
}
