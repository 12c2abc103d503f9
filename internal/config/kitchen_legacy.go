package config

// The rules in this file are those of Test Kitchen 3.9 (Kitchen::DataMunger),
// which moves the keys of older versions to where they are now, in its order.
// Where its Ruby would end in a NoMethodError or a TypeError, the same data is
// an *Error here.

// deep lays over onto base as merge does, for values that should be mappings.
func (g *merger) deep(base, over *value, path string) (*value, error) {
	if base.kind != kindMap {
		return nil, notMapping(base, path, "")
	}
	if over.kind != kindMap {
		return nil, notMapping(over, path, "")
	}
	m, err := g.merge(base.m, over.m, path)
	if err != nil {
		return nil, err
	}
	org := base.org
	if base.m.len() == 0 || org == nil {
		org = over.org
	}
	return mapValue(m, org), nil
}

func single(key string, v *value) *value {
	m := &mapping{}
	m.set(key, v)
	return mapValue(m, v.org)
}

// named returns the section at key; a string is short for {name: string}, a
// missing key is an empty mapping.
func named(root *mapping, key string) *value {
	v := root.get(key)
	switch {
	case v == nil:
		return mapValue(&mapping{}, nil)
	case v.kind == kindString:
		return single("name", v)
	}
	return v
}

func moved(v *value, from string) *value {
	c := *v
	o := Origin{}
	if v.org != nil {
		o = *v.org
	}
	o.Moved = from
	c.org = &o
	return &c
}

// scope is a mapping that the legacy rules apply to: the top level, a
// platform or a suite.
type scope struct {
	m    *mapping
	path string
}

