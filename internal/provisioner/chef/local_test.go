//go:build unix

package chef_test

import (
	"os"
	"slices"
	"strings"
	"testing"

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

func TestBerksfileOfDirectoriesNeedsNoSource(t *testing.T) {
	files := map[string]string{
		"Berksfile": `source 'http://127.0.0.1:1'
solver :ruby, :required
metadata
%w(b).each { |n| cookbook n, path: "other/#{n}" }
group :test do
  cookbook 'c', '~> 1.0', path: './test/fixtures/cookbooks/c'
end
`,
		"metadata.rb":                             "name 'a'\nversion IO.read(File.join(File.dirname(__FILE__), 'VERSION')).strip rescue '0.1.0'\n%w(b c).each { |d| depends d }\nsupports 'ubuntu', '>= 20.04'\nchef_version '>= 15'\ngem 'x'\n",
		"recipes/default.rb":                      "",
		"other/b/metadata.rb":                     "name 'b'\n",
		"test/fixtures/cookbooks/c/metadata.json": `{"name":"c","version":"1.2.0","dependencies":{"b":">= 0"}}`,
	}
	m := machine(t)
	o := project(t, files)
	text, err := converge(t, m, o, map[string]any{"run_list": []any{"a"}})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := sent(t, m); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("sent %q", got)
	}
}

func TestMetadataWithRuby(t *testing.T) {
	m := machine(t)
	for name, src := range map[string]string{
		"computed":        "me = 'de' + 'mo'\nname me\nversion File.exist?('VERSION') ? '1.0.0' : '2.0.0'\n",
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
