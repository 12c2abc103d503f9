package knife

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/galleyhq/galley/internal/ruby"
)

// profile says which profile is meant, and where it was said.
func (l *loader) profile() (name, from string, err error) {
	if l.o.Profile != "" {
		return l.o.Profile, "--profile", nil
	}
	if p, ok := l.o.Env.Lookup("CHEF_PROFILE"); ok && p != "" {
		return p, "CHEF_PROFILE", nil
	}
	if f := l.places.homeChef("context"); f != "" && isFile(f) {
		b, err := readFile(f)
		if err != nil {
			return "", "", err
		}
		if p := strings.TrimSpace(string(b)); p != "" {
			return p, f, nil
		}
	}
	return "default", "", nil
}

// credentials applies the profile of the credentials file and returns its
// name, "" when there is none to apply.
func (l *loader) credentials() (string, error) {
	name, from, err := l.profile()
	if err != nil {
		return "", err
	}
	path := l.o.Env.Get("CHEF_CREDENTIALS_FILE")
	if path == "" || !isFile(l.places.abs(path)) {
		path = l.places.homeChef("credentials")
	}
	if path == "" || !isFile(l.places.abs(path)) {
		switch from {
		case "":
		case "--profile":
			return "", &Error{Msg: fmt.Sprintf("the credentials file, which would have the profile %q, does not exist", name), Advice: "profiles are in ~/.chef/credentials, or where CHEF_CREDENTIALS_FILE points"}
		default:
			l.warn("", "%s names the profile %q, but the credentials file does not exist", from, name)
		}
		return "", nil
	}
	path = l.places.abs(path)
	src, err := readFile(path)
	if err != nil {
		return "", err
	}
	profiles, err := parseCredentials(src, path)
	if err != nil {
		return "", err
	}
	l.files = append(l.files, path)
	p, ok := profiles[name]
	if !ok {
		if from == "" {
			return "", nil
		}
		return "", &Error{File: path, Msg: fmt.Sprintf("the profile %q, which %s names, does not exist", name, from), Advice: "it has " + cmp.Or(strings.Join(sorted(profiles), ", "), "no profiles at all")}
	}
	return name, l.applyProfile(p)
}

// applyProfile puts a profile into the settings (chef-config:
// apply_credentials).
func (l *loader) applyProfile(p *profile) error {
	if p.values["node_name"] != nil && p.values["client_name"] != nil {
		return p.fault("client_name", "node_name and client_name are both set", "keep client_name")
	}
	for _, key := range sorted(p.values) {
		v := p.values[key]
		e := entry{ruby.FromGo(v), p.file, p.lines[key]}
		if m, ok := v.(map[string]any); ok && m["secret"] != nil {
			return p.fault(key, key+" comes from a secrets provider, which is not supported", "put the value itself here, or the path of a key file")
		}
		var err error
		switch key {
		case "client_name":
			err = l.set("node_name", e)
		case "client_key":
			err = l.keySetting(p, key, "client_key", e)
		case "validation_key", "validator_key":
			err = l.keySetting(p, key, "validation_key", e)
		case "knife":
			table, ok := v.(map[string]any)
			if !ok {
				return p.fault(key, "knife is "+kindOf(ruby.ToGo(e.value))+", not a table", "")
			}
			for _, k := range sorted(table) {
				l.contexts["knife"].set(k, entry{ruby.FromGo(table[k]), p.file, p.lines[key+"\x00"+k]})
			}
		default:
			if contexts[key] {
				continue // of Chef's other tools
			}
			err = l.set(key, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keySetting takes a key that stands inline, or a path that starts from
// ~/.chef.
func (l *loader) keySetting(p *profile, key, setting string, e entry) error {
	s, ok := text(ruby.ToGo(e.value))
	if !ok {
		return p.fault(key, key+" is "+kindOf(ruby.ToGo(e.value))+", not text", "")
	}
	if strings.HasPrefix(strings.TrimSpace(s), "-----BEGIN ") {
		return l.set(setting+"_contents", e)
	}
	e.value = ruby.NewString(l.places.from(s, l.places.homeChef("")))
	return l.set(setting, e)
}

// profile is one table of the file.
type profile struct {
	file   string
	values map[string]any
	lines  map[string]int // by key, and by table and key with a NUL between
}

func (p *profile) fault(key, msg, advice string) error {
	return &Error{File: p.file, Line: p.lines[key], Msg: msg, Advice: advice}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Profiles returns the profiles of ~/.chef/credentials, none where it cannot be
// read.
func Profiles(home string) []string {
	file := filepath.Join(home, ".chef", "credentials")
	src, err := readFile(file)
	if err != nil {
		return nil
	}
	profiles, _ := parseCredentials(src, file)
	return sorted(profiles)
}

// parseCredentials reads the profiles of a credentials file, which is TOML.
func parseCredentials(src []byte, file string) (map[string]*profile, error) {
	var all map[string]any
	src = []byte(strings.TrimPrefix(string(src), "\ufeff"))
	if err := toml.Unmarshal(src, &all); err != nil {
		e := &Error{File: file, Msg: "this is not TOML: " + strings.TrimPrefix(err.Error(), "toml: "), Advice: "a profile is [NAME] with lines such as client_name = \"me\" below it", Err: err}
		var at *toml.DecodeError
		if errors.As(err, &at) {
			e.Line, e.Column = at.Position()
		}
		return nil, e
	}
	profiles := map[string]*profile{}
	lines := keyLines(src)
	for name, v := range all {
		table, ok := v.(map[string]any)
		if !ok {
			continue // a setting for all profiles; none of them concerns a knife without a secrets provider
		}
		p := &profile{file: file, values: simple(table).(map[string]any), lines: map[string]int{}}
		for path, line := range lines {
			if rest, ok := strings.CutPrefix(path, "\x00"+name+"\x00"); ok {
				p.lines[rest] = line
			}
		}
		profiles[name] = p
	}
	return profiles, nil
}

// simple makes times of TOML into text, deep down; the rest stays.
func simple(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			x[k] = simple(e)
		}
		return x
	case []any:
		for i, e := range x {
			x[i] = simple(e)
		}
		return x
	case nil, bool, int64, float64, string:
		return x
	}
	return fmt.Sprint(v)
}

// keyLines says on which line each key, and each part of a dotted one, stands
// first; each part of a path has a NUL before it.
func keyLines(src []byte) map[string]int {
	lines := map[string]int{}
	var p unstable.Parser
	p.Reset(src)
	// add notes the parts of a key below path and returns the whole.
	add := func(path string, key unstable.Iterator) string {
		for key.Next() {
			n := key.Node()
			path += "\x00" + string(n.Data)
			if _, ok := lines[path]; !ok {
				lines[path] = p.Shape(n.Raw).Start.Line
			}
		}
		return path
	}
	var value func(path string, n *unstable.Node)
	value = func(path string, n *unstable.Node) {
		if n.Kind != unstable.InlineTable {
			return
		}
		for it := n.Children(); it.Next(); {
			value(add(path, it.Node().Key()), it.Node().Value())
		}
	}
	table := ""
	for p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = add("", e.Key())
		case unstable.KeyValue:
			value(add(table, e.Key()), e.Value())
		}
	}
	return lines
}
