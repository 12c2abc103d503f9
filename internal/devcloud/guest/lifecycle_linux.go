package guest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// process is one boot's process, seen from the starter.
type process struct {
	cmd *exec.Cmd
	// control is the starter's end of the socket: a bootRequest, commands and
	// descriptors. Closing it ends the guest.
	control *os.File
	events  <-chan event
	taps    []*os.File // until attach
	exit    chan struct{}
	state   *os.ProcessState // valid after exit
}

// say sends a command word. A guest that is gone does not mind.
func (p *process) say(word string) { _, _ = io.WriteString(p.control, word+"\n") }

func (p *process) kill() { _ = p.cmd.Process.Kill() }

func start(ctx context.Context, spec Spec, lim limits) (g *Guest, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("starting guest %s: %w", spec.ID, err)
		}
	}()
	if spec.ID == "" || spec.Dir == "" || len(spec.Executable) == 0 {
		return nil, errors.New("its ID, directory or executable is not given")
	}
	if spec.Dir, err = filepath.Abs(spec.Dir); err != nil {
		return nil, err
	}
	// The disk has files of several users; nobody else may reach them.
	if err := errors.Join(os.MkdirAll(spec.Dir, 0o700), os.Chmod(spec.Dir, 0o700)); err != nil {
		return nil, err
	}
	if err := reapLeft(spec.Dir); err != nil {
		return nil, err
	}
	if err := restoreDisk(spec); err != nil {
		return nil, fmt.Errorf("the image's disk: %w", err)
	}
	resolv, _ := os.ReadFile("/etc/resolv.conf") // a host without one has no names to give
	var why []string
	if len(spec.NICs) > 0 {
		if err := ownNetwork(); err != nil {
			why, spec.NICs = append(why, err.Error()), nil
		}
	}
	for _, mode := range candidates(lim) {
		if mode == ModeDirectory && (spec.RootFS != "" || spec.Disk != "") {
			return nil, fmt.Errorf("an image with content needs namespaces and overlayfs: %s", strings.Join(why, "; "))
		}
		o := bootRequest{
			Spec: spec, Dir: spec.Dir, Mode: mode, Limits: lim, Why: strings.Join(why, "; "), Resolv: string(resolv), Hide: hiddenFor(spec.Dir),
		}
		p, root, err := bootProcess(ctx, o)
		if err == nil {
			g = &Guest{
				spec: spec, mode: root.Mode, detail: root.Detail, proc: p, ready: make(chan struct{}), done: make(chan struct{}),
			}
			go g.run(o, p)
			return g, nil
		}
		var refused refusedError
		if !errors.As(err, &refused) || mode == ModeDirectory {
			return nil, err
		}
		why = append(why, plain(mode, err))
	}
	return nil, errors.New(strings.Join(why, "; "))
}

// bootProcess starts the process for one boot and waits until the guest's world
// is set up, or refused. Nothing is left of one that fails.
func bootProcess(ctx context.Context, o bootRequest) (p *process, root event, err error) {
	if p, err = launch(o); err != nil {
		return nil, root, err
	}
	var ok bool
	select {
	case root, ok = <-p.events:
		switch {
		case !ok:
			<-p.exit
			err = refusedError{errors.New("its process ended while setting up: " + p.state.String())}
		case root.Event == evRefused:
			err = refusedError{errors.New(root.Detail)}
		default:
			err = p.attach(o.Spec, o.Mode)
		}
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		p.kill()
		closeFiles(append(p.taps, p.control))
		<-p.exit
	}
	return p, root, err
}

// restoreDisk gives a new guest the disk of its image, once.
func restoreDisk(spec Spec) error {
	if spec.Disk == "" {
		return nil
	}
	mark := filepath.Join(spec.Dir, restoredName)
	if _, err := os.Lstat(mark); err == nil {
		return nil
	}
	f, err := os.Open(spec.Disk)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for _, name := range []string{diskName, layersName} { // of an attempt that was cut short
		if err := os.RemoveAll(filepath.Join(spec.Dir, name)); err != nil {
			return err
		}
	}
	if err := unpackTree(bufio.NewReaderSize(f, 1<<18), spec.Dir, false); err != nil {
		return err
	}
	return os.WriteFile(mark, nil, 0o600)
}

