package cli

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/config/knife"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/servers"
	"github.com/galleyhq/galley/internal/text"
)

// serverFlags are the flags of server create that describe the server
// (knife-openstack: server create).
type serverFlags struct {
	image, flavor   string
	prefix          string
	keyPair         string
	floating        string
	pools           []string
	private         bool
	network         string
	anyNetwork      bool
	networks        []string
	groups          []string
	volumes         []string
	hints           []string
	userData        string
	zone            string
	metadata        []string
	custom          string
	osType          string
	timeout         int
	ttl             string
	deleteOnFailure bool
	keepOnFailure   bool
}

// floatingFlag is the long name of -a.
const floatingFlag = "openstack-floating-ip"

// floatingAny is the value of -a without an address, floatingNone that of its
// absence, as knife.rb may have it.
const (
	floatingAny  = "any"
	floatingNone = "-1"
)

// serverKeys are the keys of knife[...] that set the flags, knife-openstack's
// first and then those of its older versions.
var serverKeys = map[string][]string{
	"image":                     {"image"},
	"flavor":                    {"flavor"},
	"chef-node-name-prefix":     {"chef_node_name_prefix"},
	"openstack-ssh-key-id":      {"openstack_ssh_key_id"},
	floatingFlag:                {"openstack_floating_ip", "floating_ip"},
	"floating-ip-pool":          {"floating_ip_pool", "openstack_floating_ip_pool"},
	"openstack-private-network": {"openstack_private_network", "private_network"},
	"bootstrap-network":         {"bootstrap_network"},
	"network-ids":               {"network_ids"},
	"openstack-groups":          {"openstack_security_groups", "openstack_groups", "security_groups"},
	"openstack-volumes":         {"openstack_volumes"},
	"scheduler-hints":           {"scheduler_hints"},
	"user-data":                 {"user_data"},
	"availability-zone":         {"availability_zone"},
	"metadata":                  {"metadata"},
	"custom-attributes":         {"custom_attributes"},
	"image-os-type":             {"image_os_type"},
	"server-create-timeout":     {"server_create_timeout"},
	"delete-server-on-failure":  {"delete_server_on_failure"},
}

func (f *serverFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVarP(&f.image, "image", "I", "", "`IMAGE` to boot: an ID, a name, or a regular expression that its name matches")
	fs.StringVarP(&f.flavor, "flavor", "f", "", "`FLAVOR`: an ID or a name")
	fs.StringVar(&f.prefix, "chef-node-name-prefix", "openstack", "`PREFIX` of the node's name where -N is not given")
	fs.StringVarP(&f.keyPair, "openstack-ssh-key-id", "S", "", "`KEY` pair to put on the server (default: a new one)")
	fs.StringVarP(&f.floating, floatingFlag, "a", "", "give it a floating IP: this `IP`, taken from its holder, or without a value a free one of the project, allocated if there is none")
	fs.Lookup(floatingFlag).NoOptDefVal = floatingAny
	fs.StringSliceVar(&f.pools, "floating-ip-pool", nil, "take the floating IP only from these external `NETWORKS`")
	fs.BoolVar(&f.private, "openstack-private-network", false, "bootstrap over an address inside the cloud, of the network called private if there is one")
	fs.StringVar(&f.network, "bootstrap-network", "", "bootstrap over the address in the network of this `NAME` (default: the floating IP, else the network called public, else the most reachable address)")
	fs.BoolVar(&f.anyNetwork, "no-network", false, "bootstrap over any network, whatever knife.rb names")
	fs.StringSliceVar(&f.networks, "network-ids", nil, "`NETWORKS` to attach, by ID or name")
	fs.StringSliceVar(&f.groups, "openstack-groups", nil, "security `GROUPS` (default: the project's default group)")
	fs.StringSliceVar(&f.volumes, "openstack-volumes", nil, "existing `VOLUMES` to attach as /dev/vdd, /dev/vde, …")
	fs.StringArrayVar(&f.hints, "scheduler-hints", nil, "`HINT` for the scheduler: KEY=VALUE, a JSON object, or a server group")
	fs.StringVar(&f.userData, "user-data", "", "`FILE` with user data for cloud-init")
	fs.StringVarP(&f.zone, "availability-zone", "Z", "", "availability `ZONE`")
	fs.StringArrayVarP(&f.metadata, "metadata", "M", nil, "`KEY=VALUE` of the server's metadata; repeatable")
	fs.StringVar(&f.custom, "custom-attributes", "", "more `ATTRIBUTES` of the request: \"key=value;key2=value2\"")
	fs.StringVar(&f.osType, "image-os-type", "linux", "`TYPE` of the image's system: linux")
	fs.IntVar(&f.timeout, "server-create-timeout", 600, "`SECONDS` until the server must be ACTIVE")
	fs.StringVar(&f.ttl, "ttl", "", "`TIME` that the server may live, as in 4h or 2d; then galley reap removes it")
	fs.BoolVar(&f.deleteOnFailure, "delete-server-on-failure", true, "remove everything when something fails")
	fs.BoolVar(&f.keepOnFailure, "keep-on-failure", false, "keep what a failed create has created")
}

