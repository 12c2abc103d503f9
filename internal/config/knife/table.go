package knife

import "github.com/galleyhq/galley/internal/ruby"

// table holds the settings of one configuration context, each value with
// the place that set it. It holds Ruby values, since files change them in
// place (`knife[:groups] << "web"`).
type table struct {
	entries map[string]entry
	order   []string
}

type entry struct {
	value ruby.Value
	file  string
	line  int
}

func newTable() *table { return &table{entries: map[string]entry{}} }

func (t *table) set(name string, e entry) {
	if _, ok := t.entries[name]; !ok {
		t.order = append(t.order, name)
	}
	t.entries[name] = e
}

func (t *table) get(name string) (entry, bool) {
	e, ok := t.entries[name]
	return e, ok
}

func (t *table) delete(name string) {
	if _, ok := t.entries[name]; !ok {
		return
	}
	delete(t.entries, name)
	for i, n := range t.order {
		if n == name {
			t.order = append(t.order[:i:i], t.order[i+1:]...)
			return
		}
	}
}

func (t *table) names() []string { return t.order }

// hash is the table as a Ruby hash with symbols for keys.
func (t *table) hash() *ruby.Hash {
	h := ruby.NewHash()
	for _, n := range t.order {
		h.Set(ruby.Symbol(n), t.entries[n].value)
	}
	return h
}

// value is an entry as plain data; called is what messages call it.
func (t *table) value(name, called string) (Value, bool) {
	if t == nil {
		return Value{}, false
	}
	e, ok := t.entries[name]
	if !ok {
		return Value{}, false
	}
	data := ruby.ToGo(e.value)
	if m, isMap := data.(ruby.Map); data == nil || isMap && len(m) == 0 && e.file == "" {
		return Value{}, false
	}
	return Value{Data: data, File: e.file, Line: e.line, name: called}, true
}
