package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/servers"
)

func (a *app) serverDelete() *cobra.Command {
	var (
		purge, orphans, dryRun bool
		node                   string
	)
	cmd := &cobra.Command{
		Use:   "delete ID|NAME...",
		Short: "Remove servers and all that was made with them",
		Long: `Removes each server with the floating IP, volumes, ports and key pair that were
made for it; with --purge its node and client on the Chef Server as well. It
asks before, unless told -y. What is gone already is no error. All servers named
are tried, and all failures told.

With --orphans it removes what creates have left that were killed, what is left
of servers that others have deleted, and what was made on this workstation and
has no record any more; --dry-run only prints it.

` + exitCodes,
		Example: `  galley server delete web1 db1 --purge
  galley server delete --orphans --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case orphans && len(args) > 0:
				return usagef("", "--orphans takes no servers")
			case dryRun && !orphans:
				return usagef("", "--dry-run goes with --orphans only")
			case orphans:
				return a.serverOrphans(cmd, dryRun)
			case len(args) == 0:
				return usagef("name it by ID or by name: `galley server list` tells both", "which server is to be deleted?")
			case node != "" && !purge:
				return usagef("add --purge", "-N names what --purge removes")
			case node != "" && len(args) > 1:
				return usagef("delete them one by one, or leave -N out", "-N names one node, and %d servers are to be deleted", len(args))
			}
			return a.deleteServers(cmd, args, servers.Deletion{Purge: purge, Node: node})
		},
	}
	fs := cmd.Flags()
	fs.BoolVarP(&purge, "purge", "P", false, "remove the node and the client from the Chef Server as well")
	fs.StringVarP(&node, "node-name", "N", "", "`NAME` of the node and client to purge (default: as it was registered, else the server's name)")
	fs.BoolVar(&orphans, "orphans", false, "remove what is left of creates that were killed and of servers that are gone")
	fs.BoolVar(&dryRun, "dry-run", false, "with --orphans, print what would be removed")
	return cmd
}

// toldServers is servers with a console that tells what is removed.
func (a *app) toldServers(cmd *cobra.Command, needChef bool) (*servers.Manager, func(), error) {
	m, done, err := a.servers(cmd, needChef)
	if err != nil {
		return nil, nil, err
	}
	console, err := a.serverConsole("", 0)
	if err != nil {
		done()
		return nil, nil, err
	}
	m.Report = console
	return m, func() { console.close(); done() }, nil
}

func (a *app) deleteServers(cmd *cobra.Command, refs []string, d servers.Deletion) error {
	ctx := cmd.Context()
	m, done, err := a.toldServers(cmd, d.Purge)
	if err != nil {
		return err
	}
	defer done()
	var errs []error
	for _, ref := range refs {
		if err := a.deleteServer(ctx, m, ref, d); err != nil {
			if ctx.Err() != nil {
				return err
			}
			errs = append(errs, err)
		}
	}
	return session.Join(errs...)
}

func (a *app) deleteServer(ctx context.Context, m *servers.Manager, ref string, d servers.Deletion) error {
	w := a.people()
	t, err := m.Find(ctx, ref, d.Purge)
	if err != nil {
		return err
	}
	if t == nil {
		m.Report.Warn("the server %s is gone already", ref)
		return nil
	}
	fmt.Fprintf(w, "Instance Name: %s\n", t.Name)
	if t.ID != "" {
		fmt.Fprintf(w, "Instance ID: %s\n", t.ID)
	}
	if len(t.With) > 0 {
		fmt.Fprintf(w, "Deleted with it: %s\n", strings.Join(t.With, ", "))
	}
	node := cmp.Or(d.Node, t.Node)
	if d.Purge {
		fmt.Fprintf(w, "Purged with it: node and client %s\n", node)
	}
	fmt.Fprintln(w)
	sure, err := a.sure(ctx, "Do you really want to delete this server")
	if err != nil {
		return err
	}
	if !sure {
		return fmt.Errorf("the server %q is left as it is, as you say", t.Name)
	}
	if err := m.Delete(ctx, t, d); err != nil {
		return err
	}
	if t.ID != "" {
		m.Report.Warn("Deleted server %s", t.ID)
	}
	if !d.Purge && !t.Unfinished {
		m.Report.Warn("Corresponding node and client for the %s server were not deleted and remain registered with the Chef Server", t.Name)
	}
	return nil
}

// serverOrphans prints, and unless dryRun removes, what no server owns.
func (a *app) serverOrphans(cmd *cobra.Command, dryRun bool) error {
	ctx := cmd.Context()
	m, done, err := a.toldServers(cmd, false)
	if err != nil {
		return err
	}
	defer done()
	found, err := m.Orphans(ctx)
	if err != nil {
		return err
	}
	for _, o := range found {
		for _, what := range o.What {
			fmt.Fprintf(a.streams.Out, "%s: %s\n", o.Name, what)
		}
	}
	if dryRun || len(found) == 0 {
		return nil
	}
	sure, err := a.sure(ctx, "Do you really want to remove all this")
	if err != nil {
		return err
	}
	if !sure {
		return errors.New("it is left as it is, as you say")
	}
	var errs []error
	for _, o := range found {
		if err := m.RemoveOrphan(ctx, o); err != nil {
			errs = append(errs, fmt.Errorf("what is left of %s: %w", o.Name, err))
		}
	}
	return session.Join(errs...)
}
