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
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

func TestCookbookSources(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		run   string
		want  []string
		says  string
	}{
		"cookbooks": {
			map[string]string{"cookbooks/a/metadata.rb": "name 'a'", "cookbooks/a/.git/x": "", "cookbooks/b/metadata.json": `{"name":"b"}`, "site-cookbooks/c/recipes/default.rb": "", "cookbooks/README.md": ""},
			"recipe[a]",
			[]string{"a/metadata.rb", "b/metadata.json", "c/recipes/default.rb"},
			"from project directory",
		},
		"cookbooks and itself": {
			map[string]string{"cookbooks/a/metadata.rb": "name 'a'", "metadata.rb": "name 'me'", "recipes/x.rb": ""},
			"me",
			[]string{"a/metadata.rb", "me/metadata.rb", "me/recipes/x.rb"},
			"as a cookbook",
		},
		"itself by json": {map[string]string{"metadata.json": `{"name":"me"}`, "recipes/x.rb": ""}, "me::x", []string{"me/metadata.json", "me/recipes/x.rb"}, "as a cookbook"},
		"nothing":        {map[string]string{"README.md": ""}, "", []string{"my_project/metadata.rb"}, "Is this intended?"},
	} {
		t.Run(name, func(t *testing.T) {
			m := machine(t)
			keys := map[string]any{"run_list": []any{c.run}}
			if c.run == "" {
				keys["run_list"] = nil
			}
			text, err := converge(t, m, project(t, c.files), keys)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(text, c.says) {
				t.Errorf("no %q in\n%s", c.says, text)
			}
			var got []string
			dir := m.Path("kitchen", "cookbooks")
			err = filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					rel, _ := filepath.Rel(dir, p)
					got = append(got, rel)
				}
				return err
			})
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("sent %q (%v), want %q", got, err, c.want)
			}
		})
	}
}

func TestCookbookFilesGlob(t *testing.T) {
	m := machine(t)
	if _, err := converge(t, m, project(t, cookbook()), map[string]any{"cookbook_files_glob": "metadata.{rb,json},spec/**/*, recipes/d?fault.rb"}); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]bool{"metadata.rb": true, "spec/unit_spec.rb": true, "recipes/default.rb": true, "README.md": false, "recipes/scratch.rb~": false} {
		if _, err := os.Stat(m.Path("kitchen", "cookbooks", "demo", file)); (err == nil) != want {
			t.Errorf("%s: %v, want sent %v", file, err, want)
		}
	}
}

func TestMissingCookbook(t *testing.T) {
	m := machine(t)
	_, err := converge(t, m, project(t, map[string]string{"cookbooks/my-app/metadata.rb": "name 'my-app'"}), map[string]any{"run_list": []any{"recipe[my_app::web@1.0]"}})
	var missing *chef.MissingCookbookError
	if !errors.As(err, &missing) || missing.Cookbook != "my_app" || kitchen.Hint(err) != "is my-app meant?" {
		t.Errorf("error %v, hint %q", err, kitchen.Hint(err))
	}
	if len(m.Commands()) != 0 {
		t.Error("commands were run")
	}
	// A directory may have another name; a cookbook_path may lead elsewhere.
	if _, err := converge(t, m, project(t, map[string]string{"cookbooks/dir/metadata.rb": "name 'app'"}), map[string]any{"run_list": []any{"app"}}); err != nil {
		t.Error(err)
	}
	if _, err := converge(t, m, project(t, map[string]string{"cookbooks/dir/metadata.rb": "name 'x'"}), map[string]any{"run_list": []any{"app"}, "client_rb": map[string]any{"cookbook_path": "/elsewhere"}}); err != nil {
		t.Error(err)
	}
}

