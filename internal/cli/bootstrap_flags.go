package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/config/knife"
)

// bootstrapFlags are the flags of knife bootstrap, which server create has as
// well (knife: bootstrap.rb). Call settle before reading any.
type bootstrapFlags struct {
	// How the machine is reached.
	protocol, user, password string
	port                     int
	identities               []string
	verifyHostKey            string
	hostKeyVerify            bool
	gateway, gatewayIdentity string
	forwardAgent             bool
	maxWait, sessionTimeout  int
	sudo, sudoPassword       bool
	preserveHome             bool
	suUser, suPassword       string

	// What the node is.
	name                    string
	runList                 string
	policyName, policyGroup string
	tags                    string
	attributes              string
	attributeFile           string
	hints                   []string
	secret, secretFile      string
	sslVerifyMode           string
	verifyAPICert           bool
	license                 string
	environment             string
	fips                    bool

	// What is installed.
	version, channel, product   string
	prerelease                  bool
	url, install, preinstall    string
	template                    string
	proxy, proxyUser, proxyPass string
	noProxy                     string
	curl, wget                  string
	licenseKey, index           string
	download, checksum          string

	changed func(name string) bool
	// known are knife.rb's own values of what no flag can hold.
	knownHints, knownAttributes map[string]any
}

// bootstrapKeys are the keys of knife[...] that set the flags, the present
// name first and then those of older versions.
var bootstrapKeys = map[string][]string{
	"connection-protocol":          {"connection_protocol", "bootstrap_protocol"},
	"connection-user":              {"connection_user", "ssh_user"},
	"connection-password":          {"connection_password", "ssh_password"},
	"connection-port":              {"connection_port", "ssh_port"},
	"ssh-identity-file":            {"ssh_identity_file", "identity_file"},
	"ssh-verify-host-key":          {"ssh_verify_host_key"},
	"host-key-verify":              {"host_key_verify"},
	"ssh-gateway":                  {"ssh_gateway"},
	"ssh-gateway-identity":         {"ssh_gateway_identity"},
	"ssh-forward-agent":            {"ssh_forward_agent", "forward_agent"},
	"max-wait":                     {"max_wait", "auth_timeout"},
	"session-timeout":              {"session_timeout"},
	"sudo":                         {"use_sudo", "sudo"},
	"use-sudo-password":            {"use_sudo_password"},
	"sudo-preserve-home":           {"preserve_home"},
	"su-user":                      {"su_user"},
	"su-password":                  {"su_password"},
	"node-name":                    {"chef_node_name"},
	"run-list":                     {"run_list"},
	"policy-name":                  {"policy_name"},
	"policy-group":                 {"policy_group"},
	"tags":                         {"tags"},
	"json-attribute-file":          {"first_boot_attributes_from_file", "json_attribute_file"},
	"secret":                       {"secret"},
	"secret-file":                  {"secret_file"},
	"node-ssl-verify-mode":         {"node_ssl_verify_mode", "ssl_verify_mode"},
	"node-verify-api-cert":         {"node_verify_api_cert", "verify_api_cert"},
	"bootstrap-version":            {"bootstrap_version"},
	"channel":                      {"channel"},
	"bootstrap-product":            {"bootstrap_product"},
	"bootstrap-url":                {"bootstrap_url"},
	"bootstrap-install-command":    {"bootstrap_install_command"},
	"bootstrap-preinstall-command": {"bootstrap_preinstall_command"},
	"bootstrap-template":           {"bootstrap_template", "template_file", "distro"},
	"bootstrap-proxy":              {"bootstrap_proxy"},
	"bootstrap-proxy-user":         {"bootstrap_proxy_user"},
	"bootstrap-proxy-pass":         {"bootstrap_proxy_pass"},
	"bootstrap-no-proxy":           {"bootstrap_no_proxy"},
	"bootstrap-curl-options":       {"bootstrap_curl_options"},
	"bootstrap-wget-options":       {"bootstrap_wget_options"},
	"chef-license-key":             {"chef_license_key"},
	"omnitruck-url":                {"omnitruck_url"},
	"download-url":                 {"download_url"},
	"checksum":                     {"checksum"},
}

// bootstrapAliases are the older spellings of flags.
var bootstrapAliases = map[string]string{
	"bootstrap-protocol": "connection-protocol",
	"ssh-user":           "connection-user",
	"ssh-password":       "connection-password",
	"ssh-port":           "connection-port",
	"identity-file":      "ssh-identity-file",
	"forward-agent":      "ssh-forward-agent",
	"auth-timeout":       "max-wait",
	"template-file":      "bootstrap-template",
	"distro":             "bootstrap-template",
	"json-attribs":       "json-attributes",
}

