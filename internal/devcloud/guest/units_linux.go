package guest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// unitManager runs the services of a guest from their unit files: what
// packages bring, as far as it needs no systemd. Sockets, timers, D-Bus and
// the sandboxing options are not for a guest.
type unitManager struct {
	m     *machine
	mu    sync.Mutex
	units map[string]*service
}

// service is a unit that was started since the boot.
type service struct {
	name    string
	op      sync.Mutex // one start or stop at a time
	mu      sync.Mutex
	state   string // active, activating, deactivating, inactive, failed
	sub     string
	result  string
	status  int // of the main process
	pid     int
	stopped bool // by `systemctl stop`: its process is not restarted when it ends
	starts  []time.Time
}

// unitVariable is in the environment of a service's processes: what cgroups
// are to systemd.
const unitVariable = "GALLEY_UNIT"

const (
	startTimeout = 90 * time.Second
	stopTimeout  = 10 * time.Second
	unitLogDir   = "/run/log/units"
)

func newUnitManager(m *machine) *unitManager { return &unitManager{m: m, units: map[string]*service{}} }

func (um *unitManager) service(name string) *service {
	um.mu.Lock()
	defer um.mu.Unlock()
	s := um.units[name]
	if s == nil {
		s = &service{name: name, state: "inactive", sub: "dead", result: "success"}
		um.units[name] = s
	}
	return s
}

func (s *service) set(state, sub, result string, pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.sub, s.result, s.pid = state, sub, result, pid
}

func (s *service) get() (state, sub, result string, pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.sub, s.result, s.pid
}

// exitStatus is that of the last main process.
func (s *service) exitStatus() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// start starts a unit that is not active, with the services it requires.
func (um *unitManager) start(name string) error {
	name = fullUnitName(name)
	u, err := loadUnit(name)
	if err != nil {
		return err
	}
	if masked(u.path) {
		return fmt.Errorf("Unit %s is masked.", name) //nolint:staticcheck // systemctl's words
	}
	s := um.service(name)
	s.op.Lock()
	defer s.op.Unlock()
	var required []string
	for _, key := range []string{"Unit.Requires", "Unit.BindsTo"} {
		required = append(required, u.words(key)...)
	}
	for _, dir := range unitDirs {
		links, _ := filepath.Glob(filepath.Join(dir, name+".wants", "*"))
		for _, l := range links {
			required = append(required, filepath.Base(l))
		}
	}
	for _, r := range required {
		if strings.HasSuffix(r, ".service") && r != name {
			if err := um.start(r); err != nil && !errors.Is(err, errNoUnit) {
				return fmt.Errorf("A dependency job for %s failed: %w", name, err) //nolint:staticcheck // systemctl's words
			}
		}
	}
	if state, _, _, _ := s.get(); state == "active" {
		return nil // its dependencies have been started all the same, as by systemd
	}
	switch filepath.Ext(name) {
	case ".target", ".slice":
		s.set("active", "active", "success", 0)
		return nil
	case ".service":
	default:
		return fmt.Errorf("Unit %s: guests of the embedded cloud run services and targets only", name) //nolint:staticcheck // as systemctl's
	}
	if c := u.conditions(); c != "" {
		um.log(name, "Condition check resulted in "+name+" being skipped: "+c)
		return nil
	}
	s.mu.Lock()
	s.stopped = false
	s.mu.Unlock()
	s.set("activating", "start", "success", 0)
	if err := um.run(u, s); err != nil {
		um.killAll(name, syscall.SIGKILL)
		s.set("failed", "failed", "exit-code", 0)
		um.log(name, err.Error())
		return fmt.Errorf("Job for %s failed: %w\nSee \"systemctl status %s\" and \"journalctl -u %s\" for details.", name, err, name, name) //nolint:staticcheck // systemctl's words
	}
	return nil
}

// run executes a service's commands until it counts as started.
func (um *unitManager) run(u *unitFile, s *service) error {
	env, err := u.environment()
	if err != nil {
		return err
	}
	env[unitVariable] = u.name
	if err := um.directories(u); err != nil {
		return err
	}
	var before, main, after []commandLine
	for key, to := range map[string]*[]commandLine{"Pre": &before, "": &main, "Post": &after} {
		if *to, err = u.commands("Service.ExecStart"+key, env); err != nil {
			return err
		}
	}
	if err := um.runAll(u, before, env); err != nil {
		return err
	}
	kind := u.get("Service.Type")
	switch {
	case kind == "oneshot" || len(main) == 0:
		if err := um.runAll(u, main, env); err != nil {
			return err
		}
		if u.truth("Service.RemainAfterExit") || len(main) == 0 {
			s.set("active", "exited", "success", 0)
		} else {
			s.set("inactive", "dead", "success", 0)
		}
	case kind == "forking":
		if err := um.runAll(u, main, env); err != nil {
			return err
		}
		pid := um.forkedMain(u)
		if pid == 0 && !u.truth("Service.RemainAfterExit") {
			return errors.New("no process of the service is left")
		}
		if pid == 0 {
			s.set("active", "exited", "success", 0)
			break
		}
		s.set("active", "running", "success", pid)
		go um.watchForked(u, s, pid)
	default:
		if err := um.startMain(u, s, main[0], env, strings.HasPrefix(kind, "notify")); err != nil {
			return err
		}
	}
	return um.runAll(u, after, env)
}

