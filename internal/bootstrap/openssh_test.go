//go:build unix

package bootstrap_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/posix"
	"github.com/galleyhq/galley/internal/testing/sshtest"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
)

// openSSH starts OpenSSH's own server, and skips the test where there is none.
// GALLEY_TEST_SSHD may name it.
func openSSH(t *testing.T, options string) (bootstrap.Config, []ssh.Signer) {
	t.Helper()
	c, keys, log, ended := startOpenSSH(t, options)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		select {
		case <-ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	client, err := bootstrap.Wait(ctx, c, bootstrap.WaitOptions{Timeout: time.Minute, Grace: -1})
	if err != nil {
		select {
		case <-ended:
			t.Skipf("sshd does not run here:\n%s", log.String())
		default:
		}
		t.Fatalf("%v\n%s", err, log.String())
	}
	client.Close()
	return c, keys
}

func startOpenSSH(t *testing.T, options string) (bootstrap.Config, []ssh.Signer, *lockedBuffer, <-chan struct{}) {
	t.Helper()
	sshd := os.Getenv("GALLEY_TEST_SSHD")
	for _, p := range []string{"/usr/sbin/sshd", "/usr/local/sbin/sshd"} {
		if _, err := os.Stat(p); sshd == "" && err == nil {
			sshd = p
		}
	}
	if sshd == "" {
		t.Skip("needs sshd (OpenSSH); GALLEY_TEST_SSHD may name it")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	keys := hostKeys(t)
	// The first value of an option counts.
	config := options + "ListenAddress 127.0.0.1\nStrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nAcceptEnv LANG LC_*\nAllowAgentForwarding yes\nAllowTcpForwarding yes\nMaxStartups 100\n"
	for i, k := range []any{rsaKey(t), ecKey(t)} {
		path := writeKey(t, k, "")
		config += "HostKey " + path + "\n"
		keys[i] = signer(t, k)
	}
	_, ed := sshtest.Key(t)
	config += "HostKey " + writeKey(t, ed, "") + "\n"
	keys[2] = signer(t, ed)
	_, mine := sshtest.Key(t)
	authorized := filepath.Join(dir, "authorized_keys")
	if err := os.WriteFile(authorized, ssh.MarshalAuthorizedKey(signer(t, mine).PublicKey()), 0o644); err != nil {
		t.Fatal(err)
	}
	config += "AuthorizedKeysFile " + authorized + "\n"
	file := filepath.Join(dir, "sshd_config")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t) // where another one takes it, sshd ends and the test is skipped
	cmd := exec.Command(sshd, "-D", "-e", "-f", file, "-p", fmt.Sprint(port))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var log lockedBuffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Skipf("sshd does not start: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("sshd:\n%s", log.String())
		}
	})
	c := bootstrap.Config{
		Hop:   bootstrap.Hop{Host: "127.0.0.1", Port: port, User: me.Username, Keys: []string{writeKey(t, mine, "")}, OnlyKeys: true},
		Agent: "none", Home: t.TempDir(), Report: newNotes(),
	}
	return c, keys, &log, ended
}

type lockedBuffer struct{ w bytes.Buffer }

func (b *lockedBuffer) Write(p []byte) (int, error) { return b.w.Write(p) }
func (b *lockedBuffer) String() string              { return b.w.String() }

