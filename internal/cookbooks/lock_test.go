package cookbooks_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/cookbooks"
	"github.com/galleyhq/galley/internal/testing/supermarkettest"
)

// chain is the cookbooks app, which needs lib, which needs base.
var chain = []supermarkettest.Cookbook{
	{Name: "app", Version: "1.0.0", Needs: map[string]string{"lib": "~> 1.0"}},
	{Name: "lib", Version: "1.0.0", Needs: map[string]string{"base": ">= 0.0.0"}},
	{Name: "base", Version: "1.0.0"},
	{Name: "tool", Version: "1.0.0", Needs: map[string]string{"base": ">= 0.0.0", "help": ">= 0.0.0"}},
	{Name: "help", Version: "1.0.0"},
}

// grow adds newer versions of the chain.
func (w *world) grow() {
	for _, c := range chain {
		c.Version = "1.1.0"
		w.market.Add(c)
	}
}

const chained = "name 'x'\ndefault_source :supermarket, ENV['SOURCE']\nrun_list 'app', 'tool'\n"

func TestUpdateOfSomeCookbooks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file  string
		o     cookbooks.UpdateOptions
		want  string
		fails string
	}{
		{"Policyfile.rb", cookbooks.UpdateOptions{Cookbooks: []string{"lib"}}, "app 1.0.0, base 1.1.0, help 1.0.0, lib 1.1.0, tool 1.0.0", ""},
		{"Policyfile.rb", cookbooks.UpdateOptions{Cookbooks: []string{"lib", "help"}, OnlyThese: true}, "app 1.0.0, base 1.0.0, help 1.1.0, lib 1.1.0, tool 1.0.0", ""},
		{"Policyfile.rb", all, "app 1.1.0, base 1.1.0, help 1.1.0, lib 1.1.0, tool 1.1.0", ""},
		{"Policyfile.rb", cookbooks.UpdateOptions{Cookbooks: []string{"libs"}}, "", `the lock has no cookbook libs`},
		// Berkshelf forgets what only the cookbook needed, too.
		{"Berksfile", cookbooks.UpdateOptions{Cookbooks: []string{"lib"}}, "app 1.0.0, base 1.0.0, help 1.0.0, lib 1.1.0, tool 1.0.0", ""},
		{"Berksfile", cookbooks.UpdateOptions{Cookbooks: []string{"tool"}}, "app 1.0.0, base 1.0.0, help 1.1.0, lib 1.0.0, tool 1.1.0", ""},
		{"Berksfile", all, "app 1.1.0, base 1.1.0, help 1.1.0, lib 1.1.0, tool 1.1.0", ""},
		{"Berksfile", cookbooks.UpdateOptions{Cookbooks: []string{"libs"}}, "", `Berksfile.lock has no cookbook libs`},
	} {
		w := newWorld(t, map[string]string{"Policyfile.rb": chained, "Berksfile": "source ENV['SOURCE']\ncookbook 'app'\ncookbook 'tool'\n"}, chain...)
		w.locks(c.file)
		w.grow()
		if got := w.locks(c.file); got != "app 1.0.0, base 1.0.0, help 1.0.0, lib 1.0.0, tool 1.0.0" {
			t.Errorf("%s: by the lock: %s", c.file, got)
		}
		s, err := w.open(c.file).Update(t.Context(), c.o)
		if c.fails != "" {
			w.fails(err, c.fails, `did you mean "lib"`)
			continue
		}
		w.must(err)
		if got := versions(s); got != c.want || !s.Changed {
			t.Errorf("%s, %+v: locked %s, changed %v", c.file, c.o, got, s.Changed)
		}
	}
	w := newWorld(t, map[string]string{"Policyfile.rb": chained, "Berksfile": "source ENV['SOURCE']\n"}, chain...)
	w.locks("Policyfile.rb")
	w.update("Policyfile.rb", cookbooks.UpdateOptions{Cookbooks: []string{"none"}, OnlyThese: true})
	if len(w.said) != 1 || w.said[0] != "the lock has no cookbook none" {
		t.Errorf("warned %q", w.said)
	}
	_, err := w.open("Berksfile").Update(t.Context(), all)
	w.fails(err, "Berksfile.lock does not exist", "deps install")
	for _, file := range []string{"none/Policyfile.rb", "none/Berksfile"} {
		_, err = w.open(file).Update(t.Context(), all)
		w.fails(err, file+" does not exist", "go to the folder")
		w.fails(w.install(file), file+" does not exist")
	}
	w.fails(w.install("none/Policyfile.lock.json"), "Policyfile.lock.json does not exist")
}

