package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/config"
	table "github.com/galleyhq/galley/internal/settings"
	"github.com/galleyhq/galley/kitchen"
)

// pluginSections are the sections that name a plug-in.
var pluginSections = []string{table.Driver, table.Provisioner, table.Transport, table.Verifier}

// addPlugins gives instances the plug-ins that an action up to the given one
// needs. What cannot be right is found here, for all instances at once and
// before anything is made. A destroy needs the driver alone, and of that only
// what the record of the instance does not know.
func (p *project) addPlugins(instances []*kitchen.Instance, upTo kitchen.Action) error {
	if upTo != kitchen.Destroy && upTo != "" {
		names := make([]string, len(instances))
		for i, inst := range instances {
			names[i] = inst.Name
		}
		if err := p.config.Unsupported(names, pluginSections...); err != nil {
			return err
		}
	}
	var r refusals
	for _, inst := range instances {
		r.add(inst.Name, p.addPluginsTo(inst, upTo)...)
	}
	return r.err(len(instances))
}

// addPluginsTo gives an instance its plug-ins, and returns what each of them
// refuses.
func (p *project) addPluginsTo(inst *kitchen.Instance, upTo kitchen.Action) []error {
	s := p.config.Instances[inst.Index]
	p.hideSecrets(s.Driver, s.Transport, s.Provisioner, s.Verifier)
	section := s.Driver
	if upTo == kitchen.Destroy || upTo == "" {
		section = p.recorded(inst, section)
	}
	fallback, err := p.driver(inst, section)
	if err != nil && upTo == kitchen.Destroy {
		// The record says what there is to destroy; the section is only needed
		// for the way to the cloud.
		fallback, err = p.driver(inst, credentialsOf(section))
	}
	errs := []error{err}
	if err == nil || upTo != kitchen.Destroy {
		errs = append(errs, p.transport(inst, s.Transport, fallback))
	}
	if upTo != kitchen.Destroy && upTo != "" {
		errs = append(errs, p.provisioner(inst, s.Provisioner), p.verifier(inst, s.Verifier))
	}
	return errs
}

// recorded is the driver section with which an instance is destroyed: that of
// the files, or that of the driver which the record tells of where the files
// name another one, as when kitchen.local.yml is gone.
func (p *project) recorded(inst *kitchen.Instance, s config.Section) config.Section {
	if s.Name() == "openstack" {
		return s
	}
	st, err := p.Store.Load(inst.Name)
	if err != nil || st == nil || st.String(kitchen.KeyServerID) == "" {
		return s
	}
	p.infoOnce(fmt.Sprintf("The files name the driver %q; the record of <%s> is that of openstack, which destroys it", s.Name(), inst.Name))
	return credentialsOf(s)
}

// credentialsOf is what a driver section says of the way to the cloud.
func credentialsOf(s config.Section) config.Section {
	data, _ := s.Data().(map[string]any)
	own := map[string]any{"name": "openstack"}
	for _, k := range table.Credentials() {
		if v, ok := data[k]; ok {
			own[k] = v
		}
	}
	return config.NewSection(own)
}

// aliased tells, once, that another tool's plug-in is one of Galley's here.
func (p *project) aliased(section, name, canonical, note string) {
	if name == canonical || note == "" {
		return
	}
	p.infoOnce(fmt.Sprintf("The %s %s is Galley's %s: %s", section, name, canonical, note))
}

// infoOnce tells of what concerns several instances, once for a run.
func (p *project) infoOnce(text string) {
	if _, told := p.shared.warned.LoadOrStore(text, true); !told {
		p.notes = append(p.notes, text)
	}
}

// refusals are what keeps a run from beginning, each with the instances that
// it concerns.
type refusals struct {
	errs      []error
	instances [][]string
}

// add notes what an instance's plug-ins refuse, and reports whether they do.
func (r *refusals) add(instance string, errs ...error) (refused bool) {
	for _, err := range errs {
		var several config.FaultsError
		if errors.As(err, &several) {
			r.add(instance, several...)
			refused = true
			continue
		}
		if err == nil {
			continue
		}
		refused = true
		i := slices.IndexFunc(r.errs, func(e error) bool { return e.Error() == err.Error() })
		if i < 0 {
			i = len(r.errs)
			r.errs, r.instances = append(r.errs, err), append(r.instances, nil)
		}
		if !slices.Contains(r.instances[i], instance) {
			r.instances[i] = append(r.instances[i], instance)
		}
	}
	return refused
}

// err is all of it in one error, nil when there is nothing; of is the number
// of instances looked at.
func (r *refusals) err(of int) error {
	if len(r.errs) == 0 {
		return nil
	}
	return &refusedError{*r, of}
}

// refusedError is a run that cannot begin.
type refusedError struct {
	refusals
	of int
}

// Error has a line for each reason.
func (e *refusedError) Error() string {
	lines := make([]string, len(e.errs))
	for i, err := range e.errs {
		lines[i] = e.where(i) + err.Error()
	}
	return strings.Join(lines, "\n")
}

// where names the instances of a reason.
func (e *refusedError) where(i int) string {
	switch names := e.instances[i]; {
	case len(names) == 1:
		return "instance <" + names[0] + ">: "
	case len(names) == e.of:
		return which(names, e.of) + ": "
	default:
		return "instances " + which(names, e.of) + ": "
	}
}

// Hint joins the hints.
func (e *refusedError) Hint() string {
	var hints []string
	for _, err := range e.errs {
		if h := kitchen.Hint(err); h != "" && !slices.Contains(hints, h) {
			hints = append(hints, h)
		}
	}
	return strings.Join(hints, "\n")
}

// Is and As look into all reasons.
func (e *refusedError) Unwrap() []error { return slices.Clone(e.errs) }
