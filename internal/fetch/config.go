package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/galleyhq/galley/internal/secret"
)

// Config holds the settings of requests that a file has, so that secrets are
// not on a command line.
type Config struct {
	Headers map[string]string `yaml:"headers"`
	// Bearer is a token; User and Password are basic authentication; Netrc is
	// a .netrc file.
	Bearer   secret.Text  `yaml:"bearer"`
	User     string       `yaml:"user"`
	Password secret.Text  `yaml:"password"`
	Netrc    string       `yaml:"netrc"`
	CACert   string       `yaml:"cacert"`
	Cert     string       `yaml:"cert"`
	Key      string       `yaml:"key"`
	Proxy    *secret.Text `yaml:"proxy"`
	OAuth2   *struct {
		TokenURL     string      `yaml:"token_url"`
		ClientID     string      `yaml:"client_id"`
		ClientSecret secret.Text `yaml:"client_secret"`
		Scope        string      `yaml:"scope"`
	} `yaml:"oauth2"`
}

// configKeys are the keys of a configuration file, for messages.
const configKeys = "headers, bearer, user, password, netrc, cacert, cert, key, proxy and oauth2 (token_url, client_id, client_secret, scope)"

// ReadConfig reads a YAML file of the keys headers (a mapping), bearer, user,
// password, netrc, cacert, cert, key, proxy and oauth2. ${NAME} in a value is
// replaced by a variable of the environment. Paths are relative to the file.
// warning says that others may read the file.
func ReadConfig(path string, getenv func(string) string) (c *Config, warning string, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, "", usage("configuration file %s not found", path)
		}
		return nil, "", &Error{Kind: KindUsage, Msg: "the configuration file", err: err}
	}
	c = &Config{}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	var node yaml.Node
	if err = d.Decode(&node); err == nil {
		if err = expandNode(&node, getenv); err != nil {
			return nil, "", usage("the configuration file %s: %v", path, err)
		}
		// Only a decoder of text knows which keys are unknown.
		var expanded []byte
		if expanded, err = yaml.Marshal(&node); err == nil {
			d = yaml.NewDecoder(bytes.NewReader(expanded))
			d.KnownFields(true)
			err = d.Decode(c)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		// yaml's own message quotes values; only its line is safe to show.
		return nil, "", &Error{Kind: KindUsage, Msg: fmt.Sprintf("the configuration file %s: %s", path, yamlWords(err)), hint: "its keys are " + configKeys}
	}
	ways := 0
	for _, given := range []bool{c.Bearer != "", c.User != "", c.Netrc != "", c.OAuth2 != nil} {
		if given {
			ways++
		}
	}
	if ways > 1 {
		return nil, "", usage("the configuration file %s: bearer, user, netrc and oauth2 exclude each other", path)
	}
	dir := filepath.Dir(path)
	for _, p := range []*string{&c.Netrc, &c.CACert, &c.Cert, &c.Key} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	if st, serr := os.Stat(path); serr == nil && runtime.GOOS != "windows" && st.Mode().Perm()&0o077 != 0 {
		warning = fmt.Sprintf("others may read the configuration file %s (mode %04o); chmod 600 it", path, st.Mode().Perm())
	}
	return c, warning, nil
}

var unknownKey = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`field (\S+) not found in type \S+`) })

// expandNode replaces ${NAME} in all values of a file. A variable that is not
// set is an error: an empty secret would be sent.
func expandNode(n *yaml.Node, getenv func(string) string) error {
	if n.Kind == yaml.ScalarNode {
		text, err := expand(n.Value, getenv)
		if err != nil {
			return fmt.Errorf("line %d: %w", n.Line, err)
		}
		if text != n.Value {
			n.Value, n.Tag, n.Style = text, "!!str", yaml.DoubleQuotedStyle
		}
	}
	for _, c := range n.Content {
		if err := expandNode(c, getenv); err != nil {
			return err
		}
	}
	return nil
}

// expand replaces ${NAME} in a text.
func expand(s string, getenv func(string) string) (string, error) {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "${")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		name, after, ok := strings.Cut(rest, "}")
		if !ok || name == "" || strings.ContainsAny(name, " \t\"'{$") {
			return "", errors.New("${NAME} takes the name of a variable")
		}
		v := getenv(name)
		if v == "" {
			return "", fmt.Errorf("the variable %s is not set", name)
		}
		b.WriteString(v)
		s = after
	}
}

