package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/config/openrc"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/kitchen"
)

func newConfigCommand(d *deps) *cobra.Command {
	return noun("config", "Show and check the configuration: resolved, rendered, its schema",
		newConfigResolveCommand(d), newConfigRenderCommand(d), newConfigValidateCommand(d),
		newConfigSchemaCommand(d.streams.Out), newConfigKeysCommand(d.streams.Out),
		newConfigEnvCommand(d), newConfigKnifeCommand(d))
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

// configResolveOptions are those of config resolve.
type configResolveOptions struct {
	*settings
	format string
	redact bool
}

func newConfigResolveCommand(d *deps) *cobra.Command {
	o := &configResolveOptions{settings: d.settings}
	cmd := &cobra.Command{
		Use:     "resolve" + useInstances,
		Short:   "Print each instance with the merged data of its plug-ins",
		Example: "  galley config resolve\n  galley config resolve default-debian-12 --format yaml --redact",
		Long: `Print a list of instances with name, suite, platform, os_type, shell_type and
the merged data of driver, provisioner, transport, verifier and lifecycle, before
any plug-in's own defaults. Secrets are shown as they are in the files, unless
--redact is given.`,
		ValidArgsFunction: d.projects.completeInstances,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	addFormat(cmd, &o.format, "", formatJSON, "yaml")
	cmd.Flags().BoolVar(&o.redact, "redact", false, "hide passwords, keys and tokens")
	return cmd
}

func (o *configResolveOptions) run(ctx context.Context, args []string) error {
	write := config.JSON
	if o.format == "yaml" {
		write = config.YAML
	}
	opts, err := o.readOptions(ctx)
	if err != nil {
		return err
	}
	p, err := config.Load(ctx, opts)
	if err != nil {
		return err
	}
	names, err := selectNames(p.Instances, args)
	if err != nil {
		return err
	}
	chosen := slices.DeleteFunc(slices.Clone(p.Instances), func(in config.Instance) bool { return !slices.Contains(names, in.Name) })
	if o.redact {
		chosen = p.Redacted(chosen)
	}
	_, err = o.streams.Out.Write(write(chosen))
	return err
}

// configRenderOptions are those of config render.
type configRenderOptions struct {
	*settings
	lines bool
}

func newConfigRenderCommand(d *deps) *cobra.Command {
	o := &configRenderOptions{settings: d.settings}
	cmd := &cobra.Command{
		Use:   "render FILE",
		Short: "Print exactly the text that a template renders to",
		Long: `Render a file with ERB, as the configuration is read, and print the text. With --lines
each line has the number of the template's line before it.`,
		Example: "  galley config render kitchen.yml\n  galley config render --lines kitchen.yml",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().BoolVar(&o.lines, "lines", false, "put the template's line number before each line")
	return cmd
}

func (o *configRenderOptions) run(ctx context.Context, file string) error {
	opts, err := o.readOptions(ctx)
	if err != nil {
		return err
	}
	r, err := config.Render(ctx, opts, file)
	if err != nil {
		return err
	}
	text := r.Text
	if o.lines {
		text = r.Numbered()
	}
	_, err = fmt.Fprint(o.streams.Out, text)
	return err
}

func newConfigSchemaCommand(out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print a JSON Schema of kitchen.yml, for editors",
		Long: `Print a JSON Schema of kitchen.yml. An editor with the YAML language server completes
and checks the file by it.`,
		Example: "  galley config schema\n  galley config schema > kitchen.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := out.Write(config.Schema())
			return err
		},
	}
}

func newConfigKeysCommand(out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "keys [WORD]...",
		Short: "Print or search the keys of kitchen.yml",
		Long: `Print the keys whose name or description contains all the words, with type, default
and meaning; without a word, every key of every plug-in, as Markdown.`,
		Example: "  galley config keys zone\n  galley config keys floating ip\n  galley config keys | less",
		RunE: func(_ *cobra.Command, words []string) error {
			text := config.Markdown()
			if len(words) > 0 {
				text = config.FindKeys(words...)
			}
			if len(text) == 0 {
				return usagef("try fewer or other words; `galley config keys` prints all keys", "no key is about %q", strings.Join(words, " "))
			}
			_, err := out.Write(text)
			return err
		},
	}
}

// configEnvOptions are those of config env.
type configEnvOptions struct{ *settings }

func newConfigEnvCommand(d *deps) *cobra.Command {
	o := &configEnvOptions{d.settings}
	return &cobra.Command{
		Use:     "env [FILE]",
		Short:   "Print the variables that sourcing an OpenStack RC file would export",
		Example: "  galley config env openrc.sh\n  galley config env --rc openrc.sh",
		Long: `Read the RC file, that of --rc unless one is named, without a shell and print
the variables as export lines that a shell can evaluate. Secrets are among them.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), strings.Join(args, "")) },
	}
}

func (o *configEnvOptions) run(ctx context.Context, file string) error {
	if file == "" {
		file = o.flags.rc
	}
	if file == "" {
		return usagef("name it: galley config env FILE", "no RC file to read")
	}
	rc, err := openrc.Read(ctx, file, openrc.Options{Env: env.New(os.Environ()).Map(), Prompt: o.prompter()})
	if err != nil {
		return err
	}
	for _, w := range rc.Warnings {
		o.warnf("%s", w)
	}
	for _, n := range rc.Unset {
		fmt.Fprintf(o.streams.Out, "unset %s\n", n)
	}
	for _, n := range slices.Sorted(maps.Keys(rc.Vars)) {
		fmt.Fprintf(o.streams.Out, "export %s='%s'\n", n, strings.ReplaceAll(rc.Vars[n], "'", `'\''`))
	}
	return nil
}