// moveLegacyKeys applies the legacy rules to the whole file. It works on
// mappings that nothing else shares.
func (g *merger) moveLegacyKeys(data *mapping) error {
	platforms, err := items(data, "platforms")
	if err != nil {
		return err
	}
	suites, err := items(data, "suites")
	if err != nil {
		return err
	}
	all := append(append([]scope{{data, ""}}, platforms...), suites...)
	paths := []string{"data_path", "data_bags_path", "encrypted_data_bag_secret_key_path", "environments_path", "nodes_path", "roles_path"}
	lift := func(keys ...string) func(scope) error { return func(p scope) error { return g.lift(p, keys) } }
	chef := lift("attributes", "run_list", "named_run_list", "policy_group")
	for _, step := range []struct {
		scopes []scope
		rule   func(scope) error
	}{
		{all, g.legacyDriver},
		{suites, lift(paths...)},
		{all, g.legacyOmnibus},
		{all, g.legacyBusser},
		{all, g.legacyProxy},
		{suites, chef},
		{platforms, chef},
		{all, legacyPreCreate},
	} {
		for _, p := range step.scopes {
			if err := step.rule(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// items returns the mappings of a list at the top level.
func items(data *mapping, key string) ([]scope, error) {
	v := data.get(key)
	if v == nil || v.kind == kindMap && v.m.len() == 0 {
		return nil, nil
	}
	if v.kind != kindList {
		e := at(v, "%s should be a list, but is %s", key, v.describe())
		if v.kind == kindNull {
			e.Advice = "leave the key out, or put something below it"
		}
		return nil, e
	}
	out := make([]scope, 0, len(v.list))
	for i, x := range v.list {
		if x.kind != kindMap {
			e := at(x, "each of the %s should be a mapping, but number %d is %s", key, i+1, x.describe())
			e.Advice = "write `- name: …`"
			return nil, e
		}
		out = append(out, scope{x.m, key + "[" + itoa(i) + "]"})
	}
	return out, nil
}

// under lays what is in a section over a value that moves there; over lays the
// value over it.
func (g *merger) under(p scope, section string, v *value) error {
	return g.move(p, section, v, named(p.m, section))
}

func (g *merger) over(p scope, section string, v *value) error {
	return g.move(p, section, named(p.m, section), v)
}

func (g *merger) move(p scope, section string, low, high *value) error {
	merged, err := g.deep(low, high, join(p.path, section))
	if err == nil {
		p.m.set(section, merged)
	}
	return err
}

// take removes a key from the driver of a scope, nil where it is not there.
func take(p scope, key string) *value {
	d := p.m.get("driver")
	if d == nil || d.kind != kindMap || !d.m.has(key) {
		return nil
	}
	// The driver's mapping may be shared with where it was merged from.
	d = mapValue(d.m.clone(), d.org)
	v := moved(d.m.delete(key), join(p.path, "driver."+key))
	p.m.set("driver", d)
	return v
}

// legacyDriver: driver_config goes below driver, driver_plugin becomes its
// name; what driver says itself wins.
func (g *merger) legacyDriver(p scope) error {
	if c := p.m.delete("driver_config"); c != nil {
		if err := g.under(p, "driver", relabel(c, join(p.path, "driver_config"))); err != nil {
			return err
		}
	}
	if n := p.m.delete("driver_plugin"); n != nil {
		return g.under(p, "driver", single("name", moved(n, join(p.path, "driver_plugin"))))
	}
	return nil
}

// relabel notes the old scope on every direct entry of a moved mapping.
func relabel(v *value, from string) *value {
	if v.kind != kindMap {
		return moved(v, from)
	}
	m := &mapping{entries: make([]entry, 0, v.m.len())}
	for _, e := range v.m.entries {
		e.val = moved(e.val, from+"."+e.name)
		m.put(e)
	}
	return mapValue(m, v.org)
}

// lift moves keys into the provisioner. Null is not moved.
func (g *merger) lift(p scope, keys []string) error {
	for _, key := range keys {
		v := p.m.get(key)
		if v == nil || v.kind == kindNull {
			continue
		}
		if err := g.over(p, "provisioner", single(key, moved(v, join(p.path, key)))); err != nil {
			return err
		}
		p.m.delete(key)
	}
	return nil
}

func (g *merger) legacyOmnibus(p scope) error {
	const key = "require_chef_omnibus"
	if v := take(p, key); v != nil {
		return g.under(p, "provisioner", single(key, v))
	}
	return nil
}

func (g *merger) legacyBusser(p scope) error {
	if !p.m.has("busser") {
		return nil
	}
	b := p.m.delete("busser")
	from := join(p.path, "busser")
	switch b.kind {
	case kindString:
		b = single("version", moved(b, from))
	case kindMap:
		b = relabel(b, from)
	default:
		return notMapping(b, from, "")
	}
	if n := b.m.get("name"); n == nil || n.kind == kindNull {
		b.m.set("name", stringValue("busser", &Origin{Default: "busser", Moved: from}))
	}
	return g.under(p, "verifier", b)
}

func (g *merger) legacyProxy(p scope) error {
	for _, key := range []string{"http_proxy", "https_proxy"} {
		d := p.m.get("driver")
		if d == nil || d.kind != kindMap || !d.m.has(key) {
			continue
		}
		v := moved(d.m.get(key), join(p.path, "driver."+key))
		for _, to := range []string{"provisioner", "verifier"} {
			if err := g.under(p, to, single(key, v)); err != nil {
				return err
			}
		}
	}
	return nil
}

// legacyPreCreate turns the driver's pre_create_command into a local hook
// behind those that there are.
func legacyPreCreate(p scope) error {
	cmd := take(p, "pre_create_command")
	if cmd == nil {
		return nil
	}
	path := join(p.path, "lifecycle")
	life := p.m.get("lifecycle")
	switch {
	case falsy(life):
		life = mapValue(&mapping{}, nil)
	case life.kind != kindMap:
		return notMapping(life, path, "")
	}
	life = mapValue(life.m.clone(), life.org)
	hooks := &value{kind: kindList, org: life.org}
	if old := life.m.get("pre_create"); !falsy(old) {
		hooks.list, hooks.org = rubyArray(old), old.org
	}
	hooks.list = append(hooks.list[:len(hooks.list):len(hooks.list)], single("local", cmd))
	life.m.set("pre_create", hooks)
	p.m.set("lifecycle", life)
	return nil
}

// falsy is Ruby's idea of what ||= replaces.
func falsy(v *value) bool {
	return v == nil || v.kind == kindNull || v.kind == kindBool && !v.b
}

// rubyArray is Kernel#Array: a mapping becomes a list of pairs.
func rubyArray(v *value) []*value {
	switch v.kind {
	case kindNull:
		return nil
	case kindList:
		return v.list
	case kindMap:
		var out []*value
		for _, e := range v.m.entries {
			pair := &value{kind: kindList, org: v.org, list: []*value{{kind: kindSymbol, s: e.name, org: e.org}, e.val}}
			out = append(out, pair)
		}
		return out
	}
	return []*value{v}
}
