package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/install"
	"github.com/galleyhq/galley/internal/bootstrap/node"
	"github.com/galleyhq/galley/internal/config/knife"
	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/secret"
)

// bootstrapper makes requests of the flags that bootstrap and server create
// share.
type bootstrapper struct {
	*settings
	knife *knifeSetup
	chef  *chefAccess
}

func newBootstrapper(d *deps) *bootstrapper {
	return &bootstrapper{settings: d.settings, knife: d.knife, chef: d.chef}
}

// nodeSpec describes the node by the flags, after settle, and by knife.rb. Its
// name is that of -N, "" without.
func (b *bootstrapper) nodeSpec(ctx context.Context, f *bootstrapFlags, cfg *knife.Config) (node.Spec, error) {
	env := b.knife.env
	s := node.Spec{
		Name: f.Name, ServerURL: cfg.ChefServerURL, Environment: cmp.Or(f.Environment, cfg.Environment),
		RunList: listed(f.RunList), PolicyName: f.PolicyName, PolicyGroup: f.PolicyGroup, Tags: listed(f.Tags),
		ValidationClient: cfg.ValidationClientName,
		// knife.rb may have the client's own word, :verify_none.
		SSLVerifyMode: strings.TrimPrefix(f.SSLVerifyMode, "verify_"),
		FIPS:          f.FIPS || cfg.FIPS,
		Proxy:         f.Proxy, ProxyUser: f.ProxyUser, ProxyPassword: secret.Text(f.ProxyPass), NoProxy: f.NoProxy,
		ConfigLogLevel: topSetting(cfg, "config_log_level"), LogLocation: topSetting(cfg, "config_log_location"),
		FileCachePath:  topSetting(cfg, "unix_bootstrap_file_cache_path"),
		FileBackupPath: topSetting(cfg, "unix_bootstrap_file_backup_path"),
		ClientPath:     topSetting(cfg, "chef_client_path"),
		Color:          b.colors(b.people()),
		Install: install.Request{
			Product: f.Product, Version: f.Version, Channel: f.Channel, ScriptURL: f.URL,
			URL: f.Download, SHA256: f.Checksum, License: f.LicenseKey, Index: f.Index, CurlOptions: f.Curl, WgetOptions: f.Wget,
		},
		InstallCommand: f.Install, PreinstallCommand: f.Preinstall,
		Elevate: node.Elevation{
			Sudo: f.Sudo, PreserveHome: f.PreserveHome, SuUser: f.SuUser, SuPassword: secret.Text(f.SuPassword),
		},
	}
	if f.changed("node-verify-api-cert") || f.changed("no-node-verify-api-cert") {
		s.VerifyAPICert = &f.VerifyAPICert
	}
	switch {
	case b.verbosity >= 3:
		s.LogLevel = "trace"
	case b.verbosity == 2:
		s.LogLevel = "debug"
	}
	b.secrets.Add(f.Password, f.SuPassword, f.ProxyPass, f.LicenseKey, f.Secret)
	for _, read := range []func() error{
		func() (err error) { s.Attributes, err = f.readAttributes(); return },
		func() (err error) { s.Hints, err = f.readHints(); return },
		func() (err error) { s.Secret, err = f.readSecret(); return },
		func() (err error) { s.ValidationKey, err = validationKey(cfg); return },
		func() (err error) { s.TrustedCerts, err = textFiles(cfg.TrustedCertsDir, isCertificate); return },
		func() (err error) {
			s.ClientD, err = textFiles(cfg.ClientDDir, func(string) bool { return true })
			return
		},
		func() error { return f.sudoSecret(ctx, b.program, &s.Elevate) },
		func() (err error) { s.Template, err = b.bootstrapTemplate(ctx, f, cfg); return },
	} {
		if err := read(); err != nil {
			return s, err
		}
	}
	s.ChefLicense = f.chefLicense(cfg, env)
	b.secrets.Add(string(s.Secret), string(s.ValidationKey), string(s.Elevate.Password))
	return s, nil
}

