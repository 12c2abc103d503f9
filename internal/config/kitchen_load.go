package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/config/erb"
	"github.com/galleyhq/galley/internal/config/yaml11"
	"github.com/galleyhq/galley/internal/ruby"
)

// maxFile bounds a configuration file.
const maxFile = 4 << 20

// loader reads the three files into one mapping, as Test Kitchen's YAML
// loader does.
type loader struct {
	opts   Options
	env    *Env
	root   string
	home   string
	global configFile
	main   configFile
	local  configFile
	// in renders templates, or system does once a file was handed to it;
	// rendered are the templates so far.
	in       *ruby.Interp
	system   *erb.System
	rendered []template
	// current is the template that is being rendered, as messages name it.
	current  string
	warnings []Problem
}

// configFile is one of the three files and what has become of it.
type configFile struct {
	role  string
	path  string
	found bool
	// display is the path for messages: relative to the root where it is
	// below it.
	display string
	read    bool
	source  string
	doc     *rendering
	data    *mapping
	err     error
	// anchors are the keys of the top level whose values are used again
	// elsewhere in the file.
	anchors []string
}

func newLoader(o Options) (*loader, error) {
	l := &loader{opts: o, env: o.Env, root: o.Root}
	if l.root == "" {
		wd, err := os.Getwd()
		if err != nil {
			return nil, fmt.Errorf("find the current directory: %w", err)
		}
		l.root = wd
	}
	abs, err := filepath.Abs(l.root)
	if err != nil {
		return nil, fmt.Errorf("find the project's directory: %w", err)
	}
	l.root = abs
	if l.env == nil {
		l.env = processEnv()
	}
	// What a shell does when it starts: a PWD that is not the directory one is
	// in was left behind by a program that went elsewhere.
	if pwd := l.env.Get("PWD"); filepath.IsAbs(pwd) && !sameDir(pwd, l.root) {
		l.env.Set("PWD", l.root)
	}
	if l.home = l.env.Get("HOME"); l.home == "" {
		l.home, _ = os.UserHomeDir()
	}
	if err := l.find(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *loader) files() []*configFile { return []*configFile{&l.global, &l.main, &l.local} }

func sameDir(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

func exists(p string) bool {
	_, err := os.Stat(p)
	return err == nil
}

// find decides which files are meant (Test Kitchen: Loader::YAML).
func (l *loader) find() error {
	path, err := l.pick(l.opts.File, "KITCHEN", filepath.Join(l.root, "kitchen.yml"),
		"keep kitchen.yml and move the content of the other into it")
	if err != nil {
		return err
	}
	l.main = l.file("project", path)

	dir, base := filepath.Split(l.main.path)
	// Ruby's File.extname of ".kitchen" is empty, filepath.Ext's is not.
	ext := filepath.Ext(strings.TrimPrefix(base, "."))
	base = strings.TrimPrefix(strings.TrimSuffix(base, ext)+".local"+ext, ".")
	path, err = l.pick(l.opts.LocalFile, "KITCHEN_LOCAL", filepath.Join(dir, base),
		"keep one of them, or name one in KITCHEN_LOCAL_YAML")
	if err != nil {
		return err
	}
	l.local = l.file("local", path)

	if path, err = l.pick(l.opts.GlobalFile, "KITCHEN_GLOBAL", filepath.Join(l.home, ".kitchen", "config.yml"), ""); err != nil {
		return err
	}
	l.global = l.file("global", path)
	return nil
}

// pick returns the file that the option names, or the first of the variables
// NAME_YAML and NAME_YML that is not empty; else the plain one, or the one whose
// name begins with a dot. advice is what to do where both are there, "" where
// the second is not looked for.
func (l *loader) pick(option, name, plain, advice string) (string, error) {
	for _, path := range []string{option, l.env.Get(name + "_YAML"), l.env.Get(name + "_YML")} {
		if path != "" {
			return absolute(path, l.root, l.home), nil
		}
	}
	dir, base := filepath.Split(plain)
	dotted := filepath.Join(dir, "."+base)
	switch {
	case advice == "" || !exists(dotted):
		return plain, nil
	case exists(plain):
		return "", &Error{Msg: fmt.Sprintf("both %s and .%s are in %s", base, base, filepath.Clean(dir)), Advice: advice}
	}
	return dotted, nil
}

func (l *loader) file(role, path string) configFile {
	f := configFile{role: role, path: path, display: path, found: exists(path)}
	if rel, err := filepath.Rel(l.root, path); err == nil && filepath.IsLocal(rel) {
		f.display = rel
	}
	return f
}

// read merges the files: global, the project's over it, the local one over
// that. Keys are as Ruby symbols afterwards.
func (l *loader) read(ctx context.Context) (*mapping, error) {
	if !l.main.found {
		return nil, &Error{
			Msg: fmt.Sprintf("Kitchen YAML file %s does not exist", l.main.path), Err: fs.ErrNotExist,
			Advice: "run `galley init` here to write one, or go to the project's directory",
		}
	}
	merged, err := l.combined(ctx)
	if err != nil {
		return nil, err
	}
	return symbolized(merged)
}

// combined is the merged data with keys as they are written.
func (l *loader) combined(ctx context.Context) (*mapping, error) {
	merged := &mapping{}
	g := &merger{}
	for _, f := range l.files() {
		if f.role == "global" && l.opts.SkipGlobal || f.role == "local" && l.opts.SkipLocal {
			continue
		}
		m, err := l.load(ctx, f)
		if err != nil {
			return nil, err
		}
		merged, err = g.merge(merged, normalize(m), "")
		if err != nil {
			return nil, err
		}
	}
	return merged, nil
}

// load reads, renders and parses one file, once. A file that is not there is
// empty.
func (l *loader) load(ctx context.Context, f *configFile) (*mapping, error) {
	if f.read {
		return f.data, f.err
	}
	f.read = true
	f.data, f.err = l.parse(ctx, f)
	return f.data, f.err
}

func (l *loader) parse(ctx context.Context, f *configFile) (*mapping, error) {
	if !f.found {
		return &mapping{}, nil
	}
	src, err := readFile(f.path)
	if err != nil {
		return nil, &Error{File: f.display, Msg: "cannot be read", Text: cause(err), Err: err}
	}
	f.source = src
	f.doc = &rendering{text: src}
	if !l.opts.SkipERB {
		if f.doc, err = l.render(ctx, f.path, f.display, src); err != nil {
			return nil, err
		}
	}
	if f.doc.text == "" {
		return &mapping{}, nil
	}
	node, warnings, err := yaml11.Parse([]byte(f.doc.text))
	if err != nil {
		return nil, f.yamlError(err)
	}
	for _, w := range warnings {
		if w.Code == yaml11.ByteOrderMark {
			l.warnings = append(l.warnings, Problem{
				File: f.display, Line: 1, Column: 1, Code: string(w.Code), Msg: "the file begins with a byte order mark, which Test Kitchen misreads",
				Advice: "save it as UTF-8 without the mark",
			})
			continue
		}
		l.warnings = append(l.warnings, Problem{
			File: f.display, Line: f.doc.at(w.Line).Template, Column: f.doc.column(w.Line, w.Column),
			Code: string(w.Code), Key: w.Key, Msg: fmt.Sprintf("the key %q comes again (first in line %d); the last one counts", w.Key, f.doc.at(w.First).Template),
		})
	}
	if node == nil || node.Kind == yaml11.Null || node.Kind == yaml11.Bool && !node.Bool {
		return &mapping{}, nil
	}
	if node.Kind != yaml11.Mapping {
		return nil, &Error{
			File: f.display, Line: f.doc.at(node.Line).Template, Msg: "the file should hold a mapping, but holds " + node.Kind.String(),
			Advice: "run `galley config render " + f.display + "` to see what its template makes",
		}
	}
	for _, p := range node.Pairs {
		if p.Key.Kind == yaml11.String && aliased(p.Value) {
			f.anchors = append(f.anchors, p.Key.Str)
		}
	}
	c := &converter{file: f}
	v := c.value(node)
	return v.m, nil
}

// aliased reports whether something in a value is used again elsewhere.
func aliased(n *yaml11.Node) bool {
	return n.Aliased || slices.ContainsFunc(n.Items, aliased) ||
		slices.ContainsFunc(n.Pairs, func(p yaml11.Pair) bool { return aliased(p.Value) })
}

// readFile reads a file of bounded size.
func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxFile {
		return "", fmt.Errorf("it is larger than %d MiB", maxFile>>20)
	}
	return string(b), nil
}

// cause is the part of a file system error that does not repeat the path.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

func (f *configFile) yamlError(err error) error {
	var ye *yaml11.Error
	if !errors.As(err, &ye) {
		return &Error{File: f.display, Msg: err.Error(), Err: err}
	}
	e := &Error{File: f.display, Line: f.doc.at(ye.Line).Template, Column: f.doc.column(ye.Line, ye.Column), Msg: ye.Msg, Text: ye.Text, Err: ye}
	if f.doc.at(ye.Line).Code {
		e.Advice = "the line is made by ERB: `galley config render --lines " + f.display + "` shows what it becomes"
	}
	return e
}

// converter makes values of YAML nodes. Aliases are written out, as they are
// when Test Kitchen turns keys into symbols: no later change in one place is
// seen in another.
type converter struct {
	file *configFile
	// last is the origin made last: values on one line have much in common.
	last     *Origin
	lastLine int
}

func (c *converter) origin(line, column int) *Origin {
	d := c.file.doc
	column = d.column(line, column)
	if c.lastLine == line {
		if c.last.Column == column {
			return c.last
		}
		o := *c.last
		o.Column = column
		c.last = &o
		return c.last
	}
	l := d.at(line)
	c.last = &Origin{File: c.file.display, Line: l.Template, Column: column, ERB: l.Code, Env: l.Env}
	c.lastLine = line
	return c.last
}

func (c *converter) value(n *yaml11.Node) *value {
	v := &value{kind: n.Kind, b: n.Bool, i: n.Int, f: n.Float, s: n.Str, org: c.origin(n.Line, n.Column)}
	switch n.Kind {
	case yaml11.Sequence:
		v.list = make([]*value, len(n.Items))
		for i, x := range n.Items {
			v.list[i] = c.value(x)
		}
	case yaml11.Mapping:
		v.m = &mapping{entries: make([]entry, 0, len(n.Pairs))}
		for _, p := range n.Pairs {
			e := entry{org: c.origin(p.Key.Line, p.Key.Column)}
			e.val = c.value(p.Value)
			switch p.Key.Kind {
			case yaml11.String:
				e.mapKey = mapKey{name: p.Key.Str}
			case yaml11.Symbol:
				e.mapKey = mapKey{name: p.Key.Str, sym: true}
			default:
				// Kept for the complaint that comes when keys become symbols.
				k := c.value(p.Key)
				e.mapKey = mapKey{name: k.describe(), bad: k.kind + 1}
			}
			v.m.put(e)
		}
	}
	return v
}

// normalize turns `driver`, `provisioner` and `busser` that are a string or
// null into mappings, at any depth of mappings.
func normalize(m *mapping) *mapping {
	out := &mapping{entries: make([]entry, 0, len(m.entries))}
	for _, e := range m.entries {
		switch {
		case e.mapKey == mapKey{name: "driver"}, e.mapKey == mapKey{name: "provisioner"}, e.mapKey == mapKey{name: "busser"}:
			switch e.val.kind {
			case kindNull:
				e.val = mapValue(&mapping{}, e.val.org)
			case kindString:
				name := "name"
				if e.name == "busser" {
					name = "version"
				}
				sub := &mapping{}
				sub.set(name, e.val)
				e.val = mapValue(sub, e.val.org)
			case kindMap:
				e.val = mapValue(normalize(e.val.m), e.val.org)
			}
		case e.val.kind == kindMap:
			e.val = mapValue(normalize(e.val.m), e.val.org)
		}
		out.put(e)
	}
	return out
}

// merger lays mappings over each other and bounds how much it copies: what a
// small file describes a hundred times must not fill the machine.
type merger struct {
	copied int
}

// maxCopied is the number of entries that merging may copy.
const maxCopied = 500_000

// merge lays over onto base: mappings deeply, all else is replaced. Where a
// mapping would be replaced by something else, Test Kitchen ends in a stack
// trace; here it is an error.
func (g *merger) merge(base, over *mapping, path string) (*mapping, error) {
	if base.len() == 0 {
		return over, nil
	}
	if over.len() == 0 {
		return base, nil
	}
	if g.copied += base.len() + over.len(); g.copied > maxCopied {
		return nil, &Error{Msg: "the instances hold too much data", Advice: "there are many suites and platforms with large mappings of the same keys; leave some out with includes"}
	}
	out := base.cloneFor(over.len())
	for _, e := range over.entries {
		old := out.lookup(e.mapKey)
		if old != nil && old.kind == kindMap {
			at := join(path, e.name)
			if e.val.kind != kindMap {
				return nil, notMapping(e.val, at, "it would replace the mapping from "+old.org.place())
			}
			m, err := g.merge(old.m, e.val.m, at)
			if err != nil {
				return nil, err
			}
			e.val = mapValue(m, e.val.org)
		}
		out.put(e)
	}
	return out, nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// at begins an error about a value.
func at(v *value, format string, args ...any) *Error {
	e := &Error{Msg: fmt.Sprintf(format, args...)}
	if v != nil && v.org != nil {
		e.File, e.Line, e.Column = v.org.File, v.org.Line, v.org.Column
	}
	return e
}

func notMapping(v *value, path, why string) *Error {
	e := at(v, "%s should be a mapping, but is %s", path, v.describe())
	if why != "" {
		e.Msg += "; " + why
	}
	return e
}

// symbolized makes every key a symbol; with that, "name" and ":name" are one.
func symbolized(m *mapping) (*mapping, error) {
	v, err := mapValue(m, nil).withKeys(func(e *entry) error {
		if e.bad != 0 {
			err := &Error{Msg: fmt.Sprintf("the key %s is %s, and keys have to be strings", e.name, e.bad-1), Advice: "put it in quotes"}
			if e.org != nil {
				err.File, err.Line, err.Column = e.org.File, e.org.Line, e.org.Column
			}
			return err
		}
		e.sym = false
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v.m, nil
}
