package openstack

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/config"
	cloud "github.com/galleyhq/galley/internal/openstack"
	table "github.com/galleyhq/galley/internal/settings"
	"github.com/google/go-cmp/cmp"
)

func section(pairs ...any) config.Section {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return config.NewSection(m)
}

// TestTableAndReaderAgree compares the keys that the driver looks at with
// those that the table of settings has for it.
func TestTableAndReaderAgree(t *testing.T) {
	read := map[string]bool{}
	look := func(key string) { read[key] = true }
	for _, s := range []config.Section{
		section("name", "openstack"),
		section("name", "openstack", "openstack_cloud", "x", "openstack_cacert", "x", "private_key_path", "x"),
	} {
		d, err := New(s.Recording(look), Options{Instance: "a-b", Root: t.TempDir(), Env: func(string) string { return "" }})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = d.auth()
		if _, err := TransportDefaults(s.Recording(look)); err != nil {
			t.Fatal(err)
		}
	}
	known := table.Known(table.Driver, "", "openstack")
	for key, k := range known {
		if k.Plugin != "" && k.Idle == "" && !read[key] {
			t.Errorf("%s is in the table of keys and not read", key)
		}
	}
	for key := range read {
		if _, ok := known[key]; !ok {
			t.Errorf("%s is read and not in the table", key)
		}
	}
}

func TestSettingsOfTheBlog(t *testing.T) {
	s, err := readSettings(section(
		"name", "openstack", "image_ref", "CentOS 7 GC 2014-09-16", "username", "centos", "flavor_ref", "m1.medium", "key_name", "arnes",
		"floating_ip_pool", "public", "network_ref", []any{"net1"}, "no_ssh_tcp_check", true, "no_ssh_tcp_check_sleep", 30, "require_chef_omnibus", true))
	if err != nil {
		t.Fatal(err)
	}
	want := cloud.ServerSpec{
		Image: "CentOS 7 GC 2014-09-16", Flavor: "m1.medium", KeyName: "arnes", Nics: []cloud.Nic{{Network: "net1"}},
		FloatingIP: cloud.FloatingIPSpec{Pools: []string{"public"}, AllocateIfNone: true}, ActiveTimeout: 10 * time.Minute,
	}
	if d := cmp.Diff(want, s.spec); d != "" {
		t.Error(d)
	}
}

