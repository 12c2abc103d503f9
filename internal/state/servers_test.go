package state

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestServersDir(t *testing.T) {
	env := map[string]string{"XDG_STATE_HOME": "/x/state", "HOME": "/home/kim"}
	get := func(n string) string { return env[n] }
	for _, want := range []string{"/x/state/galley/servers", "/home/kim/.local/state/galley/servers"} {
		if got, err := ServersDir(get); err != nil || got != filepath.FromSlash(want) {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
		delete(env, "XDG_STATE_HOME")
	}
}

// Whatever a server is called, its files are its own and lie in the folder.
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
		if filepath.Dir(p) != filepath.Join(s.Base, "p1") || len(filepath.Base(p)) > 250 {
			t.Errorf("%q lies at %s", name, p)
		}
		if err := WriteFile(p, []byte("{}")); err != nil {
			t.Error(err)
		}
	}
	if err := WriteFile(s.Key("p1", "test-server"), []byte("k")); err != nil {
		t.Fatal(err)
	}
	// What a killed write has left is no record, and goes.
	torn := filepath.Join(s.Base, "p1", ".test-server.json123")
	if err := WriteFile(torn, []byte("{")); err != nil {
		t.Fatal(err)
	}
	Sweep(s.Record("p1", "test-server"))
	if _, err := os.Stat(torn); !os.IsNotExist(err) {
		t.Error("the torn file is still there")
	}
	list, err := s.Records("p1")
	if err != nil || len(list) != len(seen) {
		t.Errorf("%d records of %d: %v, %v", len(list), len(seen), list, err)
	}
	if list, err := s.Records("p2"); err != nil || list != nil {
		t.Errorf("%v, %v", list, err)
	}
}
