package knife

import (
	"slices"

	"github.com/galleyhq/galley/internal/ruby"
)

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
	delete(t.entries, name)
	t.order = slices.DeleteFunc(slices.Clone(t.order), func(n string) bool { return n == name })
}

func (t *table) names() []string { return t.order }

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
