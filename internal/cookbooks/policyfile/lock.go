package policyfile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/jsonorder"
	"github.com/galleyhq/galley/internal/text"
)

// Lock is the content of a Policyfile.lock.json.
type Lock struct {
	Name string
	// RunList holds entries of the form recipe[cookbook::recipe].
	RunList []string
	named   []namedList
	// Cookbooks are the locked cookbooks.
	Cookbooks []*CookbookLock
	included  []any
	// defaults and overrides are the attributes.
	defaults, overrides *jsonorder.Object
	deps                dependencies
}

// CookbookLock is one cookbook of a lock.
type CookbookLock struct {
	Name, Version string
	Identifier    cookbook.Identifier
	// Local is one from a path; Source is that path, relative to the lock.
	Local  bool
	Source string

	dotted   string
	cacheKey string
	origin   any
	scm      any
	options  *jsonorder.Object
}

// NamedRunLists returns the names of the named run lists.
func (l *Lock) NamedRunLists() []string {
	var names []string
	for _, n := range l.named {
		names = append(names, n.name)
	}
	return names
}

// Cookbook returns the lock of a cookbook, nil where there is none.
func (l *Lock) Cookbook(name string) *CookbookLock {
	for _, c := range l.Cookbooks {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// RevisionID identifies all of the policy that has an effect on a node.
func (l *Lock) RevisionID() string {
	var b strings.Builder
	fmt.Fprintf(&b, "name:%s\n", l.Name)
	for _, item := range l.RunList {
		fmt.Fprintf(&b, "run-list-item:%s\n", item)
	}
	for _, n := range l.named {
		for _, item := range n.items {
			fmt.Fprintf(&b, "named-run-list:%s;run-list-item:%s\n", n.name, item)
		}
	}
	for _, c := range l.sorted() {
		fmt.Fprintf(&b, "cookbook:%s;id:%s\n", c.Name, c.Identifier)
	}
	fmt.Fprintf(&b, "default_attributes:%s\n", canonical(l.defaults))
	fmt.Fprintf(&b, "override_attributes:%s\n", canonical(l.overrides))
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:])
}

func (l *Lock) sorted() []*CookbookLock {
	return slices.SortedFunc(slices.Values(l.Cookbooks),
		func(a, b *CookbookLock) int { return strings.Compare(a.Name, b.Name) })
}

// Marshal writes the lock as chef-cli does.
func (l *Lock) Marshal() []byte { return jsonorder.Marshal(l.object()) }

func (l *Lock) object() *jsonorder.Object {
	o := jsonorder.NewObject("revision_id", l.RevisionID(), "name", l.Name, "run_list", l.RunList)
	if len(l.named) > 0 {
		named := &jsonorder.Object{}
		for _, n := range l.named {
			named.Set(n.name, n.items)
		}
		o.Set("named_run_lists", named)
	}
	included := l.included
	if included == nil {
		included = []any{}
	}
	o.Set("included_policy_locks", included)
	books := &jsonorder.Object{}
	for _, c := range l.sorted() {
		books.Set(c.Name, c.object())
	}
	o.Set("cookbook_locks", books)
	o.Set("default_attributes", l.defaults)
	o.Set("override_attributes", l.overrides)
	o.Set("solution_dependencies", l.deps.object())
	return o
}

func (c *CookbookLock) object() *jsonorder.Object {
	o := jsonorder.NewObject("version", c.Version, "identifier", string(c.Identifier),
		"dotted_decimal_identifier", c.dotted)
	if c.Local {
		o.Set("source", c.Source)
		o.Set("cache_key", nil)
		o.Set("scm_info", c.scm)
	} else {
		o.Set("cache_key", c.cacheKey)
		o.Set("origin", c.origin)
	}
	o.Set("source_options", c.options)
	return o
}

// ParseLock reads a lock. file names it in the error.
func ParseLock(data []byte, file string) (*Lock, error) {
	o, err := jsonorder.ParseObject(data)
	var l *Lock
	if err == nil {
		l, err = lockFrom(o)
	}
	if err != nil {
		return nil, &source.Problem{
			Msg: file + ": " + err.Error(), Err: err,
			Advice: "restore the lock from version control, or make a new one with `galley deps update`",
		}
	}
	return l, nil
}

// lockItem is an entry of a run list in a lock.
var lockItem = text.Lazy(`\Arecipe\[[^:\s]{1,255}::[^:\s]{1,255}\]\z`)

