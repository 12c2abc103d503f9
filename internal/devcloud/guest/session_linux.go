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
	noEcho   bool
	wantPty  bool
	agentDir string
	run      func()        // sees the command to its end; nil until there is one
	done     chan struct{} // closed at that end

	mu     sync.Mutex
	size   unix.Winsize
	master *os.File // the terminal, while the command runs
	group  int      // the command's process group; 0 before and after
}

// session serves a session channel until its command has ended.
func (s *sshServer) session(conn *ssh.ServerConn, lg login, nc ssh.NewChannel) {
	ch, reqs, err := nc.Accept()
	if err != nil {
		return
	}
	ss := &session{s: s, conn: conn, lg: lg, ch: ch, done: make(chan struct{})}
	for r := range reqs {
		running := ss.run != nil
		ok := ss.request(r)
		if r.WantReply {
			_ = r.Reply(ok, nil)
		}
		if ss.run != nil && !running { // output may go only after the reply
			go func() {
				defer close(ss.done)
				ss.run()
			}()
		}
	}
	// The client has gone, or closed the channel. As by sshd the terminal is
	// closed, which the kernel tells its session by SIGHUP. A command without
	// one sees its input end and its output break, and is left alone otherwise.
	if ss.wantPty {
		ss.kill(syscall.SIGHUP)
	}
	_ = ch.Close()
	if ss.run != nil {
		<-ss.done
	}
	if ss.agentDir != "" {
		_ = os.RemoveAll(ss.agentDir)
	}
}

// request handles a request before and while a command runs.
func (ss *session) request(r *ssh.Request) bool {
	var req struct {
		env     struct{ Name, Value string }
		command struct{ Command string }
		signal  struct{ Name string }
		size    struct{ Cols, Rows, Width, Height uint32 }
		pty     struct {
			Term                      string
			Cols, Rows, Width, Height uint32
			Modes                     []byte
		}
	}
	read := func(to any) bool { return ssh.Unmarshal(r.Payload, to) == nil }
	switch r.Type {
	case "env":
		ok := read(&req.env) && accepted(req.env.Name) && !strings.ContainsRune(req.env.Name+req.env.Value, 0)
		if ok {
			ss.env = append(ss.env, req.env.Name+"="+req.env.Value)
		}
		return ok
	case "pty-req":
		if !read(&req.pty) || ss.lg.options.forbids("pty") || ss.wantPty || ss.run != nil {
			return false
		}
		ss.wantPty, ss.term, ss.noEcho = true, req.pty.Term, echoOff(req.pty.Modes)
		ss.size = winsize(req.pty.Cols, req.pty.Rows)
		return true
	case "window-change":
		if !read(&req.size) {
			return false
		}
		ss.mu.Lock()
		defer ss.mu.Unlock()
		ss.size = winsize(req.size.Cols, req.size.Rows)
		if ss.master != nil {
			setSize(ss.master, ss.size)
		}
		return true
	case "auth-agent-req@openssh.com":
		return !ss.lg.options.forbids("agent-forwarding") && ss.lg.conf.agents && ss.agentDir == "" && ss.forwardAgent() == nil
	case "shell":
		return ss.begins("", true)
	case "exec":
		return read(&req.command) && ss.begins(req.command.Command, false)
	case "subsystem":
		server := sftpServer()
		return read(&req.command) && req.command.Command == "sftp" && server != "" && ss.begins(server, false)
	case "signal":
		_ = read(&req.signal)
		sig := unix.SignalNum("SIG" + req.signal.Name)
		if sig != 0 {
			ss.kill(sig)
		}
		return sig != 0
	}
	return false // X11, break
}

// begins starts the session's command.
func (ss *session) begins(command string, shell bool) bool {
	if ss.run != nil || ss.s.closed.Load() {
		return false
	}
	if c := ss.lg.options["command"]; c != "" {
		ss.env = append(ss.env, "SSH_ORIGINAL_COMMAND="+command)
		command, shell = c, false
	}
	var err error
	if ss.run, err = ss.start(command, shell); err != nil {
		_, _ = fmt.Fprintf(ss.ch.Stderr(), "sshd: %v\r\n", err)
	}
	return err == nil
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

func winsize(cols, rows uint32) unix.Winsize {
	return unix.Winsize{Col: uint16(min(cols, 65535)), Row: uint16(min(rows, 65535))}
}

func (ss *session) kill(sig syscall.Signal) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.group != 0 {
		_ = syscall.Kill(-ss.group, sig)
	}
}