// refusedFlags are knife's flags that Galley does not support.
var refusedFlags = []struct {
	name, short string
	noValue     bool
	why, hint   string
}{
	{"bootstrap-vault-file", "", false, vaultWhy, vaultHint},
	{"bootstrap-vault-json", "", false, vaultWhy, vaultHint},
	{"bootstrap-vault-item", "", false, vaultWhy, vaultHint},
	{"winrm-user", "", false, winrmWhy, winrmHint},
	{"winrm-password", "", false, winrmWhy, winrmHint},
	{"winrm-port", "", false, winrmWhy, winrmHint},
	{"winrm-ssl", "", true, winrmWhy, winrmHint},
	{"winrm-transport", "", false, winrmWhy, winrmHint},
	{"winrm-auth-method", "w", false, winrmWhy, winrmHint},
	{"winrm-authentication-protocol", "", false, winrmWhy, winrmHint},
	{"winrm-basic-auth-only", "", true, winrmWhy, winrmHint},
	{"winrm-no-verify-cert", "", true, winrmWhy, winrmHint},
	{"winrm-ssl-verify-mode", "", false, winrmWhy, winrmHint},
	{"winrm-ssl-peer-fingerprint", "", false, winrmWhy, winrmHint},
	{"ssl-peer-fingerprint", "", false, winrmWhy, winrmHint},
	{"winrm-session-timeout", "", false, winrmWhy, winrmHint},
	{"ca-trust-file", "f", false, winrmWhy, winrmHint},
	{"kerberos-realm", "R", false, winrmWhy, winrmHint},
	{"kerberos-service", "S", false, winrmWhy, winrmHint},
	{"msi-url", "m", false, winrmWhy, winrmHint},
}

const (
	winrmWhy  = "Galley reaches machines over SSH, and bootstraps those that have a POSIX shell"
	winrmHint = "leave out the options of WinRM and Windows; -U and -P set user and password"
	vaultWhy  = "an item of chef-vault must be encrypted again for the node's key, which only the chef-vault gem does"
	vaultHint = "bootstrap without it, then `knife vault refresh VAULT ITEM` where that gem is installed; or use --secret-file with encrypted data bags"
)

// add gives a command the flags. A letter that the command uses already keeps
// its meaning there.
func (f *bootstrapFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	f.changed = fs.Changed
	d := flagDefiner{fs}
	f.addConnection(d)
	f.addNode(d)
	f.addInstall(d)
	f.addOlder(d)
}

// flagDefiner defines flags whose letter may be taken.
type flagDefiner struct{ *pflag.FlagSet }

// free returns a letter unless it is taken.
func (d flagDefiner) free(letter string) string {
	if letter != "" && d.ShorthandLookup(letter) != nil {
		return ""
	}
	return letter
}

func (d flagDefiner) text(p *string, name, letter, def, usage string) {
	d.StringVarP(p, name, d.free(letter), def, usage)
}

func (d flagDefiner) toggle(p *bool, name, letter, usage string) {
	d.BoolVarP(p, name, d.free(letter), false, usage)
}

// addConnection adds the flags that say how the machine is reached.
func (f *bootstrapFlags) addConnection(d flagDefiner) {
	d.text(&f.protocol, "connection-protocol", "o", "ssh", "`PROTOCOL` to connect with: ssh")
	d.text(&f.user, "connection-user", "U", "", "`USER` to log in as (default root)")
	d.text(&f.password, "connection-password", "P", "", "`PASSWORD` of that user")
	d.IntVarP(&f.port, "connection-port", d.free("p"), 0, "SSH `PORT` of the machine (default 22)")
	d.StringArrayVarP(&f.identities, "ssh-identity-file", d.free("i"), nil, "private key `FILE` to log in with")
	d.text(&f.verifyHostKey, "ssh-verify-host-key", "", "always", "`WHEN` to require a known host key: always, accept_new, accept_new_or_local_tunnel or never")
	d.BoolVar(&f.hostKeyVerify, "host-key-verify", true, "require a known host key")
	d.text(&f.gateway, "ssh-gateway", "G", "", "`[USER@]HOST[:PORT]` to connect through, several separated by commas")
	d.text(&f.gatewayIdentity, "ssh-gateway-identity", "", "", "private key `FILE` for the gateway")
	d.toggle(&f.forwardAgent, "ssh-forward-agent", "A", "forward the SSH agent to the machine")
	d.IntVarP(&f.maxWait, "max-wait", d.free("W"), 0, "wait up to `SECONDS` until the machine accepts logins")
	d.IntVar(&f.sessionTimeout, "session-timeout", 60, "`SECONDS` that opening a connection may take")
	d.toggle(&f.sudo, "sudo", "", "use sudo even as root (other users always use it)")
	d.toggle(&f.sudoPassword, "use-sudo-password", "", "answer sudo with the password of -P, or ask for it")
	d.toggle(&f.preserveHome, "sudo-preserve-home", "", "keep the login user's HOME under sudo")
	d.text(&f.suUser, "su-user", "", "", "`USER` to become with su, instead of sudo")
	d.text(&f.suPassword, "su-password", "", "", "`PASSWORD` for su")
}

