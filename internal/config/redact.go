package config

import (
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
)

// redactedText replaces a secret.
const redactedText = "[redacted]"

// redactor hides secrets in data: the value of a key with a secret's name,
// what a template took from a variable with such a name, the passwords of
// URLs, and the text of known secrets wherever it comes again.
type redactor struct {
	secrets []string
}

// minSecret is how long a secret is at least that is looked for within other
// text; a shorter one would hide half of the output.
const minSecret = 6

// newRedactor collects the secrets of the environment and of the data.
func newRedactor(env *Env, data ...*value) *redactor {
	r := &redactor{}
	if env != nil {
		for _, kv := range env.Environ() {
			if name, v, _ := strings.Cut(kv, "="); secret.IsName(name) {
				r.learn(v)
			}
		}
	}
	for _, v := range data {
		r.collect(v, false)
	}
	// The longest first: one may be a part of another.
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
	r.secrets = slices.Compact(r.secrets)
	return r
}

func (r *redactor) learn(s string) {
	if len(s) >= minSecret {
		r.secrets = append(r.secrets, s)
	}
}

func (r *redactor) collect(v *value, hide bool) {
	if v == nil {
		return
	}
	switch v.kind {
	case kindMap:
		for _, e := range v.m.entries {
			r.collect(e.val, hide || secret.IsName(e.name))
		}
	case kindList:
		for _, x := range v.list {
			r.collect(x, hide)
		}
	case kindString:
		if hide {
			r.learn(v.s)
		}
	}
}

// value returns a copy without secrets.
func (r *redactor) value(v *value, hide bool) *value {
	if r == nil || v == nil {
		return v
	}
	switch v.kind {
	case kindMap:
		m := &mapping{entries: make([]entry, 0, v.m.len())}
		for _, e := range v.m.entries {
			e.val = r.value(e.val, hide || secret.IsName(e.name) || e.name == "environment" && e.val.kind == kindMap)
			m.put(e)
		}
		return mapValue(m, v.org)
	case kindList:
		out := &value{kind: kindList, org: v.org, list: make([]*value, len(v.list))}
		for i, x := range v.list {
			out.list[i] = r.value(x, hide)
		}
		return out
	case kindNull, kindBool:
		return v
	}
	if v.kind == kindString && v.s == "" {
		return v
	}
	if hide || v.org != nil && slices.ContainsFunc(v.org.Env, secret.IsName) {
		return stringValue(redactedText, v.org)
	}
	if v.kind == kindString {
		if s := r.text(v.s); s != v.s {
			return stringValue(s, v.org)
		}
	}
	return v
}

// reSetting is a line of a file that gives a key its value.
var reSetting = text.Lazy(`(?m)^([ \t-]*["':]?)([A-Za-z_][A-Za-z0-9_.-]*)(["']?[ \t]*:[ \t]+)([^\s#].*)$`)

// text hides known secrets, and those in URLs.
func (r *redactor) text(s string) string {
	if r == nil {
		return s
	}
	for _, x := range r.secrets {
		s = strings.ReplaceAll(s, x, redactedText)
	}
	return secret.HideURLs(s)
}

// file hides what a file's text gives to keys with a secret's name.
func (r *redactor) file(s string) string {
	if r == nil {
		return s
	}
	s = reSetting().ReplaceAllStringFunc(s, func(l string) string {
		m := reSetting().FindStringSubmatch(l)
		// A template's code names a secret, but does not hold it.
		if !secret.IsName(m[2]) || strings.HasPrefix(m[4], "<%") {
			return l
		}
		return m[1] + m[2] + m[3] + redactedText
	})
	return r.text(s)
}

// Redacted returns the instances without their secrets, for printing.
func (p *Project) Redacted(instances []Instance) []Instance {
	r := newRedactor(p.loader.env, mapValue(p.raw, nil))
	out := slices.Clone(instances)
	for i := range out {
		in := &out[i]
		for _, s := range []*Section{&in.Driver, &in.Provisioner, &in.Transport, &in.Verifier, &in.Lifecycle} {
			if s.m != nil {
				s.m = r.value(mapValue(s.m, nil), false).m
			}
		}
	}
	return out
}
