package berksfile

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/galleyhq/galley/internal/cookbooks/git"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/version"
	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/secret"
)

// words are the names that a Berksfile may call.
var words = []string{"source", "cookbook", "metadata", "group", "solver", "extension"}

// berksfile is the content of a Berksfile.
type berksfile struct {
	job     *Job
	config  *config
	lines   map[string]*dependency
	sources []source.Fetcher
	urls    map[string]bool

	groups []string // of the open group block
	words  source.Words
}

// read evaluates the Berksfile of the job.
func (j *Job) read(ctx context.Context) (*berksfile, error) {
	conf, err := j.readConfig()
	if err != nil {
		return nil, err
	}
	var b *berksfile
	_, err = j.Eval(ctx, j.file, func() (ruby.Host, *source.Words) {
		b = &berksfile{job: j, config: conf, lines: map[string]*dependency{}, urls: map[string]bool{}, words: source.Words{Known: words}}
		return b, &b.words
	})
	if os.IsNotExist(err) {
		return nil, source.NoFile("Berksfile", j.file)
	}
	if err != nil {
		return nil, err
	}
	for _, s := range b.sources {
		j.sources += s.String() + " "
	}
	return b, nil
}

// Responds implements [ruby.Responder].
func (b *berksfile) Responds(name string) bool { return slices.Contains(words, name) }

// Call implements [ruby.Host].
func (b *berksfile) Call(c *ruby.Call) (ruby.Value, bool, error) {
	args := make([]any, 0, len(c.Args)+1)
	for _, a := range c.Args {
		args = append(args, ruby.ToGo(a))
	}
	if c.Keywords != nil {
		args = append(args, ruby.ToGo(c.Keywords))
	}
	switch c.Name {
	case "source":
		return nil, true, b.source(c, args)
	case "cookbook":
		return nil, true, b.cookbook(c, args)
	case "metadata":
		return nil, true, b.metadata(c, args)
	case "group":
		b.groups = nil
		for _, a := range args {
			b.groups = append(b.groups, fmt.Sprint(a))
		}
		_, err := c.Yield()
		b.groups = nil // groups do not nest, as in Berkshelf
		return nil, true, err
	case "solver", "extension":
		return nil, true, nil
	case "site":
		return nil, true, b.fail(c, "site is of Berkshelf 2; write source 'https://supermarket.chef.io'", "site is not supported")
	}
	b.words.Unknown = c.Name
	return nil, false, nil
}

// fail reports a mistake in the Berksfile.
func (b *berksfile) fail(c *ruby.Call, hint, format string, args ...any) error {
	return &source.Problem{Msg: fmt.Sprintf("%s:%d: %s", b.job.file, c.Line, fmt.Sprintf(format, args...)), Advice: hint}
}

// split takes the hash at the end of arguments.
func split(args []any) (rest []any, options ruby.Map) {
	if n := len(args); n > 0 {
		if m, ok := args[n-1].(ruby.Map); ok {
			return args[:n-1], m
		}
	}
	return args, nil
}

// option returns an option as text, "" where it is nil or not there.
func option(m ruby.Map, name string) string {
	for _, p := range m {
		if fmt.Sprint(p.Key) == name && p.Value != nil {
			return fmt.Sprint(p.Value)
		}
	}
	return ""
}

func (b *berksfile) source(c *ruby.Call, args []any) error {
	args, options := split(args)
	kind, at := source.Supermarket, ""
	switch {
	case len(args) > 0 && args[0] == ruby.Symbol("chef_server"):
		kind, at = source.ChefServer, option(options, "url")
		if at == "" {
			v, err := b.job.chefConfig(c.Context(), b.config, "chef_server_url")
			if err != nil {
				return err
			}
			at, _ = v.(string)
		}
	case len(args) > 0:
		at = fmt.Sprint(args[0])
	case len(options) > 0:
		at = fmt.Sprint(options[0].Value)
		switch k := fmt.Sprint(options[0].Key); k {
		case "supermarket", "chef_server", "artifactory":
			kind = source.Kind(k)
		case "chef_repo":
			b.folder(at)
			return nil
		default:
			return b.fail(c, "", "the source type %s is not known: it is supermarket, chef_server, artifactory or chef_repo", k)
		}
		options = options[1:]
	default:
		return c.Raise("ArgumentError", "wrong number of arguments (given 0, expected 1)")
	}
	if u, err := url.Parse(at); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return b.fail(c, "a source is a URL that begins with https:// or http://", "%q is not a valid source", at)
	}
	trust := b.config.trust()
	for _, p := range options {
		var err error
		switch key := fmt.Sprint(p.Key); key {
		case "url":
		case "ssl":
			if trust, err = b.config.sourceTrust(p.Value); err != nil {
				return b.fail(c, "", "source %s: %v", secret.URL(at), err)
			}
		default:
			return b.fail(c, "ssl: { verify:, ca_file: } is; keys are set in knife's configuration or the environment",
				"source %s: the option %s is not supported", secret.URL(at), key)
		}
	}
	if trust.CAFile != "" {
		trust.CAFile = source.Absolute(b.job.Dir, trust.CAFile)
	}
	if !b.urls[at] {
		b.urls[at] = true
		b.sources = append(b.sources, source.New(b.sourceContext().Trusting(trust), kind, at))
	}
	return nil
}

