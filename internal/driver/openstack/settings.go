package openstack

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/galleyhq/galley/internal/config"
	cloud "github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/text"
)

// reader reads the driver section, and the mappings in it.
type reader struct{ config.Reader }

func newReader(s config.Section) *reader { return &reader{config.Reader{Section: s}} }

func (r *reader) text(key string) string { return r.Text(key, "") }
func (r *reader) path(key string) string { return r.File(key, "") }
func (r *reader) flag(key string) bool   { return r.Flag(key, false) }

func (r *reader) first(keys ...string) string {
	for _, k := range keys {
		if v := r.text(k); v != "" {
			return v
		}
	}
	return ""
}

// refuse makes the error of a setting that cannot be right, with its place.
func (r *reader) refuse(key, format string, args ...any) {
	r.Add(&SettingError{Key: key, Where: r.Where(key), Reason: fmt.Sprintf(format, args...)})
}

// SettingError is a setting of the driver section that cannot be right
// whatever the cloud says.
type SettingError struct {
	// Key is the setting, Where its place ("kitchen.yml:12").
	Key, Where string
	// Reason is the fault.
	Reason string
}

// FaultyValue names the value for [config.Faults].
func (e *SettingError) FaultyValue() string { return e.Where + " " + e.Key }

// Error implements error.
func (e *SettingError) Error() string {
	where := ""
	if e.Where != "" {
		where = e.Where + ": "
	}
	return where + "driver." + e.Key + ": " + e.Reason
}

// sectionSettings is the driver section, read.
type sectionSettings struct {
	spec       cloud.ServerSpec
	prefix     string
	publicKey  string // path
	wait       time.Duration
	userData   string // path
	cloudInit  map[string]any
	privateKey string // path, of the 1.x keys
	imageCache bool
}

// readSettings reads everything but the credentials.
func readSettings(s config.Section) (sectionSettings, error) {
	r := newReader(s)
	var out sectionSettings
	spec := &out.spec
	spec.Name = r.text("server_name")
	out.prefix = r.text("server_name_prefix")
	if n := len(spec.Name); n > 255 {
		r.refuse("server_name", "is %d characters long; Nova takes 255", n)
	}

	one := func(ref, id, label string) (string, bool) {
		a, b := r.text(ref), r.text(id)
		if a != "" && b != "" {
			r.refuse(id, "cannot specify both %s and %s", ref, id)
		}
		if b != "" {
			return b, true
		}
		return a, false
	}
	spec.Image, spec.ImageByID = one("image_ref", "image_id", "image")
	spec.Flavor, spec.FlavorByID = one("flavor_ref", "flavor_id", "flavor")
	if s.Has("network_ref") && s.Has("network_id") {
		r.refuse("network_id", "cannot specify both network_ref and network_id")
	}
	r.nics(spec)

	spec.KeyName = r.text("key_name")
	spec.SecurityGroups = r.List("security_groups")
	spec.AvailabilityZone = r.text("availability_zone")
	spec.Description = r.text("description")
	spec.Tags = r.List("tags")
	spec.ConfigDrive = r.flag("config_drive")
	spec.Metadata = r.stringMap("metadata")
	spec.SchedulerHints = r.Plain("scheduler_hints")
	if g := r.text("server_group"); g != "" {
		if spec.SchedulerHints == nil {
			spec.SchedulerHints = map[string]any{}
		}
		spec.SchedulerHints["group"] = g
	}
	r.volumes(spec)

	out.userData = r.path("user_data")
	out.cloudInit = r.Plain("cloud_config")
	if out.userData != "" && out.cloudInit != nil {
		r.refuse("cloud_config", "cannot specify both cloud_config and user_data")
	}

	spec.FloatingIP = cloud.FloatingIPSpec{
		Address: r.text("floating_ip"), Pools: r.List("floating_ip_pool"), Allocate: r.flag("allocate_floating_ip"),
	}
	// Only the user's own "false" keeps an address from being allocated
	// where none is free.
	fip := &spec.FloatingIP
	fip.AllocateIfNone = len(fip.Pools) > 0 && fip.Address == "" && !r.Has("allocate_floating_ip")
	if spec.FloatingIP.Address != "" {
		spec.FloatingIP.Allocate = false
	} else if spec.FloatingIP.Allocate && len(spec.FloatingIP.Pools) == 0 {
		r.refuse("allocate_floating_ip", "needs floating_ip_pool, the external network to have an address of")
	}
	spec.Address = cloud.AddressChoice{
		Network: r.text("openstack_network_name"), IPv6: r.flag("use_ipv6"),
		PublicOrder: r.Number("public_ip_order", 0), PrivateOrder: r.Number("private_ip_order", 0),
		PrivateOnly: r.flag("private_network_only"),
	}
	if spec.Address.PublicOrder < 0 {
		r.refuse("public_ip_order", "is negative; it counts from 0")
	}
	if spec.Address.PrivateOrder < 0 {
		r.refuse("private_ip_order", "is negative; it counts from 0")
	}
	spec.ActiveTimeout = r.Time("glance_cache_wait_timeout", cloud.DefaultActiveTimeout)
	if ttl := r.text("ttl"); ttl != "" {
		var err error
		if spec.TTL, err = text.ParseDuration(ttl); err != nil {
			r.refuse("ttl", "%v", err)
		}
	}
	out.wait = r.Time("server_wait", 0)
	if out.imageCache = r.flag("image_cache"); out.imageCache && spec.BootVolume() != nil {
		r.refuse("image_cache", "is about servers that boot from an image, not from a volume")
	}
	out.publicKey = r.path("public_key_path")
	out.privateKey = r.keyPath()
	return out, r.Err()
}