// start starts a command, or the login shell, and returns what sees it to its
// end.
func (ss *session) start(command string, shell bool) (run func(), err error) {
	m, u := ss.s.m, ss.lg.user
	prog := u.shell
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
	startWith := ss.startPipes
	if ss.wantPty {
		startWith = ss.startPty
	}
	run, err = startWith(prog, argv, attr, warning)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", prog, err)
	}
	return run, nil
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

// follow notes the process group and the terminal of the command that runs;
// none when it has ended, as the group's number may become another's.
func (ss *session) follow(group int, master *os.File) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.group, ss.master = group, master
	if master != nil {
		setSize(master, ss.size) // it may have changed meanwhile
	}
}

func (ss *session) startPipes(prog string, argv []string, attr *syscall.ProcAttr, warning string) (func(), error) {
	var files [6]*os.File
	for i := 0; i < len(files); i += 2 {
		var err error
		if files[i], files[i+1], err = os.Pipe(); err != nil {
			closeFiles(files[:i])
			return nil, err
		}
	}
	inR, inW, outR, outW, errR, errW := files[0], files[1], files[2], files[3], files[4], files[5]
	attr.Files = []uintptr{inR.Fd(), outW.Fd(), errW.Fd()}
	ch, err := ss.s.m.children.start(prog, argv, attr)
	closeFiles([]*os.File{inR, outW, errW})
	if err != nil {
		closeFiles([]*os.File{inW, outR, errR})
		return nil, err
	}
	ss.follow(ch.pid, nil)
	return func() {
		_, _ = io.WriteString(ss.ch.Stderr(), warning)
		go func() {
			_, _ = io.Copy(inW, ss.ch)
			_ = inW.Close()
		}()
		var out sync.WaitGroup
		for from, to := range map[*os.File]io.Writer{outR: ss.ch, errR: ss.ch.Stderr()} {
			out.Go(func() {
				_, _ = io.Copy(to, from)
				_ = from.Close()
			})
		}
		st := <-ch.exit
		ss.follow(0, nil)
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
	if ss.noEcho {
		if t, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS); err == nil {
			t.Lflag &^= unix.ECHO
			_ = unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, t)
		}
	}
	u := ss.lg.user
	if gid, ok := ss.s.m.accounts.groupID("tty"); ok {
		u.gid = gid
	}
	ss.s.m.accounts.chown(slave.Name(), u)
	_ = os.Chmod(slave.Name(), 0o620) //nolint:gosec // a terminal's usual mode
	attr.Env = append(attr.Env, "SSH_TTY="+slave.Name())
	attr.Files = []uintptr{slave.Fd(), slave.Fd(), slave.Fd()}
	attr.Sys.Setsid, attr.Sys.Setctty, attr.Sys.Ctty = true, true, 0
	ch, err := ss.s.m.children.start(prog, argv, attr)
	_ = slave.Close()
	if err != nil {
		_ = master.Close()
		return nil, err
	}
	ss.follow(ch.pid, master)
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
		ss.follow(0, nil)
		select {
		case <-copied:
		case <-time.After(100 * time.Millisecond): // something in the background keeps it open
		}
		_ = master.Close()
		<-copied
		ss.exit(st)
	}, nil
}

// openTerminalPair opens a terminal. Its master side can be closed while it is
// being read, which that of package pty cannot.
func openTerminalPair() (master, slave *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	master = os.NewFile(uintptr(fd), "/dev/ptmx")
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		_ = master.Close()
	}
	return master, slave, err
}

func setSize(master *os.File, size unix.Winsize) {
	if raw, err := master.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &size) })
	}
}

// exit tells the client how the command ended and closes the channel.
func (ss *session) exit(st syscall.WaitStatus) {
	if st.Signaled() {
		name := strings.TrimPrefix(unix.SignalName(st.Signal()), "SIG")
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

// forwardAgent opens a socket behind which the client's agent answers.
func (ss *session) forwardAgent() error {
	m := ss.s.m
	dir, err := os.MkdirTemp(m.fs.at("/tmp"), "ssh-")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "agent")
	l, err := net.Listen("unix", path) //nolint:noctx // ends with the connection
	if err != nil {
		_ = os.RemoveAll(dir)
		return err
	}
	m.accounts.chown(dir, ss.lg.user)
	m.accounts.chown(path, ss.lg.user)
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

// echoOff reports whether the encoded terminal modes of RFC 4254, section 8,
// switch echo off, which a client does before it sends a password. The others
// stay as the kernel has them.
func echoOff(modes []byte) bool {
	for ; len(modes) >= 5 && modes[0] != 0 && modes[0] < 160; modes = modes[5:] {
		if modes[0] == ssh.ECHO {
			return binary.BigEndian.Uint32(modes[1:5]) == 0
		}
	}
	return false
}
