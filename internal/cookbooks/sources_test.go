package cookbooks_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/testing/chefservertest"
	"github.com/galleyhq/galley/internal/testing/supermarkettest"
)

// A folder of cookbooks is a source of both files; a path in the lock.
func TestFolderSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{
		"Policyfile.rb":        "name 'x'\ndefault_source :chef_repo, 'repo'\nrun_list 'app'\n",
		"Berksfile":            "source chef_repo: 'repo'\ncookbook 'app'\n",
		"repo/cookbooks/x.txt": "", "repo/cookbooks/.hidden/metadata.rb": "name 'hidden'", "repo/cookbooks/empty/README.md": "",
	})
	w.add(book("repo/cookbooks/app", "app", "1.0.0", "depends 'lib', '~> 2.0'"), book("repo/cookbooks/lib-two", "lib", "2.1.0"))
	for _, file := range []string{"Policyfile.rb", "Berksfile"} {
		if got := w.locks(file); got != "app 1.0.0, lib 2.1.0" {
			t.Errorf("%s: locked %s", file, got)
		}
		if got := w.locks(file); got != "app 1.0.0, lib 2.1.0" {
			t.Errorf("%s: by the lock: %s", file, got)
		}
	}
	w.same(`"repo/cookbooks/lib-two"`, "Policyfile.lock.json", "cookbook_locks", "lib", "source")
	if got := w.read("Berksfile.lock"); got != "DEPENDENCIES\n  app\n\nGRAPH\n  app (1.0.0)\n    lib (~> 2.0)\n  lib (2.1.0)\n" {
		t.Errorf("the Berksfile's lock is\n%s", got)
	}
	w.write("repo/cookbooks/bad/metadata.rb", "version '1.0.0'")
	for _, file := range []string{"Policyfile.rb", "Berksfile"} {
		_, err := w.open(file).Update(t.Context(), all)
		w.fails(err, "repo/cookbooks/bad", "the metadata give no name")
	}
	none := newWorld(t, map[string]string{"Policyfile.rb": w.read("Policyfile.rb"), "Berksfile": w.read("Berksfile")})
	for _, file := range []string{"Policyfile.rb", "Berksfile"} {
		none.fails(none.install(file), "repo", "no such file")
	}
}

func TestChefServerSource(t *testing.T) {
	t.Parallel()
	s := chefservertest.Start(t, "acme")
	files := func(name, version string, needs ...string) map[string]string {
		return map[string]string{
			"metadata.json":      fmt.Sprintf(`{"name":%q,"version":%q,"dependencies":{%s}}`, name, version, strings.Join(needs, "")),
			"recipes/default.rb": "log '" + name + "'\n", "files/a/b.txt": "b",
		}
	}
	s.AddCookbook("app", "1.0.0", map[string]string{"lib": ">= 1.0"}, files("app", "1.0.0", `"lib":">= 1.0"`))
	s.AddCookbook("lib", "1.0.0", nil, files("lib", "1.0.0"))
	s.AddCookbook("lib", "0.9.0", nil, files("lib", "0.9.0"))
	w := newWorld(t, map[string]string{
		"Policyfile.rb": "name 'x'\ndefault_source :chef_server, '" + s.URL + "'\nrun_list 'app'\n",
		"Berksfile":     "source :chef_server\ncookbook 'app'\n",
	})
	w.fails(w.install("Policyfile.rb"), s.URL+" is a Chef Server, and no user for it is configured")
	w.signs(s)
	w.o.ChefConfig = func(_ context.Context, key string) (any, error) {
		return map[string]any{"chef_server_url": s.URL, "node_name": "kim"}[key], nil
	}
	w.write(".berkshelf/config.json", `{"chef": {"node_name": "robin"}}`)
	for _, file := range []string{"Policyfile.rb", "Berksfile"} {
		if got := w.locks(file); got != "app 1.0.0, lib 1.0.0" {
			t.Errorf("%s: locked %s", file, got)
		}
		w.o.Offline = true
		_, err := w.open(file).Vendor(t.Context(), "out-"+file, false)
		w.must(err)
		w.o.Offline = false
		if got := w.read("out-" + file + "/lib/files/a/b.txt"); got != "b" {
			t.Errorf("%s: vendored %q", file, got)
		}
	}
	if got := strings.Join(w.said, "\n"); !strings.Contains(got, "chef.node_name of "+w.dir+"/.berkshelf/config.json is not used") {
		t.Errorf("warned %q", got)
	}
	w.same(`{"chef_server":"`+s.URL+`","version":"1.0.0"}`, "Policyfile.lock.json", "cookbook_locks", "lib", "source_options")
	w.same(`"lib-1.0.0"`, "Policyfile.lock.json", "cookbook_locks", "lib", "cache_key")
	w.o.Offline = true
	_, err := w.open("Policyfile.rb").Update(t.Context(), all)
	w.fails(err, "the network may not be used")
	w.o.Offline = false
	for name, bad := range map[string]map[string]string{
		"outside of the cookbook": {"recipes/../../evil": "x"},
		"is not a cookbook":       {"README.md": "x"},
	} {
		s.AddCookbook("bad", "1.0.0", nil, bad)
		w.write("Policyfile.rb", "name 'x'\ndefault_source :chef_server, '"+s.URL+"'\nrun_list 'bad'\n")
		_, err := w.open("Policyfile.rb").Update(t.Context(), all)
		w.fails(err, name, "bad")
	}
	changed := files("changed", "1.0.0")
	s.AddCookbook("changed", "1.0.0", nil, changed)
	w.write("Policyfile.rb", "name 'x'\ndefault_source :chef_server, '"+s.URL+"'\nrun_list 'changed'\n")
	s.Corrupt(changed["metadata.json"], "{}")
	_, err = w.open("Policyfile.rb").Update(t.Context(), all)
	w.fails(err, "metadata.json of changed", "its check sum is")
	s.Refuse("GET", "universe", http.StatusForbidden)
	_, err = w.open("Policyfile.rb").Update(t.Context(), all)
	w.fails(err, "the list of cookbooks of "+s.URL, "refused, as the test asks")
	_, err = w.open("Berksfile").Update(t.Context(), all)
	w.fails(err, "refused, as the test asks")
}

