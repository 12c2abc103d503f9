package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/text"
)

// The formats that several commands have.
const (
	formatTable = "table"
	formatText  = "text"
	formatJSON  = "json"
)

// formatFlag is a flag --format that takes one of a few words.
type formatFlag struct {
	to    *string
	words []string
}

// addFormat adds --format to a command; the first of the words is the default.
func addFormat(cmd *cobra.Command, to *string, letter string, words ...string) {
	*to = words[0]
	cmd.Flags().VarP(&formatFlag{to, words}, "format", letter, "output `FORMAT`: "+text.Or(words))
	completeFlag(cmd, "format", fixed(words...))
}

func (f *formatFlag) String() string {
	if f.to == nil { // the flag library asks an empty one for its default
		return ""
	}
	return *f.to
}

func (f *formatFlag) Type() string { return "string" }

// Set refuses what the command does not print. knife's summary, and the table
// of the other listings, are the form for people.
func (f *formatFlag) Set(s string) error {
	switch {
	case slices.Contains(f.words, s):
		*f.to = s
	case (s == "summary" || s == formatTable) && (f.words[0] == formatTable || f.words[0] == formatText):
		*f.to = f.words[0]
	case s == "pp":
		return usagef("json has the same content", "the format pp is Ruby's own notation and is not available")
	default:
		return usagef("", "unknown format %q: it is %s", s, text.Or(f.words))
	}
	return nil
}
