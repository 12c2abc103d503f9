package fetch

import "hash/fnv"

// maxSeen bounds the pages remembered one by one; beyond, a loop is still
// found, at the latest after it was followed a few times (Brent's method).
const maxSeen = 1 << 18

// visited are the places of the pages fetched so far.
type visited struct {
	seen       map[uint64]struct{}
	tortoise   uint64
	lap, steps int
}

// visit remembers a place. It returns its number, which is never 0, and whether
// it was there before.
func (v *visited) visit(c checkpoint) (uint64, bool) {
	h := fnv.New64a() // the same in each run: the journal keeps it
	h.Write([]byte(c.URL))
	h.Write([]byte{0})
	h.Write(c.Cursor)
	n := h.Sum64() | 1
	if _, ok := v.seen[n]; ok || n == v.tortoise {
		return n, true
	}
	v.remember(n)
	return n, false
}

func (v *visited) remember(n uint64) {
	if v.seen == nil {
		v.seen, v.lap = map[uint64]struct{}{}, 1
	}
	if len(v.seen) < maxSeen {
		v.seen[n] = struct{}{}
		return
	}
	if v.steps++; v.steps >= v.lap {
		v.tortoise, v.lap, v.steps = n, v.lap*2, 0
	}
}