// keyPath is the private key that keys of the 1.x time name.
func (r *reader) keyPath() string {
	return cmp.Or(r.path("private_key_path"), r.path("ssh_key"))
}

// nics reads networks and ports.
func (r *reader) nics(spec *cloud.ServerSpec) {
	for _, id := range r.List("network_id") {
		spec.Nics = append(spec.Nics, cloud.Nic{Network: id, ByID: true})
	}
	r.each("network_ref", func(text string) {
		spec.Nics = append(spec.Nics, cloud.Nic{Network: text})
	}, func(m *reader) {
		spec.Nics = append(spec.Nics, m.nic())
	})
	if ip := r.text("fixed_ip"); ip != "" {
		switch {
		case len(spec.Nics) == 0:
			r.refuse("fixed_ip", "needs network_ref or network_id, the network to have it in")
		case spec.Nics[0].FixedIP != "" || spec.Nics[0].Make != nil || spec.Nics[0].Port != "":
			r.refuse("fixed_ip", "contradicts what network_ref says of the first network")
		default:
			spec.Nics[0].FixedIP = ip
		}
	}
	r.each("ports", func(text string) {
		spec.Nics = append(spec.Nics, cloud.Nic{Port: text})
	}, func(m *reader) {
		n := m.nic()
		if n.Port == "" && n.Make == nil {
			n.Make = &cloud.PortSpec{}
		}
		spec.Nics = append(spec.Nics, n)
	})
}

// each hands on the entries of a key that takes a text, a mapping, or a list
// of both.
func (r *reader) each(key string, text func(string), mapping func(*reader)) {
	if !r.Has(key) {
		return
	}
	data, _ := r.Data().(map[string]any)
	list, ok := data[key].([]any)
	if !ok {
		list = []any{data[key]}
	}
	for _, x := range list {
		switch x := x.(type) {
		case map[string]any:
			m := newReader(config.NewSection(x))
			mapping(m)
			if err := m.Err(); err != nil {
				r.refuse(key, "%s", err.Error())
			}
		case nil:
		case []any:
			r.refuse(key, "holds a list within a list")
		default:
			text(fmt.Sprint(x))
		}
	}
}

// nic reads one mapping of network_ref or ports.
func (r *reader) nic() cloud.Nic {
	r.only("network", "uuid", "fixed_ip", "port", "name", "mac_address", "security_groups", "fixed_ips", "subnet_id")
	n := cloud.Nic{Network: r.first("network", "uuid"), Port: r.text("port"), FixedIP: r.text("fixed_ip")}
	p := cloud.PortSpec{
		Name: r.text("name"), MAC: r.text("mac_address"), Addresses: r.List("fixed_ips"), Subnets: r.List("subnet_id"),
		SecurityGroups: r.List("security_groups"),
	}
	if p.Name != "" || p.MAC != "" || p.Addresses != nil || p.Subnets != nil || p.SecurityGroups != nil {
		if n.Port != "" {
			r.refuse("port", "names an existing port, which cannot be given other properties here")
		}
		if n.FixedIP != "" {
			p.Addresses = append([]string{n.FixedIP}, p.Addresses...)
			n.FixedIP = ""
		}
		n.Make = &p
	}
	if n.Network == "" && n.Port == "" {
		r.refuse("network", "is missing")
	}
	return n
}

// only refuses keys that are not understood: inside a mapping of ours nobody
// else has keys.
func (r *reader) only(names ...string) {
	for _, k := range r.Keys() {
		if !slices.Contains(names, k) {
			r.refuse(k, "is not understood here")
		}
	}
}

func (r *reader) stringMap(key string) map[string]string {
	if !r.Has(key) {
		return nil
	}
	m := r.Mapping(key)
	out := map[string]string{}
	for _, k := range m.Keys() {
		v, err := m.String(k, "")
		r.Add(err)
		if len(k) > 255 || len(v) > 255 {
			r.refuse(key, "has an entry of more than 255 characters (%s)", k[:min(len(k), 40)])
		}
		out[k] = v
	}
	return out
}

