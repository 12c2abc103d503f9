package guest

import (
	"cmp"
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

	"golang.org/x/sys/unix"
)

// unitManager runs the services of a guest from their unit files: what
// packages bring, as far as it needs no systemd. Sockets, timers, D-Bus and
// the sandboxing options are not for a guest.
type unitManager struct {
	m     *machine
	mu    sync.Mutex
	units map[string]*service
}

// service is a unit that was asked for since the boot.
type service struct {
	op     sync.Mutex // one start or stop at a time
	mu     sync.Mutex
	state  unitState
	starts []time.Time
}

// unitState is what `systemctl show` tells of a unit.
type unitState struct {
	active string // active, activating, deactivating, inactive, failed
	sub    string
	result string
	pid    int
	status int // of the last main process
}

var (
	unitDead   = unitState{active: "inactive", sub: "dead", result: "success"}
	unitExited = unitState{active: "active", sub: "exited", result: "success"}
	unitFailed = unitState{active: "failed", sub: "failed", result: "exit-code"}
)

func unitRunning(pid int) unitState {
	return unitState{active: "active", sub: "running", result: "success", pid: pid}
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
		s = &service{state: unitDead}
		um.units[name] = s
	}
	return s
}

func (s *service) set(state unitState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
}

func (s *service) get() unitState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// start starts a unit that is not active, with the services it requires.
func (um *unitManager) start(name string) error {
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
	required := append(u.words("Unit.Requires"), u.words("Unit.BindsTo")...)
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
	if s.get().active == "active" {
		return nil // its dependencies have been started all the same, as by systemd
	}
	switch kind := filepath.Ext(name); {
	case kind == ".target" || kind == ".slice":
		s.set(unitState{active: "active", sub: "active", result: "success"})
		return nil
	case kind != ".service":
		return fmt.Errorf("Unit %s: guests of the embedded cloud run services and targets only", name) //nolint:staticcheck // as systemctl's
	}
	if c := u.conditions(); c != "" {
		um.log(name, "Condition check resulted in "+name+" being skipped: "+c)
		return nil
	}
	s.set(unitState{active: "activating", sub: "start", result: "success"})
	if err := um.run(u, s); err != nil {
		um.killAll(name, syscall.SIGKILL)
		s.set(unitFailed)
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
	if err := um.directories(u); err != nil {
		return err
	}
	if err := um.runAll(u, "Service.ExecStartPre", env); err != nil {
		return err
	}
	main, err := u.commands("Service.ExecStart", env)
	if err != nil {
		return err
	}
	stays := u.truth("Service.RemainAfterExit")
	switch kind := u.get("Service.Type"); {
	case kind == "oneshot" || len(main) == 0:
		if err := um.runAll(u, "Service.ExecStart", env); err != nil {
			return err
		}
		s.set(unitDead)
		if stays || len(main) == 0 {
			s.set(unitExited)
		}
	case kind == "forking":
		if err := um.runAll(u, "Service.ExecStart", env); err != nil {
			return err
		}
		switch pid := um.forkedMain(u); {
		case pid != 0:
			s.set(unitRunning(pid))
			go um.watchForked(u, s, pid)
		case stays:
			s.set(unitExited)
		default:
			return errors.New("no process of the service is left")
		}
	default:
		if err := um.startMain(u, s, main[0], env, strings.HasPrefix(kind, "notify")); err != nil {
			return err
		}
	}
	return um.runAll(u, "Service.ExecStartPost", env)
}

// startMain starts the main process of a simple or notify service.
func (um *unitManager) startMain(u *unitFile, s *service, c commandLine, env map[string]string, notify bool) error {
	ready := make(chan struct{})
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
	} else {
		close(ready)
	}
	ch, err := um.exec(u, c, env)
	if err != nil {
		return err
	}
	ended := make(chan syscall.WaitStatus, 1)
	go func() { ended <- <-ch.exit }()
	select {
	case <-ready:
	case st := <-ended:
		return fmt.Errorf("the main process %s", howEnded(st))
	case <-time.After(u.timeout("Service.TimeoutStartSec", startTimeout)):
		return errors.New("a timeout was exceeded")
	}
	s.set(unitRunning(ch.pid))
	go func() { um.mainEnded(u, s, ch.pid, <-ended) }()
	return nil
}

func howEnded(st syscall.WaitStatus) string {
	if st.Signaled() {
		return "was killed by signal " + st.Signal().String()
	}
	return "ended with exit status " + strconv.Itoa(st.ExitStatus())
}

