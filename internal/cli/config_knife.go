package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/config/knife"
	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/secret"
)

// configKnifeOptions are those of config knife.
type configKnifeOptions struct {
	*program
	knife  *knifeSetup
	output listingFlags
}

func newConfigKnifeCommand(d *deps) *cobra.Command {
	o := &configKnifeOptions{program: d.program, knife: d.knife}
	cmd := &cobra.Command{
		Use:     "knife",
		Short:   "Show the settings of knife.rb and credentials, and where each is set",
		Example: "  galley config knife\n  galley config knife --format json",
		Long: `Show the settings that knife's configuration has for the knife-style commands,
with the file and line that set each, after all flags; the files that were read are
listed on standard error. Secrets are not shown.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	o.output.add(cmd, knifeColumns)
	d.knife.addTo(cmd, usesCloud|usesChef)
	return cmd
}

func (o *configKnifeOptions) run(ctx context.Context) error {
	c, err := o.knife.config(ctx)
	if err != nil {
		return err
	}
	if len(c.Files) == 0 {
		o.notef("There is no knife.rb, config.rb or credentials file.")
	}
	for _, file := range c.Files {
		note := ""
		if c.Profile != "" && file == c.Files[0] {
			note = ", profile " + c.Profile
		}
		o.notef("Read %s%s", file, note)
	}
	return o.print(knifeListing(c), &o.output)
}

var knifeColumns = []string{"Setting", "Value", "Origin"}

// knifeListing has a line for each setting, then for each key of knife[...].
func knifeListing(c *knife.Config) listing {
	l := listing{columns: knifeColumns}
	add := func(called, key string, v knife.Value) {
		value := cell{text: words(v.Data), value: plainData(v.Data)}
		if s, ok := v.Data.(string); ok {
			value = textOf(secret.HideURLs(s))
		}
		if secret.IsName(key) || strings.HasSuffix(key, "_contents") || strings.HasSuffix(key, "_proxy") && strings.Contains(value.text, "@") {
			value = textOf("[redacted]")
		}
		origin := v.Where()
		if origin == "" {
			origin = "default"
		}
		l.add(called, value, origin)
	}
	for _, name := range c.Settings() {
		v, _ := c.Setting(name)
		add(name, name, v)
	}
	for _, key := range c.Keys() {
		v, _ := c.Lookup(key)
		add("knife[:"+key+"]", key, v)
	}
	return l
}

// plainData is what Ruby has given, in what JSON and YAML can hold.
func plainData(v any) any {
	switch x := v.(type) {
	case ruby.Symbol:
		return string(x)
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = plainData(e)
		}
		return out
	case ruby.Map:
		out := make(object, len(x))
		for i, p := range x {
			out[i] = field{fmt.Sprint(p.Key), plainData(p.Value)}
		}
		return out
	}
	return v
}
