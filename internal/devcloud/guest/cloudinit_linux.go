package guest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"al.essio.dev/pkg/shellescape"
)

// cloudInit does what cloud-init does on a boot, in two stages: before SSH
// answers (names, users, keys, files), and after (scripts).
type cloudInit struct {
	m     *machine
	conf  cloudConfig
	parts []part

	errors []string
	log    *os.File // /var/log/cloud-init-output.log
}

// fail notes what went wrong and goes on, as cloud-init does.
func (ci *cloudInit) fail(format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	ci.errors = append(ci.errors, msg)
	ci.m.console.cloud("ERROR: %s", msg)
}

func (ci *cloudInit) try(what string, err error) {
	if err != nil {
		ci.fail("%s: %v", what, err)
	}
}

// early is the stage before SSH.
func (ci *cloudInit) early() {
	m := ci.m
	var errs, more []error
	ci.parts, errs = splitUserData(m.o.Spec.UserData)
	ci.conf, more = parseCloudConfig(ci.parts)
	m.console.cloud("Cloud-init v. 23.1 (embedded cloud) running 'init' at %s.", time.Now().UTC().Format(time.RFC1123Z))
	for _, err := range append(errs, more...) {
		ci.fail("%v", err)
	}
	var err error
	ci.log, err = os.OpenFile(m.fs.at("/var/log/cloud-init-output.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	ci.try("opening cloud-init's log", err)
	if m.first {
		for key := range ci.conf.Unknown {
			m.console.cloud("WARNING: cloud-config key %s is not supported in this guest and is passed over", key)
		}
		ci.try("writing the instance's data", ci.instanceData())
	}
	if len(ci.conf.Bootcmd) > 0 {
		ci.script(cloudDir+"/instance/bootcmd.sh", commandScript(ci.conf.Bootcmd))
	}
	if !m.first {
		return
	}
	ci.writeFiles(false)
	ci.names()
	ci.try("making SSH host keys", makeHostKeys(m.fs.tree, m.shortName()))
	ci.users()
	ci.passwords()
	if ci.conf.Timezone != "" {
		ci.try("timezone", m.setTimezone(ci.conf.Timezone))
	}
}

func (m *machine) setTimezone(zone string) error {
	t, file := m.fs.tree, path.Join("/usr/share/zoneinfo", path.Clean("/"+zone))
	if _, err := os.Stat(t.at(file)); err != nil {
		return fmt.Errorf("there is no %s", file)
	}
	_ = os.Remove(t.at("/etc/localtime"))
	return errors.Join(t.write("/etc/timezone", []byte(zone+"\n"), 0o644), os.Symlink(file, t.at("/etc/localtime")))
}

// output is where programs that cloud-init runs write: the console and the
// log.
func (ci *cloudInit) output() io.Writer {
	if ci.log == nil {
		return ci.m.console
	}
	return io.MultiWriter(ci.m.console, ci.log)
}

const (
	cloudDir = "/var/lib/cloud"
	// bootedFor holds the ID of the server whose first boot this disk has seen.
	bootedFor = cloudDir + "/data/instance-id"
	// cloudInitResult appears at the end of each boot.
	cloudInitResult = "/run/cloud-init/result.json"
)

// instanceData writes what scripts and clients look for of cloud-init.
func (ci *cloudInit) instanceData() error {
	t, id := ci.m.fs.tree, ci.m.o.Spec.ID
	for name, text := range map[string]string{
		cloudDir + "/instances/" + id + "/user-data.txt": string(ci.m.o.Spec.UserData),
		"/run/cloud-init/instance-id":                    id + "\n",
		"/run/cloud-init/cloud-id":                       "openstack\n", // until there is a result, the sign of a boot
	} {
		if err := t.write(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	_ = os.Remove(t.at(cloudDir + "/instance")) // a snapshot's
	return os.Symlink("instances/"+id, t.at(cloudDir+"/instance"))
}

// inject writes what the cloud itself puts on a new server's disk.
func (m *machine) inject() error {
	for name, data := range m.o.Spec.Files {
		if err := m.fs.write(path.Join("/", name), data, 0o644); err != nil {
			return err
		}
	}
	if pass := m.o.Spec.AdminPass; pass != "" {
		entry := hashPassword(pass)
		for _, name := range []string{"root", m.image.user} {
			if _, err := m.accounts.lookup(name); err != nil {
				continue // the image's cloud-init makes its user
			}
			if err := m.accounts.setShadow(name, entry); err != nil {
				return err
			}
		}
	}
	if m.o.Spec.ConfigDrive {
		return m.configDrive("/mnt/config")
	}
	return nil
}

// configDrive lays out the server's metadata and user data in a directory as
// on the drive labelled config-2.
func (m *machine) configDrive(dir string) error {
	spec := m.o.Spec
	keys := map[string]string{}
	list := []map[string]string{}
	for i, k := range spec.AuthorizedKeys {
		name := "key-" + strconv.Itoa(i)
		keys[name] = strings.TrimSpace(k) + "\n"
		list = append(list, map[string]string{"name": name, "type": "ssh", "data": keys[name]})
	}
	meta := map[string]any{
		"uuid": spec.ID, "name": spec.Name, "hostname": hostName(spec), "availability_zone": "nova", "launch_index": 0,
		"meta": spec.Metadata, "public_keys": keys, "keys": list,
	}
	if spec.AdminPass != "" {
		meta["admin_pass"] = spec.AdminPass
	}
	b, err := json.MarshalIndent(meta, "", "  ")
	if err != nil {
		return err
	}
	// The administrator's password and the user data are root's alone.
	files := map[string][]byte{
		"meta_data.json": b, "user_data": spec.UserData, "vendor_data.json": []byte("{}\n"),
		"network_data.json": []byte(`{"links": [], "networks": [], "services": []}` + "\n"),
	}
	for name, data := range files {
		if len(data) == 0 {
			continue
		}
		if err := m.fs.write(dir+"/openstack/latest/"+name, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// writeFiles does write_files: the deferred ones in the last stage, when the
// users that own them exist.
func (ci *cloudInit) writeFiles(deferred bool) {
	for _, f := range ci.conf.Files {
		if f.Defer == deferred {
			ci.try("write_files: "+f.Path, ci.writeFile(f))
		}
	}
}

func (ci *cloudInit) writeFile(f fileSpec) error {
	if !strings.HasPrefix(f.Path, "/") {
		return errors.New("the path is not absolute")
	}
	data, err := f.data()
	if err != nil {
		return err
	}
	t := ci.m.fs.tree
	name := path.Clean(f.Path)
	perm := fs.FileMode(0o644)
	if f.Permissions != "" {
		n, err := strconv.ParseUint(strings.TrimPrefix(string(f.Permissions), "0o"), 8, 12)
		if err != nil {
			return fmt.Errorf("permissions %q are not an octal number", string(f.Permissions))
		}
		perm = fs.FileMode(n)
	}
	if f.Append {
		old, err := t.read(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		data = append(old, data...)
	}
	if err := t.write(name, data, perm&fs.ModePerm); err != nil {
		return err
	}
	if err := syscall.Chmod(t.at(name), uint32(perm)); err != nil {
		return err
	}
	if f.Owner == "" || ci.m.fs.single {
		return nil
	}
	owner, grp, _ := strings.Cut(f.Owner, ":")
	u, err := ci.m.accounts.lookup(owner)
	gid, known := ci.m.accounts.groupID(grp)
	switch {
	case err != nil:
		return err
	case grp == "":
		gid = -1
	case !known:
		return fmt.Errorf("unknown group %s", grp)
	}
	return os.Lchown(t.at(name), u.uid, gid)
}

// names does hostname, fqdn and manage_etc_hosts.
func (ci *cloudInit) names() {
	c := ci.conf
	if c.PreserveName || (c.Hostname == "" && c.FQDN == "") {
		return
	}
	short, fqdn := cmp.Or(c.Hostname, c.FQDN), cmp.Or(c.FQDN, c.Hostname)
	manage, known := c.ManageHosts.truth()
	ci.try("setting the host name", ci.m.setHostName(shortName(short), fqdn, manage || !known))
}

// user makes one user and returns its lines for sudoers.
func (ci *cloudInit) user(u userEntry) string {
	acc := ci.m.accounts
	n := newUser{
		account: account{name: u.Name, gecos: u.Gecos, home: u.HomeDir, shell: u.Shell},
		primary: u.PrimaryGroup, groups: u.Groups, system: u.System,
	}
	if u.UID != nil {
		n.uid, n.uidGiven = *u.UID, true
	}
	_, unknown := acc.lookup(u.Name)
	a, err := acc.add(n)
	if err != nil {
		ci.fail("users: %s: %v", u.Name, err)
		return ""
	}
	entry := ""
	switch {
	case u.PlainPasswd != "":
		entry = hashPassword(u.PlainPasswd)
	case u.HashedPasswd != "":
		entry = u.HashedPasswd
	case u.Passwd != "" && unknown != nil:
		entry = u.Passwd
	}
	if u.LockPasswd == nil || *u.LockPasswd {
		entry = "!" + strings.TrimLeft(entry, "!")
	}
	if (entry != "" && entry != "!") || unknown != nil {
		ci.try("users: "+u.Name, acc.setShadow(u.Name, entry))
	}
	ci.try("users: "+u.Name, acc.addKeys(a, u.Keys))
	var rules strings.Builder
	for _, rule := range u.Sudo {
		if strings.EqualFold(rule, "false") {
			continue
		}
		rules.WriteString(u.Name + " " + strings.TrimSpace(rule) + "\n")
	}
	return rules.String()
}

// commandScript is the shell script that a list of commands comes to. As
// cloud-init's it goes on after a command that fails.
func commandScript(commands []command) []byte {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n")
	for _, c := range commands {
		switch {
		case len(c.argv) > 0:
			b.WriteString(shellescape.QuoteCommand(c.argv) + "\n")
		case c.line != "":
			b.WriteString(c.line + "\n")
		}
	}
	return []byte(b.String())
}

// packageScript installs packages with what the image has for it.
func packageScript(c cloudConfig) []byte {
	var names []string
	for _, p := range c.Packages {
		if len(p.argv) == 2 { // name and version, as apt-get writes it
			p.line = strings.Join(p.argv, "=")
		}
		names = append(names, p.line)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\nset -e\nupgrade=%v\nset -- %s\n", c.Upgrade, shellescape.QuoteCommand(names))
	b.WriteString(`export DEBIAN_FRONTEND=noninteractive
if command -v apt-get; then
  apt-get -q update
  if $upgrade; then apt-get -qy dist-upgrade; fi
  [ $# = 0 ] || apt-get -qy install "$@"
elif m=$(command -v dnf || command -v yum); then
  if $upgrade; then $m -y upgrade; fi
  [ $# = 0 ] || $m -y install "$@"
elif command -v apk; then
  apk update
  if $upgrade; then apk upgrade; fi
  [ $# = 0 ] || apk add "$@"
else
  echo "this image has none of apt-get, dnf, yum and apk" >&2
  exit 1
fi
`)
	return []byte(b.String())
}

// script writes a script into the guest and runs it.
func (ci *cloudInit) script(name string, body []byte) {
	m := ci.m
	if err := m.fs.write(name, body, 0o700); err != nil {
		ci.fail("%s: %v", name, err)
		return
	}
	status, err := m.run([]string{m.fs.at(name)}, []string{"INSTANCE_ID=" + m.o.Spec.ID}, ci.output())
	switch {
	case err != nil:
		ci.fail("failed to run %s: %v", name, err)
	case status != 0:
		ci.fail("%s ended with exit status %d", name, status)
	}
}

// final is the stage after SSH has come up.
func (ci *cloudInit) final() {
	m, c := ci.m, ci.conf
	if m.first {
		m.console.cloud("Cloud-init v. 23.1 (embedded cloud) running 'modules:final' at %s.", time.Now().UTC().Format(time.RFC1123Z))
		ci.writeFiles(true)
		if len(c.Packages) > 0 || c.Update || c.Upgrade {
			ci.script(cloudDir+"/instance/scripts/packages", packageScript(c))
		}
		if len(c.Runcmd) > 0 {
			ci.script(cloudDir+"/instance/scripts/runcmd", commandScript(c.Runcmd))
		}
		n := 0
		for _, p := range ci.parts {
			if p.kind == kindScript {
				n++
				name := filepath.Base(p.name)
				if p.name == "" || name == "." || name == "/" {
					name = fmt.Sprintf("part-%03d", n)
				}
				ci.script(cloudDir+"/instance/scripts/"+name, p.body)
			}
		}
	}
	up := time.Since(m.console.start).Seconds()
	now := time.Now().UTC().Format(time.RFC1123Z)
	msg := fmt.Sprintf("Cloud-init v. 23.1 (embedded cloud) finished at %s. Datasource DataSourceOpenStackLocal [net,ver=2].  "+
		"Up %.2f seconds", now, up)
	m.console.cloud("%s", msg)
	_, _ = ci.log.WriteString(msg + "\n")
	ci.try("writing cloud-init's result", ci.result(up))
}

// result writes the files by which others know that cloud-init has ended.
func (ci *cloudInit) result(up float64) error {
	b, err := json.MarshalIndent(
		map[string]any{"v1": map[string]any{"datasource": "DataSourceOpenStackLocal [net,ver=2]", "errors": append([]string{}, ci.errors...)}}, "", " ")
	if err != nil {
		return err
	}
	t := ci.m.fs.tree
	finished := fmt.Sprintf("%.2f - %s - v. 23.1\n", up, time.Now().UTC().Format(time.RFC1123Z))
	if err := t.write(cloudDir+"/instance/boot-finished", []byte(finished), 0o644); err != nil {
		return err
	}
	// Last and at once: others wait for it.
	const tmp = "/run/cloud-init/.result.json"
	if err := t.write(tmp, append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(t.at(tmp), t.at(cloudInitResult))
}