// addNode adds the flags that describe the node.
func (f *bootstrapFlags) addNode(d flagDefiner) {
	d.text(&f.name, "node-name", "N", "", "`NAME` of the node and its client")
	d.text(&f.runList, "run-list", "r", "", "`ITEMS` to run, recipes and roles, separated by commas or spaces")
	d.text(&f.environment, "environment", "E", "", "`ENVIRONMENT` of the node")
	d.text(&f.policyName, "policy-name", "", "", "`POLICY` to use, with --policy-group")
	d.text(&f.policyGroup, "policy-group", "", "", "`GROUP` of the policy, with --policy-name")
	d.text(&f.tags, "tags", "", "", "`TAGS` of the node, separated by commas or spaces")
	d.text(&f.attributes, "json-attributes", "j", "", "`JSON` with attributes of the node")
	d.text(&f.attributeFile, "json-attribute-file", "", "", "`FILE` with attributes of the node as JSON")
	d.StringArrayVar(&f.hints, "hint", nil, "`NAME[=FILE]` of an Ohai hint, {} without a file; repeatable")
	d.text(&f.secret, "secret", "", "", "`SECRET` of encrypted data bags")
	d.text(&f.secretFile, "secret-file", "", "", "`FILE` with the secret of encrypted data bags")
	d.text(&f.sslVerifyMode, "node-ssl-verify-mode", "", "", "`MODE` for the node's own HTTPS requests: peer or none")
	d.BoolVar(&f.verifyAPICert, "node-verify-api-cert", false, "have the node verify the Chef Server's certificate, or not with =false")
	d.Bool("no-node-verify-api-cert", false, "have the node not verify the Chef Server's certificate")
	d.toggle(&f.fips, "fips", "", "run the node's client in FIPS mode")
	d.text(&f.license, "chef-license", "", "", "`HOW` to accept Chef's license: accept, accept-no-persist or accept-silent (CHEF_LICENSE)")
}

// addInstall adds the flags that say what is installed.
func (f *bootstrapFlags) addInstall(d flagDefiner) {
	d.text(&f.version, "bootstrap-version", "", "", "`VERSION` of the client to install, or its beginning (default the newest)")
	d.text(&f.channel, "channel", "", "stable", "`CHANNEL` to install from: stable, current or unstable")
	d.text(&f.product, "bootstrap-product", "", "chef", "`PRODUCT` to install: chef, cinc, …; without a source or license key for Chef, Cinc is installed")
	d.toggle(&f.prerelease, "prerelease", "", "")
	d.text(&f.url, "bootstrap-url", "", "", "`URL` of your own installer script")
	d.text(&f.install, "bootstrap-install-command", "", "", "`COMMANDS` that install the client")
	d.text(&f.preinstall, "bootstrap-preinstall-command", "", "", "`COMMANDS` to run before anything else")
	d.text(&f.template, "bootstrap-template", "t", "", "`TEMPLATE` of your own bootstrap script: an ERB file, or its name in .chef/bootstrap")
	d.text(&f.proxy, "bootstrap-proxy", "", "", "`URL` of the node's proxy")
	d.text(&f.proxyUser, "bootstrap-proxy-user", "", "", "`USER` at the node's proxy")
	d.text(&f.proxyPass, "bootstrap-proxy-pass", "", "", "`PASSWORD` at the node's proxy")
	d.text(&f.noProxy, "bootstrap-no-proxy", "", "", "`NAMES` that the node reaches without its proxy")
	d.text(&f.curl, "bootstrap-curl-options", "", "", "`OPTIONS` for curl when installing")
	d.text(&f.wget, "bootstrap-wget-options", "", "", "`OPTIONS` for wget when installing")
	d.text(&f.licenseKey, "chef-license-key", "", "", "`KEY` for Chef's licensed downloads")
	d.text(&f.index, "omnitruck-url", "", "", "`URL` of a package index, such as a mirror's")
	d.text(&f.download, "download-url", "", "", "`URL` of the package itself")
	d.text(&f.checksum, "checksum", "", "", "`SHA256` that the package must have")
}

