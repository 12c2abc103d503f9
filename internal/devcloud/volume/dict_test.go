package volume

import (
	"maps"
	"testing"
)

func TestPyDict(t *testing.T) {
	for text, want := range map[string]map[string]string{
		`{'a': 'b'}`: {"a": "b"}, `{u'a': u'b', 'c': 'd'}`: {"a": "b", "c": "d"}, `{"a":"b"}`: {"a": "b"}, `garbage`: {}, ``: {},
	} {
		if got := pyDict(text); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func FuzzPyDict(f *testing.F) {
	f.Add(`{u'a': 'b'}`)
	f.Add(`{"a": 5}`)
	f.Fuzz(func(t *testing.T, s string) { pyDict(s) })
}
