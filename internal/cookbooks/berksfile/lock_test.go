package berksfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/galleyhq/galley/internal/cookbooks/source"
)

const small = `DEPENDENCIES
  a
    path: .
    metadata: true
  one
    git: https://example.com/one.git
    revision: 67a185b865bf104640026cfebe1360728330972a
    ref: 67a185b
    rel: cookbooks/one
  z-base (~> 1.4)

GRAPH
  a (1.0.0)
    z-base (>= 0.0.0)
  one (1.1.0)
  z-base (1.10.0)
`

func parseLock(text string) (*lockfile, error) {
	j := Open(filepath.Join(os.TempDir(), "Berksfile"), &source.Context{}, nil, nil)
	l := &lockfile{job: j, dependencies: map[string]*dependency{}, graph: map[string]*item{}}
	return l, l.parse(text)
}

func TestLockIsWrittenAsRead(t *testing.T) {
	l, err := parseLock(small)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.text(); got != small {
		t.Errorf("got\n%s", got)
	}
}

func TestOldLock(t *testing.T) {
	l, err := parseLock(`{"dependencies": {"b": {"locked_version": "1.2.3"}, "a": {"path": "x", "locked_version": "0.1.0"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if want := "DEPENDENCIES\n  a\n    path: x\n  b\n\nGRAPH\n  a (0.1.0)\n  b (1.2.3)\n"; l.text() != want {
		t.Errorf("got\n%s", l.text())
	}
}

func FuzzLock(f *testing.F) {
	f.Add(small)
	f.Add("GRAPH\n  0 (0)\n    0 (")
	f.Add("DEPENDENCIES\r\n  a\r\n\r\nGRAPH\r\n  a (1.0.0)\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseLock(text)
		if err != nil || !l.present {
			return
		}
		written := l.text()
		if _, err := parseLock(written); err != nil {
			t.Fatalf("%q was written as %q: %v", text, written, err)
		}
	})
}
