package knife

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/ruby"
	shared "github.com/galleyhq/galley/internal/text"
)

// loader gathers what the files set.
type loader struct {
	o        Options
	places   places
	in       *ruby.Interp
	file     string // the configuration file, "" for none
	settings *table
	contexts map[string]*table
	files    []string
	warnings []string
	warned   map[string]bool
	self     *ruby.HostObject
	depth    int
	system   bool // the ruby on the PATH evaluates the files
}

func newLoader(o Options) (*loader, error) {
	p, err := o.places()
	if err != nil {
		return nil, err
	}
	l := &loader{o: o, places: p, settings: newTable(), contexts: map[string]*table{}, warned: map[string]bool{}}
	for name := range contexts {
		l.contexts[name] = newTable()
	}
	l.self = &ruby.HostObject{Name: "ChefConfig::Config", Host: &config{l}}
	return l, nil
}

// interp returns the interpreter of the files, made when the first of them is
// read: most users of a cloud have none.
func (l *loader) interp() *ruby.Interp {
	if l.in != nil {
		return l.in
	}
	l.in = ruby.New(ruby.Config{
		Env:       l.o.Env,
		Dir:       l.places.dir,
		AllowExec: l.o.AllowExec,
		Require:   harmless,
	})
	for _, name := range []string{"Chef", "ChefConfig"} {
		l.in.SetConst(name, &ruby.HostObject{Name: name, Host: module{"Config": l.self, "Log": quiet("Chef::Log"), "ReservedNames": l.reservedNames()}})
	}
	return l.in
}

// harmless says of which libraries a require is let pass: those of Chef's own
// that a knife has loaded anyway. Any other is a LoadError, as in a Ruby
// without that gem.
func harmless(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "chef", "chef-config", "chef-utils", "mixlib", "ohai", "knife":
		return true
	}
	return false
}

// run evaluates one file into the settings.
func (l *loader) run(ctx context.Context, path string) error {
	src, err := readFile(path)
	if err != nil {
		return err
	}
	l.files = append(l.files, path)
	if err := l.eval(ctx, string(src), path); err != nil {
		return rubyError(err)
	}
	l.localVariables(string(src), path)
	return nil
}

func (l *loader) eval(ctx context.Context, src, path string) error {
	_, err := l.interp().EvalAs(ctx, src, path, l.self, l.system)
	return err
}

// readFile reads a file of a size that can be a configuration.
func readFile(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err == nil && st.Size() > ruby.MaxSource {
		return nil, &Error{File: path, Msg: fmt.Sprintf("the file has %d bytes, too many for a configuration", st.Size())}
	}
	if err == nil && !st.Mode().IsRegular() {
		return nil, &Error{File: path, Msg: "this is not a regular file"}
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, &Error{Msg: "reading the configuration: " + err.Error(), Err: err}
	}
	return src, nil
}

// assigned finds `node_name = "x"` at the start of a line.
var assigned = shared.Lazy(`(?m)^[ \t]*([a-z_]+)[ \t]*=(?:[^=~>]|$)`)

// localVariables warns of settings that were written as assignments: in Ruby
// that makes a local variable, which knife does not see.
func (l *loader) localVariables(src, path string) {
	for _, m := range assigned().FindAllStringSubmatchIndex(src, -1) {
		name := src[m[2]:m[3]]
		switch name {
		case "user", "group", "color", "profile", "environment", "target", "interval", "once", "listen":
			continue // words that serve as variables of the file's own
		}
		if e, set := l.settings.get(name); set && e.file == path || !known()[name] {
			continue
		}
		line := 1 + strings.Count(src[:m[2]], "\n")
		l.warn(fmt.Sprintf("%s:%d", path, line), "%q with = is a local variable of Ruby's and sets nothing; write %s without the =", name, name)
	}
}

func (l *loader) warn(where, format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if where != "" {
		s = where + ": " + s
	}
	if !l.warned[s] {
		l.warned[s] = true
		l.warnings = append(l.warnings, s)
	}
}

