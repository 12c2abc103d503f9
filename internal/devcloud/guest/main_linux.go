package guest

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
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
	sshd     *sshServer
	init     firstBoot
	end      chan int      // exit statuses: from commands, signals, cloud-init
	booted   chan struct{} // closed when cloud-init has ended
	events   io.Writer
	first    bool      // the first boot for this ID
	deadline time.Time // sshd does not answer before
}

// firstBoot is what sets up a server by its user data and keys: the image's
// cloud-init, or this package's.
type firstBoot interface {
	early() // before SSH answers
	final()
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
	m := &machine{events: events, end: make(chan int, 8), booted: make(chan struct{})}
	if err := json.Unmarshal(line, &m.o); err != nil {
		return m.refuse(err)
	}
	m.console = &console{w: os.Stdout, start: time.Now()}
	m.deadline = m.console.start.Add(m.o.Spec.BootDelay)
	syscall.Umask(0o022)
	_ = os.Setenv("PATH", systemPath) // of services, which are started by name
	m.watch(in)
	if err := m.startNetwork(control); err != nil {
		return m.refuse(err)
	}
	if m.o.Mode == ModeNamespaces {
		if err := enterClonedRoot(&m.o, mounts); err != nil {
			return m.refuse(err)
		}
	}

	sock, err := listen(m.o.Dir)
	if err != nil {
		return m.refuse(err)
	}
	if m.fs, err = buildRoot(m.o); err != nil {
		return m.refuse(err)
	}
	booted, _ := m.fs.read(bootedFor)
	m.first = string(booted) != m.o.Spec.ID+"\n"
	mode := m.o.Mode
	if mode == ModeReducedRoot && m.fs.single {
		mode = ModeUserNamespace // root of a container that is one
	}
	m.say(event{Event: evRoot, Mode: mode, Detail: m.fs.detail})
	adopt()
	m.children = newChildren(m.fs)
	m.image = seededImage(m.o.Spec.Image)
	if release, err := m.fs.read("/etc/os-release"); err == nil && m.o.Spec.RootFS != "" {
		m.image = imageOf(release)
	}
	m.accounts = &accounts{tree: m.fs.tree, single: m.fs.single, uid: m.fs.uid, gid: m.fs.gid}
	if m.fs.pidSpace {
		name := "init"
		if hasSystemd() {
			m.units, name = newUnitManager(m), "systemd"
		}
		// Programs, Ohai among them, tell the init system by this name.
		_ = os.WriteFile("/proc/1/comm", []byte(name), 0o600)
	}
	m.sshd = &sshServer{m: m}
	go func() {
		if err := m.boot(sock); err != nil {
			m.console.kernel("ERROR: boot failed: %v", err)
			m.finish(exitFailed)
		}
	}()
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
	m.o.Resolv = b.String()
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

// watch turns commands from the starter, and its end, into an end of the boot.
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
	signal.Notify(sigs, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		for s := range sigs {
			if s == syscall.SIGTERM && !m.o.pidSpace() { // the starter's death
				m.finish(exitPowerOff)
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

// listen opens the SSH server's socket, whose clients wait until that starts.
// The directory is entered first, since its name may be longer than a socket's
// address. (A name below /proc/self/fd may not be open to a mapped root.)
func listen(dir string) (*net.UnixListener, error) {
	if err := os.Chdir(dir); err != nil {
		return nil, err
	}
	defer func() { _ = os.Chdir("/") }()
	_ = os.Remove(socketName) // an earlier boot's
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socketName, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("opening the SSH server's socket: %w", err)
	}
	l.SetUnlinkOnClose(false) // the name would be another's by then
	return l, os.Chmod(socketName, 0o600)
}

// boot takes the guest from an empty world to a login prompt.
func (m *machine) boot(sock net.Listener) error {
	c := m.console
	c.line("")
	c.kernel("Linux version %s (galley embedded cloud) #1 SMP", kernelRelease())
	c.kernel("Command line: BOOT_IMAGE=/boot/vmlinuz ro console=tty0 console=ttyS0,115200n8")
	c.kernel("Guest: %s", m.fs.detail)
	for _, n := range m.fs.notes {
		c.kernel("Guest: WARNING: %s", n)
	}
	m.init = &cloudInit{m: m}
	if m.hasCloudInit() {
		m.init = imageCloudInit{m}
	}
	if m.first {
		if err := m.personalise(); err != nil {
			return fmt.Errorf("making the image's files: %w", err)
		}
		if err := m.inject(); err != nil {
			return fmt.Errorf("injecting files: %w", err)
		}
	}
	if err := m.everyBoot(); err != nil {
		return err
	}
	m.readConsole()
	c.unit("Reached target Local File Systems.")
	c.unit("Reached target Network.")

	m.init.early()
	if err := m.fs.write(bootedFor, []byte(m.o.Spec.ID+"\n"), 0o644); err != nil {
		return err
	}
	keys, err := loadHostKeys(m.fs.tree)
	if err != nil {
		return fmt.Errorf("the SSH host keys: %w", err)
	}
	m.sshd.keys = keys
	time.Sleep(time.Until(m.deadline)) // Spec.BootDelay
	showHostKeys(keys, c, m.shortName())
	go m.sshd.serve(sock)
	c.unit("Started OpenSSH server daemon.")
	m.say(event{Event: evReady})
	go func() {
		if m.units != nil {
			m.units.startEnabled()
		}
		m.init.final()
		close(m.booted)
		c.line(fmt.Sprintf("\n%s\nKernel %s on an %s\n", cmp.Or(m.image.name, "Linux"), kernelRelease(), machineName()))
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

// stopGrace is how long the guest's processes have to end by themselves.
const stopGrace = 400 * time.Millisecond

// shutdown ends what runs in the guest: a moment to end by itself, then by
// force. In a pid namespace the kernel kills the rest when this process ends.
func (m *machine) shutdown(status int) {
	what, last := "System Power Off", "reboot: Power down"
	if status == exitReboot {
		what, last = "System Reboot", "reboot: Restarting system"
	}
	m.console.unit("Reached target %s.", what)
	m.sshd.closed.Store(true)
	signalAll(m.fs, syscall.SIGHUP) // as of a terminal, which shells do not ignore
	signalAll(m.fs, syscall.SIGTERM)
	deadline := time.Now().Add(stopGrace)
	for signalAll(m.fs, 0) && time.Now().Before(deadline) {
		time.Sleep(2 * time.Millisecond) // nothing tells of the end of others' children
	}
	if !m.fs.pidSpace {
		for range 200 {
			if !signalAll(m.fs, syscall.SIGKILL) {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	if m.fs.store != nil {
		signalAll(m.fs, syscall.SIGKILL) // nothing may change during the save
		if err := m.fs.store.save(); err != nil {
			m.console.kernel("ERROR: what the guest has changed of the system is lost: %v", err)
		}
	}
	m.console.kernel("%s", last)
}

// run runs a command as root in the guest and returns its exit status.
func (m *machine) run(argv, env []string, out io.Writer) (int, error) {
	root, err := m.accounts.lookup("root")
	if err != nil {
		return 0, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer func() { _ = r.Close() }()
	ch, err := m.spawn(argv, &syscall.ProcAttr{
		Dir: m.fs.at("/"),
		Env: append(m.baseEnv(root), env...),
		Sys: attributesFor(m.fs, root, []int{root.gid}, false),
	}, w)
	_ = w.Close()
	if err != nil {
		return 0, err
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(out, r)
	}()
	st := <-ch.exit
	select {
	case <-copied:
	case <-time.After(200 * time.Millisecond): // a daemon it left holds the pipe; its output is not lost
	}
	if st.Signaled() {
		return 128 + int(st.Signal()), nil
	}
	return st.ExitStatus(), nil
}

// spawn starts a command without input and with its output in a file.
func (m *machine) spawn(argv []string, attr *syscall.ProcAttr, out *os.File) (*child, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer func() { _ = null.Close() }()
	attr.Files = []uintptr{null.Fd(), out.Fd(), out.Fd()}
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, err
	}
	ch, err := m.children.start(program, argv, attr)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	return ch, nil
}

// systemPath is where a login finds programs.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// baseEnv is the environment of a user's processes.
func (m *machine) baseEnv(u account) []string {
	p := systemPath
	if m.fs.root != "" {
		p = m.fs.at(toolBin) + ":" + p
	}
	env := []string{
		"USER=" + u.name, "LOGNAME=" + u.name, "HOME=" + m.fs.at(u.home), "PATH=" + p, "SHELL=" + u.shell, "MAIL=/var/mail/" + u.name,
	}
	if m.fs.root != "" {
		env = append(env, "TMPDIR="+m.fs.at("/tmp"), "HOSTNAME="+m.shortName(), guestMark+"="+m.o.Dir)
	}
	return env
}

func machineName() string {
	return cmp.Or(map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH], runtime.GOARCH)
}