// complete sets how the flags' values are completed.
func (f *bootstrapFlags) complete(cmd *cobra.Command) {
	for flag, words := range map[string][]string{
		"connection-protocol":  {"ssh"},
		"ssh-verify-host-key":  {"always", "accept_new", "accept_new_or_local_tunnel", "never"},
		"node-ssl-verify-mode": {"peer", "none"},
		"chef-license":         {"accept", "accept-no-persist", "accept-silent"},
		"channel":              {"stable", "current", "unstable"},
		"bootstrap-product":    {"chef", "cinc"},
	} {
		completeFlag(cmd, flag, fixed(words...))
	}
}

// addOlder adds the older spellings and the flags that are refused, which help
// does not show.
func (f *bootstrapFlags) addOlder(d flagDefiner) {
	hide(d.FlagSet, "prerelease", "host-key-verify")
	for name, main := range bootstrapAliases {
		m := d.Lookup(main)
		letter := ""
		if name == "ssh-user" {
			letter = d.free("x")
		}
		alias := d.VarPF(m.Value, name, letter, m.Usage)
		alias.NoOptDefVal = m.NoOptDefVal
		alias.Hidden = true
	}
	for _, r := range refusedFlags {
		if r.noValue {
			d.BoolP(r.name, d.free(r.short), false, "")
		} else {
			d.StringP(r.name, d.free(r.short), "", "")
		}
		hide(d.FlagSet, r.name)
	}
}

// settle completes the flags: older spellings count as the present ones, what
// is refused is an error, and what is not on the command line comes from
// knife.rb.
func (f *bootstrapFlags) settle(fs *pflag.FlagSet, cfg *knife.Config) error {
	for _, r := range refusedFlags {
		if fs.Changed(r.name) {
			return usagef(r.hint, "--%s is not supported: %s", r.name, r.why)
		}
	}
	for name, main := range bootstrapAliases {
		if fs.Changed(name) {
			fs.Lookup(main).Changed = true
		}
	}
	if fs.Changed("no-node-verify-api-cert") {
		f.verifyAPICert = false
		fs.Lookup("node-verify-api-cert").Changed = true
	}
	if f.prerelease && !fs.Changed("channel") {
		f.channel = "current"
		fs.Lookup("channel").Changed = true
	}
	if err := fromKnife(fs, cfg, bootstrapKeys); err != nil {
		return err
	}
	var err error
	if f.knownHints, err = knifeMap(cfg, "hints"); err != nil {
		return err
	}
	f.knownAttributes, err = knifeMap(cfg, "first_boot_attributes")
	return err
}

// fromKnife gives flags that the command line does not have the values that
// knife.rb has, the first of the keys that is set.
func fromKnife(fs *pflag.FlagSet, cfg *knife.Config, keys map[string][]string) error {
	for name, names := range keys {
		flag := fs.Lookup(name)
		if flag == nil || flag.Changed {
			continue
		}
		for _, key := range names {
			v, ok := cfg.Lookup(key)
			if !ok {
				continue
			}
			if err := setFromKnife(flag, cfg, key); err != nil {
				if errors.As(err, new(*knife.Error)) {
					return err
				}
				return &knife.Error{File: v.File, Line: v.Line, Msg: fmt.Sprintf("knife[:%s]: %v", key, err), Err: err}
			}
			// Where a command asks, it has been given.
			flag.Changed = true
			break
		}
	}
	return nil
}

// setFromKnife sets one flag to knife[:key].
func setFromKnife(flag *pflag.Flag, cfg *knife.Config, key string) error {
	switch v := flag.Value.(type) {
	case pflag.SliceValue:
		list, _, err := cfg.Strings(key)
		if err != nil {
			return err
		}
		return v.Replace(list)
	default:
		if flag.Value.Type() == "bool" {
			on, _, err := cfg.Bool(key)
			if err != nil {
				return err
			}
			return flag.Value.Set(strconv.FormatBool(on))
		}
		text, _, err := cfg.String(key)
		if err != nil {
			// A list, as a run list may be written.
			list, _, lerr := cfg.Strings(key)
			if lerr != nil {
				return err
			}
			text = strings.Join(list, ",")
		}
		return flag.Value.Set(text)
	}
}

// listed cuts a list at commas and blanks (knife: --run-list, --tags).
func listed(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// textFiles reads the files of a directory tree that keep says yes to, by their
// slash-separated path below it; none for an empty name.
func textFiles(dir string, keep func(rel string) bool) (map[string][]byte, error) {
	if dir == "" {
		return nil, nil
	}
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		info, err := os.Stat(p)
		if err != nil {
			return err
		}
		if info.IsDir() || !keep(rel) {
			return nil
		}
		if out[rel], err = os.ReadFile(p); err != nil {
			return err
		}
		return nil
	})
	return out, err
}
