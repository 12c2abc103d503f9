package cookbooks_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/cookbooks"
	"github.com/galleyhq/galley/internal/cookbooks/web"
)

// history is a repository of the cookbook app: 1.0.0 with the tag v1, 2.0.0 on
// main and master, 1.1.0 on the branch old, and the cookbook sub in a folder.
func history(t *testing.T) (r *repository, v1, v2, old string) {
	r = newRepository(t, book(".", "app", "1.0.0"))
	v1 = r.git("rev-parse", "HEAD")
	r.git("tag", "v1")
	r.git("checkout", "-q", "-b", "old")
	old = r.commit(book(".", "app", "1.1.0"))
	r.git("checkout", "-q", "main")
	v2 = r.commit(book(".", "app", "2.0.0"), book("books/sub", "sub", "0.3.0"))
	r.git("branch", "master")
	return r, v1, v2, old
}

func TestGitSources(t *testing.T) {
	t.Parallel()
	r, v1, v2, old := history(t)
	for _, c := range []struct {
		name, options, book, revision, locked string
	}{
		{"default branch", "", "app 2.0.0", v2, ""},
		{"branch", "branch: 'old'", "app 1.1.0", old, "branch: old"},
		{"tag", "tag: 'v1'", "app 1.0.0", v1, "tag: v1"},
		{"ref", "ref: '" + v1 + "'", "app 1.0.0", v1, "ref: " + v1[:7]},
		{"revision", "revision: '" + old + "'", "app 1.1.0", old, ""},
		{"folder", "rel: 'books/sub'", "sub 0.3.0", v2, "rel: books/sub"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			name, version, _ := strings.Cut(c.book, " ")
			line := strings.TrimRight("cookbook '"+name+"', git: '"+r.url()+"', "+c.options, ", ") + "\n"
			w := newWorld(t, map[string]string{"Policyfile.rb": "name 'x'\nrun_list '" + name + "'\n" + line, "Berksfile": line})
			for _, file := range []string{"Policyfile.rb", "Berksfile"} {
				if got := w.locks(file); got != c.book {
					t.Errorf("%s: locked %s", file, got)
				}
			}
			option, value, _ := strings.Cut(c.locked, ": ")
			want := `"git":"` + r.url() + `","revision":"` + c.revision + `"`
			switch option {
			case "":
			case "branch":
				want = `"branch":"` + value + `",` + want
			case "ref", "rel":
				want = strings.Replace(want, `"revision"`, `"`+option+`":"`+value+`","revision"`, 1)
			default:
				want += `,"` + option + `":"` + value + `"`
			}
			w.same("{"+want+"}", "Policyfile.lock.json", "cookbook_locks", name, "source_options")
			w.same(`"`+name+"-"+c.revision+`"`, "Policyfile.lock.json", "cookbook_locks", name, "cache_key")
			text := "DEPENDENCIES\n  " + name + "\n    git: " + r.url() + "\n    revision: " + c.revision + "\n"
			if c.locked != "" {
				text += "    " + c.locked + "\n"
			}
			if text += "\nGRAPH\n  " + name + " (" + version + ")\n"; w.read("Berksfile.lock") != text {
				t.Errorf("the Berksfile's lock is\n%s, want\n%s", w.read("Berksfile.lock"), text)
			}
			// The locks and the cache are enough.
			w.o.Offline = true
			for _, file := range []string{"Policyfile.rb", "Berksfile"} {
				_, err := w.open(file).Vendor(t.Context(), "out", false)
				w.must(err)
				if got := w.read("out/" + name + "/recipes/default.rb"); got != "log '"+c.book+"'\n" {
					t.Errorf("%s: vendored %q", file, got)
				}
				w.must(os.RemoveAll(filepath.Join(w.dir, "out")))
			}
		})
	}
}

