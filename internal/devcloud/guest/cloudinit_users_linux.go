package guest

import (
	"slices"
	"strings"
)

// users does users, groups, ssh_authorized_keys and the keys of the metadata.
func (ci *cloudInit) users() {
	m, c := ci.m, ci.conf
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
		old, _ := m.fs.read(usersSudoers) // of an image with content: its default user's
		ci.try("sudo rules", m.fs.write(usersSudoers, []byte(string(old)+"# Created by cloud-init\n"+rules.String()), 0o440))
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
	u, err := ci.m.accounts.lookup(name)
	if err == nil {
		err = ci.m.accounts.addKeys(u, keys)
	}
	ci.try("ssh_authorized_keys of "+name, err)
}

// passwords does password, chpasswd and ssh_pwauth.
func (ci *cloudInit) passwords() {
	m, c := ci.m, ci.conf
	list := c.Chpasswd.List
	if c.Password != "" {
		list = append(lines{m.image.user + ":" + c.Password}, list...)
	}
	for _, u := range c.Chpasswd.Users {
		if strings.EqualFold(u.Type, "RANDOM") {
			u.Password = "R"
		}
		list = append(list, u.Name+":"+u.Password)
	}
	for _, line := range list {
		name, pass, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch _, err := m.accounts.lookup(name); {
		case err != nil:
			ci.try("chpasswd", err)
		case pass == "" || pass == "R" || pass == "RANDOM":
			ci.fail("chpasswd: %s: empty and random passwords are not supported in this guest", name)
		case strings.HasPrefix(pass, "$"):
			ci.try("chpasswd: "+name, m.accounts.setShadow(name, pass))
		default:
			ci.try("chpasswd: "+name, m.accounts.setShadow(name, hashPassword(pass)))
		}
	}
	if c.Chpasswd.Expire {
		m.console.cloud("WARNING: chpasswd: passwords do not expire in this guest")
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
