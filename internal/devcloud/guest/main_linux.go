package guest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func guestMain(args []string) int {
	switch {
	case len(args) == 1 && args[0] == "run":
		return runGuest()
	case len(args) >= 1 && args[0] == "sudo":
		return sudoMain(args[1:])
	case len(args) >= 1 && args[0] == "init":
		return initMain(args[1:])
	}
	fmt.Fprintln(os.Stderr, "galley: error: this command is the embedded cloud's own, to start its guests")
	return exitFailed
}

// machine is the guest from its own side: process 1.
type machine struct {
	o        bootRequest
	fs       *rootfs
	console  *console
	image    image
	accounts *accounts
	children *children
	units    *unitManager // nil where there is no pid namespace
	lifetime context.Context
	sshd     *sshServer
	init     *cloudInit
	end      chan int // exit statuses: from commands, signals, cloud-init
	events   io.Writer
	first    bool      // the first boot for this ID
	deadline time.Time // sshd does not answer before
}

// runGuest is the process of one boot.
func runGuest() int {
	control, events := os.NewFile(3, "control"), os.NewFile(4, "events")
	if control == nil || events == nil {
		return exitFailed
	}
	syscall.CloseOnExec(3)
	syscall.CloseOnExec(4)
	_ = syscall.Close(5) // this program
	closeInherited()
	mounts, err := receiveFiles(control)
	if err != nil {
		return exitFailed // the starter is gone
	}
	in := bufio.NewReader(control)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return exitFailed // the starter is gone
	}
	m := &machine{events: events, end: make(chan int, 8)}
	if err := json.Unmarshal(line, &m.o); err != nil {
		return m.refuse(err)
	}
	m.console = &console{w: os.Stdout, start: time.Now()}
	m.deadline = m.console.start.Add(m.o.Spec.BootDelay)
	syscall.Umask(0o022)
	m.watch(in)
	if err := m.startNetwork(control); err != nil {
		return m.refuse(err)
	}
	if m.o.Mode == ModeNamespaces {
		if err := enterClonedRoot(&m.o, mounts); err != nil {
			return m.refuse(err)
		}
	}

	marker := filepath.Join(m.o.Dir, bootedName)
	booted, _ := os.ReadFile(marker)
	m.first = string(booted) != m.o.Spec.ID
	sock, err := bindSocket(m.o.Dir)
	if err != nil {
		return m.refuse(err)
	}
	// Kept open, since the marker is written from inside, when it is true.
	mark, err := os.OpenFile(marker, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return m.refuse(err)
	}
	if m.fs, err = buildRoot(m.o); err != nil {
		return m.refuse(err)
	}
	if m.fs.volatile {
		m.first = m.first || !m.fs.restored // nothing is left of an earlier boot
	}
	mode := m.o.Mode
	if mode == ModeReducedRoot && m.fs.single {
		mode = ModeUserNamespace // root of a container that is one
	}
	m.say(event{Event: evRoot, Mode: mode, Detail: m.fs.detail})
	adopt()
	m.children = newChildren(m.fs)
	m.image = parseImage(m.o.Spec.Image)
	if release, err := m.fs.read("/etc/os-release"); err == nil && m.o.Spec.RootFS != "" {
		m.image = imageOf(release)
	}
	m.accounts = &accounts{tree: m.fs.tree, single: m.fs.single, uid: m.fs.uid, gid: m.fs.gid}
	var cancel context.CancelFunc
	m.lifetime, cancel = context.WithCancel(context.Background())
	defer cancel()
	if m.fs.pidSpace && hasSystemd() {
		m.units = newUnitManager(m)
		// Programs tell systemd by the name of process 1.
		_ = os.WriteFile("/proc/1/comm", []byte("systemd"), 0o600)
	}
	if err := m.boot(sock, mark); err != nil {
		m.console.kernel("ERROR: boot failed: %v", err)
		return exitFailed
	}
	status := <-m.end
	m.shutdown(status)
	return status
}

// startNetwork makes the guest's network devices, unless the starter has, and
// gives them their addresses.
func (m *machine) startNetwork(control *os.File) error {
	nics := m.o.Spec.NICs
	if len(nics) == 0 || m.o.Mode == ModeDirectory {
		return nil
	}
	if !m.o.StarterTaps {
		taps, err := openTaps(len(nics))
		if err != nil {
			return err
		}
		defer closeFiles(taps)
		if err := sendFiles(control, taps); err != nil {
			return err
		}
	}
	if err := configureNetwork(nics); err != nil {
		return fmt.Errorf("the guest's network: %w", err)
	}
	var b strings.Builder
	for _, n := range nics {
		for _, a := range n.DNS {
			fmt.Fprintf(&b, "nameserver %s\n", a)
		}
	}
	m.o.Host.Resolv = b.String()
	return nil
}

