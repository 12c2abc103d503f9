package bench

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/klauspost/compress/gzip"
)

// records returns JSON records of about 450 bytes, poor in repetition as an
// API's are (gzip -6 packs them 3.7:1), n bytes at least, each followed by a
// comma.
func records(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"alpha", "beta", "gamma", "delta", "instance", "volume", "network", "of", "the", "cloud", "shelved", "quota", "tenant", "region", "subnet", "router"}
	w := func() string { return words[r.IntN(len(words))] }
	var b bytes.Buffer
	b.Grow(n + 1024)
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"id":"%08x-%04x-%04x-%012x","name":"%s-%s-%d","status":"ACTIVE","created":"2026-%02d-%02dT%02d:%02d:%02dZ","owner":{"id":%d,"email":"user%d@example.org"},"tags":["%s","%s"],"size":%d,"ratio":%.8f,"enabled":%v,"note":"%s %s %s %s %s","etag":"%016x","links":[{"rel":"self","href":"https://api.example.org/v2/items/%d"}]},`,
			r.Uint32(), r.IntN(65536), r.IntN(65536), r.Int64N(1<<48), w(), w(), i, r.IntN(12)+1, r.IntN(28)+1, r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(100000), r.IntN(100000), w(), w(), r.IntN(1<<30), r.Float64(), r.IntN(2) == 0, w(), w(), w(), w(), w(), r.Uint64(), i)
	}
	return b.Bytes()
}

// The body is head, the block of records again and again, and tail.
var (
	head = []byte(`{"items":[`)
	tail = []byte(`{"id":"last"}],"meta":{"next":null}}` + "\n")
)

// writeBody writes a body of size bytes at least.
func writeBody(w io.Writer, block []byte, size int64) error {
	if _, err := w.Write(head); err != nil {
		return err
	}
	for n := int64(0); n < size; n += int64(len(block)) {
		if _, err := w.Write(block); err != nil {
			return err
		}
	}
	_, err := w.Write(tail)
	return err
}

func bodySize(block []byte, size int64) int64 {
	n := (size + int64(len(block)) - 1) / int64(len(block))
	return int64(len(head)) + n*int64(len(block)) + int64(len(tail))
}

// packed is the body as a server that compresses would send it.
func packed(block []byte, size int64) ([]byte, error) {
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, 6)
	if err != nil {
		return nil, err
	}
	if err := writeBody(w, block, size); err != nil {
		return nil, err
	}
	err = w.Close()
	return z.Bytes(), err
}
