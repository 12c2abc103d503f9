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

	"gopkg.in/yaml.v3"
)

// maxFile bounds a file; real ones have some kilobytes.
const maxFile = 4 << 20

// Options say where files are looked for.
type Options struct {
	// Getenv returns environment variables: OS_CLIENT_CONFIG_FILE,
	// OS_CLIENT_SECURE_FILE, OS_CLIENT_VENDOR_FILE, OS_REGION_NAME, HOME and
	// XDG_CONFIG_HOME. Nil is the process's own environment.
	Getenv func(string) string
	// Path is a file to read before the standard places, after
	// OS_CLIENT_CONFIG_FILE (kitchen-openstack 7: clouds_yaml_path).
	Path string
	// Dir stands for the current directory; "" is the process's.
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
	env  map[string]string
}

// Env returns the entry as OS_* variables.
func (e *Entry) Env() map[string]string { return maps.Clone(e.env) }

// String names the entry; its values are secrets.
func (e *Entry) String() string { return e.Name + " of " + e.File }

// GoString is String.
func (e *Entry) GoString() string { return e.String() }

// NotFoundError tells that there is no such cloud, or no file at all.
type NotFoundError struct {
	Name string
	// Names are the clouds that there are, File is where, "" for nowhere.
	Names []string
	File  string
	// Searched are the places that were looked at.
	Searched []string
}

func (e *NotFoundError) Error() string {
	if e.File == "" {
		return fmt.Sprintf("cloud %q: there is no clouds.yaml", e.Name)
	}
	return fmt.Sprintf("there is no cloud %q in %s", e.Name, e.File)
}

// Hint names what there is.
func (e *NotFoundError) Hint() string {
	if e.File == "" {
		return "looked for " + strings.Join(e.Searched, ", ")
	}
	if len(e.Names) == 0 {
		return "the file names no clouds at all"
	}
	return "it has " + strings.Join(e.Names, ", ")
}

// ProfileError tells that an entry leans on a profile that is not at hand.
type ProfileError struct{ Cloud, Profile, File string }

func (e *ProfileError) Error() string {
	return fmt.Sprintf("cloud %q in %s takes its settings from the profile %q, which is not at hand", e.Cloud, e.File, e.Profile)
}

// Hint tells where profiles come from.
func (e *ProfileError) Hint() string {
	return "put the profile under public-clouds into clouds-public.yaml beside it, or write auth_url into the entry"
}

// object is a YAML mapping.
type object = map[string]any

// Load returns the named cloud.
func Load(name string, o Options) (*Entry, error) {
	path, root, searched, err := o.find("clouds", "OS_CLIENT_CONFIG_FILE", o.Path)
	if err != nil {
		return nil, err
	}
	if path == "" {
		return nil, &NotFoundError{Name: name, Searched: searched}
	}
	all, _ := root["clouds"].(object)
	entry, ok := all[name].(object)
	if !ok {
		if v, there := all[name]; there && v != nil {
			return nil, fmt.Errorf("cloud %q in %s is no mapping", name, path)
		} else if !there {
			return nil, &NotFoundError{Name: name, Names: names(all), File: path}
		}
		entry = object{}
	}
	_, secure, _, err := o.find("secure", "OS_CLIENT_SECURE_FILE", beside(o.Path, "secure"))
	if err != nil {
		return nil, err
	}
	if all, ok := secure["clouds"].(object); ok {
		if more, ok := all[name].(object); ok {
			entry = merge(entry, more)
		}
	}
	if entry, err = o.withProfile(name, path, entry); err != nil {
		return nil, err
	}
	entry = o.withRegion(entry)
	e := &Entry{Name: name, File: path, env: map[string]string{}}
	o.variables(entry, e.env)
	return e, nil
}

// List returns the names of the clouds, sorted; none when there is no file.
func List(o Options) ([]string, error) {
	_, root, _, err := o.find("clouds", "OS_CLIENT_CONFIG_FILE", o.Path)
	if err != nil {
		return nil, err
	}
	all, _ := root["clouds"].(object)
	return names(all), nil
}

