package config

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/config/yaml11"
)

func examine(t *testing.T, o Options, d DiagnoseOptions) string {
	t.Helper()
	x, err := Examine(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	d.Version = "1.2.3"
	d.Time = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return string(x.YAML(d))
}

func TestDiagnose(t *testing.T) {
	o := project(t, map[string]string{
		"kitchen.yml":       "driver:\n  name: openstack\n  openstack_api_key: geheimes\n  url: https://u:pw@h/\nplatforms:\n- name: p\nsuites:\n- name: s\n  attributes: {note: is geheimes too, pin: {password: 1234}}\n",
		"kitchen.local.yml": "transport: {name: ssh, username: x}\n",
	})
	all := DiagnoseOptions{Plugins: true, Loader: true, Instances: true}
	got := examine(t, o, all)
	for _, leak := range []string{"geheimes", "pw@", "1234"} {
		if strings.Contains(got, leak) {
			t.Errorf("%q is shown:\n%s", leak, got)
		}
	}
	n, _, err := yaml11.Parse([]byte(got))
	if err != nil {
		t.Fatalf("%v:\n%s", err, got)
	}
	var keys []string
	for _, p := range n.Pairs {
		keys = append(keys, p.Key.Str)
	}
	if want := []string{"timestamp", "kitchen_version", "plugins", "loader", "instances"}; !slices.Equal(keys, want) {
		t.Errorf("got %q", keys)
	}
	if !strings.HasPrefix(got, "---\ntimestamp: '2026-01-02 03:04:05 UTC'\nkitchen_version: '1.2.3'\nplugins:\n  driver:\n    Openstack:\n      class: 'Kitchen::Driver::Openstack'\n") {
		t.Errorf("got %s", got)
	}
	for _, want := range []string{
		"loader:\n  process_erb: true\n  process_local: true\n  process_global: true\n  global_config:\n  project_config:\n    filename: ",
		"      openstack_api_key: '[redacted]'\n",
		"  combined_config:\n    filename:\n    raw_data:\n",
		"instances:\n  s-p:\n    platform:\n      os_type: unix\n      shell_type: bourne\n    state_file: {}\n    driver:\n      allocate_floating_ip: false\n",
		"      connection_retries: 5\n",
		"    lifecycle_hooks: {}\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing:\n%s", want, got)
		}
	}
	all.ShowSecrets = true
	if got := examine(t, o, all); !strings.Contains(got, "openstack_api_key: geheimes\n") || !strings.Contains(got, "https://u:pw@h/") {
		t.Errorf("secrets are asked for and not shown:\n%s", got)
	}
	all.Origin = true
	got = examine(t, o, all)
	for _, want := range []string{"username: x # kitchen.local.yml:1\n", "connection_retries: 5 # default of the transport ssh\n", "note: is geheimes too # kitchen.yml:9 (as suites[0].attributes)\n"} {
		if !strings.Contains(got, want) {
			// The attributes' values keep their own origin.
			if strings.Contains(want, "note") && strings.Contains(got, "note: is geheimes too # kitchen.yml:9\n") {
				continue
			}
			t.Errorf("%q is missing:\n%s", want, got)
		}
	}
}

func TestDiagnoseSelection(t *testing.T) {
	o := project(t, map[string]string{"kitchen.yml": "platforms: [{name: a}, {name: b}]\nsuites: [{name: s}]\n"})
	got := examine(t, o, DiagnoseOptions{Instances: true, Only: []string{"s-b"}, State: func(string) (map[string]any, error) {
		return map[string]any{"hostname": "10.0.0.1", "password": "geheim"}, nil
	}})
	if strings.Contains(got, "s-a:") || !strings.Contains(got, "s-b:") || strings.Contains(got, "loader:") || strings.Contains(got, "geheim\n") || !strings.Contains(got, "hostname: '10.0.0.1'") {
		t.Errorf("got %s", got)
	}
}

