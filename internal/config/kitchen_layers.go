package config

// The plug-in sections of an instance.
const (
	secDriver      = "driver"
	secProvisioner = "provisioner"
	secTransport   = "transport"
	secVerifier    = "verifier"
	secLifecycle   = "lifecycle"
)

// sections in the order of `config resolve`.
var sections = [...]string{secDriver, secProvisioner, secTransport, secVerifier, secLifecycle}

// layer returns what the top level, a platform or a suite says about a
// plug-in, as a mapping; bucket names the layer for concatenated lists.
func layer(root *mapping, section, bucket, path string) (*value, error) {
	at := join(path, section)
	v := named(root, section)
	if v.kind == kindNull {
		v = mapValue(&mapping{}, v.org)
	}
	if v.kind != kindMap {
		return nil, notMapping(v, at, "")
	}
	switch {
	case section == secLifecycle:
		m := &mapping{entries: make([]entry, 0, v.m.len())}
		for _, e := range v.m.entries {
			e.val = single(bucket, e.val)
			m.put(e)
		}
		return mapValue(m, v.org), nil
	case section == secProvisioner && bucket != bucketCommon && v.m.has("run_list"):
		m := v.m.clone()
		m.set("run_list", single(bucket, m.get("run_list")))
		return mapValue(m, v.org), nil
	}
	return v, nil
}

const (
	bucketCommon   = "common"
	bucketPlatform = "platform"
	bucketSuite    = "suite"
)

// sectionFor merges the layers of one section: default, top level, platform,
// suite.
func (g *merger) sectionFor(section string, def *value, common, platform, suite *value, kitchen *value) (*value, error) {
	low, err := g.deep(platform, suite, section)
	if err != nil {
		return nil, err
	}
	if low, err = g.deep(common, low, section); err != nil {
		return nil, err
	}
	v, err := g.deep(def, low, section)
	if err != nil {
		return nil, err
	}
	// What comes next writes to the mapping, which may be one of the layers.
	m := v.m.clone()
	switch section {
	case secLifecycle:
		for i := range m.entries {
			if m.entries[i].val, err = combine(m.entries[i].val, section+"."+m.entries[i].name, bucketCommon, bucketPlatform, bucketSuite); err != nil {
				return nil, err
			}
		}
	}
	for _, key := range kitchenKeys[section] {
		m.delete(key)
		if kitchen != nil {
			if o := kitchen.m.get(key); o != nil {
				m.set(key, o)
			}
		}
	}
	if section == secProvisioner {
		if rl := m.get("run_list"); rl != nil {
			c, err := combine(rl, "provisioner.run_list", bucketPlatform, bucketSuite)
			if err != nil {
				return nil, err
			}
			m.set("run_list", c)
		}
	}
	return mapValue(m, v.org), nil
}

// kitchenKeys are never taken from a plug-in's section: they are the tool's
// own, or of the mapping `kitchen`.
var kitchenKeys = map[string][]string{
	secDriver:      {"kitchen_root", "test_base_path", "log_level"},
	secProvisioner: {"kitchen_root", "test_base_path", "debug"},
	secTransport:   {"kitchen_root", "test_base_path", "log_level"},
	secVerifier:    {"kitchen_root", "test_base_path", "log_level", "debug"},
	secLifecycle:   {"kitchen_root", "test_base_path", "log_level", "debug"},
}

// combine concatenates the layers of a list: nested lists are flattened and
// nulls left out.
func combine(v *value, path string, buckets ...string) (*value, error) {
	if v.kind != kindMap {
		e := at(v, "%s at the top level is %s, which cannot be joined with those of platforms and suites", path, v.describe())
		e.Advice = "put it into the platforms or the suites"
		return nil, e
	}
	out := &value{kind: kindList, list: []*value{}}
	for _, b := range buckets {
		if x := v.m.get(b); x != nil {
			flatten(out, x)
			if out.org == nil {
				out.org = x.org
			}
		}
	}
	return out, nil
}

func flatten(out *value, v *value) {
	switch v.kind {
	case kindNull:
	case kindList:
		for _, x := range v.list {
			flatten(out, x)
		}
	default:
		out.list = append(out.list, v)
	}
}
