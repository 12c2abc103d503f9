package config

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/galleyhq/galley/internal/config/yaml11"
)

// FuzzResolve feeds three files without ERB to the whole of the reader: what
// is wrong with them must be an *Error, and a valid file must come out as
// JSON and as YAML that reads back.
func FuzzResolve(f *testing.F) {
	f.Add([]byte("driver: {name: openstack, image_ref: 7.10}\nplatforms:\n- name: win-1\n  driver: x\nsuites:\n- name: s\n  run_list: [a]\n  excludes: b\n"), []byte("driver: {a: 1}\n"), []byte("transport: ssh\n"))
	f.Add([]byte("driver_plugin: x\ndriver_config: {require_chef_omnibus: 1, http_proxy: y, pre_create_command: z}\nbusser: '1'\nplatforms: [{name: a, run_list: [b]}]\nsuites: [{name: c, includes: /a/, attributes: {d: e}, lifecycle: {pre_create: [f]}}]\n"), []byte(""), []byte("platforms: []\n"))
	f.Add([]byte("x-a: &a {driver: b, <<: {c: d}}\nplatforms: [{name: p, driver: *a}]\nsuites: [{name: s, transport: }]\n"), []byte("kitchen: {log_level: x}\n"), []byte(""))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, project, local, global []byte) {
		if len(project)+len(local)+len(global) > 1<<15 {
			return
		}
		for name, b := range map[string][]byte{"kitchen.yml": project, "kitchen.local.yml": local, "global.yml": global} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		o := Options{Root: dir, Env: testEnv(map[string]string{"HOME": dir}), GlobalFile: "global.yml", SkipERB: true}
		if _, err := Validate(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		d, err := Examine(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		out := d.YAML(DiagnoseOptions{Loader: true, Plugins: true, Instances: true, Origin: true})
		if _, _, err := yaml11.Parse(out); err != nil && len(out) < 1<<16 {
			t.Fatalf("diagnose writes YAML that cannot be read: %v\n%s", err, out)
		}
		if d.Err != nil {
			var e *Error
			if !errors.As(d.Err, &e) || e.Msg == "" {
				t.Fatalf("%T %v", d.Err, d.Err)
			}
			return
		}
		if j := JSON(d.Project.Instances); !json.Valid(j) {
			t.Fatalf("no JSON: %s", j)
		}
		if y := YAML(d.Project.Instances); len(y) < 1<<16 {
			if _, _, err := yaml11.Parse(y); err != nil {
				t.Fatalf("resolve writes YAML that cannot be read: %v\n%s", err, y)
			}
		}
	})
}
