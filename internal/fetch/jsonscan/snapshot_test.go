package jsonscan

import (
	"fmt"
	"testing"
)

// A scanner that is saved and loaded anywhere in a document finds the same as
// one that read it at once.
func TestSnapshotAnywhere(t *testing.T) {
	doc := `{"a":[{"x\u00e9":"y\"z"},-1.5e3,true,[null]],"skip":{"b":["]",{}]},"list":[{"rel":"p"},{"rel":"next","href":"h"}],"hold":[1,{"k":"v"}],"n":7}`
	var paths []Path
	for _, text := range []string{"n", "list[rel=next]", "hold", "a[0]"} {
		paths = append(paths, MustParsePath(text))
	}
	items := MustParsePath("a")
	run := func(cut int) string {
		got := ""
		o := Options{Values: paths, Items: &items, OnItem: func(b []byte, last bool) error {
			got += fmt.Sprintf("%s%v", b, map[bool]string{true: "|"}[last])
			return nil
		}}
		s, _ := New(o)
		if _, err := s.Write([]byte(doc[:cut])); err != nil {
			t.Fatal(err)
		}
		state, err := s.Save()
		if err != nil {
			t.Fatal(err)
		}
		s, _ = New(o)
		if !s.Load(state) {
			t.Fatal("not loaded")
		}
		if _, err := s.Write([]byte(doc[cut:])); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if err := s.Finish(); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		n, kind := s.Items()
		for i := range paths {
			got += fmt.Sprintf(" %s", s.Value(i).Raw())
		}
		return fmt.Sprint(got, n, kind, s.Keys(), s.Root())
	}
	want := run(0)
	for cut := range len(doc) {
		if got := run(cut); got != want {
			t.Fatalf("cut at %d: %s, want %s", cut, got, want)
		}
	}
	s, _ := New(Options{})
	if s.Load([]byte(`{"Depth":3}`)) || s.Load([]byte(`x`)) {
		t.Error("loaded garbage")
	}
}
