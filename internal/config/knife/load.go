package knife

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/secret"
)

// Load finds and reads the configuration: the profile of ~/.chef/credentials,
// then config.rb or knife.rb over it, then config.d/*.rb (and knife.d/*.rb)
// beside that, then the overrides. A missing file is not an error.
func Load(ctx context.Context, o Options) (*Config, error) {
	if o.Env == nil {
		o.Env = env.New(os.Environ())
	}
	var c *Config
	err := ruby.Handoff(o.Env, o.AllowExec, nil, func(system bool) (err error) {
		c, err = loadBy(ctx, o, system)
		return err
	})
	return c, err
}

func loadBy(ctx context.Context, o Options, system bool) (*Config, error) {
	l, err := newLoader(o)
	if err != nil {
		return nil, err
	}
	l.system = system
	profile, err := l.credentials()
	if err != nil {
		return nil, err
	}
	if l.file, err = o.config(l.places); err != nil {
		return nil, err
	}
	if l.file != "" {
		if err := l.run(ctx, l.file); err != nil {
			return nil, l.foreign(err)
		}
	}
	if err := l.dotD(ctx); err != nil {
		return nil, err
	}
	if err := l.overrides(ctx); err != nil {
		return nil, err
	}
	return l.config(profile)
}

// foreign adds to the error of a config.rb that is in the current directory
// that it need not be Chef's: other tools call their files so, too.
func (l *loader) foreign(err error) error {
	var e *Error
	if l.o.File == "" && errors.As(err, &e) && filepath.Dir(l.file) == filepath.Clean(l.places.dir) && filepath.Base(l.places.dir) != dotChef {
		note := "knife reads a " + filepath.Base(l.file) + " of the current directory first; if this one is not Chef's, name the right file with --config, or do without with --config " + os.DevNull
		e.Advice = strings.TrimPrefix(e.Advice+"\n"+note, "\n")
	}
	return err
}

// configDir is where the configuration lies, ~/.chef without one.
func (l *loader) configDir() string {
	if e, ok := l.settings.get("config_dir"); ok {
		s, _ := text(ruby.ToGo(e.value))
		return s
	}
	if l.file != "" {
		return filepath.Dir(l.file)
	}
	return l.places.homeChef("")
}

// beside is a path in the configuration's directory, "" where there is none.
func (l *loader) beside(name string) string {
	d := l.configDir()
	if d == "" {
		return ""
	}
	return filepath.Join(d, name)
}

// dotD reads config.d/*.rb in the order of their names (chef-config:
// load_dot_d), and knife.d/*.rb in the same way.
func (l *loader) dotD(ctx context.Context) error {
	dir, _ := text(ruby.ToGo(l.get("config_d_dir")))
	for _, d := range []string{dir, l.beside("knife.d")} {
		if d == "" {
			continue
		}
		entries, err := os.ReadDir(l.places.abs(d))
		if err != nil {
			continue // there is none, or it is not ours to read
		}
		for _, e := range entries {
			path := filepath.Join(l.places.abs(d), e.Name())
			if filepath.Ext(path) != ".rb" || strings.HasPrefix(e.Name(), ".") || !isFile(path) {
				continue
			}
			if err := l.run(ctx, path); err != nil {
				return err
			}
		}
	}
	return nil
}

// overrideFile and flagFile are used as a file in the origin of a value from
// the command line.
const (
	overrideFile = "--config-option"
	flagFile     = "the command line"
)

// overrides applies --config-option, then the flags. What knife[...] holds
// under the same name is not to be over them.
func (l *loader) overrides(ctx context.Context) error {
	for _, o := range l.o.Overrides {
		key, value, ok := strings.Cut(o, "=")
		key = strings.TrimSpace(key)
		if !ok || key == "" {
			return &Error{Msg: fmt.Sprintf("--config-option %q is not of the form KEY=VALUE", key)}
		}
		yaml := l.interp().Inspect(ruby.NewString(strings.TrimSpace(value)))
		v, err := l.interp().Eval(ctx, "YAML.load("+yaml+")", overrideFile)
		if err != nil {
			return &Error{Msg: fmt.Sprintf("--config-option %s: the value is not YAML: %v", key, err), Err: err}
		}
		e := entry{value: v, file: overrideFile}
		if k, ok := strings.CutPrefix(key, "knife."); ok {
			l.contexts["knife"].set(k, e)
			continue
		}
		if !known()[key] {
			return &Error{
				Msg:    fmt.Sprintf("--config-option %s: Chef has no such setting", key),
				Advice: "what a file sets as knife[:" + key + "] is --config-option knife." + key + "=VALUE here",
			}
		}
		if err := l.set(key, e); err != nil {
			return err
		}
		l.contexts["knife"].delete(key)
	}
	for _, name := range sorted(l.o.Flags) {
		if err := l.set(name, entry{value: ruby.NewString(l.o.Flags[name]), file: flagFile}); err != nil {
			return err
		}
		l.contexts["knife"].delete(name)
	}
	return nil
}

