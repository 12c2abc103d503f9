package guest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"

	"gopkg.in/yaml.v3"
)

// part is one piece of user data.
type part struct {
	kind string // a key of partKinds' values
	name string
	body []byte
}

// The kinds of user data that are understood.
const (
	kindConfig   = "text/cloud-config"
	kindScript   = "text/x-shellscript"
	kindBoothook = "text/cloud-boothook"
	kindArchive  = "text/cloud-config-archive"
)

// userDataLimit is how much user data may come to when it is unpacked.
const userDataLimit = 32 << 20

// splitUserData takes user data apart: compressed, base64, MIME, and by its
// first line. What is wrong with one part does not keep the others from being
// used.
func splitUserData(data []byte) ([]part, []error) {
	s := splitter{left: userDataLimit}
	s.add(data, "", "", 0)
	return s.parts, s.errs
}

type splitter struct {
	parts []part
	errs  []error
	left  int // bytes that may still be unpacked
}

func (s *splitter) fail(format string, args ...any) {
	s.errs = append(s.errs, fmt.Errorf(format, args...))
}

func (s *splitter) add(data []byte, kind, name string, depth int) {
	if depth > 8 {
		s.fail("user data is nested too deeply")
		return
	}
	data, err := s.unpack(data)
	if err != nil {
		s.errs = append(s.errs, err)
		return
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return
	}
	if isMIME(data) {
		s.addMIME(data, depth)
		return
	}
	if found := kindOf(data); found != "" {
		kind = found // the first line is right even where the MIME type is vague
	}
	switch kind {
	case kindConfig, kindScript, kindBoothook:
		s.parts = append(s.parts, part{kind: kind, name: name, body: data})
	case kindArchive:
		s.addArchive(data, depth)
	case "":
		first, _, _ := bytes.Cut(data, []byte("\n"))
		s.fail(
			"user data is of no known kind: it begins with %q; expected #cloud-config, #! or a MIME message",
			clip(string(first), 40),
		)
	default:
		s.fail("user data of kind %s is not supported in this guest", kind)
	}
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// unpack undoes gzip and base64, in whatever order they were put on.
func (s *splitter) unpack(data []byte) ([]byte, error) {
	for range 4 {
		switch {
		case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
			zr, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				return nil, fmt.Errorf("user data is not valid gzip: %w", err)
			}
			out, err := io.ReadAll(io.LimitReader(zr, int64(s.left)+1))
			if err != nil {
				return nil, fmt.Errorf("user data is not valid gzip: %w", err)
			}
			if len(out) > s.left {
				return nil, errors.New("user data is too large when unpacked")
			}
			s.left -= len(out)
			data = out
		case kindOf(data) == "" && !isMIME(data):
			out, ok := fromBase64(data)
			if !ok || !(bytes.HasPrefix(out, []byte{0x1f, 0x8b}) || kindOf(out) != "" || isMIME(out)) {
				return data, nil
			}
			data = out
		default:
			return data, nil
		}
	}
	return data, nil
}

func fromBase64(data []byte) ([]byte, bool) {
	text := strings.Join(strings.Fields(string(data)), "")
	out, err := base64.StdEncoding.DecodeString(text)
	return out, err == nil && len(out) > 0
}

// kindOf tells the kind by the first line, as cloud-init does.
func kindOf(data []byte) string {
	for _, k := range []struct{ prefix, kind string }{
		{"#cloud-config-archive", kindArchive},
		{"#cloud-config", kindConfig},
		{"#cloud-boothook", kindBoothook},
		{"#!", kindScript},
		{"#include-once", "text/x-include-once-url"},
		{"#include", "text/x-include-url"},
		{"#part-handler", "text/part-handler"},
		{"#upstart-job", "text/upstart-job"},
		{"## template: jinja", "text/jinja2"},
	} {
		if len(data) >= len(k.prefix) && strings.EqualFold(string(data[:len(k.prefix)]), k.prefix) {
			return k.kind
		}
	}
	return ""
}

func isMIME(data []byte) bool {
	for _, h := range []string{"content-type:", "mime-version:", "from "} {
		if len(data) >= len(h) && strings.EqualFold(string(data[:len(h)]), h) {
			return true
		}
	}
	return false
}

func (s *splitter) addMIME(data []byte, depth int) {
	if bytes.HasPrefix(data, []byte("From ")) { // an mbox line
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	msg, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		s.fail("user data is not a valid MIME message: %w", err)
		return
	}
	s.addEntity(map[string][]string(msg.Header), msg.Body, depth)
}

