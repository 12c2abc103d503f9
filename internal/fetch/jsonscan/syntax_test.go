package jsonscan

import (
	"strings"
	"testing"
)

// The spellings of paths, and the values they find; a syntax that is not supported is an
// error and never a name that matches nothing.
func TestPathSyntax(t *testing.T) {
	const doc = `{"@odata.nextLink":"u","a.b":{"c":[{"k":"x","v":1},{"k":"y","v":2}]},"links":[{"rel":"self","href":"s"},{"rel":"next","href":"n"}],` +
		`"servers_links":[{"rel":"next","href":"m"}],"rows":[{"id":7,"sort":[1,"b",{"z":null}]}],"groups":[{"e":[1,2]},{"x":0},{"e":[3]}],"none":[]}`
	for path, want := range map[string]string{
		"@odata.nextLink": `"u"`, `["@odata.nextLink"]`: `"u"`, `$['@odata.nextLink']`: `"u"`,
		`["a.b"].c[1].v`: "2", "links[rel=next]": `"n"`, "$.links[?(@.rel=='next')].href": `"n"`, `links[?@.rel == "next"].href`: `"n"`,
		`links[?(@['rel']=="next")]`: `"n"`, `$["a.b"].c[?(@.k=='y')].v`: "2", `$["a.b"].c[?(@.v==2)].k`: `"y"`,
		"*_links[rel=next].href": `"m"`, "rows[-1].id": "7", "rows[-1].sort": `[1,"b",{"z":null}]`, "rows[0].sort[2]": `{"z":null}`,
		"none[-1].id": "", "none": "[]", "links[*].href": `"s"`, "groups[*].e[0]": "1", "links[?(@.rel=='last')].href": "",
	} {
		p, err := ParsePath(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		for _, chunk := range []int{1, 3, 1000} {
			s, err := New(Options{Values: []Path{p}})
			if err != nil {
				t.Fatal(err)
			}
			for rest := doc; rest != ""; {
				n := min(chunk, len(rest))
				if _, err := s.Write([]byte(rest[:n])); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if err := s.Finish(); err != nil {
				t.Fatal(err)
			}
			if got := string(s.Value(0).Raw()); got != want {
				t.Errorf("%s in chunks of %d: %s, want %s", path, chunk, got, want)
			}
		}
	}
	for _, bad := range []string{
		"a[?(@.b>1)]", "a[?@.b]", "a[?(@.b=='c' && @.d=='e')]", "a[1:2]", "a[0,1]", "a..b", "$..b", "*", "a.*", "a?(x)", "a[?", "a['b]", "a(b)", "a=b", "a[-2]",
	} {
		if p, err := ParsePath(bad); err == nil {
			t.Errorf("%q passed as %+v", bad, p)
		}
	}
}

// The elements of arrays within arrays are one list.
func TestItemsOfEveryElement(t *testing.T) {
	for _, c := range []struct {
		path, doc, want string
		kind            Kind
	}{
		{"groups[*].e", `{"groups":[{"e":[1,2]},{"x":[9]},{"e":[]},{"e":[3]}]}`, "1 2 3 ", Array},
		{"[*]", `[[1],[2,3]]`, "1 2 3 ", Array},
		{"groups[*].e", `{"groups":[]}`, "", Array},
		{"groups[*].e", `{"groups":null}`, "", None},
	} {
		p := MustParsePath(c.path)
		var got strings.Builder
		s, err := New(Options{Items: &p, OnItem: func(b []byte, last bool) error {
			got.Write(b)
			if last {
				got.WriteByte(' ')
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write([]byte(c.doc)); err != nil || s.Finish() != nil {
			t.Fatal(err)
		}
		if n, kind := s.Items(); got.String() != c.want || kind != c.kind || int(n) != len(strings.Fields(c.want)) {
			t.Errorf("%s of %s: %q, %d of kind %v", c.path, c.doc, got.String(), n, kind)
		}
	}
}

// A value that is too long is known by its kind, if it is an object or array.
func TestLongContainer(t *testing.T) {
	p := MustParsePath("a")
	s, _ := New(Options{Values: []Path{p}, MaxValue: 10})
	for _, doc := range []string{`{"a":["` + strings.Repeat("x", 50) + `"]}`, `{"a":[1]}`} {
		s.Reset()
		if _, err := s.Write([]byte(doc)); err != nil || s.Finish() != nil {
			t.Fatal(err)
		}
		if v := s.Value(0); v.Kind != Array || (len(doc) > 20) != (v.Raw() == nil) {
			t.Errorf("%v %q", v.Kind, v.Raw())
		}
	}
}