func lockFrom(o *jsonorder.Object) (*Lock, error) {
	l := &Lock{Name: o.String("name")}
	if l.Name == "" {
		return nil, fmt.Errorf("the lock has no name, or one that is not a text")
	}
	var err error
	if l.RunList, err = runListFrom(o, "run_list"); err != nil {
		return nil, err
	}
	if v, ok := o.Get("named_run_lists"); ok {
		named, ok := v.(*jsonorder.Object)
		if !ok {
			return nil, fmt.Errorf("named_run_lists of the lock is not an object")
		}
		for _, name := range named.Keys() {
			items, err := runListFrom(named, name)
			if err != nil {
				return nil, fmt.Errorf("named_run_lists: %w", err)
			}
			l.named = append(l.named, namedList{name, items})
		}
	}
	sections := map[string]**jsonorder.Object{
		"default_attributes":  &l.defaults,
		"override_attributes": &l.overrides,
	}
	var books, deps *jsonorder.Object
	sections["cookbook_locks"], sections["solution_dependencies"] = &books, &deps
	for _, key := range []string{"cookbook_locks", "default_attributes", "override_attributes", "solution_dependencies"} {
		if *sections[key] = o.Object(key); *sections[key] == nil {
			return nil, fmt.Errorf("the lock has no %s, or something that is not an object in its place", key)
		}
	}
	for _, name := range books.Keys() {
		c, err := cookbookLockFrom(name, books.Object(name))
		if err != nil {
			return nil, err
		}
		l.Cookbooks = append(l.Cookbooks, c)
	}
	if l.deps, err = dependenciesFrom(deps); err != nil {
		return nil, err
	}
	return l, l.readIncluded(o)
}

func (l *Lock) readIncluded(o *jsonorder.Object) error {
	v := o.Value("included_policy_locks")
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		return fmt.Errorf("included_policy_locks of the lock is not a list")
	}
	for _, e := range list {
		inc, _ := e.(*jsonorder.Object)
		for _, key := range []string{"revision_id", "name", "source_options"} {
			if inc.Value(key) == nil {
				return fmt.Errorf("an included policy of the lock has no %s", key)
			}
		}
	}
	l.included = list
	return nil
}

func runListFrom(o *jsonorder.Object, key string) ([]string, error) {
	list, ok := o.Value(key).([]any)
	if !ok {
		return nil, fmt.Errorf("the lock has no %s, or something that is not a list in its place", key)
	}
	out := make([]string, len(list))
	for i, e := range list {
		s, ok := e.(string)
		if !ok || !lockItem().MatchString(s) {
			return nil, fmt.Errorf("the entry %v of %s has not the form recipe[cookbook::recipe]", e, key)
		}
		out[i] = s
	}
	return out, nil
}

func cookbookLockFrom(name string, o *jsonorder.Object) (*CookbookLock, error) {
	fail := func(what string) error { return fmt.Errorf("the lock of the cookbook %s %s", name, what) }
	if o == nil {
		return nil, fail("is not an object")
	}
	for _, key := range []string{"version", "identifier", "dotted_decimal_identifier", "cache_key", "source_options"} {
		if _, ok := o.Get(key); !ok {
			return nil, fail("has no " + key)
		}
	}
	c := &CookbookLock{
		Name:       name,
		Version:    o.String("version"),
		Identifier: cookbook.Identifier(o.String("identifier")),
		dotted:     o.String("dotted_decimal_identifier"),
		options:    o.Object("source_options"),
	}
	for key, ok := range map[string]bool{"version": c.Version != "", "identifier": c.Identifier != "", "source_options": c.options != nil} {
		if !ok {
			return nil, fail(fmt.Sprintf("has a %s of the wrong kind", key))
		}
	}
	if strings.ContainsAny(string(c.Identifier), "/\\") || strings.ContainsAny(name, "/\\") || name == ".." {
		return nil, fail("has a name or an identifier that cannot be part of a path")
	}
	switch key := o.Value("cache_key").(type) {
	case nil:
		c.Local, c.Source, c.scm = true, o.String("source"), o.Value("scm_info")
		if c.Source == "" {
			return nil, fail("has no source, which a cookbook of a path must have")
		}
	case string:
		c.cacheKey, c.origin = key, o.Value("origin")
	default:
		return nil, fail("has a cache_key of the wrong kind")
	}
	return c, nil
}
