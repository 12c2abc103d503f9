package config

import (
	"bytes"
	"fmt"
	"strings"
)

// Markdown prints the table of [Keys] for the documentation.
func Markdown() []byte {
	var b bytes.Buffer
	cell := func(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
	for _, g := range table {
		title := "Top level"
		switch {
		case g.parent == "*":
			title = "A hook in `" + g.section + "`"
		case g.parent != "":
			title = fmt.Sprintf("`%s.%s` of %s", g.section, g.parent, g.plugin)
		case g.plugin != "":
			title = fmt.Sprintf("`%s` %s", g.section, strings.Join(strings.Fields(g.plugin), ", "))
		case g.section != "":
			title = "`" + g.section + "`"
		}
		fmt.Fprintf(&b, "## %s\n\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n", title)
		for _, k := range g.keys {
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
