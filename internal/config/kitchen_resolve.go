package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// maxInstances bounds suites times platforms.
const maxInstances = 10_000

func itoa(i int) string { return strconv.Itoa(i) }

// The plug-ins of an instance that no file names (Test Kitchen 3.9).
const (
	defaultDriver      = "dummy"
	defaultProvisioner = "chef_infra"
	defaultVerifier    = "busser"
)

type platform struct {
	name      *value
	osType    *value
	shellType *value
	path      string
	m         *mapping
}

type suite struct {
	name               *value
	includes, excludes []filter
	path               string
	m                  *mapping
}

// filter is one entry of includes or excludes.
type filter struct {
	Pattern
	text *value
}

// matches is PlatformFilter#==.
func (f filter) matches(name *value) (bool, error) {
	if f.re == nil {
		return name.kind == f.text.kind && name.s == f.text.s, nil
	}
	if name.kind != kindString && name.kind != kindSymbol {
		return false, nil
	}
	ok, err := f.Match(name.s)
	if err != nil {
		e := at(f.text, "matching the regular expression failed: %v", err)
		e.Text, e.Err = f.text.s, err
		return false, e
	}
	return ok, nil
}

func anyMatches(fs []filter, name *value) (bool, error) {
	for _, f := range fs {
		if ok, err := f.matches(name); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// runsOn says whether the suite is combined with the platform of that name.
func (s *suite) runsOn(name *value) (bool, error) {
	if len(s.includes) > 0 {
		return anyMatches(s.includes, name)
	}
	excluded, err := anyMatches(s.excludes, name)
	return !excluded, err
}

func filters(m *mapping, path, key string) ([]filter, error) {
	v := m.get(key)
	if v == nil {
		return nil, nil
	}
	list := rubyArray(v)
	out := make([]filter, 0, len(list))
	for _, x := range list {
		if x.kind != kindString && x.kind != kindSymbol {
			e := at(x, "%s of %s should hold names of platforms, but holds %s", key, path, x.describe())
			return nil, e
		}
		p, err := newPattern(x.s)
		if err != nil {
			e := at(x, "%s of %s is not a valid regular expression: %s", key, path, cause(err))
			e.Text = x.s
			return nil, e
		}
		if p.re == nil && x.kind == kindSymbol {
			return nil, at(x, "%s of %s should hold names of platforms, but holds a symbol", key, path)
		}
		out = append(out, filter{p, x})
	}
	return out, nil
}

// resolve makes the instances.
func (p *Project) resolve() error {
	p.moved = writable(p.raw)
	data := p.moved
	g := &merger{}
	if err := g.moveLegacyKeys(data); err != nil {
		return err
	}
	if err := p.resolveSuites(); err != nil {
		return err
	}
	if err := p.resolvePlatforms(); err != nil {
		return err
	}
	if len(p.suites)*len(p.platforms) > maxInstances {
		return &Error{Msg: fmt.Sprintf("%d suites on %d platforms are more than %d instances", len(p.suites), len(p.platforms), maxInstances)}
	}
	kitchen := data.get("kitchen")
	// The data is only read when an instance uses it, and of several platforms
	// or suites of one name, Test Kitchen takes the data of the first.
	common := sync.OnceValues(func() (*layers, error) {
		if kitchen != nil && kitchen.kind != kindMap {
			return nil, notMapping(kitchen, "kitchen", "")
		}
		return layersOf(data, "", bucketCommon)
	})
	platforms := make([]func() (*layers, error), len(p.platforms))
	for i, x := range p.platforms {
		first := p.platforms[slices.IndexFunc(p.platforms, func(o platform) bool { return same(o.name, x.name) })]
		platforms[i] = sync.OnceValues(func() (*layers, error) { return layersOf(first.m, first.path, bucketPlatform) })
	}
	for _, s := range p.suites {
		first := p.suites[slices.IndexFunc(p.suites, func(o suite) bool { return same(o.name, s.name) })]
		own := sync.OnceValues(func() (*layers, error) { return layersOf(first.m, first.path, bucketSuite) })
		for i, pl := range p.platforms {
			runs, err := s.runsOn(pl.name)
			if err != nil {
				return err
			}
			if !runs {
				continue
			}
			var low [3]*layers
			for k, of := range []func() (*layers, error){common, platforms[i], own} {
				if low[k], err = of(); err != nil {
					return err
				}
			}
			inst, err := p.instance(g, &s, &pl, low, kitchen)
			if err != nil {
				return err
			}
			p.Instances = append(p.Instances, inst)
		}
	}
	return p.unique()
}

// unique refuses two instances of one name, which would share a machine and a
// state file; on some file systems that is so for names that differ in case.
func (p *Project) unique() error {
	seen := map[string]*Instance{}
	for i := range p.Instances {
		in := &p.Instances[i]
		other := seen[strings.ToLower(in.Name)]
		if other == nil {
			seen[strings.ToLower(in.Name)] = in
			continue
		}
		what := "two instances are called " + in.Name
		if other.Name != in.Name {
			what = fmt.Sprintf("the instances %s and %s differ in case only", other.Name, in.Name)
		}
		e := at(in.platform, "%s and would share one machine", what)
		e.Advice = "rename one of the platforms or suites"
		return e
	}
	return nil
}

// writable copies the mappings that the legacy rules write to: the top level,
// the platforms and the suites. What is deeper is shared.
func writable(m *mapping) *mapping {
	m = m.clone()
	for _, key := range []string{"platforms", "suites"} {
		v := m.get(key)
		if v == nil || v.kind != kindList {
			continue
		}
		c := &value{kind: kindList, org: v.org, list: make([]*value, len(v.list))}
		for i, x := range v.list {
			if x.kind == kindMap {
				x = mapValue(x.m.clone(), x.org)
			}
			c.list[i] = x
		}
		m.set(key, c)
	}
	return m
}

// layers are what one place says about each section.
type layers [len(sections)]*value

// layersOf is [layer] for every section.
func layersOf(m *mapping, path, bucket string) (*layers, error) {
	var out layers
	for i, s := range sections {
		v, err := layer(m, s, bucket, path)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return &out, nil
}

func (p *Project) resolveSuites() error {
	places, err := items(p.moved, "suites")
	if err != nil {
		return err
	}
	for _, pl := range places {
		s := suite{path: pl.path, m: pl.m, name: pl.m.get("name")}
		if s.name == nil {
			return nameless(p.moved.get("suites"), len(p.suites), "suite")
		}
		if s.excludes, err = filters(pl.m, pl.path, "excludes"); err != nil {
			return err
		}
		if s.includes, err = filters(pl.m, pl.path, "includes"); err != nil {
			return err
		}
		p.suites = append(p.suites, s)
	}
	return nil
}

func nameless(list *value, i int, what string) error {
	e := at(list.list[i], "the %s has no name", what)
	e.Advice = "give it one: `name: …`"
	return e
}

func (p *Project) resolvePlatforms() error {
	places, err := items(p.moved, "platforms")
	if err != nil {
		return err
	}
	for _, pl := range places {
		x := platform{path: pl.path, m: pl.m, name: pl.m.get("name"), osType: pl.m.get("os_type"), shellType: pl.m.get("shell_type")}
		if x.name == nil {
			return nameless(p.moved.get("platforms"), len(p.platforms), "platform")
		}
		if x.osType == nil || x.shellType == nil {
			win, err := windows(x)
			if err != nil {
				return err
			}
			org := &Origin{Default: "the platform's name"}
			osType, shellType := "unix", "bourne"
			if win {
				osType, shellType = "windows", "powershell"
			}
			if x.osType == nil {
				x.osType = stringValue(osType, org)
			}
			if x.shellType == nil {
				x.shellType = stringValue(shellType, org)
			}
		}
		p.platforms = append(p.platforms, x)
	}
	return nil
}

// windows is Platform#windows?: by name, or by a transport mapping.
func windows(x platform) (bool, error) {
	if x.name.kind != kindString && x.name.kind != kindSymbol {
		e := at(x.name, "the platform's name should be a string, but is %s", x.name.describe())
		if x.name.kind == kindNull {
			e.Msg = "the platform's name is empty"
			if x.name.org != nil && len(x.name.org.Env) > 0 {
				e.Advice = "it is made from the environment: set " + strings.Join(x.name.org.Env, ", ")
			}
		} else {
			e.Advice = "put it in quotes"
		}
		return false, e
	}
	if winName(strings.ToLower(x.name.s)) {
		return true, nil
	}
	t := x.m.get("transport")
	if t == nil || t.kind == kindNull {
		return false, nil
	}
	if t.kind != kindMap {
		e := notMapping(t, x.path+".transport", "")
		if t.kind == kindString {
			e.Advice = "write `transport: {name: " + t.s + "}`"
		}
		return false, e
	}
	n := t.m.get("name")
	return n != nil && n.kind == kindString && n.s == "winrm", nil
}

// winName says whether a line of the name starts with "win".
func winName(s string) bool {
	return strings.HasPrefix(s, "win") || strings.Contains(s, "\nwin")
}

// same is Ruby's == of two names.
func same(a, b *value) bool {
	if a.kind != b.kind {
		x, ok := a.number()
		y, ok2 := b.number()
		return ok && ok2 && a.kind != kindString && b.kind != kindString && x == y
	}
	switch a.kind {
	case kindList, kindMap:
		return a == b
	}
	return a.text() == b.text()
}

// instance makes one of what the top level, a platform and a suite say.
func (p *Project) instance(g *merger, s *suite, pl *platform, low [3]*layers, kitchen *value) (Instance, error) {
	in := Instance{
		Name:  instanceName(s.name, pl.name),
		Suite: s.name.text(), Platform: pl.name.text(), OSType: pl.osType.text(), ShellType: pl.shellType.text(),
		suite: s.name, platform: pl.name, osType: pl.osType, shellType: pl.shellType,
	}
	transport := "ssh"
	switch pl.name.kind {
	case kindString, kindSymbol:
		if winName(strings.ToLower(pl.name.s)) {
			transport = "winrm"
		}
	case kindNull:
	default:
		e := at(pl.name, "the platform's name should be a string, but is %s", pl.name.describe())
		e.Advice = "put it in quotes"
		return in, e
	}
	out := [len(sections)]*Section{&in.Driver, &in.Provisioner, &in.Transport, &in.Verifier, &in.Lifecycle}
	for i, section := range sections {
		def := defaults[section]
		if section == secTransport {
			def = transport
		}
		base := mapValue(&mapping{}, nil)
		if def != "" {
			base = single("name", stringValue(def, defaultOrigin))
		}
		v, err := g.sectionFor(section, base, low[0][i], low[1][i], low[2][i], kitchen)
		if err != nil {
			return in, err
		}
		*out[i] = Section{m: v.m, path: section, root: p.Root, home: p.loader.home, org: v.org}
	}
	return in, nil
}

var defaults = map[string]string{secDriver: defaultDriver, secProvisioner: defaultProvisioner, secVerifier: defaultVerifier}

var defaultOrigin = &Origin{Default: "default"}

var nameReplacer = strings.NewReplacer("_", "-", ",", "-", "/", "-", ".", "")

// instanceName is Instance.name_for.
func instanceName(suite, platform *value) string {
	return nameReplacer.Replace(suite.text() + "-" + platform.text())
}
