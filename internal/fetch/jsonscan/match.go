package jsonscan

import "fmt"

// element computes who is interested in the array's next element.
func (s *Scanner) element() {
	d := s.depth
	s.want, s.through, s.test = 0, 0, 0
	s.index[d]++
	if s.alive[d] == 0 {
		return
	}
	for j := range s.queries {
		if s.alive[d]>>j&1 == 0 {
			continue
		}
		q := &s.queries[j]
		switch st := &q.steps[d-1]; st.kind {
		case stepIndex:
			if s.index[d]-1 != st.index {
				continue
			}
		case stepLast:
			if q.locked {
				continue
			}
			q.clear()
		case stepFilter:
			if q.locked {
				continue
			}
			q.clear()
			q.matched = false
		case stepAny:
			// Of values the first counts; the array's elements count all.
			if s.itemsBit>>j&1 == 0 && q.have && q.kind != Null {
				continue
			}
		default:
			continue
		}
		s.reach(j, q)
	}
}

func (s *Scanner) reach(j int, q *query) {
	if len(q.steps) == s.depth {
		s.want |= 1 << j
	} else {
		s.through |= 1 << j
	}
}

// keyEnd computes who is interested in the member whose name was just read.
func (s *Scanner) keyEnd() {
	d := s.depth
	s.want, s.through, s.test = 0, 0, 0
	if s.keyLong {
		return
	}
	name := s.key[:len(s.key)-1]
	for _, c := range name {
		if c == '\\' || c >= 0x80 {
			s.scratch = unquote(s.scratch[:0], name)
			name = s.scratch
			break
		}
	}
	if n := len(s.keys); d == 1 && n < MaxKeys {
		if n < cap(s.keys) && s.keys[:n+1][n] == string(name) {
			s.keys = s.keys[:n+1] // as in the document before
		} else {
			s.keys = append(s.keys, string(name))
		}
	}
	if s.alive[d] == 0 {
		return
	}
	for j := range s.queries {
		if s.alive[d]>>j&1 == 0 {
			continue
		}
		q := &s.queries[j]
		if d >= 2 {
			if f := &q.steps[d-2]; f.kind == stepFilter && string(name) == f.key {
				s.test |= 1 << j
				q.matched = false
			}
		}
		if st := &q.steps[d-1]; st.names(name) && !(q.locked && d-1 > q.filter) {
			if st.kind == stepSuffix && q.have {
				continue
			}
			// A name given twice: the value before it is forgotten.
			q.clear()
			q.locked = false
			if s.itemsBit>>j&1 == 1 {
				s.itemsKind = None
			}
			s.reach(j, q)
		}
	}
}

// names reports whether a member of this name is on the path.
func (st *step) names(name []byte) bool {
	switch st.kind {
	case stepKey:
		return string(name) == st.key
	case stepSuffix:
		return len(name) >= len(st.key) && string(name[len(name)-len(st.key):]) == st.key
	}
	return false
}

// begins notes an object or array that begins at p[i].
func (s *Scanner) begins(kind Kind, i int) {
	if s.depth == 0 {
		s.root = kind
	}
	s.found(kind)
	if own := s.want &^ s.itemsBit; own != 0 && !s.holding {
		s.holding, s.holdDepth, s.holdMask, s.holdFrom = true, s.depth, own, i
		s.hold, s.holdLong = s.hold[:0], false
	}
	if kind == Array && s.through&s.itemsBit != 0 && s.itemsKind == None {
		// An empty array, of whose elements the arrays are wanted, has none.
		q := &s.queries[len(s.queries)-1]
		if q.steps[s.depth].kind == stepAny {
			s.itemsKind = Array
		}
	}
}

// found hands the value at hand, which is complete or a container, to those
// whose path ends here.
func (s *Scanner) found(kind Kind) {
	if s.want|s.test == 0 {
		return
	}
	if s.want&s.itemsBit != 0 {
		s.itemsKind = kind
	}
	for j := range s.queries {
		q := &s.queries[j]
		if s.want>>j&1 == 1 && s.itemsBit>>j&1 == 0 {
			q.have, q.kind, q.raw = true, kind, q.raw[:0]
			if kind < Object {
				if s.tooLong {
					s.fail(0, fmt.Sprintf("the value looked for is longer than %d bytes", s.maxValue))
					return
				}
				q.raw = append(q.raw, s.tok...)
			}
		}
		if s.test>>j&1 == 1 {
			want := q.steps[s.depth-2].want
			switch kind {
			case String:
				q.matched = !s.tooLong && want == string(unquote(s.scratch[:0], s.tok[1:len(s.tok)-1]))
			case Bool, Number, Null:
				q.matched = want == string(s.tok)
			}
		}
	}
}

// holdOn keeps the next piece of a held object or array.
func (s *Scanner) holdOn(p []byte) {
	if s.holdLong || len(s.hold)+len(p) > s.maxValue {
		s.hold, s.holdLong = s.hold[:0], true
		return
	}
	s.hold = append(s.hold, p...)
}

// release gives the held object or array, whose last byte is before p[i], to
// whose path ends in it.
func (s *Scanner) release(p []byte, i int) {
	s.holding = false
	s.holdOn(p[s.holdFrom:i])
	for j := range s.queries {
		if q := &s.queries[j]; s.holdMask>>j&1 == 1 && q.have && q.kind >= Object {
			q.raw = append(q.raw[:0], s.hold...)
		}
	}
}
