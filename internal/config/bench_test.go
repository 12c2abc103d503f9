package config

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tenByTen is a file of ten suites and ten platforms, with what such files
// usually hold.
func tenByTen(erb bool) string {
	env := func(name, def string) string {
		if erb {
			return fmt.Sprintf("<%%= ENV['%s'] || '%s' %%>", name, def)
		}
		return def
	}
	var b strings.Builder
	fmt.Fprintf(&b, `---
driver:
  name: openstack
  openstack_username: %s
  openstack_api_key: %s
  openstack_auth_url: %s/tokens
  floating_ip_pool: public
  network_ref:
    - net1
    - net2
  metadata:
    owner: me
provisioner:
  name: chef_zero
  product_version: 17.10
  client_rb:
    audit_mode: :enabled
transport:
  username: %s
  ssh_key: ~/.ssh/id_rsa
lifecycle:
  pre_converge:
    - remote: echo hello
      includes: [ubuntu-1]
platforms:
`, env("OS_USERNAME", "me"), env("OS_PASSWORD", "secret"), env("OS_AUTH_URL", "http://h"), env("SSH_USER", "centos"))
	for i := range 10 {
		fmt.Fprintf(&b, "  - name: ubuntu-%d\n    driver_config:\n      image_ref: %s\n      flavor_ref: m1.medium\n    run_list:\n      - recipe[apt]\n    attributes:\n      apt: {proxy: '%s', list: [1, 2, 3]}\n", i, env("IMAGE", "Ubuntu"), env("PROXY", ""))
	}
	b.WriteString("suites:\n")
	for i := range 10 {
		fmt.Fprintf(&b, "  - name: suite%d\n    run_list:\n      - recipe[a::b%d]\n      - role[base]\n    attributes:\n      app:\n        name: app%d\n        ports: [80, 443]\n        deep: {a: {b: {c: %d}}}\n    excludes: []\n    verifier:\n      inspec_tests:\n        - test/integration/suite%d\n", i, i, i, i, i)
	}
	return b.String()
}

func benchmarkLoad(b *testing.B, text string) {
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kitchen.yml"), []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p, err := Load(context.Background(), Options{Root: dir, Env: testEnv(map[string]string{"HOME": dir})})
		if err != nil {
			b.Fatal(err)
		}
		if len(p.Instances) != 100 {
			b.Fatalf("%d instances", len(p.Instances))
		}
	}
}

// The bar is 5 ms for rendering, parsing, merging and resolving.
func BenchmarkLoadTenByTen(b *testing.B) { benchmarkLoad(b, tenByTen(true)) }

func BenchmarkLoadTenByTenPlain(b *testing.B) { benchmarkLoad(b, tenByTen(false)) }
