package cli

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/atomicfile"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/state"
)

func newNetworkCommand(d *deps) *cobra.Command {
	return noun("network", "Create, delete and list networks",
		newNamedListCommand(d, "networks", "  galley network list\n  galley network list --columns name,external",
			[]string{"Name", "ID", "Tenant", "Shared", "External"}, (*openstack.Cloud).Networks,
			func(n openstack.Network) (string, string) { return n.Name, n.ID },
			func(n openstack.Network) []any {
				return []any{n.Name, n.ID, n.ProjectID, flagged(n.Shared), flagged(n.External)}
			}),
		newNetworkCreateCommand(d), newNetworkDeleteCommand(d))
}

// networkFlags are the flags that describe a network.
type networkFlags struct {
	subnets, dns, pools, gateways        []string
	subnetName, router, external, v6mode string
	ipVersion                            int
	noDHCP, noGateway, keep              bool
}

func (f *networkFlags) add(fs *pflag.FlagSet) {
	fs.StringSliceVar(&f.subnets, "subnet", nil, "address range of the subnet as `CIDR`: 10.0.0.0/24; once for each address family")
	fs.StringVar(&f.subnetName, "subnet-name", "", "`NAME` of a new subnet (default the network's)")
	fs.StringVar(&f.router, "router", "", "connect the subnets to this `ROUTER` (name or ID), which is created if it does not exist")
	fs.StringVar(&f.external, "external", "", "connect the router to this external `NETWORK` (name or ID)")
	fs.StringSliceVar(&f.gateways, "gateway", nil, "`ADDRESS` of the router on the subnet (default the first one)")
	fs.BoolVar(&f.noGateway, "no-gateway", false, "create the subnets without a gateway")
	fs.StringSliceVar(&f.dns, "dns", nil, "`ADDRESSES` of the name servers for guests")
	fs.StringSliceVar(&f.pools, "pool", nil, "assign only addresses of this range: `START-END`")
	fs.IntVar(&f.ipVersion, "ip-version", 0, "refuse a subnet that is not of this `VERSION`: 4 or 6")
	fs.StringVar(&f.v6mode, "ipv6-mode", "", "`MODE`: slaac, dhcpv6-stateful, dhcpv6-stateless or none (default slaac for a /64, else dhcpv6-stateful)")
	fs.BoolVar(&f.noDHCP, "no-dhcp", false, "create the subnets without DHCP")
	fs.BoolVar(&f.keep, "keep-on-failure", false, "keep everything that was created when something fails")
}

// networkCreateOptions are those of network create.
type networkCreateOptions struct {
	*program
	networks networkAccess

	name   string
	flags  networkFlags
	output listingFlags
}

func newNetworkCreateCommand(d *deps) *cobra.Command {
	o := &networkCreateOptions{program: d.program, networks: networkAccess{d.program, d.clouds}}
	cmd := &cobra.Command{
		Use:   "create NAME --subnet CIDR [--router NAME] [--external NETWORK]",
		Short: "Create a network for servers, with its subnet and router",
		Long: `Create a network, its subnets, and a router that connects them to an external
network: five commands of the neutron client in one. What exists and is as asked
is used, so that the same command run twice changes nothing, and one that was
interrupted is completed; what differs is refused before anything is created. A
failed create removes everything that it has created. "galley network delete NAME"
undoes exactly a create.`,
		Example: `  galley network create net1 --subnet 10.0.0.0/24 --router gw --external public
  galley network create isolated --subnet 10.9.0.0/24 --no-gateway`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return o.run(cmd.Context())
		},
	}
	o.flags.add(cmd.Flags())
	o.output.add(cmd, networkCreateColumns)
	d.knife.addTo(cmd, usesCloud)
	completeFlag(cmd, "external", d.clouds.complete(poolNamesOf))
	completeFlag(cmd, "ip-version", fixed("4", "6"))
	completeFlag(cmd, "ipv6-mode", fixed(v6Modes...))
	return cmd
}

func (o *networkCreateOptions) run(ctx context.Context) error {
	spec, err := o.flags.spec(o.name)
	if err != nil {
		return err
	}
	return o.networks.use(ctx, func(ctx context.Context, c *openstack.Cloud, record func(string) openstack.Journal) error {
		got, err := c.EnsureNetwork(ctx, spec, record(spec.Name), o.flags.keep, o.reporter())
		if err != nil {
			return err
		}
		if !got.Changed {
			fmt.Fprintf(o.streams.Err, "The network %q is as asked: nothing to do.\n", spec.Name)
		}
		return o.printOne(networkListing(got), &o.output)
	})
}

var v6Modes = []string{"slaac", "dhcpv6-stateful", "dhcpv6-stateless", "none"}

