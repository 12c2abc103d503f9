package openstack

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFileJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	j := FileJournal(filepath.Join(dir, "web.json"))
	if r, err := j.Read(); r != nil || err != nil {
		t.Fatalf("%v, %v", r, err)
	}
	if err := j.Remove(); err != nil {
		t.Fatal(err)
	}
	want := &Record{
		Version: 1, Token: NewToken(), Owner: "web", Started: time.Now().UTC().Truncate(time.Second),
		Resources: []Resource{{Kind: KindServer, Name: "web", Stage: Asked, Asked: time.Now().UTC().Truncate(time.Second)}},
	}
	for range 3 {
		if err := j.Write(want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := j.Read()
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(err, d)
	}
	if runtime.GOOS != "windows" {
		for path, mode := range map[string]os.FileMode{string(j): 0o600, dir: 0o700} {
			if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != mode {
				t.Errorf("%s: %v, %v", path, fi.Mode(), err)
			}
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	if err := j.Remove(); err != nil {
		t.Fatal(err)
	}
	if r, err := j.Read(); r != nil || err != nil {
		t.Fatalf("%v, %v", r, err)
	}
	for _, bad := range []string{"", "{", "[]", `{"version":2}`, "{}"} {
		if err := os.WriteFile(string(j), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := j.Read(); err == nil || !strings.Contains(err.Error(), "web.json") {
			t.Errorf("%q: %v, %v", bad, r, err)
		}
	}
}

func TestMarksAreReadBack(t *testing.T) {
	r := &Record{Token: NewToken(), Project: "cookbook-1a2b", Owner: "default-ubuntu"}
	if got := tokenOf(r.describe()); got != r.Token {
		t.Errorf("%q", got)
	}
	if got := marksOf(r.describe())[metaProject]; got != r.Project {
		t.Errorf("%q", got)
	}
	if tokenOf("made by galley token=x") != "" || tokenOf("") != "" {
		t.Error("a stranger's description is taken for ours")
	}
	name := keyPairName(r)
	owner, project, token := ownerOfKeyPair(name, r.Project)
	if owner != r.Owner || project != r.Project || token != r.Token {
		t.Errorf("%q: %q %q %q", name, owner, project, token)
	}
	if _, _, token := ownerOfKeyPair("galley-mine", ""); token != "" {
		t.Error("a stranger's key pair is taken for ours")
	}
	if one, two := NewToken(), NewToken(); len(one) != tokenLength || one == two {
		t.Error(one, two)
	}
	long := &Record{Token: NewToken(), Owner: strings.Repeat("ö", 300)}
	if d := long.describe(); len(d) > 255 || tokenOf(d) != long.Token {
		t.Error(d)
	}
	if n := keyPairName(long); len(n) > 255 {
		t.Error(n)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"token":"x","resources":[{"kind":"server","stage":"asked"}]}`))
	f.Add([]byte(`{"version":1,"resources":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err == nil {
			_, _ = r.ServerID(), r.describe()
		}
	})
}

func FuzzMarks(f *testing.F) {
	f.Add("galley token=abc project=p instance=i", "galley-p-i-"+NewToken(), "p")
	f.Fuzz(func(t *testing.T, description, name, project string) {
		tokenOf(description)
		ownerOfKeyPair(name, project)
	})
}
