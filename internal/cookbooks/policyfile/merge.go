package policyfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/solver"
	"github.com/galleyhq/galley/internal/jsonorder"
)

// mergeIncludes puts the run lists of the included policies before those of
// the policy, and adds their attributes.
func (p *policy) mergeIncludes() error {
	var run []string
	var named []namedList
	add := func(list *[]string, items []string) {
		for _, item := range items {
			if !slices.Contains(*list, item) {
				*list = append(*list, item)
			}
		}
	}
	addNamed := func(n namedList) {
		i := slices.IndexFunc(named, func(have namedList) bool { return have.name == n.name })
		if i < 0 {
			i = len(named)
			named = append(named, namedList{name: n.name})
		}
		add(&named[i].items, n.items)
	}
	for _, i := range p.includes {
		add(&run, plainItems(i.lock.RunList))
		for _, n := range i.lock.named {
			addNamed(namedList{n.name, plainItems(n.items)})
		}
	}
	add(&run, p.runList)
	for _, n := range p.named {
		addNamed(n)
	}
	p.runList, p.named = run, named
	var err error
	if p.defaults, err = p.mergeAttributes("default", p.defaults, func(l *Lock) *jsonorder.Object { return l.defaults }); err != nil {
		return err
	}
	p.overrides, err = p.mergeAttributes("override", p.overrides,
		func(l *Lock) *jsonorder.Object { return l.overrides })
	return err
}

// plainItems takes the brackets from entries of a lock's run list.
func plainItems(items []string) []string {
	out := make([]string, len(items))
	for i, s := range items {
		out[i] = strings.TrimSuffix(strings.TrimPrefix(s, "recipe["), "]")
	}
	return out
}

// mergeAttributes adds the attributes of the included policies. Two values for
// one attribute are an error, unless they are equal.
func (p *policy) mergeAttributes(level string, own *jsonorder.Object, of func(*Lock) *jsonorder.Object) (*jsonorder.Object, error) {
	all := &jsonorder.Object{}
	if err := addAttributes(all, own, "this Policyfile", level); err != nil {
		return nil, err
	}
	for _, i := range p.includes {
		if err := addAttributes(all, of(i.lock), "the policy "+i.name, level); err != nil {
			return nil, err
		}
	}
	return values(all), nil
}

// leaf is an attribute's value and who gave it.
type leaf struct {
	by    string
	value any
}

// addAttributes adds attributes to those of others, as leaves. An array that
// two of them have loses its double elements, as chef-cli merges arrays.
func addAttributes(all, attrs *jsonorder.Object, by, path string) error {
	for _, k := range attrs.Keys() {
		v, at := attrs.Value(k), fmt.Sprintf("%s[%q]", path, k)
		old, known := all.Get(k)
		inner, isObject := v.(*jsonorder.Object)
		switch have := old.(type) {
		case *jsonorder.Object:
			if !isObject {
				return attributeConflict(at, "another policy", by)
			}
			if err := addAttributes(have, inner, by, at); err != nil {
				return err
			}
		case leaf:
			if isObject || !jsonorder.Equal(have.value, v) {
				return attributeConflict(at, have.by, by)
			}
			if list, ok := v.([]any); ok {
				all.Set(k, leaf{have.by, distinct(list)})
			}
		}
		switch {
		case known:
		case isObject:
			group := &jsonorder.Object{}
			all.Set(k, group)
			if err := addAttributes(group, inner, by, at); err != nil {
				return err
			}
		default:
			all.Set(k, leaf{by, v})
		}
	}
	return nil
}

func attributeConflict(at, one, other string) error {
	return fmt.Errorf("the attribute %s has different values: by %s and by %s; included policies cannot be overridden", at, one, other)
}

func distinct(list []any) []any {
	out := []any{}
	for _, e := range list {
		if !slices.ContainsFunc(out, func(o any) bool { return jsonorder.Equal(o, e) }) {
			out = append(out, e)
		}
	}
	return out
}

// values are attributes without who gave them.
func values(o *jsonorder.Object) *jsonorder.Object {
	out := &jsonorder.Object{}
	for _, k := range o.Keys() {
		switch v := o.Value(k).(type) {
		case leaf:
			out.Set(k, v.value)
		case *jsonorder.Object:
			out.Set(k, values(v))
		}
	}
	return out
}

// sortedDemands are the lock's demands in the order in which it writes them.
func (d *dependencies) sortedDemands() []solver.Requirement {
	return slices.SortedStableFunc(slices.Values(d.policyfile), func(a, b solver.Requirement) int {
		return strings.Compare(a.Name+"\x00"+a.Constraint.String(), b.Name+"\x00"+b.Constraint.String())
	})
}
