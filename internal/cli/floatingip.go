package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/openstack/session"
)

func (a *app) floatingIPNoun() *cobra.Command {
	cmd := noun("floating-ip", "Allocate, associate, release and list floating IPs",
		a.listOf("floating IPs", listFloatingIPs), a.floatingIPAllocate(), a.floatingIPAssociate(), a.floatingIPDisassociate(), a.floatingIPRelease())
	cmd.Aliases = []string{"floating_ip"} // knife's spelling
	return cmd
}

func listFloatingIPs(ctx context.Context, c *openstack.Cloud) (listing, error) {
	l := listing{columns: []string{"ID", "Instance ID", "IP Address", "Fixed IP", "Floating IP Pool", "Status", "Port ID"}}
	fips, err := c.FloatingIPs(ctx)
	if err != nil || len(fips) == 0 {
		return l, err
	}
	if err := c.FloatingIPHolders(ctx, fips); err != nil {
		return l, err
	}
	pools, err := poolNames(ctx, c)
	if err != nil {
		return l, err
	}
	slices.SortFunc(fips, byAddress)
	for _, f := range fips {
		l.add(f.ID, orNone(f.ServerID()), f.Address, orNone(f.FixedIP), named(pools, f.NetworkID), f.Status, orNone(f.PortID))
	}
	return l, nil
}

// byAddress orders floating IPs as numbers, not as texts.
func byAddress(x, y openstack.FloatingIP) int {
	a, _ := netip.ParseAddr(x.Address)
	b, _ := netip.ParseAddr(y.Address)
	return cmp.Or(a.Compare(b), strings.Compare(x.ID, y.ID))
}

func poolNames(ctx context.Context, c *openstack.Cloud) (map[string]string, error) {
	networks, err := c.Networks(ctx)
	names := map[string]string{}
	for _, n := range networks {
		names[n.ID] = n.Name
	}
	return names, err
}

