//go:build unix

package chef_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/provisioner/chef"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

// sent lists the cookbooks on the machine.
func sent(t *testing.T, m *kitchentest.Machine) []string {
	t.Helper()
	entries, err := os.ReadDir(m.Path("kitchen", "cookbooks"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestBerksfileOfDirectoriesNeedsNoBerkshelf(t *testing.T) {
	files := map[string]string{
		"Berksfile": `source 'https://supermarket.chef.io'
solver :ruby, :required
metadata
%w(b).each { |n| cookbook n, path: "other/#{n}" }
group :test do
  cookbook 'c', '~> 1.0', path: './test/fixtures/cookbooks/c'
end
`,
		"metadata.rb":                             "name 'a'\nversion IO.read(File.join(File.dirname(__FILE__), 'VERSION')).strip rescue '0'\n%w(b c).each { |d| depends d }\nsupports 'ubuntu', '>= 20.04'\nchef_version '>= 15'\ngem 'x'\n",
		"recipes/default.rb":                      "",
		"other/b/metadata.rb":                     "name 'b'\ndepends 'a'\n",
		"test/fixtures/cookbooks/c/metadata.json": `{"name":"c","dependencies":{"b":">= 0"}}`,
	}
	m := machine(t)
	o := project(t, files)
	tool(t, &o, "berks", "echo called >called; exit 1\n")
	text, err := converge(t, m, o, map[string]any{"run_list": []any{"a"}})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := sent(t, m); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("sent %q", got)
	}
	if _, err := os.Stat(filepath.Join(o.Root, "called")); err == nil {
		t.Error("berks was called")
	}
}

func TestVendoredCookbooksDoWithoutBerkshelf(t *testing.T) {
	files := map[string]string{
		"Berksfile":                         "source 'https://supermarket.chef.io'\nmetadata\n",
		"metadata.rb":                       "name 'a'\ndepends 'apt', '>= 7'\n",
		"berks-cookbooks/apt/metadata.json": `{"name":"apt","dependencies":{"yum":">= 0"}}`,
		"cookbooks/yum/metadata.rb":         "name 'yum'",
		"cookbooks/unused/metadata.rb":      "name 'unused'",
	}
	m := machine(t)
	o := project(t, files)
	o.Environ = append(o.Environ, peer)
	if text, err := converge(t, m, o, map[string]any{"run_list": []any{"a"}}); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := sent(t, m); !slices.Equal(got, []string{"a", "apt", "yum"}) {
		t.Errorf("sent %q", got)
	}
	// Where Berkshelf is there, it decides.
	tool(t, &o, "berks", "[ $1 != vendor ] || { mkdir -p $2/a; touch $2/a/metadata.rb; }\n")
	m = machine(t)
	if text, err := converge(t, m, o, map[string]any{"run_list": []any{"a"}}); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := sent(t, m); !slices.Equal(got, []string{"a"}) {
		t.Errorf("with berks: sent %q", got)
	}
}

func TestMissingDependenciesAreNamed(t *testing.T) {
	m := machine(t)
	o := project(t, map[string]string{"Berksfile": "source 'https://supermarket.chef.io'\nmetadata\ncookbook 'nginx', git: 'https://example.org/x.git'\n", "metadata.rb": "name 'a'\ndepends 'apt'\n"})
	o.Environ = append(o.Environ, peer)
	_, err := converge(t, m, o, nil)
	var te *chef.ToolError
	if !errors.As(err, &te) || !slices.Equal(te.Missing, []string{"nginx", "apt"}) {
		t.Errorf("error %v", err)
	}
}

func TestMetadataWithRuby(t *testing.T) {
	m := machine(t)
	for name, src := range map[string]string{
		"computed":        "me = 'de' + 'mo'\nname me\nversion File.exist?('VERSION') ? '1' : '2'\n",
		"from elsewhere":  "name File.basename('x/demo')\nlong_description IO.read(File.join(File.dirname(__FILE__), 'README.md'))\n",
		"more than known": "require 'some/gem'\nname 'demo'\nversion Some::Gem::VERSION\n",
	} {
		files := cookbook()
		files["metadata.rb"] = src
		if text, err := converge(t, m, project(t, files), nil); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
		if got := sent(t, m); !slices.Equal(got, []string{"demo"}) {
			t.Errorf("%s: sent %q", name, got)
		}
	}
	files := cookbook()
	files["metadata.rb"] = "raise 'no'\n"
	_, err := converge(t, m, project(t, files), nil)
	if err == nil || !strings.Contains(err.Error(), "metadata.rb") || kitchen.Hint(err) == "" {
		t.Errorf("error %v", err)
	}
}
