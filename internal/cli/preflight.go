package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	openstackdriver "github.com/galleyhq/galley/internal/driver/openstack"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/internal/transport/ssh"
	"github.com/galleyhq/galley/kitchen"
)

// problem is why an action of an instance would fail.
type problem struct {
	action kitchen.Action
	err    error
}

// preflighter is a provisioner that can tell without a machine whether a
// converge can be prepared; with local without asking other computers.
type preflighter interface {
	Preflight(ctx context.Context, step *kitchen.Step, local bool) error
}

// quietStep is what a check gives to a plug-in: it reports to nobody.
func quietStep(inst *kitchen.Instance) *kitchen.Step {
	return &kitchen.Step{Instance: inst, State: kitchen.NewState(nil), Report: (*kitchen.Bus)(nil).Reporter(inst.Name, inst.Index, "")}
}

// checkLocally finds faults of an instance without asking a cloud or
// any other computer.
func checkLocally(ctx context.Context, inst *kitchen.Instance, local bool) (found []problem) {
	if err := checkPrivateKey(inst); err != nil {
		found = append(found, problem{kitchen.Create, err})
	}
	if p, ok := inst.Provisioner.(preflighter); ok {
		if err := p.Preflight(ctx, quietStep(inst), local); err != nil {
			found = append(found, problem{kitchen.Converge, err})
		}
	}
	return found
}

// keyError reports that a machine would be created that nobody can log in to.
type keyError struct{ keyPair, where string }

func (e *keyError) Error() string {
	return fmt.Sprintf("there is no private key for the key pair %q: %s", e.keyPair, e.where)
}

// Hint says how to go on.
func (e *keyError) Hint() string {
	return "name the private key with ssh_key in the transport section, load it into the SSH agent, or leave key_name out to have a key pair created"
}

// checkPrivateKey finds a key pair of the cloud whose private half is nowhere
// on this machine.
func checkPrivateKey(inst *kitchen.Instance) error {
	d, isOpenStack := inst.Driver.(*openstackdriver.Driver)
	t, isSSH := inst.Transport.(*ssh.Transport)
	if !isOpenStack || !isSSH {
		return nil
	}
	spec, err := d.Spec()
	if err != nil || spec.KeyName == "" {
		return nil // the driver's own check reports it
	}
	cfg, err := t.Target(inst, reachable())
	if err != nil || cfg.Password != "" || cfg.Getenv("SSH_AUTH_SOCK") != "" || cfg.Prompter != nil {
		return nil
	}
	keys := cfg.Keys
	if len(keys) == 0 {
		if keys, err = filepath.Glob(filepath.Join(cfg.Home, ".ssh", "id_*")); err != nil || len(keys) > 0 {
			return nil
		}
		return &keyError{spec.KeyName, "no ssh_key is configured, there is no key in ~/.ssh, and no SSH agent runs"}
	}
	if slices.ContainsFunc(keys, func(file string) bool { _, err := os.Stat(file); return err == nil }) {
		return nil
	}
	return &keyError{spec.KeyName, strings.Join(keys, ", ") + " does not exist"}
}

// reachable is the state of a machine that could be logged in to.
func reachable() *kitchen.State {
	st := kitchen.NewState(nil)
	st.Set(kitchen.KeyHostname, "preflight.invalid")
	return st
}

// gatewayTime bounds the connection to a gateway.
const gatewayTime = 3 * time.Second