func (m *machine) say(ev event) {
	if b, err := json.Marshal(ev); err == nil {
		_, _ = m.events.Write(append(b, '\n'))
	}
}

func (m *machine) refuse(err error) int {
	m.say(event{Event: evRefused, Detail: err.Error()})
	return exitRefused
}

// watch turns commands from the starter, its end, and signals from the
// guest's own tools into an end of the boot.
func (m *machine) watch(in *bufio.Reader) {
	go func() {
		for {
			line, err := in.ReadString('\n')
			switch {
			case err != nil:
				m.finish(exitPowerOff)
				return
			case strings.TrimSpace(line) == cmdStop:
				m.finish(exitPowerOff)
			case strings.TrimSpace(line) == cmdReboot:
				m.finish(exitReboot)
			}
		}
	}()
	sigs := make(chan os.Signal, 4)
	signal.Notify(sigs, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, sigReboot, sigPowerOff)
	go func() {
		for s := range sigs {
			switch s {
			case sigReboot:
				m.finish(exitReboot)
			case sigPowerOff:
				m.finish(exitPowerOff)
			case syscall.SIGTERM: // the starter's death, where there is no pid namespace
				if !m.o.pidSpace() {
					m.finish(exitPowerOff)
				}
			}
		}
	}()
}

func (o bootRequest) pidSpace() bool { return o.Mode != ModeDirectory }

func (m *machine) finish(status int) {
	select {
	case m.end <- status:
	default: // an end is on its way
	}
}

// bindSocket names the SSH server's socket but does not listen yet: until
// then connections are refused. The directory is entered first, since its
// name may be longer than a socket's address.
func bindSocket(dir string) (*os.File, error) {
	if err := os.Chdir(dir); err != nil {
		return nil, err
	}
	defer func() { _ = os.Chdir("/") }()
	if err := os.Remove(socketName); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("making a socket: %w", err)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: socketName}); err != nil {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("naming the SSH server's socket: %w", err)
	}
	if err := os.Chmod(socketName, 0o600); err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), socketName), nil
}

// listen opens the socket for connections.
func listen(sock *os.File) (net.Listener, error) {
	raw, err := sock.SyscallConn()
	if err != nil {
		return nil, err
	}
	var lerr error
	if err := raw.Control(func(fd uintptr) { lerr = syscall.Listen(int(fd), 128) }); err != nil {
		return nil, err
	}
	if lerr != nil {
		return nil, lerr
	}
	defer func() { _ = sock.Close() }()
	return net.FileListener(sock)
}

// boot takes the guest from an empty world to a login prompt.
func (m *machine) boot(sock, mark *os.File) error {
	c := m.console
	c.line("")
	c.kernel("Linux version %s (galley embedded cloud) #1 SMP", kernelRelease())
	c.kernel("Command line: BOOT_IMAGE=/boot/vmlinuz ro console=tty0 console=ttyS0,115200n8")
	c.kernel("Guest: %s", m.fs.detail)
	for _, n := range m.fs.notes {
		c.kernel("Guest: WARNING: %s", n)
	}
	if m.first {
		personalise := m.personalise
		if m.o.Spec.RootFS != "" || m.o.Spec.Disk != "" {
			personalise = m.personaliseImage
		}
		if err := personalise(); err != nil {
			return fmt.Errorf("making the image's files: %w", err)
		}
	}
	if err := m.everyBoot(); err != nil {
		return err
	}
	m.readConsole()
	c.unit("Reached target Local File Systems.")
	c.unit("Reached target Network.")

	m.init = newCloudInit(m)
	m.init.early()
	if m.first {
		if _, err := mark.WriteAt([]byte(m.o.Spec.ID), 0); err == nil {
			_ = mark.Truncate(int64(len(m.o.Spec.ID)))
		}
	}
	_ = mark.Close()

	keys, err := loadHostKeys(m.fs.tree)
	if err != nil {
		return fmt.Errorf("the SSH host keys: %w", err)
	}
	m.sshd = &sshServer{m: m, keys: keys}
	if wait := time.Until(m.deadline); wait > 0 {
		select {
		case <-time.After(wait):
		case status := <-m.end:
			m.end <- status
			return nil
		}
	}
	keys.show(c, m.shortName())
	l, err := listen(sock)
	if err != nil {
		return fmt.Errorf("opening the SSH server's socket: %w", err)
	}
	go m.sshd.serve(l)
	c.unit("Started OpenSSH server daemon.")
	m.say(event{Event: evReady})
	go func() {
		if m.units != nil {
			m.units.startEnabled()
		}
		m.init.final()
		name := m.image.name
		if name == "" {
			name = "Linux"
		}
		c.line("")
		c.line(name)
		c.line(fmt.Sprintf("Kernel %s on an %s", kernelRelease(), machineName()))
		c.line("")
		c.line(m.shortName() + " login: ")
	}()
	return nil
}

