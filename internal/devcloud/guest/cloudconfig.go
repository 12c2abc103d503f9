package guest

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

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
				return fmt.Errorf("line %d: an argument that is not a plain value", a.Line)
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
