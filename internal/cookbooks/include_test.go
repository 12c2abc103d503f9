package cookbooks_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/cookbooks"
	"github.com/galleyhq/galley/internal/testing/chefservertest"
	"github.com/galleyhq/galley/internal/testing/supermarkettest"
)

// including is a project below base with the policy base, locked, whose
// cookbook apache needs openssl 1.4.0, and base's own cookbook own.
func including(t *testing.T, project string) *world {
	w := newWorld(t, map[string]string{
		"base/base.rb": "name 'base'\ndefault_source :supermarket, ENV['SOURCE']\nrun_list 'apache', 'own'\n" +
			"named_run_list :repair, 'own'\ncookbook 'own', path: 'own'\ndefault['port'] = 80\noverride['a']['b'] = ['x']\n",
		"Policyfile.rb": project,
	}, apache...)
	w.add(book("base/own", "own", "0.1.0"), book("app", "app", "3.0.0", "depends 'openssl'"))
	w.locks("base/base.rb")
	// Newer versions do not matter to who includes the policy.
	w.market.Add(supermarkettest.Cookbook{Name: "apache", Version: "1.3.0"})
	return w
}

const includer = "name 'web'\ndefault_source :supermarket, ENV['SOURCE']\nrun_list 'app'\nnamed_run_list :repair, 'app'\ncookbook 'app', path: 'app'\n" +
	"default['name'] = 'web'\noverride['a']['b'] = ['x']\n"

func (w *world) revision(lock string) string { return strings.Trim(w.at(lock, "revision_id"), `"`) }

func TestIncludedPolicyOfAPath(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"base", "./base/base.lock.json"} {
		w := including(t, includer+"include_policy 'base', path: '"+at+"'\n")
		if got := w.locks("Policyfile.rb"); got != "apache 1.2.0, app 3.0.0, openssl 1.4.0, own 0.1.0" {
			t.Errorf("%s: locked %s", at, got)
		}
		const lock = "Policyfile.lock.json"
		w.same(`["recipe[apache::default]","recipe[own::default]","recipe[app::default]"]`, lock, "run_list")
		w.same(`{"repair":["recipe[own::default]","recipe[app::default]"]}`, lock, "named_run_lists")
		w.same(`{"name":"web","port":80}`, lock, "default_attributes")
		w.same(`{"a":{"b":["x"]}}`, lock, "override_attributes")
		w.same(`"base/own"`, lock, "cookbook_locks", "own", "source")
		w.same(`[{"name":"base","revision_id":"`+w.revision("base/base.lock.json")+`","source_options":{"path":"`+at+`"}}]`, lock, "included_policy_locks")
		// The lock itself is read again.
		w.same(w.at(lock), lock)
		if got := w.locks("Policyfile.lock.json"); !strings.Contains(got, "apache 1.2.0") {
			t.Errorf("by the lock: %s", got)
		}
		// What the included policy locks cannot be updated here.
		if got := w.update("Policyfile.rb", cookbooks.UpdateOptions{Cookbooks: []string{"apache"}}); !strings.Contains(got, "apache 1.2.0") {
			t.Errorf("after an update: %s", got)
		}
	}
}

func TestIncludedPolicyOfAURL(t *testing.T) {
	t.Parallel()
	w := including(t, "")
	w.write("base/base.rb", policy)
	w.update("base/base.rb", all)
	web := httptest.NewServer(http.FileServer(http.Dir(w.dir)))
	defer web.Close()
	at := web.URL + "/base/base.lock.json"
	revision := w.revision("base/base.lock.json")
	w.write("Policyfile.rb", includer+"include_policy 'base', remote: '"+at+"', policy_revision_id: '"+revision[:10]+"'\n")
	if got := w.locks("Policyfile.rb"); got != "apache 1.3.0, app 3.0.0, openssl 2.0.0" {
		t.Errorf("locked %s", got)
	}
	w.same(`[{"name":"base","revision_id":"`+revision+`","source_options":{"policy_revision_id":"`+revision[:10]+`","remote":"`+at+`"}}]`,
		"Policyfile.lock.json", "included_policy_locks")
}

