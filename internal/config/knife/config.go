package knife

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/secret"
	shared "github.com/galleyhq/galley/internal/text"
)

// Options say where to look. Zero values are the process's own.
type Options struct {
	// Dir is where the search for .chef begins upward, and what relative
	// paths start from; Home is the home directory (default HOME).
	Dir, Home string
	// Env is the environment that the files see. Files may write to it, as
	// knife's own process is written to.
	Env *env.Env
	// File is the one configuration to read (knife: --config); os.DevNull is
	// none at all.
	File string
	// Profile of the credentials file (knife: --profile); "" is that of
	// CHEF_PROFILE, else of .chef/context, else "default".
	Profile string
	// Overrides are settings in the form key=value that have the last word
	// (knife: --config-option). knife.KEY=VALUE sets knife[:KEY].
	Overrides []string
	// Flags are settings by name that the command line has flags for, such as
	// chef_server_url; they have the very last word, and their relative paths
	// start from Dir.
	Flags map[string]string
	// AllowExec lets the files run commands in backticks.
	AllowExec ruby.Consent
}

// Config is what the files say. Without files it is empty.
type Config struct {
	ChefServerURL string
	// NodeName is the user's name at the Chef Server; the login name where a
	// file is read that sets none (chef-config: apply_defaults).
	NodeName string
	// ClientKey is the path of the user's key, absolute. Where the key stands
	// inline it is "" and ClientKeyPEM is set.
	ClientKey    string
	ClientKeyPEM secret.Text
	// ValidationKey is the path of the validator's key, absolute, or "" where
	// ValidationKeyPEM is set.
	ValidationKey        string
	ValidationKeyPEM     secret.Text
	ValidationClientName string
	// SSLVerifyMode is "peer", "none" or "" where nothing is set.
	SSLVerifyMode string
	VerifyAPICert *bool
	// SSLCAFile and SSLCAPath hold certificates to trust instead of the
	// system's.
	SSLCAFile, SSLCAPath string
	// TrustedCertsDir and ClientDDir are those set, else the trusted_certs
	// and client.d beside the configuration, "" where there are none.
	TrustedCertsDir, ClientDDir string
	// Environment is knife[:environment], else the setting environment.
	Environment string
	ChefLicense string
	// The proxies carry user and password where http_proxy_user and its
	// like are set, so they may hold a secret.
	HTTPProxy, HTTPSProxy, FTPProxy, NoProxy string
	LocalMode                                bool
	FIPS                                     bool
	// LogLevel is "" where nothing is set.
	LogLevel string
	// AuthProtocol is authentication_protocol_version, "" where unset.
	AuthProtocol string

	// ChefDir is the .chef directory in use, "" for none.
	ChefDir string
	// Files are the files read, in order.
	Files []string
	// Profile is the profile of the credentials that was applied, "" for none.
	Profile  string
	Warnings []string

	settings, knife *table
}

// Value is one value with its origin.
type Value struct {
	// Data is plain Go data as [ruby.ToGo] gives it: bool, int64, float64,
	// string, ruby.Symbol, []any, ruby.Map. It may be a secret.
	Data any
	// File and Line tell where it was set; Line 0 is unknown.
	File string
	Line int

	name string
}

// Where is the origin in the form "knife.rb:12".
func (v Value) Where() string { return strings.TrimSuffix(shared.Place(v.File, v.Line, 0), ": ") }

// Format prints the origin alone, since the data may be a secret.
func (v Value) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%s of %s", v.name, v.Where()) }

// Format prints the names of the files alone, since the values may be secrets.
func (c *Config) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "knife configuration of [%s]", strings.Join(c.Files, " "))
}

// Lookup returns knife[:key]. What is nil counts as not set.
func (c *Config) Lookup(key string) (Value, bool) { return c.knife.value(key, "knife[:"+key+"]") }

// Setting returns a setting of the top level such as chef_repo_path, as set.
func (c *Config) Setting(name string) (Value, bool) { return c.settings.value(name, name) }

// Keys are the keys of knife[...] that are set, in order.
func (c *Config) Keys() []string { return set(c.knife, c.Lookup) }

// Settings are the settings of the top level that are set, in order.
func (c *Config) Settings() []string { return set(c.settings, c.Setting) }

func set(t *table, lookup func(string) (Value, bool)) []string {
	if t == nil {
		return nil
	}
	var names []string
	for _, n := range t.names() {
		if _, ok := lookup(n); ok {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// String returns knife[:key] as text; a symbol or number counts as text, a
// list or a switch is an error that names file and line.
func (c *Config) String(key string) (string, bool, error) {
	return as(c, key, "text", func(v Value) (string, bool) { return text(v.Data) })
}

// Strings returns knife[:key] as a list; a text is cut at its commas.
func (c *Config) Strings(key string) ([]string, bool, error) {
	return as(c, key, "a list of texts", Value.strings)
}

// Bool returns knife[:key] as a switch; the texts true and false count.
func (c *Config) Bool(key string) (bool, bool, error) {
	return as(c, key, "true or false", Value.bool)
}

// Int returns knife[:key] as a whole number; a text of digits counts.
func (c *Config) Int(key string) (int, bool, error) {
	return as(c, key, "a whole number", func(v Value) (int, bool) {
		if n, ok := v.Data.(int64); ok {
			return int(n), true
		}
		s, _ := v.Data.(string)
		n, err := strconv.Atoi(strings.TrimSpace(s))
		return n, err == nil
	})
}

// as reads knife[:key]; set tells whether it is there.
func as[T any](c *Config, key, want string, read func(Value) (T, bool)) (data T, set bool, err error) {
	v, ok := c.Lookup(key)
	if !ok {
		return data, false, nil
	}
	if data, ok = read(v); !ok {
		return data, false, v.not(want)
	}
	return data, true, nil
}

// not is the error of a value that is of another kind than wanted. It shows
// the kind, not the value, which may be a secret.
func (v Value) not(want string) error {
	return &Error{File: v.File, Line: v.Line, Msg: fmt.Sprintf("%s is %s, not %s", v.name, kindOf(v.Data), want)}
}

func (v Value) strings() ([]string, bool) {
	if s, ok := text(v.Data); ok {
		var out []string
		for part := range strings.SplitSeq(s, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
		return out, true
	}
	list, ok := v.Data.([]any)
	if !ok {
		return nil, false
	}
	out := make([]string, len(list))
	for i, e := range list {
		if out[i], ok = text(e); !ok {
			return nil, false
		}
	}
	return out, true
}

func (v Value) bool() (b, ok bool) {
	switch d := v.Data.(type) {
	case bool:
		return d, true
	case string:
		b, err := strconv.ParseBool(strings.TrimSpace(d))
		return b, err == nil
	}
	return false, false
}

func text(data any) (string, bool) {
	switch d := data.(type) {
	case string:
		return d, true
	case ruby.Symbol:
		return string(d), true
	case int64, float64:
		return fmt.Sprint(d), true
	}
	return "", false
}

func kindOf(data any) string {
	switch data.(type) {
	case bool:
		return "a switch"
	case int64:
		return "a number"
	case float64:
		return "a number with a fraction"
	case string:
		return "a text"
	case ruby.Symbol:
		return "a symbol"
	case []any:
		return "a list"
	case ruby.Map:
		return "a hash"
	}
	return "an object"
}
