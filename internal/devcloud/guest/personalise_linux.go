package guest

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// imageAccounts returns the users and groups of an image that shows the host's
// files: root, the image's user, and the host's system accounts.
func (m *machine) imageAccounts() ([]account, []group) {
	shell, name := defaultShell(), m.image.user
	root := account{name: "root", gecos: "root", home: "/root", shell: shell}
	user := account{name: name, uid: 1000, gid: 1000, gecos: strings.ToUpper(name[:1]) + name[1:], home: "/home/" + name, shell: shell}
	if m.fs.single {
		root.uid, root.gid = m.fs.uid, m.fs.gid
		user.uid, user.gid = m.fs.uid, m.fs.gid
	}
	users, groups := []account{root, user}, []group{{name: "root", gid: root.gid}, {name: name, gid: user.gid}}
	if m.fs.single {
		slices.Reverse(users) // the first name of an ID is the one that `whoami` shows
	}
	// The host's system accounts, so that files have owners with names; its
	// people are nobody here.
	passwd, _ := os.ReadFile("/etc/passwd")
	for _, u := range parsePasswd(passwd) {
		if (u.uid < 1000 || u.uid == 65534) && u.uid != 0 && u.name != name {
			if u.home == "/root" || strings.HasPrefix(u.home, "/home/") {
				u.home = "/nonexistent"
			}
			u.gecos = ""
			users = append(users, u)
		}
	}
	groupFile, _ := os.ReadFile("/etc/group")
	for _, g := range parseGroup(groupFile) {
		if (g.gid < 1000 || g.gid == 65534) && g.gid != 0 && g.name != name {
			g.members = nil
			groups = append(groups, g)
		}
	}
	for _, g := range adminGroups {
		groups = m.accounts.join(groups, g, name, 700)
	}
	return users, groups
}

// adminGroups are those of an image's user, as in the images' own cloud.cfg.
var adminGroups = []string{"wheel", "adm", "systemd-journal", "sudo"}

const (
	usersSudoers = "/etc/sudoers.d/90-cloud-init-users"
	userRule     = " ALL=(ALL) NOPASSWD:ALL\n"
)

const imageSudoers = "root ALL=(ALL:ALL) ALL\n%wheel ALL=(ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n"

// personalise prepares a new disk: what the image has stays, what it lacks and
// a new server has of its own is added.
func (m *machine) personalise() error {
	spec, t, user := m.o.Spec, m.fs.tree, m.image.user
	type file struct {
		name, text string
		perm       os.FileMode
	}
	files := []file{{"/etc/machine-id", strings.ReplaceAll(spec.ID, "-", "") + "\n", 0o444}}
	switch {
	case spec.RootFS == "" && spec.Disk == "":
		if err := m.replaceHostFiles(); err != nil {
			return err
		}
	case !m.hasCloudInit(): // it would make the image's user
		files = append(files, file{usersSudoers, user + userRule, 0o440})
	}
	if _, err := m.accounts.lookup("root"); err != nil {
		return errors.New("the image has no user root: is it a root file system?")
	}
	if _, unknown := m.accounts.lookup(user); unknown != nil && !m.hasCloudInit() {
		var groups []string
		for _, g := range m.accounts.groups() {
			if slices.Contains(adminGroups, g.name) {
				groups = append(groups, g.name)
			}
		}
		_, err := m.accounts.add(newUser{account: account{name: user, gecos: user}, groups: groups})
		if err := errors.Join(err, m.accounts.setShadow(user, "!!")); err != nil {
			return err
		}
	}
	if !exists(t.at("/etc/sudoers")) {
		files = append(files, file{"/etc/sudoers", imageSudoers, 0o440})
	}
	sshd, err := t.read("/etc/ssh/sshd_config")
	if err != nil {
		sshd = []byte(defaultSSHDConfig)
	}
	text := string(sshd)
	if spec.AdminPass != "" {
		text = setSSHDOption(setSSHDOption(text, "PasswordAuthentication", "yes"), "PermitRootLogin", "yes")
	}
	for _, f := range append(files, file{"/etc/ssh/sshd_config", text, 0o600}) {
		if err := t.write(f.name, []byte(f.text), f.perm); err != nil {
			return err
		}
	}
	return nil
}

// replaceHostFiles gives an image that is a view of the host its own users,
// os-release, …
func (m *machine) replaceHostFiles() error {
	t := m.fs.tree
	users, groups := m.imageAccounts()
	shadow := ""
	for _, u := range users {
		shadow += shadowLine(u.name, "!!")
	}
	if err := errors.Join(m.accounts.save(users, groups), t.write("/etc/shadow", []byte(shadow), 0o640)); err != nil {
		return err
	}
	for name, text := range m.image.files {
		if err := t.write(name, []byte(text), 0o644); err != nil {
			return err
		}
		if text == "" {
			_ = os.Remove(t.at(name)) // the host's, which the image does not have
		}
	}
	for _, u := range users {
		if u.name == m.image.user || u.name == "root" {
			if err := m.accounts.makeHome(u); err != nil {
				return err
			}
		}
	}
	return errors.Join(
		t.write("/etc/sudoers", []byte(imageSudoers+m.image.user+userRule), 0o440),
		t.write("/etc/fstab", []byte("/dev/vda1\t/\text4\tdefaults\t0 0\n"), 0o644),
		os.Chmod(t.at("/root"), 0o700), //nolint:gosec // root's home
	)
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
		_ = unix.Sethostname([]byte(name))
	}
	for name, perm := range map[string]uint32{"/var/log": 0o755, "/var/tmp": 0o1777, "/run/cloud-init": 0o755, cloudDir: 0o755} {
		if err := errors.Join(os.MkdirAll(t.at(name), 0o755), syscall.Chmod(t.at(name), perm)); err != nil {
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
		if err := unix.Sethostname([]byte(short)); err != nil {
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