// addEntity adds a MIME message or a part of one.
func (s *splitter) addEntity(header map[string][]string, body io.Reader, depth int) {
	get := func(key string) string {
		if v := header[key]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	kind, params, err := mime.ParseMediaType(get("Content-Type"))
	if err != nil {
		kind, params = "", nil
	}
	if strings.HasPrefix(kind, "multipart/") {
		if depth > 8 {
			s.fail("user data is nested too deeply")
			return
		}
		mr := multipart.NewReader(body, params["boundary"])
		for {
			p, err := mr.NextRawPart()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				s.fail("user data is not a valid MIME message: %w", err)
				return
			}
			s.addEntity(map[string][]string(p.Header), p, depth+1)
		}
	}
	var r io.Reader = body
	switch strings.ToLower(strings.TrimSpace(get("Content-Transfer-Encoding"))) {
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		r = quotedprintable.NewReader(body)
	}
	data, err := io.ReadAll(io.LimitReader(r, userDataLimit))
	if err != nil {
		s.fail("a part of the user data cannot be decoded: %w", err)
		return
	}
	_, disposition, err := mime.ParseMediaType(get("Content-Disposition"))
	if err != nil {
		disposition = nil
	}
	switch kind {
	case "text/plain", "application/octet-stream", "application/gzip", "application/x-gzip":
		kind = "" // goes by its first line
	}
	s.add(data, kind, disposition["filename"], depth+1)
}

func (s *splitter) addArchive(data []byte, depth int) {
	var items []yaml.Node
	if err := yaml.Unmarshal(data, &items); err != nil {
		s.fail("the cloud-config archive is not valid YAML: %w", err)
		return
	}
	for _, n := range items {
		var item struct{ Content, Type, Filename string }
		if n.Kind == yaml.ScalarNode {
			item.Content = n.Value
		} else if err := n.Decode(&item); err != nil {
			s.fail("an item of the cloud-config archive: %w", err)
			continue
		}
		s.add([]byte(item.Content), item.Type, item.Filename, depth+1)
	}
}

// cloudConfig is the part of #cloud-config that guests honour.
type cloudConfig struct {
	Hostname        string     `yaml:"hostname"`
	FQDN            string     `yaml:"fqdn"`
	PreferFQDN      bool       `yaml:"prefer_fqdn_over_hostname"`
	PreserveName    bool       `yaml:"preserve_hostname"`
	ManageHosts     scalar     `yaml:"manage_etc_hosts"`
	Users           userList   `yaml:"users"`
	User            *userEntry `yaml:"user"`
	Groups          groupList  `yaml:"groups"`
	Keys            stringList `yaml:"ssh_authorized_keys"`
	HostKeys        hostKeyMap `yaml:"ssh_keys"`
	DeleteKeys      *bool      `yaml:"ssh_deletekeys"`
	KeyTypes        stringList `yaml:"ssh_genkeytypes"`
	PasswordAuth    scalar     `yaml:"ssh_pwauth"`
	DisableRoot     *bool      `yaml:"disable_root"`
	DisableRootOpts string     `yaml:"disable_root_opts"`
	Password        string     `yaml:"password"`
	Chpasswd        chpasswd   `yaml:"chpasswd"`
	Files           []fileSpec `yaml:"write_files"`
	Bootcmd         []command  `yaml:"bootcmd"`
	Runcmd          []command  `yaml:"runcmd"`
	Packages        yaml.Node  `yaml:"packages"`
	PackageUpdate   bool       `yaml:"package_update"`
	PackageUpgrade  bool       `yaml:"package_upgrade"`
	Timezone        string     `yaml:"timezone"`
	FinalMessage    string     `yaml:"final_message"`
	PowerState      powerState `yaml:"power_state"`

	Unknown map[string]yaml.Node `yaml:",inline"`
}

// harmless are keys that change nothing a guest has: they are passed over in
// silence. All other keys that are not known are reported.
var harmless = map[string]bool{
	"locale": true, "output": true, "growpart": true, "resize_rootfs": true, "apt": true, "apt_update": true, "apt_upgrade": true,
	"package_reboot_if_required": true, "repo_update": true, "repo_upgrade": true, "datasource": true, "datasource_list": true,
	"cloud_init_modules": true, "cloud_config_modules": true, "cloud_final_modules": true, "system_info": true, "merge_how": true, "merge_type": true,
	"ssh_import_id": false, "keyboard": true, "ntp": true, "manage_resolv_conf": true, "no_ssh_fingerprints": true, "ssh_fp_console_blacklist": true,
	"ssh_key_console_blacklist": true, "ssh_publish_hostkeys": true, "ssh": true, "ssh_quiet_keygen": true, "allow_public_ssh_keys": false,
	"create_hostname_file": true, "network": false, "phone_home": false,
}

type powerState struct {
	Mode    string `yaml:"mode"`
	Message string `yaml:"message"`
}

// scalar takes a string, number or boolean as its text.
type scalar string

