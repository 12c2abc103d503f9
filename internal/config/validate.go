package config

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/settings"
	"github.com/galleyhq/galley/internal/text"
)

// Validate reads the configuration and reports faults and doubtful values in it,
// in the order of the files. It needs no cloud. Only a problem that is Fatal
// keeps Galley from working with the configuration: an unknown key never
// does, for files are shared between tools.
//
// The error is of the machinery (a file that cannot be found out about, a
// cancelled context), not of the files.
func Validate(ctx context.Context, o Options) ([]Problem, error) {
	l, err := newLoader(o)
	var p *Project
	if err == nil {
		p, err = l.project(ctx)
	}
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return nil, err
		}
		out := []Problem{{File: e.File, Line: e.Line, Column: e.Column, Code: "unreadable", Msg: strings.TrimSuffix(e.Msg+": "+e.Text, ": "), Advice: e.Advice, Fatal: true}}
		if l != nil {
			out = append(l.warnings, out...)
		}
		return out, nil
	}
	return p.Problems(), nil
}

// Problems reports faults and doubtful values in a configuration that could be
// read, in the order of the files; the Warnings are among it.
func (p *Project) Problems() []Problem {
	c := &checker{p: p, seen: map[string]bool{}, rank: map[string]int{}, tables: map[string]map[string]settings.Setting{}, legacy: settings.Known(secDriver, "")}
	// What belongs to no file comes last.
	c.rank[""] = len(p.loader.files())
	for i, f := range p.loader.files() {
		c.rank[f.display] = i
	}
	c.problems = append(c.problems, p.Warnings...)
	c.topLevel()
	c.instances()
	c.combinations()
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		if a.File != b.File {
			return c.rank[a.File] - c.rank[b.File]
		}
		return a.Line - b.Line
	})
	return c.problems
}

type checker struct {
	p        *Project
	problems []Problem
	// seen holds the reported problems, since one value serves many instances.
	seen map[string]bool
	rank map[string]int
	// tables are the keys of each plug-in met, legacy those of every driver.
	tables map[string]map[string]settings.Setting
	legacy map[string]settings.Setting
}

func (c *checker) add(org *Origin, code, key, advice, format string, args ...any) *Problem {
	p := Problem{Code: code, Key: key, Msg: fmt.Sprintf(format, args...), Advice: advice}
	if org != nil {
		p.File, p.Line, p.Column = org.File, org.Line, org.Column
	}
	id := fmt.Sprintf("%s:%d:%s:%s:%s", p.File, p.Line, code, key, p.Msg)
	if c.seen[id] {
		return &Problem{}
	}
	c.seen[id] = true
	c.problems = append(c.problems, p)
	return &c.problems[len(c.problems)-1]
}

// free says whether anyone may put a key of this name at the top level, as
// people do for their YAML anchors.
func free(name string) bool {
	return strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".")
}

// holdsAnchor reports whether a key of the top level is there for its value
// to be used elsewhere.
func (c *checker) holdsAnchor(name string) bool {
	return slices.ContainsFunc(c.p.loader.files(), func(f *configFile) bool { return slices.Contains(f.anchors, name) })
}

// checkKeys checks the keys and the forms of the values of one mapping.
func (c *checker) checkKeys(m *mapping, keys map[string]settings.Setting, path, what string) {
	if m == nil {
		return
	}
	for _, e := range m.entries {
		at := join(path, e.name)
		k, ok := keys[e.name]
		if !ok {
			if path == "" && (free(e.name) || c.holdsAnchor(e.name)) {
				continue
			}
			c.unknown(e, at, what, keys)
			continue
		}
		c.checkValue(k, e, at)
	}
}

func (c *checker) unknown(e entry, at, what string, keys map[string]settings.Setting) {
	org := e.org
	if org == nil {
		org = e.val.org
	}
	advice := ""
	if n := text.Nearest(e.name, slices.Sorted(maps.Keys(keys))); n != "" {
		advice = fmt.Sprintf("did you mean %s?", n)
	}
	c.add(org, "unknown-key", at, advice, "%s is not a key of %s and has no effect", e.name, what)
}

func (c *checker) checkValue(k settings.Setting, e entry, at string) {
	org := e.org
	if org == nil || e.val.org != nil && e.val.org.Moved != "" {
		org = e.val.org
	}
	switch {
	case k.Idle != "":
		c.add(org, "idle-key", at, k.Idle, "%s has no effect", at)
	case k.Replacement != "":
		c.add(org, "deprecated-key", at, "use "+k.Replacement, "%s is of older days", at)
	}
	if !fits(e.val, k.Type) {
		want := k.Type.String()
		c.add(e.val.org, "wrong-type", at, "", "%s should be %s, but is %s", at, article(want), c.shown(k.Name, e.val)).Fatal = true
		return
	}
	if len(k.Values) > 0 && e.val.kind != kindNull && !slices.Contains(k.Values, e.val.text()) {
		advice := "it is one of " + strings.Join(k.Values, ", ")
		c.add(e.val.org, "bad-value", at, advice, "%s is %s", at, c.shown(k.Name, e.val))
	}
}

