package state

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestNetworkRecordsHaveFilesOfTheirOwn(t *testing.T) {
	n := Networks{Base: "/base"}
	seen := map[string]string{}
	for _, key := range [][3]string{
		{"c", "p", "net1"},
		{"c", "p", "Net1"},
		{"c", "p", "net/1"},
		{"c", "p", "net_1"},
		{"c", "q", "net1"},
		{"d", "p", "net1"},
		{"c", "p", ".."},
		{"c", "p", strings.Repeat("x", 255)},
		{"c", "p", strings.Repeat("x", 254)},
		{"c", "p", "nét\x00"},
	} {
		path := n.Record(key[0], key[1], key[2])
		if other, ok := seen[strings.ToLower(path)]; ok {
			t.Errorf("%q has the file of %q", key, other)
		}
		seen[strings.ToLower(path)] = strings.Join(key[:], " ")
		if filepath.Dir(path) != filepath.FromSlash("/base") || len(filepath.Base(path)) > 100 || path == n.Lock() {
			t.Errorf("%q is at %s", key, path)
		}
	}
}

func TestUserFiles(t *testing.T) {
	for name, tc := range map[string]struct{ state, home, want string }{
		"XDG":          {"/state", "/home/x", "/state/galley/networks"},
		"relative XDG": {"state", "/home/x", "/home/x/.local/state/galley/networks"},
		"no XDG":       {"", "/home/x", "/home/x/.local/state/galley/networks"},
	} {
		got, err := UserFiles(func(k string) string { return map[string]string{"XDG_STATE_HOME": tc.state, "HOME": tc.home}[k] })
		if err != nil || filepath.ToSlash(got.Networks().Base) != tc.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, tc.want)
		}
	}
}
