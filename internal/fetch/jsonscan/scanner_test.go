package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// lookup is the oracle: the same question asked of encoding/json.
func lookup(doc []byte, p Path) (Kind, string, bool) {
	var v any
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(doc, []byte(bomBytes))))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return None, "", false
	}
	if _, err := d.Token(); err == nil || err.Error() != "EOF" {
		return None, "", false
	}
	k, t := walk(v, p.steps)
	return k, t, true
}

func walk(v any, steps []step) (Kind, string) {
	if len(steps) == 0 {
		switch v := v.(type) {
		case nil:
			return Null, ""
		case bool:
			return Bool, fmt.Sprint(v)
		case json.Number:
			return Number, v.String()
		case string:
			return String, v
		case map[string]any:
			return Object, ""
		default:
			return Array, ""
		}
	}
	st := steps[0]
	switch v := v.(type) {
	case map[string]any:
		if e, ok := v[st.key]; ok && st.kind == stepKey {
			return walk(e, steps[1:])
		}
	case []any:
		switch {
		case st.kind == stepIndex && st.index < len(v):
			return walk(v[st.index], steps[1:])
		case st.kind == stepLast && len(v) > 0:
			return walk(v[len(v)-1], steps[1:])
		case st.kind == stepFilter:
			for _, e := range v {
				m, ok := e.(map[string]any)
				if !ok {
					continue
				}
				f, ok := m[st.key]
				text := fmt.Sprint(f)
				if f == nil {
					text = "null"
				}
				switch f.(type) {
				case map[string]any, []any:
					ok = false
				}
				if !ok || text != st.want {
					continue
				}
				if k, t := walk(e, steps[1:]); k != None {
					return k, t
				}
			}
		}
	}
	return None, ""
}

// feed gives doc to a scanner for p, cut at the given places.
func feed(p Path, doc []byte, cuts ...int) (Kind, string, error) {
	s, err := New(Options{Values: []Path{p}})
	if err != nil {
		return None, "", err
	}
	at := 0
	for _, c := range append(cuts, len(doc)) {
		// A copy: the scanner must not hold on to the chunk.
		chunk := bytes.Clone(doc[at:c])
		if _, err := s.Write(chunk); err != nil {
			return None, "", err
		}
		for i := range chunk {
			chunk[i] = 'x'
		}
		at = c
	}
	if err := s.Finish(); err != nil {
		return None, "", err
	}
	v := s.Value(0)
	return v.Kind, v.Text(), nil
}

var paths = []string{
	"", "next", "meta.next", "meta.next_token", "links[0].href", "links[-1].href", "links[-1]", "a[1][2]",
	"servers_links[rel=next]", "servers_links[rel=next].href", "l[rel=next].x.y", `["a.b"].c`, "[0]", "[-1].next", "meta",
	"[rel=next]", "meta.links[k=1].v",
}

var documents = []string{
	`{"next":"a"}`, `{"next": null}`, `{"next":12.5e-7 }`, ` {"next":true, "x":false}`, `{"next":{"next":1}}`, `"next"`, `17`, `null`, `[]`, `{}`, `[1,2]`,
	`{"meta":{"next":"a\/b\u002d\ud83d\ude00\ud800x"},"next":"decoy"}`,
	`{"items":[{"next":"decoy","meta":{"next":"decoy"}},[[]],{},"{[\"}]\\"],"meta":{"next_token":"t\\\"","next":"n"}}`,
	`{"\u006eext":"escaped name"}`, `{"next":"first","next":"second"}`, `{"meta":{"next":"gone"},"meta":{}}`, `{"meta":{"next":"gone"},"meta":7}`,
	`{"links":[{"href":"a","z":[{}]},{"href":"b"}]}`, `{"links":[{"href":"a"},3]}`, `{"links":[]}`, `{"a":[0,[1,2,3,[4]]]}`,
	`{"servers":[],"servers_links":[{"rel":"self","href":"no"},{"href":"http://x/?m=1","rel":"next"}]}`,
	`{"servers_links":[{"rel":"next","href":"1"},{"rel":"next","href":"2"}]}`, `{"servers_links":[{"rel":"next"},{"rel":"next","href":"2"}]}`,
	`{"servers_links":[{"rel":"next","rel":"prev","href":"1"}]}`, `{"servers_links":{"rel":"next","href":"1"}}`,
	`{"l":[{"x":{"y":1},"rel":"next"},{"rel":"next","x":{"y":2}}]}`, `{"a.b":{"c":"dotted"}}`, `[{"next":"x","rel":"next","href":"h"}]`,
	"{\n  \"meta\" : {\r\n\t\"next\" : \"pretty\"\n  }\n}\n", `{"x":"` + strings.Repeat(`\\\"`, 40) + `","next":"far"}`,
	`{"x":[` + strings.Repeat(`{"a":[1,"]}"],"b":{}},`, 20) + `1],"next":"far"}`, "\xef\xbb\xbf{\"next\":\"bom\"}",
	`{"meta":{"links":[{"k":2,"v":"no"},{"k":1,"v":"yes"}]}}`, `{"é":1,"next":"ü\xff"}`,
	// Not JSON.
	``, `{`, `{"next":"a"`, `{"next":"a"}}`, `{"next":"a"} x`, `{"next" "a"}`, `{"next":"a",}`, `[1,]`, `<html><body>next</body></html>`, `{"next":tru}`,
	`{"next":01}`, `{"next":-}`, `{"next":1.}`, `{"next":1e}`, `{"next":"a` + "\n" + `"}`, `{"next":"\x"}`, `{"next":"\u12g4"}`, `{next:1}`, `{"x":[1,{]},"next":1}`, `{"x":[}`,
	`nul`, `"open`, `1 2`, `{"x":[y]}`, "\xef\xbb", `{"x":["open]}`,
}

