package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/cookbooks"
	"github.com/galleyhq/galley/internal/cookbooks/policyfile"
	"github.com/galleyhq/galley/internal/text"
)

func newDepsPushCommand(d *deps) *cobra.Command {
	o := &depsOptions{}
	return newDepsVerb(d, o, &cobra.Command{
		Use:   "push GROUP [FILE]",
		Short: "Upload a locked policy to a policy group",
		Long: `Upload a locked policy and its cookbooks to the Chef Server, and give it to a
policy group. Nodes that have the policy's name and the group then run it. Files
and cookbooks that the server has are not sent again.

The Chef Server is that of knife's configuration. It must have version 2 of the
API; goiardi has no policies.`,
		Example: "  galley deps push staging\n  galley deps push prod Policyfile.rb",
		Args:    cobra.RangeArgs(1, 2),
	}, nil, splitGroup, func(ctx context.Context, p *cookbooks.Project, group []string) error {
		c, err := o.knife.config(ctx)
		if err != nil {
			return err
		}
		server, err := o.chef.at(ctx, c.ChefServerURL)
		if err != nil {
			return err
		}
		done, err := p.Push(ctx, server, group[0])
		o.quiet()
		if err != nil {
			return err
		}
		return o.pushed(done, group[0])
	})
}

// splitGroup takes the group from the front of the arguments.
func splitGroup(args []string) (file string, group []string) {
	return strings.Join(args[1:], ""), args[:1]
}

func (o *depsOptions) pushed(done *policyfile.Pushed, group string) error {
	if o.format == "json" {
		return o.json(map[string]any{
			"policy": done.Lock.Name, "revision_id": done.Lock.RevisionID(), "policy_group": group,
			"uploaded": len(done.Uploaded), "reused": len(done.Reused),
		})
	}
	for _, c := range done.Reused {
		o.notef("Using    %s", c)
	}
	for _, c := range done.Uploaded {
		o.notef("Uploaded %s", c)
	}
	o.notef("Uploaded policy %s (%s) to policy group %s with %s", done.Lock.Name, done.Lock.RevisionID()[:10], group,
		text.Count(len(done.Lock.Cookbooks), "cookbook"))
	return nil
}
