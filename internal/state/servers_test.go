package state

import (
	"path/filepath"
	"strings"
	"testing"
)

// Whatever a server is called, its files are its own and are in the folder.
func TestServerFileNames(t *testing.T) {
	s := Servers{t.TempDir()}
	seen := map[string]string{}
	for _, name := range []string{
		"test-server", "Test-Server", "TEST-SERVER", "a/b", "a%2Fb", "..", ".", ".hidden", "%2Ehidden", "ü", "a b", "a:b", "a*b",
		strings.Repeat("x", 255), strings.Repeat("x", 254) + "y", strings.Repeat("ü", 100),
	} {
		p := s.Record("p1", name)
		if other, taken := seen[strings.ToLower(p)]; taken {
			t.Errorf("%q and %q share %s", name, other, p)
		}
		seen[strings.ToLower(p)] = name
		if filepath.Dir(filepath.Dir(p)) != s.Base || len(filepath.Base(p)) > 250 {
			t.Errorf("%q is at %s", name, p)
		}
		if err := WriteFile(p, []byte("{}")); err != nil {
			t.Error(err)
		}
	}
	if err := WriteFile(s.Key("p1", "test-server"), []byte("k")); err != nil {
		t.Fatal(err)
	}
	// The leftovers of a killed write are not a record.
	whole := s.Record("p1", "test-server")
	torn := filepath.Join(filepath.Dir(whole), "."+filepath.Base(whole)+"123")
	if err := WriteFile(torn, []byte("{")); err != nil {
		t.Fatal(err)
	}
	list, err := s.Records("p1")
	if err != nil || len(list) != len(seen) {
		t.Errorf("%d records of %d: %v, %v", len(list), len(seen), list, err)
	}
	if list, err := s.Records("p2"); err != nil || list != nil {
		t.Errorf("%v, %v", list, err)
	}
}
