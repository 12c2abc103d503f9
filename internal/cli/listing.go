package cli

import (
	"context"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/ui"
)

// listing is rows of the same columns, to be printed as the person likes.
type listing struct {
	columns []string
	rows    [][]string
}

// listingFlags are the flags of every listing.
type listingFlags struct {
	format  string
	columns []string
}

func (f *listingFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.format, "format", "F", "table", "print as table, json, yaml or csv")
	cmd.Flags().StringSliceVar(&f.columns, "columns", nil, "print these `COLUMNS` only, in this order")
}

// chosen returns the listing with the columns asked for.
func (f *listingFlags) chosen(l listing) (listing, error) {
	if len(f.columns) == 0 {
		return l, nil
	}
	var at []int
	out := listing{}
	for _, want := range f.columns {
		i := slices.IndexFunc(l.columns, func(c string) bool { return strings.EqualFold(c, strings.TrimSpace(want)) })
		if i < 0 {
			return l, usagef("the columns are "+strings.Join(l.columns, ", "), "unknown column %q", want)
		}
		at = append(at, i)
		out.columns = append(out.columns, l.columns[i])
	}
	for _, row := range l.rows {
		cells := make([]string, len(at))
		for i, j := range at {
			cells[i] = row[j]
		}
		out.rows = append(out.rows, cells)
	}
	return out, nil
}

// print writes a listing in the format asked for.
func (a *app) print(l listing, f *listingFlags) error {
	l, err := f.chosen(l)
	if err != nil {
		return err
	}
	switch f.format {
	case "table":
		t := ui.Table{Header: l.columns}
		for _, row := range l.rows {
			cells := make([]ui.Cell, len(row))
			for i, c := range row {
				cells[i].Text = c
			}
			t.Rows = append(t.Rows, cells)
		}
		return t.Write(a.streams.Out, a.streams.Color(a.streams.Out, a.color()))
	case "json":
		return a.json(l.objects())
	case "yaml":
		enc := yaml.NewEncoder(a.streams.Out)
		enc.SetIndent(2)
		return enc.Encode(l.objects())
	case "csv":
		w := csv.NewWriter(a.streams.Out)
		if err := w.Write(l.columns); err != nil {
			return err
		}
		return w.WriteAll(l.rows)
	}
	return usagef("", "unknown format %q: it is table, json, yaml or csv", f.format)
}

// objects are the rows as mappings; the keys are the columns in small letters.
func (l listing) objects() []map[string]string {
	out := make([]map[string]string, 0, len(l.rows))
	for _, row := range l.rows {
		o := map[string]string{}
		for i, c := range row {
			o[strings.ReplaceAll(strings.ToLower(l.columns[i]), " ", "_")] = c
		}
		out = append(out, o)
	}
	return out
}

// cloud logs in with the credentials of the environment.
func (a *app) cloud(ctx context.Context) (*openstack.Cloud, error) {
	auth, err := a.credentials(ctx)
	if err != nil {
		return nil, err
	}
	return openstack.Connect(ctx, auth, openstack.Options{})
}

// listOf returns the "list" of a noun.
func (a *app) listOf(what string, get func(context.Context, *openstack.Cloud) (listing, error)) *cobra.Command {
	var f listingFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the " + what + " of the cloud",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.cloud(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			l, err := get(cmd.Context(), c)
			if err != nil {
				return err
			}
			return a.print(l, &f)
		},
	}
	f.add(cmd)
	return cmd
}

// noun is a command that only holds others.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(verbs...)
	return cmd
}

// cloudCommands look up what a cloud offers, with knife-openstack's columns.
func (a *app) cloudCommands() []*cobra.Command {
	return []*cobra.Command{
		noun("server", "Make, look at and remove servers that are nodes", a.serverCreate(), a.serverDelete(), a.listOf("servers", listServers), a.serverShow()),
		noun("image", "Look up images", a.listOf("images", listImages)),
		noun("flavor", "Look up flavors", a.listOf("flavors", listFlavors)),
		noun("network", "Look up networks", a.listOf("networks", listNetworks)),
		noun("group", "Look up security groups", a.listOf("security groups", listGroups)),
		noun("volume", "Look up volumes", a.listOf("volumes", listVolumes)),
		noun("keypair", "Look up key pairs", a.listOf("key pairs", listKeyPairs)),
		noun("floating-ip", "Look up floating IPs", a.listOf("floating IPs", listFloatingIPs)),
	}
}

var serverColumns = []string{"Name", "Instance ID", "Addresses", "Flavor", "Image", "Keypair", "State", "Availability Zone"}

func serverRow(s openstack.ServerInfo, flavors, images map[string]string) []string {
	var addresses []string
	for _, ad := range s.Addresses {
		addresses = append(addresses, ad.IP)
	}
	return []string{s.Name, s.ID, strings.Join(addresses, " "), named(flavors, s.Flavor), named(images, s.Image), s.KeyName, strings.ToLower(s.Status), s.AvailabilityZone}
}

// named returns the name that an ID has, or the ID.
func named(names map[string]string, id string) string {
	if n := names[id]; n != "" {
		return n
	}
	return id
}