// A Berksfile that was changed keeps what still fits of its lock.
func TestBerksfileChanges(t *testing.T) {
	t.Parallel()
	const source = "source ENV['SOURCE']\n"
	w := newWorld(t, map[string]string{"Berksfile": source + "cookbook 'app'\ncookbook 'tool'\n"}, chain...)
	w.locks("Berksfile")
	w.grow()
	w.write("Berksfile", source+"cookbook 'app'\n")
	if got := w.locks("Berksfile"); got != "app 1.0.0, base 1.0.0, lib 1.0.0" {
		t.Errorf("without tool: %s", got)
	}
	w.write("Berksfile", source+"cookbook 'app'\ncookbook 'help', '~> 1.0'\n")
	if got := w.locks("Berksfile"); got != "app 1.0.0, base 1.0.0, help 1.1.0, lib 1.0.0" {
		t.Errorf("with help: %s", got)
	}
	w.write("Berksfile", source+"cookbook 'app'\ncookbook 'help', '= 1.0.0'\n")
	w.fails(w.install("Berksfile"), "Berksfile:3 needs help = 1.0.0, and the lock has 1.1.0", "deps update "+w.dir+"/Berksfile help")
	// A cookbook that gets a place, and whose needs change.
	w.add(book("help", "help", "1.1.0", "depends 'extra'"))
	w.market.Add(supermarkettest.Cookbook{Name: "extra", Version: "1.0.0"})
	w.write("Berksfile", source+"cookbook 'app'\ncookbook 'help', path: 'help'\n")
	if got := w.locks("Berksfile"); got != "app 1.0.0, base 1.0.0, help 1.1.0, lib 1.0.0" { // as with Berkshelf: the lock comes first
		t.Errorf("by the lock: %s", got)
	}
	if got := w.update("Berksfile", cookbooks.UpdateOptions{Cookbooks: []string{"help"}}); got != "app 1.0.0, base 1.0.0, extra 1.0.0, help 1.1.0, lib 1.0.0" {
		t.Errorf("with help at a path: %s", got)
	}
	w.add(book("help", "help", "1.2.0"))
	if got := w.locks("Berksfile"); got != "app 1.0.0, base 1.0.0, help 1.2.0, lib 1.0.0" {
		t.Errorf("with help changed: %s", got)
	}
	want := "DEPENDENCIES\n  app\n  help\n    path: help\n\nGRAPH\n  app (1.0.0)\n    lib (~> 1.0)\n  base (1.0.0)\n  help (1.2.0)\n  lib (1.0.0)\n    base (>= 0.0.0)\n"
	if w.read("Berksfile.lock") != want {
		t.Errorf("the lock is\n%s", w.read("Berksfile.lock"))
	}
	// The lock names a version that no source has any more.
	w.must(os.RemoveAll(filepath.Join(w.o.Env.Get("HOME"), ".cache")))
	w.write("Berksfile.lock", strings.ReplaceAll(want, "lib (1.0.0)", "lib (1.0.9)"))
	w.fails(w.install("Berksfile"), "no source has the cookbook lib 1.0.9, which the lock names", "deps update "+w.dir+"/Berksfile lib")
	w.write("Berksfile", "cookbook 'app'\n")
	w.must(os.Remove(filepath.Join(w.dir, "Berksfile.lock")))
	w.fails(w.install("Berksfile"), "it defines no source", "supermarket.chef.io")
}

