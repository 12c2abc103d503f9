package cli

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/text"
)

// reapOptions are those of reap.
type reapOptions struct {
	*program
	clouds *cloudAccess

	dryRun    bool
	olderThan string
	output    listingFlags
}

var reapColumns = []string{"Instance", "Project", "Expired", "Resource", "Name", "ID"}

func newReapCommand(d *deps) *cobra.Command {
	o := &reapOptions{program: d.program, clouds: d.clouds}
	cmd := &cobra.Command{
		Use:   "reap",
		Short: "Remove what Galley created on the cloud and whose time is over",
		Long: `Remove servers, images, volumes, ports, floating IPs and key pairs that Galley created
in the cloud's project and whose time (ttl) is over, whichever machine, checkout or user
created them. Everything else is left alone, so it is safe beside running tests and
fit for cron. With --older-than it also removes what has no ttl and is older; it
asks first, unless with --yes. Images go by their ttl only. Key pairs of other users
cannot be seen.`,
		Example: `  galley reap --dry-run
  galley reap
  galley reap --older-than 2d --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	fs := cmd.Flags()
	fs.BoolVar(&o.dryRun, "dry-run", false, "print what would be removed")
	fs.StringVar(&o.olderThan, "older-than", "", "also remove everything created before this `TIME`, as in 6h or 2d")
	fs.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	o.output.add(cmd, reapColumns)
	return cmd
}

func (o *reapOptions) run(ctx context.Context) error {
	var age time.Duration
	if o.olderThan != "" {
		var err error
		if age, err = text.ParseDuration(o.olderThan); err != nil {
			return usagef("", "--older-than: %w", err)
		}
	}
	return o.clouds.use(ctx, func(ctx context.Context, c *openstack.Cloud) error {
		expired, err := c.Expired(ctx, time.Now(), age)
		if err != nil {
			return err
		}
		if err := o.show(expired); err != nil || o.dryRun || len(expired) == 0 {
			return err
		}
		if age > 0 {
			if err := o.confirmAll(ctx); err != nil {
				return err
			}
		}
		return each(ctx, expired, func(rec *openstack.Record) error {
			if err := c.ReclaimRecord(ctx, rec, o.reporter()); err != nil {
				return fmt.Errorf("removing what belongs to %s: %w", cmp.Or(rec.Owner, rec.Token), err)
			}
			return nil
		})
	})
}

// show prints the removed resources.
func (o *reapOptions) show(expired []*openstack.Record) error {
	if len(expired) == 0 && o.output.format == "table" {
		o.notef("Nothing has expired.")
		return nil
	}
	l := listing{columns: reapColumns}
	for _, rec := range expired {
		when := "by age"
		if !rec.Expires.IsZero() && time.Now().After(rec.Expires) {
			when = rec.Expires.Local().Format(time.DateTime)
		}
		for _, r := range rec.Resources {
			l.add(cmp.Or(rec.Owner, "-"), cmp.Or(rec.Project, "-"), when, string(r.Kind), cmp.Or(r.Address, cmp.Or(r.Name, "-")), r.ID)
		}
	}
	return o.print(l, &o.output)
}
