package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
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
	Protocol        string   `flag:"connection-protocol"`
	User            string   `flag:"connection-user"`
	Password        string   `flag:"connection-password"`
	Port            int      `flag:"connection-port"`
	Identities      []string `flag:"ssh-identity-file,repeat"`
	VerifyHostKey   string   `flag:"ssh-verify-host-key"`
	HostKeyVerify   bool     `flag:"host-key-verify"`
	Gateway         string   `flag:"ssh-gateway"`
	GatewayIdentity string   `flag:"ssh-gateway-identity"`
	ForwardAgent    bool     `flag:"ssh-forward-agent"`
	MaxWait         int      `flag:"max-wait"`
	SessionTimeout  int      `flag:"session-timeout"`
	Sudo            bool     `flag:"sudo"`
	SudoPassword    bool     `flag:"use-sudo-password"`
	PreserveHome    bool     `flag:"sudo-preserve-home"`
	SuUser          string   `flag:"su-user"`
	SuPassword      string   `flag:"su-password"`

	// What the node is.
	Name          string   `flag:"node-name"`
	RunList       string   `flag:"run-list"`
	PolicyName    string   `flag:"policy-name"`
	PolicyGroup   string   `flag:"policy-group"`
	Tags          string   `flag:"tags"`
	Attributes    string   `flag:"json-attributes"`
	AttributeFile string   `flag:"json-attribute-file"`
	Hints         []string `flag:"hint,repeat"`
	Secret        string   `flag:"secret"`
	SecretFile    string   `flag:"secret-file"`
	SSLVerifyMode string   `flag:"node-ssl-verify-mode"`
	VerifyAPICert bool     `flag:"node-verify-api-cert"`
	License       string   `flag:"chef-license"`
	Environment   string   `flag:"environment"`
	FIPS          bool     `flag:"fips"`

	// What is installed.
	Version    string `flag:"bootstrap-version"`
	Channel    string `flag:"channel"`
	Product    string `flag:"bootstrap-product"`
	Prerelease bool   `flag:"prerelease"`
	URL        string `flag:"bootstrap-url"`
	Install    string `flag:"bootstrap-install-command"`
	Preinstall string `flag:"bootstrap-preinstall-command"`
	Template   string `flag:"bootstrap-template"`
	Proxy      string `flag:"bootstrap-proxy"`
	ProxyUser  string `flag:"bootstrap-proxy-user"`
	ProxyPass  string `flag:"bootstrap-proxy-pass"`
	NoProxy    string `flag:"bootstrap-no-proxy"`
	Curl       string `flag:"bootstrap-curl-options"`
	Wget       string `flag:"bootstrap-wget-options"`
	LicenseKey string `flag:"chef-license-key"`
	Index      string `flag:"omnitruck-url"`
	Download   string `flag:"download-url"`
	Checksum   string `flag:"checksum"`

	changed func(name string) bool
	// known are knife.rb's own values of what no flag can hold.
	knownHints, knownAttributes map[string]any
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
	settingFlags(fs, f, table.BootstrapFlags(), table.Setting.Help)
	fs.Bool("no-node-verify-api-cert", false, "have the node not verify the Chef Server's certificate")
	hide(fs, "prerelease", "host-key-verify")
	refuse(fs, vaultWhy, vaultHint, "bootstrap-vault-file=", "bootstrap-vault-json=", "bootstrap-vault-item=")
	refuse(fs, winrmWhy, winrmHint, "winrm-user=", "winrm-password=", "winrm-port=", "winrm-ssl", "winrm-transport=", "w/winrm-auth-method=",
		"winrm-authentication-protocol=", "winrm-basic-auth-only", "winrm-no-verify-cert", "winrm-ssl-verify-mode=",
		"winrm-ssl-peer-fingerprint=", "ssl-peer-fingerprint=", "winrm-session-timeout=", "f/ca-trust-file=", "R/kerberos-realm=",
		"S/kerberos-service=", "m/msi-url=")
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

// settingFlags defines the flags that the tags of a struct's fields name, with
// letter, default and older spellings of the table of settings. The values of a
// list are separated by commas, or with ",repeat" in the tag, each given by a
// flag of its own.
func settingFlags(fs *pflag.FlagSet, values any, flags map[string]table.Setting, help func(table.Setting) string) {
	v := reflect.ValueOf(values).Elem()
	for i := range v.NumField() {
		name, repeat := strings.CutSuffix(v.Type().Field(i).Tag.Get("flag"), ",repeat")
		if name == "" {
			continue
		}
		s := flags[name]
		letter, def, usage := freeLetter(fs, s.Short), s.FlagDefault, help(s)
		switch p := v.Field(i).Addr().Interface().(type) {
		case *string:
			fs.StringVarP(p, name, letter, def, usage)
		case *bool:
			fs.BoolVarP(p, name, letter, def == "true", usage)
		case *int:
			n, _ := strconv.Atoi(def)
			fs.IntVarP(p, name, letter, n, usage)
		case *[]string:
			if repeat {
				fs.StringArrayVarP(p, name, letter, nil, usage)
			} else {
				fs.StringSliceVarP(p, name, letter, nil, usage)
			}
		}
		flag := fs.Lookup(name)
		for _, older := range s.Aliases {
			letter := ""
			if older == "ssh-user" {
				letter = freeLetter(fs, "x")
			}
			alias := fs.VarPF(flag.Value, older, letter, usage)
			alias.NoOptDefVal, alias.Hidden = flag.NoOptDefVal, true
		}
	}
}

// freeLetter returns a letter unless a flag has it.
func freeLetter(fs *pflag.FlagSet, letter string) string {
	if letter != "" && fs.ShorthandLookup(letter) != nil {
		return ""
	}
	return letter
}

// settle completes the flags: older spellings count as the present ones, and a
// missing flag comes from knife.rb.
func (f *bootstrapFlags) settle(fs *pflag.FlagSet, cfg *knife.Config) error {
	for main, s := range table.BootstrapFlags() {
		if slices.ContainsFunc(s.Aliases, fs.Changed) {
			fs.Lookup(main).Changed = true
		}
	}
	if fs.Changed("no-node-verify-api-cert") {
		f.VerifyAPICert = false
		fs.Lookup("node-verify-api-cert").Changed = true
	}
	if f.Prerelease && !fs.Changed("channel") {
		f.Channel = "current"
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