func TestOpenSSH(t *testing.T) {
	cfg, _ := openSSH(t, "")
	t.Run("commands", func(t *testing.T) {
		client := dial(t, cfg)
		var out, errs strings.Builder
		status, err := client.Run(t.Context(), bootstrap.Command{Line: "cat; echo err >&2; exit 42", Stdin: strings.NewReader("in"), Stdout: &out, Stderr: &errs})
		if err != nil || status != 42 || out.String() != "in" || errs.String() != "err\n" {
			t.Errorf("got %d, %v, %q, %q", status, err, out.String(), errs.String())
		}
		if _, status := run(t, client, "kill -9 $$"); status != 137 {
			t.Errorf("killed: status %d", status)
		}
		if !client.Alive(t.Context(), 10*time.Second) {
			t.Error("not alive")
		}
		out.Reset()
		if _, err := client.Run(t.Context(), bootstrap.Command{Line: "test -t 0 && echo tty", Stdout: &out, TTY: true}); err != nil || strings.TrimSpace(out.String()) != "tty" {
			t.Errorf("got %q, %v", out.String(), err)
		}
	})
	t.Run("more at once than sshd allows", func(t *testing.T) {
		client := dial(t, cfg)
		errs := make(chan error, 30)
		for i := range cap(errs) {
			go func() {
				var out strings.Builder
				_, err := client.Run(t.Context(), bootstrap.Command{Line: fmt.Sprintf("echo %d", i), Stdout: &out})
				if err == nil && out.String() != fmt.Sprintln(i) {
					err = fmt.Errorf("got %q", out.String())
				}
				errs <- err
			}()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("cancel", func(t *testing.T) {
		client := dial(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		r, w := io.Pipe()
		pid := make(chan string, 1)
		go func() {
			line, _ := bufio.NewReader(r).ReadString('\n')
			pid <- strings.TrimSpace(line)
			cancel()
			_, _ = io.Copy(io.Discard, r)
		}()
		if _, err := client.Run(ctx, bootstrap.Command{Line: "echo $$; exec sleep 300", Stdout: w}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		w.Close()
		if out, _ := run(t, client, "for i in 1 2 3 4 5 6 7 8 9; do kill -0 "+<-pid+" 2>/dev/null || { echo gone; break; }; sleep 0.2; done"); out != "gone\n" {
			t.Error("the command goes on running")
		}
	})
	t.Run("files", func(t *testing.T) {
		client := dial(t, cfg)
		src, back := sampleTree(t), t.TempDir()
		if err := client.Download(t.Context(), src, back); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(list(t, src), list(t, back)); d != "" {
			t.Errorf("(-sent +back)\n%s", d)
		}
	})
	t.Run("a shell", func(t *testing.T) {
		client := dial(t, cfg)
		var out strings.Builder
		status, err := client.Shell(t.Context(), bootstrap.Terminal{
			In: strings.NewReader("stty size; exit 6\n"), Out: &out, Type: "vt100", Width: 77, Height: 22,
		})
		if err != nil || status != 6 || !strings.Contains(out.String(), "22 77") {
			t.Errorf("got %d, %v, %q", status, err, out.String())
		}
	})
}

func TestOpenSSHLogin(t *testing.T) {
	cfg, keys := openSSH(t, "")
	t.Run("host keys", func(t *testing.T) {
		for _, k := range keys {
			c := cfg
			c.HostKeys = &bootstrap.HostKeys{Source: source(line(k.PublicKey()))}
			dial(t, c)
		}
		c := cfg
		other, _ := sshtest.Key(t)
		c.HostKeys = &bootstrap.HostKeys{Source: source(line(other.PublicKey()))}
		_, err := bootstrap.Dial(t.Context(), c)
		var hk *bootstrap.HostKeyError
		if !errors.As(err, &hk) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("through itself", func(t *testing.T) {
		c := cfg
		c.Gateways = []bootstrap.Hop{cfg.Hop, cfg.Hop}
		run(t, dial(t, c), "true")
	})
	t.Run("an agent, forwarded", func(t *testing.T) {
		if _, err := exec.LookPath("ssh-add"); err != nil {
			t.Skip("needs ssh-add")
		}
		c := cfg
		_, ed := sshtest.Key(t)
		c.Agent, c.ForwardAgent = startAgent(t, &ed), true
		out, status := run(t, dial(t, c), "ssh-add -l")
		if status != 0 || !strings.Contains(out, ssh.FingerprintSHA256(signer(t, &ed).PublicKey())) {
			t.Errorf("got %d, %q", status, out)
		}
	})
	t.Run("a wrong key", func(t *testing.T) {
		c := cfg
		_, ed := sshtest.Key(t)
		c.Keys = []string{writeKey(t, ed, "")}
		_, err := bootstrap.Dial(t.Context(), c)
		var auth *bootstrap.AuthError
		if !errors.As(err, &auth) || !strings.Contains(err.Error(), "the server takes publickey") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("more keys than it has patience for", func(t *testing.T) {
		c := cfg
		var all []any
		for range 9 {
			_, k := sshtest.Key(t)
			all = append(all, &k)
		}
		data, err := os.ReadFile(cfg.Keys[0])
		if err != nil {
			t.Fatal(err)
		}
		raw, err := ssh.ParseRawPrivateKey(data)
		if err != nil {
			t.Fatal(err)
		}
		c.Agent, c.Keys, c.OnlyKeys = startAgent(t, append(all, raw)...), nil, false
		run(t, dial(t, c), "true")
	})
}

// Hardened servers offer few algorithms; those of the ssh client that x/crypto
// has are all offered.
func TestOpenSSHAlgorithms(t *testing.T) {
	for _, options := range []string{
		"KexAlgorithms diffie-hellman-group16-sha512,diffie-hellman-group18-sha512",
		"KexAlgorithms diffie-hellman-group-exchange-sha256",
		"KexAlgorithms diffie-hellman-group14-sha256",
		"KexAlgorithms ecdh-sha2-nistp521",
		"Ciphers aes256-ctr\nMACs hmac-sha2-512-etm@openssh.com",
		"Ciphers chacha20-poly1305@openssh.com",
		"Ciphers aes256-gcm@openssh.com\nHostKeyAlgorithms rsa-sha2-512",
	} {
		t.Run(options, func(t *testing.T) {
			cfg, _ := openSSH(t, options+"\n")
			run(t, dial(t, cfg), "true")
		})
	}
	for options, what := range map[string]string{
		"KexAlgorithms sntrup761x25519-sha512@openssh.com": "key exchange",
		"MACs umac-64@openssh.com\nCiphers aes128-ctr":     "MAC",
	} {
		t.Run(options, func(t *testing.T) {
			cfg, _, log, ended := startOpenSSH(t, options+"\n")
			_, err := bootstrap.Wait(t.Context(), cfg, bootstrap.WaitOptions{Timeout: 20 * time.Second})
			select {
			case <-ended:
				t.Skipf("sshd does not run here:\n%s", log.String())
			default:
			}
			var algo *bootstrap.AlgorithmError
			if !errors.As(err, &algo) || algo.What != what || algo.Hint() == "" {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOpenSSHWithoutTerminals(t *testing.T) {
	cfg, _ := openSSH(t, "PermitTTY no\n")
	client := dial(t, cfg)
	var out strings.Builder
	if status, err := client.Run(t.Context(), bootstrap.Command{Line: "echo ran", Stdout: &out, TTY: true}); err != nil || status != 0 || out.String() != "ran\n" {
		t.Errorf("%d, %v, %q", status, err, &out)
	}
}

func TestOpenSSHWithoutForwarding(t *testing.T) {
	cfg, _ := openSSH(t, "AllowTcpForwarding no\nMaxSessions 1\n")
	cfg.Gateways = []bootstrap.Hop{cfg.Hop}
	client, err := bootstrap.Dial(t.Context(), cfg)
	if err == nil {
		client.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "does not allow forwarding") {
		t.Errorf("got %v", err)
	}
	cfg.Gateways = nil
	cfg.MaxSessions = 1
	client = dial(t, cfg)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := client.Run(t.Context(), bootstrap.Command{Line: "true"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestOpenSSHClient uses ssh itself as the proxy command.
func TestOpenSSHClient(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Skip("needs ssh (OpenSSH)")
	}
	_, cfg := fixture(t, sshtest.Options{})
	gw, gcfg := fixture(t, sshtest.Options{})
	cfg.ProxyCommand = fmt.Sprintf("ssh -F none -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR -o IdentitiesOnly=yes -o IdentityAgent=none -i %s -p %d -W %%h:%%p tester@%s", gcfg.Keys[0], gw.Port, gw.Host)
	client := dial(t, cfg)
	if out, _ := run(t, client, "echo in"); out != "in\n" || gw.Forwards.Load() != 1 {
		t.Errorf("got %q", out)
	}
	client.Close()

	// The command line that we show works.
	args, err := bootstrap.CommandLine(bootstrap.Config{Hop: cfg.Hop, Agent: "none", Home: cfg.Home, Getenv: cfg.Getenv})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(args[0], append(args[1:], "echo shown")...) //nolint:gosec // a test
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK=")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "shown\n" {
		t.Errorf("%s: %q, %v", strings.Join(args, " "), out, err)
	}
}

// The locale reaches a command as ssh sends it, and nothing else does.
func TestEnvironmentOfACommand(t *testing.T) {
	cfg, _ := openSSH(t, "")
	here := map[string]string{"LANG": "C.UTF-8", "LC_MONETARY": "POSIX", "LC_SECRET": "x", "TOKEN": "x"}
	cfg.Getenv, cfg.Locale = func(name string) string { return here[name] }, true
	client := dial(t, cfg)
	for _, line := range []string{posix.Script("env"), posix.Login("env", "")} {
		var out bytes.Buffer
		if status, err := client.Run(t.Context(), bootstrap.Command{Line: line, Stdout: &out}); status != 0 || err != nil {
			t.Fatal(status, err)
		}
		env := "\n" + out.String()
		for _, want := range []string{"\nLANG=C.UTF-8\n", "\nLC_MONETARY=POSIX\n"} {
			if !strings.Contains(env, want) {
				t.Errorf("%q is missing in%s", want, env)
			}
		}
		for _, other := range []string{posix.RunVariable, "LC_SECRET", "TOKEN="} {
			if strings.Contains(env, other) {
				t.Errorf("%s is in%s", other, env)
			}
		}
	}
}

func TestErrorOfManyRefusedKeysIsShort(t *testing.T) {
	e := &bootstrap.AuthError{User: "kim", Addr: "h:22", Offered: []string{"a", "b", "c", "d", "e", "f"}}
	if got := e.Error(); !strings.Contains(got, "refused a, b, c, d, 2 more") {
		t.Error(got)
	}
}
