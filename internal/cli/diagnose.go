package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/state"
)

func (a *app) diagnoseCommand() *cobra.Command {
	var all, noInstances bool
	o := config.DiagnoseOptions{Version: version()}
	cmd := &cobra.Command{
		Use:   "diagnose [INSTANCE|REGEXP|all]...",
		Short: "Show the computed configuration",
		Long: `Prints what the files hold and what has been made of it, as YAML. Passwords, keys
and tokens are hidden unless --show-secrets is given. A file that cannot be read
is told of in the output.

` + exitCodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := a.readOptions(cmd.Context())
			if err != nil {
				return err
			}
			d, err := config.Examine(cmd.Context(), opts)
			if err != nil {
				return err
			}
			o.Instances = (o.Instances && !noInstances) || all
			o.Plugins = o.Plugins || all
			o.Loader = o.Loader || all
			if d.Project != nil && o.Instances {
				if o.Only, err = selectNames(d.Project.Instances, args); err != nil {
					return err
				}
			}
			store := state.NewStore(opts.Root)
			o.State = func(instance string) (map[string]any, error) {
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
			o.Time = time.Now()
			_, err = a.streams.Out.Write(d.YAML(o))
			return err
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&all, "all", false, "show loader, plug-ins and instances")
	fs.BoolVar(&o.Loader, "loader", false, "show the files and what is read from them")
	fs.BoolVar(&o.Plugins, "plugins", false, "show the plug-ins in use")
	fs.BoolVar(&o.Instances, "instances", true, "show the instances")
	fs.BoolVar(&noInstances, "no-instances", false, "leave the instances out")
	fs.BoolVar(&o.ShowSecrets, "show-secrets", false, "show passwords, keys and tokens")
	fs.BoolVar(&o.Origin, "origin", false, "say where each value comes from: file and line, default, or environment variable")
	return cmd
}
