package inspec

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/text"
)

// settings are the keys of the verifier (kitchen-inspec).
type settings struct {
	profiles []profile
	// warnings are about keys that have no effect.
	warnings []string
	// explicit says that inspec_tests names them.
	explicit   bool
	inputs     map[string]any
	inputFiles []string
	waivers    []string
	reporters  []reporter
	controls   []string
	tags       []string
	color      bool
	cache      bool
	plugins    map[string]any
	host       string
	port       int
	sudo       bool
	sudoCmd    string
	sudoOpts   string
	proxyCmd   string
	forward    bool
	targetID   string
	// options are passed on as they are.
	options []string
	license string
	keys    []string // chef_license_key and _server as arguments
	root    string   // chef_omnibus_root
}

// profile is what to check with.
type profile struct {
	// path is a file or directory here, "" for one from elsewhere.
	path string
	// target is the address of one from elsewhere.
	target string
	// wrap, when set, is the inspec.yml dependency of a profile that the
	// command line has no notation for.
	wrap map[string]string
}

// reporter is how results are shown: to a file, or on the console for "".
type reporter struct{ name, file string }

// reader reads the keys that need more than their value.
type reader struct {
	config.Reader
	// warnings are about keys that have no effect.
	warnings []string
}

// paths reads files that must exist.
func (r *reader) paths(key string) []string {
	var out []string
	for _, p := range r.List(key) {
		p = r.Expand(p)
		if info, err := os.Stat(p); err != nil || info.IsDir() {
			r.Wrong(key, p+", which is not there", "a file")
		}
		out = append(out, p)
	}
	return out
}

func read(s config.Section, o base.Options) (*settings, error) {
	r := &reader{Reader: config.Reader{Section: s}}
	set := &settings{
		inputFiles: append(r.paths("input_files"), r.paths("attrs")...),
		waivers:    r.paths("waiver_files"),
		controls:   r.List("controls"),
		tags:       r.List("tags"),
		color:      r.Flag("color", true),
		cache:      r.Flag("backend_cache", true),
		plugins:    r.Plain("plugin_config"),
		host:       r.Text("host", ""),
		port:       r.Number("port", 0),
		sudo:       r.Flag("sudo", true),
		sudoCmd:    r.Text("sudo_command", "sudo -E"),
		sudoOpts:   r.Text("sudo_options", ""),
		proxyCmd:   r.Text("proxy_command", ""),
		forward:    r.Flag("forward_agent", false),
		targetID:   r.Text("target_id", ""),
		license:    r.Text("chef_license", ""),
		root:       r.Text("chef_omnibus_root", ""),
	}
	if set.inputs = r.Plain("inputs"); set.inputs == nil {
		set.inputs = r.Plain("attributes")
	}
	set.reporters = r.reporters(o)
	set.profiles, set.explicit = r.profiles(o)
	set.warnings = r.warnings
	if v := r.Text("chef_license_key", ""); v != "" {
		set.keys = append(set.keys, "--chef-license-key", v)
	}
	if v := r.List("chef_license_server"); v != nil {
		set.keys = append(set.keys, "--chef-license-server", strings.Join(v, ","))
	}
	if s.Has("filter_empty_profiles") && r.Flag("filter_empty_profiles", false) {
		set.options = append(set.options, "--filter-empty-profiles")
	}
	if s.Has("reporter_backtrace_inclusion") && !r.Flag("reporter_backtrace_inclusion", true) {
		set.options = append(set.options, "--no-reporter-backtrace-inclusion")
	}
	if v := r.Text("reporter_message_truncation", ""); v != "" {
		set.options = append(set.options, "--reporter-message-truncation", v)
	}
	// Each run is a separate process, which keeps no inputs.
	_ = r.Flag("cache_inputs", false)
	if !r.Flag("load_plugins", true) && s.Has("load_plugins") {
		r.Add(base.Refuse(s, "load_plugins", "InSpec's command line has no switch for it", "uninstall the plug-ins that are in the way (inspec plugin list)"))
	}
	return set, r.Err()
}

// reporters reads reporter, or the older format and output. %{platform} and
// %{suite} are replaced by the instance's.
func (r *reader) reporters(o base.Options) []reporter {
	fill := strings.NewReplacer("%{platform}", o.Platform, "%{suite}", o.Suite)
	var out []reporter
	for _, text := range r.List("reporter") {
		name, file, _ := strings.Cut(fill.Replace(text), ":")
		if file == "-" {
			file = ""
		}
		if file != "" {
			file = r.Expand(file)
		}
		out = append(out, reporter{name: name, file: file})
	}
	old := reporter{name: r.Text("format", ""), file: r.Text("output", "")}
	if out != nil || old == (reporter{}) {
		return out
	}
	old.name = cmp.Or(old.name, "cli")
	if old.file != "" {
		old.file = r.Expand(fill.Replace(old.file))
	}
	return []reporter{old}
}

