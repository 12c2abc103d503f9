package bootstraptemplate

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/galleyhq/galley/internal/config/erb"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/text"
)

// Context is what a template can ask for, under knife's names.
type Context struct {
	// Config are knife's options by key (@config, config), ChefConfig the
	// settings of knife.rb (@chef_config, Chef::Config).
	Config, ChefConfig map[string]any
	RunList            []string
	FirstBoot          map[string]any
	// Environment is bootstrap_environment, nil in Ruby where it is "".
	Environment string
	// ClientKey is the content of the file client_pem, ValidationKey and Secret
	// are the texts themselves; "" is nil or false.
	ClientKey, ValidationKey, Secret string
	ConfigContent, StartChef         string
	TrustedCerts, ClientD            string
	// Version is version_to_install, "" for the newest.
	Version string
	// Hints are Ohai's by name, as JSON.
	Hints map[string][]byte
}

// Options are what rendering depends on beside the context.
type Options struct {
	// Environ is ENV, as os.Environ returns it.
	Environ []string
	// Dir is the working directory, "" for the process's.
	Dir string
	// AllowExec lets the template run commands.
	AllowExec ruby.Consent
}

// Render renders the template src, which is called file in messages. The error
// is a *ruby.Error where it is the template's.
func Render(ctx context.Context, src []byte, file string, c Context, o Options) ([]byte, error) {
	dir, err := os.MkdirTemp("", "galley-")
	if err != nil {
		return nil, fmt.Errorf("a directory for the node's key: %w", err)
	}
	defer os.RemoveAll(dir)
	v, err := c.values(dir)
	if err != nil {
		return nil, err
	}
	in := ruby.New(ruby.Config{
		Env: env.New(o.Environ), Dir: o.Dir, AllowExec: o.AllowExec,
		Require: func(string) bool { return true },
	})
	in.SetConst("GALLEY_CONTEXT", ruby.FromGo(v))
	if _, err := in.Eval(ctx, preamble, "(galley)"); err != nil {
		return nil, fmt.Errorf("preparing the bootstrap template: %w", err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(src), "\n"), "\r")
	r, err := erb.Render(ctx, translate(text), file, in)
	if err != nil {
		return nil, err
	}
	return []byte(r.Text), nil
}