// checkGateway connects to the first gateway on the way to an instance.
func checkGateway(ctx context.Context, inst *kitchen.Instance) error {
	t, ok := inst.Transport.(*ssh.Transport)
	if !ok {
		return nil
	}
	cfg, err := t.Target(inst, reachable())
	if err != nil || len(cfg.Gateways) == 0 || cfg.ProxyCommand != "" {
		return nil
	}
	g := cfg.Gateways[0]
	port := g.Port
	if port == 0 {
		port = 22
	}
	ctx, cancel := context.WithTimeout(ctx, gatewayTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(g.Host, strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("the SSH gateway %s cannot be reached: %w", g.Host, err)
	}
	return conn.Close()
}

// checkOnCloud finds what the cloud does not have of what an instance needs.
func checkOnCloud(ctx context.Context, c *openstack.Cloud, spec openstack.ServerSpec) []error {
	errs := c.CheckSpec(ctx, spec)
	if spec.AvailabilityZone != "" {
		if err := c.CheckZone(ctx, strings.SplitN(spec.AvailabilityZone, ":", 2)[0]); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// need is what an instance that does not exist yet needs of its project's
// quotas; RAM is in MiB.
type need struct{ instances, cores, ram, floatingIPs int }

// demand is what several instances need.
type demand []need

func (d *demand) add(ctx context.Context, c *openstack.Cloud, spec openstack.ServerSpec) {
	n := need{instances: 1}
	if f, err := c.Flavor(ctx, spec.Flavor, nil); err == nil {
		n.cores, n.ram = f.VCPUs, f.RAM
	}
	if spec.FloatingIP.AllocateIfNone {
		n.floatingIPs = 1
	}
	*d = append(*d, n)
}

// most returns how much of a resource any atOnce of the instances need.
func (d demand) most(atOnce int, of func(need) int) (sum int) {
	all := make([]int, len(d))
	for i, n := range d {
		all[i] = of(n)
	}
	slices.Sort(all)
	for _, n := range all[max(0, len(all)-atOnce):] {
		sum += n
	}
	return sum
}

// quotaError reports that the project's quotas have no room for all instances.
type quotaError struct{ lacking []string }

func (e *quotaError) Error() string {
	return "the project's quotas have no room: " + strings.Join(e.lacking, "; ")
}

// Hint says how to go on.
func (e *quotaError) Hint() string {
	return "destroy machines that are not needed (`galley ps` lists them), name fewer instances, or ask the operators for a larger quota"
}

// check compares the demand of instances that exist atOnce with the project's
// quotas.
func (d demand) check(l openstack.Limits, atOnce int) error {
	e := &quotaError{}
	for _, x := range []struct {
		what string
		of   func(need) int
		room openstack.Room
	}{
		{"instances", func(n need) int { return n.instances }, l.Instances},
		{"cores", func(n need) int { return n.cores }, l.Cores},
		{"MiB of RAM", func(n need) int { return n.ram }, l.RAM},
		{"floating IPs", func(n need) int { return n.floatingIPs }, l.FloatingIPs},
	} {
		if n := d.most(atOnce, x.of); !x.room.Fits(n) {
			e.lacking = append(e.lacking, fmt.Sprintf("%d %s needed, %d of %d in use", n, x.what, x.room.Used, x.room.Limit))
		}
	}
	if len(e.lacking) == 0 {
		return nil
	}
	return e
}

// preflight finds, before a run creates anything, which of its instances would
// fail: it does the checks that cost nothing, and those lookups on the cloud
// that a create does anyway. An instance that exists, or whose hooks may
// provide missing parts, is left to the run. atOnce is how many machines of
// the run exist at the same time.
func (p *project) preflight(ctx context.Context, chosen []*kitchen.Instance, failFast bool, atOnce int) []kitchen.Failure {
	var failures []kitchen.Failure
	clouds := map[*openstack.Cloud]*planned{}
	for _, inst := range chosen {
		d, ok := inst.Driver.(*openstackdriver.Driver)
		if !ok || p.hasMachine(inst.Name) {
			continue
		}
		checked := !hasLocalHooks(inst)
		var found []problem
		if checked {
			found = checkLocally(ctx, inst, true)
		}
		if spec, err := d.Spec(); err == nil {
			cloud, err := d.Cloud(ctx)
			if err != nil {
				return nil // which the run reports
			}
			if checked {
				for _, err := range checkOnCloud(ctx, cloud, spec) {
					found = append(found, problem{kitchen.Create, err})
				}
				if w := mismatch(ctx, cloud, inst, spec); w != "" {
					p.warnOnce(w)
				}
			}
			if len(found) == 0 {
				if clouds[cloud] == nil {
					clouds[cloud] = &planned{}
				}
				clouds[cloud].demand.add(ctx, cloud, spec)
				clouds[cloud].instances = append(clouds[cloud].instances, inst)
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if len(found) > 0 { // the first one stops it; doctor lists all
			failures = append(failures, kitchen.Failure{Instance: inst, Action: found[0].action, Err: found[0].err})
			if failFast {
				return failures
			}
		}
	}
	return append(failures, overQuota(ctx, clouds, atOnce)...)
}

// planned are the instances to be created on a cloud.
type planned struct {
	instances []*kitchen.Instance
	demand    demand
}

// overQuota refuses all instances of a cloud that has no room for them
// together: else the last of them would fail after the others were created.
func overQuota(ctx context.Context, clouds map[*openstack.Cloud]*planned, atOnce int) (failures []kitchen.Failure) {
	for cloud, plan := range clouds {
		if min(len(plan.instances), atOnce) < 2 {
			continue // the cloud itself refuses it
		}
		l, err := cloud.Limits(ctx)
		if err != nil {
			continue
		}
		if err := plan.demand.check(l, atOnce); err != nil {
			for _, inst := range plan.instances {
				failures = append(failures, kitchen.Failure{Instance: inst, Action: kitchen.Create, Err: err})
			}
		}
	}
	return failures
}

// hasLocalHooks reports whether commands on this machine run before a converge
// of an instance: they may provide missing parts.
func hasLocalHooks(inst *kitchen.Instance) bool {
	for _, phase := range []string{"pre_create", "post_create", "pre_converge"} {
		if slices.ContainsFunc(inst.Hooks[phase], func(h kitchen.Hook) bool { return h.Local != "" }) {
			return true
		}
	}
	return false
}

// refuse tells the console and the logs of instances that were not started,
// and keeps the kind of the failure in their state, as a failed action does.
func (p *project) refuse(ctx context.Context, failures []kitchen.Failure) {
	for _, f := range failures {
		if err := p.saveError(ctx, f); err != nil {
			p.warn("the failure of <%s> is not recorded: %v", f.Instance.Name, err)
		}
		p.Bus.Publish(kitchen.Event{Kind: kitchen.StepFailed, Instance: f.Instance.Name, Index: f.Instance.Index, Action: f.Action, Err: f.Err})
	}
}

// saveError writes last_error, unless another process works on the instance.
func (p *project) saveError(ctx context.Context, f kitchen.Failure) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	unlock, err := p.Store.Lock(ctx, f.Instance.Name, func(string) { cancel() })
	if err != nil {
		return err
	}
	st, err := p.Store.Load(f.Instance.Name)
	if err == nil {
		st.Set(kitchen.KeyLastError, kitchen.Class(f.Err))
		err = st.Save()
	}
	return errors.Join(err, unlock())
}

// skipAll is a run that ended before it began: --fail-fast, and an instance
// would have failed.
func (p *project) skipAll(skipped []*kitchen.Instance, failures []kitchen.Failure, action kitchen.Action) error {
	for _, inst := range skipped {
		p.Bus.Publish(kitchen.Event{Kind: kitchen.Skipped, Instance: inst.Name, Index: inst.Index, Action: action, Text: "another instance failed"})
	}
	return &kitchen.RunError{Failures: failures, Skipped: skipped}
}

// mergeFailures adds failures found before a run to its own.
func mergeFailures(early []kitchen.Failure, err error) error {
	if len(early) == 0 {
		return err
	}
	var run *kitchen.RunError
	if !errors.As(err, &run) {
		if err != nil {
			return errors.Join(err, &kitchen.RunError{Failures: early})
		}
		return &kitchen.RunError{Failures: early}
	}
	return &kitchen.RunError{Failures: append(early, run.Failures...), Skipped: run.Skipped}
}

// withHint is an error with its advice below it.
func withHint(err error) string {
	said := err.Error()
	if hint := kitchen.Hint(err); hint != "" {
		said += "\n  hint: " + indent(hint, len("  hint: "))
	}
	return text.Clean(said)
}
