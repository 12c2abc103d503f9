package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/provisioner/chef"
	table "github.com/galleyhq/galley/internal/settings"
	"github.com/galleyhq/galley/kitchen"
)

// initOptions are those of init (Test Kitchen: init).
type initOptions struct {
	*settings
	clouds *cloudAccess

	drivers     []string
	provisioner string
	gemfile     bool
}

func newInitOptions(d *deps) *initOptions {
	return &initOptions{settings: d.settings, clouds: d.clouds, drivers: []string{"openstack"}}
}

func newInitCommand(d *deps) *cobra.Command {
	o := newInitOptions(d)
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a kitchen.yml for this project and what goes with it",
		Long: `Write kitchen.yml, chefignore, a directory for tests and, in a git work tree,
entries in .gitignore. With credentials (a sourced RC file, --rc, OS_CLOUD) the cloud
is asked for its images, flavors and networks, and suitable ones are chosen, so that
the file works at once; without them it has comments to fill in. Existing files are
not changed.

Beside a kitchen.yml for another driver, such as vagrant or dokken, it writes a
kitchen.local.yml that runs the same suites on the cloud, with the cloud's image for
each platform.`,
		Example: `  galley init
  galley init --driver dummy
  galley init --provisioner shell`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	fs := cmd.Flags()
	fs.StringSliceVarP(&o.drivers, "driver", "D", []string{"openstack"}, "`DRIVER`: openstack, proxy or dummy")
	fs.Lookup("driver").DefValue = "openstack" // in help, without a list's brackets
	fs.StringVarP(&o.provisioner, "provisioner", "P", "", "`PROVISIONER`: chef_infra, chef_solo, chef_apply, shell or dummy (default chef_infra; dummy with the dummy driver)")
	fs.BoolVar(&o.gemfile, "create-gemfile", false, "not available: Galley needs no gems")
	hide(fs, "create-gemfile")
	completeFlag(cmd, "driver", fixed("openstack", "proxy", "dummy"))
	completeFlag(cmd, "provisioner", fixed("chef_infra", "chef_solo", "chef_apply", "shell", "dummy"))
	return cmd
}

// runIfMissing writes the first files without a kitchen file (Test
// Kitchen: test --auto-init).
func (o *initOptions) runIfMissing(ctx context.Context) error {
	opts, err := o.readOptions(ctx)
	if err != nil {
		return err
	}
	if _, found, err := config.ProjectFile(opts); err != nil || found {
		return err
	}
	return o.run(ctx)
}

func (o *initOptions) run(ctx context.Context) error {
	if o.gemfile {
		return usagef("leave it out: one binary is all that is needed", "init --create-gemfile is not available: Galley needs no gems")
	}
	plan, err := o.plan(ctx)
	if err != nil {
		return err
	}
	done, err := writeInitFiles(plan)
	for _, c := range done {
		fmt.Fprintf(o.streams.Out, "%12s  %s\n", c.Verb, c.Path)
	}
	if err != nil {
		return err
	}
	if foreign, err := o.localFile(ctx, plan.options, plan.KitchenFile); err != nil || foreign {
		return err
	}
	o.nextSteps(done, plan)
	return nil
}

// plan decides what to write. The cloud is asked only for a file that does not
// exist yet.
func (o *initOptions) plan(ctx context.Context) (initPlan, error) {
	var plan initPlan
	driver, err := o.driver()
	if err != nil {
		return plan, err
	}
	provisioner, err := o.provisionerFor(driver)
	if err != nil {
		return plan, err
	}
	opts, err := o.readOptions(ctx)
	if err != nil {
		return plan, err
	}
	file, found, err := config.ProjectFile(opts)
	if err != nil {
		return plan, err
	}
	plan = initPlan{
		options: opts, Root: opts.Root, KitchenFile: file, Driver: driver, Provisioner: provisioner,
		TestBase:  o.testBase(opts.Root),
		Platforms: []initPlatform{{Name: "ubuntu-24.04", User: "ubuntu"}, {Name: "almalinux-10", User: "almalinux"}},
	}
	if found {
		return plan, nil
	}
	plan.Cookbook, err = chef.CookbookName(ctx, base.Options{Root: opts.Root, Environ: os.Environ()}, opts.Root)
	if err != nil && ctx.Err() == nil {
		o.notef("The cookbook's name is unknown (%v): the run list is written as a comment.", err)
		err = nil
	}
	if err == nil && driver == "openstack" {
		if err = o.askCloud(ctx, opts.Env, &plan); err == nil && !plan.OpenStack.Known {
			o.notef("What depends on the cloud is written as comments.")
		}
	}
	return plan, err
}