// Cookbooks of a path come from the repository that has the policy.
func TestIncludedPolicyOfARepository(t *testing.T) {
	t.Parallel()
	w := including(t, "")
	r := newRepository(t)
	w.must(os.CopyFS(filepath.Join(r.dir, "base"), os.DirFS(filepath.Join(w.dir, "base"))))
	w.must(os.CopyFS(r.dir, os.DirFS(filepath.Join(w.dir, "base"))))
	w.must(os.Rename(filepath.Join(r.dir, "base.lock.json"), filepath.Join(r.dir, "Policyfile.lock.json")))
	revision := r.commit()
	r.git("branch", "master")
	for options, want := range map[string]string{
		"": `{"git":"` + r.url() + `","rel":"own","revision":"` + revision + `"}`,
		", path: 'base/base.lock.json', branch: 'main'": `{"branch":"main","git":"` + r.url() + `","rel":"own","revision":"` + revision + `"}`,
	} {
		w.write("Policyfile.rb", includer+"include_policy 'base', git: '"+r.url()+"'"+options+"\n")
		if got := w.update("Policyfile.rb", all); got != "apache 1.2.0, app 3.0.0, openssl 1.4.0, own 0.1.0" {
			t.Errorf("%q: locked %s", options, got)
		}
		w.same(want, "Policyfile.lock.json", "cookbook_locks", "own", "source_options")
		if got := w.at("Policyfile.lock.json", "included_policy_locks"); !strings.Contains(got, `"revision":"`+revision+`"`) {
			t.Errorf("%q: the lock has %s", options, got)
		}
	}
}

// A policy of a Chef Server brings its cookbooks from there, checked.
func TestIncludedPolicyOfAServer(t *testing.T) {
	t.Parallel()
	s := chefservertest.Start(t, "acme")
	w := including(t, "")
	w.signs(s)
	_, err := w.open("base/base.rb").Push(t.Context(), server(t, s), "prod")
	w.must(err)
	w.market.Close()
	w.must(os.RemoveAll(filepath.Join(w.o.Env.Get("HOME"), ".cache")))
	revision := w.revision("base/base.lock.json")
	for _, options := range []string{"policy_group: 'prod'", "policy_revision_id: '" + revision + "'"} {
		w.write("Policyfile.rb", "name 'web'\nrun_list 'own'\ninclude_policy 'base', server: '"+s.URL+"', "+options+"\n")
		if got := w.update("Policyfile.rb", all); got != "apache 1.2.0, openssl 1.4.0, own 0.1.0" {
			t.Errorf("%s: locked %s", options, got)
		}
		identifier := w.at("base/base.lock.json", "cookbook_locks", "apache", "identifier")
		w.same(`{"chef_server_artifact":"`+s.URL+`","identifier":`+identifier+`}`, "Policyfile.lock.json", "cookbook_locks", "apache", "source_options")
		w.same(`"apache-`+identifier[1:], "Policyfile.lock.json", "cookbook_locks", "apache", "cache_key")
		if got := w.at("Policyfile.lock.json", "included_policy_locks"); !strings.Contains(got, `"policy_revision_id":"`+revision+`"`) {
			t.Errorf("%s: the lock has %s", options, got)
		}
	}
	w.o.Server = nil
	_, err = w.open("Policyfile.rb").Vendor(t.Context(), "out", false) // from the cache
	w.must(err)
	if got := w.read("out/apache/recipes/default.rb"); got != "log 'apache 1.2.0'\n" {
		t.Errorf("vendored %q", got)
	}
	w.fails(func() error {
		_, err := w.open("Policyfile.rb").Update(t.Context(), all)
		return err
	}(), s.URL+" is a Chef Server, and no user for it is configured")
}

