package config

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/settings"
)

// Diagnosis is a configuration as far as it can be read, for looking at it.
type Diagnosis struct {
	// Project is nil when Err is not.
	Project *Project
	// Err says why the instances are missing.
	Err error

	loader   *loader
	combined *mapping
	// combinedErr says why the combined data is missing.
	combinedErr error
}

// Examine reads the configuration as [Load] does, but keeps what could be
// read when something could not. Only a failure that the files do not cause is
// returned as an error.
func Examine(ctx context.Context, o Options) (*Diagnosis, error) {
	d := &Diagnosis{}
	var e *Error
	d.loader, d.Err = newLoader(o)
	if d.Err != nil {
		if !errors.As(d.Err, &e) {
			return nil, d.Err
		}
		d.combinedErr = d.Err
		return d, nil
	}
	defer d.loader.close()
	for _, f := range d.loader.files() {
		if _, err := d.loader.load(ctx, f); err != nil && !errors.As(err, &e) {
			return nil, err
		}
	}
	d.combined, d.combinedErr = d.loader.combined(ctx)
	d.Project, d.Err = d.loader.project(ctx)
	if d.Err != nil {
		d.Project = nil
		if !errors.As(d.Err, &e) {
			return nil, d.Err
		}
	}
	return d, nil
}

// DiagnoseOptions say what of a diagnosis is shown.
type DiagnoseOptions struct {
	Plugins, Loader, Instances bool
	// Only are the names of the instances shown; nil is all.
	Only []string
	// ShowSecrets leaves passwords and the like in the output.
	ShowSecrets bool
	// Origin puts behind each value where it comes from, as a comment.
	Origin bool
	// Version is Galley's own, Time the present.
	Version string
	Time    time.Time
	// State returns the state of an instance, nil for none; nil shows none.
	State func(instance string) (map[string]any, error)
}

// YAML writes the diagnosis with the keys of Test Kitchen's, in its order:
// timestamp, kitchen_version, plugins, loader, instances.
func (d *Diagnosis) YAML(o DiagnoseOptions) []byte {
	var r *redactor
	if !o.ShowSecrets {
		r = newRedactor(d.env(), d.data()...)
	}
	m := &mapping{}
	m.set("timestamp", stringValue(o.Time.UTC().Format("2006-01-02 15:04:05 UTC"), nil))
	m.set("kitchen_version", stringValue(o.Version, nil))
	if o.Plugins {
		m.set("plugins", d.plugins(o))
	}
	if o.Loader {
		m.set("loader", d.loaderPart(r))
	}
	if o.Instances {
		m.set("instances", d.instancesPart(o, r))
	} else {
		m.set("instances", mapValue(&mapping{}, nil))
	}
	e := &emitter{}
	if o.Origin {
		e.note = func(v *value) string {
			if v == nil || v.org == nil {
				return ""
			}
			return v.org.String()
		}
	}
	e.document(mapValue(m, nil))
	return e.b.Bytes()
}

func (d *Diagnosis) env() *Env {
	if d.loader == nil {
		return nil
	}
	return d.loader.env
}

func (d *Diagnosis) data() []*value {
	var out []*value
	if d.loader != nil {
		for _, f := range d.loader.files() {
			if f.data != nil {
				out = append(out, mapValue(f.data, nil))
			}
		}
	}
	return out
}

// failure is Test Kitchen's form of an error in the output.
func failure(err error, class string, r *redactor) *value {
	msg := err.Error()
	var e *Error
	if errors.As(err, &e) && e.Advice != "" {
		msg += "\nhint: " + e.Advice
	}
	msg = r.text(msg)
	return obj("exception", "#<"+class+": "+msg+">", "message", msg, "backtrace", []any{})
}

const userError = "Kitchen::UserError"

func (d *Diagnosis) loaderPart(r *redactor) *value {
	if d.loader == nil {
		return obj("error", failure(d.combinedErr, userError, r))
	}
	l := d.loader
	out := obj("process_erb", !l.opts.SkipERB, "process_local", !l.opts.SkipLocal, "process_global", !l.opts.SkipGlobal)
	for _, f := range l.files() {
		if !f.found {
			out.m.set(f.role+"_config", &value{})
			continue
		}
		var data *value
		if f.err != nil {
			fail := failure(f.err, userError, r)
			fail.m.set("raw_file", stringValue(r.file(f.source), nil))
			data = obj("error", fail)
		} else {
			data = r.value(stringified(mapValue(f.data, nil)), false)
		}
		out.m.set(f.role+"_config", obj("filename", f.path, "raw_data", data))
	}
	var data *value
	if d.combinedErr != nil {
		data = obj("error", failure(d.combinedErr, userError, r))
	} else {
		data = r.value(stringified(mapValue(d.combined, nil)), false)
	}
	out.m.set("combined_config", obj("filename", nil, "raw_data", data))
	return out
}

