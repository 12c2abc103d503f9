package cli

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/state"
)

func (a *app) networkNoun() *cobra.Command {
	return noun("network", "Make, delete and look up networks", a.listOf("networks", listNetworks), a.networkCreate(), a.networkDelete())
}

func listNetworks(ctx context.Context, c *openstack.Cloud) (listing, error) {
	networks, err := c.Networks(ctx)
	if err != nil {
		return listing{}, err
	}
	networks = slices.Clone(networks)
	slices.SortFunc(networks, func(x, y openstack.Network) int { return byNames(x.Name, y.Name, x.ID, y.ID) })
	l := listing{columns: []string{"Name", "ID", "Tenant", "Shared", "External"}}
	for _, n := range networks {
		l.add(n.Name, n.ID, n.ProjectID, flagged(n.Shared), flagged(n.External))
	}
	return l, nil
}

// networkFlags are a network as the command line has it.
type networkFlags struct {
	subnets, dns, pools, gateways        []string
	subnetName, router, external, v6mode string
	ipVersion                            int
	noDHCP, noGateway, keep              bool
}

func (a *app) networkCreate() *cobra.Command {
	var (
		f listingFlags
		o networkFlags
	)
	cmd := &cobra.Command{
		Use:   "create NAME --subnet CIDR [--router NAME] [--external NETWORK]",
		Short: "Make a network that servers can be put on, with its subnet and router",
		Long: `Makes a network, its subnets, and a router that joins them to an external
network: what took five commands of the neutron client.

  galley network create net1 --subnet 10.0.0.0/24 --router gw --external public

What is there already is used as it is, so that the same line run twice changes
nothing, and one that was interrupted is finished. What is there and differs is
refused before anything is made. A failed create takes back what it has made.
"galley network delete NAME" undoes exactly what create has made.

` + exitCodes,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			spec, err := o.spec(args[0])
			if err != nil {
				return err
			}
			return a.withNetworks(cmd.Context(), func(ctx context.Context, c *openstack.Cloud, record func(string) openstack.Journal) error {
				got, err := c.EnsureNetwork(ctx, spec, record(spec.Name), o.keep, lines{a})
				if err != nil {
					return err
				}
				if !got.Changed {
					fmt.Fprintf(a.streams.Err, "The network %q is as asked: nothing to do.\n", spec.Name)
				}
				return a.printOne(networkListing(got), &f)
			})
		},
	}
	fs := cmd.Flags()
	fs.StringSliceVar(&o.subnets, "subnet", nil, "the subnet's addresses as `CIDR`: 10.0.0.0/24; once for each address family")
	fs.StringVar(&o.subnetName, "subnet-name", "", "the `NAME` of a subnet that is made (default the network's)")
	fs.StringVar(&o.router, "router", "", "join the subnets to this `ROUTER` (name or ID), which is made if there is none of the name")
	fs.StringVar(&o.external, "external", "", "have the router lead to this external `NETWORK` (name or ID)")
	fs.StringSliceVar(&o.gateways, "gateway", nil, "the router's `ADDRESS` on the subnet (default the first one)")
	fs.BoolVar(&o.noGateway, "no-gateway", false, "make the subnets without a gateway")
	fs.StringSliceVar(&o.dns, "dns", nil, "name server `ADDRESSES` that guests are told of")
	fs.StringSliceVar(&o.pools, "pool", nil, "give guests addresses of this range only: `START-END`")
	fs.IntVar(&o.ipVersion, "ip-version", 0, "4 or 6: refuse a subnet of the other (default what the CIDR is)")
	fs.StringVar(&o.v6mode, "ipv6-mode", "", "slaac, dhcpv6-stateful, dhcpv6-stateless or none (default slaac for a /64, else dhcpv6-stateful)")
	fs.BoolVar(&o.noDHCP, "no-dhcp", false, "make the subnets without DHCP")
	fs.BoolVar(&o.keep, "keep-on-failure", false, "leave what was made when something fails, for a look at it")
	f.add(cmd)
	return cmd
}

// spec checks the flags and makes a request of them.
func (o *networkFlags) spec(name string) (openstack.NetworkSpec, error) {
	spec := openstack.NetworkSpec{Name: name, Router: o.router, External: o.external}
	switch {
	case strings.TrimSpace(name) == "":
		return spec, usagef("", "the network needs a name")
	case o.external != "" && o.router == "":
		return spec, usagef("name one with --router: it is made if it does not exist", "--external needs a router that leads there")
	case o.router != "" && len(o.subnets) == 0:
		return spec, usagef("give the network one with --subnet", "--router needs a subnet to join")
	case len(o.subnets) == 0 && (len(o.dns)+len(o.pools)+len(o.gateways) > 0 || o.noDHCP || o.noGateway || o.v6mode != "" || o.ipVersion != 0 || o.subnetName != ""):
		return spec, usagef("give the network one with --subnet", "--dns, --gateway, --pool and their like need a subnet")
	case o.noGateway && len(o.gateways) > 0:
		return spec, usagef("", "--gateway and --no-gateway exclude each other")
	case o.ipVersion != 0 && o.ipVersion != 4 && o.ipVersion != 6:
		return spec, usagef("", "--ip-version is 4 or 6, not %d", o.ipVersion)
	case !slices.Contains([]string{"", "slaac", "dhcpv6-stateful", "dhcpv6-stateless", "none"}, o.v6mode):
		return spec, usagef("", "unknown IPv6 mode %q: it is slaac, dhcpv6-stateful, dhcpv6-stateless or none", o.v6mode)
	}
	for _, text := range o.subnets {
		sn, err := o.subnet(name, text)
		if err != nil {
			return spec, err
		}
		spec.Subnets = append(spec.Subnets, sn)
	}
	return spec, o.share(spec.Subnets)
}

