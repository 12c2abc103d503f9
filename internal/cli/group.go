package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
)

func (a *app) groupNoun() *cobra.Command {
	return noun("group", "Look up security groups", a.listOf("security groups", listGroups))
}

// listGroups has a line for each rule, as the peer does; a group without
// rules has one of its own.
func listGroups(ctx context.Context, c *openstack.Cloud) (listing, error) {
	l := listing{columns: []string{
		"Name", "Protocol", "From", "To", "CIDR", "Description",
		"Direction", "IP Version", "Remote Group", "Rule Description", "ID", "Rule ID",
	}}
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
			protocol := cell{"any", nil}
			if r.Protocol != "" {
				protocol = cell{r.Protocol, r.Protocol}
			}
			l.add(g.Name, protocol, maybe(r.From), maybe(r.To), orNone(r.CIDR()), g.Description,
				r.Direction, r.EtherType, orNone(named(names, r.Remote())), orNone(r.Description), g.ID, r.ID)
		}
	}
	return l, nil
}
