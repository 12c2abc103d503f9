package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/config/openrc"
	"github.com/galleyhq/galley/kitchen"
)

func (a *deps) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show and check the configuration: resolved, rendered, its schema",
	}
	cmd.AddCommand(
		a.configResolveCommand(),
		a.configRenderCommand(),
		a.configValidateCommand(),
		a.configSchemaCommand(),
		a.configKeysCommand(),
		a.configEnvCommand(),
		a.configKnifeCommand(),
	)
	return cmd
}

// selectNames returns the names of the instances that args mean.
func selectNames(instances []config.Instance, args []string) ([]string, error) {
	k := &kitchen.Kitchen{CompilePattern: compilePattern}
	for i := range instances {
		k.Instances = append(k.Instances, &kitchen.Instance{Name: instances[i].Name, Index: i})
	}
	if len(args) == 0 {
		args = []string{"all"}
		if len(instances) == 0 {
			return nil, nil
		}
	}
	chosen, err := k.Select(args...)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(chosen))
	for i, c := range chosen {
		names[i] = c.Name
	}
	return names, nil
}

func (a *deps) configResolveCommand() *cobra.Command {
	var format string
	var redact bool
	cmd := &cobra.Command{
		Use:     "resolve [INSTANCE|REGEXP|all]...",
		Short:   "Print each instance with the merged data of its plug-ins",
		Example: "  galley config resolve\n  galley config resolve default-debian-12 --format yaml --redact",
		Long: `Print a list of instances with name, suite, platform, os_type, shell_type and
the merged data of driver, provisioner, transport, verifier and lifecycle, before
any plug-in's own defaults. Secrets are shown as they are in the files, unless
--redact is given.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			write := config.JSON
			switch format {
			case "json":
			case "yaml":
				write = config.YAML
			default:
				return usagef("", "unknown format %q: it is json or yaml", format)
			}
			o, err := a.readOptions(cmd.Context())
			if err != nil {
				return err
			}
			p, err := config.Load(cmd.Context(), o)
			if err != nil {
				return err
			}
			names, err := selectNames(p.Instances, args)
			if err != nil {
				return err
			}
			chosen := slices.DeleteFunc(slices.Clone(p.Instances), func(in config.Instance) bool { return !slices.Contains(names, in.Name) })
			if redact {
				chosen = p.Redacted(chosen)
			}
			_, err = a.streams.Out.Write(write(chosen))
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", "json", "output `FORMAT`: json or yaml")
	completeFlag(cmd, "format", fixed("json", "yaml"))
	cmd.Flags().BoolVar(&redact, "redact", false, "hide passwords, keys and tokens")
	return cmd
}

func (a *deps) configRenderCommand() *cobra.Command {
	var lines bool
	cmd := &cobra.Command{
		Use:   "render FILE",
		Short: "Print exactly the text that a template renders to",
		Long: `Render a file with ERB, as the configuration is read, and print the text. With --lines
each line has the number of the template's line before it.`,
		Example: "  galley config render kitchen.yml\n  galley config render --lines kitchen.yml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := a.readOptions(cmd.Context())
			if err != nil {
				return err
			}
			r, err := config.Render(cmd.Context(), o, args[0])
			if err != nil {
				return err
			}
			text := r.Text
			if lines {
				text = r.Numbered()
			}
			_, err = fmt.Fprint(a.streams.Out, text)
			return err
		},
	}
	cmd.Flags().BoolVar(&lines, "lines", false, "put the template's line number before each line")
	return cmd
}

func (a *deps) configSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print a JSON Schema of kitchen.yml, for editors",
		Long: `Print a JSON Schema of kitchen.yml. An editor with the YAML language server completes
and checks the file by it.`,
		Example: "  galley config schema\n  galley config schema > kitchen.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.streams.Out.Write(config.Schema())
			return err
		},
	}
}

func (a *deps) configKeysCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "keys",
		Short:   "Print the table of all keys of kitchen.yml as Markdown",
		Long:    `Print every key of every plug-in with its type, default and meaning, as Markdown.`,
		Example: "  galley config keys\n  galley config keys | less",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.streams.Out.Write(config.Markdown())
			return err
		},
	}
}

func (a *deps) configEnvCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "env [FILE]",
		Short:   "Print what sourcing an OpenStack RC file would export",
		Example: "  galley config env openrc.sh\n  galley config env --rc openrc.sh",
		Long: `Read the RC file, that of --rc unless one is named, without a shell and prints
the variables as export lines that a shell can evaluate. Secrets are among them.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := a.flags.rc
			if len(args) == 1 {
				file = args[0]
			}
			if file == "" {
				return usagef("name it: galley config env FILE", "no RC file to read")
			}
			rc, err := openrc.Read(cmd.Context(), file, openrc.Options{Env: environMap(), Prompt: a.prompter()})
			if err != nil {
				return err
			}
			for _, w := range rc.Warnings {
				fmt.Fprintf(a.streams.Err, "%s: warning: %s\n", a.name, w)
			}
			names := make([]string, 0, len(rc.Vars))
			for n := range rc.Vars {
				names = append(names, n)
			}
			slices.Sort(names)
			for _, n := range rc.Unset {
				fmt.Fprintf(a.streams.Out, "unset %s\n", n)
			}
			for _, n := range names {
				fmt.Fprintf(a.streams.Out, "export %s='%s'\n", n, strings.ReplaceAll(rc.Vars[n], "'", `'\''`))
			}
			return nil
		},
	}
}

// environMap is the process's environment.
func environMap() map[string]string {
	m := map[string]string{}
	for _, kv := range os.Environ() {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" {
			m[k] = v
		}
	}
	return m
}