func TestIncludeFailures(t *testing.T) {
	t.Parallel()
	s := chefservertest.Start(t, "acme")
	base := including(t, "") // one for all: its locks are only read
	base.signs(s)
	lock := base.read("base/base.lock.json")
	base.add(map[string]string{
		"other.lock.json":  strings.NewReplacer(`"1.4.0"`, `"2.0.0"`, `openssl (1.4.0)`, `openssl (2.0.0)`).Replace(lock),
		"moved.lock.json":  strings.Replace(lock, `"path": "own"`, `"path": "elsewhere"`, 1),
		"list.lock.json":   "[]",
		"nolock.lock.json": `{"name":"x","revision_id":"1"}`,
		"bare.lock.json":   strings.Replace(lock, `"source_options"`, `"options"`, 1),
	})
	web := httptest.NewServer(http.FileServer(http.Dir(base.dir)))
	defer web.Close()
	for name, c := range map[string]struct {
		lines string
		want  []string
	}{
		"without a place":      {"include_policy 'base'", []string{"line 9: include_policy base must say where the lock is: one of path, git, server and remote"}},
		"without a name":       {"include_policy", []string{"wrong number of arguments (given 0, expected 1..2)"}},
		"twice":                {"include_policy 'base', path: 'base'\ninclude_policy 'base', path: '.'", []string{"line 10: the policy base is included twice", "Policyfile.rb:9"}},
		"server alone":         {"include_policy 'base', server: '" + s.URL + "'", []string{"must give a policy_revision_id or a policy_group"}},
		"no such file":         {"include_policy 'x', path: 'base'", []string{"the included policy x (Policyfile.rb:9)", "base/x.lock.json does not exist"}},
		"another revision":     {"include_policy 'base', path: 'base', policy_revision_id: 'abc'", []string{"its revision is " + base.revision("base/base.lock.json") + ", and abc was asked for"}},
		"not an object":        {"include_policy 'list', path: '.'", []string{"not JSON: line 1, column 1: an object is expected"}},
		"not a lock":           {"include_policy 'nolock', path: '.'", []string{"the lock has no cookbook_locks"}},
		"without options":      {"include_policy 'bare', path: '.'", []string{"has no source_options"}},
		"a path of elsewhere":  {"include_policy 'base', remote: '" + web.URL + "/base/base.lock.json'", []string{"its cookbook own is from the path own, which is on another machine"}},
		"no such URL":          {"include_policy 'base', remote: '" + web.URL + "/x.json'", []string{"fetching the lock of the policy base from " + web.URL + "/x.json: it answered 404"}},
		"no such policy":       {"include_policy 'base', server: '" + s.URL + "', policy_group: 'dev'", []string{s.URL + " has no policy base in the policy group dev"}},
		"no such revision":     {"include_policy 'base', server: '" + s.URL + "', policy_revision_id: 'abc'", []string{"has no policy base with the revision abc"}},
		"different versions":   {"include_policy 'base', path: 'base'\ninclude_policy 'other', path: '.'", []string{"lock different versions of the cookbook openssl: 1.4.0 and 2.0.0"}},
		"different places":     {"include_policy 'base', path: 'base'\ninclude_policy 'moved', path: '.'", []string{"take the cookbook own from different places", `path: "elsewhere"`}},
		"another attribute":    {"include_policy 'base', path: 'base'\ndefault['port'] = 8080", []string{`the attribute default["port"] has different values: by this Policyfile and by the policy base`}},
		"a hash and a value":   {"include_policy 'base', path: 'base'\ndefault['port']['http'] = 80", []string{`the attribute default["port"] has different values`}},
		"a constraint too far": {"include_policy 'base', path: 'base'\ncookbook 'apache', '~> 1.3'", []string{"no version of apache fits", "the included policy base needs apache = 1.2.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := *base // one after the other: they share the project's folder
			w.t = t
			w.write("Policyfile.rb", includer+"\n"+c.lines+"\n")
			w.fails(w.install("Policyfile.rb"), c.want...)
			w.nothingWritten()
		})
	}
}
