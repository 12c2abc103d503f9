package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newDocsCommand generates documentation of all commands, for releases and the
// docs directory.
func newDocsCommand(*deps) *cobra.Command {
	cmd := noun("docs", "Generate documentation of the commands",
		newDocsWriter("markdown", "Write a Markdown page for each command", writeMarkdown),
		newDocsWriter("man", "Write a man page for each command", writeManPages),
		newDocsWriter("completions", "Write the completion scripts of all shells", writeCompletions))
	cmd.Hidden = true
	return cmd
}

func newDocsWriter(name, short string, write func(root *cobra.Command, dir string) error) *cobra.Command {
	return &cobra.Command{
		Use:   name + " DIR",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("creating the directory for the documentation: %w", err)
			}
			root := cmd.Root()
			root.InitDefaultCompletionCmd()
			root.InitDefaultHelpCmd()
			return write(root, args[0])
		},
	}
}

// page is what the documentation of a command consists of.
type page struct {
	cmd  *cobra.Command
	path string
	// flags are those of the command, shared those that many commands have.
	flags, shared []*pflag.Flag
}

// eachPage calls do for every command that help shows.
func eachPage(cmd *cobra.Command, do func(page) error) error {
	if cmd.Hidden {
		return nil
	}
	hideUnused(cmd)
	cmd.InitDefaultHelpFlag()
	p := page{cmd: cmd, path: cmd.CommandPath()}
	cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			p.flags = append(p.flags, f)
		}
	})
	cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			p.shared = append(p.shared, f)
		}
	})
	if err := do(p); err != nil {
		return err
	}
	for _, sub := range cmd.Commands() {
		if err := eachPage(sub, do); err != nil {
			return err
		}
	}
	return nil
}

// flagPart is a part of the flags under its title.
type flagPart struct {
	title string
	flags []*pflag.Flag
}

// parts returns the flags under titles, without an empty part.
func (p page) parts() []flagPart {
	return slices.DeleteFunc([]flagPart{{"Flags", p.flags}, {"Shared flags", p.shared}}, func(f flagPart) bool { return len(f.flags) == 0 })
}

// usage returns how the command is called, "" for a help topic.
func (p page) usage() string {
	if !p.cmd.Runnable() {
		return ""
	}
	return p.cmd.UseLine()
}

// long returns the description.
func (p page) long() string {
	if p.cmd.Long == "" {
		return p.cmd.Short + "."
	}
	return p.cmd.Long
}

// related are the commands above and below.
func (p page) related() []*cobra.Command {
	var out []*cobra.Command
	if p.cmd.HasParent() {
		out = append(out, p.cmd.Parent())
	}
	for _, sub := range p.cmd.Commands() {
		if !sub.Hidden {
			out = append(out, sub)
		}
	}
	return out
}

// flagHead returns a flag's spellings with its value: "-c, --concurrency N".
func flagHead(f *pflag.Flag) (head, usage string) {
	value, usage := pflag.UnquoteUsage(f)
	head = "--" + f.Name
	if f.Shorthand != "" {
		head = "-" + f.Shorthand + ", " + head
	}
	if value != "" {
		head += " " + value
	}
	return head, usage
}

func pageFile(path, separator, end string) string {
	return strings.ReplaceAll(path, " ", separator) + end
}