// topSetting is a setting of knife.rb's top level as text.
func topSetting(cfg *knife.Config, name string) string {
	v, ok := cfg.Setting(name)
	if !ok {
		return ""
	}
	switch d := v.Data.(type) {
	case string:
		return d
	case ruby.Symbol:
		return string(d)
	}
	return fmt.Sprint(v.Data)
}

// isCertificate says which files of trusted_certs go to the node (knife:
// trusted_certs_content).
func isCertificate(rel string) bool {
	return !strings.Contains(rel, "/") && (strings.HasSuffix(rel, ".crt") || strings.HasSuffix(rel, ".pem"))
}

// readJSONObject reads one JSON object; where names its place in messages.
// Numbers keep all their digits.
func readJSONObject(text []byte, where string) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	if err == nil {
		if _, rest := dec.Token(); !errors.Is(rest, io.EOF) {
			err = errors.New("unexpected text after the value")
		}
	}
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		line := 1 + bytes.Count(text[:min(int(syntax.Offset), len(text))], []byte("\n"))
		return nil, usagef("it must be a JSON object, as '{\"nginx\": {\"port\": 80}}'", "%s is not JSON: line %d: %v", where, line, err)
	case err != nil:
		return nil, usagef("it must be a JSON object, as '{\"nginx\": {\"port\": 80}}'", "%s is not JSON: %v", where, err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, usagef("write it as '{\"name\": value}'", "%s is JSON, but not an object", where)
	}
	return m, nil
}

func readJSONFile(file, where string) (map[string]any, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usagef("", "%s: %v", where, err)
	}
	return readJSONObject(text, where+" "+file)
}

func (f *bootstrapFlags) readAttributes() (map[string]any, error) {
	inline := f.changed("json-attributes")
	switch {
	case inline && f.AttributeFile != "" && f.changed("json-attribute-file"):
		return nil, usagef("leave out one of them", "--json-attributes (-j) and --json-attribute-file exclude each other")
	case inline:
		return readJSONObject([]byte(f.Attributes), "the value of --json-attributes (-j)")
	case f.AttributeFile != "":
		return readJSONFile(f.AttributeFile, "--json-attribute-file")
	}
	return f.knownAttributes, nil
}