// refusedError is a mode that the host forbids.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

// launch starts the process for one boot.
func launch(o bootRequest) (p *process, err error) {
	console, err := os.OpenFile(filepath.Join(o.Dir, consoleName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = console.Close() }()
	exe, err := os.Open(o.Spec.Executable[0])
	if err != nil {
		return nil, err
	}
	defer func() { _ = exe.Close() }()
	if o.Mode == ModeNamespaces {
		if o.Mounts, err = clonedPaths(); err != nil {
			return nil, err
		}
	}
	control, theirs, err := controlSocket()
	if err != nil {
		return nil, err
	}
	defer func() { _ = theirs.Close() }()
	eventR, eventW, err := os.Pipe()
	if err != nil {
		_ = control.Close()
		return nil, err
	}
	defer func() { _ = eventW.Close() }()
	// Started by its descriptor: root of the guest may not be allowed to look
	// into the directories above the program.
	args := append(append([]string(nil), o.Spec.Executable[1:]...), "run")
	cmd := exec.Command("/proc/self/fd/5", args...) //nolint:noctx // its life is the guest's
	cmd.Args[0] = o.Spec.Executable[0]
	cmd.ExtraFiles = []*os.File{theirs, eventW, exe}
	cmd.Stdout, cmd.Stderr = console, console // a crash is to be seen somewhere
	cmd.Dir = "/"
	cmd.Env = append(keepEnv(os.Environ()), "GOMAXPROCS=2", "GOGC=50", "GOTRACEBACK=single")
	cmd.SysProcAttr = attributes(o)

	events := make(chan event, 4)
	p = &process{cmd: cmd, control: control, events: events, exit: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// Pdeathsig is sent when the thread that made the child ends, so the
		// thread stays this goroutine's own as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			p.state = cmd.ProcessState
			close(p.exit)
		}
	}()
	if err := <-started; err != nil {
		closeFiles([]*os.File{control, eventR})
		return nil, refusedError{err}
	}
	if err := p.equip(&o, exe); err != nil {
		p.kill()
		<-p.exit
		closeFiles(append(p.taps, control, eventR))
		return nil, refusedError{err}
	}
	recordPid(o.Dir, cmd.Process.Pid)
	go func() {
		defer close(events)
		defer func() { _ = eventR.Close() }()
		for in := json.NewDecoder(eventR); ; {
			var ev event
			if in.Decode(&ev) != nil {
				return
			}
			events <- ev
		}
	}()
	go func() {
		// In the background, since a large user_data fills the pipe and a
		// process that dies early never reads it.
		_ = json.NewEncoder(control).Encode(o)
	}()
	return p, nil
}

// equip sends a guest in a user namespace the mounts that it is built from,
// and makes the network devices of one that root has started.
func (p *process) equip(o *bootRequest, exe *os.File) error {
	var files []*os.File
	if o.Mode == ModeNamespaces {
		var err error
		if files, err = cloneMounts(p.cmd.Process.Pid, o, exe); err != nil {
			return err
		}
		defer closeFiles(files)
	}
	if n := len(o.Spec.NICs); n > 0 && (o.Mode == ModeNamespaces || o.Mode == ModeReducedRoot) {
		var err error
		if p.taps, err = openTapsIn(p.cmd.Process.Pid, n); err != nil {
			return err
		}
		o.StarterTaps = true
	}
	return sendFiles(p.control, files)
}

// attach hands out the network devices once the guest has set them up.
func (p *process) attach(spec Spec, mode string) error {
	if len(spec.NICs) == 0 || mode == ModeDirectory {
		return nil
	}
	if p.taps == nil {
		fds, err := receiveFiles(p.control)
		if err != nil {
			return fmt.Errorf("the guest's network devices: %w", err)
		}
		for _, fd := range fds {
			_ = syscall.SetNonblock(fd, true)
			p.taps = append(p.taps, os.NewFile(uintptr(fd), tunDevice))
		}
	}
	if spec.Attach == nil {
		closeFiles(p.taps)
		return nil
	}
	spec.Attach(p.taps)
	return nil
}

