package guest

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
)

// imageAccounts returns the users and groups of an image that shows the host's
// files: root, the image's user, and the host's system accounts.
func (m *machine) imageAccounts() ([]account, []group) {
	passwd, _ := os.ReadFile("/etc/passwd")
	groupFile, _ := os.ReadFile("/etc/group")
	hostUsers, hostGroups := parsePasswd(passwd), parseGroup(groupFile)
	shell := defaultShell()
	var users []account
	root := account{name: "root", gecos: "root", home: "/root", shell: shell, uid: m.fs.uid, gid: m.fs.gid}
	if !m.fs.single {
		root.uid, root.gid = 0, 0
		users = append(users, root)
	}
	groups := []group{{name: "root", gid: root.gid}}
	name := m.image.user
	u := account{name: name, uid: 1000, gid: 1000, gecos: strings.ToUpper(name[:1]) + name[1:], home: "/home/" + name, shell: shell}
	if m.fs.single {
		u.uid, u.gid = m.fs.uid, m.fs.gid
	}
	users = append(users, u)
	groups = append(groups, group{name: name, gid: u.gid})
	if m.fs.single {
		users = append(users, root) // `whoami` shows the first name of the ID
	}
	// The host's system accounts, so that files have owners with names; its
	// people are nobody here.
	for _, u := range hostUsers {
		if (u.uid < 1000 || u.uid == 65534) && u.uid != 0 &&
			!slices.ContainsFunc(users, func(o account) bool { return o.name == u.name }) {
			if u.home == "/root" || strings.HasPrefix(u.home, "/home/") {
				u.home = "/nonexistent"
			}
			u.gecos = ""
			users = append(users, u)
		}
	}
	for _, g := range hostGroups {
		if (g.gid < 1000 || g.gid == 65534) && g.gid != 0 &&
			!slices.ContainsFunc(groups, func(o group) bool { return o.name == g.name }) {
			g.members = nil
			groups = append(groups, g)
		}
	}
	for _, name := range []string{"wheel", "adm", "systemd-journal", "sudo"} { // as the images' own cloud.cfg
		var i int
		groups, i = m.accounts.ensureGroup(groups, name, 700)
		groups[i].members = []string{m.image.user}
	}
	return users, groups
}

const imageSudoers = "root ALL=(ALL:ALL) ALL\n%wheel ALL=(ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n"