// config is Chef::Config, which is also the self of every file.
type config struct{ l *loader }

// Responds answers respond_to? and defined?, which mixlib-config affirms for
// declared names only, though any name may be set.
func (h *config) Responds(name string) bool {
	name = strings.TrimSuffix(name, "=")
	return known()[name] || contexts[name] || methods[name]
}

// methods are those of every context.
var methods = map[string]bool{
	"[]": true, "[]=": true, "key?": true, "has_key?": true, "delete": true, "keys": true, "merge!": true, "save": true,
	"to_hash": true, "hash_dup": true, "configuration": true, "configure": true, "config_strict_mode": true, "from_file": true,
}

// Call implements [ruby.Host].
func (h *config) Call(c *ruby.Call) (ruby.Value, bool, error) {
	l := h.l
	write := func(name string, v ruby.Value) error { return l.write(c, name, v) }
	if v, ok, err := l.tableCall(c, l.settings, l.read, write); ok {
		return v, true, err
	}
	switch c.Name {
	case "configure":
		_, err := c.Yield(c.Self)
		return nil, true, err
	case "from_file":
		return nil, true, l.fromFile(c)
	case "instance_eval", "class_eval", "from_string":
		return nil, false, nil
	case "platform_specific_path", "etc_chef_dir", "var_chef_dir":
		return nil, true, unsupported(c)
	}
	if contexts[strings.TrimSuffix(c.Name, "=")] {
		return l.context(c)
	}
	return l.getOrSet(c)
}

// tableCall answers what every context does with the names in it; ok is false
// for other calls.
func (l *loader) tableCall(
	c *ruby.Call, t *table, get func(string) ruby.Value, set func(string, ruby.Value) error,
) (v ruby.Value, ok bool, err error) {
	arguments, takesName := map[string]int{"[]": 1, "[]=": 2, "key?": 1, "has_key?": 1, "delete": 1}[c.Name]
	name := ""
	if takesName {
		if name, err = l.nameArg(c, arguments); err != nil {
			return nil, true, err
		}
	}
	switch c.Name {
	case "[]":
		return get(name), true, nil
	case "[]=":
		return c.Args[1], true, set(name, c.Args[1])
	case "key?", "has_key?":
		_, ok := t.get(name)
		return ok || t == l.settings && contexts[name], true, nil
	case "delete":
		e, _ := t.get(name)
		t.delete(name)
		return e.value, true, nil
	case "merge!":
		return c.Self, true, l.eachArg(c, set)
	case "keys", "save", "to_hash", "hash_dup", "configuration":
		return nil, true, unsupported(c)
	case "config_strict_mode", "config_strict_mode=":
		return nil, true, nil
	}
	return nil, false, nil
}

// unsupported refuses a method of Chef's configuration.
func unsupported(c *ruby.Call) error {
	return &Error{File: c.File, Line: c.Line, Column: c.Col, Msg: "the method " + c.Name + " of Chef's configuration is not supported", Advice: plainerAdvice}
}

// settingCall reads a call that may get or set a setting: its name, whether it
// is an assignment, and its arguments, keywords being one of them. ok is false
// for a name that no setting has.
func settingCall(c *ruby.Call) (name string, assign bool, args []ruby.Value, ok bool) {
	name, assign = strings.CutSuffix(c.Name, "=")
	args = c.Args
	if c.Keywords != nil {
		args = append(slices.Clone(args), c.Keywords)
	}
	return name, assign, args, settingName().MatchString(name)
}