// config makes the Config from the settings.
func (l *loader) config(profile string) (*Config, error) {
	c := &Config{
		Profile: profile, Files: l.files, Warnings: l.warnings,
		settings: l.settings, knife: l.contexts["knife"],
	}
	r := reader{c: c}
	// These options of knife's own commands may stand under their key, too;
	// they are then over the setting (knife: apply_computed_config).
	c.NodeName = r.first("node_name")
	c.ChefServerURL = r.first("chef_server_url")
	c.Environment = r.first("environment")
	c.ChefLicense = r.text("chef_license")
	c.ValidationClientName = r.text("validation_client_name")
	c.LogLevel = r.text("log_level")
	c.AuthProtocol = r.text("authentication_protocol_version")
	c.LocalMode = r.bool("local_mode")
	c.FIPS = r.bool("fips")
	c.VerifyAPICert = r.boolOrNil("verify_api_cert")
	c.SSLVerifyMode = strings.TrimPrefix(r.text("ssl_verify_mode"), "verify_")
	c.SSLCAFile = l.path(r.text("ssl_ca_file"))
	c.SSLCAPath = l.path(r.text("ssl_ca_path"))
	c.HTTPProxy = r.proxy("http")
	c.HTTPSProxy = r.proxy("https")
	c.FTPProxy = r.proxy("ftp")
	c.NoProxy = r.text("no_proxy")
	keys := r.keys()
	if r.err != nil {
		return nil, r.err
	}
	l.directories(c)
	l.keys(c, keys)
	if len(c.Files)+len(l.o.Overrides)+len(l.o.Flags) > 0 {
		l.defaults(c)
	}
	c.Warnings = l.warnings
	return c, nil
}

// path makes a path absolute; "" stays "".
func (l *loader) path(p string) string {
	if p == "" {
		return ""
	}
	return l.places.abs(p)
}

// directories finds those beside the configuration by default.
func (l *loader) directories(c *Config) {
	switch {
	case l.file != "" && filepath.Base(filepath.Dir(l.file)) == dotChef:
		c.ChefDir = filepath.Dir(l.file)
	case l.places.nearest != "":
		c.ChefDir = l.places.nearest
	case l.places.chefHome != "" && isDir(l.places.homeChef("")):
		c.ChefDir = l.places.homeChef("")
	}
	dir := func(setting, name string) string {
		if v, ok := c.Setting(setting); ok {
			s, _ := text(v.Data)
			if s = l.path(s); s != "" && !isDir(s) {
				l.warn(v.Where(), "%s names %s, which is not there", setting, s)
			}
			return s
		}
		if p := l.beside(name); p != "" && isDir(p) {
			return l.path(p)
		}
		return ""
	}
	c.TrustedCertsDir = dir("trusted_certs_dir", "trusted_certs")
	c.ClientDDir = dir("client_d_dir", "client.d")
}

// keySettings are the keys as they were set.
type keySettings struct {
	client, clientPEM, validation, validationPEM string
	clientValue                                  Value
}

func (v Value) fromCommandLine() bool { return v.File == overrideFile || v.File == flagFile }

