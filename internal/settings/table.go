package settings

import (
	"slices"
	"strings"
	"sync"
)

// Group is the settings of one section, plug-in and parent.
type Group struct {
	Section, Plugin, Parent string
	Settings                []Setting
}

// table is built at first use, so that it costs nothing at the start of a
// command that does not need it.
var table = sync.OnceValue(func() []Group {
	all := slices.Concat(projectGroups(), driverGroups(), provisionerGroups(), transportGroups(), verifierGroups())
	for _, g := range all {
		for i := range g.Settings {
			s := &g.Settings[i]
			s.Section, s.Plugin, s.Parent = g.Section, g.Plugin, g.Parent
		}
	}
	return all
})

var byID = sync.OnceValue(func() map[ID]Setting {
	m := map[ID]Setting{}
	for _, g := range slices.Concat(table(), commandGroups()) {
		for _, s := range g.Settings {
			if _, ok := m[s.ID()]; !ok {
				m[s.ID()] = s
			}
		}
	}
	return m
})

// Groups returns the table in the order of the documentation. It is shared:
// callers do not change it.
func Groups() []Group { return table() }

// Lookup returns the setting of an identity; where several plug-ins have a
// key of that name, the first of the table.
func Lookup(id ID) (Setting, bool) {
	s, ok := byID()[id]
	return s, ok
}

// Open reports whether a plug-in has keys that no table knows: those of an
// external provisioner are its provider's.
func Open(section, plugin string) bool { return section == Provisioner && plugin == "external" }

// chefFamily are the provisioners that run a Chef client; those of
// kitchen-cinc call the keys that begin with chef_ by its own name.
const chefFamily = "chef_infra chef_zero chef_solo chef_apply cinc_infra cinc_zero cinc_solo cinc_apply"

// Known returns the settings of a section that the named plug-ins have,
// those below a parent key only. A plug-in's own entry wins over the
// section's; the provisioners of kitchen-cinc also have their own spelling of
// the keys that begin with chef_.
func Known(section, parent string, plugins ...string) map[string]Setting {
	out := map[string]Setting{}
	for _, g := range table() {
		if g.Section != section || g.Parent != parent {
			continue
		}
		for _, s := range g.Settings {
			if g.Plugin != "" && !slices.ContainsFunc(plugins, s.Of) {
				continue
			}
			if _, ok := out[s.Name]; !ok || g.Plugin != "" {
				out[s.Name] = s
			}
			if rest, ok := strings.CutPrefix(s.Name, "chef_"); ok && len(plugins) > 0 && strings.HasPrefix(plugins[0], "cinc_") {
				out["cinc_"+rest] = s
			}
		}
	}
	return out
}
