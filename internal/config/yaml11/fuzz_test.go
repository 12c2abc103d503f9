package yaml11

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzParse looks for panics, hangs and results that are not bounded.
func FuzzParse(f *testing.F) {
	seeds, err := filepath.Glob("testdata/seeds/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range seeds {
		b, err := os.ReadFile(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range []string{"a: &a [1]\nb: *a\n<<: {c: 1}\n", "- |\n  x\n- >-\n  y\n", "\"\\u263a\\\n  b\": 'it''s'", "? [a, {b: c}]\n: !!str 12\n", "%TAG !x! tag:y,1:\n--- !x!z 1\n...\n--- 2\n", "a:\tb\n\tc", "\xef\xbb\xbfa: 1\nb: 2", "{a: [b, c: d], ? e}", "&a [*a]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 1<<16 {
			return
		}
		n, warnings, err := Parse(src)
		if err != nil {
			e, ok := err.(*Error)
			if !ok || e.Msg == "" || e.Line < 0 || e.Column < 0 {
				t.Fatalf("%#v", err)
			}
			return
		}
		for _, w := range warnings {
			if w.Line < 1 || w.First < 1 || w.Code == "" {
				t.Fatalf("%+v", w)
			}
		}
		if n != nil {
			if size := walk(n); size > maxNodes {
				t.Fatalf("%d nodes", size)
			}
		}
	})
}

// walk counts the nodes with aliases written out.
func walk(n *Node) int {
	total := 1
	for _, c := range n.Items {
		total += walk(c)
	}
	for _, p := range n.Pairs {
		total += walk(p.Key) + walk(p.Value)
	}
	return total
}
