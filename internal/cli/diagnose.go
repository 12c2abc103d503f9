package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/state"
)

// diagnoseOptions are those of diagnose.
type diagnoseOptions struct {
	*projects

	all, noInstances bool
	show             config.DiagnoseOptions
}

func newDiagnoseCommand(d *deps) *cobra.Command {
	o := &diagnoseOptions{projects: d.projects, show: config.DiagnoseOptions{Version: version()}}
	cmd := &cobra.Command{
		Use:   "diagnose" + useInstances,
		Short: "Show the resolved configuration as YAML",
		Long: `Print the content of the files and the configuration that results from them, as
YAML. Passwords, keys and tokens are hidden unless --show-secrets is given. A file
that cannot be read is reported in the output.`,
		Example: `  galley diagnose
  galley diagnose default-debian-12 --origin
  galley diagnose --all`,
		ValidArgsFunction: o.completeInstances,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	fs := cmd.Flags()
	fs.BoolVar(&o.all, "all", false, "show loader, plug-ins and instances")
	fs.BoolVar(&o.show.Loader, "loader", false, "show the files and their content")
	fs.BoolVar(&o.show.Plugins, "plugins", false, "show the plug-ins in use")
	fs.BoolVar(&o.show.Instances, "instances", true, "show the instances")
	fs.BoolVar(&o.noInstances, "no-instances", false, "do not show the instances")
	fs.BoolVar(&o.show.ShowSecrets, "show-secrets", false, "show passwords, keys and tokens")
	fs.BoolVar(&o.show.Origin, "origin", false, "show where each value comes from: file and line, default, or environment variable")
	return cmd
}

func (o *diagnoseOptions) run(ctx context.Context, args []string) error {
	opts, err := o.readOptions(ctx)
	if err != nil {
		return err
	}
	d, err := config.Examine(ctx, opts)
	if err != nil {
		return err
	}
	show := o.show
	show.Instances = (show.Instances && !o.noInstances) || o.all
	show.Plugins = show.Plugins || o.all
	show.Loader = show.Loader || o.all
	if d.Project != nil && show.Instances {
		if show.Only, err = selectNames(d.Project.Instances, args); err != nil {
			return err
		}
	}
	store := state.NewStore(opts.Root)
	show.State = func(instance string) (map[string]any, error) {
		st, err := store.Load(instance)
		if err != nil {
			return nil, err
		}
		m := map[string]any{}
		for _, k := range st.Keys() {
			m[k] = st.Get(k)
		}
		return m, nil
	}
	show.Time = time.Now()
	_, err = o.streams.Out.Write(d.YAML(show))
	return err
}
