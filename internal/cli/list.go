package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

func (a *app) listCommand() *cobra.Command {
	var bare, asJSON, debug bool
	cmd := &cobra.Command{
		Use:     "list [INSTANCE|REGEXP|all]...",
		Aliases: []string{"status"},
		Short:   "List the instances of the configuration and how far each has come",
		RunE: func(cmd *cobra.Command, args []string) error {
			if debug {
				return usagef("run `galley diagnose` instead", "list --debug is no longer supported")
			}
			p, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			chosen, err := p.Select(args...)
			if err != nil {
				return err
			}
			return a.list(p, chosen, bare, asJSON)
		},
	}
	fs := cmd.Flags()
	fs.BoolVarP(&bare, "bare", "b", false, "print the names only, one a line")
	fs.BoolVarP(&asJSON, "json", "j", false, "print JSON")
	fs.BoolVarP(&debug, "debug", "d", false, "refused: see diagnose")
	fs.MarkHidden("debug")
	fs.Var(formatFlag{&asJSON}, "format", "print as table or json")
	cmd.MarkFlagsMutuallyExclusive("bare", "json")
	cmd.MarkFlagsMutuallyExclusive("bare", "format")
	return cmd
}

// formatFlag is --format beside the peer's --json.
type formatFlag struct{ json *bool }

func (f formatFlag) String() string {
	if f.json != nil && *f.json {
		return "json"
	}
	return "table"
}
func (f formatFlag) Type() string { return "table|json" }
func (f formatFlag) Set(s string) error {
	if s != "json" && s != "table" {
		return fmt.Errorf("it is table or json")
	}
	*f.json = s == "json"
	return nil
}

// row is one instance in the list, in the peer's words.
type row struct {
	Instance    string  `json:"instance"`
	Driver      string  `json:"driver"`
	Provisioner string  `json:"provisioner"`
	Verifier    string  `json:"verifier"`
	Transport   string  `json:"transport"`
	LastAction  *string `json:"last_action"`
	LastError   *string `json:"last_error"`
}

func (a *app) list(p *project, chosen []*kitchen.Instance, bare, asJSON bool) error {
	if bare {
		for _, inst := range chosen {
			fmt.Fprintln(a.streams.Out, inst.Name)
		}
		return nil
	}
	rows := make([]row, 0, len(chosen))
	for _, inst := range chosen {
		st, err := p.Store.Load(inst.Name)
		if err != nil {
			return err
		}
		rows = append(rows, row{
			Instance:    inst.Name,
			Driver:      camel(inst.DriverName),
			Provisioner: camel(inst.ProvisionerName),
			Verifier:    camel(inst.VerifierName),
			Transport:   camel(inst.TransportName),
			LastAction:  optional(st.String(kitchen.KeyLastAction)),
			LastError:   optional(st.String(kitchen.KeyLastError)),
		})
	}
	if asJSON {
		return a.json(rows)
	}
	t := ui.Table{Header: []string{"Instance", "Driver", "Provisioner", "Verifier", "Transport", "Last Action", "Last Error"}}
	for _, r := range rows {
		t.Rows = append(t.Rows, []ui.Cell{
			{Text: r.Instance}, {Text: r.Driver}, {Text: r.Provisioner}, {Text: r.Verifier}, {Text: r.Transport},
			lastAction(r.LastAction), lastError(r.LastError),
		})
	}
	return t.Write(a.streams.Out, a.streams.Color(a.streams.Out, a.color()))
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

var lastActions = map[string]ui.Cell{
	"create":   {Text: "Created", Color: ui.Cyan},
	"converge": {Text: "Converged", Color: ui.Magenta},
	"setup":    {Text: "Set Up", Color: ui.Blue},
	"verify":   {Text: "Verified", Color: ui.Yellow},
}

func lastAction(s *string) ui.Cell {
	if s == nil {
		return ui.Cell{Text: "<Not Created>", Color: ui.Red}
	}
	if c, ok := lastActions[*s]; ok {
		return c
	}
	return ui.Cell{Text: "<Unknown>"}
}

func lastError(s *string) ui.Cell {
	if s == nil {
		return ui.Cell{Text: "<None>"}
	}
	return ui.Cell{Text: *s, Color: ui.Red}
}

// camel writes a plug-in's name as its Ruby class: chef_infra is ChefInfra.
func camel(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}