// keys resolves the paths of the keys: a client key starts from the directory
// of the configuration (knife: apply_computed_config), a validation key from
// the current one. A path is over an inline key (Chef::HTTP::Authenticator).
func (l *loader) keys(c *Config, k keySettings) {
	switch {
	case k.client != "" && l.file != "" && !k.clientValue.fromCommandLine():
		c.ClientKey = l.places.from(k.client, filepath.Dir(l.file))
	case k.client != "":
		c.ClientKey = l.places.abs(k.client)
	default:
		c.ClientKeyPEM = secret.Text(k.clientPEM)
	}
	switch {
	case k.validation != "":
		c.ValidationKey = l.places.abs(k.validation)
	default:
		c.ValidationKeyPEM = secret.Text(k.validationPEM)
	}
}

// defaults fills in what a configuration leaves out (chef-config:
// apply_defaults).
func (l *loader) defaults(c *Config) {
	if c.NodeName == "" {
		c.NodeName = l.login()
	}
	if c.ClientKey == "" && c.ClientKeyPEM == "" {
		c.ClientKey = l.defaultKey(c.NodeName+".pem", "user.pem")
	}
	if c.ValidationClientName == "" && c.ChefServerURL != "" {
		c.ValidationClientName = l.validationClient()
	}
	if c.ValidationKey == "" && c.ValidationKeyPEM == "" {
		c.ValidationKey = l.defaultKey(c.ValidationClientName+".pem", "validator.pem", "validation.pem")
	}
}

// login is the name of the user.
func (l *loader) login() string {
	for _, name := range []string{"LOGNAME", "USER", "USERNAME"} {
		if v := l.o.Env.Get(name); v != "" {
			return v
		}
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

// defaultKey is the first of the names beside the configuration or
// in ~/.chef.
func (l *loader) defaultKey(names ...string) string {
	for _, n := range names {
		if n == ".pem" || strings.ContainsAny(n, `/\`) {
			continue
		}
		var dirs []string
		if l.file != "" {
			dirs = append(dirs, filepath.Dir(l.file))
		}
		if h := l.places.homeChef(""); h != "" {
			dirs = append(dirs, h)
		}
		for _, d := range dirs {
			if p := filepath.Join(d, n); isFile(p) {
				return p
			}
		}
	}
	return ""
}

// reader takes values from a Config; its first error stays.
type reader struct {
	c   *Config
	err error
}

func (r *reader) value(name string) (Value, bool) { return r.c.Setting(name) }

func (r *reader) text(name string) string {
	v, ok := r.value(name)
	if !ok {
		return ""
	}
	return r.textOf(v)
}

func (r *reader) textOf(v Value) string {
	s, ok := text(v.Data)
	if !ok && r.err == nil {
		r.err = v.not("text")
	}
	return s
}

// first is knife[:name], else the setting.
func (r *reader) first(name string) string {
	if v, ok := r.c.Lookup(name); ok {
		if s := r.textOf(v); s != "" {
			return s
		}
	}
	return r.text(name)
}

func (r *reader) boolOrNil(name string) *bool {
	v, ok := r.value(name)
	if !ok {
		return nil
	}
	b, ok := v.bool()
	if !ok && r.err == nil {
		r.err = v.not("true or false")
	}
	return &b
}

func (r *reader) bool(name string) bool {
	b := r.boolOrNil(name)
	return b != nil && *b
}

// proxy joins a proxy's address with its user and password (chef-config:
// export_proxy).
func (r *reader) proxy(scheme string) string {
	address := r.text(scheme + "_proxy")
	if address == "" {
		return ""
	}
	if !strings.Contains(address, "://") {
		address = scheme + "://" + address
	}
	name, pass := r.text(scheme+"_proxy_user"), r.text(scheme+"_proxy_pass")
	if name == "" {
		return address
	}
	u, err := url.Parse(address)
	if err != nil {
		if r.err == nil {
			v, _ := r.value(scheme + "_proxy")
			r.err = &Error{File: v.File, Line: v.Line, Msg: scheme + "_proxy is not an address"}
		}
		return ""
	}
	u.User = url.User(name)
	if pass != "" {
		u.User = url.UserPassword(name, pass)
	}
	return u.String()
}

func (r *reader) keys() keySettings {
	k := keySettings{
		client: r.text("client_key"), clientPEM: r.text("client_key_contents"),
		validation: r.text("validation_key"), validationPEM: r.text("validation_key_contents"),
	}
	k.clientValue, _ = r.value("client_key")
	if v, ok := r.c.Lookup("client_key"); ok {
		k.client, k.clientValue = r.textOf(v), v
	}
	return k
}
