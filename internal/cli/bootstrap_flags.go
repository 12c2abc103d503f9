package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/config/knife"
	table "github.com/galleyhq/galley/internal/settings"
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
	d := flagDefiner{FlagSet: fs, table: table.BootstrapFlags()}
	d.bind(f.connectionFlags())
	d.bind(f.nodeFlags())
	d.bind(f.installFlags())
	d.list(&f.identities, "ssh-identity-file")
	d.list(&f.hints, "hint")
	d.Bool("no-node-verify-api-cert", false, "have the node not verify the Chef Server's certificate")
	hide(fs, "prerelease", "host-key-verify")
	d.addOlder()
	d.addRefused()
}

// flagDefiner defines flags of the table of settings. Their letters may be
// taken.
type flagDefiner struct {
	*pflag.FlagSet
	table map[string]table.Setting
	// sources adds to the help where else the value may come from.
	sources bool
}

// free returns a letter unless it is taken.
func (d flagDefiner) free(letter string) string {
	if letter != "" && d.ShorthandLookup(letter) != nil {
		return ""
	}
	return letter
}

// define defines a flag of the table.
func define[T any](d flagDefiner, p *T, name string, def T, with func(p *T, name, letter string, def T, usage string)) {
	s := d.table[name]
	usage := s.Help()
	if d.sources {
		usage += s.Sources()
	}
	with(p, name, d.free(s.Short), def, usage)
}

// bind defines flags that set variables, by their names: strings, booleans,
// numbers, and lists with commas between.
func (d flagDefiner) bind(flags map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		def := d.table[name].FlagDefault
		switch p := flags[name].(type) {
		case *string:
			define(d, p, name, def, d.StringVarP)
		case *bool:
			define(d, p, name, def == "true", d.BoolVarP)
		case *int:
			n, _ := strconv.Atoi(def)
			define(d, p, name, n, d.IntVarP)
		case *[]string:
			define(d, p, name, nil, d.StringSliceVarP)
		}
	}
}

// list defines a flag that may be repeated.
func (d flagDefiner) list(p *[]string, name string) { define(d, p, name, nil, d.StringArrayVarP) }

// connectionFlags say how the machine is reached.
func (f *bootstrapFlags) connectionFlags() map[string]any {
	return map[string]any{
		"connection-protocol":  &f.protocol,
		"connection-user":      &f.user,
		"connection-password":  &f.password,
		"connection-port":      &f.port,
		"ssh-verify-host-key":  &f.verifyHostKey,
		"host-key-verify":      &f.hostKeyVerify,
		"ssh-gateway":          &f.gateway,
		"ssh-gateway-identity": &f.gatewayIdentity,
		"ssh-forward-agent":    &f.forwardAgent,
		"max-wait":             &f.maxWait,
		"session-timeout":      &f.sessionTimeout,
		"sudo":                 &f.sudo,
		"use-sudo-password":    &f.sudoPassword,
		"sudo-preserve-home":   &f.preserveHome,
		"su-user":              &f.suUser,
		"su-password":          &f.suPassword,
	}
}

// nodeFlags describe the node.
func (f *bootstrapFlags) nodeFlags() map[string]any {
	return map[string]any{
		"node-name":            &f.name,
		"run-list":             &f.runList,
		"environment":          &f.environment,
		"policy-name":          &f.policyName,
		"policy-group":         &f.policyGroup,
		"tags":                 &f.tags,
		"json-attributes":      &f.attributes,
		"json-attribute-file":  &f.attributeFile,
		"secret":               &f.secret,
		"secret-file":          &f.secretFile,
		"node-ssl-verify-mode": &f.sslVerifyMode,
		"node-verify-api-cert": &f.verifyAPICert,
		"fips":                 &f.fips,
		"chef-license":         &f.license,
	}
}

// installFlags choose the installed client.
func (f *bootstrapFlags) installFlags() map[string]any {
	return map[string]any{
		"bootstrap-version":            &f.version,
		"channel":                      &f.channel,
		"bootstrap-product":            &f.product,
		"prerelease":                   &f.prerelease,
		"bootstrap-url":                &f.url,
		"bootstrap-install-command":    &f.install,
		"bootstrap-preinstall-command": &f.preinstall,
		"bootstrap-template":           &f.template,
		"bootstrap-proxy":              &f.proxy,
		"bootstrap-proxy-user":         &f.proxyUser,
		"bootstrap-proxy-pass":         &f.proxyPass,
		"bootstrap-no-proxy":           &f.noProxy,
		"bootstrap-curl-options":       &f.curl,
		"bootstrap-wget-options":       &f.wget,
		"chef-license-key":             &f.licenseKey,
		"omnitruck-url":                &f.index,
		"download-url":                 &f.download,
		"checksum":                     &f.checksum,
	}
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

// addOlder adds the older spellings of the flags, which help does not show.
func (d flagDefiner) addOlder() {
	for main, s := range d.table {
		for _, name := range s.Aliases {
			m := d.Lookup(main)
			letter := ""
			if name == "ssh-user" {
				letter = d.free("x")
			}
			alias := d.VarPF(m.Value, name, letter, m.Usage)
			alias.NoOptDefVal = m.NoOptDefVal
			alias.Hidden = true
		}
	}
}

// addRefused adds the flags that are refused, which help does not show.
func (d flagDefiner) addRefused() {
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
// is refused is an error, and a missing flag comes from
// knife.rb.
func (f *bootstrapFlags) settle(fs *pflag.FlagSet, cfg *knife.Config) error {
	for _, r := range refusedFlags {
		if fs.Changed(r.name) {
			return usagef(r.hint, "--%s is not supported: %s", r.name, r.why)
		}
	}
	for main, s := range table.BootstrapFlags() {
		if slices.ContainsFunc(s.Aliases, fs.Changed) {
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
	if err := fromKnife(fs, cfg, table.BootstrapFlags()); err != nil {
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
func fromKnife(fs *pflag.FlagSet, cfg *knife.Config, flags map[string]table.Setting) error {
	for name, s := range flags {
		flag := fs.Lookup(name)
		if flag == nil || flag.Changed {
			continue
		}
		for _, key := range s.Knife {
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