func TestSettings(t *testing.T) {
	zero, minus := 0, -1
	for name, c := range map[string]struct {
		in   config.Section
		want cloud.ServerSpec
	}{
		"numbers are references too": {section("image_id", "i", "flavor_ref", 2), cloud.ServerSpec{Image: "i", ImageByID: true, Flavor: "2"}},
		"one network":                {section("network_ref", "/net/"), cloud.ServerSpec{Nics: []cloud.Nic{{Network: "/net/"}}}},
		"networks by id":             {section("network_id", []any{"a", "b"}), cloud.ServerSpec{Nics: []cloud.Nic{{Network: "a", ByID: true}, {Network: "b", ByID: true}}}},
		"networks as mappings": {
			section("network_ref", []any{"n", map[string]any{"network": "m", "fixed_ip": "10.0.0.7"}, map[string]any{"port": "p"}}),
			cloud.ServerSpec{Nics: []cloud.Nic{{Network: "n"}, {Network: "m", FixedIP: "10.0.0.7"}, {Port: "p"}}},
		},
		"a port to make": {
			section("ports", map[string]any{"network": "n", "fixed_ip": "10.0.0.7", "security_groups": "web"}),
			cloud.ServerSpec{Nics: []cloud.Nic{{Network: "n", Make: &cloud.PortSpec{Addresses: []string{"10.0.0.7"}, SecurityGroups: []string{"web"}}}}},
		},
		"a port that exists":      {section("ports", "p"), cloud.ServerSpec{Nics: []cloud.Nic{{Port: "p"}}}},
		"fixed ip":                {section("network_ref", "n", "fixed_ip", "10.0.0.7"), cloud.ServerSpec{Nics: []cloud.Nic{{Network: "n", FixedIP: "10.0.0.7"}}}},
		"groups as a string":      {section("security_groups", "web"), cloud.ServerSpec{SecurityGroups: []string{"web"}}},
		"groups as a list":        {section("security_groups", []any{"web", "db"}), cloud.ServerSpec{SecurityGroups: []string{"web", "db"}}},
		"metadata of numbers":     {section("metadata", map[string]any{"n": 1, "b": true}), cloud.ServerSpec{Metadata: map[string]string{"n": "1", "b": "true"}}},
		"server group":            {section("server_group", "anti"), cloud.ServerSpec{SchedulerHints: map[string]any{"group": "anti"}}},
		"floating ip over a pool": {section("floating_ip", "1.2.3.4", "allocate_floating_ip", true), cloud.ServerSpec{FloatingIP: cloud.FloatingIPSpec{Address: "1.2.3.4"}}},
		"several pools":           {section("floating_ip_pool", []any{"a", "b"}), cloud.ServerSpec{FloatingIP: cloud.FloatingIPSpec{Pools: []string{"a", "b"}, AllocateIfNone: true}}},
		"addresses": {
			section("openstack_network_name", "n", "use_ipv6", "true", "public_ip_order", "1", "private_ip_order", 2),
			cloud.ServerSpec{Address: cloud.AddressChoice{Network: "n", IPv6: true, PublicOrder: 1, PrivateOrder: 2}},
		},
		"a volume of kitchen-openstack's manual": {
			section("block_device_mapping", map[string]any{"make_volume": true, "snapshot_id": "s", "device_name": "vda", "availability_zone": "nova", "delete_on_termination": false, "creation_timeout": 120, "attach_timeout": 240}),
			cloud.ServerSpec{Volumes: []cloud.VolumeSpec{{Make: true, SnapshotID: "s", DeviceName: "vda", AvailabilityZone: "nova", KeepAfter: true, CreationTimeout: 2 * time.Minute, AttachTimeout: 4 * time.Minute}}},
		},
		"two volumes": {
			section("block_device_mapping", []any{map[string]any{"volume_size": 5, "boot_index": 0}, map[string]any{"volume_id": "v"}}),
			cloud.ServerSpec{Volumes: []cloud.VolumeSpec{{Make: true, Size: 5, BootIndex: &zero, CreationTimeout: time.Minute}, {VolumeID: "v", CreationTimeout: time.Minute}}},
		},
		"volumes that exist": {section("volumes", "v"), cloud.ServerSpec{Volumes: []cloud.VolumeSpec{{VolumeID: "v", BootIndex: &minus}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readSettings(c.in)
			if err != nil {
				t.Fatal(err)
			}
			c.want.ActiveTimeout = cloud.DefaultActiveTimeout
			if d := cmp.Diff(c.want, got.spec); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	for want, in := range map[string]config.Section{
		"both image_ref and image_id":     section("image_ref", "a", "image_id", "b"),
		"both flavor_ref and flavor_id":   section("flavor_ref", "a", "flavor_id", "b"),
		"both network_ref and network_id": section("network_ref", "a", "network_id", "b"),
		"both cloud_config and user_data": section("user_data", "f", "cloud_config", map[string]any{}),
		"floating_ip_pool":                section("allocate_floating_ip", true),
		"negative":                        section("public_ip_order", -1),
		"volume_size":                     section("block_device_mapping", map[string]any{"make_volume": true}),
		"made of one thing":               section("block_device_mapping", map[string]any{"snapshot_id": "a", "imageRef": "b"}),
		"size_of_volume":                  section("block_device_mapping", map[string]any{"size_of_volume": 1}),
		"fixed_ip":                        section("fixed_ip", "10.0.0.7"),
		"is missing":                      section("network_ref", []any{map[string]any{"fixed_ip": "10.0.0.7"}}),
		"list within a list":              section("network_ref", []any{[]any{"a"}}),
		"public_ip_order":                 section("public_ip_order", "first"),
		"use_ipv6":                        section("use_ipv6", "perhaps"),
		"block_device_mapping":            section("block_device_mapping", "vda"),
		"metadata":                        section("metadata", "a=b"),
	} {
		if s, err := readSettings(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %+v, %v; want %q", in.Data(), s.spec, err, want)
		}
	}
}

func TestUserData(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ud")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func(s config.Section) (string, error) {
		t.Helper()
		set, err := readSettings(s.WithRoot(dir))
		if err != nil {
			t.Fatal(err)
		}
		b, err := set.readUserData(s)
		return string(b), err
	}
	if got, err := read(section("user_data", "ud")); got != "#!/bin/sh\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	var bad *SettingError
	if _, err := read(section("user_data", "missing")); !errors.As(err, &bad) || bad.Key != "user_data" || !errors.Is(bad, os.ErrNotExist) && !strings.Contains(err.Error(), "no such file") {
		t.Errorf("%v", err)
	}
	got, err := read(section("cloud_config", map[string]any{"packages": []any{"git"}, "ssh_pwauth": true}))
	if err != nil || !strings.HasPrefix(got, "#cloud-config\n") || !strings.Contains(got, `"git"`) {
		t.Errorf("%q, %v", got, err)
	}
	if err := os.WriteFile(file, make([]byte, 50<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := read(section("user_data", "ud")); err == nil {
		t.Error("more than Nova takes is accepted")
	}
}

func TestTransportDefaults(t *testing.T) {
	got, err := TransportDefaults(section("username", "centos", "port", "2222", "private_key_path", "/k/id", "password", "pw", "ssh_timeout", 7, "ssh_retries", 3))
	want := map[string]any{"username": "centos", "port": int64(2222), "ssh_key": "/k/id", "password": "pw", "connection_timeout": 7.0, "connection_retries": int64(3)}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(err, d)
	}
	if got, err := TransportDefaults(section("image_ref", "x")); len(got) != 0 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := TransportDefaults(section("port", "ssh")); err == nil {
		t.Error("a port that is not a number is accepted")
	}
}
