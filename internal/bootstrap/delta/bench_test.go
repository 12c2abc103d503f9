//go:build unix

package delta_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/galleyhq/galley/internal/bootstrap/delta"
)

// bigTree makes a tree of 2,000 files and 20 MB, as a repository of cookbooks.
func bigTree(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	rnd := rand.New(rand.NewPCG(1, 2))
	words := []string{"package ", "service ", "template ", "do\n", "end\n", "action ", ":install\n", "node[", "'attr'", "]\n", "  "}
	for i := range 2000 {
		p := filepath.Join(dir, "cookbooks", fmt.Sprintf("c%d", i/50), "recipes", fmt.Sprintf("r%d.rb", i))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			b.Fatal(err)
		}
		var text []byte
		for len(text) < 10_000 {
			text = append(text, words[rnd.IntN(len(words))]...)
			if rnd.IntN(4) == 0 {
				text = fmt.Appendf(text, "%d", rnd.Uint32())
			}
		}
		if err := os.WriteFile(p, text[:10_000], 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

func BenchmarkFirstUpload(b *testing.B) {
	src := os.DirFS(bigTree(b))
	m := &machine{}
	for b.Loop() {
		if _, err := delta.Sync(b.Context(), m.run, src, b.TempDir(), delta.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnchangedUpload(b *testing.B) {
	src, dest := os.DirFS(bigTree(b)), b.TempDir()
	m := &machine{}
	if _, err := delta.Sync(b.Context(), m.run, src, dest, delta.Options{}); err != nil {
		b.Fatal(err)
	}
	m.bytes = 0
	for b.Loop() {
		if _, err := delta.Sync(b.Context(), m.run, src, dest, delta.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	if m.bytes != 0 {
		b.Errorf("%d bytes were sent", m.bytes)
	}
}

func BenchmarkOneChangedFile(b *testing.B) {
	dir, dest := bigTree(b), b.TempDir()
	src := os.DirFS(dir)
	m := &machine{}
	n := 0
	for b.Loop() {
		n++
		if err := os.WriteFile(filepath.Join(dir, "cookbooks", "c0", "recipes", "r0.rb"), fmt.Append(nil, n), 0o644); err != nil {
			b.Fatal(err)
		}
		if _, err := delta.Sync(b.Context(), m.run, src, dest, delta.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