func (s *scalar) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a plain value is expected", n.Line)
	}
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

// stringList takes a list of scalars, or one string with commas or line ends.
type stringList []string

func (l *stringList) UnmarshalYAML(n *yaml.Node) error {
	switch n.Kind {
	case yaml.SequenceNode:
		for _, c := range n.Content {
			c = resolve(c)
			if c.Kind != yaml.ScalarNode {
				return fmt.Errorf("line %d: a list of strings is expected", c.Line)
			}
			*l = append(*l, c.Value)
		}
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return nil
		}
		for f := range strings.FieldsFuncSeq(n.Value, func(r rune) bool { return r == ',' || r == '\n' }) {
			if f = strings.TrimSpace(f); f != "" {
				*l = append(*l, f)
			}
		}
	default:
		return fmt.Errorf("line %d: a list of strings is expected", n.Line)
	}
	return nil
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// command is an item of runcmd or bootcmd: a list of arguments, or a line for
// the shell.
type command struct {
	argv []string
	line string
}

func (c *command) UnmarshalYAML(n *yaml.Node) error {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag != "!!null" {
			c.line = n.Value
		}
		return nil
	case yaml.SequenceNode:
		for _, a := range n.Content {
			a = resolve(a)
			if a.Kind != yaml.ScalarNode {
				return fmt.Errorf("line %d: an argument that is no plain value", a.Line)
			}
			c.argv = append(c.argv, a.Value)
		}
		return nil
	}
	return fmt.Errorf("line %d: a command is a string or a list", n.Line)
}

// userList is the users key: a list of names and mappings, or one of these.
type userList []userEntry

func (l *userList) UnmarshalYAML(n *yaml.Node) error {
	switch n.Kind {
	case yaml.SequenceNode:
		for _, c := range n.Content {
			var u userEntry
			if err := c.Decode(&u); err != nil {
				return err
			}
			*l = append(*l, u)
		}
		return nil
	case yaml.MappingNode: // name: options
		for i := 0; i+1 < len(n.Content); i += 2 {
			u := userEntry{Name: n.Content[i].Value}
			if v := resolve(n.Content[i+1]); v.Kind == yaml.MappingNode {
				if err := v.Decode(&u); err != nil {
					return err
				}
				u.Name = n.Content[i].Value
			}
			*l = append(*l, u)
		}
		return nil
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return nil
		}
		for f := range strings.SplitSeq(n.Value, ",") {
			if f = strings.TrimSpace(f); f != "" {
				*l = append(*l, userEntry{Name: f})
			}
		}
		return nil
	}
	return fmt.Errorf("line %d: users is a list", n.Line)
}

// userEntry is one user to make.
type userEntry struct {
	Name           string     `yaml:"name"`
	Gecos          string     `yaml:"gecos"`
	HomeDir        string     `yaml:"homedir"`
	Shell          string     `yaml:"shell"`
	PrimaryGroup   string     `yaml:"primary_group"`
	Groups         stringList `yaml:"groups"`
	Sudo           sudoLines  `yaml:"sudo"`
	Passwd         string     `yaml:"passwd"`
	HashedPasswd   string     `yaml:"hashed_passwd"`
	PlainPasswd    string     `yaml:"plain_text_passwd"`
	LockPasswd     *bool      `yaml:"lock_passwd"`
	LockPasswdOld  *bool      `yaml:"lock-passwd"`
	Keys           stringList `yaml:"ssh_authorized_keys"`
	KeysOld        stringList `yaml:"ssh-authorized-keys"`
	NoCreateHome   bool       `yaml:"no_create_home"`
	NoUserGroup    bool       `yaml:"no_user_group"`
	System         bool       `yaml:"system"`
	UID            *int       `yaml:"uid"`
	RedirectToUser bool       `yaml:"ssh_redirect_user"`
}

func (u *userEntry) UnmarshalYAML(n *yaml.Node) error {
	switch n.Kind {
	case yaml.ScalarNode:
		u.Name = n.Value
		return nil
	case yaml.SequenceNode: // [default, other]: each a name; only the first counts
		if len(n.Content) > 0 {
			u.Name = n.Content[0].Value
		}
		return nil
	}
	type fields userEntry // without this method
	return n.Decode((*fields)(u))
}

// sudoLines is the sudo key: a rule, several, or false.
type sudoLines []string

func (s *sudoLines) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		if n.Tag != "!!null" && n.Tag != "!!bool" && !strings.EqualFold(n.Value, "false") {
			*s = sudoLines{n.Value}
		}
		return nil
	}
	return n.Decode((*[]string)(s))
}

// groupList is the groups key: names, and mappings of a name to members.
type groupList []group

