package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/internal/ui"
)

// psOptions are those of ps.
type psOptions struct {
	*program
	clouds *cloudAccess

	prices []string
	output listingFlags
	now    func() time.Time
}

var psColumns = []string{"Instance", "Project", "State", "Age", "Flavor", "Address", "ID"}

func newPsCommand(d *deps) *cobra.Command {
	o := &psOptions{program: d.program, clouds: d.clouds, now: time.Now}
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "List everything that Galley has running on the cloud",
		Long: `List the servers of the cloud project that Galley has created, of all kitchens and
of server create: instance, directory of the kitchen, state, age, flavor and address.
With prices per hour, by --price or in GALLEY_PRICES, it shows what each has cost.`,
		Example: `  galley ps
  galley ps --price m1.small=0.02 --price m1.large=0.08
  galley ps --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	fs := cmd.Flags()
	fs.StringArrayVar(&o.prices, "price", nil, "`FLAVOR=PRICE` per hour; repeatable (GALLEY_PRICES, separated by commas)")
	o.output.add(cmd, append(slices.Clone(psColumns), "Cost"))
	o.output.addJSON(cmd)
	return cmd
}

func (o *psOptions) run(ctx context.Context) error {
	prices, err := o.readPrices()
	if err != nil {
		return err
	}
	mine, err := state.UserFiles(o.streams.Getenv)
	if err != nil {
		return err
	}
	return o.clouds.use(ctx, func(ctx context.Context, c *openstack.Cloud) error {
		servers, err := c.Servers(ctx)
		if err != nil {
			return err
		}
		servers = slices.DeleteFunc(servers, func(s openstack.ServerInfo) bool { return s.Token() == "" })
		if len(servers) == 0 && o.output.format == "table" {
			o.notef("Galley has nothing running on this cloud (%s).", c.AuthURL())
			return o.noteImages(ctx, c)
		}
		flavors, _, err := serverNames(ctx, c)
		if err != nil {
			return err
		}
		if err := o.print(o.listing(servers, flavors, prices, mine.Projects()), &o.output); err != nil {
			return err
		}
		return o.noteImages(ctx, c)
	})
}

// noteImages mentions the images that Galley keeps beside what runs.
func (o *psOptions) noteImages(ctx context.Context, c *openstack.Cloud) error {
	if o.output.format != "table" {
		return nil
	}
	images, err := c.SavedImages(ctx)
	if err == nil && len(images) > 0 {
		o.notef("Galley keeps %s on this cloud; `galley prune --all --dry-run` lists those of a project.", text.Count(len(images), "image"))
	}
	return err
}

// readPrices reads prices per hour, by flavor.
func (o *psOptions) readPrices() (map[string]float64, error) {
	prices := map[string]float64{}
	var given []string
	if env := o.streams.Getenv("GALLEY_PRICES"); env != "" {
		given = strings.Split(env, ",")
	}
	for _, p := range append(given, o.prices...) {
		flavor, price, ok := strings.Cut(strings.TrimSpace(p), "=")
		value, err := strconv.ParseFloat(price, 64)
		if !ok || err != nil || value < 0 {
			return nil, usagef("as in m1.small=0.02", "the price %q is not FLAVOR=PRICE", p)
		}
		prices[flavor] = value
	}
	return prices, nil
}

// listing has a row for each server, the oldest first.
func (o *psOptions) listing(servers []openstack.ServerInfo, flavors map[string]string, prices map[string]float64, projects state.Projects) listing {
	l := listing{columns: psColumns, optional: []string{"ID", "Flavor", "Project"}}
	if len(prices) > 0 {
		l.columns = append(slices.Clone(psColumns), "Cost")
	}
	slices.SortFunc(servers, func(x, y openstack.ServerInfo) int {
		return cmp.Or(x.Created.Compare(y.Created), byNames(x.Name, y.Name, x.ID, y.ID))
	})
	total := 0.0
	for _, s := range servers {
		age := o.now().Sub(s.Created).Round(time.Second)
		flavor := named(flavors, s.Flavor)
		row := []any{
			cmp.Or(s.Metadata["galley_instance"], s.Name), projectCell(s, projects), serverState(s),
			cell{text: shortAge(age), value: int(age.Seconds())},
			flavor, orNone(bestAddress(s.Addresses)), s.ID,
		}
		if len(prices) > 0 {
			cost := prices[flavor] * age.Hours()
			total += cost
			row = append(row, cell{text: fmt.Sprintf("%.2f", cost), value: cost})
		}
		l.add(row...)
	}
	if len(prices) > 0 && o.output.format == "table" && len(servers) > 1 {
		l.add("", "", cell{}, cell{}, "", cell{}, "", cell{text: fmt.Sprintf("%.2f", total), value: total})
	}
	return l
}

// projectCell shows the directory of a server's kitchen.
func projectCell(s openstack.ServerInfo, projects state.Projects) cell {
	mark := s.Metadata["galley_project"]
	switch root := projects.Root(mark); {
	case strings.HasPrefix(mark, "servers-"):
		return cell{text: "(server create)", value: nil}
	case root == "":
		return orNone(mark)
	default:
		return cell{text: tilde(root), value: root}
	}
}

// tilde shortens a path below the home directory.
func tilde(path string) string {
	home, err := os.UserHomeDir()
	if err != nil || home == "" || home == "/" {
		return path
	}
	if rel, err := filepath.Rel(home, path); err == nil && filepath.IsLocal(rel) {
		return filepath.Join("~", rel)
	}
	return path
}

func serverState(s openstack.ServerInfo) cell {
	c := textOf(s.Status)
	switch s.Status {
	case "ACTIVE":
		c.color = ui.Green
	case "ERROR":
		c.color = ui.Red
	}
	return c
}

// shortAge is an age as people read it: 12s, 5m, 3h20m, 2d4h.
func shortAge(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// bestAddress is the address that is most likely reached from here.
func bestAddress(all []openstack.Address) string {
	for _, a := range all {
		if a.Floating {
			return a.IP
		}
	}
	if len(all) > 0 {
		return all[0].IP
	}
	return ""
}
