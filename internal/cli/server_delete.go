package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/servers"
	"github.com/galleyhq/galley/internal/state"
)

// serverDeleteOptions are those of server delete.
type serverDeleteOptions struct {
	*program
	servers serverAccess

	orphans, dryRun, forget bool
	deletion                servers.Deletion
}

func newServerDeleteCommand(d *deps) *cobra.Command {
	o := &serverDeleteOptions{program: d.program, servers: serverAccess{d.program, d.clouds, d.chef}}
	cmd := &cobra.Command{
		Use:   "delete ID|NAME...",
		Short: "Delete servers and everything that was created with them",
		Long: `Delete each server with the floating IP, volumes, ports and key pair that were
created for it; with --purge also its node and client on the Chef Server. Each is
confirmed unless --yes is given. Resources that no longer exist are ignored, and
all servers are tried, also after a failure. With --orphans it removes what killed
creates have left, what is left of servers that others have deleted, and what was
created on this workstation and has no record any more.`,
		Example: `  galley server delete web1 db1 --purge
  galley server delete --orphans --dry-run`,
		ValidArgsFunction: d.clouds.complete(serverNamesOf),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	fs := cmd.Flags()
	fs.BoolVarP(&o.deletion.Purge, "purge", "P", false, "also delete the node and the client from the Chef Server")
	fs.StringVarP(&o.deletion.Node, "node-name", "N", "", "`NAME` of the node and client to purge (default: as it was registered, else the server's name)")
	fs.BoolVar(&o.orphans, "orphans", false, "remove what killed creates and deleted servers have left")
	fs.BoolVar(&o.dryRun, "dry-run", false, "with --orphans, print what would be removed")
	fs.BoolVar(&o.deletion.NoWait, "no-wait", false, noWaitUsage)
	fs.BoolVar(&o.forget, "forget", false, "drop the record of a server without removing it, when its cloud or project is out of reach for good")
	d.knife.addTo(cmd, usesCloud|usesChef|asks)
	return cmd
}

func (o *serverDeleteOptions) run(ctx context.Context, refs []string) error {
	switch {
	case o.orphans && len(refs) > 0:
		return usagef("", "--orphans takes no servers")
	case o.dryRun && !o.orphans:
		return usagef("", "--dry-run requires --orphans")
	case !o.orphans && len(refs) == 0:
		return usagef("name it by ID or name, as `galley server list` shows them", "no server to delete is named")
	case o.forget && (o.orphans || o.deletion.Purge || o.deletion.NoWait):
		return usagef("", "--forget removes nothing: --orphans, --purge and --no-wait do not go with it")
	case o.deletion.Node != "" && !o.deletion.Purge:
		return usagef("add --purge", "-N names what --purge deletes")
	case o.deletion.Node != "" && len(refs) > 1:
		return usagef("delete them one by one, or leave -N out", "-N names one node, and %d servers are to be deleted", len(refs))
	}
	if o.forget {
		return o.forgetAll(ctx, refs)
	}
	m, release, err := o.servers.manager(ctx, o.deletion.Purge)
	if err != nil {
		return err
	}
	defer release()
	bus, done, err := o.events(o.people())
	if err != nil {
		return err
	}
	defer done()
	m.Bus = bus
	if o.orphans {
		return o.removeOrphans(ctx, m)
	}
	return each(ctx, refs, func(ref string) error { return o.deleteOne(ctx, m, ref) })
}

// forgetAll drops the records of servers without a login.
func (o *serverDeleteOptions) forgetAll(ctx context.Context, refs []string) error {
	mine, err := state.UserFiles(o.streams.Getenv)
	if err != nil {
		return err
	}
	bus, done, err := o.events(o.people())
	if err != nil {
		return err
	}
	defer done()
	return each(ctx, refs, func(ref string) error {
		return servers.Forget(ctx, mine.Servers(), ref, bus.Reporter("", 0, ""))
	})
}

func (o *serverDeleteOptions) deleteOne(ctx context.Context, m *servers.Manager, ref string) error {
	report := m.Bus.Reporter("", 0, "")
	d := o.deletion
	t, err := m.Find(ctx, ref, d.Purge)
	if err != nil {
		return err
	}
	if t == nil {
		report.Warn("the server %s no longer exists", ref)
		return nil
	}
	o.notef("Instance Name: %s", t.Name)
	if t.ID != "" {
		o.notef("Instance ID: %s", t.ID)
	}
	if len(t.With) > 0 {
		o.notef("Deleted with it: %s", strings.Join(t.With, ", "))
	}
	if d.Purge {
		o.notef("Purged with it: node and client %s", cmp.Or(d.Node, t.Node))
	}
	o.notef("")
	sure, err := o.confirm(ctx, "Do you really want to delete this server")
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
		if o.name == nameKnife {
			report.Warn("Deleted server %s", t.ID)
		} else {
			o.notef("Deleted server %s.", t.Name)
		}
	}
	if !d.Purge && !t.Unfinished && t.Registered {
		report.Warn("Corresponding node and client for the %s server were not deleted and remain registered with the Chef Server", t.Name)
		if o.name != nameKnife {
			o.notef("`galley server delete %s --purge` removes them.", t.Name)
		}
	}
	return nil
}

// removeOrphans prints, and unless with --dry-run removes, what no server owns.
func (o *serverDeleteOptions) removeOrphans(ctx context.Context, m *servers.Manager) error {
	found, err := m.Orphans(ctx)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		o.notef("There is nothing left over.")
		return nil
	}
	for _, orphan := range found {
		for _, what := range orphan.What {
			fmt.Fprintln(o.streams.Out, o.clean(orphan.Name+": "+what))
		}
	}
	if o.dryRun {
		return nil
	}
	if err := o.confirmAll(ctx); err != nil {
		return err
	}
	return each(ctx, found, func(orphan *servers.Orphan) error {
		if err := m.RemoveOrphan(ctx, orphan, o.deletion.NoWait); err != nil {
			return fmt.Errorf("cleaning up after %s: %w", orphan.Name, err)
		}
		return nil
	})
}
