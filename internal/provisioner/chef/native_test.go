//go:build unix

package chef_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/provisioner/chef"
	"github.com/galleyhq/galley/internal/testing/supermarkettest"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

// supermarket runs one with apache, which needs openssl below 2.
func supermarket(t *testing.T) *supermarkettest.Server {
	t.Helper()
	s := supermarkettest.Start(
		supermarkettest.Cookbook{Name: "apache", Version: "1.2.0", Needs: map[string]string{"openssl": "~> 1.0"}},
		supermarkettest.Cookbook{Name: "openssl", Version: "1.4.0"},
		supermarkettest.Cookbook{Name: "openssl", Version: "2.0.0"},
	)
	t.Cleanup(s.Close)
	return s
}

func withSource(s *supermarkettest.Server, o base.Options) base.Options {
	o.Environ = append(o.Environ, "SOURCE="+s.URL, "XDG_CACHE_HOME="+filepath.Join(o.Root, "cache"))
	return o
}

func TestNativePolicyfile(t *testing.T) {
	m, s := machine(t), supermarket(t)
	o := withSource(s, project(t, map[string]string{"Policyfile.rb": "name 'web'\ndefault_source :supermarket, ENV['SOURCE']\nrun_list 'apache'\nnamed_run_list :up, 'openssl'\n"}))
	resolver := chef.NewResolver()
	defer resolver.Close()
	for range 2 { // two instances of a run
		p, err := chef.New(config.NewSection(map[string]any{"root_path": m.Path("kitchen"), "chef_omnibus_root": m.Path("opt", "cinc"), "policy_group": "prod"}).WithRoot(o.Root), chef.Options{Options: o, Resolver: resolver})
		if err != nil {
			t.Fatal(err)
		}
		step, rec := kitchentest.NewStep(kitchen.Converge, m)
		if err := p.Converge(t.Context(), step, m.Conn()); err != nil {
			t.Fatalf("%v\n%s", err, rec.Text())
		}
	}
	if asked := s.Asked(); !slices.Equal(sorted(asked), []string{"/download/apache/1.2.0", "/download/openssl/1.4.0", "/universe"}) {
		t.Errorf("asked for %q", asked)
	}
	if got, want := m.Read("seen-dna"), `{"policy_group":"prod","policy_name":"web"}`; got != want {
		t.Errorf("dna.json %s", got)
	}
	for _, dir := range []string{"cookbook_artifacts", "policies", "policy_groups"} {
		if entries, err := os.ReadDir(m.Path("kitchen", dir)); err != nil || len(entries) == 0 {
			t.Errorf("%s: %v, %d entries", dir, err, len(entries))
		}
	}
	_, err := converge(t, m, o, map[string]any{"named_run_list": "upp", "run_list": nil})
	var ne *chef.NamedListError
	if !errors.As(err, &ne) || !strings.Contains(kitchen.Hint(err), "up") {
		t.Errorf("a named run list that is not there: %v", err)
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func TestNativeBerksfile(t *testing.T) {
	m, s := machine(t), supermarket(t)
	o := withSource(s, project(t, map[string]string{"Berksfile": "source ENV['SOURCE']\ncookbook 'apache'\n"}))
	if text, err := converge(t, m, o, map[string]any{"run_list": []any{"apache"}}); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := sent(t, m); !slices.Equal(got, []string{"apache", "openssl"}) {
		t.Errorf("sent %q", got)
	}
	// A newer version comes only where the cookbooks are updated.
	s.Add(supermarkettest.Cookbook{Name: "apache", Version: "1.3.0"})
	lock := filepath.Join(o.Root, "Berksfile.lock")
	for _, update := range []bool{false, true} {
		if text, err := converge(t, m, o, map[string]any{"run_list": []any{"apache"}, "always_update_cookbooks": update}); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		text, _ := os.ReadFile(lock)
		if got := strings.Contains(string(text), "apache (1.3.0)"); got != update {
			t.Errorf("with always_update_cookbooks %v:\n%s", update, text)
		}
	}
}

func TestResolverKey(t *testing.T) {
	o := project(t, cookbook())
	_, err := chef.New(config.NewSection(map[string]any{"resolver": "both"}).WithRoot(o.Root), chef.Options{Options: o})
	var ve *config.ValueError
	if !errors.As(err, &ve) || ve.Key != "resolver" {
		t.Errorf("error %v", err)
	}
	o.Environ = append(o.Environ, "GALLEY_RESOLVER=both")
	if _, err := chef.New(config.NewSection(nil).WithRoot(o.Root), chef.Options{Options: o}); err == nil || !strings.Contains(err.Error(), "GALLEY_RESOLVER") {
		t.Errorf("error %v", err)
	}
}
