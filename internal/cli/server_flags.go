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
	Image           string   `flag:"image"`
	Flavor          string   `flag:"flavor"`
	Prefix          string   `flag:"chef-node-name-prefix"`
	KeyPair         string   `flag:"openstack-ssh-key-id"`
	Floating        string   `flag:"openstack-floating-ip"`
	Pools           []string `flag:"floating-ip-pool"`
	Private         bool     `flag:"openstack-private-network"`
	Network         string   `flag:"bootstrap-network"`
	AnyNetwork      bool     `flag:"no-network"`
	Networks        []string `flag:"network-ids"`
	Groups          []string `flag:"openstack-groups"`
	Volumes         []string `flag:"openstack-volumes"`
	Hints           []string `flag:"scheduler-hints,repeat"`
	UserData        string   `flag:"user-data"`
	Zone            string   `flag:"availability-zone"`
	Metadata        []string `flag:"metadata,repeat"`
	Custom          string   `flag:"custom-attributes"`
	OSType          string   `flag:"image-os-type"`
	Timeout         int      `flag:"server-create-timeout"`
	TTL             string   `flag:"ttl"`
	DeleteOnFailure bool     `flag:"delete-server-on-failure"`
	KeepOnFailure   bool     `flag:"keep-on-failure"`
}

// floatingFlag is the long name of -a.
const floatingFlag = "openstack-floating-ip"

// floatingAny is the value of -a without an address, floatingNone that of its
// absence, as knife.rb may have it.
const (
	floatingAny  = "any"
	floatingNone = "-1"
)

func (f *serverFlags) add(cmd *cobra.Command, clouds *cloudAccess) {
	settingFlags(cmd.Flags(), f, table.ServerFlags(), table.Setting.Help)
	cmd.Flags().Lookup(floatingFlag).NoOptDefVal = floatingAny
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
	for name, list := range map[string]*[]string{"metadata": &f.Metadata, "scheduler-hints": &f.Hints} {
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
			f.Floating = map[bool]string{true: floatingAny, false: floatingNone}[on]
			fs.Lookup(floatingFlag).Changed = true
		}
	}
	return fromKnife(fs, conf, table.ServerFlags())
}

// spec reads the flags, without asking the cloud; hide receives what must not
// be printed.
func (f *serverFlags) spec(hide func(...string)) (openstack.ServerSpec, error) {
	s := openstack.ServerSpec{
		Image: f.Image, Flavor: f.Flavor, KeyName: f.KeyPair, SecurityGroups: trimmed(f.Groups), AvailabilityZone: f.Zone,
		ActiveTimeout: time.Duration(f.Timeout) * time.Second,
	}
	switch {
	case f.Image == "" || f.Flavor == "":
		return s, f.missing()
	case f.Timeout <= 0:
		return s, usagef("", "--server-create-timeout %d: it is a number of seconds above 0", f.Timeout)
	case f.Private && f.Network != "":
		return s, usagef("leave out one of them", "--openstack-private-network and --bootstrap-network exclude each other")
	}
	switch strings.ToLower(f.OSType) {
	case "linux":
	case "windows":
		return s, usagef("an image with OpenSSH for Windows can be made a server with the cloud's own tools, and a node with `galley bootstrap`",
			"--image-os-type windows is not supported: Galley reaches machines over SSH and bootstraps those with a POSIX shell")
	default:
		return s, usagef("", "--image-os-type %q is unknown: it is linux", f.OSType)
	}
	for _, n := range trimmed(f.Networks) {
		s.Nics = append(s.Nics, openstack.Nic{Network: n})
	}
	var err error
	if f.TTL != "" {
		if s.TTL, err = text.ParseDuration(f.TTL); err != nil {
			return s, usagef("", "--ttl: %w", err)
		}
	}
	if s.FloatingIP, err = f.floatingIP(); err != nil {
		return s, err
	}
	if s.Metadata, err = servers.ReadMetadata(f.Metadata); err != nil {
		return s, err
	}
	if s.SchedulerHints, err = servers.ReadHints(f.Hints); err != nil {
		return s, err
	}
	if s.Volumes, err = servers.Volumes(trimmed(f.Volumes)); err != nil {
		return s, err
	}
	if f.UserData != "" {
		if s.UserData, err = os.ReadFile(f.UserData); err != nil {
			return s, usagef("", "--user-data: %v", err)
		}
	}
	if err := servers.SetCustom(&s, f.Custom); err != nil {
		return s, err
	}
	hide(s.AdminPass.Reveal())
	return s, nil
}

// floatingIP reads -a.
func (f *serverFlags) floatingIP() (openstack.FloatingIPSpec, error) {
	pools := trimmed(f.Pools)
	switch f.Floating {
	case "", floatingNone, "false":
		if len(pools) > 0 {
			return openstack.FloatingIPSpec{}, usagef("add -a", "--floating-ip-pool requires --openstack-floating-ip")
		}
		return openstack.FloatingIPSpec{}, nil
	case floatingAny, "true":
		return openstack.FloatingIPSpec{Pools: pools, AnyPool: len(pools) == 0, AllocateIfNone: true}, nil
	}
	if _, err := netip.ParseAddr(f.Floating); err != nil {
		return openstack.FloatingIPSpec{}, usagef("give an address, or no value for a free one", "--openstack-floating-ip %q is not an address", f.Floating)
	}
	if len(pools) > 0 {
		return openstack.FloatingIPSpec{}, usagef("leave out one of them", "an address of --openstack-floating-ip and --floating-ip-pool exclude each other")
	}
	return openstack.FloatingIPSpec{Address: f.Floating, TakeOver: true}, nil
}

func (f *serverFlags) reach() servers.Reach {
	if f.AnyNetwork {
		return servers.Reach{}
	}
	return servers.Reach{Network: f.Network, Private: f.Private}
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
	ask(f.Image, "an", "image", "I")
	ask(f.Flavor, "a", "flavor", "f")
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
