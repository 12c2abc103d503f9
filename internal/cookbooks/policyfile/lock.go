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

// lockReader notes the first mistake in a lock.
type lockReader struct{ err error }

func (r *lockReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// need returns a value that an object must have; who has it is for the error.
func need[T any](r *lockReader, o *jsonorder.Object, who, key string) T {
	v, ok := o.Value(key).(T)
	if s, isText := any(v).(string); !ok || isText && s == "" {
		r.fail("%s has no %s, or one of the wrong kind", who, key)
	}
	return v
}

func lockFrom(o *jsonorder.Object) (*Lock, error) {
	const lock = "the lock"
	r := &lockReader{}
	books := need[*jsonorder.Object](r, o, lock, "cookbook_locks")
	l := &Lock{
		Name: need[string](r, o, lock, "name"), RunList: r.runList(o, lock, "run_list"),
		defaults:  need[*jsonorder.Object](r, o, lock, "default_attributes"),
		overrides: need[*jsonorder.Object](r, o, lock, "override_attributes"),
	}
	if _, ok := o.Get("named_run_lists"); ok {
		named := need[*jsonorder.Object](r, o, lock, "named_run_lists")
		for _, name := range named.Keys() {
			l.named = append(l.named, namedList{name, r.runList(named, "named_run_lists of the lock", name)})
		}
	}
	for _, name := range books.Keys() {
		l.Cookbooks = append(l.Cookbooks, r.cookbook(name, need[*jsonorder.Object](r, books, "cookbook_locks", name)))
	}
	l.deps = r.dependencies(need[*jsonorder.Object](r, o, lock, "solution_dependencies"))
	if o.Value("included_policy_locks") != nil {
		l.included = need[[]any](r, o, lock, "included_policy_locks")
	}
	for _, e := range l.included {
		inc, _ := e.(*jsonorder.Object)
		for _, key := range []string{"revision_id", "name", "source_options"} {
			need[any](r, inc, "an included policy of the lock", key)
		}
	}
	return l, r.err
}

// lockItem is an entry of a run list in a lock.
var lockItem = text.Lazy(`\Arecipe\[[^:\s]{1,255}::[^:\s]{1,255}\]\z`)

func (r *lockReader) runList(o *jsonorder.Object, who, key string) []string {
	out := []string{}
	for _, e := range need[[]any](r, o, who, key) {
		s, _ := e.(string)
		if !lockItem().MatchString(s) {
			r.fail("the entry %v of %s has not the form recipe[cookbook::recipe]", e, key)
		}
		out = append(out, s)
	}
	return out
}

func (r *lockReader) cookbook(name string, o *jsonorder.Object) *CookbookLock {
	who := "the lock of the cookbook " + name
	c := &CookbookLock{
		Name: name, Version: need[string](r, o, who, "version"),
		Identifier: cookbook.Identifier(need[string](r, o, who, "identifier")),
		dotted:     need[string](r, o, who, "dotted_decimal_identifier"),
		options:    need[*jsonorder.Object](r, o, who, "source_options"),
	}
	if strings.ContainsAny(string(c.Identifier)+name, "/\\") || name == ".." {
		r.fail("%s has a name or an identifier that cannot be part of a path", who)
	}
	if key, ok := o.Get("cache_key"); ok && key == nil {
		c.Local, c.Source, c.scm = true, need[string](r, o, who, "source"), o.Value("scm_info")
	} else {
		c.cacheKey, c.origin = need[string](r, o, who, "cache_key"), o.Value("origin")
	}
	return c
}