// symbols makes a Ruby hash with symbols for keys, as knife's options are, at
// all depths of hashes.
func symbols(m map[string]any) ruby.Map {
	var out ruby.Map
	for k, v := range m {
		if sub, ok := v.(map[string]any); ok {
			v = symbols(sub)
		}
		out = append(out, ruby.Pair{Key: ruby.Symbol(k), Value: v})
	}
	return out
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// values are what the preamble hands out. The key goes into a file of dir, as
// templates read it from one.
func (c Context) values(dir string) (ruby.Map, error) {
	var pem any
	if c.ClientKey != "" {
		name := filepath.Join(dir, "client.pem")
		if err := os.WriteFile(name, []byte(c.ClientKey), 0o600); err != nil {
			return nil, fmt.Errorf("writing the node's key for the template: %w", err)
		}
		pem = name
	}
	hints := map[string]any{}
	for name, text := range c.Hints {
		if !json.Valid(text) {
			return nil, fmt.Errorf("the hint %s is not JSON", name)
		}
		hints[name] = string(text)
	}
	firstBoot, err := json.Marshal(c.FirstBoot)
	if err != nil {
		return nil, fmt.Errorf("the attributes of the first run: %w", err)
	}
	config := symbols(c.Config)
	config = append(config, ruby.Pair{Key: ruby.Symbol("hints"), Value: hints})
	var validation any = false
	if c.ValidationKey != "" {
		validation = c.ValidationKey
	}
	version := c.Version
	if version == "" {
		version = "latest"
	}
	var out ruby.Map
	for _, p := range []struct {
		name  string
		value any
	}{
		{"config", config},
		{"chef_config", append(symbols(c.ChefConfig), ruby.Pair{Key: ruby.Symbol("knife"), Value: config})},
		{"run_list", c.RunList},
		{"first_boot", string(firstBoot)},
		{"bootstrap_environment", orNil(c.Environment)},
		{"validation_key", validation},
		{"encrypted_data_bag_secret", orNil(c.Secret)},
		{"client_pem", pem},
		{"config_content", c.ConfigContent},
		{"start_chef", c.StartChef},
		{"trusted_certs", c.TrustedCerts},
		{"client_d", c.ClientD},
		{"version_to_install", version},
	} {
		out = append(out, ruby.Pair{Key: ruby.Symbol(p.name), Value: p.value})
	}
	return out, nil
}

// preamble gives a template its self: what knife's BootstrapContext answers,
// and the constants that templates use.
const preamble = `
require "json"
hints = GALLEY_CONTEXT[:config][:hints]
hints.keys.each { |name| hints[name] = JSON.parse(hints[name]) }
GALLEY_CONTEXT[:first_boot] = JSON.parse(GALLEY_CONTEXT[:first_boot]) || {}
@config = GALLEY_CONTEXT[:config]
@chef_config = GALLEY_CONTEXT[:chef_config]
@run_list = GALLEY_CONTEXT[:run_list]
@secret = GALLEY_CONTEXT[:encrypted_data_bag_secret]
def config; GALLEY_CONTEXT[:config]; end
def knife_config; GALLEY_CONTEXT[:config]; end
def chef_config; GALLEY_CONTEXT[:chef_config]; end
def first_boot; GALLEY_CONTEXT[:first_boot]; end
def bootstrap_environment; GALLEY_CONTEXT[:bootstrap_environment]; end
def validation_key; GALLEY_CONTEXT[:validation_key]; end
def encrypted_data_bag_secret; GALLEY_CONTEXT[:encrypted_data_bag_secret]; end
def client_pem; GALLEY_CONTEXT[:client_pem]; end
def config_content; GALLEY_CONTEXT[:config_content]; end
def start_chef; GALLEY_CONTEXT[:start_chef]; end
def trusted_certs; GALLEY_CONTEXT[:trusted_certs]; end
def trusted_certs_script; GALLEY_CONTEXT[:trusted_certs]; end
def client_d; GALLEY_CONTEXT[:client_d]; end
def version_to_install; GALLEY_CONTEXT[:version_to_install]; end
def chef_version; GALLEY_CONTEXT[:version_to_install]; end
def latest_current_chef_version_string
  v = GALLEY_CONTEXT[:version_to_install]
  v == "latest" ? "" : "-v #{v}"
end
def get_log_location; "STDOUT"; end
class Chef
  VERSION = GALLEY_CONTEXT[:version_to_install]
  module JSONCompat
    def self.to_json(x); JSON.generate(x); end
    def self.to_json_pretty(x); JSON.pretty_generate(x); end
  end
  class Config
    def self.[](k); GALLEY_CONTEXT[:chef_config][k]; end
  end
end
module ChefUtils
  module Dist
    class Infra
      PRODUCT = "Chef Infra Client"
      CLIENT = "chef-client"
      SHORT = "chef"
    end
    class Org
      PRODUCT = "Chef"
      WEBSITE = "https://chef.io"
    end
  end
end
`

// tag is a tag as Erubis reads it: what kind, the code, a sign before its end,
// and the blanks up to the end of the line where nothing else follows.
var tag = text.Lazy(`(?s)<%(=+|-|#|%)?(.*?)([-=])?%>([ \t]*\r?\n)?`)

// translate turns a template for Erubis, by which knife renders, into one for
// ERB that gives the same text, line by line the same code. Erubis leaves no
// line behind where a tag without output stands alone, and -%> takes the line
// break after an output.
func translate(src string) string {
	var b strings.Builder
	at, bol := 0, true
	for _, m := range tag().FindAllStringSubmatchIndex(src, -1) {
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return src[m[2*i]:m[2*i+1]]
		}
		kind, code, tail, rest := part(1), part(2), part(3), part(4)
		text := src[at:m[0]]
		at = m[1]
		indent, alone := "", false
		if !strings.HasPrefix(kind, "=") {
			text, indent, alone = cutIndent(text, bol)
			alone = alone && rest != ""
		}
		bol = rest != ""
		b.WriteString(text)
		switch {
		case strings.HasPrefix(kind, "="):
			if tail != "" {
				code, rest = code+rest, ""
			}
			b.WriteString("<%" + kind + code + "%>" + rest)
		case kind == "%":
			b.WriteString(indent + "<%%" + code + tail + "%>" + rest)
		default:
			if kind == "-" {
				kind = ""
			}
			if alone {
				// The line break is code now, which keeps the count.
				b.WriteString("<%" + kind + code + rest + "%>")
			} else {
				b.WriteString(indent + "<%" + kind + code + "%>" + rest)
			}
		}
	}
	b.WriteString(src[at:])
	return b.String()
}

// cutIndent cuts the blanks off the end of a text where they are all there is
// on their line.
func cutIndent(text string, bol bool) (before, indent string, ok bool) {
	cut := strings.TrimRight(text, " \t")
	if cut == "" && bol || strings.HasSuffix(cut, "\n") {
		return cut, text[len(cut):], true
	}
	return text, "", false
}