// provisionerFor is the provisioner asked for, or the one that goes with the
// driver.
func (o *initOptions) provisionerFor(driver string) (string, error) {
	name := strings.TrimPrefix(o.provisioner, "kitchen-")
	switch {
	case name == "" && driver == "dummy":
		return "dummy", nil
	case name == "":
		return "chef_infra", nil
	case table.RunsChef(name), name == "shell", name == "dummy":
		return name, nil
	}
	return "", &usageError{err: &pluginError{"provisioner", name, provisioners}}
}

// nextSteps names unchanged files and what to do next.
func (o *initOptions) nextSteps(done []initChange, plan initPlan) {
	if slices.ContainsFunc(done, func(c initChange) bool { return c.Verb == initLeft }) {
		o.notef("Existing files were not changed.")
	}
	switch {
	case done[0].Verb == initLeft:
	case plan.Driver == "openstack" && !plan.OpenStack.Known:
		o.notef("Fill in the commented settings in %s, then check it with `%s doctor`; or remove it, and run `%s init` again with a cloud's RC file sourced.", done[0].Path, o.name, o.name)
	case plan.Driver == "proxy":
		o.notef("Name the host in %s.", done[0].Path)
	default:
		o.notef("Next: `%s doctor` checks it, `%s test` runs everything.", o.name, o.name)
	}
}

// driver is the driver asked for, without the prefix of its gem.
func (o *initOptions) driver() (string, error) {
	if len(o.drivers) != 1 {
		return "", usagef("others can be named in kitchen.local.yml, or for one platform or suite", "init writes a file for one driver, not for %d", len(o.drivers))
	}
	name := strings.TrimPrefix(o.drivers[0], "kitchen-")
	switch name {
	case "openstack", "proxy", "dummy":
		return name, nil
	}
	return "", &usageError{err: fmt.Errorf("driver %q is not one of Galley's, which are openstack, proxy and dummy", name)}
}

// askCloud puts what the cloud offers into the plan. Where it cannot be asked,
// that is reported, and the plan's OpenStack is not Known.
func (o *initOptions) askCloud(ctx context.Context, env *variables, plan *initPlan) error {
	var found *openstack.Suggestion
	err := o.clouds.use(ctx, func(ctx context.Context, c *openstack.Cloud) (err error) {
		found, err = c.Suggest(ctx)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, new(*credentials.MissingError)):
		o.notef("No cloud was asked: %v.", err)
		return nil
	case err != nil:
		o.notef("The cloud could not be asked: %v", err)
		if hint := kitchen.Hint(err); hint != "" {
			writeHint(o.people(), o.clean(hint))
		}
		return nil
	}
	plan.images = found.All
	for _, n := range found.Notes {
		o.notef("%s", n)
	}
	s := &plan.OpenStack
	s.Known = true
	s.Network, s.Pool, s.SecurityGroups = found.Network, found.Pool, found.SecurityGroups
	if f := found.Flavor; f != nil {
		s.Flavor, s.FlavorNote = f.Name, fmt.Sprintf("%d CPU, %d MB, %d GB", f.VCPUs, f.RAM, f.Disk)
	}
	// The embedded cloud of a user that cannot use port 22.
	if port := env.Get(devcloudPort); port != "" && port != "22" {
		s.PortVariable = devcloudPort
	}
	if len(found.Images) == 0 {
		return nil
	}
	plan.Platforms = nil
	for _, i := range found.Images {
		plan.Platforms = append(plan.Platforms, initPlatform{Name: platformName(i), Image: i.Ref, User: i.User})
	}
	return nil
}

// devcloudPort is set by the RC file of `galley devcloud`.
const devcloudPort = "GALLEY_DEVCLOUD_SSH_PORT"

// platformName is the usual name of an image's system, or made of the image's.
func platformName(i openstack.SuggestedImage) string {
	if i.Distro != "" && i.Version != "" {
		return i.Distro + "-" + i.Version
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '-'
	}, strings.ToLower(i.Name))
	return "image-" + strings.Trim(name, "-")
}
