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
func (p *policy) mergeAttributes(
	level string,
	own *jsonorder.Object,
	of func(*Lock) *jsonorder.Object,
) (*jsonorder.Object, error) {
	seen := &jsonorder.Object{}
	if err := noteLeaves(seen, own, "this Policyfile", level); err != nil {
		return nil, err
	}
	out := own
	for _, i := range p.includes {
		if err := noteLeaves(seen, of(i.lock), "the policy "+i.name, level); err != nil {
			return nil, err
		}
		merged, _ := deepMerge(out, of(i.lock)).(*jsonorder.Object)
		out = merged
	}
	return out, nil
}

// leaf is an attribute's value and who gave it.
type leaf struct {
	by    string
	value any
}

// noteLeaves adds the values of attributes to those seen before.
func noteLeaves(seen, attrs *jsonorder.Object, by, path string) error {
	for _, k := range attrs.Keys() {
		v, at := attrs.Value(k), fmt.Sprintf("%s[%q]", path, k)
		old := seen.Value(k)
		inner, isObject := v.(*jsonorder.Object)
		if old == nil {
			if !isObject {
				seen.Set(k, leaf{by, v})
				continue
			}
			old = &jsonorder.Object{}
			seen.Set(k, old)
		}
		group, wasObject := old.(*jsonorder.Object)
		if isObject && wasObject {
			if err := noteLeaves(group, inner, by, at); err != nil {
				return err
			}
			continue
		}
		if l, ok := old.(leaf); !ok || isObject || !jsonorder.Equal(l.value, v) {
			other := "another policy"
			if ok {
				other = l.by
			}
			return fmt.Errorf(
				"the attribute %s has different values: by %s and by %s; included policies cannot be overridden",
				at, other, by)
		}
	}
	return nil
}

// deepMerge merges b into a copy of a: objects by key, arrays as a union; else
// b is taken.
func deepMerge(a, b any) any {
	switch y := b.(type) {
	case *jsonorder.Object:
		x, ok := a.(*jsonorder.Object)
		if !ok {
			return b
		}
		out := x.Clone()
		for _, k := range y.Keys() {
			if old, ok := out.Get(k); ok {
				out.Set(k, deepMerge(old, y.Value(k)))
			} else {
				out.Set(k, y.Value(k))
			}
		}
		return out
	case []any:
		x, ok := a.([]any)
		if !ok {
			return b
		}
		out := []any{}
		for _, e := range append(slices.Clone(x), y...) {
			if !slices.ContainsFunc(out, func(o any) bool { return jsonorder.Equal(o, e) }) {
				out = append(out, e)
			}
		}
		return out
	}
	return b
}

// sortedDemands are the lock's demands in the order in which it writes them.
func (d *dependencies) sortedDemands() []solver.Requirement {
	return slices.SortedStableFunc(slices.Values(d.policyfile), func(a, b solver.Requirement) int {
		return strings.Compare(a.Name+"\x00"+a.Constraint.String(), b.Name+"\x00"+b.Constraint.String())
	})
}
