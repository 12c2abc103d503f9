package cookbooks_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/cookbooks"
	"github.com/galleyhq/galley/internal/testing/chefservertest"
	"github.com/galleyhq/galley/kitchen"
)

// book are the files of a cookbook in a folder.
func book(dir, name, version string, more ...string) map[string]string {
	return map[string]string{
		dir + "/metadata.rb":        "name '" + name + "'\nversion '" + version + "'\n" + strings.Join(more, "\n"),
		dir + "/recipes/default.rb": "log '" + name + " " + version + "'\n",
	}
}

// add writes files into the project's folder.
func (w *world) add(trees ...map[string]string) {
	w.t.Helper()
	for _, tree := range trees {
		for name, text := range tree {
			w.write(name, text)
		}
	}
}

// fails sees that an error has all of the texts, in itself or in its hint.
func (w *world) fails(err error, want ...string) {
	w.t.Helper()
	if err == nil {
		w.t.Fatalf("no error; %q was to come", want)
	}
	for _, s := range want {
		if !strings.Contains(err.Error()+"\n"+kitchen.Hint(err), s) {
			w.t.Errorf("no %q in\n%v\n%s", s, err, kitchen.Hint(err))
		}
	}
}

// must ends the test with an error.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v\n%s", err, kitchen.Hint(err))
	}
}

// all updates everything.
var all cookbooks.UpdateOptions

// update is `deps update FILE NAME…`, of which it returns the lock's cookbooks
// as "NAME VERSION", sorted.
func (w *world) update(file string, o cookbooks.UpdateOptions) string {
	w.t.Helper()
	s, err := w.open(file).Update(w.t.Context(), o)
	w.must(err)
	return versions(s)
}

// locks is `deps install FILE`, with the same result.
func (w *world) locks(file string) string {
	w.t.Helper()
	s, err := w.open(file).Install(w.t.Context())
	w.must(err)
	return versions(s)
}

func versions(s *cookbooks.Summary) string {
	out := make([]string, len(s.Cookbooks))
	for i, c := range s.Cookbooks {
		out[i] = c.Name + " " + c.Version
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// at returns a part of a JSON file as compact JSON with sorted keys.
func (w *world) at(file string, keys ...string) string {
	w.t.Helper()
	var v any
	w.must(json.Unmarshal([]byte(w.read(file)), &v))
	for _, k := range keys {
		o, _ := v.(map[string]any)
		v = o[k]
	}
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	w.must(e.Encode(v))
	return strings.TrimSpace(out.String())
}

// same compares a part of a JSON file.
func (w *world) same(want, file string, keys ...string) {
	w.t.Helper()
	if got := w.at(file, keys...); got != want {
		w.t.Errorf("%s has at %q\n%s, want\n%s", file, keys, got, want)
	}
}

// signs lets the project sign requests to a Chef Server.
func (w *world) signs(s *chefservertest.Server) {
	signer := server(w.t, s)
	w.o.Server = func(context.Context, string) (cookbooks.Server, error) { return signer, nil }
}

// repository is a git repository with a work tree, on the branch main.
type repository struct {
	t   *testing.T
	dir string
}

// newRepository makes a repository with a first commit.
func newRepository(t *testing.T, files ...map[string]string) *repository {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	r := &repository{t, t.TempDir()}
	r.git("init", "-q", "-b", "main")
	if len(files) > 0 {
		r.commit(files...)
	}
	return r
}

func (r *repository) url() string { return "file://" + filepath.ToSlash(r.dir) }

// git runs git and returns its output.
func (r *repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=kim", "GIT_AUTHOR_EMAIL=kim@example.org",
		"GIT_COMMITTER_NAME=kim", "GIT_COMMITTER_EMAIL=kim@example.org")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit commits files, which it writes, and returns the revision.
func (r *repository) commit(trees ...map[string]string) string {
	r.t.Helper()
	(&world{t: r.t, dir: r.dir}).add(trees...)
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "more")
	return r.git("rev-parse", "HEAD")
}
