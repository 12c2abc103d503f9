package policyfile

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/jsonorder"
	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/text"
)

// reader evaluates one Policyfile.
type reader struct {
	job      *Job
	policy   *policy
	problems []string
	defaults *attributes
	over     *attributes
	words    source.Words
}

// words are the names that a Policyfile may call.
var words = []string{
	"name", "run_list", "named_run_list", "default_source", "cookbook", "include_policy", "metadata", "default",
	"override", "chef_config", "policyfile_filename", "policyfile_expanded_path", "policyfile_lock_expanded_path",
	"relative_paths_root", "cache_path",
}

// read evaluates the Policyfile of the job.
func (j *Job) read(ctx context.Context) (*policy, error) {
	var r *reader
	in, err := j.Eval(ctx, j.file, func() (ruby.Host, *source.Words) {
		r = &reader{job: j, policy: &policy{}, defaults: newAttributes(), over: newAttributes(), words: source.Words{Known: words}}
		return r, &r.words
	})
	if err != nil {
		return nil, err
	}
	r.finish(in)
	if len(r.problems) > 0 {
		return nil, mistakes(j.file, r.problems...)
	}
	return r.policy, nil
}

// finish checks the whole and takes the attributes over.
func (r *reader) finish(in *ruby.Interp) {
	p := r.policy
	if len(p.runList) == 0 {
		r.problems = append(r.problems, "the run_list is empty: name the recipes, as in `run_list 'app::default'`")
	}
	for i, a := range p.sources {
		for _, b := range p.sources[i+1:] {
			for _, name := range a.names {
				if slices.Contains(b.names, name) {
					r.problems = append(r.problems,
						fmt.Sprintf("%s and %s are both preferred for %s; only one source can be", a, b, name))
				}
			}
		}
	}
	var err error
	if p.defaults, err = r.defaults.data(in, "default"); err != nil {
		r.problems = append(r.problems, err.Error())
	}
	if p.overrides, err = r.over.data(in, "override"); err != nil {
		r.problems = append(r.problems, err.Error())
	}
}

// Responds implements [ruby.Responder].
func (r *reader) Responds(name string) bool { return slices.Contains(words, name) }

// Call implements [ruby.Host].
func (r *reader) Call(c *ruby.Call) (ruby.Value, bool, error) {
	at := fmt.Sprintf("line %d: ", c.Line)
	problem := func(err error) {
		if err != nil {
			r.problems = append(r.problems, at+err.Error())
		}
	}
	args := make([]any, len(c.Args))
	for i, a := range c.Args {
		args[i] = ruby.ToGo(a)
	}
	switch c.Name {
	case "name":
		if len(args) > 0 && args[0] != nil {
			r.policy.name = fmt.Sprint(args[0])
		}
		return ruby.FromGo(nilIfEmpty(r.policy.name)), true, nil
	case "run_list":
		items, errs := runListItems(args, "")
		for _, err := range errs {
			problem(err)
		}
		if len(items) > 0 {
			r.policy.runList = items
		}
		return strings2ruby(r.policy.runList), true, nil
	case "named_run_list":
		return r.namedRunList(args, problem)
	case "default_source":
		return nil, true, r.defaultSource(c, args, problem)
	case "cookbook":
		return nil, true, r.cookbook(c, args, problem)
	case "include_policy":
		return nil, true, r.include(c, args, problem)
	case "metadata":
		return nil, true, r.metadata(c)
	case "default":
		return r.defaults.self, true, nil
	case "override":
		return r.over.self, true, nil
	case "chef_config":
		return r.chefConfig(), true, nil
	case "policyfile_filename", "policyfile_expanded_path":
		return ruby.NewString(r.job.file), true, nil
	case "policyfile_lock_expanded_path":
		return ruby.NewString(r.job.lock), true, nil
	case "relative_paths_root":
		return ruby.NewString(r.job.root()), true, nil
	}
	r.words.Unknown = c.Name
	return nil, false, nil
}

func nilIfEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func strings2ruby(list []string) ruby.Value {
	out := make([]ruby.Value, len(list))
	for i, s := range list {
		out[i] = ruby.NewString(s)
	}
	return ruby.NewArray(out...)
}

