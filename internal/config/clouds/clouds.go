package clouds

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/text"
)

// maxFile bounds a file; real ones have some kilobytes.
const maxFile = 4 << 20

// Options say where files are looked for, and which region is meant.
type Options struct {
	// Getenv returns environment variables: OS_CLIENT_CONFIG_FILE,
	// OS_CLIENT_SECURE_FILE, OS_CLIENT_VENDOR_FILE, OS_REGION_NAME,
	// OS_PASSWORD, HOME, XDG_CONFIG_HOME and XDG_CONFIG_DIRS. Nil is the
	// process's own environment.
	Getenv func(string) string
	// Path is a file to read before the standard places, after
	// OS_CLIENT_CONFIG_FILE (kitchen-openstack 7: clouds_yaml_path).
	Path string
	// Region chooses one of a cloud's regions; "" is that of OS_REGION_NAME,
	// else the first.
	Region string
	// Dir replaces the current directory; "" is the process's.
	Dir string
	// SystemDir is the system's folder; "" is /etc/openstack.
	SystemDir string
}

func (o Options) env(name string) string {
	if o.Getenv == nil {
		return os.Getenv(name)
	}
	return o.Getenv(name)
}

// Entry is one cloud of clouds.yaml with its secrets and its profile.
type Entry struct {
	Name string
	// File is the clouds.yaml that has it.
	File string
	// Warnings report surprises: an old spelling,
	// a profile or a file that is not there.
	Warnings []string
	// Auth are its credentials, and how its services are reached.
	Auth credentials.Auth
}

// String names the entry; its values are secrets.
func (e *Entry) String() string { return e.Name + " of " + e.File }

func (e *Entry) warn(format string, args ...any) {
	e.Warnings = append(e.Warnings, fmt.Sprintf(format, args...))
}

// Error is a cloud, a profile or a region that is not there.
type Error struct{ Msg, Advice string }

func (e *Error) Error() string { return e.Msg }

// Hint names what there is.
func (e *Error) Hint() string { return e.Advice }

// notFound is the error of a cloud that a file does not have.
func notFound(name, file string, there []string) error {
	e := &Error{Msg: fmt.Sprintf("there is no cloud %q in %s", name, file), Advice: "it has " + strings.Join(there, ", ")}
	if near := text.Nearest(name, there); near != "" {
		e.Advice = fmt.Sprintf("did you mean %q? %s", near, e.Advice)
	}
	if len(there) == 0 {
		e.Advice = "the file names no clouds at all"
	}
	return e
}

// object is a YAML mapping; its values are string, bool, nil, object or
// []any.
type object = map[string]any

// Load returns the named cloud.
func Load(name string, o Options) (*Entry, error) {
	path, root, searched, err := o.find("clouds", "OS_CLIENT_CONFIG_FILE", o.Path)
	if err != nil {
		return nil, err
	}
	secretPath, secrets, _, err := o.find("secure", "OS_CLIENT_SECURE_FILE", o.beside(o.Path, "secure"))
	if err != nil {
		return nil, err
	}
	if path == "" && secretPath == "" {
		return nil, &Error{fmt.Sprintf("cloud %q: there is no clouds.yaml", name), "looked for " + strings.Join(searched, ", ")}
	}
	if path == "" {
		path = secretPath
	}
	e := &Entry{Name: name, File: path}
	if named := o.env("OS_CLIENT_CONFIG_FILE"); named != "" && slices.Contains(searched, named) {
		e.warn("OS_CLIENT_CONFIG_FILE names %s, which is not there; %s is read instead", named, path)
	}
	all := merge(mapping(root["clouds"]), mapping(secrets["clouds"]))
	raw, ok := all[name]
	if !ok {
		return nil, notFound(name, path, names(all))
	}
	entry, ok := raw.(object)
	if !ok && raw != nil {
		return nil, fmt.Errorf("cloud %q in %s is not a mapping", name, path)
	}
	entry = normal(entry)
	if entry, err = o.withProfile(e, entry); err != nil {
		return nil, err
	}
	if entry, err = o.withRegion(e, entry); err != nil {
		return nil, err
	}
	repair(entry)
	if e.Auth, err = o.credentials(e, entry); err != nil {
		return nil, err
	}
	return e, nil
}