// writeMarkdown writes one page for each command.
func writeMarkdown(root *cobra.Command, dir string) error {
	return eachPage(root, func(p page) error {
		var b strings.Builder
		fmt.Fprintf(&b, "# %s\n\n%s\n", p.path, p.cmd.Short)
		if usage := p.usage(); usage != "" {
			fmt.Fprintf(&b, "\n```\n%s\n```\n", usage)
		}
		if strings.HasPrefix(p.long(), " ") {
			fmt.Fprintf(&b, "\n```\n%s\n```\n", p.long())
		} else {
			fmt.Fprintf(&b, "\n%s\n", p.long())
		}
		if p.cmd.Example != "" {
			fmt.Fprintf(&b, "\n## Examples\n\n```\n%s\n```\n", strings.TrimPrefix(strings.ReplaceAll(p.cmd.Example, "\n  ", "\n"), "  "))
		}
		for _, part := range p.parts() {
			fmt.Fprintf(&b, "\n## %s\n\n| flag | meaning |\n|---|---|\n", part.title)
			for _, f := range part.flags {
				head, usage := flagHead(f)
				fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(head, "|", "\\|"), strings.ReplaceAll(usage, "|", "\\|"))
			}
		}
		if related := p.related(); len(related) > 0 {
			b.WriteString("\n## See also\n\n")
			for _, c := range related {
				fmt.Fprintf(&b, "- [%s](%s): %s\n", c.CommandPath(), pageFile(c.CommandPath(), "_", ".md"), c.Short)
			}
		}
		return writePage(filepath.Join(dir, pageFile(p.path, "_", ".md")), b.String())
	})
}

// writeManPages writes one man page for each command (man(7), groff).
func writeManPages(root *cobra.Command, dir string) error {
	date := ""
	if at, ok := buildTime(); ok {
		date = at.Format(time.DateOnly)
	}
	return eachPage(root, func(p page) error {
		name := pageFile(p.path, "-", "")
		var b strings.Builder
		fmt.Fprintf(&b, ".TH %q 1 %q %q \"Galley\"\n", strings.ToUpper(name), date, "Galley "+version())
		fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(p.cmd.Short))
		if usage := p.usage(); usage != "" {
			fmt.Fprintf(&b, ".SH SYNOPSIS\n%s\n", roff(usage))
		}
		fmt.Fprintf(&b, ".SH DESCRIPTION\n%s", roffText(p.long()))
		if p.cmd.Example != "" {
			fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(p.cmd.Example))
		}
		for _, part := range p.parts() {
			fmt.Fprintf(&b, ".SH %q\n", strings.ToUpper(part.title))
			for _, f := range part.flags {
				head, usage := flagHead(f)
				fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(head), roff(usage))
			}
		}
		var related []string
		for _, c := range p.related() {
			related = append(related, roff(pageFile(c.CommandPath(), "-", ""))+"(1)")
		}
		if len(related) > 0 {
			fmt.Fprintf(&b, ".SH \"SEE ALSO\"\n%s\n", strings.Join(related, ",\n"))
		}
		return writePage(filepath.Join(dir, name+".1"), b.String())
	})
}

// roff escapes text for groff.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// roffText keeps paragraphs, and lines that are indented as they are.
func roffText(s string) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(s, "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		if strings.HasPrefix(paragraph, " ") {
			b.WriteString(".nf\n" + roff(paragraph) + "\n.fi\n")
			continue
		}
		b.WriteString(roff(paragraph) + "\n")
	}
	return b.String()
}

// writeCompletions writes the completion scripts under the names that shells
// look for.
func writeCompletions(root *cobra.Command, dir string) error {
	for name, generate := range map[string]func(*strings.Builder) error{
		"galley.bash": func(b *strings.Builder) error { return root.GenBashCompletionV2(b, true) },
		"_galley":     func(b *strings.Builder) error { return root.GenZshCompletion(b) },
		"galley.fish": func(b *strings.Builder) error { return root.GenFishCompletion(b, true) },
		"galley.ps1":  func(b *strings.Builder) error { return root.GenPowerShellCompletionWithDesc(b) },
	} {
		var b strings.Builder
		if err := generate(&b); err != nil {
			return fmt.Errorf("generating %s: %w", name, err)
		}
		if err := writePage(filepath.Join(dir, name), b.String()); err != nil {
			return err
		}
	}
	return nil
}

func writePage(path, content string) error {
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		return fmt.Errorf("writing documentation: %w", err)
	}
	return nil
}
