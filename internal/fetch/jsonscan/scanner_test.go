package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
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

// asked is a question about a document, and encoding/json's answer.
type asked struct {
	doc   []byte
	path  Path
	kind  Kind
	text  string
	valid bool
	s     *Scanner
	chunk []byte
	whole string // what the scanner says of the document in one piece
}

func ask(t testing.TB, doc []byte, p Path) *asked {
	t.Helper()
	s, err := New(Options{Values: []Path{p}})
	if err != nil {
		t.Fatal(err)
	}
	a := &asked{doc: doc, path: p, s: s}
	a.kind, a.text, a.valid = lookup(doc, p)
	kind, text, err := a.feed()
	a.whole = fmt.Sprintf("%v %q %v", kind, text, err)
	return a
}

// feed gives the document to the scanner, cut at the given places.
func (a *asked) feed(cuts ...int) (Kind, string, error) {
	a.s.Reset()
	at := 0
	for i := range len(cuts) + 1 {
		c := len(a.doc)
		if i < len(cuts) {
			c = cuts[i]
		}
		// A copy that changes: the scanner must not hold on to the chunk.
		a.chunk = append(a.chunk[:0], a.doc[at:c]...)
		if _, err := a.s.Write(a.chunk); err != nil {
			return None, "", err
		}
		for i := range a.chunk {
			a.chunk[i] = 'x'
		}
		at = c
	}
	if err := a.s.Finish(); err != nil {
		return None, "", err
	}
	v := a.s.Value(0)
	return v.Kind, v.Text(), nil
}

// check compares the scanner's answer, however the document is cut, with the
// oracle's.
func (a *asked) check(t testing.TB, cuts ...int) {
	t.Helper()
	kind, text, err := a.feed(cuts...)
	switch {
	case a.valid && err != nil:
		t.Fatalf("%q at %v cut at %v: %v", a.doc, a.path, cuts, err)
	case a.valid && (kind != a.kind || text != a.text):
		t.Fatalf("%q at %v cut at %v: got %v %q, want %v %q", a.doc, a.path, cuts, kind, text, a.kind, a.text)
	case !a.valid:
		// Not every fault off the path is seen, but cutting changes nothing.
		if got := fmt.Sprintf("%v %q %v", kind, text, err); got != a.whole {
			t.Fatalf("%q at %v: cut at %v it gives %s, whole %s", a.doc, a.path, cuts, got, a.whole)
		}
	}
}

// every checks each split in two, and chunks of each size up to a bound.
func (a *asked) every(t testing.TB, sizes int) {
	t.Helper()
	a.check(t)
	for i := range a.doc {
		a.check(t, i)
	}
	for size := 1; size < len(a.doc) && size <= sizes; size++ {
		a.check(t, chunks(len(a.doc), size)...)
	}
}

