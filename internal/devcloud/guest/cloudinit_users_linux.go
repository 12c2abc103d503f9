package guest

import (
	"slices"
	"strings"
)

// users does users, groups, ssh_authorized_keys and the keys of the metadata.
func (ci *cloudInit) users() {
	m, c := ci.m, ci.conf
	for _, g := range c.Groups {
		ci.try("groups: "+g.name, m.accounts.addGroup(g.name, g.members))
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
		rules.WriteString(ci.user(u))
	}
	name := m.image.user
	if c.User != nil && c.User.Name != "" && withDefault {
		u := *c.User
		name = u.Name
		if u.Sudo == nil {
			u.Sudo = sudoLines{"ALL=(ALL) NOPASSWD:ALL"}
		}
		rules.WriteString(ci.user(u))
	}
	if rules.Len() > 0 {
		ci.try(
			"sudo rules",
			m.fs.write(
				"/etc/sudoers.d/90-cloud-init-users",
				[]byte("# Created by cloud-init\n"+rules.String()),
				0o440,
			),
		)
	}
	keys := append(slices.Clone(m.o.Spec.AuthorizedKeys), c.Keys...)
	if withDefault {
		ci.addKeys(name, keys)
	}
	rootKeys := keys
	if c.DisableRoot != nil && *c.DisableRoot {
		opts := c.DisableRootOpts
		if opts == "" {
			opts = `no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command="echo 'Please login as the user \"$USER\" rather than the user \"$DISABLE_USER\".';echo;sleep 1;exit 142"`
		}
		opts = strings.NewReplacer("$USER", name, "$DISABLE_USER", "root").Replace(opts)
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
	if c.User != nil && c.User.Name != "" {
		name = c.User.Name
	}
	if pass := m.o.Spec.AdminPass; pass != "" {
		entry := hashPassword(pass)
		set("root", entry)
		set(name, entry)
	}
	if c.Password != "" {
		set(name, hashPassword(c.Password))
	}
	lines, err := c.Chpasswd.lines()
	ci.try("chpasswd: list", err)
	for _, line := range lines {
		user, pass, ok := strings.Cut(strings.TrimSpace(line), ":")
		switch {
		case !ok:
			ci.fail("chpasswd: a line of the list is not user:password")
		case pass == "R" || pass == "RANDOM":
			ci.randomPassword(user, set)
		case strings.HasPrefix(pass, "$6$") || strings.HasPrefix(pass, "$5$") || strings.HasPrefix(pass, "$1$") || strings.HasPrefix(pass, "$2"):
			set(user, pass)
		default:
			set(user, hashPassword(pass))
		}
	}
	for _, u := range c.Chpasswd.Users {
		switch strings.ToLower(u.Type) {
		case "hash":
			set(u.Name, u.Password)
		case "random":
			ci.randomPassword(u.Name, set)
		default:
			set(u.Name, hashPassword(u.Password))
		}
	}
	if on, known := c.PasswordAuth.truth(); known {
		value := "no"
		if on {
			value = "yes"
		}
		text, err := m.fs.read("/etc/ssh/sshd_config")
		ci.try("ssh_pwauth", err)
		ci.try(
			"ssh_pwauth",
			m.fs.write(
				"/etc/ssh/sshd_config",
				[]byte(setSSHDOption(string(text), "PasswordAuthentication", value)),
				0o600,
			),
		)
	}
}

// randomPassword makes one and tells it on the console, as cloud-init does.
func (ci *cloudInit) randomPassword(name string, set func(name, entry string)) {
	pass := randomText(12)
	set(name, hashPassword(pass))
	ci.m.console.cloud("Set the following 'random' passwords\n%s:%s", name, pass)
}
