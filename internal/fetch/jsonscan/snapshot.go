package jsonscan

import "encoding/json"

// snapshot is the state of a scanner between two chunks.
type snapshot struct {
	St                         state
	InKey                      bool
	Hex                        int
	Lit                        string
	Off                        int64
	Depth                      int
	Kinds                      []uint64
	Skipping                   bool
	SkipTo                     int
	SkipStr, SkipEsc           uint64
	Queries                    []querySnapshot
	Alive                      []uint16
	Index                      []int
	Want, Through, Test        uint16
	ItemsDepth                 int
	ItemsKind                  Kind
	Items                      int64
	Emitting, Capture, TooLong bool
	Holding, HoldLong          bool
	HoldDepth                  int
	HoldMask                   uint16
	Hold                       []byte
	Root, Kind                 Kind
	Tok, Key                   []byte
	KeyLong                    bool
	Keys                       []string
	BOM                        int
}

type querySnapshot struct {
	Have, Matched, Locked bool
	Kind                  Kind
	Raw                   []byte
}

// Save returns the scanner's state, with which another scanner of the same
// options can go on. It is called between two calls of Write.
func (s *Scanner) Save() ([]byte, error) {
	n := snapshot{
		St: s.st, InKey: s.inKey, Hex: s.hex, Lit: s.lit, Off: s.off, Depth: s.depth, Kinds: s.kinds[:s.depth/64+1],
		Skipping: s.skipping, SkipTo: s.skipTo, SkipStr: s.skipStr, SkipEsc: s.skipEsc,
		Alive: s.alive[:], Index: s.index[:], Want: s.want, Through: s.through, Test: s.test,
		ItemsDepth: s.itemsDepth, ItemsKind: s.itemsKind, Items: s.items,
		Emitting: s.emitting, Capture: s.capture, TooLong: s.tooLong, Holding: s.holding, HoldLong: s.holdLong,
		HoldDepth: s.holdDepth, HoldMask: s.holdMask, Hold: s.hold, Root: s.root, Kind: s.kind,
		Tok: s.tok, Key: s.key, KeyLong: s.keyLong, Keys: s.keys, BOM: s.bom,
	}
	for _, q := range s.queries {
		n.Queries = append(n.Queries, querySnapshot{q.have, q.matched, q.locked, q.kind, q.raw})
	}
	return json.Marshal(n)
}

// Load takes the state that Save returned. It reports false, and resets the
// scanner, if that is not one of a scanner with these options.
func (s *Scanner) Load(state []byte) bool {
	var n snapshot
	s.Reset()
	if json.Unmarshal(state, &n) != nil || len(n.Queries) != len(s.queries) || n.Depth < 0 || n.Depth > maxDepth ||
		len(n.Kinds) != n.Depth/64+1 || len(n.Alive) != len(s.alive) || len(n.Index) != len(s.index) {
		return false
	}
	s.st, s.inKey, s.hex, s.lit, s.off, s.depth = n.St, n.InKey, n.Hex, n.Lit, n.Off, n.Depth
	copy(s.kinds[:], n.Kinds)
	s.skipping, s.skipTo, s.skipStr, s.skipEsc = n.Skipping, n.SkipTo, n.SkipStr, n.SkipEsc
	copy(s.alive[:], n.Alive)
	copy(s.index[:], n.Index)
	s.want, s.through, s.test = n.Want, n.Through, n.Test
	s.itemsDepth, s.itemsKind, s.items = n.ItemsDepth, n.ItemsKind, n.Items
	s.emitting, s.capture, s.tooLong = n.Emitting, n.Capture, n.TooLong
	s.holding, s.holdLong, s.holdDepth, s.holdMask = n.Holding, n.HoldLong, n.HoldDepth, n.HoldMask
	s.hold = append(s.hold[:0], n.Hold...)
	s.root, s.kind = n.Root, n.Kind
	s.tok, s.key = append(s.tok[:0], n.Tok...), append(s.key[:0], n.Key...)
	s.keyLong, s.keys, s.bom = n.KeyLong, n.Keys, n.BOM
	for i, q := range n.Queries {
		o := &s.queries[i]
		o.have, o.matched, o.locked, o.kind, o.raw = q.Have, q.Matched, q.Locked, q.Kind, append(o.raw[:0], q.Raw...)
	}
	return true
}