// personalise writes the image's own files: users, os-release, …
func (m *machine) personalise() error {
	users, groups := m.imageAccounts()
	shadow := ""
	for _, u := range users {
		shadow += shadowLine(u.name, "!!")
	}
	if err := m.accounts.save(users, groups); err != nil {
		return err
	}
	t := m.fs.tree
	id := strings.ReplaceAll(m.o.Spec.ID, "-", "")
	files := []struct {
		name, text string
		perm       os.FileMode
	}{
		{"/etc/shadow", shadow, 0o640},
		{"/etc/sudoers", imageSudoers + m.image.user + " ALL=(ALL) NOPASSWD:ALL\n", 0o440},
		{"/etc/machine-id", id + "\n", 0o444},
		{"/etc/fstab", "/dev/vda1\t/\text4\tdefaults\t0 0\n", 0o644},
		{"/etc/ssh/sshd_config", defaultSSHDConfig(m.o.Spec.AdminPass != ""), 0o600},
		{"/etc/motd", "", 0o644},
	}
	for _, f := range files {
		if err := t.write(f.name, []byte(f.text), f.perm); err != nil {
			return err
		}
	}
	for name, text := range m.image.files {
		if err := os.Remove(t.at(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if text == "" {
			continue
		}
		if err := t.write(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, u := range users {
		if u.name == m.image.user || u.name == "root" {
			if err := m.accounts.makeHome(u); err != nil {
				return err
			}
		}
	}
	return os.Chmod(t.at("/root"), 0o700) //nolint:gosec // root's home
}

// personaliseImage prepares an image with its own content: its files stay,
// and its default user is made if neither the image nor its cloud-init does.
func (m *machine) personaliseImage() error {
	t := m.fs.tree
	if _, ok := m.accounts.lookup("root"); !ok {
		return errors.New("the image has no user root: is it a root file system?")
	}
	user, files := m.image.user, map[string]string{
		"/etc/machine-id": strings.ReplaceAll(m.o.Spec.ID, "-", "") + "\n",
	}
	_, known := m.accounts.lookup(user)
	if !m.hasCloudInit() {
		files["/etc/sudoers.d/90-cloud-init-users"] = user + " ALL=(ALL) NOPASSWD:ALL\n"
	}
	if !known && !m.hasCloudInit() {
		var groups []string
		for _, g := range m.accounts.groups() {
			if slices.Contains([]string{"wheel", "sudo", "adm", "systemd-journal"}, g.name) {
				groups = append(groups, g.name)
			}
		}
		if _, err := m.accounts.add(newUser{account: account{name: user, gecos: user}, groups: groups}); err != nil {
			return err
		}
		if err := m.accounts.setShadow(user, "!!"); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"/etc/ssh/sshd_config": defaultSSHDConfig(m.o.Spec.AdminPass != ""),
		"/etc/sudoers":         imageSudoers,
	} {
		if !exists(t.at(name)) {
			files[name] = text
		}
	}
	if m.o.Spec.AdminPass != "" {
		text, err := t.read("/etc/ssh/sshd_config")
		if err != nil {
			text = []byte(defaultSSHDConfig(true))
		}
		files["/etc/ssh/sshd_config"] = setSSHDOption(setSSHDOption(string(text), "PasswordAuthentication", "yes"), "PermitRootLogin", "yes")
	}
	for name, text := range files {
		if err := t.write(name, []byte(text), 0o440); err != nil {
			return err
		}
	}
	return nil
}

// everyBoot does what each boot needs: the tools below /run, empty /tmp of
// sockets left, names.
func (m *machine) everyBoot() error {
	t := m.fs.tree
	if m.first {
		name := hostName(m.o.Spec)
		if err := m.setHostName(shortName(name), name, true); err != nil {
			return err
		}
	} else if name := m.shortName(); m.fs.pidSpace {
		_ = setHostName(name)
	}
	for _, d := range []struct {
		name string
		perm os.FileMode
	}{{"/var/log", 0o755}, {"/var/tmp", 0o1777}, {"/run/cloud-init", 0o755}, {"/var/lib/cloud", 0o755}} {
		if err := os.MkdirAll(t.at(d.name), 0o755); err != nil {
			return err
		}
		if err := syscall.Chmod(t.at(d.name), uint32(d.perm)); err != nil {
			return err
		}
	}
	if m.fs.pidSpace && exists("/sbin/openrc") {
		// Its services start without it being process 1.
		if err := m.fs.write("/run/openrc/softlevel", nil, 0o644); err != nil {
			return err
		}
	}
	if m.units != nil {
		// What packages' scripts ask whether systemd runs.
		if err := os.MkdirAll("/run/systemd/system", 0o755); err != nil {
			return err
		}
	}
	if err := m.serveTools(); err != nil {
		return err
	}
	return m.installTools()
}

// setHostName writes the names of the guest and makes them hold.
func (m *machine) setHostName(short, fqdn string, hosts bool) error {
	t := m.fs.tree
	if err := t.write("/etc/hostname", []byte(short+"\n"), 0o644); err != nil {
		return err
	}
	if m.fs.pidSpace {
		if err := setHostName(short); err != nil {
			return fmt.Errorf("setting the host name: %w", err)
		}
	}
	if !hosts {
		return nil
	}
	names := short
	if fqdn != short {
		names = fqdn + " " + short
	}
	text := "127.0.0.1 localhost\n127.0.1.1 " + names + "\n\n::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
	return t.write("/etc/hosts", []byte(text), 0o644)
}
