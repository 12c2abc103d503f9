package jsonscan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

// apiPage is a page such as an API gives: records of about 450 bytes, then a
// cursor.
func apiPage(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"alpha", "beta", "gamma", "delta", "instance", "volume", "network", "of", "the", "cloud"}
	w := func() string { return words[r.IntN(len(words))] }
	var b bytes.Buffer
	b.WriteString(`{"items":[`)
	for i := 0; b.Len() < n; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"%08x-%04x-%012x","name":"%s-%s-%d","status":"ACTIVE","created":"2026-%02d-%02dT%02d:%02d:%02dZ","owner":{"id":%d,"email":"user%d@example.org"},"tags":["%s","%s"],"size":%d,"ratio":%.6f,"enabled":%v,"note":"%s %s %s %s","links":[{"rel":"self","href":"https://api.example.org/v2/items/%d"}]}`,
			r.Uint32(), r.IntN(65536), r.Int64N(1<<48), w(), w(), i, r.IntN(12)+1, r.IntN(28)+1, r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(100000), r.IntN(100000), w(), w(), r.IntN(1<<30), r.Float64(), r.IntN(2) == 0, w(), w(), w(), w(), i)
	}
	b.WriteString(`],"meta":{"next_token":"x"}}`)
	return b.Bytes()
}

const chunk = 256 << 10

func scanAll(tb testing.TB, s *Scanner, doc []byte) {
	s.Reset()
	for o := 0; o < len(doc); o += chunk {
		if _, err := s.Write(doc[o:min(o+chunk, len(doc))]); err != nil {
			tb.Fatal(err)
		}
	}
	if err := s.Finish(); err != nil {
		tb.Fatal(err)
	}
}

func TestNoAllocation(t *testing.T) {
	doc := apiPage(4 << 20)
	items := MustParsePath("items")
	s, _ := New(Options{Values: []Path{MustParsePath("meta.next_token")}, Items: &items, OnItem: func([]byte, bool) error { return nil }})
	if n := testing.AllocsPerRun(3, func() {
		s.Reset()
		for o := 0; o < len(doc)-1; o += chunk / 16 {
			s.Write(doc[o:min(o+chunk/16, len(doc)-1)])
		}
	}); n > 4 { // the root's names, kept for messages
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkCursor(b *testing.B) {
	doc := apiPage(16 << 20)
	s, _ := New(Options{Values: []Path{MustParsePath("meta.next_token")}})
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		scanAll(b, s, doc)
	}
	if s.Value(0).Text() != "x" {
		b.Fatal("no cursor")
	}
}

func BenchmarkItems(b *testing.B) {
	doc := apiPage(16 << 20)
	items := MustParsePath("items")
	var n int
	s, _ := New(Options{Items: &items, OnItem: func(p []byte, _ bool) error { n += len(p); return nil }})
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		scanAll(b, s, doc)
	}
}

func BenchmarkEncodingJSON(b *testing.B) {
	doc := apiPage(1 << 20)
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		d := json.NewDecoder(bytes.NewReader(doc))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			}
		}
	}
}

// BenchmarkMemmove is the limit: the same bytes, copied.
func BenchmarkMemmove(b *testing.B) {
	doc := apiPage(16 << 20)
	to := make([]byte, chunk)
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		for o := 0; o < len(doc); o += chunk {
			copy(to, doc[o:])
		}
	}
}