// check compares the scanner's answer, however the document is cut, with the
// oracle's.
func check(t *testing.T, doc []byte, p Path, cuts ...int) {
	t.Helper()
	wantKind, want, valid := lookup(doc, p)
	kind, text, err := feed(p, doc, cuts...)
	if valid && err != nil {
		t.Fatalf("%q at %v cut at %v: %v", doc, p, cuts, err)
	}
	if valid && (kind != wantKind || text != want) {
		t.Fatalf("%q at %v cut at %v: got %v %q, want %v %q", doc, p, cuts, kind, text, wantKind, want)
	}
	if valid {
		return
	}
	// Not every fault off the path is seen, but cutting changes nothing.
	kind1, text1, err1 := feed(p, doc)
	if kind != kind1 || text != text1 || fmt.Sprint(err) != fmt.Sprint(err1) {
		t.Fatalf("%q at %v: cut at %v it gives %v %q %v, whole %v %q %v", doc, p, cuts, kind, text, err, kind1, text1, err1)
	}
}

func TestEverySplit(t *testing.T) {
	for _, text := range paths {
		p := MustParsePath(text)
		for _, doc := range documents {
			doc := []byte(doc)
			check(t, doc, p)
			for i := range doc {
				check(t, doc, p, i)
			}
			for size := 1; size < len(doc) && size < 140; size++ {
				var cuts []int
				for c := size; c < len(doc); c += size {
					cuts = append(cuts, c)
				}
				check(t, doc, p, cuts...)
			}
		}
	}
}

func TestInvalidIsSeen(t *testing.T) {
	for _, doc := range documents {
		if json.Valid([]byte(strings.TrimPrefix(doc, bomBytes))) {
			continue
		}
		if _, _, err := feed(MustParsePath("next"), []byte(doc)); err == nil {
			t.Errorf("%q passed", doc)
		} else {
			var s *SyntaxError
			if !errors.As(err, &s) && !errors.Is(err, ErrTruncated) {
				t.Errorf("%q: %T", doc, err)
			}
		}
	}
}

func TestDepth(t *testing.T) {
	doc := strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth)
	if _, _, err := feed(MustParsePath("next"), []byte(doc)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := feed(MustParsePath("next"), []byte("["+doc+"]")); err == nil {
		t.Fatal("10001 levels passed")
	}
}

func TestLongValue(t *testing.T) {
	p := MustParsePath("a")
	s, _ := New(Options{Values: []Path{p}, MaxValue: 100})
	if _, err := s.Write([]byte(`{"a":"` + strings.Repeat("x", 200) + `"}`)); err == nil || !strings.Contains(err.Error(), "longer than 100") {
		t.Fatal(err)
	}
}

