package cli

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/kitchen"
)

// configValidateOptions are those of config validate.
type configValidateOptions struct {
	*projects
	format string
	strict bool
}

func newConfigValidateCommand(d *deps) *cobra.Command {
	o := &configValidateOptions{projects: d.projects}
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the files: unknown and old keys, wrong types and values, missing files",
		Long: `Check the configuration without a cloud and print one line for each kind of
fault, with the number of places. It fails when a run would be refused; a doubt is
only a warning, which --strict makes a failure too. Unknown keys are warnings:
files are shared between tools.`,
		Example: `  galley config validate
  galley config validate --strict --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	addFormat(cmd, &o.format, "", formatText, formatJSON)
	cmd.Flags().BoolVar(&o.strict, "strict", false, "fail on warnings too")
	return cmd
}

func (o *configValidateOptions) run(ctx context.Context) error {
	opts, err := o.readOptions(ctx)
	if err != nil {
		return err
	}
	problems, err := config.Validate(ctx, opts)
	if err != nil {
		return err
	}
	return o.printProblems(append(problems, o.pluginProblems(ctx, problems)...))
}

// pluginProblems are those that the plug-ins themselves would refuse, except for
// the known ones.
func (o *configValidateOptions) pluginProblems(ctx context.Context, known []config.Problem) []config.Problem {
	p, err := o.open(ctx)
	if err != nil {
		return nil // it is among them
	}
	defer p.close()
	r, _, _ := p.refused(p.Instances)
	var out []config.Problem
	e := refusedError{r, len(p.Instances)}
	for i, err := range r.errs {
		msg, place := err.Error(), ""
		if m := rePlace().FindString(msg); m != "" {
			place, msg = m, strings.TrimPrefix(msg, m)
		}
		var value *config.ValueError
		if errors.As(err, &value) {
			place = value.Where + ": "
		}
		if slices.ContainsFunc(known, func(k config.Problem) bool {
			return k.Fatal && fmt.Sprintf("%s:%d: ", k.File, k.Line) == place
		}) {
			continue
		}
		x := config.Problem{Code: "refused", Msg: msg, Advice: kitchen.Hint(err), Fatal: true}
		if file, line, ok := strings.Cut(strings.TrimSuffix(place, ": "), ":"); ok {
			x.File = file
			_, _ = fmt.Sscan(line, &x.Line)
		} else {
			x.Msg = e.where(i) + msg
		}
		out = append(out, x)
	}
	return out
}

// rePlace is the file and line that a message begins with.
var rePlace = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[^ :]+:[0-9]+: `) })

// problemRow is a kind of problem in JSON.
type problemRow struct {
	Severity string `json:"severity"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Code     string `json:"code"`
	Key      string `json:"key,omitempty"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
	// Places are all of them, where there is more than one.
	Places []string `json:"places,omitempty"`
}

// reIndex is the number of an element in the path of a key.
var reIndex = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\[[0-9]+\]`) })

// problemRows makes one row of the problems that differ in their place alone.
func problemRows(problems []config.Problem) []problemRow {
	var rows []problemRow
	at := map[string]int{}
	for _, p := range problems {
		severity := "warning"
		if p.Fatal {
			severity = "error"
		}
		key := reIndex().ReplaceAllString(strings.Join([]string{severity, p.Code, p.Key, p.Msg, p.Advice}, "\x00"), "[]")
		place := p.File
		if p.Line > 0 {
			place = fmt.Sprintf("%s:%d", p.File, p.Line)
		}
		if i, ok := at[key]; ok {
			if rows[i].Places == nil {
				rows[i].Places = []string{fmt.Sprintf("%s:%d", rows[i].File, rows[i].Line)}
			}
			if !slices.Contains(rows[i].Places, place) {
				rows[i].Places = append(rows[i].Places, place)
			}
			continue
		}
		at[key] = len(rows)
		rows = append(rows, problemRow{severity, p.File, p.Line, p.Column, p.Code, p.Key, p.Msg, p.Advice, nil})
	}
	return rows
}

func (o *configValidateOptions) printProblems(problems []config.Problem) error {
	rows := problemRows(problems)
	count := map[string]int{}
	for _, r := range rows {
		count[r.Severity]++
		if o.format != "text" {
			continue
		}
		line := config.Problem{File: r.File, Line: r.Line, Column: r.Column, Msg: r.Message, Advice: r.Hint}.String()
		if n := len(r.Places); n > 1 {
			line += fmt.Sprintf(", and in %s more", text.Count(n-1, "place"))
		}
		fmt.Fprintf(o.streams.Out, "%s: %s\n", r.Severity, o.clean(line))
	}
	if o.format == "json" {
		if rows == nil {
			rows = []problemRow{}
		}
		if err := o.program.json(rows); err != nil {
			return err
		}
	}
	switch {
	case count["error"] > 0:
		return fmt.Errorf("the configuration has errors: %d", count["error"])
	case o.strict && count["warning"] > 0:
		return fmt.Errorf("the configuration has warnings, which --strict refuses: %d", count["warning"])
	}
	return nil
}
