package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// What a cloud calls its things must come out of the file as it went in, by
// YAML and ERB alike.
func TestNamesSurvive(t *testing.T) {
	for _, name := range []string{"plain-1.0", "CentOS 7 GC 2014-09-16", "yes", "No", "24", "1e3", "a: b", "#x", "a # b", `q"uo'te\`, "ü € 漢", "<%= `id` %>", "%> x", "", " ", "-", "null", "a\nb", "&a", "*a", "{x", "@", "`"} {
		initText := initKitchenFile(initPlan{
			Driver: "openstack", Provisioner: "chef_infra", Cookbook: name,
			Platforms: []initPlatform{{Name: name, Image: name, User: name}},
			OpenStack: initOpenStack{Flavor: name, Network: name, Pool: name, SecurityGroups: []string{name}, Known: true},
		})
		if strings.Contains(initText, "<%") {
			t.Errorf("%q: ERB would look at it:\n%s", name, initText)
		}
		var got struct {
			Driver    map[string]any
			Platforms []struct {
				Name      string
				Driver    map[string]string
				Transport map[string]string
			}
		}
		if err := yaml.Unmarshal([]byte(initText), &got); err != nil {
			t.Fatalf("%q: %v\n%s", name, err, initText)
		}
		p := got.Platforms[0]
		if p.Name != name || p.Driver["image_ref"] != name || p.Transport["username"] != name {
			t.Errorf("%q became %+v", name, p)
		}
		if name == "" {
			continue
		}
		for _, key := range []string{"flavor_ref", "network_ref", "floating_ip_pool"} {
			if got.Driver[key] != name {
				t.Errorf("%q became %s %q", name, key, got.Driver[key])
			}
		}
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	root := t.TempDir()
	o := initPlan{Root: root, KitchenFile: filepath.Join(root, "kitchen.yml"), Driver: "dummy", Provisioner: "shell", TestBase: filepath.Join(root, "test")}
	if err := os.WriteFile(filepath.Join(root, "chefignore"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "test", "other"), 0o755); err != nil {
		t.Fatal(err)
	}
	done, err := writeInitFiles(o)
	want := []initChange{{initCreated, "kitchen.yml"}, {initLeft, "chefignore"}, {initLeft, "test"}}
	if err != nil || !slices.Equal(done, want) {
		t.Errorf("got %v, %v; want %v", done, err, want)
	}
	if b, _ := os.ReadFile(filepath.Join(root, "chefignore")); string(b) != "mine" {
		t.Errorf("chefignore is %q now", b)
	}
	if _, err := os.Stat(filepath.Join(root, ".gitignore")); err == nil {
		t.Error("a .gitignore outside git")
	}
}

func TestGitignore(t *testing.T) {
	for name, c := range map[string]struct{ old, want string }{
		"none":              {"", ".kitchen/\nkitchen.local.yml\n.kitchen.local.yml\n"},
		"no end of line":    {"x", "x\n.kitchen/\nkitchen.local.yml\n.kitchen.local.yml\n"},
		"one in other form": {"/.kitchen \nx\n", "/.kitchen \nx\nkitchen.local.yml\n.kitchen.local.yml\n"},
		"all":               {".kitchen\r\nkitchen.local.yml\r\n.kitchen.local.yml\r\n", ".kitchen\r\nkitchen.local.yml\r\n.kitchen.local.yml\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			repo := t.TempDir()
			root := filepath.Join(repo, "cookbooks", "x")
			if err := os.MkdirAll(root, 0o755); err != nil {
				t.Fatal(err)
			}
			// A file, as in a linked work tree, and above the project.
			if err := os.WriteFile(filepath.Join(repo, ".git"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(root, ".gitignore")
			if c.old != "" {
				if err := os.WriteFile(file, []byte(c.old), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			o := initPlan{Root: root, KitchenFile: filepath.Join(root, "kitchen.yml"), Driver: "dummy", Provisioner: "shell", TestBase: filepath.Join(root, "test")}
			for range 2 {
				if _, err := writeInitFiles(o); err != nil {
					t.Fatal(err)
				}
				if b, _ := os.ReadFile(file); string(b) != c.want {
					t.Errorf("got %q, want %q", b, c.want)
				}
			}
		})
	}
}

func TestUnwritable(t *testing.T) {
	root := t.TempDir()
	o := initPlan{Root: root, KitchenFile: filepath.Join(root, "none", "kitchen.yml"), Driver: "dummy"}
	if done, err := writeInitFiles(o); err == nil || len(done) != 0 {
		t.Errorf("got %v, %v", done, err)
	}
}