func TestArtifactory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, apache...)
	var keys []string
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Authorization")+r.Header.Get("X-Jfrog-Art-Api"))
		if keys[len(keys)-1] == "" {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.URL.Path == "/universe" {
			_, _ = rw.Write([]byte(strings.ReplaceAll(string(w.market.Universe()), w.market.URL, "http://"+r.Host)))
			return
		}
		w.market.ServeHTTP(rw, r)
	}))
	defer web.Close()
	w.write("Policyfile.rb", "name 'x'\ndefault_source :artifactory, '"+web.URL+"'\nrun_list 'openssl'\ncookbook 'openssl', '< 2'\n")
	w.write("Berksfile", "source artifactory: '"+web.URL+"'\ncookbook 'openssl', '< 2'\n")
	w.fails(w.install("Policyfile.rb"), "it answered 401", "ARTIFACTORY_API_KEY")
	knife := func(_ context.Context, key string) (any, error) {
		return map[string]any{"artifactory_identity_token": "token"}[key], nil
	}
	for _, c := range []struct {
		variable, config, sent string
		knife                  func(context.Context, string) (any, error)
	}{
		{"ARTIFACTORY_API_KEY", "", "open", nil},
		{"ARTIFACTORY_IDENTITY_TOKEN", "", "Bearer open", nil},
		{"ARTIFACTORY_IDENTITY_TOKEN", "", "Bearer token", knife},
		{"OTHER", `{"chef": {"artifactory_api_key": "own"}}`, "own", nil},
	} {
		v := newWorld(t, map[string]string{"Policyfile.rb": w.read("Policyfile.rb"), "Berksfile": w.read("Berksfile")})
		v.o.Env.Set(c.variable, "open")
		v.o.ChefConfig = c.knife
		files := []string{"Policyfile.rb", "Berksfile"}
		if c.config != "" {
			v.write(".berkshelf/config.json", c.config)
			files = files[1:]
		}
		for _, file := range files {
			keys = nil
			if got := v.locks(file); got != "openssl 1.4.0" || keys[0] != c.sent {
				t.Errorf("%s with %s: locked %s, sent %q", file, c.variable, got, keys)
			}
		}
		if c.config == "" {
			v.same(`{"artifactory":"`+web.URL+`/download/openssl/1.4.0","version":"1.4.0"}`, "Policyfile.lock.json", "cookbook_locks", "openssl", "source_options")
		}
	}
}