// readHints reads --hint NAME[=FILE], over those of knife.rb.
func (f *bootstrapFlags) readHints() (map[string][]byte, error) {
	out := map[string][]byte{}
	add := func(name string, v any) error {
		var err error
		out[name], err = json.Marshal(v)
		return err
	}
	for name, v := range f.knownHints {
		if v == nil {
			v = map[string]any{}
		}
		if err := add(name, v); err != nil {
			return nil, fmt.Errorf("knife[:hints]: %w", err)
		}
	}
	for _, h := range f.Hints {
		name, file, given := strings.Cut(h, "=")
		v := map[string]any{}
		if given {
			var err error
			if v, err = readJSONFile(file, "--hint "+name+":"); err != nil {
				return nil, err
			}
		}
		if err := add(name, v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (f *bootstrapFlags) readSecret() (secret.Text, error) {
	switch {
	case f.Secret != "" && f.SecretFile != "":
		return "", usagef("leave out one of them", "--secret and --secret-file exclude each other")
	case f.SecretFile != "":
		text, err := os.ReadFile(f.SecretFile)
		if err != nil {
			return "", usagef("", "--secret-file: %v", err)
		}
		return secret.Text(strings.TrimSpace(string(text))), nil
	}
	return secret.Text(f.Secret), nil
}

// validationKey is the key for the legacy registration, "" for none. A key
// that knife.rb names and that does not exist means the present registration
// (knife: bootstrap.rb, register_client).
func validationKey(cfg *knife.Config) (secret.Text, error) {
	if cfg.ValidationKeyPEM != "" {
		return secret.Text(cfg.ValidationKeyPEM.Reveal()), nil
	}
	if cfg.ValidationKey == "" {
		return "", nil
	}
	text, err := os.ReadFile(cfg.ValidationKey)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("validation_key: %w", err)
	}
	return secret.Text(text), nil
}

// chefLicense is the acceptance of Chef's license: the flag, knife.rb, the
// environment, or an earlier acceptance on this machine.
func (f *bootstrapFlags) chefLicense(cfg *knife.Config, env *variables) string {
	for _, said := range []string{f.License, cfg.ChefLicense, env.Get("CHEF_LICENSE")} {
		if said != "" {
			return said
		}
	}
	for _, file := range []string{
		filepath.Join(env.Get("HOME"), ".chef", "accepted_licenses", "chef_infra_client"),
		"/etc/chef/accepted_licenses/chef_infra_client",
	} {
		if _, err := os.Stat(file); err == nil {
			return "accept"
		}
	}
	return ""
}

// sudoSecret gives sudo the login user's password, which is unused where sudo
// does not ask. --use-sudo-password asks for a missing one.
func (f *bootstrapFlags) sudoSecret(ctx context.Context, p *program, e *node.Elevation) error {
	e.Password = secret.Text(f.Password)
	if e.SuUser != "" && e.SuPassword == "" {
		e.SuPassword = secret.Text(f.Password)
	}
	if !f.SudoPassword || e.Password != "" {
		return nil
	}
	terminal := p.streams.Prompter()
	if terminal == nil {
		return usagef("give it with -P", "--use-sudo-password needs a password, and there is no terminal to ask on")
	}
	given, err := terminal.Prompt(ctx, "Password for sudo: ", false)
	e.Password = secret.Text(given)
	return err
}

// sshConfig says how to log in to a machine. The host key policy is that of
// --ssh-verify-host-key; where the cloud shows a machine's keys, the caller
// adds them.
func (b *bootstrapper) sshConfig(f *bootstrapFlags, host string, report bootstrap.Reporter) (bootstrap.Config, error) {
	env := b.knife.env
	home := env.Get("HOME")
	c := bootstrap.Config{
		Hop: bootstrap.Hop{
			Host: host, Port: f.Port, User: f.User, Password: secret.Text(f.Password), Keys: expandAll(f.Identities, home),
			// A key that is named is meant, unless a password is as well.
			OnlyKeys: len(f.Identities) > 0 && f.Password == "",
		},
		DefaultUser: "root", ForwardAgent: f.ForwardAgent, AskPassword: f.Password == "",
		ConnectTimeout: seconds(f.SessionTimeout), KeyRing: bootstrap.NewKeyRing(b.bootstrapPrompter()), Prompter: b.bootstrapPrompter(),
		Home: home, Getenv: env.Get, Report: report,
	}
	c.UserConfig = bootstrap.LoadUserConfig(home, report)
	switch protocol := strings.ToLower(f.Protocol); protocol {
	case "ssh":
	case "winrm":
		return c, usagef(winrmHint, "--connection-protocol winrm is not supported: %s", winrmWhy)
	default:
		return c, usagef("", "--connection-protocol %q is unknown: it is ssh", f.Protocol)
	}
	if f.SessionTimeout <= 0 || f.MaxWait < 0 || f.Port < 0 || f.Port > 65535 {
		return c, usagef("", "--session-timeout, --max-wait and --connection-port are numbers above 0")
	}
	if f.Gateway != "" {
		jumps, err := bootstrap.ParseJumps(f.Gateway)
		if err != nil {
			return c, &usageError{fmt.Errorf("--ssh-gateway: %w", err), "as in --ssh-gateway kim@gate.example:22"}
		}
		if f.GatewayIdentity != "" {
			for i := range jumps {
				jumps[i].Keys = expandAll([]string{f.GatewayIdentity}, home)
			}
		}
		c.Gateways = jumps
	} else if f.GatewayIdentity != "" && f.changed("ssh-gateway-identity") {
		return c, usagef("name the gateway with -G", "--ssh-gateway-identity requires --ssh-gateway")
	}
	var err error
	c.HostKeys, err = b.hostKeys(f, home)
	return c, err
}

// expandAll replaces a leading ~ by the home directory, as a shell does.
func expandAll(paths []string, home string) []string {
	var out []string
	for _, p := range paths {
		if rest, ok := strings.CutPrefix(p, "~/"); ok {
			p = filepath.Join(home, rest)
		}
		out = append(out, p)
	}
	return out
}

// hostKeys is the policy of --ssh-verify-host-key (knife: the names of
// net-ssh's verifiers).
func (b *bootstrapper) hostKeys(f *bootstrapFlags, home string) (*bootstrap.HostKeys, error) {
	policy := strings.ToLower(f.VerifyHostKey)
	if f.changed("host-key-verify") && !f.changed("ssh-verify-host-key") {
		policy = map[bool]string{true: "always", false: "never"}[f.HostKeyVerify]
	}
	if b.flags.noHostKeys {
		policy = "never"
	}
	file := filepath.Join(home, ".ssh", "known_hosts")
	keys := &bootstrap.HostKeys{KnownHosts: []string{file, "/etc/ssh/ssh_known_hosts"}}
	remember := func(addr, key string) error {
		if err := bootstrap.RememberHost(file, addr, key); err != nil {
			b.warnf("the host key is not remembered: %v", err)
		}
		return nil
	}
	switch policy {
	case "never", "false":
		return &bootstrap.HostKeys{Off: true}, nil
	case "accept_new", "accept_new_or_local_tunnel":
		keys.Unknown = func(_ context.Context, addr, key, _ string) (bool, error) { return true, remember(addr, key) }
	case "always", "true":
		keys.Unknown = func(ctx context.Context, addr, key, described string) (bool, error) {
			if b.streams.Prompter() == nil {
				return false, nil
			}
			// Not a question that -y answers: it is about another thing.
			yes, err := b.askYesNo(ctx, fmt.Sprintf("The authenticity of host %s cannot be established.\nIts key is %s.\nConnect?", addr, described))
			if err != nil || !yes {
				return false, err
			}
			return true, remember(addr, key)
		}
	default:
		return nil, usagef("", "--ssh-verify-host-key %q is unknown: it is always, accept_new, accept_new_or_local_tunnel or never", f.VerifyHostKey)
	}
	return keys, nil
}

// knifeMap is knife[:key] as a JSON object, nil where it is not set.
func knifeMap(cfg *knife.Config, key string) (map[string]any, error) {
	v, ok := cfg.Lookup(key)
	if !ok {
		return nil, nil
	}
	switch d := v.Data.(type) {
	case ruby.Map:
		m, _ := jsonOf(d).(map[string]any)
		return m, nil
	case string:
		return readJSONObject([]byte(d), "knife[:"+key+"] ("+v.Where()+")")
	}
	return nil, &knife.Error{File: v.File, Line: v.Line, Msg: "knife[:" + key + "] is not a hash"}
}

// jsonOf converts Ruby values to JSON values.
func jsonOf(v any) any {
	switch v := v.(type) {
	case ruby.Map:
		out := map[string]any{}
		for _, p := range v {
			out[fmt.Sprint(jsonOf(p.Key))] = jsonOf(p.Value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = jsonOf(e)
		}
		return out
	case ruby.Symbol:
		return string(v)
	}
	return v
}

// templateNames are knife's own templates, for which Galley has its own
// procedure.
var templateNames = []string{"chef-full", "chef-full.erb"}

// bootstrapTemplate finds and reads the template of --bootstrap-template; nil
// is Galley's own procedure.
func (b *bootstrapper) bootstrapTemplate(ctx context.Context, f *bootstrapFlags, cfg *knife.Config) (func(node.Values) ([]byte, error), error) {
	if f.Template == "" || slices.Contains(templateNames, f.Template) {
		return nil, nil
	}
	if strings.HasPrefix(f.Template, "windows-") {
		return nil, usagef(winrmHint, "the bootstrap template %s is for Windows: %s", f.Template, winrmWhy)
	}
	places := []string{f.Template}
	for _, dir := range []string{cfg.ChefDir, filepath.Join(b.knife.env.Get("HOME"), ".chef")} {
		if dir != "" {
			places = append(places, filepath.Join(dir, "bootstrap", f.Template+".erb"))
		}
	}
	for _, file := range places {
		if st, err := os.Stat(file); err != nil || st.IsDir() {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("the bootstrap template: %w", err)
		}
		return func(v node.Values) ([]byte, error) { return b.renderTemplate(ctx, src, file, f, cfg, v) }, nil
	}
	return nil, usagef("it is a file, or the name of one in .chef/bootstrap", "there is no bootstrap template %q: looked for %s", f.Template, strings.Join(places, ", "))
}