func flatten(args []any) []any {
	var out []any
	for _, a := range args {
		if list, ok := a.([]any); ok {
			out = append(out, flatten(list)...)
		} else {
			out = append(out, a)
		}
	}
	return out
}

var (
	qualified = text.Lazy(`(?m)^(?:recipe\[([^\]@]+)(?:@[0-9]+(?:\.[0-9]+){1,2})?\]|role\[([^\]]+)\])$`)
	versioned = text.Lazy(`(?m)^([^@]+)@[0-9]+(?:\.[0-9]+){1,2}$`)
	component = text.Lazy(`(?m)^[.\pL\pN\pM_-]+$`)
)

// runListItems reads the arguments of run_list: entries without the brackets
// around them, duplicates dropped.
func runListItems(args []any, list string) (items []string, errs []error) {
	for _, a := range flatten(args) {
		given, ok := a.(string)
		what := fmt.Sprintf("the entry %v of the run_list", a)
		if list != "" {
			what = fmt.Sprintf("the entry %v of the named_run_list %s", a, list)
		}
		name := given
		if m := qualified().FindStringSubmatch(given); m != nil {
			name = m[1] + m[2]
		} else if m := versioned().FindStringSubmatch(given); m != nil {
			name = m[1]
		} else if strings.ContainsAny(given, "[]") {
			ok = false
		}
		if !ok {
			errs = append(errs, fmt.Errorf("%s has not the form cookbook, cookbook::recipe or recipe[…]", what))
			continue
		}
		book, recipe, found := strings.Cut(name, "::")
		switch {
		case !component().MatchString(book):
			err := fmt.Errorf("%s has the invalid cookbook name %q: names have letters, digits, - and _", what, book)
			if strings.Contains(book, ":") {
				err = fmt.Errorf("%w; did you mean %q?", err, strings.Replace(given, ":", "::", 1))
			}
			errs = append(errs, err)
		case found && !component().MatchString(recipe):
			errs = append(errs, fmt.Errorf("%s has the invalid recipe name %q: names have letters, digits, - and _", what, recipe))
		}
		if !slices.Contains(items, name) {
			items = append(items, name)
		}
	}
	return items, errs
}

func (r *reader) namedRunList(args []any, problem func(error)) (ruby.Value, bool, error) {
	if len(args) == 0 {
		problem(errors.New("named_run_list needs a name"))
		return nil, true, nil
	}
	name := fmt.Sprint(args[0])
	items, errs := runListItems(args[1:], name)
	for _, err := range errs {
		problem(err)
	}
	i := slices.IndexFunc(r.policy.named, func(n namedList) bool { return n.name == name })
	switch {
	case len(items) > 0 && i < 0:
		r.policy.named = append(r.policy.named, namedList{name, items})
	case len(items) > 0:
		r.policy.named[i].items = items
	case i >= 0:
		items = r.policy.named[i].items
	}
	return strings2ruby(items), true, nil
}

// options reads the hash after a name: keyword arguments, or a hash in braces.
// An option that is nil counts as not given.
func options(c *ruby.Call, args []any) (rest []any, o *jsonorder.Object) {
	o = &jsonorder.Object{}
	var m ruby.Map
	switch {
	case c.Keywords != nil:
		m, _ = ruby.ToGo(c.Keywords).(ruby.Map)
	case len(args) > 0:
		if last, ok := args[len(args)-1].(ruby.Map); ok {
			m, args = last, args[:len(args)-1]
		}
	}
	for _, p := range m {
		if p.Value == nil {
			continue
		}
		switch v := p.Value.(type) {
		case string, bool, int64, float64:
			o.Set(fmt.Sprint(p.Key), v)
		default:
			o.Set(fmt.Sprint(p.Key), fmt.Sprint(v))
		}
	}
	return args, o
}

func (r *reader) cookbook(c *ruby.Call, args []any, problem func(error)) error {
	args, opts := options(c, args)
	if len(args) == 0 {
		return c.Raise("ArgumentError", "wrong number of arguments (given 0, expected 1+)")
	}
	name, constraint := fmt.Sprint(args[0]), ">= 0.0.0"
	if len(args) > 1 && args[1] != nil {
		constraint = fmt.Sprint(args[1])
	}
	r.addCookbook(name, constraint, opts, c, problem)
	return nil
}