// shown describes a value, but no secret.
func (c *checker) shown(name string, v *value) string {
	if secret.IsName(name) && v.kind < kindList {
		return "something else"
	}
	return v.describe()
}

func article(s string) string {
	switch {
	case s == "anything":
		return s
	case strings.HasPrefix(s, "integer"):
		return "an " + s
	}
	return "a " + s
}

// fits says whether a value has one of the forms; null means no value.
func fits(v *value, t settings.Type) bool {
	if t&settings.Any != 0 {
		return true
	}
	switch v.kind {
	case kindNull:
		return true
	case kindMap:
		return t&settings.Map != 0
	case kindList:
		for _, x := range v.list {
			switch x.kind {
			case kindNull:
			case kindMap:
				if t&settings.Maps == 0 {
					return false
				}
			case kindList:
				return false
			default:
				if t&settings.List == 0 {
					return false
				}
			}
		}
		return t&(settings.List|settings.Maps) != 0
	}
	if t&settings.Text != 0 {
		return true
	}
	if t&settings.Flag != 0 {
		if v.kind == kindBool {
			return true
		}
		switch strings.ToLower(v.text()) {
		case "true", "false", "yes", "no", "on", "off":
			return true
		}
	}
	f, ok := v.number()
	return ok && (t&settings.Decimal != 0 || t&settings.Whole != 0 && f == float64(int64(f)))
}

// topLevel checks what the files say, before it is moved and merged.
func (c *checker) topLevel() {
	raw := c.p.raw
	c.checkKeys(raw, settings.Known("", ""), "", "the top level")
	c.sub(raw, "kitchen", settings.Known("kitchen", ""))
	for _, list := range []string{"platform", "suite"} {
		v := raw.get(list + "s")
		if v == nil || v.kind != kindList {
			continue
		}
		keys := settings.Known(list, "")
		for i, x := range v.list {
			if x.kind == kindMap {
				c.checkKeys(x.m, keys, fmt.Sprintf("%ss[%d]", list, i), "a "+list)
			}
		}
	}
}

func (c *checker) sub(m *mapping, key string, keys map[string]settings.Setting) {
	if v := m.get(key); v != nil && v.kind == kindMap {
		c.checkKeys(v.m, keys, key, key)
	}
}

// instances checks the plug-ins' data as merged; the origin of each value
// says in which file it stands.
func (c *checker) instances() {
	for i := range c.p.Instances {
		for j, s := range c.p.Instances[i].Sections() {
			c.section(&c.p.Instances[i], sections[j], s)
		}
	}
	if len(c.p.Instances) > 0 {
		return
	}
	// A file of settings for other projects: its top level is checked.
	for _, section := range sections {
		v, err := layer(c.p.moved, section, bucketCommon, "")
		if err != nil {
			continue
		}
		if section == secLifecycle {
			m := v.m.clone()
			for i := range m.entries {
				m.entries[i].val, _ = combine(m.entries[i].val, section, bucketCommon)
			}
			v = mapValue(m, v.org)
		}
		if section == secLifecycle || v.m.has("name") {
			c.section(nil, section, Section{m: v.m, path: section})
		}
	}
}

// section checks the data of one plug-in, of an instance unless that is nil.
func (c *checker) section(in *Instance, section string, s Section) {
	if section == secLifecycle {
		c.lifecycle(s)
		return
	}
	name := s.Name()
	if !supported(section, s) {
		c.unsupported(section, name, s)
		return
	}
	id := section + " " + name
	keys := c.tables[id]
	if keys == nil {
		keys = settings.Known(section, "", name)
		c.tables[id] = keys
	}
	for _, e := range s.m.entries {
		if e.val.org != nil && e.val.org.Default != "" {
			continue
		}
		if o := e.val.org; o != nil && o.Moved != "" && section != secDriver {
			if k, ok := c.legacy[e.name]; ok && strings.HasSuffix(o.Moved, "driver."+e.name) && k.Replacement != "" {
				c.checkValue(k, e, "driver."+e.name)
				continue
			}
		}
		at := section + "." + e.name
		k, ok := keys[e.name]
		if !ok {
			if settings.Open(section, name) {
				continue
			}
			if owner := ownerOf(section, e.name); owner != "" {
				c.add(e.val.org, "foreign-key", at, "", "%s is a key of the %s %s and has no effect for %s", e.name, section, owner, name)
			} else if !slices.Contains(kitchenKeys[section], e.name) {
				c.unknown(e, at, "the "+section+" "+name, keys)
			}
			continue
		}
		c.checkValue(k, e, at)
		c.nested(k, e.val, at, name)
	}
	if in != nil {
		c.values(in, section, s, keys)
	}
}

