package guest

import (
	"slices"
	"strings"
)

// users does users, groups, ssh_authorized_keys and the keys of the metadata.
func (ci *cloudInit) users() {
	m, c := ci.m, ci.conf
	for _, g := range c.Groups {
		for name, members := range g {
			ci.try("groups: "+name, m.accounts.addGroup(name, members))
		}
	}
	withDefault := c.Users == nil
	var rules strings.Builder
	for _, u := range c.Users {
		if u.Name == "default" {
			withDefault = true
			continue
		}
		if u.Name == "" {
			ci.fail("users: an entry without a name")
			continue
		}
		for key := range u.Unknown {
			ci.fail("users: %s: %s is not supported in this guest", u.Name, key)
		}
		rules.WriteString(ci.user(u))
	}
	name := m.image.user
	if rules.Len() > 0 {
		ci.try("sudo rules", m.fs.write("/etc/sudoers.d/90-cloud-init-users", []byte("# Created by cloud-init\n"+rules.String()), 0o440))
	}
	keys := append(slices.Clone(m.o.Spec.AuthorizedKeys), c.Keys...)
	if withDefault {
		ci.addKeys(name, keys)
	}
	rootKeys := keys
	if c.DisableRoot {
		opts := `no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command="echo 'Please login as the user \"` + name +
			`\" rather than the user \"root\".';echo;sleep 1;exit 142"`
		rootKeys = nil
		for _, k := range keys {
			rootKeys = append(rootKeys, opts+" "+strings.TrimSpace(k))
		}
	}
	ci.addKeys("root", rootKeys)
}

func (ci *cloudInit) addKeys(name string, keys []string) {
	u, ok := ci.m.accounts.lookup(name)
	if !ok {
		ci.fail("ssh_authorized_keys: there is no user %s", name)
		return
	}
	ci.try("ssh_authorized_keys of "+name, ci.m.accounts.addKeys(u, keys))
}

// passwords does password, chpasswd, ssh_pwauth and the API's adminPass.
func (ci *cloudInit) passwords() {
	m, c := ci.m, ci.conf
	set := func(name, entry string) {
		if _, ok := m.accounts.lookup(name); !ok {
			ci.fail("chpasswd: there is no user %s", name)
			return
		}
		ci.try("chpasswd: "+name, m.accounts.setShadow(name, entry))
	}
	name := m.image.user
	if c.Password != "" {
		set(name, hashPassword(c.Password))
	}
	if c.Chpasswd.Expire {
		m.console.cloud("WARNING: chpasswd: passwords do not expire in this guest")
	}
	for _, line := range c.Chpasswd.List {
		user, pass, ok := strings.Cut(strings.TrimSpace(line), ":")
		switch {
		case !ok:
			ci.fail("chpasswd: a line of the list is not user:password")
		case pass == "R" || pass == "RANDOM":
			ci.fail("chpasswd: random passwords are not supported in this guest")
		case strings.HasPrefix(pass, "$"):
			set(user, pass)
		default:
			set(user, hashPassword(pass))
		}
	}
	for _, u := range c.Chpasswd.Users {
		switch strings.ToLower(u.Type) {
		case "hash":
			set(u.Name, u.Password)
		case "text", "":
			set(u.Name, hashPassword(u.Password))
		default:
			ci.fail("chpasswd: passwords of type %s are not supported in this guest", u.Type)
		}
	}
	if on, known := c.PasswordAuth.truth(); known {
		value := "no"
		if on {
			value = "yes"
		}
		text, err := m.fs.read("/etc/ssh/sshd_config")
		if err == nil {
			err = m.fs.write("/etc/ssh/sshd_config", []byte(setSSHDOption(string(text), "PasswordAuthentication", value)), 0o600)
		}
		ci.try("ssh_pwauth", err)
	}
}