// plain says why a process could not be started in a mode's namespaces,
// without the "fork/exec /path/to/galley:" of package os.
func plain(mode string, err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return "mode " + mode + " is not allowed here: " + err.Error()
}

// keepEnv is the environment of the guest's process: what the dynamic loader
// and the coverage runtime may need, no credentials.
func keepEnv(env []string) []string {
	var out []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZ", "GOCOVERDIR", "GORACE":
			out = append(out, kv)
		}
	}
	return out
}

// run watches one boot after the other until the guest is to end.
func (g *Guest) run(o bootRequest, p *process) {
	for p != nil {
		for ev := range p.events {
			if ev.Event == evReady {
				g.mu.Lock()
				closeOnce(g.ready)
				g.mu.Unlock()
			}
		}
		<-p.exit
		_ = p.control.Close()
		_ = os.Remove(filepath.Join(g.spec.Dir, socketName))
		if o.Mode == ModeDirectory {
			sweep(o.Dir) // no namespace has done it
		}
		p = g.again(o, p)
	}
	_ = os.Remove(filepath.Join(g.spec.Dir, pidName))
	close(g.done)
}

// again starts the next boot after one that has ended, where there is to be
// one.
func (g *Guest) again(o bootRequest, p *process) *process {
	g.mu.Lock()
	defer g.mu.Unlock()
	code := p.state.ExitCode()
	if g.want != wantReboot && !(g.want == wantRun && code == exitReboot) {
		if g.want == wantRun && code != exitPowerOff {
			g.err = fmt.Errorf("guest %s ended by itself: %s", g.spec.ID, p.state)
		}
		return nil
	}
	g.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	next, root, err := bootProcess(ctx, o)
	g.mu.Lock()
	if err != nil {
		g.err = fmt.Errorf("restarting guest %s: %w", g.spec.ID, err)
		return nil
	}
	select {
	case <-g.ready:
		g.ready = make(chan struct{})
	default: // nobody saw the last boot ready; they wait for this one
	}
	g.proc, g.mode, g.detail = next, root.Mode, root.Detail
	if g.want == wantStop { // asked for while the new boot was starting
		next.say(cmdStop)
	} else {
		g.want = wantRun
	}
	if g.rebooted != nil {
		close(g.rebooted)
		g.rebooted = nil
	}
	return next
}

func closeOnce(ch chan struct{}) {
	select {
	case <-ch:
	default:
		close(ch)
	}
}

func (g *Guest) stop(ctx context.Context) error {
	g.mu.Lock()
	g.want = wantStop
	p := g.proc
	g.mu.Unlock()
	p.say(cmdStop)
	select {
	case <-g.done:
		return nil
	case <-ctx.Done():
	}
	// The process may have been replaced by a reboot since.
	g.mu.Lock()
	p = g.proc
	g.mu.Unlock()
	p.kill()
	<-g.done
	return ctx.Err()
}

func (g *Guest) reboot(ctx context.Context) error {
	g.mu.Lock()
	if g.want == wantStop {
		g.mu.Unlock()
		return fmt.Errorf("guest %s is being stopped", g.spec.ID)
	}
	if g.rebooted == nil {
		g.rebooted = make(chan struct{})
	}
	g.want = wantReboot
	back, p := g.rebooted, g.proc
	g.mu.Unlock()
	p.say(cmdReboot)
	select {
	case <-back:
		return nil
	case <-g.done:
	case <-ctx.Done():
		p.kill()
		select {
		case <-back:
			return nil
		case <-g.done:
		case <-time.After(10 * time.Second):
			return ctx.Err()
		}
	}
	return errors.Join(fmt.Errorf("guest %s has ended and was not restarted", g.spec.ID), g.Err())
}
