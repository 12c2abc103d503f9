package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
)

func (a *app) keyPairNoun() *cobra.Command {
	return noun("keypair", "Look up key pairs", a.listOf("key pairs", listKeyPairs))
}

func listKeyPairs(ctx context.Context, c *openstack.Cloud) (listing, error) {
	keys, err := c.KeyPairs(ctx)
	if err != nil {
		return listing{}, err
	}
	keys = slices.Clone(keys)
	slices.SortFunc(keys, func(x, y openstack.KeyPair) int { return byNames(x.Name, y.Name, "", "") })
	l := listing{columns: []string{"Name", "Fingerprint"}}
	for _, k := range keys {
		l.add(k.Name, k.Fingerprint)
	}
	return l, nil
}