// TestDiagnoseBroken shows what could be read, and why the rest could not.
func TestDiagnoseBroken(t *testing.T) {
	o := project(t, map[string]string{"kitchen.yml": "driver: {a: b\npassword: abcdefgh\n", "kitchen.local.yml": "transport: ssh\n"})
	got := examine(t, o, DiagnoseOptions{Plugins: true, Loader: true, Instances: true})
	n, _, err := yaml11.Parse([]byte(got))
	if err != nil {
		t.Fatalf("%v:\n%s", err, got)
	}
	data := plainData(n).(map[string]any)
	loader := data["loader"].(map[string]any)
	fail := loader["project_config"].(map[string]any)["raw_data"].(map[string]any)["error"].(map[string]any)
	if msg := fail["message"].(string); !strings.Contains(msg, "kitchen.yml:1:1: a comma or } should be here") {
		t.Errorf("got %q", msg)
	}
	if raw := fail["raw_file"].(string); strings.Contains(raw, "abcdefgh") || !strings.Contains(raw, "driver: {a: b") {
		t.Errorf("got %q", raw)
	}
	if local := loader["local_config"].(map[string]any)["raw_data"]; !reflect.DeepEqual(local, map[string]any{"transport": "ssh"}) {
		t.Errorf("got %v", local)
	}
	for _, part := range []any{data["instances"], data["plugins"], loader["combined_config"].(map[string]any)["raw_data"]} {
		if _, ok := part.(map[string]any)["error"]; !ok {
			t.Errorf("no error in %v", part)
		}
	}
}

func plainData(n *yaml11.Node) any {
	c := &converter{file: &configFile{doc: &rendering{}}}
	return c.value(n).data()
}

// TestEmitter writes data that must come back as it was.
func TestEmitter(t *testing.T) {
	texts := []string{
		"", "a", "yes", "No", "null", "~", "1", "1.5", "0x1", "1e3", "1:30", "2024-01-01", ":a", "- a", "a: b", "a #b", "#a", " a", "a ", "a\nb", "a\nb\n", "\na", "a\n\n",
		"a\n b\n", "\ta\nb", "a\r\nb", "'", `"`, "it's", "{a}", "[a]", "a, b", "*a", "&a", "!a", "%a", "@a", "`a", "|", ">", "?", "? a", "-", "--", "---", "...", "é", "日本", "a\u2028b", "\u0085", "\ufeffx", "\x00", "\x7f",
		"a\tb", "recipe[a::b]", "/re(x)/i", "C:\\x", "http://h/x?y=1#z", "<<", "=", "n", "Y", "on", "key with spaces", "a\n  ", "a  \nb", "trailing:", "x\n---\ny", "\u00a0",
	}
	v := &value{kind: kindMap, m: &mapping{}}
	list := &value{kind: kindList}
	for i, s := range texts {
		v.m.set(s, stringValue(s, nil))
		list.list = append(list.list, stringValue(s, nil), fromGo(map[string]any{s: []any{s, map[string]any{"k": s}}}, nil), fromGo([]any{s, []any{s}}, nil))
		if reSymbol().MatchString(s) {
			v.m.set("sym"+itoa(i), &value{kind: kindSymbol, s: s})
		}
	}
	v.m.set("list", list)
	v.m.set("numbers", fromGo([]any{1, -5, 1.5, 1e20, 1e-7, true, false, nil, []any{}, map[string]any{}}, nil))
	for _, note := range []func(*value) string{nil, func(*value) string { return "file.yml:1 (\n)" }} {
		e := emitter{note: note}
		e.document(v)
		n, _, err := yaml11.Parse(e.b.Bytes())
		if err != nil {
			t.Fatalf("%v:\n%s", err, e.b.String())
		}
		got, want := plainData(n).(map[string]any), v.data().(map[string]any)
		for k := range want {
			if !reflect.DeepEqual(got[k], want[k]) {
				t.Errorf("%q: got %#v, want %#v", k, got[k], want[k])
			}
		}
	}
}

func TestRedacted(t *testing.T) {
	p := load(t, "driver: {name: x, password: abc, user: joe}\nplatforms: [{name: p}]\nsuites: [{name: s}]\n")
	text := string(JSON(p.Redacted(p.Instances)))
	if strings.Contains(text, "abc") || !strings.Contains(text, "joe") || !json.Valid([]byte(text)) {
		t.Errorf("got %s", text)
	}
	if !strings.Contains(string(JSON(p.Instances)), "abc") {
		t.Error("the project itself is redacted")
	}
}
