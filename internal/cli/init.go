package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/provisioner/chef"
	"github.com/galleyhq/galley/kitchen"
)

// initFlags are those of init (Test Kitchen: init).
type initFlags struct {
	drivers     []string
	provisioner string
	gemfile     bool
}

func (a *app) initCommand() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a kitchen.yml for this project and what goes with it",
		Long: `Writes kitchen.yml, chefignore, a directory for tests and, in a git work tree,
entries in .gitignore. With credentials at hand (a sourced RC file, --rc, OS_CLOUD)
it asks the cloud which images, flavors and networks there are and picks some that
fit, so that the file works at once; without it writes comments to be filled in.

What is there already is left as it is.

` + exitCodes,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.init(cmd.Context(), f) },
	}
	fs := cmd.Flags()
	fs.StringSliceVarP(&f.drivers, "driver", "D", []string{"openstack"}, "the `DRIVER`: openstack, proxy or dummy")
	fs.StringVarP(&f.provisioner, "provisioner", "P", "", "the `PROVISIONER`: chef_infra, chef_solo, chef_apply, shell or dummy (default chef_infra; dummy with the dummy driver)")
	fs.BoolVar(&f.gemfile, "create-gemfile", false, "refused: there is no Ruby in Galley")
	return cmd
}

// autoInit writes the first files where no kitchen file is there (Test
// Kitchen: test --auto-init).
func (a *app) autoInit(ctx context.Context) error {
	o, err := a.readOptions(ctx)
	if err != nil {
		return err
	}
	if _, found, err := config.ProjectFile(o); err != nil || found {
		return err
	}
	return a.init(ctx, initFlags{drivers: []string{"openstack"}})
}

func (a *app) init(ctx context.Context, f initFlags) error {
	if f.gemfile {
		return usagef("leave it out: one binary is all that is needed", "init --create-gemfile is not available: there is no Ruby in Galley, so there are no gems to name")
	}
	start, err := a.start(ctx, f)
	if err != nil {
		return err
	}
	done, err := writeInitFiles(start)
	for _, c := range done {
		fmt.Fprintf(a.streams.Out, "%12s  %s\n", c.Verb, c.Path)
	}
	if err != nil {
		return err
	}
	a.afterInit(done, start)
	return nil
}

// start decides what is to be written. It asks the cloud only for a file that
// is not there yet.
func (a *app) start(ctx context.Context, f initFlags) (initOptions, error) {
	var start initOptions
	driver, err := f.driver()
	if err != nil {
		return start, err
	}
	provisioner, err := f.provisionerFor(driver)
	if err != nil {
		return start, err
	}
	o, err := a.readOptions(ctx)
	if err != nil {
		return start, err
	}
	file, found, err := config.ProjectFile(o)
	if err != nil {
		return start, err
	}
	start = initOptions{
		Root: o.Root, KitchenFile: file, Driver: driver, Provisioner: provisioner,
		TestBase:  a.testBase(o.Root),
		Platforms: []initPlatform{{Name: "ubuntu-24.04", User: "ubuntu"}, {Name: "almalinux-10", User: "almalinux"}},
	}
	if found {
		return start, nil
	}
	start.Cookbook, err = chef.CookbookName(ctx, base.Options{Root: o.Root, Environ: os.Environ()}, o.Root)
	if err != nil && ctx.Err() == nil {
		fmt.Fprintf(a.people(), "The cookbook's name is not to be had (%v): the run list is written as a comment.\n", err)
		err = nil
	}
	if err == nil && driver == "openstack" {
		err = a.lookAround(ctx, o.Env, &start)
	}
	return start, err
}

// provisionerFor is the provisioner asked for, or the one that goes with the
// driver.
func (f initFlags) provisionerFor(driver string) (string, error) {
	name := strings.TrimPrefix(f.provisioner, "kitchen-")
	switch {
	case name == "" && driver == "dummy":
		return "dummy", nil
	case name == "":
		return "chef_infra", nil
	case chefFamily(name), name == "shell", name == "dummy":
		return name, nil
	}
	return "", &usageError{err: &pluginError{"provisioner", name, provisioners}}
}