func (l *groupList) UnmarshalYAML(n *yaml.Node) error {
	switch n.Kind {
	case yaml.SequenceNode:
		for _, c := range n.Content {
			c = resolve(c)
			if c.Kind == yaml.SequenceNode {
				return fmt.Errorf(
					"line %d: a list within the list of groups",
					c.Line,
				) // or the list itself, by its anchor
			}
			if err := l.UnmarshalYAML(c); err != nil {
				return err
			}
		}
		return nil
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			g := group{name: n.Content[i].Value}
			var members stringList
			if err := resolve(n.Content[i+1]).Decode(&members); err != nil {
				return err
			}
			g.members = members
			*l = append(*l, g)
		}
		return nil
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return nil
		}
		for f := range strings.SplitSeq(n.Value, ",") {
			if f = strings.TrimSpace(f); f != "" {
				*l = append(*l, group{name: f})
			}
		}
		return nil
	}
	return fmt.Errorf("line %d: groups is a list", n.Line)
}

// hostKeyMap is ssh_keys. Its values are secret.
type hostKeyMap map[string]string

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
	data := []byte(f.Content)
	gz, b64 := false, false
	switch strings.ToLower(f.Encoding) {
	case "", "text/plain":
	case "gz", "gzip":
		gz = true
	case "b64", "base64":
		b64 = true
	case "gz+base64", "gzip+base64", "gz+b64", "gzip+b64":
		gz, b64 = true, true
	default:
		return nil, fmt.Errorf("unknown encoding %q", f.Encoding)
	}
	if b64 {
		out, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(f.Content), ""))
		if err != nil {
			return nil, fmt.Errorf("the content is not base64: %w", err)
		}
		data = out
	}
	if gz {
		zr, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("the content is not gzip: %w", err)
		}
		out, err := io.ReadAll(io.LimitReader(zr, userDataLimit+1))
		if err != nil {
			return nil, fmt.Errorf("the content is not gzip: %w", err)
		}
		if len(out) > userDataLimit {
			return nil, errors.New("the content is too large when unpacked")
		}
		data = out
	}
	return data, nil
}

// chpasswd is the key of that name: new style (users) and old (list).
type chpasswd struct {
	Expire *bool     `yaml:"expire"`
	List   yaml.Node `yaml:"list"`
	Users  []struct {
		Name     string `yaml:"name"`
		Password string `yaml:"password"`
		Type     string `yaml:"type"` // text (default), hash, RANDOM
	} `yaml:"users"`
}

// lines are the "user:password" lines of the old style.
func (c chpasswd) lines() ([]string, error) {
	switch c.List.Kind {
	case 0:
		return nil, nil
	case yaml.ScalarNode:
		return strings.Split(strings.TrimSpace(c.List.Value), "\n"), nil
	}
	var out []string
	err := c.List.Decode(&out)
	return out, err
}

// parseCloudConfig merges the cloud-config parts as cloud-init does by
// default (mappings are merged key by key, all else is replaced by the later)
// and reads the result.
func parseCloudConfig(parts []part) (cloudConfig, []error) {
	var errs []error
	merged := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, p := range parts {
		if p.kind != kindConfig {
			continue
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(p.body, &doc); err != nil {
			errs = append(errs, fmt.Errorf("cloud-config is not valid YAML: %w", err))
			continue
		}
		if len(doc.Content) == 0 {
			continue
		}
		top := resolve(doc.Content[0])
		if top.Kind != yaml.MappingNode {
			errs = append(errs, errors.New("cloud-config is not a mapping"))
			continue
		}
		mergeNodes(merged, top)
	}
	// Each key by itself, so that a mistake in one does not lose the others.
	var c cloudConfig
	for i := 0; i+1 < len(merged.Content); i += 2 {
		one := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: merged.Content[i : i+2]}
		next := c
		next.Unknown = nil
		if err := one.Decode(&next); err != nil {
			errs = append(errs, fmt.Errorf("cloud-config key %s: %w", merged.Content[i].Value, err))
			continue
		}
		unknown := c.Unknown
		for k, v := range next.Unknown {
			if unknown == nil {
				unknown = map[string]yaml.Node{}
			}
			unknown[k] = v
		}
		c = next
		c.Unknown = unknown
	}
	return c, errs
}

func mergeNodes(into, from *yaml.Node) {
	for i := 0; i+1 < len(from.Content); i += 2 {
		key, value := from.Content[i], resolve(from.Content[i+1])
		found := false
		for j := 0; j+1 < len(into.Content); j += 2 {
			if into.Content[j].Value != key.Value {
				continue
			}
			found = true
			if old := into.Content[j+1]; old.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode {
				mergeNodes(old, value)
			} else {
				into.Content[j+1] = value
			}
		}
		if !found {
			into.Content = append(into.Content, key, value)
		}
	}
}
