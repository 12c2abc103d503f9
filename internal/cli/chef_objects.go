package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/ruby"
)

// chefCommands look at the Chef Server and clear up on it.
func (a *app) chefCommands() []*cobra.Command {
	return []*cobra.Command{
		noun("node", "Look at the nodes of the Chef Server, and remove them", a.nodeList(), a.nodeShow(), a.nodeDelete()),
		noun("client", "Look at the clients of the Chef Server, and remove them", a.clientList(), a.clientDelete()),
	}
}

// nameFormats are those of a list of names.
const nameFormats = "text (or summary), json or yaml"

// nameList is the "list" of a noun of the Chef Server.
func (a *app) nameList(short string, get func(context.Context, *chefserver.Client) ([]string, error)) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "list",
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(format, nameFormats, "text", "summary", "json", "yaml"); err != nil {
				return err
			}
			c, err := a.chefServer(cmd)
			if err != nil {
				return err
			}
			names, err := get(cmd.Context(), c)
			if err != nil {
				return err
			}
			return a.printNames(names, format)
		},
	}
	cmd.Flags().StringVarP(&format, "format", "F", "summary", "print as "+nameFormats)
	return cmd
}

// checkFormat finds a format that does not exist before anything is asked.
func checkFormat(format, all string, known ...string) error {
	for _, k := range known {
		if format == k {
			return nil
		}
	}
	if format == "pp" {
		return usagef("json holds the same", "the format pp is Ruby's own notation and is not available")
	}
	return usagef("", "unknown format %q: it is %s", format, all)
}

// printNames writes names one a line, or as a list.
func (a *app) printNames(names []string, format string) error {
	if names == nil {
		names = []string{}
	}
	switch format {
	case "json":
		return a.json(names)
	case "yaml":
		return a.yaml(names)
	}
	for _, n := range names {
		if _, err := fmt.Fprintln(a.streams.Out, oneLine(n)); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) nodeList() *cobra.Command {
	var environment string
	cmd := a.nameList("List the nodes", func(ctx context.Context, c *chefserver.Client) ([]string, error) {
		if environment != "" {
			return c.NodesIn(ctx, environment)
		}
		return c.Nodes(ctx)
	})
	cmd.Flags().StringVarP(&environment, "environment", "E", "", "only those of this `ENVIRONMENT`")
	return cmd
}

func (a *app) clientList() *cobra.Command {
	return a.nameList("List the clients", func(ctx context.Context, c *chefserver.Client) ([]string, error) { return c.Clients(ctx) })
}

func (a *app) nodeShow() *cobra.Command {
	var f listingFlags
	var runList bool
	cmd := &cobra.Command{
		Use:   "show NODE",
		Short: "Show one node",
		Long: `Shows a node's environment or policy, run list and what its last run has found
out; as json or yaml with all of its attributes.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			c, err := a.chefServer(cmd)
			if err != nil {
				return err
			}
			n, err := c.FullNode(cmd.Context(), args[0])
			if err != nil {
				return missingObject(err, "node", args[0])
			}
			l := nodeListing(n)
			switch {
			case runList:
				f.columns = []string{"Run List"}
				return a.printOne(l, &f)
			case f.format == "json" && len(f.columns) == 0:
				return a.json(n)
			case f.format == "yaml" && len(f.columns) == 0:
				return a.yaml(nodeObject(n))
			}
			return a.printOne(l, &f)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVarP(&runList, "run-list", "r", false, "show the run list only")
	return cmd
}

// nodeListing is a node in knife's summary.
func nodeListing(n *chefserver.FullNode) listing {
	found := func(keys ...string) cell {
		for _, k := range keys {
			if v, ok := n.Automatic[k]; ok && v != nil {
				return cell{words(v), v}
			}
		}
		return cell{}
	}
	platform := cell{}
	if p := found("platform"); p.text != "" {
		s := strings.TrimSpace(p.text + " " + found("platform_version").text)
		platform = cell{s, s}
	}
	var tags any
	if n.Normal != nil {
		tags = n.Normal["tags"]
	}
	l := listing{columns: []string{"Node Name", "Environment", "Policy Name", "Policy Group", "FQDN", "IP", "Run List", "Roles", "Recipes", "Platform", "Tags"}}
	l.add(n.Name, n.Environment, orNone(n.PolicyName), orNone(n.PolicyGroup), found("fqdn"), found("cloud_public_ip", "ipaddress"),
		cell{strings.Join(n.RunList, ", "), n.RunList}, found("roles"), found("recipes"), platform, cell{words(tags), tags})
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

// words is data as a person reads it in a line.
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

func (a *app) nodeDelete() *cobra.Command {
	return a.objectDelete("node", func(ctx context.Context, c *chefserver.Client, name string) error {
		_, err := c.Node(ctx, name)
		return err
	}, (*chefserver.Client).DeleteNode)
}

func (a *app) clientDelete() *cobra.Command {
	var validators bool
	cmd := a.objectDelete("client", func(ctx context.Context, c *chefserver.Client, name string) error {
		found, err := c.Client(ctx, name)
		if err == nil && found.Validator && !validators {
			return usagef("if that is meant, say --delete-validators", "the client %s is a validator, by which nodes register", name)
		}
		return err
	}, (*chefserver.Client).DeleteClient)
	cmd.Flags().BoolVarP(&validators, "delete-validators", "D", false, "delete even a validator")
	return cmd
}

// objectDelete is the "delete" of a noun of the Chef Server: each object is
// looked at by check first, asked about, and removed. All are tried.
func (a *app) objectDelete(kind string, check func(context.Context, *chefserver.Client, string) error, remove func(*chefserver.Client, context.Context, string) error) *cobra.Command {
	upper := strings.ToUpper(kind)
	return &cobra.Command{
		Use:   "delete " + upper + "...",
		Short: "Remove one or more " + kind + "s from the Chef Server",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			c, err := a.chefServer(cmd)
			if err != nil {
				return err
			}
			var errs []error
			for _, name := range args {
				if err := a.deleteObject(ctx, c, kind, name, check, remove); err != nil {
					if ctx.Err() != nil {
						return err
					}
					errs = append(errs, err)
				}
			}
			if len(errs) == 1 {
				return errs[0]
			}
			return errors.Join(errs...)
		},
	}
}

func (a *app) deleteObject(ctx context.Context, c *chefserver.Client, kind, name string, check func(context.Context, *chefserver.Client, string) error, remove func(*chefserver.Client, context.Context, string) error) error {
	if err := check(ctx, c, name); err != nil {
		return missingObject(err, kind, name)
	}
	ok, err := a.sure(ctx, "Do you really want to delete "+kind+" "+name)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("the %s %s was not deleted, as you say", kind, name)
	}
	if err := remove(c, ctx, name); err != nil {
		return err
	}
	fmt.Fprintf(a.people(), "Deleted %s[%s]\n", kind, name)
	return nil
}

// missingObject says of a server's 404 what is not there.
func missingObject(err error, kind, name string) error {
	if !chefserver.IsNotFound(err) {
		return err
	}
	return usagef("`galley "+kind+" list` tells what there is", "the Chef Server has no %s %s", kind, name)
}
