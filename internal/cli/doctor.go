package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/config"
	openstackdriver "github.com/galleyhq/galley/internal/driver/openstack"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

// doctorOptions are those of doctor.
type doctorOptions struct {
	*projects

	all bool
}

func newDoctorCommand(d *deps) *cobra.Command {
	o := &doctorOptions{projects: d.projects}
	cmd := &cobra.Command{
		Use:   "doctor" + useInstances,
		Short: "Check everything that a test needs before anything is created",
		Long: `Check all instances, or those named, for whatever would make a create or converge
fail: the configuration, plug-ins, cookbooks and their dependencies, keys and
gateways, and on the cloud image, flavor, network, zone, key pair, groups, pool and
the quotas for all instances. It prints a line for each check and a summary, and
ends with 1 if there is a problem. Nothing is created.`,
		Example: `  galley doctor
  galley doctor ubuntu`,
		ValidArgsFunction: o.completeInstances,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	cmd.Flags().BoolVarP(&o.all, "all", "a", false, "no-op: all instances are checked")
	hide(cmd.Flags(), "all")
	return cmd
}

func (o *doctorOptions) run(ctx context.Context, args []string) error {
	p, err := o.open(ctx)
	if err != nil {
		return err
	}
	chosen, err := p.Select(args...)
	if err != nil {
		return err
	}
	problems := p.config.Problems()
	p.config.Warnings = nil // they are among the problems
	if err := p.report(nil, 1); err != nil {
		return err
	}
	defer p.close()
	x := &examination{
		doctorOptions: o, project: p, chosen: len(chosen), whole: len(chosen) == len(p.Instances),
		clouds: map[*openstack.Cloud]*demand{}, paint: o.painter(o.streams.Out),
	}
	refused, sound := p.complaints(chosen)
	x.configuration(problems)
	for _, complaint := range refused {
		x.bad("plug-ins", complaint)
	}
	for _, inst := range sound {
		x.instance(ctx, inst)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	x.printFindings()
	x.quotas(ctx)
	return x.conclude()
}

// examination is one run of the doctor.
type examination struct {
	*doctorOptions
	project *project
	paint   func(ui.Color, string) string

	// chosen is how many instances are examined. whole means that they are
	// all: then every problem of the files concerns one of them.
	chosen             int
	whole              bool
	findings           []*finding
	problems, warnings int
	// clouds are those that were logged in to, with the needed part of each;
	// order has them in order, reported the logins that failed.
	clouds   map[*openstack.Cloud]*demand
	order    []*openstack.Cloud
	reported []string
}

// finding is what a check has found in some instances.
type finding struct {
	print     func(subject, detail string)
	mark      string
	detail    string
	instances []string
}

// note keeps what a check has found in an instance, to be printed once for all
// instances that it concerns.
func (x *examination) note(mark string, print func(subject, detail string), instance, detail string) {
	i := slices.IndexFunc(x.findings, func(f *finding) bool { return f.mark == mark && f.detail == detail })
	if i < 0 {
		i = len(x.findings)
		x.findings = append(x.findings, &finding{print: print, mark: mark, detail: detail})
	}
	if f := x.findings[i]; !slices.Contains(f.instances, instance) {
		f.instances = append(f.instances, instance)
	}
}

func (x *examination) printFindings() {
	for _, f := range x.findings {
		subject := which(f.instances, x.chosen)
		if n := len(f.instances); f.mark == "✓" && n > 3 && n < x.chosen {
			subject = fmt.Sprintf("%d of %d instances", n, x.chosen) // the others have names below
		}
		f.print(subject, f.detail)
	}
}

// line prints the outcome of a check.
func (x *examination) line(mark string, color ui.Color, subject, detail string) {
	fmt.Fprintf(x.streams.Out, "%s %s: %s\n", x.paint(color, mark), subject, x.clean(detail))
}

func (x *examination) good(subject, detail string) { x.line("✓", ui.Green, subject, detail) }

func (x *examination) bad(subject, detail string) {
	x.problems++
	x.line("✗", ui.Red, subject, detail)
}

func (x *examination) warn(subject, detail string) {
	x.warnings++
	x.line("!", ui.Yellow, subject, detail)
}

// configuration reports faults in the files.
func (x *examination) configuration(problems []config.Problem) {
	const subject = "configuration"
	before := x.problems + x.warnings
	var idle idleKeys
	for _, problem := range problems {
		switch {
		case problem.Code == "unsupported-plugin": // reported with the instances
		case problem.Fatal && x.whole:
			x.bad(subject, problem.String())
		case problem.Code == "unknown-key" && problem.Advice == "", problem.Code == "idle-key":
			idle = append(idle, problem)
		default:
			x.warn(subject, problem.String())
		}
	}
	if len(idle) > 0 {
		x.warn(subject, idle.note(x.name))
	}
	if x.problems+x.warnings == before {
		x.good(subject, text.Count(len(x.project.Instances), "instance"))
	}
}

// instance reports faults in one instance.
func (x *examination) instance(ctx context.Context, inst *kitchen.Instance) {
	var found []string
	for _, problem := range checkLocally(ctx, inst, false) {
		found = append(found, withHint(problem.err))
	}
	for _, plugin := range []any{inst.Transport, inst.Provisioner, inst.Verifier} {
		if c, ok := plugin.(kitchen.Checker); ok {
			found = append(found, c.Check(ctx, quietStep(inst))...)
		}
	}
	if err := checkGateway(ctx, inst); err != nil {
		found = append(found, err.Error())
	}
	detail := "the " + inst.DriverName + " driver, " + inst.ProvisionerName + ", " + inst.VerifierName
	if d, ok := inst.Driver.(*openstackdriver.Driver); ok {
		more, about := x.onCloud(ctx, inst, d)
		found, detail = append(found, more...), about
	} else if c, ok := inst.Driver.(kitchen.Checker); ok {
		found = append(found, c.Check(ctx, quietStep(inst))...)
	}
	for _, f := range found {
		x.note("✗", x.bad, inst.Name, f)
	}
	if len(found) == 0 && detail != "" {
		x.note("✓", x.good, inst.Name, detail)
	}
}

// onCloud checks what an instance needs of its cloud, and describes it; "" where
// there is no cloud to ask, which is reported as the cloud's fault.
func (x *examination) onCloud(ctx context.Context, inst *kitchen.Instance, d *openstackdriver.Driver) (found []string, detail string) {
	spec, err := d.Spec()
	if err != nil {
		found = append(found, withHint(err))
	}
	c, err := d.Cloud(ctx)
	if err != nil {
		// The same login fails for every instance; it is reported once.
		if said := withHint(err); len(x.reported) == 0 || x.reported[len(x.reported)-1] != said {
			x.reported = append(x.reported, said)
			x.bad("cloud", said)
		}
		return found, ""
	}
	need := x.clouds[c]
	if need == nil {
		need = &demand{}
		x.clouds[c] = need
		x.order = append(x.order, c)
		x.good("cloud", whereabouts(c))
	}
	for _, err := range checkOnCloud(ctx, c, spec) {
		found = append(found, withHint(err))
	}
	if !x.project.hasMachine(inst.Name) {
		need.add(ctx, c, spec)
	}
	if w := mismatch(ctx, c, inst, spec); w != "" {
		x.note("!", x.warn, inst.Name, w)
	}
	return found, describeSpec(spec)
}

// whereabouts says which cloud, region, project and user a login is of.
func whereabouts(c *openstack.Cloud) string {
	who := c.Whoami()
	s := c.AuthURL()
	if r := c.Region(); r != "" {
		s += ", region " + r
	}
	return fmt.Sprintf("%s, project %s, user %s", s, cmp.Or(who.ProjectName, who.ProjectID), cmp.Or(who.UserName, who.UserID))
}

// describeSpec says what a create asks for.
func describeSpec(s openstack.ServerSpec) string {
	parts := []string{}
	add := func(what, value string) {
		if value != "" {
			parts = append(parts, what+" "+value)
		}
	}
	add("image", s.Image)
	add("flavor", s.Flavor)
	var networks []string
	for _, n := range s.Nics {
		networks = append(networks, n.Network)
	}
	add("network", strings.Join(networks, ", "))
	add("floating IP of", strings.Join(s.FloatingIP.Pools, ", "))
	add("zone", s.AvailabilityZone)
	add("key pair", s.KeyName)
	return strings.Join(parts, ", ")
}

// quotas compares what all instances need with the projects' quotas.
func (x *examination) quotas(ctx context.Context) {
	for _, c := range x.order {
		need := x.clouds[c]
		if len(*need) == 0 {
			continue
		}
		l, err := c.Limits(ctx)
		if err != nil {
			x.warn("quota", withHint(err))
			continue
		}
		if err := need.check(l, len(*need)); err != nil {
			x.bad("quota", withHint(err))
			continue
		}
		x.good("quota", fmt.Sprintf("room for %s (%s)", text.Count(len(*need), "more instance"), room(l.Instances)))
	}
}

func room(r openstack.Room) string {
	if r.Limit < 0 {
		return fmt.Sprintf("%d in use, no limit", r.Used)
	}
	return fmt.Sprintf("%d of %d in use", r.Used, r.Limit)
}

// conclude prints the summary, and returns an error if there are problems.
func (x *examination) conclude() error {
	warned := ""
	if x.warnings > 0 {
		warned = ", " + text.Count(x.warnings, "warning")
	}
	if x.problems > 0 {
		return usagef("", "the doctor found %s%s", text.Count(x.problems, "problem"), warned)
	}
	x.notef("No problem found%s: %s ready to be tested.", warned, text.CountOf(x.chosen, "instance is", "instances are"))
	return nil
}

// refused gives instances their plug-ins, and returns what these refuse, the
// instances that are sound, and the names of those with unsupported plug-ins.
func (p *project) refused(chosen []*kitchen.Instance) (r refusals, sound []*kitchen.Instance, unsupported []string) {
	for _, inst := range chosen {
		if p.config.Unsupported([]string{inst.Name}, pluginSections...) != nil {
			unsupported = append(unsupported, inst.Name)
		} else if !r.add(inst.Name, p.addPluginsTo(inst, kitchen.Verify)...) {
			sound = append(sound, inst)
		}
	}
	return r, sound, unsupported
}

// complaints gives all instances their plug-ins, and returns what keeps some
// from being used and those that are sound.
func (p *project) complaints(chosen []*kitchen.Instance) (complaints []string, _ []*kitchen.Instance) {
	r, sound, unsupported := p.refused(chosen)
	with := func(where string, err error) {
		complaints = append(complaints, where+withHint(err))
	}
	if err := p.config.Unsupported(unsupported, pluginSections...); err != nil {
		with(text.Count(len(unsupported), "instance")+": ", err)
	}
	e := refusedError{r, len(chosen)}
	for i, err := range r.errs {
		with(e.where(i), err)
	}
	return complaints, sound
}