// The lock of Berkshelf 2 is JSON.
func TestOldBerksfileLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{
		"Berksfile":      "source ENV['SOURCE']\ncookbook 'help'\ncookbook 'base', path: 'base'\n",
		"Berksfile.lock": `{"dependencies":{"help":{"locked_version":"1.0.0"},"base":{"path":"base"}}}`,
	}, chain...)
	w.add(book("base", "base", "2.0.0"))
	w.grow()
	w.fails(w.install("Berksfile"), "the lock cannot be read")
	w.write("Berksfile.lock", `{"dependencies":{"help":{"locked_version":"1.0.0"},"base":{"locked_version":"2.0.0","path":"base"}}}`)
	if got := w.locks("Berksfile"); got != "base 2.0.0, help 1.0.0" {
		t.Errorf("locked %s", got)
	}
	if got := w.read("Berksfile.lock"); !strings.HasPrefix(got, "DEPENDENCIES\n  base\n    path: base\n  help\n") {
		t.Errorf("the lock is\n%s", got)
	}
}

func TestBerksfileGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"Berksfile": `source ENV['SOURCE']
metadata
cookbook 'base', group: :test
group :test, 'ci' do
  cookbook 'help'
end
`}, chain...)
	w.add(book(".", "own", "1.0.0"))
	for _, c := range []struct{ only, except, want string }{
		{"", "", "base 1.0.0, help 1.0.0, own 1.0.0"},
		{"test", "", "base 1.0.0, help 1.0.0"},
		{"ci", "", "help 1.0.0"},
		{"", "ci", "base 1.0.0, own 1.0.0"},
		{"default", "", "own 1.0.0"},
	} {
		w.o.Only, w.o.Except = strings.Fields(c.only), strings.Fields(c.except)
		_ = os.Remove(filepath.Join(w.dir, "Berksfile.lock"))
		if got := w.locks("Berksfile"); got != c.want {
			t.Errorf("only %q, except %q: %s", c.only, c.except, got)
		}
	}
	w.write("Policyfile.rb", policy)
	_, err := cookbooks.Open("Policyfile.rb", w.o)
	w.fails(err, "a Policyfile has no groups")
	w.write("Berksfile", "source ENV['SOURCE']\nmetadata path: 'none'\n")
	w.fails(w.install("Berksfile"), "none")
}