// spec checks the flags and makes a request of them.
func (f *networkFlags) spec(name string) (openstack.NetworkSpec, error) {
	spec := openstack.NetworkSpec{Name: name, Router: f.router, External: f.external}
	switch {
	case strings.TrimSpace(name) == "":
		return spec, usagef("", "the network needs a name")
	case f.external != "" && f.router == "":
		return spec, usagef("name one with --router: it is made if it does not exist", "--external needs a router that leads there")
	case f.router != "" && len(f.subnets) == 0:
		return spec, usagef("give the network one with --subnet", "--router needs a subnet to join")
	case len(f.subnets) == 0 && (len(f.dns)+len(f.pools)+len(f.gateways) > 0 || f.noDHCP || f.noGateway || f.v6mode != "" || f.ipVersion != 0 || f.subnetName != ""):
		return spec, usagef("give the network one with --subnet", "--dns, --gateway, --pool and their like need a subnet")
	case f.noGateway && len(f.gateways) > 0:
		return spec, usagef("", "--gateway and --no-gateway exclude each other")
	case f.ipVersion != 0 && f.ipVersion != 4 && f.ipVersion != 6:
		return spec, usagef("", "--ip-version is 4 or 6, not %d", f.ipVersion)
	case f.v6mode != "" && !slices.Contains(v6Modes, f.v6mode):
		return spec, usagef("", "unknown IPv6 mode %q: it is slaac, dhcpv6-stateful, dhcpv6-stateless or none", f.v6mode)
	}
	for _, text := range f.subnets {
		sn, err := f.subnet(name, text)
		if err != nil {
			return spec, err
		}
		spec.Subnets = append(spec.Subnets, sn)
	}
	return spec, f.share(spec.Subnets)
}

func (f *networkFlags) subnet(network, text string) (openstack.SubnetSpec, error) {
	sn := openstack.SubnetSpec{Name: f.subnetName, NoDHCP: f.noDHCP, NoGateway: f.noGateway}
	if sn.Name == "" {
		sn.Name = network
	}
	cidr, err := netip.ParsePrefix(text)
	if err != nil {
		return sn, usagef("as in --subnet 10.0.0.0/24", "%q is not a network in CIDR notation", text)
	}
	if m := cidr.Masked(); cidr != m {
		return sn, usagef("did you mean --subnet "+m.String()+"?", "%s is an address on a network, not the network", text)
	}
	sn.CIDR = cidr
	v6 := cidr.Addr().Is6()
	if f.ipVersion != 0 && v6 != (f.ipVersion == 6) {
		return sn, usagef("", "the subnet %s is not of IP version %d", text, f.ipVersion)
	}
	if v6 && !f.noDHCP && f.v6mode != "none" {
		if sn.IPv6Mode = f.v6mode; sn.IPv6Mode == "" {
			sn.IPv6Mode = "dhcpv6-stateful"
			if cidr.Bits() == 64 {
				sn.IPv6Mode = "slaac"
			}
		}
	}
	return sn, nil
}

// share gives each subnet the gateways, pools and name servers that are its
// own: those of its addresses, or of its family.
func (f *networkFlags) share(subnets []openstack.SubnetSpec) error {
	in := func(flag string, addr netip.Addr, fits func(*openstack.SubnetSpec) bool, put func(*openstack.SubnetSpec)) error {
		found := false
		for i := range subnets {
			if fits(&subnets[i]) {
				put(&subnets[i])
				found = true
			}
		}
		if !found {
			return usagef("", "--%s %s fits none of the subnets", flag, addr)
		}
		return nil
	}
	for _, text := range f.gateways {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return usagef("", "the gateway %q is not an IP address", text)
		}
		if err := in("gateway", addr, func(s *openstack.SubnetSpec) bool { return s.CIDR.Contains(addr) && !s.Gateway.IsValid() },
			func(s *openstack.SubnetSpec) { s.Gateway = addr }); err != nil {
			return err
		}
	}
	for _, text := range f.dns {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return usagef("", "the name server %q is not an IP address", text)
		}
		if err := in("dns", addr, func(s *openstack.SubnetSpec) bool { return s.CIDR.Addr().Is4() == addr.Is4() },
			func(s *openstack.SubnetSpec) { s.DNS = append(s.DNS, addr.String()) }); err != nil {
			return err
		}
	}
	for _, text := range f.pools {
		from, to, _ := strings.Cut(text, "-")
		start, err := netip.ParseAddr(from)
		end, err2 := netip.ParseAddr(to)
		if err != nil || err2 != nil {
			return usagef("as in --pool 10.0.0.100-10.0.0.200", "the pool %q is not START-END", text)
		}
		if err := in("pool", start, func(s *openstack.SubnetSpec) bool { return s.CIDR.Contains(start) },
			func(s *openstack.SubnetSpec) {
				s.Pools = append(s.Pools, openstack.AddressRange{Start: start, End: end})
			}); err != nil {
			return err
		}
	}
	return nil
}

