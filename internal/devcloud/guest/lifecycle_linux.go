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
	taps    []*os.File // until attach
	exit    chan struct{}
	state   *os.ProcessState // valid after exit
}

// say sends a command word. A guest that is gone does not mind.
func (p *process) say(word string) { _, _ = io.WriteString(p.control, word+"\n") }

func (p *process) kill() { _ = p.cmd.Process.Kill() }

func start(ctx context.Context, spec Spec, lim limits) (*Guest, error) {
	if err := check(&spec); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(spec.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of guest %s: %w", spec.ID, err)
	}
	// The disk has files of several users; nobody else may reach them.
	if err := os.Chmod(spec.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("closing the directory of guest %s to others: %w", spec.ID, err)
	}
	if err := reapLeft(spec.Dir); err != nil {
		return nil, fmt.Errorf("guest %s: %w", spec.ID, err)
	}
	if err := restoreDisk(spec); err != nil {
		return nil, fmt.Errorf("guest %s: the image's disk: %w", spec.ID, err)
	}
	g := &Guest{spec: spec, ready: make(chan struct{}), done: make(chan struct{})}
	var err error
	if g.dir, err = os.Open(spec.Dir); err != nil {
		return nil, fmt.Errorf("guest %s: %w", spec.ID, err)
	}
	var why []string
	if len(spec.NICs) > 0 {
		if err := ownNetwork(); err != nil {
			why, spec.NICs = append(why, err.Error()), nil
		}
	}
	for _, mode := range candidates(lim) {
		if mode == ModeDirectory && (spec.RootFS != "" || spec.Disk != "") {
			_ = g.dir.Close()
			return nil, fmt.Errorf("starting guest %s: an image with content needs namespaces and overlayfs: %s", spec.ID, strings.Join(why, "; "))
		}
		o := bootRequest{Spec: spec, Dir: spec.Dir, Mode: mode, Limits: lim, Why: strings.Join(why, "; "), Host: facts(spec.Dir)}
		p, events, err := launch(o)
		if err != nil {
			if mode == ModeDirectory || errors.Is(err, os.ErrNotExist) {
				_ = g.dir.Close()
				return nil, fmt.Errorf("starting guest %s: %w", spec.ID, err)
			}
			why = append(why, plain(mode, err))
			continue
		}
		root, err := awaitRoot(ctx, p, events)
		if err == nil {
			err = p.attach(spec, mode)
		} else {
			closeFiles(p.taps)
		}
		if err == nil {
			g.mode, g.detail, g.boots, g.proc = root.Mode, root.Detail, 1, p
			go g.run(o, p, events)
			return g, nil
		}
		p.kill()
		_ = p.control.Close()
		<-p.exit
		var refused refusedError
		if !errors.As(err, &refused) || mode == ModeDirectory {
			_ = g.dir.Close()
			return nil, fmt.Errorf("starting guest %s: %w", spec.ID, err)
		}
		why = append(why, plain(mode, refused))
	}
	_ = g.dir.Close()
	return nil, fmt.Errorf("starting guest %s: %s", spec.ID, strings.Join(why, "; "))
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

func check(spec *Spec) error {
	switch {
	case spec.ID == "":
		return errors.New("guest without an ID")
	case spec.Dir == "":
		return fmt.Errorf("guest %s: no directory given", spec.ID)
	case len(spec.Executable) == 0:
		return fmt.Errorf("guest %s: no executable given", spec.ID)
	}
	dir, err := filepath.Abs(spec.Dir)
	if err != nil {
		return fmt.Errorf("guest %s: %w", spec.ID, err)
	}
	spec.Dir = dir
	return nil
}

// refusedError is a mode that the host forbids.
type refusedError string

func (e refusedError) Error() string { return string(e) }

// awaitRoot waits until the guest's world is set up or refused.
func awaitRoot(ctx context.Context, p *process, events <-chan event) (event, error) {
	select {
	case ev, ok := <-events:
		switch {
		case !ok:
			<-p.exit
			return ev, refusedError("its process ended while setting up: " + p.state.String())
		case ev.Event == evRefused:
			return ev, refusedError(ev.Detail)
		}
		return ev, nil
	case <-ctx.Done():
		return event{}, ctx.Err()
	}
}

// launch starts the process for one boot. Its events come on the channel,
// which is closed when the process has closed its end.
func launch(o bootRequest) (*process, <-chan event, error) {
	console, err := os.OpenFile(filepath.Join(o.Dir, consoleName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the console log: %w", err)
	}
	defer func() { _ = console.Close() }()
	exe, err := os.Open(o.Spec.Executable[0])
	if err != nil {
		return nil, nil, fmt.Errorf("opening the guest's program: %w", err)
	}
	defer func() { _ = exe.Close() }()
	if o.Mode == ModeNamespaces {
		if o.Mounts, err = clonedPaths(); err != nil {
			return nil, nil, err
		}
	}
	control, theirs, err := controlSocket()
	if err != nil {
		return nil, nil, err
	}
	eventR, eventW, err := os.Pipe()
	if err != nil {
		closeFiles([]*os.File{control, theirs})
		return nil, nil, err
	}
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

	p := &process{cmd: cmd, control: control, exit: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// Pdeathsig is sent when the thread that made the child ends, so the
		// thread stays this goroutine's own as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait()
		p.state = cmd.ProcessState
		close(p.exit)
	}()
	err = <-started
	closeFiles([]*os.File{theirs, eventW})
	if err != nil {
		closeFiles([]*os.File{control, eventR})
		return nil, nil, err
	}
	if err := p.equip(&o, exe); err != nil {
		p.kill()
		<-p.exit
		closeFiles(append(p.taps, control, eventR))
		return nil, nil, refusedError(err.Error())
	}
	recordPid(o.Dir, cmd.Process.Pid)

	events := make(chan event, 4)
	go func() {
		defer close(events)
		defer func() { _ = eventR.Close() }()
		lines := bufio.NewScanner(eventR)
		for lines.Scan() {
			var ev event
			if json.Unmarshal(lines.Bytes(), &ev) == nil {
				events <- ev
			}
		}
	}()
	go func() {
		// In the background, since a large user_data fills the pipe and a
		// process that dies early never reads it.
		line, err := json.Marshal(o)
		if err == nil {
			_, _ = control.Write(append(line, '\n'))
		}
	}()
	return p, events, nil
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
func (g *Guest) run(o bootRequest, p *process, events <-chan event) {
	for {
		for ev := range events {
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

		g.mu.Lock()
		again := g.want == wantReboot || (g.want == wantRun && p.state.ExitCode() == exitReboot)
		if !again {
			if g.want == wantRun && p.state.ExitCode() != exitPowerOff {
				g.err = fmt.Errorf("guest %s ended by itself: %s", g.spec.ID, p.state)
			}
			g.mu.Unlock()
			break
		}
		g.mu.Unlock()

		next, nextEvents, err := launch(o)
		var root event
		if err == nil {
			g.mu.Lock()
			g.proc = next // so that Stop can kill it while it sets up
			g.mu.Unlock()
			if root, err = awaitRoot(context.Background(), next, nextEvents); err == nil {
				err = next.attach(o.Spec, o.Mode)
			}
			if err != nil {
				next.kill()
				_ = next.control.Close()
				<-next.exit
			}
		}
		g.mu.Lock()
		if err != nil {
			g.err = fmt.Errorf("restarting guest %s: %w", g.spec.ID, err)
			g.mu.Unlock()
			break
		}
		select {
		case <-g.ready:
			g.ready = make(chan struct{})
		default: // nobody saw the last boot ready; they wait for this one
		}
		g.mode, g.detail = root.Mode, root.Detail
		g.boots++
		if g.want == wantStop { // asked for while the new boot was starting
			next.say(cmdStop)
		} else {
			g.want = wantRun
		}
		if g.rebooted != nil {
			close(g.rebooted)
			g.rebooted = nil
		}
		g.mu.Unlock()
		p, events = next, nextEvents
	}
	_ = os.Remove(filepath.Join(g.spec.Dir, pidName))
	_ = g.dir.Close()
	close(g.done)
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
	select {
	case <-g.done:
		g.mu.Unlock()
		return fmt.Errorf("guest %s is not running", g.spec.ID)
	default:
	}
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
		return g.endedInstead()
	case <-ctx.Done():
	}
	p.kill()
	select {
	case <-back:
		return nil
	case <-g.done:
		return g.endedInstead()
	case <-time.After(10 * time.Second):
		return ctx.Err()
	}
}

func (g *Guest) endedInstead() error {
	if err := g.Err(); err != nil {
		return err
	}
	return fmt.Errorf("guest %s was stopped instead of restarted", g.spec.ID)
}