func (r *reader) addCookbook(name, constraint string, opts *jsonorder.Object, c *ruby.Call, problem func(error)) {
	origin := fmt.Sprintf("%s:%d", filepath.Base(c.File), c.Line)
	l, err := newLocation(name, constraint, opts, origin)
	if err != nil {
		problem(err)
	} else if old := r.policy.find(name); old != nil {
		problem(fmt.Errorf("cookbook %s is given twice: first as %s (%s), then as %s", name,
			inspectOptions(old.options), old.origin, inspectOptions(opts)))
	} else {
		r.policy.cookbooks = append(r.policy.cookbooks, l)
	}
}

func (r *reader) metadata(c *ruby.Call) error {
	m, err := r.job.Read(c.Context(), r.job.root())
	if err != nil {
		var bad *cookbook.MetadataError
		if errors.As(err, &bad) {
			err = fmt.Errorf("line %d: metadata: %w", c.Line, err)
		}
		return err
	}
	if r.policy.name == "" {
		r.policy.name = m.Name
	}
	r.addCookbook(m.Name, ">= 0.0.0", jsonorder.NewObject("path", "."), c,
		func(err error) { r.problems = append(r.problems, err.Error()) })
	return nil
}

// sourceTypes are those that default_source accepts.
var sourceTypes = []string{
	"supermarket", "community", "delivery_supermarket", "chef_server", "chef_repo", "artifactory",
}

func (r *reader) defaultSource(c *ruby.Call, args []any, problem func(error)) error {
	if len(args) == 0 {
		return nil
	}
	kind, ok := args[0].(ruby.Symbol)
	if !ok || !slices.Contains(sourceTypes, string(kind)) {
		hint := text.DidYouMean(fmt.Sprint(args[0]), sourceTypes)
		problem(fmt.Errorf("the default_source type %s is not known: it is one of :%s. %s",
			c.Interp().Inspect(c.Args[0]), strings.Join(sourceTypes, ", :"), hint))
		return nil
	}
	at := ""
	if len(args) > 1 && args[1] != nil {
		at = fmt.Sprint(args[1])
	}
	if at == "" && kind != "supermarket" && kind != "community" {
		problem(fmt.Errorf("default_source :%s needs the URL or path of the source", kind))
		return nil
	}
	p := &preferred{}
	switch kind {
	case "chef_repo":
		p.Source = source.Folder(r.job.Context, r.job.absolute(at))
	case "supermarket", "community":
		if at == "" {
			at = "https://supermarket.chef.io"
		}
		p.Source = source.New(r.job.Context, source.Supermarket, at)
	default:
		p.Source = source.New(r.job.Context, source.Kind(kind), at)
	}
	r.policy.sources = append(r.policy.sources, p)
	if c.Block == nil {
		return nil
	}
	self := &ruby.HostObject{
		Name: p.String(),
		Host: ruby.HostFunc(func(c *ruby.Call) (ruby.Value, bool, error) {
			if c.Name != "preferred_for" {
				return nil, false, nil
			}
			for _, a := range c.Args {
				if list, ok := ruby.ToGo(a).([]any); ok {
					// chef-cli prefers nothing for a list; that cannot be meant.
					return nil, true, c.Raise("ArgumentError",
						fmt.Sprintf("preferred_for takes names, not a list; write preferred_for(*%v)", list))
				}
				p.names = append(p.names, fmt.Sprint(ruby.ToGo(a)))
			}
			return nil, true, nil
		}),
	}
	_, err := c.Yield(self)
	return err
}

// chefConfig is `chef_config`, knife's configuration.
func (r *reader) chefConfig() ruby.Value {
	return &ruby.HostObject{
		Name: "chef_config",
		Host: ruby.HostFunc(func(c *ruby.Call) (ruby.Value, bool, error) {
			key := c.Name
			if c.Name == "[]" && len(c.Args) == 1 {
				key = fmt.Sprint(ruby.ToGo(c.Args[0]))
			} else if len(c.Args) > 0 || strings.HasSuffix(c.Name, "=") {
				return nil, false, nil
			}
			v, err := r.job.Setting(c.Context(), key)
			return ruby.FromGo(v), true, err
		}),
	}
}