func collect(t *testing.T, path string, doc string, size int) ([]string, *Scanner, error) {
	t.Helper()
	p := MustParsePath(path)
	var got []string
	var cur []byte
	s, err := New(Options{Items: &p, Values: []Path{MustParsePath("next")}, OnItem: func(b []byte, last bool) error {
		cur = append(cur, b...)
		if last {
			got = append(got, string(cur))
			cur = cur[:0]
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for b := []byte(doc); len(b) > 0; {
		n := min(size, len(b))
		if _, err := s.Write(bytes.Clone(b[:n])); err != nil {
			return got, s, err
		}
		b = b[n:]
	}
	return got, s, s.Finish()
}

func TestItems(t *testing.T) {
	doc := `{"count":2,"data":{"items": [ {"a":[1,2,{"b":"]"}]} , 12.50,"x\"y",null, [ ] ,{"next":"decoy"}, true ]},"next":"n"}`
	want := []string{`{"a":[1,2,{"b":"]"}]}`, `12.50`, `"x\"y"`, `null`, `[ ]`, `{"next":"decoy"}`, `true`}
	for size := 1; size <= len(doc); size++ {
		got, s, err := collect(t, "data.items", doc, size)
		if err != nil || strings.Join(got, "|") != strings.Join(want, "|") {
			t.Fatalf("chunks of %d: %q, %v", size, got, err)
		}
		if n, k := s.Items(); n != 7 || k != Array || s.Value(0).Text() != "n" {
			t.Fatalf("chunks of %d: %d items of %v, next %q", size, n, k, s.Value(0).Text())
		}
	}
	for _, c := range []struct {
		path, doc string
		n         int64
		kind      Kind
	}{
		{"", `[1,2,3]`, 3, Array}, {"$", `[]`, 0, Array}, {"x", `{"x":null}`, 0, Null}, {"x", `{"y":[1]}`, 0, None}, {"x", `{"x":{"a":1}}`, 0, Object},
		{"x[1]", `{"x":[[1],[2,3],[4]]}`, 2, Array}, {"x", `{"x":"[1]"}`, 0, String},
	} {
		_, s, err := collect(t, c.path, c.doc, 1)
		if n, k := s.Items(); err != nil || n != c.n || k != c.kind {
			t.Errorf("%s of %s: %d in %v, %v", c.path, c.doc, n, k, err)
		}
	}
	boom := errors.New("boom")
	p := MustParsePath("")
	s, _ := New(Options{Items: &p, OnItem: func([]byte, bool) error { return boom }})
	if _, err := s.Write([]byte("[1]")); err != boom {
		t.Fatal(err)
	}
}

func TestParsePath(t *testing.T) {
	for _, bad := range []string{"a..b", "a.", "a[", "a[x]", "a[-2]", "a[+1]", "a]", `a["x]`, "a[=x]", "a[x=]", "a[x=1][y=2]", "a b]", `x"y`, "a[0]b", strings.Repeat("a.", 40) + "a", ".."} {
		if p, err := ParsePath(bad); err == nil {
			t.Errorf("%q passed as %v", bad, p)
		}
	}
	for _, good := range []string{"", ".", "$", "$.a", ".a", "$[0]", "a.b[1].c[-1]", `["x.y"].z`, "a['b c']", "a[rel=next]", `a[rel=="next"].url`} {
		if _, err := ParsePath(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func FuzzSplit(f *testing.F) {
	for i, d := range documents {
		f.Add([]byte(d), paths[i%len(paths)], uint16(i), uint16(2*i))
	}
	f.Fuzz(func(t *testing.T, doc []byte, path string, a, b uint16) {
		p, err := ParsePath(path)
		if err != nil || len(doc) > 1<<14 {
			return
		}
		for _, st := range p.steps {
			// The oracle prints numbers as Go does.
			if st.kind == stepFilter && strings.ContainsAny(st.want, "\x80\xff") {
				return
			}
		}
		check(t, doc, p)
		if len(doc) == 0 {
			return
		}
		x, y := int(a)%len(doc), int(b)%len(doc)
		check(t, doc, p, min(x, y), max(x, y))
		var cuts []int
		for c := int(a)%70 + 1; c < len(doc); c += int(a)%70 + 1 {
			cuts = append(cuts, c)
		}
		check(t, doc, p, cuts...)
		if len(doc) <= 256 {
			for i := range doc {
				check(t, doc, p, i)
			}
		}
	})
}

func FuzzParsePath(f *testing.F) {
	for _, p := range paths {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, s string) { _, _ = ParsePath(s) })
}