// stringified makes every key a string, as the output of Test Kitchen has
// them.
func stringified(v *value) *value {
	out, _ := v.withKeys(func(e *entry) error {
		if e.bad != 0 {
			e.name = strings.Trim(e.name, `"`)
		}
		e.sym, e.bad = false, 0
		return nil
	})
	return out
}

// plugins lists the plug-ins that the instances use.
func (d *Diagnosis) plugins(o DiagnoseOptions) *value {
	if d.Err != nil {
		return obj("error", failure(d.Err, userError, nil))
	}
	out := &mapping{}
	if len(d.Project.Instances) == 0 {
		return mapValue(out, nil)
	}
	for j, section := range sections[:4] {
		m := &mapping{}
		for i := range d.Project.Instances {
			in := &d.Project.Instances[i]
			name := in.Sections()[j].Name()
			if m.has(camel(name)) {
				continue
			}
			if _, _, ok := settings.Canonical(section, name); !ok {
				m.set(camel(name), obj("class", nil, "version", nil, "api_version", nil))
				continue
			}
			class := "Kitchen::" + camel(section) + "::" + camel(name)
			m.set(camel(name), obj("class", class, "version", o.Version, "api_version", 2))
		}
		out.set(section, mapValue(m, nil))
	}
	return mapValue(out, nil)
}

// camel writes a plug-in's name as its Ruby class: chef_infra is ChefInfra.
func camel(name string) string {
	var b strings.Builder
	for _, part := range strings.Split(name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

func (d *Diagnosis) instancesPart(o DiagnoseOptions, r *redactor) *value {
	out := &mapping{}
	if d.Err != nil {
		out.set("error", failure(d.Err, userError, r))
		return mapValue(out, nil)
	}
	tables := map[string]map[string]settings.Setting{}
	for i := range d.Project.Instances {
		in := &d.Project.Instances[i]
		if o.Only != nil && !slices.Contains(o.Only, in.Name) {
			continue
		}
		m := &mapping{}
		m.set("platform", obj("os_type", nullable(in.osType), "shell_type", nullable(in.shellType)))
		state := mapValue(&mapping{}, nil)
		if o.State != nil {
			s, err := o.State(in.Name)
			switch {
			case err != nil:
				state = obj("error", failure(err, "Kitchen::StateFileLoadError", r))
			case s != nil:
				state = fromGo(s, nil)
			}
		}
		m.set("state_file", r.value(state, false))
		for j, s := range in.Sections() {
			name := sections[j]
			id := name + " " + s.Name()
			keys, ok := tables[id]
			if _, _, ours := settings.Canonical(name, s.Name()); !ok && ours {
				keys = settings.Known(name, "", s.Name())
			}
			tables[id] = keys
			data := withDefaults(name, s, keys)
			if name == secLifecycle {
				name = "lifecycle_hooks"
			}
			m.set(name, r.value(data, false))
		}
		out.set(in.Name, mapValue(m, nil))
	}
	return mapValue(out, nil)
}

// withDefaults are a section's data with the defaults of the plug-in's keys
// filled in, sorted by key. A plug-in of another tool has no keys here.
func withDefaults(section string, s Section, keys map[string]settings.Setting) *value {
	m := s.m.cloneFor(len(keys))
	if keys != nil {
		org := &Origin{Default: fmt.Sprintf("the %s %s", section, s.Name())}
		for n, k := range keys {
			if v := k.DefaultValue(); v != nil && k.Replacement == "" && !m.has(n) {
				m.set(n, fromGo(v, org))
			}
		}
		for i := range m.entries {
			e := &m.entries[i]
			if k, ok := keys[e.name]; ok && k.Path && e.val.kind == kindString && e.val.s != "" {
				v := *e.val
				v.s = s.Expand(v.s)
				e.val = &v
			}
		}
	}
	slices.SortFunc(m.entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	m.reindex()
	return mapValue(m, s.org)
}