// frameworks are directories of a suite that show that others than InSpec live
// there too (kitchen-inspec); InSpec's own are then in inspec/.
var frameworks = []string{"inspec", "serverspec", "bats", "pester", "rspec", "cucumber", "minitest", "bash"}

// profiles reads inspec_tests, or finds the suite's own.
func (r *reader) profiles(o base.Options) (out []profile, explicit bool) {
	if r.Has("inspec_tests") {
		maps, mapsErr := r.Maps("inspec_tests")
		if mapsErr == nil {
			for _, m := range maps {
				out = append(out, r.entry(m))
			}
			return out, true
		}
		return r.mixed(), true
	}
	dir := o.SuiteDir()
	for _, f := range frameworks {
		if base.IsDir(filepath.Join(o.SuiteDir(), f)) {
			dir = filepath.Join(o.SuiteDir(), "inspec")
		}
	}
	for _, d := range []string{dir, filepath.Join(o.Root, "test", "recipes")} {
		if base.IsDir(d) {
			return []profile{{path: d}}, false
		}
	}
	return nil, false
}

// mixed reads a list of paths, which may have mappings between them.
func (r *reader) mixed() []profile {
	data, _ := r.Data().(map[string]any)
	list, ok := data["inspec_tests"].([]any)
	if !ok {
		list = []any{data["inspec_tests"]}
	}
	var out []profile
	for _, e := range list {
		switch e := e.(type) {
		case nil:
		case map[string]any:
			out = append(out, r.entry(config.NewSection(e).WithRoot(r.Expand("."))))
		default:
			out = append(out, r.place(fmt.Sprint(e)))
		}
	}
	return out
}

// place is a profile given by one word: an address or a path.
func (r *reader) place(text string) profile {
	if strings.Contains(text, "://") || strings.HasPrefix(text, "git@") {
		return profile{target: text}
	}
	p := r.Expand(text)
	if _, err := os.Stat(p); err != nil {
		r.Wrong("inspec_tests", p+", which is not there", "a path or an address of a profile")
	}
	return profile{path: p}
}

// entry is a profile given by a mapping.
func (r *reader) entry(m config.Section) profile {
	get := func(key string) string {
		v, err := m.String(key, "")
		r.Add(err)
		return v
	}
	name := get("name")
	r.unused(m)
	switch {
	case m.Has("path"):
		return r.place(get("path"))
	case m.Has("git"):
		url := get("git")
		wrap := map[string]string{"git": url}
		for _, key := range []string{"branch", "tag", "commit", "version", "relative_path"} {
			if m.Has(key) {
				wrap[key] = get(key)
			}
		}
		if len(wrap) == 1 {
			return profile{target: url}
		}
		if name == "" {
			name = strings.TrimSuffix(url[strings.LastIndexAny(url, "/:")+1:], ".git")
		}
		wrap["name"] = name
		return profile{wrap: wrap}
	case m.Has("url"):
		return profile{target: get("url")}
	case m.Has("compliance"):
		return profile{target: "compliance://" + get("compliance")}
	case m.Has("supermarket_url"):
		// The command line knows the public Supermarket only.
		from := cmp.Or(get("supermarket"), name)
		name = cmp.Or(name, from)
		return profile{wrap: map[string]string{
			"name": strings.ReplaceAll(name, "/", "-"), "supermarket": from, "supermarket_url": get("supermarket_url"),
		}}
	case m.Has("supermarket"):
		return profile{target: "supermarket://" + get("supermarket")}
	case name != "":
		dir := r.File("profiles_path", "")
		if p := filepath.Join(dir, name); dir != "" && base.IsDir(p) {
			return profile{path: p}
		}
		return profile{target: "supermarket://" + name}
	}
	r.Wrong("inspec_tests", "a mapping of "+strings.Join(slices.Sorted(slices.Values(m.Keys())), ", "), "one with name, path, git, url, compliance or supermarket")
	return profile{}
}

// entryKeys are the keys of an entry of inspec_tests, each with those that it
// goes with; nil for all.
var entryKeys = map[string][]string{
	"name": nil, "path": nil, "git": nil, "url": nil, "compliance": nil, "supermarket": nil,
	"branch": {"git"}, "tag": {"git"}, "commit": {"git"}, "version": {"git"}, "relative_path": {"git"},
	"supermarket_url": {"supermarket", "name"},
}

// unused warns of the keys of an entry that are not known, or that have no
// effect beside the others.
func (r *reader) unused(m config.Section) {
	for _, key := range m.Keys() {
		with, known := entryKeys[key]
		switch {
		case !known:
			w := fmt.Sprintf("inspec_tests: the key %s has no effect (%s)", key, m.Where(key))
			if hint := text.DidYouMean(key, slices.Sorted(maps.Keys(entryKeys))); hint != "" {
				w += "; " + hint
			}
			r.warnings = append(r.warnings, w)
		case with != nil && !slices.ContainsFunc(with, m.Has):
			r.warnings = append(r.warnings, fmt.Sprintf("inspec_tests: the key %s has no effect without %s (%s)", key, strings.Join(with, " or "), m.Where(key)))
		}
	}
}
