package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

// listOptions are those of list.
type listOptions struct {
	*projects

	bare, debug bool
	// live asks the cloud about each machine, probe logs in as well.
	live, probe bool
	output      listingFlags
	shard       shardFlag
}

var listColumns = []string{"Instance", "Driver", "Provisioner", "Verifier", "Transport", "Last Action", "Last Error"}

func newListCommand(d *deps) *cobra.Command {
	o := &listOptions{projects: d.projects}
	cmd := &cobra.Command{
		Use:     "list" + useInstances,
		Aliases: []string{"ls", "status"},
		Short:   "List the instances of the configuration and their state",
		Long: `List the instances of the configuration and the last action that succeeded on each,
from their state files alone. With --live the cloud is asked whether each machine
exists, with --probe each machine is logged in to. On a narrow terminal the least
important columns are left out.`,
		Example: `  galley list
  galley list ubuntu --live
  galley list --format json`,
		ValidArgsFunction: o.completeInstances,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), args)
		},
	}
	fs := cmd.Flags()
	fs.BoolVarP(&o.bare, "bare", "b", false, "print only the names, one per line")
	fs.BoolVarP(&o.debug, "debug", "d", false, "not available: see diagnose")
	hide(fs, "debug")
	fs.BoolVar(&o.live, "live", false, "ask the cloud for the state of each machine")
	fs.BoolVar(&o.probe, "probe", false, "the same, and log in to each machine")
	o.output.add(cmd, append(slices.Clone(listColumns), "Live Status"), matrixFormats...)
	fs.Lookup("format").Usage += "; matrix is GitHub Actions' form"
	o.output.addJSON(cmd)
	o.shard.add(fs)
	for _, other := range []string{"json", "format", "live", "probe"} {
		cmd.MarkFlagsMutuallyExclusive("bare", other)
	}
	return cmd
}

func (o *listOptions) run(ctx context.Context, args []string) error {
	if o.debug {
		return usagef("run `galley diagnose` instead", "list --debug is not available")
	}
	asMatrix := slices.Contains(matrixFormats, o.output.format)
	if asMatrix && (o.live || o.probe || len(o.output.columns) > 0) {
		return usagef("", "--format %s takes none of --live, --probe and --columns", o.output.format)
	}
	p, err := o.open(ctx)
	if err != nil {
		return err
	}
	chosen, err := p.Select(args...)
	if err != nil {
		return err
	}
	chosen = o.shard.of(p, chosen)
	if asMatrix {
		return o.printMatrix(o.output.format, chosen)
	}
	if o.bare {
		for _, inst := range chosen {
			fmt.Fprintln(o.streams.Out, inst.Name)
		}
		return nil
	}
	rows, err := o.rows(ctx, p, chosen)
	if err != nil {
		return err
	}
	if o.output.format == "json" && len(o.output.columns) == 0 {
		return o.program.json(rows)
	}
	return o.print(o.listing(p, rows), &o.output)
}

// row is one instance in the list, with Test Kitchen's names.
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

// rows reads the state of instances, and looks at the machines if asked to.
func (o *listOptions) rows(ctx context.Context, p *project, chosen []*kitchen.Instance) ([]row, error) {
	rows := make([]row, 0, len(chosen))
	for _, inst := range chosen {
		st, err := p.Store.Load(inst.Name)
		if err != nil {
			return nil, err
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
	if !o.live && !o.probe {
		return rows, nil
	}
	return rows, p.look(ctx, chosen, o.probe, rows)
}

// listing shows rows as a table. What the transport and the driver report
// about trouble is printed beside it.
func (o *listOptions) listing(p *project, rows []row) listing {
	l := listing{columns: listColumns, optional: []string{"Transport", "Verifier", "Driver", "Provisioner"}}
	if o.live || o.probe {
		l.columns = append(slices.Clone(listColumns), "Live Status")
	}
	for _, r := range rows {
		cells := []any{r.Instance, r.Driver, r.Provisioner, r.Verifier, r.Transport, p.lastAction(r), lastError(r.LastError)}
		if r.liveRow != nil {
			cells = append(cells, liveStatus(r.Status))
			o.warnTrouble(r)
		}
		l.add(cells...)
	}
	return l
}

// look adds to rows what the machines themselves show.
func (p *project) look(ctx context.Context, chosen []*kitchen.Instance, probe bool, rows []row) error {
	if err := p.addPlugins(chosen, kitchen.Create); err != nil {
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
		all[i].Message, all[i].Error = p.projects.clean(all[i].Message), p.projects.clean(all[i].Error)
		rows[i].liveRow = &liveRow{
			LogPath: p.paths.Log(inst.Name), StructuredLog: p.paths.Structured(inst.Name), StatePath: p.paths.State(inst.Name),
			Session: optional(st.String(kitchen.KeySession)), Status: all[i],
		}
	}
	return nil
}

// liveStatus is a machine's state as Test Kitchen writes it.
func liveStatus(s kitchen.Status) cell {
	c := textOf(s.State)
	if s.Live != nil {
		c.color = ui.Red
		if *s.Live {
			c.color = ui.Green
		}
	}
	if s.Probe != nil {
		c.text += " (" + s.Probe.State + ")"
		c.value = c.text
		if c.color = ui.Red; s.Probe.Reachable {
			c.color = ui.Green
		}
	}
	return c
}

// warnTrouble says why a state is not known or a machine does not answer.
func (o *listOptions) warnTrouble(r row) {
	if r.Status.Error != "" {
		fmt.Fprintf(o.streams.Err, "%s: %s: %s\n", o.name, r.Instance, o.clean(r.Status.Message))
	}
	if p := r.Status.Probe; p != nil && p.Error != "" {
		fmt.Fprintf(o.streams.Err, "%s: %s: %s\n", o.name, r.Instance, o.clean(p.Message))
	}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

var lastActions = map[string]cell{
	"create":   {text: "Created", color: ui.Cyan},
	"converge": {text: "Converged", color: ui.Magenta},
	"setup":    {text: "Set Up", color: ui.Blue},
	"verify":   {text: "Verified", color: ui.Yellow},
}

// lastAction shows how far an instance is. One that has none of the actions
// behind it may have a machine all the same: of a create that failed or was
// killed.
func (p *project) lastAction(r row) cell {
	if r.LastAction == nil {
		if p.hasMachine(r.Instance) {
			return cell{text: "<Incomplete>", color: ui.Yellow}
		}
		return cell{text: "<Not Created>", color: ui.Red}
	}
	c, ok := lastActions[*r.LastAction]
	if !ok {
		c.text = "<Unknown>"
	}
	c.value = *r.LastAction
	return c
}

// unfinished reports whether there is a journal of the resources created for an
// instance.
func (p *project) unfinished(instance string) bool {
	_, err := os.Stat(p.paths.Journal(instance))
	return err == nil
}

func lastError(s *string) cell {
	if s == nil {
		return cell{text: "<None>"}
	}
	return cell{text: *s, value: *s, color: ui.Red}
}

// camel writes a plug-in's name as Ruby's class: chef_infra is ChefInfra.
func camel(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}