// A lock whose cookbook another machine has fetched is installed from the
// repository, at its revision; an update follows the branch.
func TestGitOnAnotherMachine(t *testing.T) {
	t.Parallel()
	r, _, _, _ := history(t)
	line := "cookbook 'app', git: '" + r.url() + "', branch: 'main'\n"
	w := newWorld(t, map[string]string{"Policyfile.rb": "name 'x'\nrun_list 'app'\n" + line, "Berksfile": line})
	for _, file := range []string{"Policyfile.rb", "Berksfile"} {
		w.locks(file)
	}
	w.must(os.RemoveAll(filepath.Join(w.o.Env.Get("HOME"), ".cache")))
	r.commit(book(".", "app", "2.1.0"))
	for _, file := range []string{"Policyfile.rb", "Berksfile"} {
		if got := w.locks(file); got != "app 2.0.0" {
			t.Errorf("%s: by the lock: %s", file, got)
		}
		if got := w.update(file, cookbooks.UpdateOptions{Cookbooks: []string{"app"}}); got != "app 2.1.0" {
			t.Errorf("%s: by the update: %s", file, got)
		}
	}
}

func TestGitFailures(t *testing.T) {
	t.Parallel()
	r, _, _, _ := history(t)
	at := "git: '" + r.url() + "'"
	for name, c := range map[string]struct {
		line string
		want []string
		set  func(w *world)
	}{
		"no such branch":     {"cookbook 'app', " + at + ", branch: 'new'", []string{"looking for new in " + r.url()}, nil},
		"no such repository": {"cookbook 'app', git: '" + r.url() + "x', branch: 'main'", []string{"fetching " + r.url() + "x"}, nil},
		"no such folder":     {"cookbook 'app', " + at + ", rel: 'books/app'", []string{"checking out", "folder books/app"}, nil},
		"another cookbook":   {"cookbook 'web', " + at, []string{`is to be the cookbook web, but its metadata name it "app"`, "write the name"}, nil},
		"another version":    {"cookbook 'app', '< 2', " + at, []string{"holds app 2.0.0, which does not fit the constraint < 2.0.0"}, nil},
		"without git": {
			"cookbook 'app', " + at,
			[]string{"executable file not found", "install git"},
			func(w *world) { w.o.Env.Set("PATH", "") },
		},
		"offline": {"cookbook 'app', " + at, []string{web.ErrOffline.Error()}, func(w *world) { w.o.Offline = true }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, file := range []string{"Policyfile.rb", "Berksfile"} {
				w := newWorld(t, map[string]string{"Policyfile.rb": "name 'x'\nrun_list 'app'\n" + c.line, "Berksfile": c.line})
				if c.set != nil {
					c.set(w)
				}
				w.fails(w.install(file), c.want...)
				w.nothingLeft()
			}
		})
	}
}

// The lock says in what state the work tree of a local cookbook is.
func TestGitWorkTree(t *testing.T) {
	t.Parallel()
	origin := newRepository(t)
	origin.git("config", "receive.denyCurrentBranch", "ignore")
	r := newRepository(t)
	w := newWorld(t, nil)
	w.dir, w.o.Dir = r.dir, r.dir
	w.add(book("books/app", "app", "1.0.0"))
	w.write("Policyfile.rb", "name 'x'\nrun_list 'app'\ncookbook 'app', path: 'books/app'\n")
	w.write(".git/info/exclude", "Policyfile.lock.json\n")
	check := func(state, want string) {
		t.Helper()
		w.update("Policyfile.rb", all)
		if got := w.at("Policyfile.lock.json", "cookbook_locks", "app", "scm_info"); got != want {
			t.Errorf("%s:\n%s, want\n%s", state, got, want)
		}
	}
	info := func(clean, published bool, remote, revision, branches string) string {
		return fmt.Sprintf(`{"published":%v,"remote":%s,"revision":%s,"scm":"git","synchronized_remote_branches":%s,"working_tree_clean":%v}`,
			published, remote, revision, branches, clean)
	}
	quoted := func(s string) string { return `"` + s + `"` }
	check("before the first commit", info(true, false, "null", "null", "[]"))
	revision := quoted(r.commit())
	check("without a remote", info(true, false, "null", revision, "[]"))
	r.git("remote", "add", "origin", origin.url())
	r.git("push", "-q", "-u", "origin", "main")
	check("pushed", info(true, true, quoted(origin.url()), revision, `["origin/main"]`))
	w.write("books/app/recipes/default.rb", "log 'changed'\n")
	check("changed", info(false, true, quoted(origin.url()), revision, `["origin/main"]`))
	w.must(os.RemoveAll(filepath.Join(r.dir, ".git")))
	check("not in a repository", "null")
}