// ownerOf is the plug-in of a section that a key belongs to, "" for none. A
// file for several projects sets keys of plug-ins that not every instance has.
func ownerOf(section, key string) string {
	for _, name := range settings.Plugins(section) {
		if _, ok := settings.Known(section, "", name)[key]; ok {
			return name
		}
	}
	return ""
}

// nested checks a mapping, or a list of mappings, below a key that has a
// separate table.
func (c *checker) nested(k settings.Setting, v *value, at, plugin string) {
	if k.Type&(settings.Map|settings.Maps) == 0 {
		return
	}
	keys := settings.Known(k.Section, k.Name, plugin)
	if len(keys) == 0 {
		return
	}
	list := []*value{v}
	if v.kind == kindList {
		list = v.list
	}
	for _, x := range list {
		if x.kind == kindMap {
			c.checkKeys(x.m, keys, at, at)
		}
	}
}

func (c *checker) unsupported(section, name string, s Section) {
	other, why := settings.Substitute(section, name)
	advice := other + " is the nearest that Galley has"
	if why != "" {
		advice += ": " + why
	}
	if n := text.Nearest(name, settings.Plugins(section)); n != "" {
		advice = fmt.Sprintf("did you mean %s?", n)
	}
	v := s.m.get("name")
	if v == nil {
		v = &value{org: s.org}
	}
	c.add(v.org, "unsupported-plugin", section+".name", advice, "Galley does not have the %s %q", section, name).Fatal = true
}

func (c *checker) lifecycle(s Section) {
	keys := settings.Known(secLifecycle, "")
	hook := settings.Known(secLifecycle, "*")
	for _, e := range s.m.entries {
		at := join(secLifecycle, e.name)
		if _, ok := keys[e.name]; !ok {
			if !slices.Contains(kitchenKeys[secLifecycle], e.name) {
				c.unknown(e, at, "lifecycle", keys)
			}
			continue
		}
		for _, x := range e.val.list {
			switch x.kind {
			case kindString:
			case kindMap:
				if !x.m.has("local") && !x.m.has("remote") {
					c.add(x.org, "bad-value", at, "", "%s has a hook with neither local nor remote", at).Fatal = true
				}
				c.checkKeys(x.m, hook, at, "a hook")
			default:
				c.add(x.org, "wrong-type", at, "", "%s should hold commands, but holds %s", at, x.describe()).Fatal = true
			}
		}
	}
}

// combinations looks for suites and platforms that come to nothing.
func (c *checker) combinations() {
	p := c.p
	var platformNames []string
	for _, x := range p.platforms {
		platformNames = append(platformNames, x.name.text())
	}
	if len(p.suites) == 0 || len(p.platforms) == 0 {
		c.add(nil, "no-instances", "", "it needs at least one platform and one suite", "the configuration has no instances")
		return
	}
	used := map[string]bool{}
	for i := range p.Instances {
		in := &p.Instances[i]
		used["suite "+in.Suite] = true
		used["platform "+in.Platform] = true
	}
	for _, s := range p.suites {
		c.filtersOf(s)
		for _, part := range []struct {
			key string
			fs  []filter
		}{{"includes", s.includes}, {"excludes", s.excludes}} {
			for _, f := range part.fs {
				if !slices.ContainsFunc(p.platforms, func(x platform) bool {
					ok, err := f.matches(x.name)
					return ok || err != nil
				}) {
					advice := ""
					if n := text.Nearest(f.text.text(), platformNames); n != "" && f.re == nil {
						advice = fmt.Sprintf("did you mean %s?", n)
					}
					c.add(f.text.org, "no-such-platform", s.path+"."+part.key, advice, "%s of suite %s: no platform is %s", part.key, s.name.text(), f.text.text())
				}
			}
		}
		if !used["suite "+s.name.text()] {
			c.add(s.name.org, "unused-suite", s.path, "", "suite %s runs on no platform", s.name.text())
		}
	}
	for _, x := range p.platforms {
		if !used["platform "+x.name.text()] {
			c.add(x.name.org, "unused-platform", x.path, "", "platform %s has no suite", x.name.text())
		}
	}
}