func TestOutdated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{
		"Policyfile.rb": chained + "cookbook 'tool', '= 1.0.0'\n", "Berksfile": "source ENV['SOURCE']\ncookbook 'app'\ncookbook 'tool', '= 1.0.0'\n",
	}, chain...)
	outdated := func(file string) string {
		t.Helper()
		list, err := w.open(file).Outdated(t.Context())
		w.must(err)
		text, err := json.Marshal(list)
		w.must(err)
		return strings.ReplaceAll(string(text), w.market.URL, "URL")
	}
	for _, file := range []string{"Policyfile.rb", "Berksfile"} {
		_, err := w.open(file).Outdated(t.Context())
		w.fails(err, ".lock", "does not exist", "deps install")
		w.locks(file)
		if got := outdated(file); got != "[]" {
			t.Errorf("%s: %s", file, got)
		}
	}
	w.grow()
	w.market.Add(supermarkettest.Cookbook{Name: "lib", Version: "2.0.0"}) // app needs ~> 1.0
	newer := func(names ...string) string {
		var out []string
		for _, n := range names {
			version := "1.1.0"
			if n == "lib2" {
				n, version = "lib", "2.0.0"
			}
			out = append(out, `{"name":"`+n+`","version":"1.0.0","newest":"`+version+`","sources":["supermarket(URL)"]}`)
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	if got := outdated("Policyfile.rb"); got != newer("app", "base", "help", "lib") {
		t.Errorf("Policyfile: %s", got)
	}
	if got := outdated("Berksfile"); got != newer("app", "base", "help", "lib2") { // as Berkshelf, by the Berksfile alone
		t.Errorf("Berksfile: %s", got)
	}
	w.must(os.RemoveAll(filepath.Join(w.o.Env.Get("HOME"), ".cache")))
	_, err := w.open("Berksfile").Outdated(t.Context())
	w.fails(err, "the cookbook app (1.0.0) is not installed", "deps install")
	w.write("Berksfile", "source ENV['SOURCE']\ncookbook 'app'\ncookbook 'tool'\ncookbook 'more'\n")
	_, err = w.open("Berksfile").Outdated(t.Context())
	w.fails(err, "does not fit the Berksfile", "deps install")
}

func TestGraphs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"Policyfile.rb": chained + "named_run_list :one, 'base'\n", "Berksfile": "source ENV['SOURCE']\ncookbook 'app'\ncookbook 'tool'\ncookbook 'lib'\n"}, chain...)
	for file, tree := range map[string]string{
		"Policyfile.rb": `app 1.0.0 (>= 0.0.0)
└── lib 1.0.0 (~> 1.0)
    └── base 1.0.0 (>= 0.0.0)
base 1.0.0 (>= 0.0.0)
tool 1.0.0 (>= 0.0.0)
├── base 1.0.0 (>= 0.0.0)
└── help 1.0.0 (>= 0.0.0)
`,
		"Berksfile": `app 1.0.0 (>= 0.0.0)
└── lib 1.0.0 (~> 1.0)
    └── base 1.0.0 (>= 0.0.0)
lib 1.0.0 (>= 0.0.0) …
tool 1.0.0 (>= 0.0.0)
├── base 1.0.0 (>= 0.0.0)
└── help 1.0.0 (>= 0.0.0)
`,
	} {
		_, err := w.open(file).Graph()
		w.fails(err, "does not exist")
		w.locks(file)
		g, err := w.open(file).Graph()
		w.must(err)
		text := g.Text()
		if file == "Policyfile.rb" { // its lock demands each cookbook in its version
			text = strings.NewReplacer("app 1.0.0 (= 1.0.0)", "app 1.0.0 (>= 0.0.0)", "tool 1.0.0 (= 1.0.0)", "tool 1.0.0 (>= 0.0.0)",
				"\nbase 1.0.0 (= 1.0.0)", "\nbase 1.0.0 (>= 0.0.0)").Replace(text)
		}
		if text != tree {
			t.Errorf("%s:\n%s", file, text)
		}
		nodes, err := json.Marshal(g.Nodes()[2:4])
		w.must(err)
		root := `false`
		if file == "Berksfile" {
			root = `true`
		}
		if want := `[{"name":"help","version":"1.0.0","root":false,"needs":[]},{"name":"lib","version":"1.0.0","root":` + root +
			`,"needs":[{"name":"base","constraint":"\u003e= 0.0.0"}]}]`; string(nodes) != want {
			t.Errorf("%s: %s", file, nodes)
		}
		if dot := g.Dot(); !strings.Contains(dot, `  "app" -> "lib" [label="~> 1.0"];`+"\n") {
			t.Errorf("%s: %s", file, dot)
		}
		ways, err := g.Why("help")
		w.must(err)
		if len(ways) != 1 || len(ways[0]) != 2 || ways[0][1] != "help 1.0.0 (>= 0.0.0)" {
			t.Errorf("%s: why help: %q", file, ways)
		}
		_, err = g.Why("helo")
		w.fails(err, "the lock has no cookbook helo", `did you mean "help"`)
	}
}

// An explanation names only cookbooks of which no version fits.
func TestConflictWithALock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"Berksfile": "source ENV['SOURCE']\ncookbook 'app'\ncookbook 'help'\n"}, chain...)
	w.locks("Berksfile")
	w.grow()
	w.add(book("help", "help", "1.0.0", "depends 'tool'"))
	w.write("Berksfile", "source ENV['SOURCE']\ncookbook 'app'\ncookbook 'help', path: 'help'\n")
	_, err := w.open("Berksfile").Update(t.Context(), cookbooks.UpdateOptions{Cookbooks: []string{"help"}})
	w.fails(err, "a circle: help needs tool needs help", "take the dependency out of one of them")
	if strings.Contains(err.Error(), "lib") {
		t.Errorf("lib has nothing to do with it:\n%v", err)
	}
}