// A delivery Supermarket has only the newest version of each cookbook.
func TestDeliverySupermarket(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"Policyfile.rb": "name 'x'\ndefault_source :delivery_supermarket, ENV['SOURCE']\nrun_list 'openssl'\n"}, apache...)
	if got := w.locks("Policyfile.rb"); got != "openssl 2.0.0" {
		t.Errorf("locked %s", got)
	}
	w.write("Policyfile.rb", w.read("Policyfile.rb")+"cookbook 'openssl', '< 2'\n")
	_, err := w.open("Policyfile.rb").Update(t.Context(), all)
	w.fails(err, "no version of openssl fits", "there are openssl 2.0.0")
}

func TestSeveralSources(t *testing.T) {
	t.Parallel()
	other := supermarkettest.Start(supermarkettest.Cookbook{Name: "openssl", Version: "1.9.0"})
	defer other.Close()
	sources := "name 'x'\ndefault_source :supermarket, ENV['SOURCE']\ndefault_source :supermarket, '" + other.URL + "'"
	w := newWorld(t, map[string]string{
		"Policyfile.rb": sources + "\nrun_list 'apache'\n",
		"Berksfile":     "source ENV['SOURCE']\nsource '" + other.URL + "'\ncookbook 'apache'\n",
	}, apache...)
	w.fails(w.install("Policyfile.rb"), "several sources have the cookbook openssl", other.URL, "preferred_for")
	w.write("Policyfile.rb", sources+" do |s|\n  s.preferred_for 'openssl', 'x'\nend\nrun_list 'apache'\n")
	if got := w.locks("Policyfile.rb"); got != "apache 1.2.0, openssl 1.9.0" {
		t.Errorf("locked %s", got)
	}
	if got := w.locks("Berksfile"); got != "apache 1.2.0, openssl 1.9.0" {
		t.Errorf("Berksfile: locked %s", got)
	}
	w.write("twice/Policyfile.rb", "default_source(:supermarket, 'http://a.example') { |s| s.preferred_for 'x' }\n"+
		"default_source(:supermarket, 'http://b.example') { |s| s.preferred_for 'x' }\nrun_list 'x'\n")
	w.fails(w.install("twice/Policyfile.rb"), "a.example", "b.example", "are both preferred for x")
	// Berkshelf leaves out a source that does not answer; chef-cli fails.
	other.Close()
	if got := w.update("Berksfile", all); got != "apache 1.2.0, openssl 1.4.0" {
		t.Errorf("Berksfile without the second source: %s", got)
	}
	if got := strings.Join(w.said, "\n"); !strings.Contains(got, "the source supermarket("+other.URL+") is left out") {
		t.Errorf("warned %q", got)
	}
	_, err := w.open("Policyfile.rb").Update(t.Context(), all)
	w.fails(err, "refused")
}

// Lists may have relative places, and places that are not supported.
func TestPlacesOfLists(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ entry, berks, policy string }{
		"relative": {`"location_type":"supermarket","location_path":"/api/v1","download_url":"/download/openssl/1.4.0"`, "", "which is not absolute"},
		"by location": {
			`"location_type":"uri","location_path":"/download/openssl/1.4.0","download_url":"http://127.0.0.1:1/x"`, "", "refused",
		},
		"without a download URL": {`"location_type":"opscode","location_path":"/odd"`, "it answered 404", "which is not absolute"},
		"on GitHub":              {`"location_type":"github","location_path":"https://github.example/x"`, "where Galley does not download", "which is not absolute"},
		"of another kind":        {`"location_type":"tape","location_path":"x"`, `a place of the kind "tape"`, "which is not absolute"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil, apache...)
			web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/universe" {
					fmt.Fprintf(rw, `{"openssl":{"1.4.0":{%s,"dependencies":{}}}}`, c.entry)
					return
				}
				w.market.ServeHTTP(rw, r)
			}))
			defer web.Close()
			w.write("Berksfile", "source '"+web.URL+"'\ncookbook 'openssl'\n")
			w.write("Policyfile.rb", "name 'x'\ndefault_source :supermarket, '"+web.URL+"'\nrun_list 'openssl'\n")
			w.fails(w.install("Policyfile.rb"), c.policy, "openssl")
			if c.berks != "" {
				w.fails(w.install("Berksfile"), c.berks, "openssl")
			} else if got := w.locks("Berksfile"); got != "openssl 1.4.0" {
				t.Errorf("locked %s", got)
			}
		})
	}
}
