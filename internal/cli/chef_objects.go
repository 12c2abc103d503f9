package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/text"
)

// nameListOptions are those of the "list" of a noun of the Chef Server.
type nameListOptions struct {
	*program
	chef *chefAccess
	get  func(context.Context, *chefserver.Client) ([]string, error)

	format string
}

func newNameListCommand(d *deps, short, long, example string, get func(context.Context, *chefserver.Client) ([]string, error)) *cobra.Command {
	o := &nameListOptions{program: d.program, chef: d.chef, get: get}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   short,
		Long:    long,
		Example: example,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	addFormat(cmd, &o.format, "F", formatText, formatJSON, "yaml")
	return cmd
}

func (o *nameListOptions) run(ctx context.Context) error {
	c, err := o.chef.connect(ctx)
	if err != nil {
		return err
	}
	names, err := o.get(ctx, c)
	if err != nil {
		return err
	}
	if names == nil {
		names = []string{}
	}
	switch o.format {
	case "json":
		return o.json(names)
	case "yaml":
		return o.yaml(names)
	}
	for _, n := range names {
		if _, err := fmt.Fprintln(o.streams.Out, text.CleanLine(n)); err != nil {
			return err
		}
	}
	return nil
}

func newNodeCommand(d *deps) *cobra.Command {
	return noun("node", "List, show and delete Chef nodes", newNodeListCommand(d), newNodeShowCommand(d), newNodeDeleteCommand(d))
}

func newClientCommand(d *deps) *cobra.Command {
	return noun("client", "List, show and delete Chef clients", newClientListCommand(d), newClientShowCommand(d), newClientDeleteCommand(d))
}

func newNodeListCommand(d *deps) *cobra.Command {
	var environment string
	cmd := newNameListCommand(d, "List the nodes of the Chef Server",
		"List the names of the nodes, of all environments or of one.",
		"  galley node list\n  galley node list --environment prod --format json",
		func(ctx context.Context, c *chefserver.Client) ([]string, error) {
			if environment != "" {
				return c.NodesIn(ctx, environment)
			}
			return c.Nodes(ctx)
		})
	cmd.Flags().StringVarP(&environment, "environment", "E", "", "only nodes of this `ENVIRONMENT`")
	d.knife.addTo(cmd, usesChef)
	return cmd
}

func newClientListCommand(d *deps) *cobra.Command {
	cmd := newNameListCommand(d, "List the clients of the Chef Server",
		"List the names of the API clients of the organization, validators among them.",
		"  galley client list\n  galley client list --format json",
		func(ctx context.Context, c *chefserver.Client) ([]string, error) { return c.Clients(ctx) })
	d.knife.addTo(cmd, usesChef)
	return cmd
}

// clientShowOptions are those of client show.
type clientShowOptions struct {
	*program
	chef *chefAccess

	output listingFlags
}

var clientColumns = []string{"Name", "Validator"}

func newClientShowCommand(d *deps) *cobra.Command {
	o := &clientShowOptions{program: d.program, chef: d.chef}
	cmd := &cobra.Command{
		Use:     "show CLIENT",
		Short:   "Show one client",
		Long:    "Show a client of the Chef Server and whether it is a validator.",
		Example: "  galley client show web1\n  galley client show web1 --format json",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args[0]) },
	}
	o.output.add(cmd, clientColumns)
	d.knife.addTo(cmd, usesChef)
	return cmd
}

func (o *clientShowOptions) run(ctx context.Context, name string) error {
	c, err := o.chef.connect(ctx)
	if err != nil {
		return err
	}
	found, err := c.Client(ctx, name)
	if err != nil {
		return missingObject(err, "client", name)
	}
	l := listing{columns: clientColumns}
	l.add(name, flagged(found.Validator))
	return o.printOne(l, &o.output)
}

// nodeShowOptions are those of node show.
type nodeShowOptions struct {
	*program
	chef *chefAccess

	runList bool
	output  listingFlags
}

var nodeColumns = []string{"Node Name", "Environment", "Policy Name", "Policy Group", "FQDN", "IP", "Run List", "Roles", "Recipes", "Platform", "Tags"}

