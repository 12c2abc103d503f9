package knife

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/ruby"
)

// context answers `knife`, `knife key: value` and `chef_zero do … end`.
func (l *loader) context(c *ruby.Call) (ruby.Value, bool, error) {
	name, _ := strings.CutSuffix(c.Name, "=")
	obj := l.contextObject(name)
	if c.Block != nil {
		_, err := c.YieldAs(obj, obj)
		return obj, true, err
	}
	switch {
	case c.Keywords != nil:
		return obj, true, l.restore(c, name, c.Keywords)
	case len(c.Args) == 1:
		return obj, true, l.restore(c, name, c.Args[0])
	case len(c.Args) > 1:
		return nil, true, c.Raise("ArgumentError", fmt.Sprintf("wrong number of arguments (given %d, expected 1)", len(c.Args)))
	}
	return obj, true, nil
}

// restore replaces all of a context (mixlib-config: restore).
func (l *loader) restore(c *ruby.Call, name string, v ruby.Value) error {
	h, ok := v.(*ruby.Hash)
	if !ok {
		return c.Raise("NoMethodError", "undefined method `to_hash' for "+c.Interp().Inspect(v))
	}
	t := l.contexts[name]
	for _, n := range slices.Clone(t.names()) {
		t.delete(n)
	}
	h.Each(func(k, v ruby.Value) bool {
		if key, ok := text(ruby.ToGo(k)); ok {
			t.set(key, entry{v, c.File, c.Line})
		}
		return true
	})
	return nil
}

func (l *loader) contextObject(name string) *ruby.HostObject {
	return &ruby.HostObject{Name: "ChefConfig::Config." + name, Host: &section{l, name, l.contexts[name]}}
}

// section is one context, such as knife.
type section struct {
	l    *loader
	name string
	t    *table
}

// Responds answers respond_to?; see [config.Responds].
func (s *section) Responds(name string) bool {
	return methods[name] || s.name == "knife" && strings.TrimSuffix(name, "=") == "hints"
}

// get reads a value; what a file may add to without setting it first is kept.
func (s *section) get(name string) ruby.Value {
	if e, ok := s.t.get(name); ok {
		return e.value
	}
	if s.name == "knife" && name == "hints" {
		v := ruby.NewHash()
		s.t.set(name, entry{value: v})
		return v
	}
	// The contexts of Chef's other tools have further contexts, as in
	// `chefdk.generator.license = "mit"`; they mean nothing here.
	if s.name == "chefdk" || s.name == "chefcli" {
		v := &ruby.HostObject{Name: s.name + "." + name, Host: &section{s.l, s.name, newTable()}}
		s.t.set(name, entry{value: v})
		return v
	}
	return nil
}

// Call implements [ruby.Host].
func (s *section) Call(c *ruby.Call) (ruby.Value, bool, error) {
	set := func(name string, v ruby.Value) error {
		s.t.set(name, entry{v, c.File, c.Line})
		return nil
	}
	if v, ok, err := s.l.tableCall(c, s.t, s.get, set); ok {
		return v, true, err
	}
	name, assign, args, ok := settingCall(c)
	if !ok {
		return nil, false, nil
	}
	switch {
	case len(args) == 1:
		s.t.set(name, entry{args[0], c.File, c.Line})
	case len(args) > 1:
		s.t.set(name, entry{ruby.NewArray(args...), c.File, c.Line})
	case assign:
		return nil, false, nil
	}
	return s.get(name), true, nil
}

// module is a Ruby module that holds constants and nothing else.
type module map[string]ruby.Value

// Call implements [ruby.Host].
func (m module) Call(c *ruby.Call) (ruby.Value, bool, error) {
	v, ok := m[c.Name]
	return v, ok && c.Bare, nil
}

// quiet is an object that takes every message and does nothing, as a log.
func quiet(name string) *ruby.HostObject {
	return &ruby.HostObject{Name: name, Host: ruby.HostFunc(func(c *ruby.Call) (ruby.Value, bool, error) {
		return nil, settingName().MatchString(strings.TrimSuffix(c.Name, "=")), nil
	})}
}

// reservedNames is where Chef keeps its own File for Windows, which files ask
// whether they are symbolic links; it means Ruby's File.
func (l *loader) reservedNames() *ruby.HostObject {
	file := ruby.HostFunc(func(c *ruby.Call) (ruby.Value, bool, error) {
		if c.Name != "File" {
			return nil, false, nil
		}
		v, err := l.interp().Eval(c.Context(), "::File", c.File)
		return v, err == nil, err
	})
	return &ruby.HostObject{Name: "Chef::ReservedNames", Host: module{"Win32": &ruby.HostObject{Name: "Chef::ReservedNames::Win32", Host: file}}}
}
