package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/config/knife"
	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/secret"
)

func (a *deps) configKnifeCommand() *cobra.Command {
	var f listingFlags
	cmd := &cobra.Command{
		Use:     "knife",
		Short:   "Show what knife.rb and credentials set, and where",
		Example: "  galley config knife\n  galley config knife --format json",
		Long: `Show the settings that knife's configuration has for the knife-style commands,
with the file and line that set each, after all flags: which files were read is
told on standard error. Secrets are not shown.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			c, err := a.knife.config(cmd.Context())
			if err != nil {
				return err
			}
			if len(c.Files) == 0 {
				fmt.Fprintln(a.people(), "There is no knife.rb, config.rb or credentials file.")
			}
			for _, file := range c.Files {
				note := ""
				if c.Profile != "" && file == c.Files[0] {
					note = ", profile " + c.Profile
				}
				fmt.Fprintf(a.people(), "Read %s%s\n", file, note)
			}
			return a.print(knifeListing(c), &f)
		},
	}
	f.add(cmd, knifeColumns)
	a.knife.addTo(cmd, usesCloud|usesChef)
	return cmd
}

var knifeColumns = []string{"Setting", "Value", "Origin"}

// knifeListing has a line for each setting, then for each key of knife[...].
func knifeListing(c *knife.Config) listing {
	l := listing{columns: knifeColumns}
	add := func(called, key string, v knife.Value) {
		value := cell{text: words(v.Data), value: plainData(v.Data)}
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
