package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// TestResolve pins the rules of Test Kitchen 3.9; each case was run through
// it. Wanted is a part of one instance's data as JSON.
func TestResolve(t *testing.T) {
	const one = "platforms: [{name: p}]\nsuites: [{name: s}]\n"
	cases := []struct {
		name, text string
		section    string
		want       string
	}{
		{"defaults", one, "driver", `{"name":"dummy"}`},
		{"provisioner's default", one, "provisioner", `{"name":"chef_infra"}`},
		{"verifier's default", one, "verifier", `{"name":"busser"}`},
		{"transport's default", one, "transport", `{"name":"ssh"}`},
		{"transport on windows", "platforms: [{name: Windows-2019}]\nsuites: [{name: s}]\n", "transport", `{"name":"winrm"}`},
		{"driver as a string", "driver: openstack\n" + one, "driver", `{"name":"openstack"}`},
		{"driver as null", "driver:\n" + one, "driver", `{"name":"dummy"}`},
		{
			"suite over platform over top",
			"driver: {a: 1, b: 1, c: 1}\nplatforms: [{name: p, driver: {b: 2, c: 2}}]\nsuites: [{name: s, driver: {c: 3}}]\n",
			"driver", `{"a":1,"b":2,"c":3,"name":"dummy"}`,
		},
		{"short form in a suite", "driver: {a: 1}\nplatforms: [{name: p}]\nsuites: [{name: s, driver: x}]\n", "driver", `{"a":1,"name":"x"}`},
		{"lists are replaced", "driver: {a: [1, 2]}\nplatforms: [{name: p}]\nsuites: [{name: s, driver: {a: [3]}}]\n", "driver", `{"a":[3],"name":"dummy"}`},
		{"null overrides", "driver: {a: 1}\nplatforms: [{name: p}]\nsuites: [{name: s, driver: {a: }}]\n", "driver", `{"a":null,"name":"dummy"}`},
		{"driver_plugin and driver_config", "driver_plugin: openstack\ndriver_config: {a: 1, b: 1}\ndriver: {b: 2}\n" + one, "driver", `{"a":1,"b":2,"name":"openstack"}`},
		{"driver's name wins over driver_plugin", "driver_plugin: x\ndriver: {name: y}\n" + one, "driver", `{"name":"y"}`},
		{"require_chef_omnibus moves", "driver: {require_chef_omnibus: 12}\n" + one, "provisioner", `{"name":"chef_infra","require_chef_omnibus":12}`},
		{"require_chef_omnibus leaves", "driver: {require_chef_omnibus: 12}\n" + one, "driver", `{"name":"dummy"}`},
		{"http_proxy is copied", "driver: {http_proxy: x}\n" + one, "verifier", `{"http_proxy":"x","name":"busser"}`},
		{"http_proxy stays", "driver: {http_proxy: x}\n" + one, "driver", `{"http_proxy":"x","name":"dummy"}`},
		{"busser as a version", "busser: '1.2'\n" + one, "verifier", `{"name":"busser","version":"1.2"}`},
		{"verifier over busser", "busser: {a: 1, b: 1}\nverifier: {name: inspec, b: 2}\n" + one, "verifier", `{"a":1,"b":2,"name":"inspec"}`},
		{
			"run lists are joined", "platforms: [{name: p, run_list: [a, b]}]\nsuites: [{name: s, run_list: [b, c]}]\n", "provisioner",
			`{"name":"chef_infra","run_list":["a","b","b","c"]}`,
		},
		{"run lists are flattened", "platforms: [{name: p}]\nsuites: [{name: s, run_list: [[a, [b]], null]}]\n", "provisioner", `{"name":"chef_infra","run_list":["a","b"]}`},
		{"an empty run_list is none", "platforms: [{name: p}]\nsuites: [{name: s, run_list: }]\n", "provisioner", `{"name":"chef_infra"}`},
		{"a lost run_list at the top", "provisioner: {run_list: [x]}\nplatforms: [{name: p}]\nsuites: [{name: s, run_list: [a]}]\n", "provisioner", `{"name":"chef_infra","run_list":["a"]}`},
		{
			"attributes merge", "platforms: [{name: p, attributes: {a: {b: 1, l: [1]}}}]\nsuites: [{name: s, attributes: {a: {c: 2, l: [2]}}}]\n", "provisioner",
			`{"attributes":{"a":{"b":1,"c":2,"l":[2]}},"name":"chef_infra"}`,
		},
		{
			"named_run_list and policy_group", "platforms: [{name: p, named_run_list: x, policy_group: g}]\nsuites: [{name: s, named_run_list: y}]\n", "provisioner",
			`{"name":"chef_infra","named_run_list":"y","policy_group":"g"}`,
		},
		{"paths of a suite", "platforms: [{name: p}]\nsuites: [{name: s, data_bags_path: x, roles_path: }]\n", "provisioner", `{"data_bags_path":"x","name":"chef_infra"}`},
		{
			"lifecycle is joined", "lifecycle: {pre_create: a}\nplatforms: [{name: p, lifecycle: {pre_create: [b]}}]\nsuites: [{name: s, lifecycle: {pre_create: {remote: c}}}]\n", "lifecycle",
			`{"pre_create":["a","b",{"remote":"c"}]}`,
		},
		{"pre_create_command becomes a hook", "driver: {pre_create_command: x}\nlifecycle: {pre_create: [a]}\n" + one, "lifecycle", `{"pre_create":["a",{"local":"x"}]}`},
		{"driver deep in the top level", "provisioner: {attributes: {driver: x}}\n" + one, "provisioner", `{"attributes":{"driver":{"name":"x"}},"name":"chef_infra"}`},
		{"driver deep in a suite", "platforms: [{name: p}]\nsuites: [{name: s, attributes: {driver: x}}]\n", "provisioner", `{"attributes":{"driver":"x"},"name":"chef_infra"}`},
		{"symbols", ":driver:\n  :name: x\n" + one, "driver", `{"name":"x"}`},
		{
			"a move in one place of an alias", "driver: &d\n  require_chef_omnibus: 1\nplatforms:\n- name: p\n  driver:\n    sub: *d\nsuites: [{name: s}]\n", "driver",
			`{"name":"dummy","sub":{"require_chef_omnibus":1}}`,
		},
		{"kitchen's log_level is everyone's", "kitchen: {log_level: debug}\ndriver: {log_level: warn}\n" + one, "driver", `{"log_level":"debug","name":"dummy"}`},
		{"log_level of a driver is none", "driver: {log_level: warn}\n" + one, "driver", `{"name":"dummy"}`},
		{"log_level of a provisioner stays", "provisioner: {log_level: warn}\n" + one, "provisioner", `{"log_level":"warn","name":"chef_infra"}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := load(t, c.text)
			if len(p.Instances) == 0 {
				t.Fatal("no instances")
			}
			in := p.Instances[len(p.Instances)-1]
			for i, s := range in.Sections() {
				if sections[i] == c.section {
					got, err := json.Marshal(s.Data())
					if err != nil {
						t.Fatal(err)
					}
					if string(got) != c.want {
						t.Errorf("got  %s\nwant %s", got, c.want)
					}
				}
			}
		})
	}
}

func TestInstances(t *testing.T) {
	cases := []struct{ text, want string }{
		{"platforms: [{name: a}, {name: b}]\nsuites: [{name: x}, {name: y}]\n", "x-a x-b y-a y-b"},
		{"platforms: [{name: centos_stream/9.x}]\nsuites: [{name: web_server}]\n", "web-server-centos-stream-9x"},
		{"platforms: [{name: 'a,b'}]\nsuites: [{name: 1.5}]\n", "15-a-b"},
		{"platforms: [{name: a}, {name: b}]\nsuites: [{name: x, includes: a}]\n", "x-a"},
		{"platforms: [{name: a}, {name: b}]\nsuites: [{name: x, excludes: [a]}]\n", "x-b"},
		{"platforms: [{name: a}, {name: b}]\nsuites: [{name: x, includes: [a, b], excludes: [a]}]\n", "x-a x-b"},
		{"platforms: [{name: ubuntu-1}, {name: Ubuntu-2}, {name: c}]\nsuites: [{name: x, includes: [/^ubuntu/i]}]\n", "x-ubuntu-1 x-Ubuntu-2"},
		{"platforms: [{name: ubuntu-1}, {name: c}]\nsuites: [{name: x, excludes: ['/ubuntu -  1 # c/x']}]\n", "x-c"},
		{"platforms: [{name: ubuntu-1}, {name: debian-1}]\nsuites: [{name: x, includes: ['/^(?!ubuntu)/']}]\n", "x-debian-1"},
		{"platforms: [{name: a-1}, {name: a-12}]\nsuites: [{name: x, includes: ['/-\\d{1,1}\\Z/']}]\n", "x-a-1"},
		{"platforms: [{name: Straße-1}, {name: b}]\nsuites: [{name: x, includes: ['/[[:alpha:]]e-\\h/']}]\n", "x-Straße-1"},
		{"platforms: [{name: a}]\nsuites: [{name: }]\n", "-a"},
		{"platforms: []\nsuites: []\n", ""},
		{"", ""},
		{"--- false\n", ""},
		{"platforms: {}\n", ""},
	}
	for _, c := range cases {
		var names []string
		for _, in := range load(t, c.text).Instances {
			names = append(names, in.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
}

func TestOSType(t *testing.T) {
	cases := []struct{ platform, want string }{
		{"{name: ubuntu}", "unix bourne"},
		{"{name: WINdows-1}", "windows powershell"},
		{"{name: x, transport: {name: winrm}}", "windows powershell"},
		{"{name: win-1, os_type: unix}", "unix powershell"},
		{"{name: x, shell_type: powershell}", "unix powershell"},
		{"{name: , os_type: a, shell_type: b}", "a b"},
	}
	for _, c := range cases {
		in := load(t, "platforms: ["+c.platform+"]\nsuites: [{name: s}]\n").Instances[0]
		if got := in.OSType + " " + in.ShellType; got != c.want {
			t.Errorf("%s: got %s, want %s", c.platform, got, c.want)
		}
	}
}

// TestCrashes holds what ends in a stack trace in Test Kitchen: an error with
// a place here.
func TestCrashes(t *testing.T) {
	const one = "platforms: [{name: p}]\nsuites: [{name: s}]\n"
	cases := []struct{ text, want string }{
		{"provisioner: {run_list: [a]}\n" + one, "kitchen.yml:1:25: provisioner.run_list at the top level"},
		{"platforms: [{name: p, transport: winrm}]\nsuites: [{name: s}]\n", "platforms[0].transport should be a mapping"},
		{"80: x\n" + one, "kitchen.yml:1:1: the key 80 is a whole number"},
		{"x-a: {on: 1}\n" + one, "the key true is a boolean"},
		{"~: x\n" + one, "nothing, and keys have to be strings"},
		{"platforms: [{name: 80}]\nsuites: [{name: s}]\n", "the platform's name should be a string, but is 80"},
		{"platforms:\n- name:\nsuites: [{name: s}]\n", "kitchen.yml:2:3: the platform's name is empty"},
		{"platforms: [{}]\n", "the platform has no name"},
		{"platforms: []\nsuites: [{run_list: [a]}]\n", "the suite has no name"},
		{"platforms:\nsuites: []\n", "kitchen.yml:1:1: platforms should be a list, but is nothing"},
		{"platforms: [a]\n", "each of the platforms should be a mapping, but number 1 is \"a\""},
		{"driver: {a: {b: 1}}\nplatforms: [{name: p, driver: {a: 2}}]\nsuites: [{name: s}]\n", "driver.a should be a mapping, but is 2; it would replace the mapping from kitchen.yml:1"},
		{"driver_config:\n" + one, "should be a mapping"},
		{"busser: [1]\n" + one, "busser should be a mapping"},
		{"transport: [1]\n" + one, "transport should be a mapping"},
		{"kitchen: x\n" + one, "kitchen should be a mapping"},
		{"platforms: [{name: p}]\nsuites: [{name: s, includes: [1]}]\n", "should hold names of platforms, but holds 1"},
		{"platforms: [{name: p}]\nsuites: [{name: s, includes: '/(/'}]\n", "is not a valid regular expression"},
		{"- a\n", "kitchen.yml:1: the file should hold a mapping, but holds a list"},
		{"a: !ruby/object:Foo {}\n", "Ruby objects are refused"},
		{"a: *b\n", "kitchen.yml:1:4: no anchor &b comes before this alias: a: *b"},
		{"a: 2024-01-01\n", "a date or time is not allowed here; put it in quotes: 2024-01-01"},
		{"a:\n\tb: c\n", "kitchen.yml:2:1: a tab in the indentation; YAML wants spaces: b: c"},
		{"a:\n  b: c\n d: e\n", "kitchen.yml:3:2: the next key of this mapping should be here"},
		{"a: &a [*a]\n", "contains itself"},
		{"platforms: [{name: p}, {name: p}]\nsuites: [{name: s}]\n", "kitchen.yml:1:31: two instances are called s-p and would share one machine"},
		{"platforms: [{name: Debian}, {name: debian}]\nsuites: [{name: s}]\n", "the instances s-Debian and s-debian differ in case only"},
	}
	for _, c := range cases {
		err := loadError(t, c.text)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: a %T: %v", c.text, err, err)
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\ngot  %s\nwant %s", c.text, err, c.want)
		}
	}
}

func TestFiles(t *testing.T) {
	const suites = "platforms: [{name: p}]\nsuites: [{name: s}]\n"
	driver := func(t *testing.T, o Options) string {
		t.Helper()
		p, err := Load(context.Background(), o)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(p.Instances[0].Driver.Data())
	}
	t.Run("local over project over global", func(t *testing.T) {
		o := project(t, map[string]string{
			"kitchen.yml":           "driver: {b: project, c: project}\n" + suites,
			"kitchen.local.yml":     "driver: {c: local}\n",
			"~/.kitchen/config.yml": "driver: {name: openstack, a: global, b: global, c: global}\n",
		})
		if got, want := driver(t, o), "map[a:global b:project c:local name:openstack]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("dotted names", func(t *testing.T) {
		o := project(t, map[string]string{".kitchen.yml": "driver: {a: 1}\n" + suites, ".kitchen.local.yml": "driver: {a: 2}\n"})
		if got, want := driver(t, o), "map[a:2 name:dummy]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("a local list replaces", func(t *testing.T) {
		o := project(t, map[string]string{"kitchen.yml": suites, "kitchen.local.yml": "platforms: [{name: q}]\n"})
		p, err := Load(context.Background(), o)
		if err != nil || len(p.Instances) != 1 || p.Instances[0].Name != "s-q" {
			t.Errorf("got %v, %v", p, err)
		}
	})
	t.Run("both names", func(t *testing.T) {
		o := project(t, map[string]string{"kitchen.yml": suites, ".kitchen.yml": suites})
		if got := driver(t, o); !strings.Contains(got, "both kitchen.yml and .kitchen.yml") {
			t.Error(got)
		}
		o = project(t, map[string]string{"kitchen.yml": suites, ".kitchen.local.yml": "", "kitchen.local.yml": ""})
		if got := driver(t, o); !strings.Contains(got, "both kitchen.local.yml and .kitchen.local.yml") {
			t.Error(got)
		}
		o.Env.Set("KITCHEN_LOCAL_YAML", "kitchen.local.yml")
		if got := driver(t, o); got != "map[name:dummy]" {
			t.Error(got)
		}
	})
	t.Run("none", func(t *testing.T) {
		o := project(t, nil)
		if got := driver(t, o); !strings.Contains(got, "does not exist") {
			t.Error(got)
		}
	})
	t.Run("named by the environment", func(t *testing.T) {
		o := project(t, map[string]string{
			"kitchen.yml": "driver: {a: no}\n" + suites, "kitchen.local.yml": "driver: {a: no}\n",
			"foo/bar.yml": "driver: {a: 1}\n" + suites, "foo/.bar.local.yml": "driver: {b: 2}\n", "g.yml": "driver: {c: 3}\n",
		})
		o.Env.Set("KITCHEN_YAML", "foo/bar.yml")
		o.Env.Set("KITCHEN_GLOBAL_YML", "g.yml")
		if got, want := driver(t, o), "map[a:1 b:2 c:3 name:dummy]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("a mapping over a scalar of another file", func(t *testing.T) {
		o := project(t, map[string]string{"kitchen.yml": "transport: {name: ssh}\n" + suites, "kitchen.local.yml": "transport:\n"})
		if got := driver(t, o); !strings.Contains(got, "kitchen.local.yml:1:1: transport should be a mapping, but is nothing") {
			t.Error(got)
		}
	})
	t.Run("empty files", func(t *testing.T) {
		o := project(t, map[string]string{"kitchen.yml": suites, "kitchen.local.yml": " \n# nothing\n", "~/.kitchen/config.yml": ""})
		if got := driver(t, o); got != "map[name:dummy]" {
			t.Error(got)
		}
	})
}

func TestDuplicateKeysWarn(t *testing.T) {
	p := load(t, "driver: {name: a}\nplatforms: []\n\ndriver: {name: b}\n")
	if len(p.Warnings) != 1 {
		t.Fatalf("got %v", p.Warnings)
	}
	want := `kitchen.yml:4:1: the key "driver" comes again (first in line 1); the last one counts`
	if got := p.Warnings[0].String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestOrigins(t *testing.T) {
	o := project(t, map[string]string{
		"kitchen.yml":           "driver:\n  a: 1\n  b: 2\nplatforms:\n- name: p\n  driver_config:\n    c: 3\nsuites:\n- name: s\n  run_list: [x]\n",
		"~/.kitchen/config.yml": "driver:\n  b: 0\n  d: 4\n",
	})
	p, err := Load(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	in := p.Instances[0]
	for key, want := range map[string]string{"a": "kitchen.yml:2", "b": "kitchen.yml:3", "c": "kitchen.yml:7", "name": "default", "none": "default"} {
		if got := in.Driver.Where(key); got != want {
			t.Errorf("%s: got %s, want %s", key, got, want)
		}
	}
	if got := in.Driver.Where("d"); !strings.HasSuffix(got, "config.yml:3") {
		t.Errorf("d: got %s", got)
	}
	if got, want := in.Driver.Origin("c").String(), "kitchen.yml:7 (as platforms[0].driver_config.c)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := in.Provisioner.Where("run_list"), "kitchen.yml:10"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestJSONShape(t *testing.T) {
	p := load(t, "driver:\n  a: ':text'\n  b: :sym\n  c: 1.50\n  d: 1e3\n  e: 1234567890123456789\nplatforms: [{name: p}]\nsuites: [{name: s}]\n")
	const driver = `"a": ":text",
      "b": ":sym",
      "c": 1.5,
      "d": "1e3",
      "e": 1234567890123456789`
	if text := string(JSON(p.Instances)); !strings.Contains(text, driver) {
		t.Errorf("got %s", text)
	}
	var got []map[string]any
	if err := json.Unmarshal(JSON(load(t, "platforms: [{name: p}]\nsuites: [{name: }]\n").Instances), &got); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{{
		"name": "-p", "suite": nil, "platform": "p", "os_type": "unix", "shell_type": "bourne",
		"driver": map[string]any{"name": "dummy"}, "provisioner": map[string]any{"name": "chef_infra"}, "transport": map[string]any{"name": "ssh"},
		"verifier": map[string]any{"name": "busser"}, "lifecycle": map[string]any{},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestHugeProduct(t *testing.T) {
	var b strings.Builder
	b.WriteString("platforms:\n")
	for i := range 200 {
		fmt.Fprintf(&b, "- name: p%d\n", i)
	}
	b.WriteString("suites:\n")
	for i := range 200 {
		fmt.Fprintf(&b, "- name: s%d\n", i)
	}
	if err := loadError(t, b.String()); !strings.Contains(err.Error(), "more than 10000 instances") {
		t.Error(err)
	}
}

func TestHugeMerges(t *testing.T) {
	var keys, b strings.Builder
	for i := range 300 {
		fmt.Fprintf(&keys, "k%d: 1, ", i)
	}
	b.WriteString("platforms:\n")
	for i := range 70 {
		fmt.Fprintf(&b, "- {name: p%d, attributes: {%s}}\n", i, keys.String())
	}
	b.WriteString("suites:\n")
	for i := range 70 {
		fmt.Fprintf(&b, "- {name: s%d, attributes: {%s}}\n", i, keys.String())
	}
	if err := loadError(t, b.String()); !strings.Contains(err.Error(), "too much data") {
		t.Error(err)
	}
}
