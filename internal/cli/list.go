package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

func (a *app) listCommand() *cobra.Command {
	var (
		bare, asJSON, debug bool
		look                liveFlags
	)
	cmd := &cobra.Command{
		Use:     "list [INSTANCE|REGEXP|all]...",
		Aliases: []string{"status"},
		Short:   "List the instances of the configuration and how far each has come",
		Long: `Lists the instances of the configuration and how far each has come, from their
state files alone. With --live the cloud is asked as well whether each machine is
there, with --probe each machine is logged in to.

` + exitCodes,
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
			return a.list(cmd.Context(), p, chosen, bare, asJSON, look)
		},
	}
	fs := cmd.Flags()
	fs.BoolVarP(&bare, "bare", "b", false, "print the names only, one a line")
	fs.BoolVarP(&asJSON, "json", "j", false, "print JSON")
	fs.BoolVarP(&debug, "debug", "d", false, "refused: see diagnose")
	fs.MarkHidden("debug")
	fs.BoolVar(&look.live, "live", false, "ask the cloud for the state of each machine (Test Kitchen 4.1)")
	fs.BoolVar(&look.probe, "probe", false, "the same, and log in to each machine")
	fs.Var(formatFlag{&asJSON}, "format", "print as table or json")
	cmd.MarkFlagsMutuallyExclusive("bare", "json")
	cmd.MarkFlagsMutuallyExclusive("bare", "format")
	cmd.MarkFlagsMutuallyExclusive("bare", "live")
	cmd.MarkFlagsMutuallyExclusive("bare", "probe")
	return cmd
}

// liveFlags say what is looked at beside the state files.
type liveFlags struct{ live, probe bool }

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
	*liveRow
}

// liveRow is what a look at the machine adds (Test Kitchen 4.1: list --live).
type liveRow struct {
	LogPath       string         `json:"log_path"`
	StructuredLog string         `json:"structured_log_path"`
	StatePath     string         `json:"state_path"`
	Session       *string        `json:"instance_session_id"`
	Status        kitchen.Status `json:"status"`
}

func (a *app) list(ctx context.Context, p *project, chosen []*kitchen.Instance, bare, asJSON bool, look liveFlags) error {
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
	if look.live || look.probe {
		if err := p.look(ctx, chosen, look.probe, rows); err != nil {
			return err
		}
	}
	if asJSON {
		return a.json(rows)
	}
	t := ui.Table{Header: []string{"Instance", "Driver", "Provisioner", "Verifier", "Transport", "Last Action", "Last Error"}}
	if look.live || look.probe {
		t.Header = append(t.Header, "Live Status")
	}
	for _, r := range rows {
		cells := []ui.Cell{
			{Text: r.Instance},
			{Text: r.Driver},
			{Text: r.Provisioner},
			{Text: r.Verifier},
			{Text: r.Transport},
			lastAction(r.LastAction), lastError(r.LastError),
		}
		if r.liveRow != nil {
			cells = append(cells, liveStatus(r.Status))
			tellTrouble(a, r)
		}
		t.Rows = append(t.Rows, cells)
	}
	return t.Write(a.streams.Out, a.streams.Color(a.streams.Out, a.color()))
}

// look adds to rows what the machines themselves show.
func (p *project) look(ctx context.Context, chosen []*kitchen.Instance, probe bool, rows []row) error {
	if err := p.equip(chosen, kitchen.Create); err != nil {
		return err
	}
	all, err := p.Status(ctx, chosen, probe)
	if err != nil {
		return err
	}
	for i, inst := range chosen {
		st, err := p.Store.Load(inst.Name)
		if err != nil {
			return err
		}
		all[i].Message, all[i].Error = p.app.secrets.Clean(all[i].Message), p.app.secrets.Clean(all[i].Error)
		rows[i].liveRow = &liveRow{
			LogPath: p.paths.Log(inst.Name), StructuredLog: p.paths.Structured(inst.Name), StatePath: p.paths.State(inst.Name),
			Session: optional(st.String(kitchen.KeySession)), Status: all[i],
		}
	}
	return nil
}

// liveStatus is a machine's state as the peer writes it.
func liveStatus(s kitchen.Status) ui.Cell {
	c := ui.Cell{Text: s.State}
	if s.Live != nil {
		c.Color = ui.Red
		if *s.Live {
			c.Color = ui.Green
		}
	}
	if s.Probe != nil {
		c.Text += " (" + s.Probe.State + ")"
		if c.Color = ui.Red; s.Probe.Reachable {
			c.Color = ui.Green
		}
	}
	return c
}

// tellTrouble says below the people's lines why a state is not known or a
// machine does not answer.
func tellTrouble(a *app, r row) {
	if r.Status.Error != "" {
		fmt.Fprintf(a.streams.Err, "%s: %s: %s\n", a.name, r.Instance, r.Status.Message)
	}
	if p := r.Status.Probe; p != nil && p.Error != "" {
		fmt.Fprintf(a.streams.Err, "%s: %s: %s\n", a.name, r.Instance, a.secrets.Clean(p.Message))
	}
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
