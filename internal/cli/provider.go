package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/provider"
	"github.com/galleyhq/galley/internal/provisioner/external"
)

func newProviderCommand(d *deps) *cobra.Command {
	s := d.settings
	return &cobra.Command{
		Use:   "provider KIND capabilities|validate|run",
		Short: "Serve as an external provisioner for Test Kitchen 4.1",
		Long: `Answer Test Kitchen's external provider protocol, version 1.0, on standard input and
output: Test Kitchen with any driver then converges through Galley, which resolves
the cookbooks' dependencies, uploads what changed, and installs and runs Chef or Cinc.
KIND is chef, or the name of a Chef provisioner such as chef_solo. In a kitchen.yml:

  provisioner:
    name: external
    command: galley provider chef`,
		Example: `  galley provider chef capabilities
  galley provider chef_solo validate < request.json`,
		Args:      cobra.ExactArgs(2),
		ValidArgs: provider.Kinds,
		RunE: func(cmd *cobra.Command, args []string) error {
			return serveProvider(cmd.Context(), s, args[0], args[1])
		},
	}
}

func serveProvider(ctx context.Context, s *settings, kind, operation string) error {
	if !slices.Contains(provider.Kinds, kind) {
		return usagef("", "unknown provider %q: it is %s", kind, strings.Join(provider.Kinds, ", "))
	}
	env, err := s.environment(ctx)
	if err != nil {
		return err
	}
	p := &provider.Chef{Kind: kind, Version: version(), Env: env, Secrets: s.secrets}
	if code := external.Serve(ctx, operation, s.streams.In, s.streams.Out, s.streams.Err, p, s.secrets); code != 0 {
		return &statusError{code}
	}
	return nil
}
