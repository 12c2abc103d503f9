package sshtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

type process struct {
	s    *Server
	sc   *ssh.ServerConn
	ch   ssh.Channel
	done chan struct{}

	start func()
	agent bool
	env   []string
	term  string
	size  Size

	mu  sync.Mutex
	cmd *exec.Cmd
	pty *os.File
}

func (p *process) request(r *ssh.Request, started *bool) bool {
	switch r.Type {
	case "env":
		var m struct{ Name, Value string }
		if ssh.Unmarshal(r.Payload, &m) != nil || (m.Name != "LANG" && !strings.HasPrefix(m.Name, "LC_")) {
			return false
		}
		p.env = append(p.env, m.Name+"="+m.Value)
		return true
	case "auth-agent-req@openssh.com":
		p.agent = true
		return true
	case "pty-req":
		if p.s.o.NoTTY {
			return false
		}
		var m struct {
			Term          string
			W, H, PW, PH  uint32
			EncodedModes_ string
		}
		if ssh.Unmarshal(r.Payload, &m) != nil {
			return false
		}
		p.term = m.Term
		p.resize(int(m.W), int(m.H))
		return true
	case "window-change":
		if len(r.Payload) < 8 {
			return false
		}
		p.resize(int(binary.BigEndian.Uint32(r.Payload)), int(binary.BigEndian.Uint32(r.Payload[4:])))
		return true
	case "signal":
		var m struct{ Name string }
		if ssh.Unmarshal(r.Payload, &m) != nil {
			return false
		}
		p.s.mu.Lock()
		p.s.signals = append(p.s.signals, m.Name)
		p.s.mu.Unlock()
		if !p.s.o.IgnoreSignals {
			p.signal(m.Name)
		}
		return true
	case "exec", "shell":
		if *started {
			return false
		}
		var m struct{ Line string }
		if r.Type == "exec" && ssh.Unmarshal(r.Payload, &m) != nil {
			return false
		}
		*started = true
		p.start = func() { p.run(r.Type == "shell", m.Line) }
		return true
	}
	return false
}

func (p *process) resize(w, h int) {
	p.s.mu.Lock()
	p.s.sizes = append(p.s.sizes, Size{w, h})
	p.s.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size = Size{w, h}
	if p.pty != nil {
		setSize(p.pty, p.size)
	}
}

func (p *process) run(shell bool, line string) {
	defer close(p.done)
	if p.agent {
		p.readAgent()
	}
	if p.s.o.Exec != nil {
		if status, ok := p.s.o.Exec(line, p.ch); ok {
			p.exit(status)
			return
		}
	}
	program := p.s.o.Shell
	if program == "" {
		program = "/bin/sh"
	}
	cmd := exec.Command(program)
	if !shell {
		cmd = exec.Command(program, "-c", line)
	}
	cmd.Dir = p.s.Home
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "HOME=") || strings.HasPrefix(e, "TERM=")
	}), "HOME="+p.s.Home, "PS1=$ ", "SHELL="+program)
	if p.term != "" {
		cmd.Env = append(cmd.Env, "TERM="+p.term)
	}
	cmd.Env = append(append(cmd.Env, p.env...), p.s.o.Env...)
	err := p.runCommand(cmd)
	if err == nil {
		p.exit(0)
		return
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		fmt.Fprintln(p.ch.Stderr(), err)
		p.exit(127)
		return
	}
	if name := signalOf(exit); name != "" {
		_, _ = p.ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Name string
			Core bool
			Msg  string
			Lang string
		}{Name: name}))
		return
	}
	p.exit(exit.ExitCode())
}

func (p *process) exit(status int) {
	if p.s.o.Stall == StallStatus {
		return
	}
	_, _ = p.ch.SendRequest("exit-status", false, binary.BigEndian.AppendUint32(nil, uint32(status))) //nolint:gosec // small
}

// runPipes runs cmd with its streams on the channel.
func (p *process) runPipes(cmd *exec.Cmd) error {
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = p.ch, p.ch.Stderr()
	// What a command left behind may keep the pipes open.
	cmd.WaitDelay = time.Second
	p.mu.Lock()
	err = cmd.Start()
	p.cmd = cmd
	p.mu.Unlock()
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(in, p.ch)
		in.Close()
	}()
	err = cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	return err
}

// readAgent asks the forwarded agent for its keys.
func (p *process) readAgent() {
	ch, reqs, err := p.sc.OpenChannel("auth-agent@openssh.com", nil)
	if err == nil {
		go ssh.DiscardRequests(reqs)
		defer ch.Close()
		var keys []*agent.Key
		if keys, err = agent.NewClient(ch).List(); err == nil {
			p.s.mu.Lock()
			p.s.keys = keys
			p.s.mu.Unlock()
		}
	}
	if err != nil {
		p.s.mu.Lock()
		p.s.agentErr = err
		p.s.mu.Unlock()
	}
}
