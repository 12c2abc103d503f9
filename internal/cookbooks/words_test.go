package cookbooks_test

import (
	"context"
	"testing"
)

func TestPolicyfileWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"Policyfile.rb": `metadata
default_source :chef_repo, chef_config.cookbook_path
default['got'] = [name, run_list, named_run_list(:two), chef_config[:node], chef_config['none'], File.basename(policyfile_filename),
  File.basename(policyfile_lock_expanded_path), relative_paths_root == File.dirname(policyfile_expanded_path)]
run_list 'recipe[own]', ['role[x::y]', 'own@1.0'], 'own::default'
named_run_list :one, 'own'
named_run_list :one, 'x::y', 'x::y'
default['then'] = [name, run_list, named_run_list(:one)]
cookbook 'x', '>= 0.1', { 'path' => 'books/x' }
`})
	w.o.ChefConfig = func(_ context.Context, key string) (any, error) {
		return map[string]any{"cookbook_path": "books", "node": "n1"}[key], nil
	}
	w.add(book(".", "own", "1.0.0"), book("books/x", "x", "0.1.0"), map[string]string{"books/x/recipes/y.yml": "---"})
	if got := w.locks("Policyfile.rb"); got != "own 1.0.0, x 0.1.0" {
		t.Errorf("locked %s", got)
	}
	const lock = "Policyfile.lock.json"
	w.same(`{"got":["own",[],[],"n1",null,"Policyfile.rb","Policyfile.lock.json",true],"then":["own",["own","x::y","own::default"],["x::y"]]}`, lock, "default_attributes")
	w.same(`["recipe[own::default]","recipe[x::y]","recipe[own::default]"]`, lock, "run_list")
	w.same(`{"one":["recipe[x::y]"]}`, lock, "named_run_lists")
	w.same(`{"path":"."}`, lock, "cookbook_locks", "own", "source_options")
	l, err := w.open("Policyfile.rb").PolicyLock()
	w.must(err)
	if names := l.NamedRunLists(); len(names) != 1 || names[0] != "one" {
		t.Errorf("named run lists %q", names)
	}
}

func TestPolicyfileMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.add(book("a", "a", "1.0.0"))
	const head = "name 'x'\nrun_list 'a'\n"
	for lines, want := range map[string]string{
		"run_list 'a'\ncookbook 'a', path: 'a'":                                    "the policy has no name",
		head + "run_list 'a[b]'":                                                   "line 3: the entry a[b] of the run_list has not the form",
		head + "named_run_list":                                                    "line 3: named_run_list needs a name",
		head + "named_run_list :n, 'a::b c'":                                       `of the named_run_list n has the invalid recipe name "b c"`,
		head + "cookbook 'a', path: 'a'\ncookbook 'a', git: 'x'":                   `line 4: cookbook a is given twice: first as {path: "a"} (Policyfile.rb:3), then as {git: "x"}`,
		head + "cookbook 'a', path: true":                                          "cookbook a: the option path must be a text",
		head + "cookbook 'a', 'new'":                                               `cookbook a: "new" is not a version constraint`,
		head + "cookbook":                                                          "wrong number of arguments (given 0, expected 1+)",
		head + "default_source :chef_repo":                                         "default_source :chef_repo needs the URL or path",
		head + "default_source(:supermarket) { |s| s.preferred_for %w(a b) }":      "preferred_for takes names, not a list",
		head + "default_source(:supermarket) { |s| s.prefer 'a' }":                 "prefer",
		head + "cookbook 'a', path: 'b'":                                           "b: is not a cookbook",
		head + "metadata":                                                          "line 3: metadata",
		head + "cookbook 'a', path: 'a'\nnamed_run_list :n, 'a::x'":                "do not have all recipes of the run lists: a::x (a 1.0.0)",
		head + "cookbook 'a', github: 'x/y', revision: '--z'":                      `"--z" cannot be used as a URL or a name in git`,
		head + "chef_config.x = 1":                                                 "x=",
		head + "cookbook 'a', path: 'a'\ndefault_source :delivery_supermarket, ''": "needs the URL",
	} {
		w.write("Policyfile.rb", lines)
		w.fails(w.install("Policyfile.rb"), want)
		w.nothingWritten()
	}
}

func TestBerksfileMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.add(book("a", "a", "1.0.0"))
	for lines, want := range map[string]string{
		"source":                                     "wrong number of arguments (given 0, expected 1)",
		"source 'ftp://x'":                           `"ftp://x" is not a valid source`,
		"source svn: 'https://x.example'":            "the source type svn is not known",
		"source 'https://x.example', ssl: true":      "ssl is to be a hash",
		"source 'https://x.example', ssl: { key: 1}": "ssl: key is not supported",
		"cookbook":                                   "cookbook needs a name",
		"cookbook 'a', 'new'":                        `"new" is not a version constraint`,
		"cookbook 'a', gitlab: 'x/y'":                "gitlab is not supported: write git:",
		"cookbook 'a', github: 'x/y', tag: '--z'":    `"--z" cannot be used as a URL or a name in git`,
		"cookbook 'a', path: 'b'":                    "the cookbook a (source at b)",
		"cookbook 'a', '> 1', path: 'a'":             "a holds a 1.0.0, which does not fit the constraint > 1.0.0",
		"metadata path: 'a'\nmetadata path: 'a'":     "Berksfile:2: the cookbook a is named twice; first in Berksfile:1",
		"raise 'boom'":                               "boom",
	} {
		w.write("Berksfile", lines)
		w.fails(w.install("Berksfile"), want)
		w.nothingWritten()
	}
}