// readConsole copies what programs write to /dev/console to the console log.
// It is a pipe, opened for both so that it never comes to an end.
func (m *machine) readConsole() {
	if !m.fs.pidSpace {
		return
	}
	f, err := os.OpenFile("/dev/console", os.O_RDWR, 0)
	if err != nil {
		m.console.kernel("WARNING: /dev/console cannot be read: %v", err)
		return
	}
	go func() { _, _ = io.Copy(m.console, f) }()
}

func (m *machine) shortName() string {
	if b, err := m.fs.read("/etc/hostname"); err == nil {
		if s := shortName(strings.TrimSpace(string(b))); s != "" {
			return s
		}
	}
	return shortName(hostName(m.o.Spec))
}

// personalise writes the image's own files: users, os-release, …
func (m *machine) personalise() error {
	var hostUsers []account
	var hostGroups []group
	if data, err := os.ReadFile("/etc/passwd"); err == nil {
		hostUsers = parsePasswd(data)
	}
	if data, err := os.ReadFile("/etc/group"); err == nil {
		hostGroups = parseGroup(data)
	}
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
		i := slices.IndexFunc(groups, func(g group) bool { return g.name == name })
		if i < 0 {
			id := m.fs.gid
			if !m.fs.single {
				id = freeID(700, func(id int) bool {
					return slices.ContainsFunc(groups, func(o group) bool { return o.gid == id })
				})
			}
			groups = append(groups, group{name: name, gid: id})
			i = len(groups) - 1
		}
		groups[i].members = []string{m.image.user}
	}
	var shadow, sudoers strings.Builder
	sudoers.WriteString("root ALL=(ALL:ALL) ALL\n%wheel ALL=(ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n")
	for _, u := range users {
		shadow.WriteString(shadowLine(u.name, "!!"))
	}
	sudoers.WriteString(m.image.user + " ALL=(ALL) NOPASSWD:ALL\n")
	if err := m.accounts.save(users, groups); err != nil {
		return err
	}
	t := m.fs.tree
	id := strings.ReplaceAll(m.o.Spec.ID, "-", "")
	files := []struct {
		name, text string
		perm       os.FileMode
	}{
		{"/etc/shadow", shadow.String(), 0o640},
		{"/etc/sudoers", sudoers.String(), 0o440},
		{"/etc/machine-id", id + "\n", 0o444},
		{"/etc/fstab", "/dev/vda1\t/\text4\tdefaults\t0 0\n", 0o644},
		{"/etc/ssh/sshd_config", defaultSSHDConfig(m.o.Spec.AdminPass != ""), 0o600},
		{"/etc/motd", "", 0o644},
	}
	for name, text := range m.image.files {
		if text == "" {
			if err := os.Remove(t.at(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			continue
		}
		files = append(files, struct {
			name, text string
			perm       os.FileMode
		}{name, text, 0o644})
	}
	for _, f := range files {
		if err := t.write(f.name, []byte(f.text), f.perm); err != nil {
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
	if err := os.Chmod(t.at("/root"), 0o700); err != nil { //nolint:gosec // root's home
		return err
	}
	m.plainPasswords()
	return nil
}

// personaliseImage prepares an image with content of its own: its files stay,
// and its default user is made if it has none.
func (m *machine) personaliseImage() error {
	t := m.fs.tree
	if _, ok := m.accounts.lookup("root"); !ok {
		return errors.New("the image has no user root: is it a root file system?")
	}
	user := m.image.user
	if _, ok := m.accounts.lookup(user); !ok {
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
	files := map[string]string{
		"/etc/machine-id":                    strings.ReplaceAll(m.o.Spec.ID, "-", "") + "\n",
		"/etc/sudoers.d/90-cloud-init-users": user + " ALL=(ALL) NOPASSWD:ALL\n",
	}
	for name, text := range map[string]string{
		"/etc/ssh/sshd_config": defaultSSHDConfig(m.o.Spec.AdminPass != ""),
		"/etc/sudoers":         "root ALL=(ALL:ALL) ALL\n%wheel ALL=(ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n",
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
	m.plainPasswords()
	return nil
}

// plainPasswords makes passwd and chpasswd in the guest write a scheme that
// the SSH server here can read.
func (m *machine) plainPasswords() {
	for _, f := range []string{"/etc/pam.d/common-password", "/etc/pam.d/system-auth", "/etc/pam.d/password-auth", "/etc/login.defs"} {
		old, err := m.fs.read(f)
		if err != nil {
			continue
		}
		text := bytes.ReplaceAll(
			bytes.ReplaceAll(old, []byte("yescrypt"), []byte("sha512")),
			[]byte("YESCRYPT"),
			[]byte("SHA512"),
		)
		if !bytes.Equal(text, old) {
			_ = m.fs.write(f, text, 0o644)
		}
	}
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

// stopGrace is how long the guest's processes have to end by themselves.
const stopGrace = 400 * time.Millisecond

// shutdown ends what runs in the guest: a moment to end by itself, then by
// force. In a pid namespace the kernel kills the rest when this process ends.
func (m *machine) shutdown(status int) {
	what := "System Power Off"
	if status == exitReboot {
		what = "System Reboot"
	}
	m.console.unit("Reached target %s.", what)
	if m.sshd != nil {
		m.sshd.closeAll(syscall.SIGHUP)
	}
	if m.sshd != nil && m.children != nil {
		signalAll(m.fs, syscall.SIGTERM)
		deadline := time.Now().Add(stopGrace)
		for signalAll(m.fs, 0) && time.Now().Before(deadline) {
			time.Sleep(2 * time.Millisecond) // nothing tells of the end of others' children
		}
	}
	if !m.fs.pidSpace {
		if m.sshd != nil {
			m.sshd.closeAll(syscall.SIGKILL)
		}
		for range 200 {
			if !signalAll(m.fs, syscall.SIGKILL) {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	if m.fs.store != nil {
		signalAll(m.fs, syscall.SIGKILL) // nobody is to change what is being saved
		if err := m.fs.store.save(); err != nil {
			m.console.kernel("ERROR: what the guest has changed of the system is lost: %v", err)
		}
	}
	if status == exitReboot {
		m.console.kernel("reboot: Restarting system")
	} else {
		m.console.kernel("reboot: Power down")
	}
}

// run runs a command as root in the guest and returns its exit status.
func (m *machine) run(ctx context.Context, argv []string, env []string, out io.Writer) (int, error) {
	root, ok := m.accounts.lookup("root")
	if !ok {
		root = account{name: "root", home: "/root", shell: "/bin/sh"}
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer func() { _ = null.Close() }()
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer func() { _ = r.Close() }()
	attr := &syscall.ProcAttr{
		Dir:   m.fs.at("/"),
		Env:   append(m.baseEnv(root), env...),
		Files: []uintptr{null.Fd(), w.Fd(), w.Fd()},
		Sys:   attributesFor(m.fs, root, []int{root.gid}, false),
	}
	ch, err := m.children.start(argv[0], argv, attr)
	_ = w.Close()
	if err != nil {
		return 0, fmt.Errorf("starting %s: %w", argv[0], err)
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(out, r)
	}()
	var st syscall.WaitStatus
	select {
	case st = <-ch.exit:
	case <-ctx.Done():
		_ = syscall.Kill(-ch.pid, syscall.SIGKILL)
		return 0, ctx.Err()
	}
	select {
	case <-copied:
	case <-time.After(200 * time.Millisecond): // a daemon it left holds the pipe; its output is not lost
	}
	if st.Signaled() {
		return 128 + int(st.Signal()), nil
	}
	return st.ExitStatus(), nil
}

// systemPath is where a login finds programs.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// baseEnv is the environment of a user's processes.
func (m *machine) baseEnv(u account) []string {
	p := systemPath
	if m.fs.binDir != "" {
		p = m.fs.at(m.fs.binDir) + ":" + p
	}
	env := []string{
		"USER=" + u.name,
		"LOGNAME=" + u.name,
		"HOME=" + m.fs.at(u.home),
		"PATH=" + p,
		"SHELL=" + u.shell,
		"MAIL=/var/mail/" + u.name,
	}
	if m.fs.root != "" {
		env = append(
			env,
			"TMPDIR="+m.fs.at("/tmp"),
			"HOSTNAME="+m.shortName(),
			guestMark+"="+m.o.Dir,
		)
	}
	return env
}

func machineName() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}