// yamlWords shortens an error of the YAML decoder to what does not quote the
// file.
func yamlWords(err error) string {
	s := strings.TrimPrefix(err.Error(), "yaml: ")
	if i := strings.IndexByte(s, '`'); i >= 0 {
		s = strings.TrimSpace(s[:i])
	}
	s = clean(strings.TrimPrefix(s, "unmarshal errors:"), 200)
	s = unknownKey().ReplaceAllString(s, "unknown key $1")
	return strings.NewReplacer("cannot unmarshal !!map into string", "expected a text, found a mapping",
		"cannot unmarshal !!seq into string", "expected a text, found a list").Replace(s)
}

// Apply puts the settings of the file into r, where r has none. It
// returns the secrets, for a redactor.
func (c *Config) Apply(r *Request) (secrets []string, err error) {
	if r.Header == nil {
		r.Header = http.Header{}
	}
	for name, v := range c.Headers {
		secrets = append(secrets, v)
		if r.Header.Get(name) == "" {
			r.Header.Set(name, v)
		}
	}
	secrets = append(secrets, c.Bearer.Reveal(), c.Password.Reveal())
	if r.Auth == nil && r.Source == nil {
		switch {
		case c.Bearer != "":
			r.Auth = Bearer(c.Bearer)
		case c.User != "":
			r.Auth = Basic(c.User, c.Password)
		case c.OAuth2 != nil:
			o := c.OAuth2
			secrets = append(secrets, o.ClientSecret.Reveal())
			t := r.TLS
			if t.CACert == "" {
				t.CACert = c.CACert
			}
			if r.Auth, err = OAuth2Auth(OAuth2{TokenURL: o.TokenURL, ClientID: o.ClientID, ClientSecret: o.ClientSecret, Scope: o.Scope, TLS: t}); err != nil {
				return secrets, err
			}
		case c.Netrc != "":
			if r.Auth, err = Netrc(c.Netrc); err != nil {
				return secrets, err
			}
		}
	}
	set := func(to *string, v string) {
		if *to == "" {
			*to = v
		}
	}
	set(&r.TLS.CACert, c.CACert)
	if r.TLS.Cert == "" {
		r.TLS.Cert, r.TLS.Key = c.Cert, c.Key
	}
	if c.Proxy != nil && r.Proxy == nil {
		r.Proxy, err = ParseProxy(c.Proxy.Reveal())
	}
	return secrets, err
}

// ParseTimeouts reads "connect=10s,first-byte=1m,stall=30s" into t; a time
// alone is meant for all three.
func ParseTimeouts(s string, t *Timeouts) error {
	for _, part := range strings.Split(s, ",") {
		name, value, named := strings.Cut(strings.TrimSpace(part), "=")
		if !named {
			value = name
		}
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return usage("timeout %q: times are written as 500ms, 30s or 2m", part)
		}
		switch {
		case !named:
			t.Connect, t.FirstByte, t.Stall = d, d, d
		case name == "connect":
			t.Connect = d
		case name == "first-byte":
			t.FirstByte = d
		case name == "stall":
			t.Stall = d
		default:
			return usage("timeout %q: there are connect, first-byte and stall", part)
		}
	}
	return nil
}

// ParseBody reads a body as curl's -d takes it: the text itself, @FILE, or -
// for in.
func ParseBody(data, contentType string, in io.Reader) (*Body, error) {
	switch {
	case data == "-", data == "@-":
		return ReaderBody(in, contentType), nil
	case strings.HasPrefix(data, "@"):
		return FileBody(data[1:], contentType)
	}
	return BytesBody([]byte(data), contentType), nil
}

// ParseHeader reads "Name: value" into h.
func ParseHeader(line string, h http.Header) error {
	name, value, ok := strings.Cut(line, ":")
	name = strings.TrimSpace(name)
	if !ok || name == "" || strings.ContainsAny(name, " \t\r\n") || strings.ContainsAny(value, "\r\n") {
		return usage("a header is written as 'Name: value'")
	}
	h.Add(name, strings.TrimSpace(value))
	return nil
}