// chunks are the cuts that make chunks of a size.
func chunks(n, size int) []int {
	var cuts []int
	for c := size; c < n; c += size {
		cuts = append(cuts, c)
	}
	return cuts
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

func TestEverySplit(t *testing.T) {
	for _, text := range paths {
		p := MustParsePath(text)
		for _, doc := range documents {
			ask(t, []byte(doc), p).every(t, 140)
		}
	}
}

// Documents made at random around the wanted path, whole and damaged, in
// chunks of random sizes: no wrong value, ever. GALLEY_FETCH_SCANS sets how
// many.
func TestRandomDocuments(t *testing.T) {
	scans := 20_000
	if n, err := strconv.Atoi(os.Getenv("GALLEY_FETCH_SCANS")); err == nil {
		scans = n
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	found := 0
	for n := 0; n < scans; {
		g := generator{r: r}
		p := MustParsePath(paths[r.IntN(len(paths))])
		g.value(p.steps, 0)
		doc := g.b
		if r.IntN(50) == 0 {
			// Long: the value comes after many chunks.
			long := []byte(`{"long":[`)
			for limit := r.IntN(150_000); len(long) < limit; {
				g.b = nil
				g.value(nil, 2)
				long = append(append(long, g.b...), ',')
			}
			long = append(long, `0],`...)
			if len(doc) > 2 && doc[0] == '{' && doc[1] == '"' {
				doc = append(long, doc[1:]...)
			}
		}
		switch r.IntN(6) {
		case 0:
			doc = doc[:r.IntN(len(doc)+1)]
		case 1:
			doc[r.IntN(len(doc))] = "{}[]\",:\\ a0\x00\xff"[r.IntN(13)]
		}
		a := ask(t, doc, p)
		if a.valid && a.kind != None {
			found++
		}
		a.check(t)
		for range 4 {
			size := 1 + r.IntN(70_000)
			if r.IntN(2) == 0 {
				size = 1 + r.IntN(min(len(doc)+1, 200))
			}
			a.check(t, chunks(len(doc), size)...)
		}
		if n += 5; len(doc) < 120 && r.IntN(20) == 0 {
			a.every(t, len(doc))
			n += 2 * len(doc)
		}
	}
	t.Logf("%d scans, a value in %d documents", scans, found)
}

// generator writes JSON at random, which leads along a path now and then.
type generator struct {
	r *rand.Rand
	b []byte
}

func (g *generator) pick(s ...string) { g.b = append(g.b, s[g.r.IntN(len(s))]...) }
func (g *generator) space()           { g.pick("", "", "", "", " ", "\n  ", "\t", "\r\n") }

func (g *generator) name() {
	g.pick(`"next"`, `"meta"`, `"href"`, `"rel"`, `"links"`, `"a"`, `"x"`, `"n\u0065xt"`, `"next_token"`, `"servers_links"`, `"\"next\""`, `"]}"`, `"é\\"`, `""`)
}

func (g *generator) text() {
	g.b = append(g.b, '"')
	for range g.r.IntN(1 << g.r.IntN(7)) {
		g.pick("a", "next", `\"`, `\\`, `\/`, `\u002d`, `\ud83d\ude00`, `\ud800`, "é", "{", "}", "[", "]", ":", ",", `\n`, "\xff", "0123456789abcdef", "☃", `\\\\`, "y_Y\x7f")
	}
	g.b = append(g.b, '"')
}

// value writes a value; if steps are left, most often one that they lead into.
func (g *generator) value(steps []step, depth int) {
	g.space()
	defer g.space()
	if len(steps) > 0 && g.r.IntN(8) > 0 {
		g.along(steps, depth)
		return
	}
	kind := g.r.IntN(8)
	if depth > 5 {
		kind %= 4
	}
	switch kind {
	case 0:
		g.pick("null", "true", "false")
	case 1:
		g.pick("0", "-1", "12.50", "1e9", "-0.1E-7", "123456789012345678901234567890")
	case 2, 3:
		g.text()
	case 4, 5:
		g.list(g.r.IntN(4), func(int) { g.value(nil, depth+1) }, '[', ']')
	default:
		g.list(g.r.IntN(4), func(int) {
			g.name()
			g.space()
			g.b = append(g.b, ':')
			g.value(nil, depth+1)
		}, '{', '}')
	}
}

// along writes an object or array with an element that the next step means.
func (g *generator) along(steps []step, depth int) {
	st, n := steps[0], 1+g.r.IntN(4)
	at := g.r.IntN(n)
	member := func(name string, value func()) {
		key, _ := json.Marshal(name)
		g.space()
		g.b = append(g.b, key...)
		g.space()
		g.b = append(g.b, ':')
		value()
	}
	switch st.kind {
	case stepKey:
		g.list(n, func(i int) {
			if i == at {
				member(st.key, func() { g.value(steps[1:], depth+1) })
				return
			}
			g.space()
			g.name()
			g.b = append(g.b, ':')
			g.value(nil, depth+1)
		}, '{', '}')
	case stepIndex:
		g.list(st.index+g.r.IntN(3), func(i int) {
			if i == st.index {
				g.value(steps[1:], depth+1)
			} else {
				g.value(nil, depth+1)
			}
		}, '[', ']')
	case stepLast:
		g.list(n, func(i int) {
			if i == n-1 {
				g.value(steps[1:], depth+1)
			} else {
				g.value(nil, depth+1)
			}
		}, '[', ']')
	case stepFilter:
		g.list(n, func(i int) {
			is := func() {
				member(st.key, func() {
					want, _ := json.Marshal(st.want)
					if i != at {
						want = []byte(`"other"`)
					}
					g.b = append(g.b, want...)
				})
			}
			goes := func() { member(steps[1].key, func() { g.value(steps[2:], depth+2) }) }
			first, second := is, goes
			if g.r.IntN(2) == 0 {
				first, second = goes, is
			}
			g.b = append(g.b, '{')
			first()
			g.b = append(g.b, ',')
			second()
			g.b = append(g.b, '}')
		}, '[', ']')
	}
}

func (g *generator) list(n int, element func(i int), open, end byte) {
	g.b = append(g.b, open)
	for i := range n {
		if i > 0 {
			g.b = append(g.b, ',')
		}
		g.space()
		element(i)
	}
	g.b = append(g.b, end)
}

func TestInvalidIsSeen(t *testing.T) {
	for _, doc := range documents {
		if json.Valid([]byte(strings.TrimPrefix(doc, bomBytes))) {
			continue
		}
		if _, _, err := ask(t, []byte(doc), MustParsePath("next")).feed(); err == nil {
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
	if _, _, err := ask(t, []byte(doc), MustParsePath("next")).feed(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ask(t, []byte("["+doc+"]"), MustParsePath("next")).feed(); err == nil {
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
		{"", `[1,2,3]`, 3, Array},
		{"$", `[]`, 0, Array},
		{"x", `{"x":null}`, 0, Null},
		{"x", `{"y":[1]}`, 0, None},
		{"x", `{"x":{"a":1}}`, 0, Object},
		{"x[1]", `{"x":[[1],[2,3],[4]]}`, 2, Array},
		{"x", `{"x":"[1]"}`, 0, String},
	} {
		_, s, err := collect(t, c.path, c.doc, 1)
		if n, k := s.Items(); err != nil || n != c.n || k != c.kind {
			t.Errorf("%s of %s: %d in %v, %v", c.path, c.doc, n, k, err)
		}
	}
	boom := errors.New("boom")
	p := MustParsePath("")
	s, _ := New(Options{Items: &p, OnItem: func([]byte, bool) error { return boom }})
	if _, err := s.Write([]byte("[1]")); !errors.Is(err, boom) {
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
			if st.kind == stepFilter && !utf8.ValidString(st.want) {
				return
			}
		}
		q := ask(t, doc, p)
		if len(doc) == 0 {
			q.check(t)
			return
		}
		x, y := int(a)%len(doc), int(b)%len(doc)
		q.check(t, min(x, y), max(x, y))
		q.check(t, chunks(len(doc), int(a)%70+1)...)
		if len(doc) <= 256 {
			q.every(t, 0)
		}
	})
}

func FuzzParsePath(f *testing.F) {
	for _, p := range paths {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, s string) { _, _ = ParsePath(s) })
}