func newNodeShowCommand(d *deps) *cobra.Command {
	o := &nodeShowOptions{program: d.program, chef: d.chef}
	cmd := &cobra.Command{
		Use:   "show NODE",
		Short: "Show one node",
		Long: `Show a node's environment or policy, its run list and what its last run has found
out; with --format json or yaml all of its attributes.`,
		Example: `  galley node show web1
  galley node show web1 --run-list
  galley node show web1 --format json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args[0]) },
	}
	o.output.add(cmd, nodeColumns)
	cmd.Flags().BoolVarP(&o.runList, "run-list", "r", false, "show only the run list")
	d.knife.addTo(cmd, usesChef)
	return cmd
}

func (o *nodeShowOptions) run(ctx context.Context, name string) error {
	c, err := o.chef.connect(ctx)
	if err != nil {
		return err
	}
	n, err := c.FullNode(ctx, name)
	if err != nil {
		return missingObject(err, "node", name)
	}
	l := nodeListing(n)
	switch {
	case o.runList:
		o.output.columns = []string{"Run List"}
	case o.output.format == "json" && len(o.output.columns) == 0:
		return o.json(n)
	case o.output.format == "yaml" && len(o.output.columns) == 0:
		return o.yaml(nodeObject(n))
	}
	return o.printOne(l, &o.output)
}

// nodeListing is a node in knife's summary.
func nodeListing(n *chefserver.FullNode) listing {
	found := func(keys ...string) cell {
		for _, k := range keys {
			if v, ok := n.Automatic[k]; ok && v != nil {
				return cell{text: words(v), value: v}
			}
		}
		return cell{}
	}
	platform := cell{}
	if p := found("platform"); p.text != "" {
		s := strings.TrimSpace(p.text + " " + found("platform_version").text)
		platform = textOf(s)
	}
	var tags any
	if n.Normal != nil {
		tags = n.Normal["tags"]
	}
	l := listing{columns: nodeColumns}
	l.add(n.Name, n.Environment, orNone(n.PolicyName), orNone(n.PolicyGroup), found("fqdn"), found("cloud_public_ip", "ipaddress"),
		joined(n.RunList, ", "), found("roles"), found("recipes"), platform, cell{text: words(tags), value: tags})
	return l
}

// nodeObject is a node as data in the keys of the Chef Server.
func nodeObject(n *chefserver.FullNode) object {
	o := object{{"name", n.Name}, {"chef_environment", n.Environment}, {"run_list", n.RunList}}
	if n.PolicyName != "" {
		o = append(o, field{"policy_name", n.PolicyName}, field{"policy_group", n.PolicyGroup})
	}
	return append(o, field{"normal", n.Normal}, field{"default", n.Default}, field{"override", n.Override}, field{"automatic", n.Automatic})
}

// words returns data as text on one line.
func words(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case []any:
		parts := make([]string, len(x))
		for i, e := range x {
			parts[i] = fmt.Sprint(e)
		}
		return strings.Join(parts, ", ")
	case ruby.Map:
		parts := make([]string, len(x))
		for i, p := range x {
			parts[i] = fmt.Sprintf("%v: %s", p.Key, words(p.Value))
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprint(v)
}

// objectDeleteOptions are those of the "delete" of a noun of the Chef Server.
type objectDeleteOptions struct {
	*program
	chef *chefAccess
	kind string
	// check looks at an object before it is removed.
	check  func(context.Context, *chefserver.Client, string) error
	remove func(*chefserver.Client, context.Context, string) error
}

func newNodeDeleteCommand(d *deps) *cobra.Command {
	o := &objectDeleteOptions{program: d.program, chef: d.chef, kind: "node", remove: (*chefserver.Client).DeleteNode}
	o.check = func(ctx context.Context, c *chefserver.Client, name string) error {
		_, err := c.Node(ctx, name)
		return err
	}
	return newObjectDeleteCommand(d, o, "  galley node delete web1\n  galley node delete web1 db1 --yes")
}

func newClientDeleteCommand(d *deps) *cobra.Command {
	var validators bool
	o := &objectDeleteOptions{program: d.program, chef: d.chef, kind: "client", remove: (*chefserver.Client).DeleteClient}
	o.check = func(ctx context.Context, c *chefserver.Client, name string) error {
		found, err := c.Client(ctx, name)
		if err == nil && found.Validator && !validators {
			return usagef("add --delete-validators to delete it", "the client %s is a validator, with which nodes register", name)
		}
		return err
	}
	cmd := newObjectDeleteCommand(d, o, "  galley client delete web1\n  galley client delete web1 db1 --yes")
	cmd.Flags().BoolVarP(&validators, "delete-validators", "D", false, "delete validators too")
	return cmd
}

func newObjectDeleteCommand(d *deps, o *objectDeleteOptions, example string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete " + strings.ToUpper(o.kind) + "...",
		Short: "Delete " + o.kind + "s from the Chef Server",
		Long: "Delete " + o.kind + `s from the Chef Server, after a confirmation for each. All that are named
are tried, also after a failure.`,
		Example: example,
		Args:    cobra.MinimumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	d.knife.addTo(cmd, usesChef|asks)
	return cmd
}

func (o *objectDeleteOptions) run(ctx context.Context, names []string) error {
	c, err := o.chef.connect(ctx)
	if err != nil {
		return err
	}
	return each(ctx, names, func(name string) error { return o.delete(ctx, c, name) })
}

func (o *objectDeleteOptions) delete(ctx context.Context, c *chefserver.Client, name string) error {
	if err := o.check(ctx, c, name); err != nil {
		return missingObject(err, o.kind, name)
	}
	ok, err := o.confirm(ctx, "Do you really want to delete "+o.kind+" "+name)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("the %s %s was not deleted, as you say", o.kind, name)
	}
	if err := o.remove(c, ctx, name); err != nil {
		return err
	}
	o.notef("Deleted %s[%s]", o.kind, name)
	return nil
}

// missingObject names what a server's 404 is about.
func missingObject(err error, kind, name string) error {
	if !chefserver.IsNotFound(err) {
		return err
	}
	return usagef("`galley "+kind+" list` lists them", "the Chef Server has no %s %s", kind, name)
}
