package guest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// cloudConfig is the part of #cloud-config that guests honour.
type cloudConfig struct {
	Hostname     string      `yaml:"hostname"`
	FQDN         string      `yaml:"fqdn"`
	PreserveName bool        `yaml:"preserve_hostname"`
	ManageHosts  scalar      `yaml:"manage_etc_hosts"`
	Users        []userEntry `yaml:"users"`
	Keys         []string    `yaml:"ssh_authorized_keys"`
	PasswordAuth scalar      `yaml:"ssh_pwauth"`
	DisableRoot  bool        `yaml:"disable_root"`
	Password     string      `yaml:"password"`
	Chpasswd     chpasswd    `yaml:"chpasswd"`
	Files        []fileSpec  `yaml:"write_files"`
	Bootcmd      []command   `yaml:"bootcmd"`
	Runcmd       []command   `yaml:"runcmd"`
	Packages     []command   `yaml:"packages"`
	Update       bool        `yaml:"package_update"`
	Upgrade      bool        `yaml:"package_upgrade"`
	Timezone     string      `yaml:"timezone"`

	Unknown map[string]any `yaml:",inline"`
}

// userEntry is one user to make.
type userEntry struct {
	Name         string   `yaml:"name"`
	Gecos        string   `yaml:"gecos"`
	HomeDir      string   `yaml:"homedir"`
	Shell        string   `yaml:"shell"`
	PrimaryGroup string   `yaml:"primary_group"`
	Groups       words    `yaml:"groups"`
	Sudo         lines    `yaml:"sudo"`
	Passwd       string   `yaml:"passwd"`
	HashedPasswd string   `yaml:"hashed_passwd"`
	PlainPasswd  string   `yaml:"plain_text_passwd"`
	LockPasswd   *bool    `yaml:"lock_passwd"`
	Keys         []string `yaml:"ssh_authorized_keys"`
	System       bool     `yaml:"system"`
	UID          *int     `yaml:"uid"`

	Unknown map[string]any `yaml:",inline"`
}

// chpasswd is the key of that name, with users or, as before 22.3, a list.
type chpasswd struct {
	Expire bool  `yaml:"expire"`
	List   lines `yaml:"list"`
	Users  []struct {
		Name     string `yaml:"name"`
		Password string `yaml:"password"`
		Type     string `yaml:"type"` // text (the default), hash or RANDOM
	} `yaml:"users"`
}

// fileSpec is an item of write_files.
type fileSpec struct {
	Path        string `yaml:"path"`
	Content     string `yaml:"content"`
	Encoding    string `yaml:"encoding"`
	Permissions scalar `yaml:"permissions"`
	Owner       string `yaml:"owner"`
	Append      bool   `yaml:"append"`
	Defer       bool   `yaml:"defer"`
}

// data decodes the content.
func (f fileSpec) data() ([]byte, error) {
	switch strings.ToLower(f.Encoding) {
	case "", "text/plain":
		return []byte(f.Content), nil
	case "b64", "base64", "gz+base64", "gzip+base64", "gz+b64", "gzip+b64":
		out, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(f.Content), ""))
		if err != nil {
			return nil, fmt.Errorf("the content is not base64: %w", err)
		}
		return gunzip(out) // what is not compressed stays
	}
	return nil, fmt.Errorf("unknown encoding %q", f.Encoding)
}

// parseCloudConfig reads the cloud-config parts one over the other, as
// cloud-init merges them by default: mappings key by key, all else is replaced
// by the later. A mistake in one key does not lose the others.
func parseCloudConfig(parts []part) (cloudConfig, []error) {
	var c cloudConfig
	var errs []error
	for _, p := range parts {
		if p.kind != kindConfig {
			continue
		}
		d := yaml.NewDecoder(strings.NewReader(string(p.body)))
		d.KnownFields(true)
		err := d.Decode(&c)
		var mistakes *yaml.TypeError
		switch {
		case errors.As(err, &mistakes):
			for _, m := range mistakes.Errors {
				errs = append(errs, errors.New("cloud-config: "+plainMistake(m)))
			}
		case err != nil && err.Error() != "EOF":
			errs = append(errs, fmt.Errorf("cloud-config is not valid YAML: %w", err))
		}
	}
	return c, errs
}

// plainMistake is the decoder's message without the names of Go's types.
func plainMistake(m string) string {
	if at, _, ok := strings.Cut(m, " not found in type "); ok {
		return strings.Replace(at, "field ", "", 1) + " is not supported in this guest"
	}
	if at, _, ok := strings.Cut(m, " into "); ok {
		return strings.Replace(at, "cannot unmarshal ", "", 1) + " is not expected here"
	}
	return m
}

func mistake(n *yaml.Node, what string) error {
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %s", n.Line, what)}}
}

// scalar takes a string, number or boolean as its text.
type scalar string

func (s *scalar) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return mistake(n, "a plain value is expected")
	}
	*s = ""
	if n.Tag != "!!null" {
		*s = scalar(n.Value)
	}
	return nil
}

// truth reads YAML's many ways of saying yes and no.
func (s scalar) truth() (value, known bool) {
	switch strings.ToLower(string(s)) {
	case "true", "yes", "on", "1":
		return true, true
	case "false", "no", "off", "0":
		return false, true
	}
	return false, false
}

// listOr reads a list of strings, or one string that split takes apart.
func listOr(n *yaml.Node, split func(string) []string) ([]string, error) {
	if n.Kind == yaml.ScalarNode {
		if n.Tag == "!!null" {
			return nil, nil
		}
		return split(n.Value), nil
	}
	var out []string
	return out, n.Decode(&out)
}

// words is a list of names, or one string with commas.
type words []string

func (l *words) UnmarshalYAML(n *yaml.Node) (err error) {
	*l, err = listOr(n, func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
	})
	return err
}

// lines is a list of lines, or one string of them.
type lines []string

func (l *lines) UnmarshalYAML(n *yaml.Node) (err error) {
	*l, err = listOr(n, func(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") })
	return err
}

// command is an item of runcmd or bootcmd: a list of arguments, or a line for
// the shell. A package is a name, or a list of name and version.
type command struct {
	argv []string
	line string
}

func (c *command) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.MappingNode {
		return mistake(n, "a string or a list is expected")
	}
	var err error
	c.argv, err = listOr(n, func(s string) []string { c.line = s; return nil })
	return err
}

// UnmarshalYAML takes a name as well, for [default].
func (u *userEntry) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		u.Name = n.Value
		return nil
	}
	type fields userEntry // without this method
	return n.Decode((*fields)(u))
}
