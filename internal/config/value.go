package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/galleyhq/galley/internal/config/yaml11"
	"github.com/galleyhq/galley/internal/ruby"
)

// kind is the type of a value, in Ruby's terms.
type kind = yaml11.Kind

const (
	kindNull   = yaml11.Null
	kindBool   = yaml11.Bool
	kindInt    = yaml11.Int
	kindFloat  = yaml11.Float
	kindString = yaml11.String
	kindSymbol = yaml11.Symbol
	kindList   = yaml11.Sequence
	kindMap    = yaml11.Mapping
)

// value is one node of configuration data. Values are shared between
// instances: once a file has been normalised they are never changed.
type value struct {
	kind kind
	b    bool
	i    int64
	f    float64
	s    string
	list []*value
	m    *mapping
	org  *Origin
}

// mapping is a Ruby hash whose keys are strings or symbols: it keeps the
// order in which keys first appeared.
type mapping struct {
	entries []entry
	// index is made when linear search would be slow.
	index map[mapKey]int
}

type mapKey struct {
	name string
	sym  bool
	// bad is 1 plus the kind of a key that is neither a string nor a symbol.
	bad kind
}

type entry struct {
	mapKey
	val *value
	// line of the key itself, as an origin; nil for keys made here.
	org *Origin
}

// indexFrom is the size from which a mapping has an index.
const indexFrom = 12

func (m *mapping) find(k mapKey) int {
	if m == nil {
		return -1
	}
	if m.index != nil {
		if i, ok := m.index[k]; ok {
			return i
		}
		return -1
	}
	for i := range m.entries {
		if m.entries[i].mapKey == k {
			return i
		}
	}
	return -1
}

// get returns the value of a string key, nil when there is none.
func (m *mapping) get(name string) *value { return m.lookup(mapKey{name: name}) }

func (m *mapping) lookup(k mapKey) *value {
	if i := m.find(k); i >= 0 {
		return m.entries[i].val
	}
	return nil
}

func (m *mapping) has(name string) bool { return m.find(mapKey{name: name}) >= 0 }

func (m *mapping) set(name string, v *value) { m.put(entry{mapKey: mapKey{name: name}, val: v}) }

// put assigns as Ruby's Hash#[]= does: a known key keeps its place.
func (m *mapping) put(e entry) {
	if i := m.find(e.mapKey); i >= 0 {
		m.entries[i].val = e.val
		if e.org != nil {
			m.entries[i].org = e.org
		}
		return
	}
	m.entries = append(m.entries, e)
	switch {
	case m.index != nil:
		m.index[e.mapKey] = len(m.entries) - 1
	case len(m.entries) >= indexFrom:
		m.reindex()
	}
}

func (m *mapping) reindex() {
	m.index = nil
	if len(m.entries) >= indexFrom {
		m.index = make(map[mapKey]int, len(m.entries))
		for i := range m.entries {
			m.index[m.entries[i].mapKey] = i
		}
	}
}

// delete removes a string key and returns its value, nil when there was none.
func (m *mapping) delete(name string) *value {
	i := m.find(mapKey{name: name})
	if i < 0 {
		return nil
	}
	v := m.entries[i].val
	m.entries = slices.Delete(m.entries, i, i+1)
	m.reindex()
	return v
}

// clone copies the mapping, but not the values.
func (m *mapping) clone() *mapping {
	if m == nil {
		return &mapping{}
	}
	return m.cloneFor(2)
}

// cloneFor copies the mapping with room for more entries.
func (m *mapping) cloneFor(more int) *mapping {
	c := &mapping{entries: make([]entry, len(m.entries), len(m.entries)+more)}
	copy(c.entries, m.entries)
	c.reindex()
	return c
}

func (m *mapping) len() int {
	if m == nil {
		return 0
	}
	return len(m.entries)
}

func stringValue(s string, org *Origin) *value { return &value{kind: kindString, s: s, org: org} }

func mapValue(m *mapping, org *Origin) *value { return &value{kind: kindMap, m: m, org: org} }

// withKeys is a copy with what change makes of the keys of its mappings, at any
// depth.
func (v *value) withKeys(change func(*entry) error) (*value, error) {
	switch v.kind {
	case kindMap:
		m := &mapping{entries: make([]entry, 0, v.m.len())}
		for _, e := range v.m.entries {
			err := change(&e)
			if err == nil {
				e.val, err = e.val.withKeys(change)
			}
			if err != nil {
				return nil, err
			}
			m.put(e)
		}
		return mapValue(m, v.org), nil
	case kindList:
		out := &value{kind: kindList, org: v.org, list: make([]*value, len(v.list))}
		for i, x := range v.list {
			var err error
			if out.list[i], err = x.withKeys(change); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// text is Ruby's to_s of a scalar.
func (v *value) text() string {
	switch v.kind {
	case kindBool:
		return strconv.FormatBool(v.b)
	case kindInt:
		return strconv.FormatInt(v.i, 10)
	case kindFloat:
		return ruby.FormatFloat(v.f)
	case kindString, kindSymbol:
		return v.s
	}
	return ""
}

// data turns the value into plain Go data, see [Section.Data].
func (v *value) data() any {
	if v == nil {
		return nil
	}
	switch v.kind {
	case kindBool:
		return v.b
	case kindInt:
		return v.i
	case kindFloat:
		return v.f
	case kindString:
		return v.s
	case kindSymbol:
		return Symbol(v.s)
	case kindList:
		l := make([]any, len(v.list))
		for i, x := range v.list {
			l[i] = x.data()
		}
		return l
	case kindMap:
		return v.m.data()
	}
	return nil
}

func (m *mapping) data() map[string]any {
	out := make(map[string]any, m.len())
	if m != nil {
		for i := range m.entries {
			out[m.entries[i].name] = m.entries[i].val.data()
		}
	}
	return out
}

// fromGo makes a value of plain Go data; an unknown type becomes the
// string that fmt.Sprint makes of it.
func fromGo(x any, org *Origin) *value {
	switch x := x.(type) {
	case nil:
		return &value{org: org}
	case bool:
		return &value{kind: kindBool, b: x, org: org}
	case int:
		return &value{kind: kindInt, i: int64(x), org: org}
	case int64:
		return &value{kind: kindInt, i: x, org: org}
	case float64:
		return &value{kind: kindFloat, f: x, org: org}
	case string:
		return stringValue(x, org)
	case Symbol:
		return &value{kind: kindSymbol, s: string(x), org: org}
	case []string:
		v := &value{kind: kindList, org: org}
		for _, s := range x {
			v.list = append(v.list, stringValue(s, org))
		}
		return v
	case []any:
		v := &value{kind: kindList, org: org}
		for _, e := range x {
			v.list = append(v.list, fromGo(e, org))
		}
		return v
	case map[string]any:
		m := &mapping{}
		for _, k := range slices.Sorted(maps.Keys(x)) {
			m.set(k, fromGo(x[k], org))
		}
		return mapValue(m, org)
	}
	return stringValue(fmt.Sprint(x), org)
}
