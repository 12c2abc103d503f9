package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/settings"
	"github.com/galleyhq/galley/internal/text"
)

// UnsupportedError is a configuration made for plug-ins that Galley does not
// have. It names all of them at once, and the override file that replaces
// them all.
type UnsupportedError struct {
	// Found are the plug-ins, in the order of the sections.
	Found []Unsupported
	// File is the override file, Override its text; "" where no override can
	// replace them.
	File, Override string

	// exists says that there is an override file already.
	exists bool
}

// Unsupported is one plug-in that Galley does not have.
type Unsupported struct {
	// Section is "driver", "provisioner", "transport" or "verifier".
	Section, Name string
	// Where is where the name is written ("kitchen.yml:3"), or "default".
	Where string
	// Instances are those that have it, Of how many there are.
	Instances []string
	Of        int
	// Reason says more, "" for nothing.
	Reason string

	layer string
}

// Error lists the plug-ins.
func (e *UnsupportedError) Error() string {
	var list []string
	for _, u := range e.Found {
		s := fmt.Sprintf("%s %q", u.Section, u.Name)
		var more []string
		if u.Where != "default" {
			more = append(more, u.Where)
		}
		switch n := len(u.Instances); {
		case n == 1 && u.Of > 1:
			more = append(more, "instance <"+u.Instances[0]+">")
		case n < u.Of:
			more = append(more, fmt.Sprintf("%s, such as <%s>", text.Count(n, "instance"), u.Instances[0]))
		}
		if u.Reason != "" {
			more = append(more, u.Reason)
		}
		if len(more) > 0 {
			s += " (" + strings.Join(more, "; ") + ")"
		}
		list = append(list, s)
	}
	noun := "a plug-in that Galley does not have"
	if len(list) > 1 {
		noun = "plug-ins that Galley does not have"
	}
	return "the configuration needs " + noun + ": " + text.And(list)
}

// Hint shows the override file.
func (e *UnsupportedError) Hint() string {
	if e.Override == "" {
		var advice []string
		for _, u := range e.Found {
			name, why := settings.Substitute(u.Section, u.Name)
			if u.Name == "winrm" {
				advice = append(advice, "leave these instances out, by naming others; an image with OpenSSH and a POSIX shell "+
					"works with `transport: {name: ssh}`, `os_type: unix` and `shell_type: bourne`")
				continue
			}
			s := fmt.Sprintf("name %s in place of %s (%s)", name, u.Name, u.Where)
			if why != "" {
				s += ": " + why
			}
			advice = append(advice, s)
		}
		return strings.Join(slices.Compact(advice), "; ")
	}
	file := "write " + e.File + ":\n" + strings.TrimSuffix(e.Override, "\n")
	if !e.exists && slices.ContainsFunc(e.Found, func(u Unsupported) bool { return u.Section == secDriver }) {
		return "`galley init` writes a " + e.File + " that runs it on your cloud; or, by hand, " + file
	}
	return "to run it without changing the shared file, " + file
}

// Unsupported returns an [*UnsupportedError] when the named instances need
// plug-ins of the sections that Galley does not have, nil otherwise.
func (p *Project) Unsupported(instances []string, wanted ...string) error {
	var found []Unsupported
	of := 0
	for i := range p.Instances {
		in := &p.Instances[i]
		if !slices.Contains(instances, in.Name) {
			continue
		}
		of++
		for j, s := range in.Sections() {
			section := sections[j]
			name := s.Name()
			if section == secLifecycle || !slices.Contains(wanted, section) || supported(section, s) ||
				section == secTransport && in.Driver.Name() == "dummy" {
				continue
			}
			u := Unsupported{Section: section, Name: name, Where: s.Where("name"), Instances: []string{in.Name}, layer: p.layerOf(in, section), Reason: settings.Reason(section, name)}
			if k := slices.IndexFunc(found, func(f Unsupported) bool {
				return f.Section == section && f.Name == name && f.layer == u.layer
			}); k >= 0 {
				found[k].Instances = append(found[k].Instances, in.Name)
				continue
			}
			found = append(found, u)
		}
	}
	if len(found) == 0 {
		return nil
	}
	for i := range found {
		found[i].Of = of
	}
	slices.SortStableFunc(found, func(a, b Unsupported) int {
		return slices.Index(sections[:], a.Section) - slices.Index(sections[:], b.Section)
	})
	e := &UnsupportedError{Found: found, File: p.loader.local.display, exists: p.loader.local.found}
	if e.exists {
		e.File += " (it exists: add this to it)"
	}
	e.Override = p.override(found)
	return e
}

// supported reports whether Galley has the plug-in of a section. An alias
// with other keys is only one where none of them is set.
func supported(section string, s Section) bool {
	name := s.Name()
	if _, _, ok := settings.Canonical(section, name); !ok {
		return false
	}
	if !settings.SameKeys(section, name) {
		return true
	}
	keys := settings.Known(section, "", name)
	for _, k := range s.Keys() {
		if _, ok := keys[k]; !ok && !slices.Contains(kitchenKeys[section], k) {
			return false
		}
	}
	return true
}

// layerOf returns the layer that names the plug-in: "suite", "platform" or
// "" for the top level and defaults.
func (p *Project) layerOf(in *Instance, section string) string {
	names := func(m *mapping) bool {
		v := named(m, section)
		return v.kind == kindMap && v.m.has("name")
	}
	for _, s := range p.suites {
		if s.name.text() == in.Suite && names(s.m) {
			return bucketSuite
		}
	}
	for _, pl := range p.platforms {
		if pl.name.text() == in.Platform && names(pl.m) {
			return bucketPlatform
		}
	}
	return ""
}

// override is the text of a local file with which none of the plug-ins is
// needed any more, "" when there is none: a list in the local file replaces
// the whole list of the project's, so that suites cannot be overridden.
func (p *Project) override(found []Unsupported) string {
	root := &mapping{}
	replace := func(m *mapping, u Unsupported) {
		name, _ := settings.Substitute(u.Section, u.Name)
		section := obj("name", name)
		if u.Section == secDriver && name == "openstack" {
			section = obj("name", name, "image_ref", "IMAGE", "flavor_ref", "FLAVOR")
		}
		m.set(u.Section, section)
	}
	inPlatforms := false
	for _, u := range found {
		switch u.layer {
		case bucketSuite:
			return ""
		case bucketPlatform:
			inPlatforms = true
		default:
			if u.Name == "winrm" && u.Where == "default" {
				return ""
			}
			replace(root, u)
		}
	}
	if inPlatforms {
		list := &value{kind: kindList}
		for _, v := range p.raw.get("platforms").list {
			if v.kind != kindMap {
				return ""
			}
			m := v.m.clone()
			for _, u := range found {
				if u.layer != bucketPlatform {
					continue
				}
				if m.delete(u.Section) != nil || u.Section == secDriver && (m.has("driver_plugin") || m.has("driver_config")) {
					replace(m, u)
				}
				if u.Section == secDriver {
					m.delete("driver_plugin")
					m.delete("driver_config")
				}
			}
			list.list = append(list.list, mapValue(m, nil))
		}
		root.set("platforms", list)
	}
	data := newRedactor(p.loader.env, mapValue(p.raw, nil)).value(mapValue(root, nil), false)
	var e emitter
	e.document(data)
	return e.b.String()
}