func names(all object) []string { return slices.Sorted(maps.Keys(all)) }

// beside returns a file's neighbour of another name, "" for no file.
func beside(path, name string) string {
	if path == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(path), name+filepath.Ext(path))
}

// find reads the first file of that name: the one that the variable names,
// the extra one, then the standard places. A file that the person names must
// be there; one that was only looked for need not.
func (o Options) find(name, variable, extra string) (path string, root object, searched []string, err error) {
	if named := o.env(variable); named != "" {
		root, err = read(o.expand(named))
		if err == nil {
			return named, root, nil, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", nil, nil, err
		}
		searched = append(searched, named)
	}
	if extra != "" {
		extra = o.expand(extra)
		if !filepath.IsAbs(extra) {
			extra = filepath.Join(o.Dir, extra)
		}
		root, err = read(extra)
		if err == nil {
			return extra, root, nil, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || extra == o.expand(o.Path) {
			return "", nil, nil, fmt.Errorf("clouds_yaml_path: %w", err)
		}
	}
	for _, dir := range o.dirs() {
		for _, ext := range []string{".yaml", ".yml", ".json"} {
			p := filepath.Join(dir, name+ext)
			root, err := read(p)
			if err == nil {
				return p, root, nil, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return "", nil, nil, err
			}
		}
		searched = append(searched, filepath.Join(dir, name+".yaml"))
	}
	return "", nil, searched, nil
}

func (o Options) dirs() []string {
	dirs := []string{orElse(o.Dir, ".")}
	home := o.home()
	if xdg := o.env("XDG_CONFIG_HOME"); xdg != "" {
		dirs = append(dirs, filepath.Join(xdg, "openstack"))
	} else if home != "" {
		dirs = append(dirs, filepath.Join(home, ".config", "openstack"))
		if runtime.GOOS == "darwin" {
			dirs = append(dirs, filepath.Join(home, "Library", "Application Support", "openstack"))
		}
	}
	return append(dirs, orElse(o.SystemDir, "/etc/openstack"))
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
		return nil, fmt.Errorf("%s is no configuration file", path)
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

// parse reads a file's text.
func parse(data []byte) (object, error) {
	var root any
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	switch r := root.(type) {
	case nil:
		return object{}, nil
	case object:
		return r, nil
	}
	return nil, errors.New("it is no mapping with a key clouds")
}

// withProfile puts the entry over the profile that it names.
func (o Options) withProfile(name, path string, entry object) (object, error) {
	profile := scalar(entry["profile"])
	if profile == "" {
		profile = scalar(entry["cloud"]) // the old name of the key
	}
	if profile == "" {
		return entry, nil
	}
	_, public, _, err := o.find("clouds-public", "OS_CLIENT_VENDOR_FILE", beside(path, "clouds-public"))
	if err != nil {
		return nil, err
	}
	all, _ := public["public-clouds"].(object)
	p, ok := all[profile].(object)
	if !ok {
		if hasAuthURL(entry) {
			return entry, nil
		}
		return nil, &ProfileError{name, profile, path}
	}
	return merge(p, entry), nil
}

func hasAuthURL(entry object) bool {
	auth, _ := entry["auth"].(object)
	return scalar(auth["auth_url"]) != "" || scalar(entry["auth_url"]) != ""
}

// withRegion chooses one of several regions: the environment's, else the
// first (openstacksdk).
func (o Options) withRegion(entry object) object {
	regions, _ := entry["regions"].([]any)
	want := scalar(entry["region_name"])
	if want == "" && len(regions) > 0 {
		want = o.env("OS_REGION_NAME")
	}
	for _, r := range regions {
		values := object{}
		name := scalar(r)
		if m, ok := r.(object); ok {
			name = scalar(m["name"])
			values, _ = m["values"].(object)
		}
		if want == "" || name == want {
			return merge(merge(entry, values), object{"region_name": name})
		}
	}
	return entry
}

// merge puts over on base, mapping into mapping; neither is changed.
func merge(base, over object) object {
	out := maps.Clone(base)
	if out == nil {
		out = object{}
	}
	for k, v := range over {
		a, ok1 := out[k].(object)
		b, ok2 := v.(object)
		if ok1 && ok2 {
			v = merge(a, b)
		}
		out[k] = v
	}
	return out
}

func scalar(v any) string {
	switch v := v.(type) {
	case nil, object, []any:
		return ""
	case bool:
		if v {
			return "true"
		}
		return "false"
	default:
		return fmt.Sprint(v)
	}
}

// authVariables are the keys of auth; each may stand outside of it, too.
var authVariables = map[string]string{
	"auth_url":                      "OS_AUTH_URL",
	"username":                      "OS_USERNAME",
	"user_id":                       "OS_USER_ID",
	"password":                      "OS_PASSWORD",
	"passcode":                      "OS_PASSCODE",
	"token":                         "OS_TOKEN",
	"project_name":                  "OS_PROJECT_NAME",
	"project_id":                    "OS_PROJECT_ID",
	"tenant_name":                   "OS_TENANT_NAME",
	"tenant_id":                     "OS_TENANT_ID",
	"user_domain_name":              "OS_USER_DOMAIN_NAME",
	"user_domain_id":                "OS_USER_DOMAIN_ID",
	"project_domain_name":           "OS_PROJECT_DOMAIN_NAME",
	"project_domain_id":             "OS_PROJECT_DOMAIN_ID",
	"domain_name":                   "OS_DOMAIN_NAME",
	"domain_id":                     "OS_DOMAIN_ID",
	"default_domain_id":             "OS_DEFAULT_DOMAIN_ID",
	"default_domain_name":           "OS_DEFAULT_DOMAIN_NAME",
	"default_domain":                "OS_DEFAULT_DOMAIN",
	"system_scope":                  "OS_SYSTEM_SCOPE",
	"trust_id":                      "OS_TRUST_ID",
	"application_credential_id":     "OS_APPLICATION_CREDENTIAL_ID",
	"application_credential_name":   "OS_APPLICATION_CREDENTIAL_NAME",
	"application_credential_secret": "OS_APPLICATION_CREDENTIAL_SECRET",
}

// plainVariables are the keys beside auth.
var plainVariables = map[string]string{
	"auth_type":            "OS_AUTH_TYPE",
	"region_name":          "OS_REGION_NAME",
	"interface":            "OS_INTERFACE",
	"endpoint_type":        "OS_ENDPOINT_TYPE",
	"identity_api_version": "OS_IDENTITY_API_VERSION",
}

// pathVariables are keys that name a file.
var pathVariables = map[string]string{
	"cacert": "OS_CACERT",
	"cert":   "OS_CERT",
	"key":    "OS_KEY",
}

func (o Options) variables(entry object, env map[string]string) {
	put := func(name string, v any) {
		if s := scalar(v); s != "" {
			env[name] = s
		}
	}
	for key, name := range authVariables {
		put(name, entry[key])
	}
	if auth, ok := entry["auth"].(object); ok {
		for key, name := range authVariables {
			put(name, auth[key])
		}
	}
	for key, name := range plainVariables {
		put(name, entry[key])
	}
	for key, name := range pathVariables {
		if s := scalar(entry[key]); s != "" {
			env[name] = o.expand(s)
		}
	}
	if no(entry["verify"]) || yes(entry["insecure"]) {
		env["OS_INSECURE"] = "true"
	}
	// A service whose endpoint the catalogue has wrong.
	for key, v := range entry {
		if service, ok := strings.CutSuffix(key, "_endpoint_override"); ok {
			put("OS_"+strings.ToUpper(service)+"_ENDPOINT_OVERRIDE", v)
		}
	}
}

// yes and no read a boolean as PyYAML does, and as a string.
func yes(v any) bool { return slices.Contains([]string{"true", "yes", "on", "1"}, word(v)) }
func no(v any) bool  { return slices.Contains([]string{"false", "no", "off", "0"}, word(v)) }

func word(v any) string { return strings.ToLower(strings.TrimSpace(scalar(v))) }