// complete sets how the flags' values are completed.
func (f *serverFlags) complete(cmd *cobra.Command, clouds *cloudAccess) {
	for flag, names := range map[string]cloudNames{
		"image": imageNames, "flavor": flavorNames, "openstack-ssh-key-id": keyPairNames, floatingFlag: floatingIPNames,
		"floating-ip-pool": poolNamesOf, "bootstrap-network": networkNames, "network-ids": networkNames,
		"openstack-groups": groupNames, "openstack-volumes": volumeNames,
	} {
		completeFlag(cmd, flag, clouds.complete(names))
	}
	completeFlag(cmd, "image-os-type", fixed("linux"))
}

// settle gives the flags that are not on the command line their values in
// knife.rb, which may be hashes and booleans there.
func (f *serverFlags) settle(fs *pflag.FlagSet, conf *knife.Config) error {
	for name, list := range map[string]*[]string{"metadata": &f.metadata, "scheduler-hints": &f.hints} {
		key := serverKeys[name][0]
		v, ok := conf.Lookup(key)
		hash, isHash := v.Data.(ruby.Map)
		if !ok || !isHash || fs.Changed(name) {
			continue
		}
		for _, p := range hash {
			*list = append(*list, fmt.Sprintf("%v=%v", jsonOf(p.Key), jsonOf(p.Value)))
		}
		fs.Lookup(name).Changed = true
	}
	if v, ok := conf.Lookup(serverKeys[floatingFlag][0]); ok && !fs.Changed(floatingFlag) {
		if on, isSwitch := v.Data.(bool); isSwitch {
			f.floating = map[bool]string{true: floatingAny, false: floatingNone}[on]
			fs.Lookup(floatingFlag).Changed = true
		}
	}
	return fromKnife(fs, conf, serverKeys)
}

// spec reads the flags, without asking the cloud; hide receives what must not
// be printed.
func (f *serverFlags) spec(hide func(...string)) (openstack.ServerSpec, error) {
	s := openstack.ServerSpec{
		Image: f.image, Flavor: f.flavor, KeyName: f.keyPair, SecurityGroups: trimmed(f.groups), AvailabilityZone: f.zone,
		ActiveTimeout: time.Duration(f.timeout) * time.Second,
	}
	switch {
	case f.image == "":
		return s, missing("an image", "--image", "-I", "image")
	case f.flavor == "":
		return s, missing("a flavor", "--flavor", "-f", "flavor")
	case f.timeout <= 0:
		return s, usagef("", "--server-create-timeout %d: it is a number of seconds above 0", f.timeout)
	case f.private && f.network != "":
		return s, usagef("leave out one of them", "--openstack-private-network and --bootstrap-network exclude each other")
	}
	switch strings.ToLower(f.osType) {
	case "linux":
	case "windows":
		return s, usagef("an image with OpenSSH for Windows can be made a server with the cloud's own tools, and a node with `galley bootstrap`",
			"--image-os-type windows is not supported: Galley reaches machines over SSH and bootstraps those with a POSIX shell")
	default:
		return s, usagef("", "--image-os-type %q is unknown: it is linux", f.osType)
	}
	for _, n := range trimmed(f.networks) {
		s.Nics = append(s.Nics, openstack.Nic{Network: n})
	}
	var err error
	if f.ttl != "" {
		if s.TTL, err = text.ParseDuration(f.ttl); err != nil {
			return s, usagef("", "--ttl: %w", err)
		}
	}
	if s.FloatingIP, err = f.floatingIP(); err != nil {
		return s, err
	}
	if s.Metadata, err = servers.ReadMetadata(f.metadata); err != nil {
		return s, err
	}
	if s.SchedulerHints, err = servers.ReadHints(f.hints); err != nil {
		return s, err
	}
	if s.Volumes, err = servers.Volumes(trimmed(f.volumes)); err != nil {
		return s, err
	}
	if f.userData != "" {
		if s.UserData, err = os.ReadFile(f.userData); err != nil {
			return s, usagef("", "--user-data: %v", err)
		}
	}
	if err := servers.SetCustom(&s, f.custom); err != nil {
		return s, err
	}
	hide(s.AdminPass.Reveal())
	return s, nil
}

// floatingIP reads -a.
func (f *serverFlags) floatingIP() (openstack.FloatingIPSpec, error) {
	pools := trimmed(f.pools)
	switch f.floating {
	case "", floatingNone, "false":
		if len(pools) > 0 {
			return openstack.FloatingIPSpec{}, usagef("add -a", "--floating-ip-pool requires --openstack-floating-ip")
		}
		return openstack.FloatingIPSpec{}, nil
	case floatingAny, "true":
		return openstack.FloatingIPSpec{Pools: pools, AnyPool: len(pools) == 0, AllocateIfNone: true}, nil
	}
	if _, err := netip.ParseAddr(f.floating); err != nil {
		return openstack.FloatingIPSpec{}, usagef("give an address, or no value for a free one", "--openstack-floating-ip %q is not an address", f.floating)
	}
	if len(pools) > 0 {
		return openstack.FloatingIPSpec{}, usagef("leave out one of them", "an address of --openstack-floating-ip and --floating-ip-pool exclude each other")
	}
	return openstack.FloatingIPSpec{Address: f.floating, TakeOver: true}, nil
}

func (f *serverFlags) reach() servers.Reach {
	if f.anyNetwork {
		return servers.Reach{}
	}
	return servers.Reach{Network: f.network, Private: f.private}
}

func missing(what, long, short, key string) error {
	err := usagef(fmt.Sprintf("give it with %s (%s), or write knife[:%s] into knife.rb", long, short, key), "the server needs %s", what)
	return &knifeError{err, exitKnifeMissing}
}

func trimmed(list []string) []string {
	var out []string
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}
