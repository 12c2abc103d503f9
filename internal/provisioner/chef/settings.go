package chef

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/bootstrap/install"
	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
)

// kind is which of the family a provisioner is.
type kind int

const (
	infra kind = iota
	solo
	apply
)

// kindOf reads a provisioner's name. The cinc_ ones are those of the plug-in
// kitchen-cinc, which are Chef's with another product.
func kindOf(name string) (k kind, product string, err error) {
	family, which, ok := strings.Cut(name, "_")
	if ok && (family == "chef" || family == "cinc") {
		if family == "cinc" {
			product = "cinc"
		}
		switch which {
		case "infra", "zero":
			return infra, product, nil
		case "solo":
			return solo, product, nil
		case "apply":
			return apply, product, nil
		case "target":
			return 0, "", &base.UnsupportedError{
				What:   "the provisioner " + name,
				Why:    "target mode runs a client on the workstation, which Galley does not do",
				Advice: "chef_infra converges the machine itself",
			}
		}
	}
	if name == "" {
		return infra, "", nil
	}
	return 0, "", fmt.Errorf("the provisioner %q is none of the Chef family", name)
}

// binary is the client's name without the product's prefix.
func (k kind) binary() string { return [...]string{"client", "solo", "apply"}[k] }

// settings are the keys of the Chef family (Test Kitchen: chef/common_sandbox,
// chef_base, chef_infra, chef_solo, chef_apply).
type settings struct {
	kind        kind
	runList     []string
	namedList   string
	policyGroup string
	attributes  any
	clientPath  string
	client      config.Section // client_rb or solo_rb
	license     string
	logLevel    string
	logFile     string
	profileRuby bool
	slowReport  string // the argument, "true" for none, "" for no report
	deprecation bool
	json        bool
	zeroHost    string
	zeroPort    int
	legacy      bool
	converges   int
	idempotent  bool

	policyfile, berksfile string
	update                bool
	// peer has chef-cli and Berkshelf resolve cookbooks.
	peer      bool
	filesGlob []string
	// dirs are the directories of the sandbox that are copies of local ones:
	// name there, path here.
	dirs   [][2]string
	secret string

	plan    *install.Plan
	skip    bool
	version string
}

// defaultGlob is what of a cookbook is sent (Test Kitchen:
// cookbook_files_glob).
var defaultGlob = []string{
	"README.*", "VERSION", "metadata.{json,rb}", "attributes.rb", "recipe.rb",
	"attributes/**/*", "definitions/**/*", "files/**/*", "libraries/**/*", "providers/**/*", "recipes/**/*",
	"resources/**/*", "templates/**/*", "ohai/**/*", "compliance/**/*",
}

// source reads the keys of the family. kitchen-cinc calls some by its own name.
type source struct{ config.Reader }

// key is the key as the section has it.
func (r *source) key(key string) string {
	if rest, ok := strings.CutPrefix(key, "chef_"); ok && !r.Has(key) && r.Has("cinc_"+rest) {
		return "cinc_" + rest
	}
	return key
}

func (r *source) str(key, def string) string { return r.Text(r.key(key), def) }

func (r *source) mistake(key, want string) {
	found, _ := r.String(key, "")
	r.Wrong(key, strconv.Quote(found), want)
}

// read reads the section.
func read(s config.Section, o base.Options) (*settings, error) {
	k, product, err := kindOf(s.Name())
	if err != nil {
		return nil, err
	}
	r := &source{config.Reader{Section: s}}
	set := &settings{
		kind:        k,
		runList:     r.List("run_list"),
		policyGroup: r.str("policy_group", ""),
		attributes:  r.Mapping("attributes").Data(),
		clientPath:  r.str("chef_"+k.binary()+"_path", ""),
		license:     r.str("chef_license", o.Getenv("CHEF_LICENSE")),
		logLevel:    r.str("log_level", ""),
		logFile:     r.str("log_file", ""),
		profileRuby: r.Flag("profile_ruby", false),
		deprecation: r.Flag("deprecations_as_errors", false),
		json:        r.Flag("json_attributes", true),
		zeroHost:    r.str("chef_zero_host", ""),
		zeroPort:    r.Number("chef_zero_port", 8889),
		legacy:      r.Flag("legacy_mode", false),
		converges:   r.Number("multiple_converge", 1),
		idempotent:  r.Flag("enforce_idempotency", false),
		update:      r.Flag("always_update_cookbooks", true),
		peer:        r.resolverKey(o),
	}
	set.namedList = r.namedRunList()
	if set.logLevel == "" {
		set.logLevel = "auto"
		if o.Debug {
			set.logLevel = "debug"
		}
	}
	switch k {
	case infra:
		set.client = r.Mapping("client_rb")
	case solo:
		set.client = r.Mapping("solo_rb")
	}
	set.slowReport = r.slowReport()
	if set.converges < 1 {
		r.mistake("multiple_converge", "a number of runs, at least 1")
	}
	switch set.license {
	case "", "accept", "accept-no-persist", "accept-silent":
	default:
		if s.Has("chef_license") {
			r.mistake("chef_license", "one of accept, accept-no-persist and accept-silent")
		}
	}
	r.files(set, o)
	r.cookbooks(set)
	r.install(set, product, o)
	return set, r.Err()
}

