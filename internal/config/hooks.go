package config

// Hook is one command of a lifecycle section (Test Kitchen: lifecycle).
// Exactly one of Local and Remote is set.
type Hook struct {
	// Local runs on the workstation, Remote on the instance.
	Local, Remote string
	// Includes and Excludes are platform names or /regexps/; when there are
	// includes, they alone count.
	Includes, Excludes []Pattern
	// Environment is added for a local command.
	Environment map[string]string
	// Cwd is a local command's directory, relative to the project; "" is the
	// project.
	Cwd string
	// User is the local user that a local command runs as, "" the same.
	User string
	// Skippable lets a remote hook be passed over.
	Skippable bool
}

// Hooks returns the hooks of a phase, such as "pre_create", in the order in
// which they run. A string is a local command.
func (s Section) Hooks(phase string) ([]Hook, error) {
	v := s.get(phase)
	if v == nil {
		return nil, nil
	}
	list := []*value{v}
	if v.kind == kindList {
		list = v.list
	}
	hooks := make([]Hook, 0, len(list))
	for _, x := range list {
		switch x.kind {
		case kindNull:
		case kindString:
			hooks = append(hooks, Hook{Local: x.s})
		case kindMap:
			h, err := s.child(phase, x).hook(phase, x)
			if err != nil {
				return nil, err
			}
			hooks = append(hooks, h)
		default:
			return nil, s.mistake(phase, x, "a command, or a mapping with local or remote")
		}
	}
	return hooks, nil
}

// hook reads one mapping of a lifecycle section.
func (s Section) hook(phase string, x *value) (h Hook, err error) {
	text := func(key string, into *string) {
		if err == nil {
			*into, err = s.String(key, "")
		}
	}
	patterns := func(key string, into *[]Pattern) {
		if err == nil {
			*into, err = s.patterns(key)
		}
	}
	switch {
	case s.m.has("local"):
		text("local", &h.Local)
	case s.m.has("remote"):
		text("remote", &h.Remote)
	}
	if err == nil && h.Local == "" && h.Remote == "" {
		return h, &ValueError{Section: secLifecycle, Key: phase, Where: x.org.place(), Found: "a mapping without a command", Want: "one with local or remote"}
	}
	patterns("includes", &h.Includes)
	patterns("excludes", &h.Excludes)
	text("cwd", &h.Cwd)
	text("user", &h.User)
	if err == nil {
		h.Skippable, err = s.Bool("skippable", false)
	}
	var env Section
	if err == nil {
		env, err = s.Map("environment")
	}
	for _, k := range env.Keys() {
		if h.Environment == nil {
			h.Environment = map[string]string{}
		}
		if err == nil {
			h.Environment[k], err = env.String(k, "")
		}
	}
	return h, err
}

// patterns reads the includes or excludes of a hook.
func (s Section) patterns(key string) ([]Pattern, error) {
	texts, err := s.StringList(key)
	if err != nil {
		return nil, err
	}
	var out []Pattern
	for _, text := range texts {
		p, err := newPattern(text)
		if err != nil {
			e := at(s.get(key), "%s of a hook is not a valid regular expression: %s", key, cause(err))
			e.Text, e.Err = text, err
			return nil, e
		}
		out = append(out, p)
	}
	return out, nil
}
