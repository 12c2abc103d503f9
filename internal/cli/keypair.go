package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/openstack/session"
)

func (a *app) keyPairNoun() *cobra.Command {
	return noun("keypair", "Make, delete and look up key pairs", a.listOf("key pairs", listKeyPairs), a.keyPairCreate(), a.keyPairDelete())
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

func (a *app) keyPairCreate() *cobra.Command {
	var (
		f               listingFlags
		public, private string
	)
	cmd := &cobra.Command{
		Use:   "create NAME {--public-key FILE | --private-key FILE}",
		Short: "Upload a public key, or make a key and upload its public half",
		Long: `Gives the user a key pair at the cloud. With --public-key it is of a key that
exists. With --private-key a new Ed25519 key is made on this machine and written
to that file, which must not exist; the private half never leaves it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if (public == "") == (private == "") {
				return usagef("as in --public-key ~/.ssh/id_ed25519.pub, or --private-key web.pem for a new key", "either --public-key or --private-key is needed")
			}
			var line string
			if public != "" {
				b, err := os.ReadFile(public)
				if err != nil {
					return usagef("", "cannot read the public key: %v", err)
				}
				if line = strings.TrimSpace(string(b)); strings.Contains(line, "PRIVATE KEY") {
					return usagef("the public key is usually beside it, in "+public+".pub", "%s is a private key, which is not sent anywhere", public)
				}
			}
			return a.withCloud(cmd.Context(), func(ctx context.Context, c *openstack.Cloud) (err error) {
				var k openstack.KeyPair
				if line != "" {
					k, err = c.UploadKeyPair(ctx, args[0], line)
				} else {
					k, err = c.MakeKeyPair(ctx, args[0], private)
				}
				if err != nil {
					return err
				}
				l := listing{columns: []string{"Name", "Fingerprint", "Private Key"}}
				l.add(k.Name, k.Fingerprint, orNone(private))
				return a.printOne(l, &f)
			})
		},
	}
	cmd.Flags().StringVar(&public, "public-key", "", "upload the public key in this `FILE`")
	cmd.Flags().StringVar(&private, "private-key", "", "make a key and write its private half to this `FILE`")
	f.add(cmd)
	return cmd
}

func (a *app) keyPairDelete() *cobra.Command {
	return &cobra.Command{
		Use:   "delete NAME...",
		Short: "Delete key pairs; private keys on this machine stay",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withCloud(cmd.Context(), func(ctx context.Context, c *openstack.Cloud) error {
				var errs []error
				for _, name := range args {
					sure, err := a.sure(ctx, fmt.Sprintf("Do you really want to delete the key pair %q", name))
					if err != nil {
						return err
					}
					if !sure {
						fmt.Fprintf(a.streams.Err, "Key pair %q is kept.\n", name)
						continue
					}
					if err := c.DeleteKeyPair(ctx, name); err != nil {
						errs = append(errs, err)
						continue
					}
					fmt.Fprintf(a.streams.Err, "Key pair %q deleted.\n", name)
				}
				return session.Join(errs...)
			})
		},
	}
}