// namedRunList reads a key whose default in Test Kitchen is an empty mapping.
func (r *source) namedRunList() string {
	if m, err := r.Map("named_run_list"); err == nil && len(m.Keys()) == 0 {
		return ""
	}
	return r.str("named_run_list", "")
}

func (r *source) slowReport() string {
	if v, err := r.Bool("slow_resource_report", false); err == nil {
		if v {
			return "true"
		}
		return ""
	}
	if n := r.Number("slow_resource_report", 0); n > 0 {
		return strconv.Itoa(n)
	}
	return ""
}

// files finds what goes into the sandbox beside the cookbooks.
func (r *source) files(set *settings, o base.Options) {
	names := []string{"data", "data_bags", "environments", "nodes", "roles", "clients"}
	if set.kind == apply {
		names = []string{"apply"}
	}
	for _, name := range names {
		key := name + "_path"
		p := o.FindDir(name)
		if r.Has(key) {
			p = r.File(key, "")
			switch info, err := os.Stat(p); {
			case errors.Is(err, fs.ErrNotExist):
				p = "" // as with Test Kitchen: git does not keep an empty folder
			case err != nil || !info.IsDir():
				r.Wrong(key, p+", which is not one", "a directory")
			}
		}
		if p != "" {
			set.dirs = append(set.dirs, [2]string{name, p})
		}
	}
	if set.kind == apply {
		return
	}
	const key = "encrypted_data_bag_secret_key_path"
	set.secret = r.File(key, o.FindFile("encrypted_data_bag_secret_key"))
	if r.Has(key) {
		if info, err := os.Stat(set.secret); err != nil || info.IsDir() {
			r.Wrong(key, set.secret+", which is not there", "a file")
		}
	}
}

// cookbooks reads the keys about where cookbooks come from.
func (r *source) cookbooks(set *settings) {
	policy := "policyfile_path"
	if !r.Has(policy) && r.Has("policyfile") {
		policy = "policyfile"
	}
	set.policyfile = r.File(policy, "Policyfile.rb")
	set.berksfile = r.File("berksfile_path", "Berksfile")
	for _, f := range [][2]string{{policy, set.policyfile}, {"berksfile_path", set.berksfile}} {
		if _, err := os.Stat(f[1]); r.Has(f[0]) && err != nil {
			r.Wrong(f[0], f[1]+", which is not there", "a file")
		}
	}
	set.filesGlob = defaultGlob
	if r.Has("cookbook_files_glob") {
		set.filesGlob = nil
		for _, g := range r.List("cookbook_files_glob") {
			set.filesGlob = append(set.filesGlob, splitGlobs(g)...)
		}
	}
}

// install reads the keys about the client's package.
func (r *source) install(set *settings, product string, o base.Options) {
	req := install.Request{
		Product:         r.str("product_name", product),
		Version:         r.str("product_version", ""),
		Channel:         r.str("channel", ""),
		Strategy:        install.Strategy(r.str("install_strategy", "")),
		Platform:        r.str("platform", ""),
		PlatformVersion: r.str("platform_version", ""),
		Architecture:    r.str("architecture", ""),
		URL:             r.str("download_url", ""),
		SHA256:          r.str("checksum", ""),
		ScriptURL:       r.str("chef_omnibus_url", ""),
		ScriptOptions:   strings.Join(r.List(r.key("chef_omnibus_install_options")), " "),
		License:         r.str("chef_license_key", o.Getenv("CHEF_LICENSE_KEY")),
		Index:           r.str("omnitruck_url", ""),
		Root:            r.str("chef_omnibus_root", ""),
	}
	if r.Has("require_chef_omnibus") && (!r.Has("product_name") || isFalse(r.Section, "require_chef_omnibus")) {
		r.omnibus(&req)
	}
	set.version = req.Version
	plan, err := install.Make(req)
	if err != nil {
		r.Add(err)
		return
	}
	set.plan, set.skip = plan, req.Strategy == install.Skip
}

func isFalse(s config.Section, key string) bool {
	v, err := s.Bool(key, true)
	return err == nil && !v
}

// omnibus reads require_chef_omnibus in all its spellings: true and false,
// latest, a version as text or number.
func (r *source) omnibus(req *install.Request) {
	const key = "require_chef_omnibus"
	var strategy install.Strategy
	if v, err := r.Bool(key, true); err == nil {
		if !v {
			strategy = install.Skip
		}
	} else if word := strings.TrimSpace(r.str(key, "")); strings.EqualFold(word, "latest") {
		strategy = install.Always
	} else {
		if strings.Trim(word, "0123456789.-+~abcdefghijklmnopqrstuvwxyz") != "" || word == "" || word[0] < '0' || word[0] > '9' {
			r.mistake(key, "true, false, latest or a version")
			return
		}
		if req.Version == "" {
			req.Version = word
		}
		strategy = install.Match
	}
	if req.Strategy == "" || strategy == install.Skip {
		req.Strategy = strategy
	}
}