func (o *networkFlags) subnet(network, text string) (openstack.SubnetSpec, error) {
	sn := openstack.SubnetSpec{Name: o.subnetName, NoDHCP: o.noDHCP, NoGateway: o.noGateway}
	if sn.Name == "" {
		sn.Name = network
	}
	cidr, err := netip.ParsePrefix(text)
	if err != nil {
		return sn, usagef("as in --subnet 10.0.0.0/24", "%q is no network in CIDR notation", text)
	}
	if m := cidr.Masked(); cidr != m {
		return sn, usagef("did you mean --subnet "+m.String()+"?", "%s is an address on a network, not the network", text)
	}
	sn.CIDR = cidr
	v6 := cidr.Addr().Is6()
	if o.ipVersion != 0 && v6 != (o.ipVersion == 6) {
		return sn, usagef("", "the subnet %s is not of IP version %d", text, o.ipVersion)
	}
	if v6 && !o.noDHCP && o.v6mode != "none" {
		if sn.IPv6Mode = o.v6mode; sn.IPv6Mode == "" {
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
func (o *networkFlags) share(subnets []openstack.SubnetSpec) error {
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
	for _, text := range o.gateways {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return usagef("", "the gateway %q is no IP address", text)
		}
		if err := in("gateway", addr, func(s *openstack.SubnetSpec) bool { return s.CIDR.Contains(addr) && !s.Gateway.IsValid() },
			func(s *openstack.SubnetSpec) { s.Gateway = addr }); err != nil {
			return err
		}
	}
	for _, text := range o.dns {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return usagef("", "the name server %q is no IP address", text)
		}
		if err := in("dns", addr, func(s *openstack.SubnetSpec) bool { return s.CIDR.Addr().Is4() == addr.Is4() },
			func(s *openstack.SubnetSpec) { s.DNS = append(s.DNS, addr.String()) }); err != nil {
			return err
		}
	}
	for _, text := range o.pools {
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

// networkListing is what a create has come to.
func networkListing(n *openstack.NetworkSetup) listing {
	l := listing{columns: []string{"Network", "Network ID", "Subnets", "Subnet IDs", "Router", "Router ID", "External Network ID", "Changed"}}
	cidrs, ids := []string{}, []string{}
	for _, s := range n.Subnets {
		cidrs, ids = append(cidrs, s.CIDR), append(ids, s.ID)
	}
	var router openstack.Router
	if n.Router != nil {
		router = *n.Router
	}
	l.add(n.Network.Name, n.Network.ID, cell{strings.Join(cidrs, " "), cidrs}, cell{strings.Join(ids, " "), ids},
		orNone(router.Name), orNone(router.ID), orNone(router.External), flagged(n.Changed))
	return l
}

func (a *app) networkDelete() *cobra.Command {
	return &cobra.Command{
		Use:   "delete NAME...",
		Short: "Undo exactly what `network create` has made",
		Long: `Removes what "galley network create" has made under a name, and nothing else: a
network or router that was there before stays, and so does a router that joins
other networks by now. A network that servers are on is refused.

` + exitCodes,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var errs []error
			for _, name := range args {
				if err := a.deleteNetwork(cmd.Context(), name); err != nil {
					errs = append(errs, err)
				}
				if cmd.Context().Err() != nil {
					break
				}
			}
			return session.Join(errs...)
		},
	}
}

// deleteNetwork undoes a create. The record lies under the name, whether the
// person gives that or the ID.
func (a *app) deleteNetwork(ctx context.Context, ref string) error {
	return a.withNetworks(ctx, func(ctx context.Context, c *openstack.Cloud, record func(name string) openstack.Journal) error {
		name := ref
		if n, err := c.OwnNetwork(ctx, ref); err == nil && n != nil {
			name = n.Name
		}
		return c.RemoveNetwork(ctx, name, record(name), lines{a})
	})
}

// withNetworks does something with networks while no other process on this
// machine makes or removes one. record is where a network's record lies.
func (a *app) withNetworks(ctx context.Context, do func(ctx context.Context, c *openstack.Cloud, record func(name string) openstack.Journal) error) error {
	mine, err := state.UserFiles(a.streams.Getenv)
	if err != nil {
		return err
	}
	files := mine.Networks()
	return a.withCloud(ctx, func(ctx context.Context, c *openstack.Cloud) error {
		unlock, err := state.Lock(ctx, files.Lock(), "the networks", func(holder string) {
			fmt.Fprintf(a.streams.Err, "Waiting for %s, which is at work on networks.\n", holder)
		})
		if err != nil {
			return err
		}
		defer unlock()
		return do(ctx, c, func(name string) openstack.Journal {
			path := files.Record(c.AuthURL(), c.Whoami().ProjectID, name)
			state.Sweep(path)
			return openstack.FileJournal(path)
		})
	})
}
