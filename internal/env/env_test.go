package env

import (
	"slices"
	"testing"
)

func TestOrderAndCopies(t *testing.T) {
	e := New([]string{"B=1", "A=2", "=C:=x", "B=3", "EMPTY="})
	if got, want := e.Environ(), []string{"B=3", "A=2", "EMPTY="}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if v, set := e.Lookup("EMPTY"); v != "" || !set {
		t.Errorf("EMPTY is %q, set %v", v, set)
	}
	copied := e.Clone()
	copied.Set("A", "changed")
	copied.Unset("B")
	copied.Unset("B")
	if e.Get("A") != "2" || e.Get("B") != "3" {
		t.Errorf("the copy changed its source: %q", e.Environ())
	}
	if got, want := copied.Names(), []string{"A", "EMPTY"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := FromMap(e.Map()).Names(), []string{"A", "B", "EMPTY"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNilAndZero(t *testing.T) {
	var none *Env
	if v, set := none.Lookup("A"); v != "" || set {
		t.Errorf("got %q, %v", v, set)
	}
	var e Env
	e.Set("A", "1")
	if e.Get("A") != "1" {
		t.Error("the zero value does not hold a variable")
	}
}
