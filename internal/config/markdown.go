package config

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/settings"
)

// Markdown prints the table of settings for the documentation.
func Markdown() []byte {
	var b bytes.Buffer
	cell := func(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
	for _, g := range settings.Groups() {
		fmt.Fprintf(&b, "## %s\n\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n", groupTitle(g))
		for _, k := range g.Settings {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Name, k.Type, cell(k.Default), cell(keyDoc(k)))
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// FindKeys prints, as plain text, the settings whose name or description
// contains all words, in any case; those of a mapping's key may be in the
// mapping's. It returns nil where there are none.
func FindKeys(words ...string) []byte {
	var b bytes.Buffer
	words = strings.Fields(strings.Join(words, " "))
	fold := strings.NewReplacer("_", " ", "-", " ", "`", "")
	contains := func(about, word string) bool { return strings.Contains(about, strings.ToLower(fold.Replace(word))) }
	within := map[string]string{} // what the mappings of groups are about
	for _, g := range settings.Groups() {
		title := strings.ReplaceAll(groupTitle(g), "`", "")
		for _, k := range g.Settings {
			doc := strings.ReplaceAll(keyDoc(k), "`", "")
			about := strings.ToLower(fold.Replace(k.Name + " " + doc))
			within[g.Section+"."+k.Name] = about
			parent := within[g.Section+"."+g.Parent]
			if !slices.ContainsFunc(words, func(w string) bool { return contains(about, w) }) ||
				slices.ContainsFunc(words, func(w string) bool { return !contains(about+" "+parent, w) }) {
				continue
			}
			if title != "" {
				fmt.Fprintf(&b, "%s\n", title)
				title = ""
			}
			kind := k.Type.String()
			if k.Default != "" {
				kind += ", default " + strings.Trim(k.Default, "()")
			}
			fmt.Fprintf(&b, "  %s  (%s)\n      %s\n", k.Name, kind, doc)
		}
	}
	return b.Bytes()
}

// groupTitle says, in Markdown, where the keys of a group are written.
func groupTitle(g settings.Group) string {
	switch {
	case g.Parent == "*":
		return "A hook in `" + g.Section + "`"
	case g.Parent != "":
		return fmt.Sprintf("`%s.%s` of %s", g.Section, g.Parent, g.Plugin)
	case g.Plugin != "":
		return fmt.Sprintf("`%s` %s", g.Section, strings.Join(strings.Fields(g.Plugin), ", "))
	case g.Section != "":
		return "`" + g.Section + "`"
	}
	return "Top level"
}

// keyDoc is the description of a setting with its values and what replaces it.
func keyDoc(k settings.Setting) string {
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
	return doc
}
