package guest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// session is one session channel.
type session struct {
	s    *sshServer
	conn *ssh.ServerConn
	lg   login
	ch   ssh.Channel

	env      []string
	term     string
	size     unix.Winsize
	modes    map[uint8]uint32
	wantPty  bool
	agentDir string

	mu      sync.Mutex
	master  *os.File // the terminal, once the command runs
	group   int      // the command's process group; 0 before and after
	started bool
	begin   func() // follows the reply to the request just handled
}

// session serves a session channel until its command has ended.
func (s *sshServer) session(conn *ssh.ServerConn, lg login, nc ssh.NewChannel) {
	ch, reqs, err := nc.Accept()
	if err != nil {
		return
	}
	ss := &session{s: s, conn: conn, lg: lg, ch: ch}
	done := make(chan struct{})
	for r := range reqs {
		ok := ss.request(r, done)
		if r.WantReply {
			_ = r.Reply(ok, nil)
		}
		if ok && ss.begin != nil {
			ss.begin()
			ss.begin = nil
		}
	}
	// The client has gone, or closed the channel.
	ss.hangUp()
	_ = ch.Close()
	ss.mu.Lock()
	started := ss.started
	ss.mu.Unlock()
	if started {
		<-done
	}
	if ss.agentDir != "" {
		_ = os.RemoveAll(ss.agentDir)
	}
}

// request handles a request before and while a command runs.
func (ss *session) request(r *ssh.Request, done chan struct{}) bool {
	switch r.Type {
	case "env":
		var kv struct{ Name, Value string }
		if ssh.Unmarshal(r.Payload, &kv) != nil || !accepted(kv.Name) ||
			strings.ContainsRune(kv.Name+kv.Value, 0) {
			return false
		}
		ss.env = append(ss.env, kv.Name+"="+kv.Value)
		return true
	case "pty-req":
		var req struct {
			Term                      string
			Cols, Rows, Width, Height uint32
			Modes                     []byte
		}
		if ssh.Unmarshal(r.Payload, &req) != nil || ss.lg.options.noPty || ss.wantPty || ss.started {
			return false
		}
		ss.wantPty, ss.term, ss.modes = true, req.Term, modeList(req.Modes)
		ss.size = winsize(req.Cols, req.Rows, req.Width, req.Height)
		return true
	case "window-change":
		var req struct{ Cols, Rows, Width, Height uint32 }
		if ssh.Unmarshal(r.Payload, &req) != nil {
			return false
		}
		ss.mu.Lock()
		defer ss.mu.Unlock()
		ss.size = winsize(req.Cols, req.Rows, req.Width, req.Height)
		if ss.master != nil {
			setSize(ss.master, ss.size)
		}
		return true
	case "auth-agent-req@openssh.com":
		if ss.lg.options.noAgents || !ss.lg.conf.agents || ss.agentDir != "" {
			return false
		}
		return ss.forwardAgent() == nil
	case "shell", "exec", "subsystem":
		if ss.started || ss.s.closed.Load() {
			return false
		}
		command := ""
		shell := r.Type == "shell"
		if !shell {
			var req struct{ Command string }
			if ssh.Unmarshal(r.Payload, &req) != nil {
				return false
			}
			command = req.Command
		}
		if r.Type == "subsystem" {
			if command = sftpServer(); command == "" {
				return false
			}
		}
		if c := ss.lg.options.command; c != "" {
			ss.env = append(ss.env, "SSH_ORIGINAL_COMMAND="+command)
			command, shell = c, false
		}
		run, err := ss.start(command, shell)
		if err != nil {
			_, _ = fmt.Fprintf(ss.ch.Stderr(), "sshd: %v\r\n", err)
			return false
		}
		ss.mu.Lock()
		ss.started = true
		ss.mu.Unlock()
		// Output may go only after the reply to this request.
		ss.begin = func() {
			go func() {
				defer close(done)
				run()
			}()
		}
		return true
	case "signal":
		var req struct{ Name string }
		if ssh.Unmarshal(r.Payload, &req) != nil {
			return false
		}
		sig, ok := sshSignals[req.Name]
		if !ok {
			return false
		}
		ss.kill(sig)
		return true
	}
	return false // X11, break
}

// sftpServer is the image's program for the subsystem sftp; "" when it has none.
func sftpServer() string {
	for _, p := range []string{"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/libexec/sftp-server", "/usr/lib/ssh/sftp-server"} {
		if exists(p) {
			return p
		}
	}
	return ""
}

func winsize(cols, rows, width, height uint32) unix.Winsize {
	limit := func(n uint32) uint16 { return uint16(min(n, 65535)) }
	return unix.Winsize{Col: limit(cols), Row: limit(rows), Xpixel: limit(width), Ypixel: limit(height)}
}