// getOrSet is what every other name does: with arguments it sets, without it
// gets (mixlib-config: method_missing).
func (l *loader) getOrSet(c *ruby.Call) (ruby.Value, bool, error) {
	name, assign, args, ok := settingCall(c)
	if !ok {
		return nil, false, nil
	}
	switch len(args) {
	case 0:
		if assign {
			return nil, false, nil
		}
		if _, set := l.settings.get(name); !set && c.Bare && !known()[name] {
			l.warn(fmt.Sprintf("%s:%d", c.File, c.Line), "%q is neither set above nor a setting of Chef; it counts as nil", name)
		}
		return l.get(name), true, nil
	case 1:
		if err := l.set(name, entry{args[0], c.File, c.Line}); err != nil {
			return nil, true, err
		}
	default:
		if err := l.set(name, entry{ruby.NewArray(args...), c.File, c.Line}); err != nil {
			return nil, true, err
		}
	}
	return l.get(name), true, nil
}

// settingName is a name that a setting can have; constants and operators are
// none.
var settingName = shared.Lazy(`^[a-z_][A-Za-z0-9_]*$`)

// read is Chef::Config[:name].
func (l *loader) read(name string) ruby.Value {
	if contexts[name] {
		return l.contextObject(name)
	}
	return l.get(name)
}

// write is Chef::Config[:name] = value.
func (l *loader) write(c *ruby.Call, name string, v ruby.Value) error {
	if contexts[name] {
		return l.restore(c, name, v)
	}
	return l.set(name, entry{v, c.File, c.Line})
}

// nameArg is a call's first argument, a symbol or a text, of n.
func (l *loader) nameArg(c *ruby.Call, n int) (string, error) {
	if len(c.Args) != n {
		return "", c.Raise("ArgumentError", fmt.Sprintf("wrong number of arguments (given %d, expected %d)", len(c.Args), n))
	}
	switch k := c.Args[0].(type) {
	case ruby.Symbol:
		return string(k), nil
	case *ruby.String:
		return k.String(), nil
	}
	return "", c.Raise("NoMethodError", "undefined method `to_sym' for "+c.Interp().Inspect(c.Args[0]))
}

// eachArg calls do for each entry of the one hash that a call was given.
func (l *loader) eachArg(c *ruby.Call, do func(name string, v ruby.Value) error) error {
	h := c.Keywords
	if h == nil && len(c.Args) == 1 {
		h, _ = c.Args[0].(*ruby.Hash)
	}
	if h == nil {
		return c.Raise("TypeError", c.Name+" wants a hash")
	}
	var err error
	h.Each(func(k, v ruby.Value) bool {
		name, ok := text(ruby.ToGo(k))
		if !ok {
			err = c.Raise("TypeError", "the key "+c.Interp().Inspect(k)+" is not a name")
			return false
		}
		err = do(name, v)
		return err == nil
	})
	return err
}

// maxNested bounds how deeply files may read each other.
const maxNested = 20

// fromFile is Chef::Config.from_file: another file, into the same settings.
func (l *loader) fromFile(c *ruby.Call) error {
	if len(c.Args) != 1 {
		return c.Raise("ArgumentError", fmt.Sprintf("wrong number of arguments (given %d, expected 1)", len(c.Args)))
	}
	name, ok := text(ruby.ToGo(c.Args[0]))
	if !ok {
		return c.Raise("TypeError", "no implicit conversion of "+c.Interp().Inspect(c.Args[0])+" into String")
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(l.places.dir, path)
	}
	switch ext := filepath.Ext(path); ext {
	case ".yml", ".yaml", ".json", ".toml":
		return &Error{File: c.File, Line: c.Line, Column: c.Col, Msg: "from_file of a " + ext + " file is not supported", Advice: "write " + filepath.Base(path) + " as Ruby, or its settings into ~/.chef/credentials"}
	}
	if l.depth >= maxNested {
		return &Error{File: c.File, Line: c.Line, Column: c.Col, Msg: fmt.Sprintf("files read each other more than %d deep", maxNested)}
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return c.Raise("Errno::ENOENT", "No such file or directory @ rb_sysopen - "+name)
	}
	src, err := readFile(path)
	if err != nil {
		return err
	}
	l.depth++
	defer func() { l.depth-- }()
	l.files = append(l.files, path)
	if err := l.eval(c.Context(), string(src), path); err != nil {
		return err
	}
	l.localVariables(string(src), path)
	return nil
}