var networkCreateColumns = []string{"Network", "Network ID", "Subnets", "Subnet IDs", "Router", "Router ID", "External Network ID", "Changed"}

// networkListing shows the outcome of a create.
func networkListing(n *openstack.NetworkSetup) listing {
	l := listing{columns: networkCreateColumns}
	cidrs, ids := []string{}, []string{}
	for _, s := range n.Subnets {
		cidrs, ids = append(cidrs, s.CIDR), append(ids, s.ID)
	}
	var router openstack.Router
	if n.Router != nil {
		router = *n.Router
	}
	l.add(n.Network.Name, n.Network.ID, joined(cidrs, " "), joined(ids, " "),
		orNone(router.Name), orNone(router.ID), orNone(router.External), flagged(n.Changed))
	return l
}

// networkDeleteOptions are those of network delete.
type networkDeleteOptions struct {
	*program
	networks networkAccess

	noWait, forget bool
}

func newNetworkDeleteCommand(d *deps) *cobra.Command {
	o := &networkDeleteOptions{program: d.program, networks: networkAccess{d.program, d.clouds}}
	cmd := &cobra.Command{
		Use:   "delete NAME...",
		Short: "Remove exactly what `network create` has created",
		Long: `Remove what "galley network create" has created under a name, and nothing else: a
network or router that existed before is kept, and so is a router that connects
other networks by now. A network with servers on it is refused. Of a network that
is gone it removes the router that is left.`,
		Example: `  galley network delete net1
  galley network delete net1 isolated`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: d.clouds.complete(networkNames),
		RunE: func(cmd *cobra.Command, names []string) error {
			return each(cmd.Context(), names, func(name string) error { return o.remove(cmd.Context(), name) })
		},
	}
	cmd.Flags().BoolVar(&o.noWait, "no-wait", false, noWaitUsage)
	cmd.Flags().BoolVar(&o.forget, "forget", false, "drop the record of a network without removing it, when its cloud or project is out of reach for good")
	d.knife.addTo(cmd, usesCloud)
	return cmd
}

// noWaitUsage is the help of --no-wait, of everything that removes things.
const noWaitUsage = "fail instead of waiting for requests that were never answered and may still take effect"

// remove undoes a create. The record has the network's name, whether the user
// gives that or the ID.
func (o *networkDeleteOptions) remove(ctx context.Context, ref string) error {
	if o.forget {
		return o.networks.forget(ctx, ref, o.reporter())
	}
	return o.networks.use(ctx, func(ctx context.Context, c *openstack.Cloud, record func(name string) openstack.Journal) error {
		name := ref
		if n, err := c.OwnNetwork(ctx, ref); err == nil && n != nil {
			name = n.Name
		}
		return c.RemoveNetwork(ctx, name, record(name), openstack.ReclaimOptions{NoWait: o.noWait}, o.reporter())
	})
}

// networkAccess is the cloud while no other process on this machine creates or
// removes networks.
type networkAccess struct {
	*program
	clouds *cloudAccess
}

// lock holds the lock of all networks. files are their records, and unlock lets go of their lock.
func (a networkAccess) lock(ctx context.Context) (files state.Networks, unlock func() error, err error) {
	mine, err := state.UserFiles(a.streams.Getenv)
	if err != nil {
		return files, nil, err
	}
	files = mine.Networks()
	unlock, err = state.Lock(ctx, files.Lock(), "the networks", func(holder string) {
		fmt.Fprintf(a.streams.Err, "Waiting for %s, which is creating or removing networks.\n", holder)
	})
	return files, unlock, err
}

// forget drops the record of a network without a login.
func (a networkAccess) forget(ctx context.Context, ref string, rep openstack.Reporter) error {
	files, unlock, err := a.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = unlock() }()
	paths, err := files.Records()
	if err != nil {
		return err
	}
	return openstack.ForgetNetwork(paths, ref, rep)
}

// use logs in and calls do; record returns the record of a network by name.
func (a networkAccess) use(ctx context.Context, do func(ctx context.Context, c *openstack.Cloud, record func(string) openstack.Journal) error) error {
	return a.clouds.use(ctx, func(ctx context.Context, c *openstack.Cloud) error {
		files, unlock, err := a.lock(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = unlock() }()
		return do(ctx, c, func(name string) openstack.Journal {
			path := files.Record(c.AuthURL(), c.Whoami().ProjectID, name)
			atomicfile.Sweep(path)
			return openstack.FileJournal(path)
		})
	})
}
