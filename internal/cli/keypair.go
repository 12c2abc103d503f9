package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
)

func newKeyPairCommand(d *deps) *cobra.Command {
	return noun("keypair", "Create, delete and list key pairs",
		newNamedListCommand(d, "key pairs", "  galley keypair list\n  galley keypair list --format csv",
			[]string{"Name", "Fingerprint"}, (*openstack.Cloud).KeyPairs,
			func(k openstack.KeyPair) (string, string) { return k.Name, "" },
			func(k openstack.KeyPair) []any { return []any{k.Name, k.Fingerprint} }),
		newKeyPairCreateCommand(d), newKeyPairDeleteCommand(d))
}

// keyPairCreateOptions are those of keypair create.
type keyPairCreateOptions struct {
	*program
	clouds *cloudAccess

	name            string
	public, private string
	output          listingFlags
}

var keyPairCreateColumns = []string{"Name", "Fingerprint", "Private Key"}

func newKeyPairCreateCommand(d *deps) *cobra.Command {
	o := &keyPairCreateOptions{program: d.program, clouds: d.clouds}
	cmd := &cobra.Command{
		Use:   "create NAME {--public-key FILE | --private-key FILE}",
		Short: "Upload a public key, or generate a key and upload its public half",
		Long: `Create a key pair at the cloud. With --public-key it is made of an existing key.
With --private-key a new Ed25519 key is generated on this machine and written to
that file, which must not exist; the private half never leaves this machine.`,
		Example: `  galley keypair create web --private-key web.pem
  galley keypair create laptop --public-key ~/.ssh/id_ed25519.pub`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.public, "public-key", "", "upload the public key in this `FILE`")
	cmd.Flags().StringVar(&o.private, "private-key", "", "generate a key and write its private half to this `FILE`")
	o.output.add(cmd, keyPairCreateColumns)
	d.knife.addTo(cmd, usesCloud)
	return cmd
}

func (o *keyPairCreateOptions) run(ctx context.Context) error {
	line, err := o.publicKey()
	if err != nil {
		return err
	}
	return o.clouds.use(ctx, func(ctx context.Context, c *openstack.Cloud) (err error) {
		var k openstack.KeyPair
		if line != "" {
			k, err = c.UploadKeyPair(ctx, o.name, line)
		} else {
			k, err = c.MakeKeyPair(ctx, o.name, o.private)
		}
		if err != nil {
			return err
		}
		l := listing{columns: keyPairCreateColumns}
		l.add(k.Name, k.Fingerprint, orNone(o.private))
		return o.printOne(l, &o.output)
	})
}

// publicKey reads the key to upload, "" for a new one.
func (o *keyPairCreateOptions) publicKey() (string, error) {
	if (o.public == "") == (o.private == "") {
		return "", usagef("as in --public-key ~/.ssh/id_ed25519.pub, or --private-key web.pem for a new key",
			"either --public-key or --private-key is needed")
	}
	if o.public == "" {
		return "", nil
	}
	data, err := os.ReadFile(o.public)
	if err != nil {
		return "", usagef("", "cannot read the public key: %v", err)
	}
	line := strings.TrimSpace(string(data))
	if strings.Contains(line, "PRIVATE KEY") {
		return "", usagef("the public key is usually beside it, in "+o.public+".pub", "%s is a private key, which is not sent anywhere", o.public)
	}
	return line, nil
}

// keyPairDeleteOptions are those of keypair delete.
type keyPairDeleteOptions struct {
	*program
	clouds *cloudAccess
}

func newKeyPairDeleteCommand(d *deps) *cobra.Command {
	o := &keyPairDeleteOptions{program: d.program, clouds: d.clouds}
	cmd := &cobra.Command{
		Use:   "delete NAME...",
		Short: "Delete key pairs from the cloud",
		Long: `Delete key pairs from the cloud, after a confirmation for each. Private keys on
this machine are kept.`,
		Example: `  galley keypair delete web
  galley keypair delete web laptop --yes`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: d.clouds.complete(keyPairNames),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	d.knife.addTo(cmd, usesCloud|asks)
	return cmd
}

func (o *keyPairDeleteOptions) run(ctx context.Context, names []string) error {
	return o.clouds.use(ctx, func(ctx context.Context, c *openstack.Cloud) error {
		return each(ctx, names, func(name string) error {
			sure, err := o.confirm(ctx, fmt.Sprintf("Do you really want to delete the key pair %q", name))
			done := "kept"
			if err == nil && sure {
				err, done = c.DeleteKeyPair(ctx, name), "deleted"
			}
			if err == nil {
				fmt.Fprintf(o.streams.Err, "Key pair %q %s.\n", name, done)
			}
			return err
		})
	})
}