func TestMetadataThatIsOfNoUse(t *testing.T) {
	m := machine(t)
	for name, files := range map[string]map[string]string{
		"no name":   {"metadata.rb": "version '1'\n"},
		"no JSON":   {"metadata.json": "{"},
		"no name 2": {"metadata.json": "{}"},
		"traversal": {"metadata.rb": "name '../../etc'\n"},
	} {
		_, err := converge(t, m, project(t, files), nil)
		var me *chef.MetadataError
		if !errors.As(err, &me) || !strings.Contains(err.Error(), "metadata.") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// tool puts a program into a directory and returns the PATH for it.
func tool(t *testing.T, o *base.Options, name, script string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bin")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	o.Environ = append(o.Environ, "PATH="+dir+":/usr/bin:/bin", peer)
}

func TestBerkshelf(t *testing.T) {
	m := machine(t)
	o := project(t, map[string]string{"Berksfile": "source 'https://supermarket.chef.io'\ncookbook 'apt'\n", "Berksfile.lock": "", "metadata.rb": "name 'me'"})
	tool(t, &o, "berks", "echo \"$@\" >>calls\n[ $1 != vendor ] || { mkdir -p $2/apt/recipes $2/apt/spec; touch $2/apt/metadata.rb $2/apt/spec/x; echo vendored; }\n")
	resolver := chef.NewResolver()
	for range 2 {
		p, err := chef.New(config.NewSection(map[string]any{"root_path": m.Path("kitchen"), "chef_omnibus_root": m.Path("opt", "cinc"), "run_list": []any{"apt"}}).WithRoot(o.Root), chef.Options{Options: o, Resolver: resolver})
		if err != nil {
			t.Fatal(err)
		}
		step, rec := kitchentest.NewStep(kitchen.Converge, m)
		if err := p.Converge(t.Context(), step, m.Conn()); err != nil {
			t.Fatalf("%v\n%s", err, rec.Text())
		}
	}
	calls, _ := os.ReadFile(filepath.Join(o.Root, "calls"))
	lines := strings.Split(strings.TrimSpace(string(calls)), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "update --berksfile ") || !strings.HasPrefix(lines[1], "vendor ") {
		t.Errorf("called %q", lines)
	}
	if _, err := os.Stat(m.Path("kitchen", "cookbooks", "apt", "metadata.rb")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(m.Path("kitchen", "cookbooks", "apt", "spec")); err == nil {
		t.Error("files that do not belong to a cookbook were sent")
	}
	vendored := strings.Fields(lines[1])[1]
	if err := resolver.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(vendored); err == nil {
		t.Error("the vendored cookbooks stayed behind")
	}
}

func TestBerkshelfFails(t *testing.T) {
	m := machine(t)
	o := project(t, map[string]string{"Berksfile": "cookbook 'apt'\n"})
	tool(t, &o, "berks", "echo 'Unable to find a solution'; exit 106\n")
	_, err := converge(t, m, o, nil)
	if err == nil || !strings.Contains(err.Error(), "berks vendor ended with exit status 106") || !strings.Contains(err.Error(), "Unable to find") {
		t.Errorf("error %v", err)
	}
}

func TestWithoutBerkshelf(t *testing.T) {
	m := machine(t)
	o := project(t, map[string]string{"Berksfile": "source 'https://supermarket.chef.io'\nmetadata\ncookbook 'apt'\n", "metadata.rb": "name 'me'\ndepends 'yum'\n"})
	o.Environ = append(o.Environ, peer)
	_, err := converge(t, m, o, nil)
	var te *chef.ToolError
	if !errors.As(err, &te) || !strings.Contains(err.Error(), "berks") || !strings.Contains(kitchen.Hint(err), "Workstation") {
		t.Errorf("error %v", err)
	}
	if len(m.Commands()) != 0 {
		t.Error("commands were run")
	}
}

func TestPolicyfile(t *testing.T) {
	m := machine(t)
	o := project(t, map[string]string{"Policyfile.rb": "name 'web'\n", "Berksfile": "not used"})
	tool(t, &o, "cinc-cli", `echo "$@" >>calls
case $1 in
install) echo '{"name":"web"}' >Policyfile.lock.json ;;
export) mkdir -p $3/cookbook_artifacts/a-1 $3/policies $3/.chef; echo x >$3/cookbook_artifacts/a-1/metadata.json; echo y >$3/policies/web.json ;;
esac
`)
	text, err := converge(t, m, o, map[string]any{"policy_group": "prod", "attributes": map[string]any{"x": 1}, "run_list": nil})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got, want := m.Read("seen-dna"), `{"policy_group":"prod","policy_name":"web","x":1}`; got != want {
		t.Errorf("dna.json %s", got)
	}
	calls, _ := os.ReadFile(filepath.Join(o.Root, "calls"))
	policy := filepath.Join(o.Root, "Policyfile.rb")
	for _, want := range []string{"install " + policy + "\n", "update " + policy + "\n", "export " + policy + " ", " --force --policy_group prod\n"} {
		if !strings.Contains(string(calls), want) {
			t.Errorf("no %q in\n%s", want, calls)
		}
	}
	if m.Read("kitchen", "cookbook_artifacts", "a-1", "metadata.json") != "x\n" {
		t.Error("the artifacts were not sent")
	}
	// Back to cookbooks: the policy's files go.
	if _, err := converge(t, m, project(t, cookbook()), nil); err != nil {
		t.Fatal(err)
	}
	if m.Read("kitchen", "policies", "web.json") != "" {
		t.Error("the old policy stayed")
	}
}

func TestPolicyfileRefused(t *testing.T) {
	m := machine(t)
	o := project(t, map[string]string{"Policyfile.rb": "name 'web'\n"})
	o.Environ = append(o.Environ, peer)
	_, err := converge(t, m, o, nil)
	var te *chef.ToolError
	if !errors.As(err, &te) {
		t.Errorf("without a tool: %v", err)
	}
	_, err = converge(t, m, o, map[string]any{"name": "chef_solo"})
	var ue *base.UnsupportedError
	if !errors.As(err, &ue) {
		t.Errorf("with solo: %v", err)
	}
}

func TestCookbooksThatAreNotToBeUpdated(t *testing.T) {
	m := machine(t)
	o := project(t, map[string]string{"Berksfile": "cookbook 'apt'\n", "Berksfile.lock": "", "sub/Policyfile.rb": "name 'web'\n"})
	policy := o
	tool(t, &o, "berks", "echo berks $1 >>"+base.Quote(o.Root)+"/calls\n[ $1 != vendor ] || { mkdir -p $2/demo; touch $2/demo/metadata.rb; }\n")
	tool(t, &policy, "chef-cli", "echo chef-cli $1 >>"+base.Quote(o.Root)+"/calls\n[ $1 != install ] || echo '{\"name\":\"web\"}' >Policyfile.lock.json\n[ $1 != export ] || mkdir -p $3\n")
	if text, err := converge(t, m, o, map[string]any{"always_update_cookbooks": false}); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if text, err := converge(t, m, policy, map[string]any{"always_update_cookbooks": false, "policyfile_path": "sub/Policyfile.rb"}); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	calls, _ := os.ReadFile(filepath.Join(o.Root, "calls"))
	if want := "berks vendor\nchef-cli install\nchef-cli export\n"; string(calls) != want {
		t.Errorf("called\n%swant\n%s", calls, want)
	}
}