func (ss *session) kill(sig syscall.Signal) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.group != 0 {
		_ = syscall.Kill(-ss.group, sig)
	}
}

// hangUp does what sshd does when a client goes: the terminal is closed, which
// the kernel tells its session by SIGHUP. A command without one sees its input
// end and its output break, and is left alone otherwise.
func (ss *session) hangUp() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.master != nil && ss.group != 0 {
		_ = syscall.Kill(-ss.group, syscall.SIGHUP)
	}
}

// start starts a command, or the login shell, and returns what sees it to its
// end.
func (ss *session) start(command string, shell bool) (run func(), err error) {
	m, u := ss.s.m, ss.lg.user
	prog := shellOf(u)
	argv := []string{filepath.Base(prog), "-c", command}
	if shell {
		argv = []string{"-" + filepath.Base(prog)}
	}
	home := m.fs.at(u.home)
	warning := ""
	if st, err := os.Stat(home); err != nil || !st.IsDir() {
		warning = fmt.Sprintf("Could not chdir to home directory %s: No such file or directory\r\n", u.home)
		home = m.fs.at("/")
	}
	sudoer := !m.fs.realSudo && m.accounts.right(u) != sudoNone
	attr := &syscall.ProcAttr{
		Dir: home,
		Env: ss.environment(),
		Sys: attributesFor(m.fs, u, m.accounts.memberships(u), sudoer),
	}
	if ss.wantPty {
		return ss.startPty(prog, argv, attr, warning)
	}
	return ss.startPipes(prog, argv, attr, warning)
}

// environment is the command's: the user's, that of /etc/environment, what the
// client may set.
func (ss *session) environment() []string {
	m := ss.s.m
	env := m.baseEnv(ss.lg.user)
	data, _ := m.fs.read("/etc/environment")
	for name, value := range parseEnvironment(data) {
		if name != "PATH" || m.fs.root == "" {
			env = append(env, name+"="+value)
		}
	}
	env = append(env, ss.env...)
	if ss.wantPty {
		env = append(env, "TERM="+ss.term)
	}
	// The cloud passes connections on, so the client's own address is not
	// known here.
	env = append(env, "SSH_CLIENT=127.0.0.1 0 22", "SSH_CONNECTION=127.0.0.1 0 127.0.0.1 22")
	if ss.agentDir != "" {
		env = append(env, "SSH_AUTH_SOCK="+filepath.Join(ss.agentDir, "agent"))
	}
	return env
}

// open notes that the command runs.
func (ss *session) open(ch *child, master *os.File) {
	ss.mu.Lock()
	ss.group, ss.master = ch.pid, master
	if master != nil {
		setSize(master, ss.size) // it may have changed meanwhile
	}
	ss.mu.Unlock()
}

// ended notes that it does not: its process group's number may now become
// another's.
func (ss *session) ended() {
	ss.mu.Lock()
	ss.group, ss.master = 0, nil
	ss.mu.Unlock()
}

func (ss *session) startPipes(prog string, argv []string, attr *syscall.ProcAttr, warning string) (func(), error) {
	var files []*os.File
	closeFiles := func() {
		for _, f := range files {
			_ = f.Close()
		}
	}
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			closeFiles()
			return nil, err
		}
		files = append(files, r, w)
	}
	inR, inW, outR, outW, errR, errW := files[0], files[1], files[2], files[3], files[4], files[5]
	attr.Files = []uintptr{inR.Fd(), outW.Fd(), errW.Fd()}
	ch, err := ss.s.m.children.start(prog, argv, attr)
	_, _, _ = inR.Close(), outW.Close(), errW.Close()
	if err != nil {
		closeFiles()
		return nil, fmt.Errorf("%s: %w", prog, err)
	}
	ss.open(ch, nil)
	return func() {
		_, _ = io.WriteString(ss.ch.Stderr(), warning)
		go func() {
			_, _ = io.Copy(inW, ss.ch)
			_ = inW.Close()
		}()
		var out sync.WaitGroup
		out.Go(func() {
			_, _ = io.Copy(ss.ch, outR)
			_ = outR.Close()
		})
		out.Go(func() {
			_, _ = io.Copy(ss.ch.Stderr(), errR)
			_ = errR.Close()
		})
		st := <-ch.exit
		ss.ended()
		_ = inW.Close()
		// As sshd: a session lasts until nobody holds its output any more.
		out.Wait()
		ss.exit(st)
	}, nil
}