// volumes reads block_device_mapping, one mapping or a list of them, and
// volumes, which takes the names of existing ones too.
func (r *reader) volumes(spec *cloud.ServerSpec) {
	list, err := r.Maps("block_device_mapping")
	r.Add(err)
	r.devices(spec, list)
	never := -1
	r.each("volumes", func(text string) {
		spec.Volumes = append(spec.Volumes, cloud.VolumeSpec{VolumeID: text, BootIndex: &never})
	}, func(m *reader) {
		r.devices(spec, []config.Section{m.Section})
	})
}

func (r *reader) devices(spec *cloud.ServerSpec, list []config.Section) {
	for _, m := range list {
		b := newReader(m)
		b.only("make_volume", "volume_size", "snapshot_id", "imageRef", "image_ref", "volume_type", "source_volid", "availability_zone", "volume_id",
			"device_name", "delete_on_termination", "creation_timeout", "attach_timeout", "boot_index", "volume_device_name")
		v := cloud.VolumeSpec{
			Make: b.flag("make_volume"), VolumeID: b.text("volume_id"), SnapshotID: b.text("snapshot_id"), SourceVolume: b.text("source_volid"),
			Image: b.first("imageRef", "image_ref"), Size: b.Number("volume_size", 0), VolumeType: b.text("volume_type"),
			AvailabilityZone: b.text("availability_zone"), DeviceName: b.first("device_name", "volume_device_name"),
			DeleteOnTermination: b.flag("delete_on_termination"),
			CreationTimeout:     b.Time("creation_timeout", cloud.DefaultVolumeTimeout),
			AttachTimeout:       b.Time("attach_timeout", 0),
		}
		if m.Has("boot_index") {
			i := b.Number("boot_index", 0)
			v.BootIndex = &i
		}
		// Without make_volume kitchen-openstack needs a volume_id; what describes a
		// volume without naming one can only mean that it is to be made.
		if v.VolumeID == "" {
			v.Make = true
		}
		if v.Make {
			v.VolumeID = ""
			v.KeepAfter = m.Has("delete_on_termination") && !v.DeleteOnTermination
		}
		sources := len(slices.DeleteFunc([]string{v.SnapshotID, v.SourceVolume, v.Image}, func(s string) bool { return s == "" }))
		if sources > 1 {
			b.refuse("snapshot_id", "a volume is made of one thing: snapshot_id, source_volid or imageRef")
		}
		if v.Make && sources == 0 && v.Size == 0 {
			b.refuse("volume_size", "is needed to make a volume (GiB)")
		}
		if v.Size < 0 {
			b.refuse("volume_size", "is negative")
		}
		r.Add(b.Err())
		spec.Volumes = append(spec.Volumes, v)
	}
}

// readUserData reads what goes to the server as user data.
func (o sectionSettings) readUserData(s config.Section) ([]byte, error) {
	const most = 64 << 10 // Nova's limit is 65535 bytes of base64.
	var data []byte
	key := "user_data"
	switch {
	case o.userData != "":
		b, err := os.ReadFile(o.userData)
		if err != nil {
			return nil, &SettingError{Key: key, Where: s.Where(key), Reason: err.Error()}
		}
		data = b
	case o.cloudInit != nil:
		key = "cloud_config"
		// JSON is YAML: every reader of cloud-config takes it, and nothing in it
		// can be read in two ways.
		b, err := json.MarshalIndent(o.cloudInit, "", "  ")
		if err != nil {
			return nil, &SettingError{Key: key, Where: s.Where(key), Reason: err.Error()}
		}
		data = []byte("#cloud-config\n" + string(b) + "\n")
	}
	if len(data)*4/3 > most {
		return nil, &SettingError{Key: key, Where: s.Where(key), Reason: fmt.Sprintf("is %d bytes long; Nova takes %d", len(data), most*3/4)}
	}
	return data, nil
}

// ttl is how long the server may live: by the option, else by the key, else by
// the environment. 0 is for ever.
func (o Options) ttl(key time.Duration) (time.Duration, error) {
	source, value := "--ttl", o.TTL
	if value == "" {
		if key > 0 {
			return key, nil
		}
		if source, value = "GALLEY_TTL", o.Env("GALLEY_TTL"); value == "" {
			return 0, nil
		}
	}
	d, err := text.ParseDuration(value)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", source, err)
	}
	return d, nil
}

// TransportDefaults returns what a driver section of the 1.x generation says
// about SSH, as keys of the ssh transport: username, password, port, ssh_key,
// connection_timeout and connection_retries, as far as they are set. The
// transport's own section wins over them.
func TransportDefaults(section config.Section) (map[string]any, error) {
	r := newReader(section)
	out := map[string]any{}
	text := func(to, value string) {
		if value != "" {
			out[to] = value
		}
	}
	text("username", r.text("username"))
	text("password", r.text("password"))
	text("ssh_key", r.keyPath())
	if section.Has("port") {
		out["port"] = int64(r.Number("port", 22))
	}
	if section.Has("ssh_timeout") {
		out["connection_timeout"] = r.Time("ssh_timeout", 0).Seconds()
	}
	if section.Has("ssh_retries") {
		out["connection_retries"] = int64(r.Number("ssh_retries", 0))
	}
	return out, r.Err()
}
