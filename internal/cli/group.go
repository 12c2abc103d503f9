package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
)

var groupColumns = []string{
	"Name", "Protocol", "From", "To", "CIDR", "Description",
	"Direction", "IP Version", "Remote Group", "Rule Description", "ID", "Rule ID",
}

func newGroupCommand(d *deps) *cobra.Command {
	return noun("group", "List security groups and their rules",
		newCloudListCommand(d, "security groups", "  galley group list\n  galley group list --columns name,protocol,from,to,cidr", groupColumns, listGroups))
}

// listGroups has a line for each rule, as knife-openstack does; a group
// without rules has one line.
func listGroups(ctx context.Context, c *openstack.Cloud) (listing, error) {
	l := listing{columns: groupColumns}
	groups, err := c.SecurityGroups(ctx)
	if err != nil {
		return l, err
	}
	names := map[string]string{}
	for _, g := range groups {
		names[g.ID] = g.Name
	}
	groups = slices.Clone(groups)
	slices.SortFunc(groups, func(x, y openstack.SecurityGroup) int { return byNames(x.Name, y.Name, x.ID, y.ID) })
	for _, g := range groups {
		if len(g.Rules) == 0 {
			l.add(g.Name, cell{}, cell{}, cell{}, cell{}, g.Description, cell{}, cell{}, cell{}, cell{}, g.ID, cell{})
		}
		for _, r := range g.Rules {
			protocol := cell{text: "any"}
			if r.Protocol != "" {
				protocol = textOf(r.Protocol)
			}
			l.add(g.Name, protocol, maybe(r.From), maybe(r.To), orNone(r.CIDR()), g.Description,
				r.Direction, r.EtherType, orNone(named(names, r.Remote())), orNone(r.Description), g.ID, r.ID)
		}
	}
	return l, nil
}