// List returns the names of the clouds, sorted; none without a file.
func List(o Options) ([]string, error) {
	_, root, _, err := o.find("clouds", "OS_CLIENT_CONFIG_FILE", o.Path)
	if err != nil {
		return nil, err
	}
	return names(mapping(root["clouds"])), nil
}

func names(all object) []string { return slices.Sorted(maps.Keys(all)) }

func mapping(v any) object {
	m, _ := v.(object)
	return m
}

// beside returns a file's neighbour of another name, "" for no file.
func (o Options) beside(path, name string) string {
	if path == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(path), name+filepath.Ext(path))
}

// find reads the first file of that name: the one that the variable names,
// the extra one, then the standard places. What clouds_yaml_path names must be
// there; a file that was only looked for need not, nor be readable.
func (o Options) find(name, variable, extra string) (path string, root object, searched []string, err error) {
	if named := o.env(variable); named != "" {
		root, err = read(o.absolute(named))
		if err == nil {
			return named, root, nil, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", nil, nil, err
		}
		searched = append(searched, named)
	}
	if extra != "" {
		file := o.absolute(extra)
		root, err = read(file)
		if err == nil {
			return file, root, nil, nil
		}
		if extra == o.Path {
			return "", nil, nil, fmt.Errorf("clouds_yaml_path: %w", err)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", nil, nil, err
		}
	}
	for _, dir := range o.dirs() {
		for _, ext := range []string{".yaml", ".yml", ".json"} {
			p := filepath.Join(dir, name+ext)
			root, err := read(p)
			if err == nil {
				return p, root, searched, nil
			}
			if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
				return "", nil, nil, err
			}
		}
		searched = append(searched, filepath.Join(dir, name+".yaml"))
	}
	return "", nil, searched, nil
}

