package gunzip

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	kgzip "github.com/klauspost/compress/gzip"
)

func pack(b []byte, level int) []byte {
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, level)
	if err != nil {
		panic(err)
	}
	w.Write(b)
	w.Close()
	return z.Bytes()
}

func samples() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 1))
	random := make([]byte, 180_000)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	var text bytes.Buffer
	for i := 0; text.Len() < 300_000; i++ {
		fmt.Fprintf(&text, `{"id":%d,"name":"n%x","v":%v},`, i, r.Uint32(), r.Float64())
	}
	skew := make([]byte, 100_000) // long codes
	for i := range skew {
		v := byte(0)
		for r.IntN(2) == 0 && v < 250 {
			v++
		}
		skew[i] = v
	}
	far := append(bytes.Clone(random[:32768]), random[:32768]...)
	return map[string][]byte{
		"empty": nil, "one": {'x'}, "zeros": make([]byte, 400_000), "random": random, "text": text.Bytes(), "skew": skew, "far": far,
		"pairs": bytes.Repeat([]byte("ab"), 100_000), "threes": bytes.Repeat([]byte("abc"), 100_000), "sevens": bytes.Repeat([]byte("abcdefg"), 50_000),
	}
}

func TestReader(t *testing.T) {
	for name, b := range samples() {
		for _, level := range []int{gzip.HuffmanOnly, 0, 1, 6, 9} {
			z := pack(b, level)
			double := append(bytes.Clone(z), pack(b, 1)...)
			for how, in := range map[string]io.Reader{
				"whole": bytes.NewReader(z), "bytes": iotest.OneByteReader(bytes.NewReader(z)), "with EOF": iotest.DataErrReader(bytes.NewReader(z)), "halves": iotest.HalfReader(bytes.NewReader(z)),
			} {
				if how == "bytes" && len(z) > 100_000 {
					continue
				}
				got, err := io.ReadAll(NewReader(in))
				if err != nil || !bytes.Equal(got, b) {
					t.Fatalf("%s, level %d, %s: %d bytes of %d, %v", name, level, how, len(got), len(b), err)
				}
			}
			got, err := io.ReadAll(NewReader(bytes.NewReader(double)))
			if err != nil || !bytes.Equal(got, append(bytes.Clone(b), b...)) {
				t.Fatalf("%s, level %d, two members: %d bytes, %v", name, level, len(got), err)
			}
		}
	}
}

func TestHeaderFields(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Name, w.Comment, w.Extra = "a name", "a comment", bytes.Repeat([]byte("x"), 60000)
	w.Write([]byte("hello"))
	w.Close()
	if got, err := io.ReadAll(NewReader(bytes.NewReader(z.Bytes()))); err != nil || string(got) != "hello" {
		t.Fatal(string(got), err)
	}
}

// Wherever it is cut it is short, and whatever bit is wrong the data given is
// not taken for good.
func TestDamage(t *testing.T) {
	b := samples()["text"][:8_000]
	z := pack(b, 6)
	for i := 0; i < len(z); i += 1 + i%17 {
		_, err := io.ReadAll(NewReader(bytes.NewReader(z[:i])))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	for i := 10 * 8; i < len(z)*8; i += 1 + i%23 {
		d := bytes.Clone(z)
		d[i/8] ^= 1 << (i % 8)
		// The bits between the data's end and the trailer mean nothing.
		if got, err := io.ReadAll(NewReader(bytes.NewReader(d))); err == nil && !bytes.Equal(got, b) {
			t.Fatalf("bit %d wrong and nobody saw it", i)
		}
	}
	if _, err := io.ReadAll(NewReader(bytes.NewReader(append(bytes.Clone(z), "garbage behind"...)))); !errors.Is(err, ErrHeader) {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	if _, err := io.ReadAll(NewReader(io.MultiReader(bytes.NewReader(z[:1000]), iotest.ErrReader(boom)))); !errors.Is(err, boom) {
		t.Fatal(err)
	}
}

func TestReset(t *testing.T) {
	r := NewReader(bytes.NewReader(pack(make([]byte, 500_000), 6)[:300]))
	io.ReadAll(r)
	for range 2 {
		for _, b := range samples() {
			r.Reset(bytes.NewReader(pack(b, 6)))
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, b) {
				t.Fatal(err)
			}
		}
	}
}

// FuzzReader compares with compress/gzip: the same data, and bad for both or
// for none.
func FuzzReader(f *testing.F) {
	for _, b := range samples() {
		b = b[:min(len(b), 2000)]
		for _, l := range []int{gzip.HuffmanOnly, 0, 1, 9} {
			f.Add(pack(b, l), uint8(7))
		}
	}
	f.Fuzz(func(t *testing.T, z []byte, size uint8) {
		check(t, z, size)
		// Also what the fuzzer makes as the data of a member, past the header.
		check(t, append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}, z...), size)
		check(t, pack(z, int(size)%10), size)
	})
}

func check(t *testing.T, z []byte, size uint8) {
	t.Helper()
	var want []byte
	g, werr := gzip.NewReader(bytes.NewReader(z))
	if werr == nil {
		want, werr = io.ReadAll(io.LimitReader(g, 4<<20))
	}
	r := NewReader(&slow{z, int(size) + 1})
	got, err := io.ReadAll(io.LimitReader(r, 4<<20))
	if len(want) == 4<<20 {
		return
	}
	if errors.Is(err, ErrHeader) && len(z) > 3 && z[3]&0xe0 != 0 {
		return // bits that RFC 1952 has us refuse, and compress/gzip passes over
	}
	if (err == nil) != (werr == nil) || err == nil && !bytes.Equal(got, want) {
		t.Fatalf("%x: %d bytes, %v; compress/gzip gives %d, %v", z, len(got), err, len(want), werr)
	}
	if !bytes.HasPrefix(want, got) && !bytes.HasPrefix(got, want) {
		t.Fatalf("%x: the data differs", z)
	}
}

type slow struct {
	b []byte
	n int
}

func (s *slow) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.b[:min(len(s.b), s.n)])
	s.b = s.b[n:]
	return n, nil
}

func BenchmarkReader(b *testing.B) {
	text := samples()["text"]
	z := pack(bytes.Repeat(text, 40), 6)
	run := func(name string, open func() io.Reader) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(40 * len(text)))
			for b.Loop() {
				if _, err := io.Copy(io.Discard, open()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	ours := NewReader(bytes.NewReader(nil))
	run("ours", func() io.Reader { ours.Reset(bytes.NewReader(z)); return ours })
	kp := new(kgzip.Reader)
	run("klauspost", func() io.Reader { kp.Reset(bytes.NewReader(z)); return kp })
	std := new(gzip.Reader)
	run("stdlib", func() io.Reader { std.Reset(bytes.NewReader(z)); return std })
}