// startMain starts the main process of a simple or notify service.
func (um *unitManager) startMain(u *unitFile, s *service, c commandLine, env map[string]string, notify bool) error {
	var ready <-chan struct{}
	if notify {
		path := "/run/systemd/notify-" + u.name
		_ = os.Remove(path)
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			return err
		}
		defer func() { _ = l.Close(); _ = os.Remove(path) }()
		_ = os.Chmod(path, 0o777) //nolint:gosec // services of every user report here
		env["NOTIFY_SOCKET"] = path
		ready = notified(l)
	}
	ch, err := um.exec(u, c, env)
	if err != nil {
		return err
	}
	ended := make(chan syscall.WaitStatus, 1)
	go func() { ended <- <-ch.exit }()
	if notify {
		select {
		case <-ready:
		case st := <-ended:
			return fmt.Errorf("the main process %s", howEnded(st))
		case <-time.After(u.timeout("Service.TimeoutStartSec", startTimeout)):
			return errors.New("a timeout was exceeded")
		}
	}
	s.set("active", "running", "success", ch.pid)
	go func() { um.mainEnded(u, s, <-ended) }()
	return nil
}

// notified closes its channel when READY=1 comes.
func notified(l *net.UnixConn) <-chan struct{} {
	ready := make(chan struct{})
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := l.Read(buf)
			if err != nil {
				return
			}
			if slices.Contains(strings.Split(string(buf[:n]), "\n"), "READY=1") {
				close(ready)
				return
			}
		}
	}()
	return ready
}

func howEnded(st syscall.WaitStatus) string {
	if st.Signaled() {
		return "was killed by signal " + st.Signal().String()
	}
	return "ended with exit status " + strconv.Itoa(st.ExitStatus())
}

// mainEnded follows the end of a service's main process: a restart where the
// unit asks for one.
func (um *unitManager) mainEnded(u *unitFile, s *service, st syscall.WaitStatus) {
	s.mu.Lock()
	stopped := s.stopped
	s.status = st.ExitStatus()
	s.mu.Unlock()
	if stopped {
		return
	}
	failed := st.Signaled() || st.ExitStatus() != 0
	state, result := "inactive", "success"
	if failed {
		state, result = "failed", "exit-code"
	}
	um.log(u.name, "Main process "+howEnded(st))
	um.killAll(u.name, syscall.SIGTERM)
	s.set(state, map[bool]string{true: "failed", false: "dead"}[failed], result, 0)
	policy := u.get("Service.Restart")
	if policy != "always" && !(failed && (policy == "on-failure" || policy == "on-abnormal" && st.Signaled())) {
		return
	}
	s.mu.Lock()
	s.starts = append(s.starts, time.Now())
	tooOften := len(s.starts) >= 5 && time.Since(s.starts[len(s.starts)-5]) < 10*time.Second
	s.mu.Unlock()
	if tooOften {
		um.log(u.name, "Start request repeated too quickly.")
		s.set("failed", "failed", "start-limit-hit", 0)
		return
	}
	time.AfterFunc(u.duration("Service.RestartSec", 100*time.Millisecond), func() {
		s.mu.Lock()
		again := !s.stopped
		s.mu.Unlock()
		if again {
			_ = um.start(u.name) // logged there
		}
	})
}

// forkedMain finds the main process of a service that has forked: by its PID
// file, else the first of its processes.
func (um *unitManager) forkedMain(u *unitFile) int {
	file := u.get("Service.PIDFile")
	if file != "" && !filepath.IsAbs(file) {
		file = filepath.Join("/run", file)
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		if file == "" {
			if pids := unitProcesses(u.name); len(pids) > 0 {
				return pids[0]
			}
			return 0
		}
		if data, err := os.ReadFile(file); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && startTime(pid) != "" {
				return pid
			}
		}
		if time.Now().After(deadline) {
			return 0
		}
		time.Sleep(20 * time.Millisecond) // the daemon writes the file when it likes
	}
}

