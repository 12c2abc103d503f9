package config

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func problems(t *testing.T, text string) []Problem {
	t.Helper()
	ps, err := Validate(context.Background(), project(t, map[string]string{"kitchen.yml": text}))
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

func TestValidate(t *testing.T) {
	const os = "driver: {name: openstack, image_ref: i, flavor_ref: f}\n"
	const one = "platforms: [{name: p}]\nsuites: [{name: s}]\n"
	cases := []struct {
		text string
		want []string
	}{
		{os + one, nil},
		{os + "x-a: 1\n_b: 2\n.c: 3\n" + one, nil},
		{os + "plaforms: []\n" + one, []string{"kitchen.yml:2:1: plaforms is not a key of the top level and has no effect (did you mean platforms?)"}},
		{"driver: {name: openstack, image_rf: x}\n" + one, []string{"kitchen.yml:1:27: image_rf is not a key of the driver openstack and has no effect (did you mean image_ref?)"}},
		{"driver: {name: openstack, zzz: x}\n" + one, []string{"kitchen.yml:1:27: zzz is not a key of the driver openstack and has no effect"}},
		{os + "provisioner: {name: shell, product_name: cinc}\n" + one, []string{"kitchen.yml:2:42: product_name is a key of the provisioner chef_infra and has no effect for shell"}},
		{"driver: {name: openstack, username: x}\n" + one, []string{"kitchen.yml:1:27: driver.username is of older days (use transport.username)"}},
		{"driver: {name: openstack, use_ipv6: maybe}\n" + one, []string{`kitchen.yml:1:37: driver.use_ipv6 should be a boolean, but is "maybe"`}},
		{"driver: {name: openstack, connect_timeout: '10', use_ipv6: 'true', flavor_ref: 3, image_ref: }\n" + one, nil},
		{"driver: {name: openstack, metadata: x}\n" + one, []string{`kitchen.yml:1:37: driver.metadata should be a mapping, but is "x"`}},
		{
			"driver: {name: openstack, block_device_mapping: {make_volum: true}}\n" + one,
			[]string{"kitchen.yml:1:50: make_volum is not a key of driver.block_device_mapping and has no effect (did you mean make_volume?)"},
		},
		{"driver: {name: openstack, no_ssh_tcp_check: true}\n" + one, []string{"kitchen.yml:1:27: driver.no_ssh_tcp_check has no effect (the transport waits until a session can run a command)"}},
		{"driver: vagrant\n" + one, []string{"kitchen.yml:1:9: Galley does not have the driver \"vagrant\" (openstack is the nearest that Galley has)"}},
		{"driver: openstak\n" + one, []string{"kitchen.yml:1:9: Galley does not have the driver \"openstak\" (did you mean openstack?)"}},
		{os + "provisioner: {name: chef_zero, channel: beta}\n" + one, []string{`kitchen.yml:2:41: provisioner.channel is "beta" (it is one of stable, current, unstable)`}},
		{"driver_plugin: openstack\ndriver_config: {image_ref: x}\n" + one, []string{
			"kitchen.yml:1:1: driver_plugin is of older days (use driver.name)", "kitchen.yml:2:1: driver_config is of older days (use driver)",
		}},
		{"driver: {name: openstack, require_chef_omnibus: true}\n" + one, []string{
			"kitchen.yml:1:49: driver.require_chef_omnibus is of older days (use provisioner.product_version)",
		}},
		{os + "platforms: [{name: a}]\nsuites: [{name: s, includes: [b, a]}, {name: t, excludes: a}]\n", []string{
			"kitchen.yml:3:31: includes of suite s: no platform is b (did you mean a?)", "kitchen.yml:3:46: suite t runs on no platform",
		}},
		{os + "platforms: [{name: a}, {name: b}]\nsuites: [{name: s, includes: a}]\n", []string{"kitchen.yml:2:31: platform b has no suite"}},
		{os + "platforms: [{name: a}, {name: a}]\nsuites: [{name: s}]\n", []string{
			"kitchen.yml:2:31: two instances are called s-a and would share one machine (rename one of the platforms or suites)",
		}},
		{os + "platforms: [{name: a, imge: x}]\nsuites: [{name: s, run_lst: [x]}]\n", []string{
			"kitchen.yml:2:23: imge is not a key of a platform and has no effect", "kitchen.yml:3:20: run_lst is not a key of a suite and has no effect (did you mean run_list?)",
		}},
		{os + "lifecycle: {pre_creat: x, post_create: [{remot: x}]}\n" + one, []string{
			"kitchen.yml:2:13: pre_creat is not a key of lifecycle and has no effect (did you mean pre_create?)",
			"kitchen.yml:2:41: lifecycle.post_create has a hook with neither local nor remote",
			"kitchen.yml:2:42: remot is not a key of a hook and has no effect (did you mean remote?)",
		}},
		{os, []string{"the configuration has no instances (it needs at least one platform and one suite)"}},
		{"driver: {name: openstack, imag_ref: x}\n", []string{
			"kitchen.yml:1:27: imag_ref is not a key of the driver openstack and has no effect (did you mean image_ref?)",
			"the configuration has no instances (it needs at least one platform and one suite)",
		}},
		{"a: [\n", []string{"kitchen.yml:1:1: a value should be here, or a bracket is not closed: a: ["}},
		{os + one + "driver: openstack\n", []string{`kitchen.yml:4:1: the key "driver" comes again (first in line 1); the last one counts`}},
	}
	for _, c := range cases {
		var got []string
		for _, p := range problems(t, c.text) {
			// Most of the cases are not about an image and a flavor.
			if p.Code != "missing-key" {
				got = append(got, p.String())
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q:\ngot  %s\nwant %s", c.text, strings.Join(got, "\n     "), strings.Join(c.want, "\n     "))
		}
	}
}

// TestUnknownKeysAreNoFailures: files are shared with other tools.
func TestUnknownKeysAreNoFailures(t *testing.T) {
	for _, p := range problems(t, "foo: 1\ndriver: {name: openstack, bar: 1}\nplatforms: [{name: p, baz: 1}]\nsuites: [{name: s, qux: 1}]\n") {
		if p.Code != "missing-key" && (p.Fatal || p.Code != "unknown-key") {
			t.Errorf("%+v", p)
		}
	}
}

func TestTypeProblemsShowNoSecrets(t *testing.T) {
	for _, p := range problems(t, "driver: {name: openstack, openstack_api_key: [geheim]}\nplatforms: [{name: p}]\nsuites: [{name: s}]\n") {
		if strings.Contains(p.String(), "geheim") {
			t.Error(p)
		}
	}
}

// TestTable holds the table to its own rules.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range everySetting() {
		id := k.Section + "|" + k.Plugin + "|" + k.Parent + "|" + k.Name
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
		if k.Name == "" || k.Type == 0 || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s is incomplete", id)
		}
		if v := k.DefaultValue(); v != nil && !fits(fromGo(v, nil), k.Type) && k.Section != "" {
			t.Errorf("%s: the default %v is not of type %s", id, v, k.Type)
		}
	}
}

func TestSchema(t *testing.T) {
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	props := s["properties"].(map[string]any)
	for _, k := range []string{"driver", "platforms", "suites", "lifecycle", "driver_config"} {
		if props[k] == nil {
			t.Errorf("no %s", k)
		}
	}
	// Every key of the table is somewhere in the schema.
	text := string(Schema())
	for _, k := range everySetting() {
		if !strings.Contains(text, `"`+k.Name+`":`) {
			t.Errorf("%s is missing", k.ID())
		}
	}
	if len(text) > 100<<10 {
		t.Errorf("%d kB are more than an editor should load", len(text)>>10)
	}
}
