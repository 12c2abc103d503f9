package config

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/galleyhq/galley/internal/settings"
)

// Markdown prints the table of settings for the documentation.
func Markdown() []byte {
	var b bytes.Buffer
	cell := func(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
	for _, g := range settings.Groups() {
		title := "Top level"
		switch {
		case g.Parent == "*":
			title = "A hook in `" + g.Section + "`"
		case g.Parent != "":
			title = fmt.Sprintf("`%s.%s` of %s", g.Section, g.Parent, g.Plugin)
		case g.Plugin != "":
			title = fmt.Sprintf("`%s` %s", g.Section, strings.Join(strings.Fields(g.Plugin), ", "))
		case g.Section != "":
			title = "`" + g.Section + "`"
		}
		fmt.Fprintf(&b, "## %s\n\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n", title)
		for _, k := range g.Settings {
			doc := k.Doc
			if len(k.Values) > 0 {
				doc += " One of " + strings.Join(k.Values, ", ") + "."
			}
			if k.Replacement != "" {
				doc += " Deprecated: " + k.Replacement + "."
			}
			if k.Idle != "" {
				doc += " No effect: " + k.Idle + "."
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Name, k.Type, cell(k.Default), cell(doc))
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}