// serverNames are the names of the flavors and images that servers refer to
// by ID.
func serverNames(ctx context.Context, c *openstack.Cloud) (flavors, images map[string]string, err error) {
	flavors, images = map[string]string{}, map[string]string{}
	fl, err := c.Flavors(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range fl {
		flavors[f.ID] = f.Name
	}
	im, err := c.Images(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, i := range im {
		images[i.ID] = i.Name
	}
	return flavors, images, nil
}

func listServers(ctx context.Context, c *openstack.Cloud) (listing, error) {
	servers, err := c.Servers(ctx)
	if err != nil {
		return listing{}, err
	}
	l := listing{columns: serverColumns}
	if len(servers) == 0 {
		return l, nil
	}
	flavors, images, err := serverNames(ctx, c)
	if err != nil {
		return l, err
	}
	for _, s := range servers {
		l.rows = append(l.rows, serverRow(s, flavors, images))
	}
	sortRows(l.rows)
	return l, nil
}

func (a *app) serverShow() *cobra.Command {
	var f listingFlags
	cmd := &cobra.Command{
		Use:   "show ID|NAME",
		Short: "Show one server",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			c, err := a.cloud(ctx)
			if err != nil {
				return err
			}
			defer c.Close()
			s, err := c.Server(ctx, args[0])
			if err != nil {
				return err
			}
			flavors, images, err := serverNames(ctx, c)
			if err != nil {
				return err
			}
			l := listing{columns: append(slices.Clone(serverColumns), "Fault"), rows: [][]string{append(serverRow(s, flavors, images), s.Fault)}}
			if f.format != "table" {
				return a.print(l, &f)
			}
			l, err = f.chosen(l)
			if err != nil {
				return err
			}
			for i, name := range l.columns {
				if l.rows[0][i] != "" {
					fmt.Fprintf(a.streams.Out, "%s: %s\n", name, l.rows[0][i])
				}
			}
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

func listImages(ctx context.Context, c *openstack.Cloud) (listing, error) {
	images, err := c.Images(ctx)
	l := listing{columns: []string{"Name", "ID", "Snapshot"}}
	for _, i := range images {
		l.rows = append(l.rows, []string{i.Name, i.ID, yesNo(i.Snapshot)})
	}
	sortRows(l.rows)
	return l, err
}

func listFlavors(ctx context.Context, c *openstack.Cloud) (listing, error) {
	flavors, err := c.Flavors(ctx)
	l := listing{columns: []string{"Name", "ID", "Virtual CPUs", "RAM", "Disk"}}
	for _, f := range flavors {
		l.rows = append(l.rows, []string{f.Name, f.ID, fmt.Sprint(f.VCPUs), fmt.Sprintf("%d MB", f.RAM), fmt.Sprintf("%d GB", f.Disk)})
	}
	sortRows(l.rows)
	return l, err
}

func listNetworks(ctx context.Context, c *openstack.Cloud) (listing, error) {
	networks, err := c.Networks(ctx)
	l := listing{columns: []string{"Name", "ID", "Tenant", "Shared", "External"}}
	for _, n := range networks {
		l.rows = append(l.rows, []string{n.Name, n.ID, n.ProjectID, yesNo(n.Shared), yesNo(n.External)})
	}
	sortRows(l.rows)
	return l, err
}

func listGroups(ctx context.Context, c *openstack.Cloud) (listing, error) {
	groups, err := c.SecurityGroups(ctx)
	l := listing{columns: []string{"Name", "ID", "Description"}}
	for _, g := range groups {
		l.rows = append(l.rows, []string{g.Name, g.ID, g.Description})
	}
	sortRows(l.rows)
	return l, err
}

func listVolumes(ctx context.Context, c *openstack.Cloud) (listing, error) {
	volumes, err := c.Volumes(ctx)
	l := listing{columns: []string{"Name", "ID", "Status", "Size", "Description"}}
	for _, v := range volumes {
		l.rows = append(l.rows, []string{v.Name, v.ID, v.Status, fmt.Sprintf("%d GB", v.Size), v.Description})
	}
	sortRows(l.rows)
	return l, err
}

func listKeyPairs(ctx context.Context, c *openstack.Cloud) (listing, error) {
	keys, err := c.KeyPairs(ctx)
	l := listing{columns: []string{"Name", "Fingerprint"}}
	for _, k := range keys {
		l.rows = append(l.rows, []string{k.Name, k.Fingerprint})
	}
	sortRows(l.rows)
	return l, err
}

func listFloatingIPs(ctx context.Context, c *openstack.Cloud) (listing, error) {
	l := listing{columns: []string{"IP Address", "ID", "Fixed IP", "Floating IP Pool", "Status"}}
	fips, err := c.FloatingIPs(ctx)
	if err != nil || len(fips) == 0 {
		return l, err
	}
	networks, err := c.Networks(ctx)
	if err != nil {
		return l, err
	}
	names := map[string]string{}
	for _, n := range networks {
		names[n.ID] = n.Name
	}
	for _, f := range fips {
		l.rows = append(l.rows, []string{f.Address, f.ID, f.FixedIP, named(names, f.NetworkID), f.Status})
	}
	sortRows(l.rows)
	return l, nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func sortRows(rows [][]string) {
	slices.SortFunc(rows, func(a, b []string) int { return slices.Compare(a, b) })
}