// folder adds a folder of cookbooks as a source.
func (b *berksfile) folder(at string) {
	at = source.Absolute(b.job.root(), at)
	if !b.urls["file://"+at] {
		b.urls["file://"+at] = true
		b.sources = append(b.sources, source.Folder(b.job.Context, at))
	}
}

// sourceContext is the job's with the key of config.json.
func (b *berksfile) sourceContext() *source.Context {
	c := b.job.Context
	if b.config.Chef.ArtifactoryKey == "" {
		return c
	}
	other := *c
	other.ChefConfig = func(ctx context.Context, key string) (any, error) {
		if key == "artifactory_api_key" {
			return b.config.Chef.ArtifactoryKey, nil
		}
		return c.Setting(ctx, key)
	}
	return &other
}

func (b *berksfile) cookbook(c *ruby.Call, args []any) error {
	args, options := split(args)
	if len(args) == 0 {
		return b.fail(c, "", "cookbook needs a name")
	}
	name, constraint := fmt.Sprint(args[0]), ""
	if len(args) > 1 && args[1] != nil {
		constraint = fmt.Sprint(args[1])
	}
	var groups []string
	for _, p := range options {
		if fmt.Sprint(p.Key) == "group" {
			list, ok := p.Value.([]any)
			if !ok && p.Value != nil {
				list = []any{p.Value}
			}
			for _, g := range list {
				groups = append(groups, fmt.Sprint(g))
			}
		}
	}
	at, err := b.place(options)
	if err != nil {
		return b.fail(c, "", "cookbook %s: %v", name, err)
	}
	return b.add(c, name, constraint, append(groups, b.groups...), at)
}

// place reads where a cookbook comes from: by the first option that says so.
func (b *berksfile) place(options ruby.Map) (*place, error) {
	for _, p := range options {
		value := fmt.Sprint(p.Value)
		switch fmt.Sprint(p.Key) {
		case "path":
			if p.Value != nil {
				return b.job.pathPlace(value, false)
			}
		case "git":
			return gitPlace(value, options), nil
		case "github":
			if b.config.GithubProtocol == "ssh" {
				return gitPlace("git@github.com:"+value+".git", options), nil
			}
			return gitPlace("https://github.com/"+value+".git", options), nil
		case "bitbucket", "gitlab":
			// Berkshelf has these in plug-ins; a git URL says the same.
			return nil, fmt.Errorf("%s is not supported: write git: 'https://…'", p.Key)
		}
	}
	return nil, nil
}

func (j *Job) pathPlace(path string, metadata bool) (*place, error) {
	rel, err := filepath.Rel(j.root(), source.Absolute(j.root(), path))
	if err != nil {
		return nil, err
	}
	return &place{path: filepath.ToSlash(rel), metadata: metadata}, nil
}

func gitPlace(at string, o ruby.Map) *place {
	p := git.NewPlace(func(name string) string { return option(o, name) }, "master")
	p.URL = at
	return &place{git: p}
}

func (b *berksfile) metadata(c *ruby.Call, args []any) error {
	_, options := split(args)
	dir := b.job.root()
	if p := option(options, "path"); p != "" {
		// Berkshelf reads it relative to the current folder, and locks it
		// relative to the Berksfile.
		dir = source.Absolute(b.job.Dir, p)
	}
	m, err := b.job.ReadNamed(c.Context(), dir)
	if err != nil {
		return err
	}
	at, err := b.job.pathPlace(dir, true)
	if err != nil {
		return err
	}
	return b.add(c, m.Name, "", nil, at)
}

// add adds a cookbook line.
func (b *berksfile) add(c *ruby.Call, name, constraint string, groups []string, at *place) error {
	if len(groups) == 0 {
		groups = []string{"default"}
	}
	if old := b.lines[name]; old != nil {
		for _, g := range groups {
			if slices.Contains(old.groups, g) {
				return b.fail(c, "remove one of them, or put them into different groups",
					"the cookbook %s is named twice; first in %s", name, old.line)
			}
		}
	}
	parsed, err := version.ParseConstraint(constraint)
	if err != nil {
		return b.fail(c, "", "cookbook %s: %v", name, err)
	}
	line := fmt.Sprintf("%s:%d", filepath.Base(c.File), c.Line)
	b.lines[name] = &dependency{job: b.job, name: name, constraint: parsed, groups: groups, place: at, line: line}
	return nil
}

// dependencies are the cookbook lines that the groups of the job choose,
// sorted by name.
func (b *berksfile) dependencies() []*dependency {
	var out []*dependency
	for _, d := range b.lines {
		in := func(groups []string) bool {
			return slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(d.groups, g) })
		}
		if j := b.job; (len(j.only) == 0 || in(j.only)) && !in(j.except) {
			out = append(out, d)
		}
	}
	sortByName(out)
	return out
}

// has says whether the chosen lines name a cookbook.
func (b *berksfile) has(name string) bool {
	return slices.ContainsFunc(b.dependencies(), func(d *dependency) bool { return d.name == name })
}

// errNoSource is that of a Berksfile without a source.
func (b *berksfile) errNoSource() error {
	return &source.Problem{
		Msg:    b.job.file + ": it defines no source to get cookbooks from",
		Advice: "add a line such as: source 'https://supermarket.chef.io'",
	}
}