func (a *app) floatingIPAllocate() *cobra.Command {
	var (
		f    listingFlags
		pool string
	)
	cmd := &cobra.Command{
		Use:   "allocate",
		Short: "Take a floating IP from a pool for the project",
		Long: `Takes a floating IP from a pool: an external network, by name or ID. Without
--pool it is the only external network that there is.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return a.withCloud(cmd.Context(), func(ctx context.Context, c *openstack.Cloud) error {
				from := pool
				if from == "" {
					var err error
					if from, err = onlyPool(ctx, c); err != nil {
						return err
					}
				}
				ip, err := c.AllocateFloatingIP(ctx, from, nil)
				if err != nil {
					return err
				}
				names, err := poolNames(ctx, c)
				if err != nil {
					return err
				}
				l := listing{columns: []string{"ID", "Instance ID", "Floating IP", "Fixed IP", "Pool"}}
				l.add(ip.ID, orNone(ip.ServerID()), ip.Address, orNone(ip.FixedIP), named(names, ip.NetworkID))
				return a.printOne(l, &f)
			})
		},
	}
	cmd.Flags().StringVarP(&pool, "pool", "p", "", "the `POOL` to take it from: an external network")
	f.add(cmd)
	return cmd
}

// onlyPool is the external network when there is exactly one.
func onlyPool(ctx context.Context, c *openstack.Cloud) (string, error) {
	networks, err := c.Networks(ctx)
	if err != nil {
		return "", err
	}
	var ids, names []string
	for _, n := range networks {
		if n.External {
			ids, names = append(ids, n.ID), append(names, n.Name)
		}
	}
	switch len(ids) {
	case 1:
		return ids[0], nil
	case 0:
		return "", usagef("ask the operators which network gives floating IPs, and name it with --pool", "this project sees no external network to take a floating IP from")
	}
	slices.Sort(names)
	return "", usagef("name one with --pool: "+strings.Join(names, ", "), "there are %d pools to take a floating IP from", len(ids))
}

func (a *app) floatingIPAssociate() *cobra.Command {
	var (
		server   string
		takeOver bool
	)
	cmd := &cobra.Command{
		Use:   "associate IP --instance-id SERVER",
		Short: "Put a floating IP on a server",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if server == "" {
				return usagef("as in `galley floating-ip associate "+args[0]+" --instance-id web1`", "no server is named: --instance-id is needed")
			}
			return a.withCloud(cmd.Context(), func(ctx context.Context, c *openstack.Cloud) error {
				s, err := c.Server(ctx, server)
				if err != nil {
					return err
				}
				address, from, err := c.AssociateFloatingIP(ctx, args[0], s.ID, takeOver)
				if err != nil {
					return err
				}
				if from != "" {
					fmt.Fprintf(a.streams.Err, "Floating IP %s is taken from %s.\n", address, from)
				}
				fmt.Fprintf(a.streams.Out, "Floating IP %s associated with Instance %s\n", address, s.ID)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&server, "instance-id", "", "the `SERVER` to put it on, by ID or name")
	cmd.Flags().BoolVar(&takeOver, "take-over", false, "take it from whoever has it")
	return cmd
}

func (a *app) floatingIPDisassociate() *cobra.Command {
	var server string
	cmd := &cobra.Command{
		Use:   "disassociate IP [--instance-id SERVER]",
		Short: "Take a floating IP off its server; it stays the project's",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withCloud(cmd.Context(), func(ctx context.Context, c *openstack.Cloud) error {
				var id string
				if server != "" {
					s, err := c.Server(ctx, server)
					if err != nil {
						return err
					}
					id = s.ID
				}
				f, from, err := c.DisassociateFloatingIP(ctx, args[0], id)
				switch {
				case err != nil:
					return err
				case from == "":
					fmt.Fprintf(a.streams.Err, "Floating IP %s is on no server: nothing to do.\n", f.Address)
				case f.ServerID() != "":
					fmt.Fprintf(a.streams.Out, "Floating IP %s disassociated with Instance %s\n", f.Address, f.ServerID())
				default:
					fmt.Fprintf(a.streams.Out, "Floating IP %s disassociated with %s\n", f.Address, from)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&server, "instance-id", "", "refuse unless it is on this `SERVER` (ID or name)")
	return cmd
}

// releaseFlags is a floating-ip release as the flags have it.
type releaseFlags struct {
	unused bool
	pool   string
}

func (a *app) floatingIPRelease() *cobra.Command {
	var o releaseFlags
	cmd := &cobra.Command{
		Use:   "release {ID|IP... | --unused}",
		Short: "Give floating IPs back to their pool",
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.unused && len(args) > 0:
				return usagef("", "--unused releases all that are on no port: name none beside it")
			case !o.unused && len(args) == 0:
				return usagef("`galley floating-ip list` shows what there is; --unused releases all that are on no port", "name the floating IPs to release")
			case !o.unused && o.pool != "":
				return usagef("", "--pool goes with --unused only")
			}
			return a.withCloud(cmd.Context(), func(ctx context.Context, c *openstack.Cloud) error {
				if o.unused {
					return a.releaseUnused(ctx, c, o)
				}
				return a.releaseNamed(ctx, c, args)
			})
		},
	}
	cmd.Flags().BoolVar(&o.unused, "unused", false, "release all of the project's floating IPs that are on no port")
	cmd.Flags().StringVarP(&o.pool, "pool", "p", "", "with --unused: those of this `POOL` only")
	return cmd
}

// releaseNamed tries all that are named, whatever becomes of each.
func (a *app) releaseNamed(ctx context.Context, c *openstack.Cloud, refs []string) error {
	var errs []error
	var list []openstack.FloatingIP
	for _, ref := range refs {
		f, err := c.FloatingIP(ctx, ref)
		if err != nil {
			errs = append(errs, err)
		} else if !slices.ContainsFunc(list, func(x openstack.FloatingIP) bool { return x.ID == f.ID }) {
			list = append(list, f)
		}
	}
	for _, f := range list {
		question := fmt.Sprintf("Do you really want to release the floating IP %s (%s)", f.Address, f.ID)
		if holder := c.HolderOf(ctx, f); holder != "" {
			question = fmt.Sprintf("The floating IP %s (%s) is in use by %s. Do you really want to release it", f.Address, f.ID, holder)
		}
		sure, err := a.sure(ctx, question)
		if err != nil {
			return err
		}
		if !sure {
			fmt.Fprintf(a.streams.Err, "Floating IP %s is kept.\n", f.Address)
			continue
		}
		if err := c.ReleaseFloatingIP(ctx, f.ID); err != nil {
			errs = append(errs, err)
			continue
		}
		a.released(f)
	}
	return session.Join(errs...)
}

func (a *app) released(f openstack.FloatingIP) {
	fmt.Fprintf(a.streams.Out, "Floating IP: %s\nFloating IP released successfully.\n", f.Address)
}

func (a *app) releaseUnused(ctx context.Context, c *openstack.Cloud, o releaseFlags) error {
	unused, err := unusedIn(ctx, c, o.pool)
	if err != nil {
		return err
	}
	if len(unused) == 0 {
		fmt.Fprintln(a.streams.Err, "No floating IP is unused: nothing to release.")
		return nil
	}
	addresses := make([]string, len(unused))
	for i, f := range unused {
		addresses[i] = f.Address
	}
	sure, err := a.sure(ctx, fmt.Sprintf("On no port: %s. Do you really want to release all %d", strings.Join(addresses, ", "), len(unused)))
	if err != nil || !sure {
		return err
	}
	var errs []error
	for _, f := range unused {
		err := c.ReleaseUnused(ctx, f)
		switch {
		case session.KindOf(err) == session.InUse:
			fmt.Fprintf(a.streams.Err, "Floating IP %s is kept: somebody has just taken it.\n", f.Address)
		case err != nil:
			errs = append(errs, err)
		default:
			a.released(f)
		}
	}
	return session.Join(errs...)
}

func unusedIn(ctx context.Context, c *openstack.Cloud, pool string) ([]openstack.FloatingIP, error) {
	var in string
	if pool != "" {
		n, err := c.Pool(ctx, pool, nil)
		if err != nil {
			return nil, err
		}
		in = n.ID
	}
	list, err := c.FloatingIPs(ctx)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(f openstack.FloatingIP) bool { return f.PortID != "" || in != "" && f.NetworkID != in })
	slices.SortFunc(list, byAddress)
	return list, nil
}
