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
	"time"

	"gopkg.in/yaml.v3"
)

// Config is what a file says of requests, so that secrets need not stand on a
// command line.
type Config struct {
	Headers map[string]string `yaml:"headers"`
	// Bearer is a token; User and Password are basic authentication; Netrc is
	// a .netrc file.
	Bearer   *text  `yaml:"bearer"`
	User     string `yaml:"user"`
	Password *text  `yaml:"password"`
	Netrc    string `yaml:"netrc"`
	CACert   string `yaml:"cacert"`
	Cert     string `yaml:"cert"`
	Key      string `yaml:"key"`
	Proxy    *text  `yaml:"proxy"`
}

// text is a secret that is read from YAML.
type text struct{ s Secret }

func (t *text) UnmarshalYAML(n *yaml.Node) error {
	var s string
	if err := n.Decode(&s); err != nil {
		return err
	}
	t.s = Secret(s)
	return nil
}

func (t *text) secret() Secret {
	if t == nil {
		return ""
	}
	return t.s
}

// ReadConfig reads a YAML file of the keys headers (a mapping), bearer, user,
// password, netrc, cacert, cert, key and proxy. Paths in it are relative to the
// file. warning says that others may read the file.
func ReadConfig(path string) (c *Config, warning string, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, "", usage("there is no configuration file %s", path)
		}
		return nil, "", &Error{Kind: KindUsage, Msg: "the configuration file", err: err}
	}
	c = &Config{}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && err != io.EOF {
		// yaml's own message quotes values; its line is what helps.
		return nil, "", &Error{Kind: KindUsage, Msg: fmt.Sprintf("the configuration file %s: %s", path, yamlWords(err)), hint: "its keys are headers, bearer, user, password, netrc, cacert, cert, key and proxy"}
	}
	if (c.Bearer != nil) && (c.User != "" || c.Netrc != "") || c.User != "" && c.Netrc != "" {
		return nil, "", usage("the configuration file %s: bearer, user and netrc exclude each other", path)
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

var unknownKey = regexp.MustCompile(`field (\S+) not found in type \S+`)

// yamlWords shortens an error of the YAML decoder to what does not quote the
// file.
func yamlWords(err error) string {
	s := strings.TrimPrefix(err.Error(), "yaml: ")
	if i := strings.IndexByte(s, '`'); i >= 0 {
		s = strings.TrimSpace(s[:i])
	}
	s = clean(strings.TrimPrefix(s, "unmarshal errors:"), 200)
	s = unknownKey.ReplaceAllString(s, "there is no key $1")
	return strings.NewReplacer("cannot unmarshal !!map into string", "a text is expected, and here stands a mapping",
		"cannot unmarshal !!seq into string", "a text is expected, and here stands a list").Replace(s)
}

// Apply puts what the file says into r, where r says nothing itself. It returns
// the secrets, for a redactor.
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
	secrets = append(secrets, string(c.Bearer.secret()), string(c.Password.secret()))
	if r.Auth == nil && r.Source == nil {
		switch {
		case c.Bearer != nil:
			r.Auth = Bearer(c.Bearer.secret())
		case c.User != "":
			r.Auth = Basic(c.User, c.Password.secret())
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
		r.Proxy, err = ParseProxy(string(c.Proxy.secret()))
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
