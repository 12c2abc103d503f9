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
	table "github.com/galleyhq/galley/internal/settings"
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

func (f *serverFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	d := flagDefiner{FlagSet: fs, table: table.ServerFlags()}
	d.bind(map[string]any{
		"image":                     &f.image,
		"flavor":                    &f.flavor,
		"chef-node-name-prefix":     &f.prefix,
		"openstack-ssh-key-id":      &f.keyPair,
		floatingFlag:                &f.floating,
		"floating-ip-pool":          &f.pools,
		"openstack-private-network": &f.private,
		"bootstrap-network":         &f.network,
		"no-network":                &f.anyNetwork,
		"network-ids":               &f.networks,
		"openstack-groups":          &f.groups,
		"openstack-volumes":         &f.volumes,
		"user-data":                 &f.userData,
		"availability-zone":         &f.zone,
		"custom-attributes":         &f.custom,
		"image-os-type":             &f.osType,
		"server-create-timeout":     &f.timeout,
		"ttl":                       &f.ttl,
		"delete-server-on-failure":  &f.deleteOnFailure,
		"keep-on-failure":           &f.keepOnFailure,
	})
	fs.Lookup(floatingFlag).NoOptDefVal = floatingAny
	d.list(&f.hints, "scheduler-hints")
	d.list(&f.metadata, "metadata")
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
		key := table.ServerFlags()[name].Knife[0]
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
	if v, ok := conf.Lookup(table.ServerFlags()[floatingFlag].Knife[0]); ok && !fs.Changed(floatingFlag) {
		if on, isSwitch := v.Data.(bool); isSwitch {
			f.floating = map[bool]string{true: floatingAny, false: floatingNone}[on]
			fs.Lookup(floatingFlag).Changed = true
		}
	}
	return fromKnife(fs, conf, table.ServerFlags())
}

// spec reads the flags, without asking the cloud; hide receives what must not
// be printed.
func (f *serverFlags) spec(hide func(...string)) (openstack.ServerSpec, error) {
	s := openstack.ServerSpec{
		Image: f.image, Flavor: f.flavor, KeyName: f.keyPair, SecurityGroups: trimmed(f.groups), AvailabilityZone: f.zone,
		ActiveTimeout: time.Duration(f.timeout) * time.Second,
	}
	switch {
	case f.image == "" || f.flavor == "":
		return s, f.missing()
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

// missing asks for the image, the flavor or both.
func (f *serverFlags) missing() error {
	var what, hints []string
	ask := func(value, article, name, short string) {
		if value == "" {
			what = append(what, article+" "+name)
			hints = append(hints, fmt.Sprintf("--%s (-%s, or knife[:%s] in knife.rb) names one of `galley %s list`", name, short, name, name))
		}
	}
	ask(f.image, "an", "image", "I")
	ask(f.flavor, "a", "flavor", "f")
	return &knifeError{usagef(strings.Join(hints, "\n"), "the server needs %s", text.And(what)), exitKnifeMissing}
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
