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

var floatingIPColumns = []string{"ID", "Instance ID", "IP Address", "Fixed IP", "Floating IP Pool", "Status", "Port ID"}

func newFloatingIPCommand(d *deps) *cobra.Command {
	cmd := noun("floating-ip", "Allocate, associate, release and list floating IPs",
		newCloudListCommand(d, "floating IPs", "  galley floating-ip list\n  galley floating-ip list --columns ip_address,status", floatingIPColumns, listFloatingIPs),
		newFloatingIPAllocateCommand(d), newFloatingIPAssociateCommand(d), newFloatingIPDisassociateCommand(d), newFloatingIPReleaseCommand(d))
	cmd.Aliases = []string{"floating_ip"} // knife's spelling
	return cmd
}

func listFloatingIPs(ctx context.Context, c *openstack.Cloud) (listing, error) {
	l := listing{columns: floatingIPColumns}
	fips, err := c.FloatingIPs(ctx)
	if err != nil || len(fips) == 0 {
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

// floatingIPAllocateOptions are those of floating-ip allocate.
type floatingIPAllocateOptions struct {
	*program
	clouds *cloudAccess

	pool   string
	output listingFlags
}

var floatingIPAllocateColumns = []string{"ID", "Instance ID", "Floating IP", "Fixed IP", "Pool"}

func newFloatingIPAllocateCommand(d *deps) *cobra.Command {
	o := &floatingIPAllocateOptions{program: d.program, clouds: d.clouds}
	cmd := &cobra.Command{
		Use:   "allocate",
		Short: "Allocate a floating IP from a pool to the project",
		Long: `Allocate a floating IP from a pool, which is an external network given by name or
ID. Without --pool it is the only external network that the project can see.`,
		Example: `  galley floating-ip allocate
  galley floating-ip allocate --pool public --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().StringVarP(&o.pool, "pool", "p", "", "allocate from this `POOL`: an external network")
	o.output.add(cmd, floatingIPAllocateColumns)
	d.knife.addTo(cmd, usesCloud)
	completeFlag(cmd, "pool", d.clouds.complete(poolNamesOf))
	return cmd
}

func (o *floatingIPAllocateOptions) run(ctx context.Context) error {
	return o.clouds.use(ctx, func(ctx context.Context, c *openstack.Cloud) error {
		from := o.pool
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
		l := listing{columns: floatingIPAllocateColumns}
		l.add(ip.ID, orNone(ip.ServerID()), ip.Address, orNone(ip.FixedIP), named(names, ip.NetworkID))
		return o.printOne(l, &o.output)
	})
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

// floatingIPOptions are those of associate and disassociate.
type floatingIPOptions struct {
	*program
	clouds *cloudAccess

	ip, server string
	takeOver   bool
}

// newFloatingIPCommandOf completes a command about one floating IP and a
// server.
func newFloatingIPCommandOf(d *deps, cmd *cobra.Command, server string, do func(*floatingIPOptions, context.Context, *openstack.Cloud) error) (*cobra.Command, *floatingIPOptions) {
	o := &floatingIPOptions{program: d.program, clouds: d.clouds}
	cmd.Args = cobra.ExactArgs(1)
	cmd.ValidArgsFunction = d.clouds.completeFirst(floatingIPNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.ip = args[0]
		return o.clouds.use(cmd.Context(), func(ctx context.Context, c *openstack.Cloud) error { return do(o, ctx, c) })
	}
	cmd.Flags().StringVar(&o.server, "instance-id", "", server)
	d.knife.addTo(cmd, usesCloud)
	completeFlag(cmd, "instance-id", d.clouds.complete(serverNamesOf))
	return cmd, o
}

func newFloatingIPAssociateCommand(d *deps) *cobra.Command {
	cmd, o := newFloatingIPCommandOf(d, &cobra.Command{
		Use:   "associate IP --instance-id SERVER",
		Short: "Associate a floating IP with a server",
		Long: `Associate a floating IP of the project, given by address or ID, with a server. One
that is in use is refused unless --take-over is given.`,
		Example: `  galley floating-ip associate 203.0.113.9 --instance-id web1
  galley floating-ip associate 203.0.113.9 --instance-id web2 --take-over`,
	}, "`SERVER` to associate it with, by ID or name", (*floatingIPOptions).associate)
	cmd.Flags().BoolVar(&o.takeOver, "take-over", false, "take it from the server that has it")
	cmd.PreRunE = func(_ *cobra.Command, args []string) error {
		if o.server == "" {
			return usagef("as in `galley floating-ip associate "+args[0]+" --instance-id web1`", "no server is named: --instance-id is needed")
		}
		return nil
	}
	return cmd
}

func (o *floatingIPOptions) associate(ctx context.Context, c *openstack.Cloud) error {
	s, err := c.Server(ctx, o.server)
	if err != nil {
		return err
	}
	address, from, err := c.AssociateFloatingIP(ctx, o.ip, s.ID, o.takeOver)
	if err != nil {
		return err
	}
	if from != "" {
		fmt.Fprintf(o.streams.Err, "Floating IP %s is taken from %s.\n", address, o.clean(from))
	}
	fmt.Fprintf(o.streams.Out, "Floating IP %s associated with Instance %s\n", address, s.ID)
	return nil
}

func newFloatingIPDisassociateCommand(d *deps) *cobra.Command {
	cmd, _ := newFloatingIPCommandOf(d, &cobra.Command{
		Use:   "disassociate IP [--instance-id SERVER]",
		Short: "Disassociate a floating IP from its server; the project keeps it",
		Long: `Disassociate a floating IP, given by address or ID, from its server. The project
keeps it: "galley floating-ip release" gives it back to its pool.`,
		Example: `  galley floating-ip disassociate 203.0.113.9
  galley floating-ip disassociate 203.0.113.9 --instance-id web1`,
	}, "refuse unless it is on this `SERVER` (ID or name)", (*floatingIPOptions).disassociate)
	return cmd
}

func (o *floatingIPOptions) disassociate(ctx context.Context, c *openstack.Cloud) error {
	var id string
	if o.server != "" {
		s, err := c.Server(ctx, o.server)
		if err != nil {
			return err
		}
		id = s.ID
	}
	f, from, err := c.DisassociateFloatingIP(ctx, o.ip, id)
	switch {
	case err != nil:
		return err
	case from == "":
		fmt.Fprintf(o.streams.Err, "Floating IP %s is on no server: nothing to do.\n", f.Address)
	case f.ServerID() != "":
		fmt.Fprintf(o.streams.Out, "Floating IP %s disassociated with Instance %s\n", f.Address, f.ServerID())
	default:
		fmt.Fprintf(o.streams.Out, "Floating IP %s disassociated with %s\n", f.Address, o.clean(from))
	}
	return nil
}

// floatingIPReleaseOptions are those of floating-ip release.
type floatingIPReleaseOptions struct {
	*program
	clouds *cloudAccess

	unused bool
	pool   string
}

func newFloatingIPReleaseCommand(d *deps) *cobra.Command {
	o := &floatingIPReleaseOptions{program: d.program, clouds: d.clouds}
	cmd := &cobra.Command{
		Use:   "release {ID|IP... | --unused}",
		Short: "Release floating IPs to their pool",
		Long: `Release floating IPs, given by address or ID, to their pool, after a confirmation
that names who uses them. With --unused all of the project's floating IPs that
are on no port are released.`,
		Example: `  galley floating-ip release 203.0.113.9
  galley floating-ip release --unused --yes`,
		ValidArgsFunction: d.clouds.complete(floatingIPNames),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	cmd.Flags().BoolVar(&o.unused, "unused", false, "release all of the project's floating IPs that are on no port")
	cmd.Flags().StringVarP(&o.pool, "pool", "p", "", "with --unused, only those of this `POOL`")
	d.knife.addTo(cmd, usesCloud|asks)
	completeFlag(cmd, "pool", d.clouds.complete(poolNamesOf))
	return cmd
}

func (o *floatingIPReleaseOptions) run(ctx context.Context, args []string) error {
	switch {
	case o.unused && len(args) > 0:
		return usagef("", "--unused releases all that are on no port: it takes no arguments")
	case !o.unused && len(args) == 0:
		return usagef("`galley floating-ip list` lists them; --unused releases all that are on no port", "name the floating IPs to release")
	case !o.unused && o.pool != "":
		return usagef("", "--pool requires --unused")
	}
	return o.clouds.use(ctx, func(ctx context.Context, c *openstack.Cloud) error {
		if o.unused {
			return o.releaseUnused(ctx, c)
		}
		return o.releaseNamed(ctx, c, args)
	})
}

// releaseNamed tries all that are named, also after a failure.
func (o *floatingIPReleaseOptions) releaseNamed(ctx context.Context, c *openstack.Cloud, refs []string) error {
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
		sure, err := o.confirm(ctx, question)
		if err != nil {
			return err
		}
		if !sure {
			fmt.Fprintf(o.streams.Err, "Floating IP %s kept.\n", f.Address)
			continue
		}
		if err := c.ReleaseFloatingIP(ctx, f.ID); err != nil {
			errs = append(errs, err)
			continue
		}
		o.released(f)
	}
	return session.Join(errs...)
}

func (o *floatingIPReleaseOptions) released(f openstack.FloatingIP) {
	fmt.Fprintf(o.streams.Out, "Floating IP: %s\nFloating IP released successfully.\n", f.Address)
}

func (o *floatingIPReleaseOptions) releaseUnused(ctx context.Context, c *openstack.Cloud) error {
	unused, err := unusedIn(ctx, c, o.pool)
	if err != nil {
		return err
	}
	if len(unused) == 0 {
		fmt.Fprintln(o.streams.Err, "No floating IP is unused: nothing to release.")
		return nil
	}
	addresses := make([]string, len(unused))
	for i, f := range unused {
		addresses[i] = f.Address
	}
	sure, err := o.confirm(ctx, fmt.Sprintf("On no port: %s. Do you really want to release all %d", strings.Join(addresses, ", "), len(unused)))
	if err != nil || !sure {
		return err
	}
	var errs []error
	for _, f := range unused {
		err := c.ReleaseUnused(ctx, f)
		switch {
		case session.KindOf(err) == session.InUse:
			fmt.Fprintf(o.streams.Err, "Floating IP %s kept: it has just been put to use.\n", f.Address)
		case err != nil:
			errs = append(errs, err)
		default:
			o.released(f)
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
