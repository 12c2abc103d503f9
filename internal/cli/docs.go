package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newDocsCommand generates documentation of all commands, for releases and the
// docs directory.
func newDocsCommand(d *deps) *cobra.Command {
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
			documentable(root)
			return write(root, args[0])
		},
	}
}

// documentable prepares commands for the generators, which would otherwise
// write today's date, and flags that help does not show.
func documentable(cmd *cobra.Command) {
	cmd.DisableAutoGenTag = true
	for _, sub := range cmd.Commands() {
		documentable(sub)
	}
}

// eachCommand calls do for every command that help shows.
func eachCommand(cmd *cobra.Command, do func(*cobra.Command) error) error {
	if cmd.Hidden {
		return nil
	}
	if err := do(cmd); err != nil {
		return err
	}
	for _, sub := range cmd.Commands() {
		if err := eachCommand(sub, do); err != nil {
			return err
		}
	}
	return nil
}

func pageName(cmd *cobra.Command, separator, end string) string {
	return strings.ReplaceAll(cmd.CommandPath(), " ", separator) + end
}

func writeMarkdown(root *cobra.Command, dir string) error {
	return eachCommand(root, func(cmd *cobra.Command) error {
		hideUnused(cmd)
		return writePage(filepath.Join(dir, pageName(cmd, "_", ".md")), func(f *os.File) error { return doc.GenMarkdown(cmd, f) })
	})
}

// manDate is the date in man pages, that of the release where it is known.
func manDate() *time.Time {
	var at time.Time
	if info, ok := buildTime(); ok {
		at = info
	}
	return &at
}

func writeManPages(root *cobra.Command, dir string) error {
	return eachCommand(root, func(cmd *cobra.Command) error {
		hideUnused(cmd)
		header := &doc.GenManHeader{Section: "1", Source: "Galley " + version(), Manual: "Galley", Date: manDate()}
		return writePage(filepath.Join(dir, pageName(cmd, "-", ".1")), func(f *os.File) error { return doc.GenMan(cmd, header, f) })
	})
}

func writeCompletions(root *cobra.Command, dir string) error {
	for name, write := range map[string]func(*os.File) error{
		"galley.bash": func(f *os.File) error { return root.GenBashCompletionV2(f, true) },
		"_galley":     func(f *os.File) error { return root.GenZshCompletion(f) },
		"galley.fish": func(f *os.File) error { return root.GenFishCompletion(f, true) },
		"galley.ps1":  func(f *os.File) error { return root.GenPowerShellCompletionWithDesc(f) },
	} {
		if err := writePage(filepath.Join(dir, name), write); err != nil {
			return err
		}
	}
	return nil
}

func writePage(path string, write func(*os.File) error) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("writing documentation: %w", err)
	}
	err = write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