// afterInit tells the person what was left alone and what to do next.
func (a *app) afterInit(done []initChange, start initOptions) {
	if slices.ContainsFunc(done, func(c initChange) bool { return c.Verb == initLeft }) {
		fmt.Fprintln(a.people(), "What existed already was left as it is.")
	}
	switch {
	case done[0].Verb == initLeft:
	case start.Driver == "openstack" && !start.OpenStack.Known:
		fmt.Fprintf(a.people(), "Fill in what is commented in %s, then check it with `%s doctor`.\n", done[0].Path, a.name)
	case start.Driver == "proxy":
		fmt.Fprintf(a.people(), "Name the host in %s.\n", done[0].Path)
	default:
		fmt.Fprintf(a.people(), "Next: `%s doctor` to check it, `%s test` for the whole way.\n", a.name, a.name)
	}
}

// driver is the driver asked for, without the prefix of its gem.
func (f initFlags) driver() (string, error) {
	if len(f.drivers) != 1 {
		return "", usagef("others can be named in kitchen.local.yml, or for one platform or suite", "init writes a file for one driver, not for %d", len(f.drivers))
	}
	name := strings.TrimPrefix(f.drivers[0], "kitchen-")
	switch name {
	case "openstack", "proxy", "dummy":
		return name, nil
	}
	return "", &usageError{err: fmt.Errorf("driver %q is not one of Galley's, which are openstack, proxy and dummy", name)}
}

// lookAround puts what the cloud offers into what is to be written. Where it
// cannot be asked, that is said and placeholders stay.
func (a *app) lookAround(ctx context.Context, env *env.Env, start *initOptions) error {
	note := func(format string, args ...any) { fmt.Fprintf(a.people(), format+"\n", args...) }
	auth, err := a.credentials(ctx)
	var missing *session.MissingError
	if errors.As(err, &missing) {
		note("No credentials for a cloud here (%s): what is to be looked up there is written as comments.", a.secrets.Clean(err.Error()))
		return nil
	}
	var found *openstack.Suggestion
	if err == nil {
		found, err = a.suggestion(ctx, auth)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		note("The cloud could not be asked: %s", a.secrets.Clean(err.Error()))
		if hint := kitchen.Hint(err); hint != "" {
			writeHint(a.people(), a.secrets.Clean(hint))
		}
		note("What is to be looked up there is written as comments.")
		return nil
	}
	for _, n := range found.Notes {
		note("%s", n)
	}
	s := &start.OpenStack
	s.Known = true
	s.Network, s.Pool, s.SecurityGroups = found.Network, found.Pool, found.SecurityGroups
	if f := found.Flavor; f != nil {
		s.Flavor, s.FlavorNote = f.Name, fmt.Sprintf("%d CPU, %d MB, %d GB", f.VCPUs, f.RAM, f.Disk)
	}
	// The embedded cloud of a person who may not use port 22.
	if port := env.Get(devcloudPort); port != "" && port != "22" {
		s.PortVariable = devcloudPort
	}
	if len(found.Images) == 0 {
		return nil
	}
	start.Platforms = nil
	for _, i := range found.Images {
		start.Platforms = append(start.Platforms, initPlatform{Name: platformName(i), Image: i.Ref, User: i.User})
	}
	return nil
}

// devcloudPort is set by the RC file of `galley devcloud`.
const devcloudPort = "GALLEY_DEVCLOUD_SSH_PORT"

func (a *app) suggestion(ctx context.Context, auth session.Auth) (*openstack.Suggestion, error) {
	c, err := openstack.Connect(ctx, auth, openstack.Options{})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Suggest(ctx)
}

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

// testBase is where the tests lie.
func (a *app) testBase(root string) string {
	dir := a.flags.testBase
	if dir == "" {
		dir = filepath.Join("test", "integration")
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(root, dir)
	}
	return dir
}