// mainEnded follows the end of a service's main process that was not asked for:
// a restart where the unit wants one.
func (um *unitManager) mainEnded(u *unitFile, s *service, pid int, st syscall.WaitStatus) {
	if s.get().pid != pid {
		return
	}
	um.log(u.name, "Main process "+howEnded(st))
	um.killAll(u.name, syscall.SIGTERM)
	failed := st.Signaled() || st.ExitStatus() != 0
	state := unitDead
	if failed {
		state = unitFailed
	}
	state.status = st.ExitStatus()
	s.set(state)
	policy := u.get("Service.Restart")
	if policy != "always" && !(failed && (policy == "on-failure" || policy == "on-abnormal" && st.Signaled())) {
		return
	}
	s.starts = append(s.starts, time.Now()) // nobody else's: one main process ends at a time
	if n := len(s.starts); n >= 5 && time.Since(s.starts[n-5]) < 10*time.Second {
		um.log(u.name, "Start request repeated too quickly.")
		state.result = "start-limit-hit"
		s.set(state)
		return
	}
	state.active, state.sub = "activating", "auto-restart"
	s.set(state)
	time.AfterFunc(u.duration("Service.RestartSec", 100*time.Millisecond), func() {
		if s.get().sub == "auto-restart" { // not stopped meanwhile
			_ = um.start(u.name) // logged there
		}
	})
}

// forkedMain finds the main process of a service that has forked: by its PID
// file, else the first of its processes.
func (um *unitManager) forkedMain(u *unitFile) int {
	file := u.get("Service.PIDFile")
	if file == "" {
		return append(unitProcesses(u.name), 0)[0]
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join("/run", file)
	}
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		data, _ := os.ReadFile(file)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && startTime(pid) != "" {
			return pid
		}
		time.Sleep(20 * time.Millisecond) // the daemon writes the file when it likes
	}
	return 0
}

// watchForked notices the end of a process that is not this one's child from
// its start.
func (um *unitManager) watchForked(u *unitFile, s *service, pid int) {
	for began := startTime(pid); startTime(pid) == began; {
		time.Sleep(500 * time.Millisecond) // the reaper does not know it
	}
	// A daemon that replaces itself, as nginx does at an upgrade, writes its
	// PID file again.
	if next := um.forkedMain(u); next != 0 && next != pid && s.get().pid == pid {
		s.set(unitRunning(next))
		um.watchForked(u, s, next)
		return
	}
	um.mainEnded(u, s, pid, 0)
}

// stop stops a unit and those that are part of it.
func (um *unitManager) stop(name string) error {
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
	state := s.get()
	if state.active != "active" {
		s.set(unitDead)
		return nil
	}
	s.set(unitState{active: "deactivating", sub: "stop", result: "success"})
	env, err := u.environment()
	if err != nil {
		return err
	}
	env["MAINPID"] = strconv.Itoa(state.pid)
	_ = um.runAll(u, "Service.ExecStop", env) // the signal follows
	// Those of the unit, by the variable in their environment, and the main
	// process, which may have another.
	left := func() []int {
		pids := unitProcesses(name)
		if state.pid != 0 && startTime(state.pid) != "" {
			pids = append(pids, state.pid)
		}
		return pids
	}
	sig := cmp.Or(unix.SignalNum(u.get("Service.KillSignal")), syscall.SIGTERM)
	signalEach(left(), sig)
	deadline := time.Now().Add(min(u.timeout("Service.TimeoutStopSec", stopTimeout), stopTimeout))
	for len(left()) > 0 {
		if time.Now().After(deadline) {
			signalEach(left(), syscall.SIGKILL)
			break
		}
		time.Sleep(10 * time.Millisecond) // nothing tells of the end of others' children
	}
	_ = um.runAll(u, "Service.ExecStopPost", env)
	s.set(unitDead)
	return nil
}

// reload runs a unit's ExecReload.
func (um *unitManager) reload(name string) error {
	u, err := loadUnit(name)
	if err != nil {
		return err
	}
	state := um.service(name).get()
	switch {
	case state.active != "active":
		return fmt.Errorf("%s is not active, cannot reload.", name) //nolint:staticcheck // systemctl's words
	case !u.reloads():
		return fmt.Errorf("Job type reload is not applicable for unit %s.", name) //nolint:staticcheck // systemctl's words
	}
	env, err := u.environment()
	if err != nil {
		return err
	}
	env["MAINPID"] = strconv.Itoa(state.pid)
	return um.runAll(u, "Service.ExecReload", env)
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