func (ss *session) startPty(prog string, argv []string, attr *syscall.ProcAttr, warning string) (func(), error) {
	master, slave, err := openTerminalPair()
	if err != nil {
		return nil, fmt.Errorf("no terminal: %w", err)
	}
	setSize(master, ss.size)
	applyModes(slave, ss.modes)
	u := ss.lg.user
	if !ss.s.m.fs.single {
		gid := u.gid
		for _, g := range ss.s.m.accounts.groups() {
			if g.name == "tty" {
				gid = g.gid
			}
		}
		_ = os.Chown(slave.Name(), u.uid, gid)
	}
	_ = os.Chmod(slave.Name(), 0o620) //nolint:gosec // a terminal's usual mode
	attr.Env = append(attr.Env, "SSH_TTY="+slave.Name())
	attr.Files = []uintptr{slave.Fd(), slave.Fd(), slave.Fd()}
	attr.Sys.Setsid, attr.Sys.Setctty, attr.Sys.Ctty = true, true, 0
	ch, err := ss.s.m.children.start(prog, argv, attr)
	_ = slave.Close()
	if err != nil {
		_ = master.Close()
		return nil, fmt.Errorf("%s: %w", prog, err)
	}
	ss.open(ch, master)
	return func() {
		_, _ = io.WriteString(ss.ch, warning)
		go func() {
			_, _ = io.Copy(master, ss.ch)
			// The client's end of input is the terminal's end-of-file key.
			_, _ = master.Write([]byte{4})
		}()
		copied := make(chan struct{})
		go func() {
			defer close(copied)
			_, _ = io.Copy(ss.ch, master) // ends with EIO when nobody has the terminal open
		}()
		st := <-ch.exit
		ss.ended()
		select {
		case <-copied:
		case <-time.After(100 * time.Millisecond): // something in the background keeps it open
		}
		_ = master.Close()
		<-copied
		ss.exit(st)
	}, nil
}

// openTerminalPair opens a terminal whose master side can be closed while it
// is being read: package pty leaves it in blocking mode, where it cannot.
func openTerminalPair() (master, slave *os.File, err error) {
	blocking, slave, err := pty.Open()
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = blocking.Close() }()
	syscall.ForkLock.RLock()
	fd, err := syscall.Dup(int(blocking.Fd()))
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err == nil {
		if err = syscall.SetNonblock(fd, true); err == nil {
			return os.NewFile(uintptr(fd), "ptmx"), slave, nil
		}
		_ = syscall.Close(fd)
	}
	_ = slave.Close()
	return nil, nil, err
}

func setSize(master *os.File, size unix.Winsize) {
	if raw, err := master.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &size) })
	}
}

// exit tells the client how the command ended and closes the channel.
func (ss *session) exit(st syscall.WaitStatus) {
	if st.Signaled() {
		name := "TERM"
		for n, sig := range sshSignals {
			if sig == st.Signal() {
				name = n
			}
		}
		_, _ = ss.ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Name    string
			Core    bool
			Message string
			Lang    string
		}{name, st.CoreDump(), st.Signal().String(), ""}))
	} else {
		_, _ = ss.ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(st.ExitStatus())}))
	}
	_ = ss.ch.CloseWrite()
	_ = ss.ch.Close()
}

// sshSignals are the names of RFC 4254, section 6.10, and the others that
// sshd knows.
var sshSignals = map[string]syscall.Signal{
	"ABRT": syscall.SIGABRT, "ALRM": syscall.SIGALRM, "FPE": syscall.SIGFPE, "HUP": syscall.SIGHUP, "ILL": syscall.SIGILL,
	"INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "PIPE": syscall.SIGPIPE, "QUIT": syscall.SIGQUIT, "SEGV": syscall.SIGSEGV,
	"TERM": syscall.SIGTERM, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
}

// forwardAgent opens a socket behind which the client's agent answers.
func (ss *session) forwardAgent() error {
	m := ss.s.m
	dir, err := os.MkdirTemp(m.fs.at("/tmp"), "ssh-")
	if err != nil {
		return err
	}
	l, err := listenUnix(dir, "agent")
	if err != nil {
		_ = os.RemoveAll(dir)
		return err
	}
	m.accounts.chown(dir, ss.lg.user)
	m.accounts.chown(filepath.Join(dir, "agent"), ss.lg.user)
	ss.agentDir = dir
	go func() {
		_ = ss.conn.Wait()
		_ = l.Close()
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				ch, reqs, err := ss.conn.OpenChannel("auth-agent@openssh.com", nil)
				if err != nil {
					_ = c.Close()
					return
				}
				go ssh.DiscardRequests(reqs)
				splice(ch, c)
			}()
		}
	}()
	return nil
}

func listenUnix(dir, name string) (net.Listener, error) {
	return net.Listen("unix", filepath.Join(dir, name)) //nolint:noctx // ends with the connection
}

// modeList splits the encoded terminal modes of RFC 4254, section 8.
func modeList(modes []byte) map[uint8]uint32 {
	out := map[uint8]uint32{}
	for len(modes) >= 5 && modes[0] != 0 && modes[0] < 160 {
		out[modes[0]] = binary.BigEndian.Uint32(modes[1:5])
		modes = modes[5:]
	}
	return out
}