// watchForked notices the end of a process that is not this one's child from
// its start.
func (um *unitManager) watchForked(u *unitFile, s *service, pid int) {
	began := startTime(pid)
	for startTime(pid) == began {
		time.Sleep(500 * time.Millisecond) // the reaper does not know it
		if _, _, _, now := s.get(); now != pid {
			return
		}
	}
	if _, _, _, now := s.get(); now != pid {
		return
	}
	// A daemon that replaces itself, as nginx does at an upgrade, writes its
	// PID file again.
	if next := um.forkedMain(u); next != 0 && next != pid {
		s.set("active", "running", "success", next)
		um.watchForked(u, s, next)
		return
	}
	um.mainEnded(u, s, 0)
}

// stop stops a unit and those that are part of it.
func (um *unitManager) stop(name string) error {
	name = fullUnitName(name)
	u, err := loadUnit(name)
	if err != nil {
		return err
	}
	um.mu.Lock()
	var parts []string
	for other := range um.units {
		if p, err := loadUnit(other); err == nil && slices.Contains(p.words("Unit.PartOf"), name) && other != name {
			parts = append(parts, other)
		}
	}
	um.mu.Unlock()
	for _, p := range parts {
		if err := um.stop(p); err != nil {
			return err
		}
	}
	s := um.service(name)
	s.op.Lock()
	defer s.op.Unlock()
	state, _, _, pid := s.get()
	if state != "active" {
		if state == "failed" {
			s.set("inactive", "dead", "success", 0)
		}
		return nil
	}
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.set("deactivating", "stop", "success", pid)
	env, err := u.environment()
	if err != nil {
		return err
	}
	env[unitVariable], env["MAINPID"] = name, strconv.Itoa(pid)
	if stop, err := u.commands("Service.ExecStop", env); err == nil {
		_ = um.runAll(u, stop, env) // the signal follows
	}
	sig := syscall.SIGTERM
	if named, ok := sshSignals[strings.TrimPrefix(u.get("Service.KillSignal"), "SIG")]; ok {
		sig = named
	}
	if pid != 0 {
		_ = syscall.Kill(pid, sig)
	}
	um.killAll(name, sig)
	deadline := time.Now().Add(min(u.timeout("Service.TimeoutStopSec", stopTimeout), stopTimeout))
	for (pid != 0 && startTime(pid) != "") || len(unitProcesses(name)) > 0 {
		if time.Now().After(deadline) {
			if pid != 0 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			um.killAll(name, syscall.SIGKILL)
			break
		}
		time.Sleep(10 * time.Millisecond) // nothing tells of the end of others' children
	}
	if post, err := u.commands("Service.ExecStopPost", env); err == nil {
		_ = um.runAll(u, post, env)
	}
	s.set("inactive", "dead", "success", 0)
	return nil
}

// reload runs a unit's ExecReload.
func (um *unitManager) reload(name string) error {
	u, err := loadUnit(name)
	if err != nil {
		return err
	}
	state, _, _, pid := um.service(u.name).get()
	if state != "active" {
		return fmt.Errorf("%s is not active, cannot reload.", u.name) //nolint:staticcheck // systemctl's words
	}
	env, err := u.environment()
	if err != nil {
		return err
	}
	env["MAINPID"] = strconv.Itoa(pid)
	commands, err := u.commands("Service.ExecReload", env)
	if err != nil {
		return err
	}
	if len(commands) == 0 {
		return fmt.Errorf("Job type reload is not applicable for unit %s.", u.name) //nolint:staticcheck // systemctl's words
	}
	return um.runAll(u, commands, env)
}

// startEnabled starts the services that are enabled in the guest: after a
// reboot those it has enabled itself, in an image with content also the image's.
func (um *unitManager) startEnabled() {
	spec := um.m.o.Spec
	if program := "/usr/bin/systemd-tmpfiles"; exists(program) && (!um.m.first || spec.RootFS != "" || spec.Disk != "") {
		// What services expect below /run, which is new.
		_, _ = um.m.run([]string{program, "--create", "--boot", "--prefix=/run", "--prefix=/var"}, nil, io.Discard)
	}
	links, _ := filepath.Glob(filepath.Join(unitDirs[0], "multi-user.target.wants", "*.service"))
	for _, l := range links {
		name := filepath.Base(l)
		if slices.ContainsFunc(hostOnlyUnits, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		if err := um.start(name); err != nil {
			um.m.console.line("[FAILED] Failed to start " + name + ": " + strings.SplitN(err.Error(), "\n", 2)[0])
			continue
		}
		um.m.console.unit("Started %s.", name)
	}
}

// hostOnlyUnits begin the names of services that need a machine: a guest's
// network, terminals and first boot are the cloud's.
var hostOnlyUnits = []string{
	"systemd-", "getty", "serial-getty", "console-", "networking", "NetworkManager", "network", "cloud-", "dbus", "ifup", "ssh.", "sshd.",
	"remote-fs", "e2scrub", "apt-", "dnf-", "snapd", "multipathd", "auditd", "chronyd", "kdump", "tuned", "irqbalance", "udev",
}