// dirs are the standard places, in order (openstacksdk: CONFIG_SEARCH_PATH).
func (o Options) dirs() []string {
	dirs := []string{orElse(o.Dir, ".")}
	add := func(parts ...string) {
		if parts[0] == "" {
			return
		}
		if d := filepath.Join(parts...); !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	home := o.home()
	switch runtime.GOOS {
	case "darwin":
		add(home, "Library", "Application Support", "openstack")
	case "windows":
		add(o.env("LOCALAPPDATA"), "OpenStack", "openstack")
	default:
		add(o.env("XDG_CONFIG_HOME"), "openstack")
	}
	add(home, ".config", "openstack")
	switch runtime.GOOS {
	case "darwin":
		add("/Library/Application Support/openstack")
	case "windows":
		add(o.env("PROGRAMDATA"), "OpenStack", "openstack")
	default:
		for _, d := range filepath.SplitList(orElse(o.env("XDG_CONFIG_DIRS"), "/etc/xdg")) {
			add(d, "openstack")
		}
	}
	add(orElse(o.SystemDir, "/etc/openstack"))
	return dirs
}

func (o Options) home() string {
	if h := o.env("HOME"); h != "" {
		return h
	}
	return o.env("USERPROFILE")
}

func (o Options) expand(path string) string {
	if path == "~" || strings.HasPrefix(path, "~/") {
		return filepath.Join(o.home(), path[1:])
	}
	return path
}

// absolute expands a path and takes it relative to the current directory.
func (o Options) absolute(path string) string {
	if path = o.expand(path); !filepath.IsAbs(path) && o.Dir != "" {
		return filepath.Join(o.Dir, path)
	}
	return path
}

func orElse(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func read(path string) (object, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is not a configuration file", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	root, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return root, nil
}

// normal spells the keys of an entry with underscores (openstacksdk:
// normalize_keys).
func normal(entry object) object {
	out := object{}
	for _, k := range slices.Sorted(maps.Keys(entry)) {
		v := entry[k]
		if m, ok := v.(object); ok {
			v = normal(m)
		}
		key := strings.ReplaceAll(k, "-", "_")
		if _, there := out[key]; there && key != k {
			continue
		}
		out[key] = v
	}
	return out
}

// over puts an entry on a base as openstacksdk does: auth is merged, every
// other key replaced.
func over(base, entry object) object {
	out := maps.Clone(base)
	if out == nil {
		out = object{}
	}
	for k, v := range entry {
		if auth, ok := v.(object); ok && k == "auth" {
			merged := maps.Clone(mapping(out["auth"]))
			if merged == nil {
				merged = object{}
			}
			maps.Copy(merged, auth)
			v = merged
		} else if k == "auth" && mapping(out["auth"]) != nil {
			continue // an empty auth takes nothing away
		}
		out[k] = v
	}
	return out
}

// merge puts one file's mapping on another's, mapping into mapping; neither
// is changed.
func merge(base, top object) object {
	out := maps.Clone(base)
	if out == nil {
		out = object{}
	}
	for k, v := range top {
		a, ok1 := out[k].(object)
		b, ok2 := v.(object)
		if ok1 && ok2 {
			v = merge(a, b)
		}
		out[k] = v
	}
	return out
}

// withProfile puts the entry over the profile that it names.
func (o Options) withProfile(e *Entry, entry object) (object, error) {
	profile := scalar(entry["profile"])
	if old := scalar(entry["cloud"]); profile == "" && old != "" {
		profile = old
		e.warn("%s: cloud %q names its profile by the old key cloud; it is called profile now", e.File, e.Name)
	}
	delete(entry, "cloud")
	if profile == "" {
		return entry, nil
	}
	_, public, _, err := o.find("clouds-public", "OS_CLIENT_VENDOR_FILE", o.beside(e.File, "clouds-public"))
	if err != nil {
		return nil, err
	}
	p, ok := mapping(public["public-clouds"])[profile].(object)
	if p = normal(p); !ok {
		p, ok = vendor(profile)
	}
	if ok {
		if _, own := entry["regions"]; !own && scalar(entry["region_name"]) != "" {
			// The entry has made its choice.
			delete(p, "regions")
		}
		return over(p, entry), nil
	}
	if scalar(mapping(entry["auth"])["auth_url"]) == "" && scalar(entry["auth_url"]) == "" {
		return nil, &Error{
			fmt.Sprintf("cloud %q in %s takes its settings from the profile %q, which is not at hand", e.Name, e.File, profile),
			"put the profile under public-clouds into clouds-public.yaml beside it, or write auth_url into the entry",
		}
	}
	e.warn("%s: the profile %q of cloud %q is not at hand; only the entry itself counts", e.File, profile, e.Name)
	return entry, nil
}

// withRegion chooses one of several regions: the one asked for, else the
// environment's, else the first.
func (o Options) withRegion(e *Entry, entry object) (object, error) {
	regions, several := entry["regions"].([]any)
	if !several {
		switch v := entry["region_name"].(type) {
		case []any:
			regions, several = v, true
		case string:
			if strings.Contains(v, ",") {
				several = true
				for r := range strings.SplitSeq(v, ",") {
					regions = append(regions, strings.TrimSpace(r))
				}
			}
		}
	}
	delete(entry, "regions")
	if !several || len(regions) == 0 {
		if o.Region != "" {
			return over(entry, object{"region_name": o.Region}), nil
		}
		return entry, nil
	}
	want := orElse(o.Region, o.env("OS_REGION_NAME"))
	var known []string
	for _, r := range regions {
		values := object{}
		name := scalar(r)
		if m, ok := r.(object); ok {
			name = scalar(m["name"])
			values = mapping(m["values"])
		}
		if want == "" || name == want {
			return over(over(entry, normal(values)), object{"region_name": name}), nil
		}
		known = append(known, name)
	}
	return nil, &Error{
		fmt.Sprintf("cloud %q in %s has no region %q", e.Name, e.File, want),
		"it has " + strings.Join(known, ", ") + "; the names are case sensitive (OS_REGION_NAME)",
	}
}
