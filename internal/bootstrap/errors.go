package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/bootstrap/posix"
	"github.com/galleyhq/galley/internal/text"
)

// UnreachableError says that no SSH connection came about: nothing answered,
// or what answered did not get as far as to show a host key.
type UnreachableError struct {
	// Addr is host:port; Via is the gateway or proxy on the way, "" for none.
	Addr, Via string
	// Reason is the cause in a few words: "connection refused".
	Reason string
	// Waited is how long it was tried, zero for a single attempt.
	Waited time.Duration
	Err    error
}

func (e *UnreachableError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cannot reach SSH on %s", e.Addr)
	if e.Via != "" {
		fmt.Fprintf(&b, " through %s", e.Via)
	}
	if e.Waited > 0 {
		fmt.Fprintf(&b, " after trying for %s", e.Waited.Round(time.Second))
	}
	fmt.Fprintf(&b, ": %s", e.Reason)
	return b.String()
}

func (e *UnreachableError) Unwrap() error { return e.Err }

func (e *UnreachableError) afterWaiting(d time.Duration) error {
	out := *e
	out.Waited = d
	return &out
}

// Hint says what to look at next.
func (e *UnreachableError) Hint() string {
	var proxy *proxyError
	switch {
	case errors.As(e.Err, &proxy):
		return proxy.Hint()
	case strings.Contains(e.Reason, "refused"):
		return "the machine answers but no SSH server listens there: it may still be booting, or listen on another port (transport: port)"
	case strings.HasPrefix(e.Reason, reasonForeign):
		return "another service listens there: check the address and the port (transport: port)"
	case e.Via != "":
		return "check that the gateway or proxy is up and may open connections to that address, and that a security group lets it in"
	case strings.Contains(e.Reason, "no answer"), strings.Contains(e.Reason, "no route"), strings.Contains(e.Reason, "unreachable"):
		return "check that a security group lets this machine in on that port, that the address can be reached from here (floating_ip_pool, ssh_gateway), and that the machine has booted"
	case strings.Contains(e.Reason, reasonBusy):
		return "too many logins at once for it, or from here: wait a while, start fewer (--concurrency), or raise MaxStartups and PerSourcePenalties in its sshd_config"
	case e.Reason == reasonNoHost:
		return "the name does not resolve here; use an address, or set hostname in ~/.ssh/config"
	}
	return "look at the machine's console log"
}

// AlgorithmError says that the SSH server and this client have no algorithm of
// some kind in common.
type AlgorithmError struct {
	// Addr is host:port; Via is the gateway or proxy on the way, "" for none.
	Addr, Via string
	// What is the kind, as "key exchange" or "host key".
	What string
	// Server and Client are what each side offers.
	Server, Client []string
	Err            error
}

func (e *AlgorithmError) Error() string {
	return fmt.Sprintf("the SSH server on %s offers no %s algorithm that Galley has; it offers %s",
		e.Addr, e.What, text.CleanLine(strings.Join(e.Server, ", ")))
}

func (e *AlgorithmError) Unwrap() error { return e.Err }

// Hint names what to allow on the server.
func (e *AlgorithmError) Hint() string {
	option := map[string]string{"key exchange": "KexAlgorithms", "host key": "HostKeyAlgorithms", "cipher": "Ciphers", "MAC": "MACs"}[e.What]
	if option == "" {
		return "allow one of " + text.And(e.Client) + " on the server"
	}
	return "add one of these to " + option + " in the server's sshd_config: " + strings.Join(e.Client, ", ")
}

// AuthError says that the machine accepted none of the keys and passwords offered.
type AuthError struct {
	User, Addr string
	// Offered lists the attempts, for messages: "key ~/.ssh/id_rsa", "password".
	Offered []string
	// Allowed lists the methods that the server would take, where it said so.
	Allowed []string
	// Suggest is another user name that the machine itself asked for, or "".
	Suggest string
	// Banner is what the server said while logging in, cut short.
	Banner string
	// Sealed is a key file that could not be offered, "" for none: it is
	// encrypted, and a terminal is missing to ask for its passphrase.
	Sealed string
	// Waited is how long it was tried, zero for a single attempt.
	Waited time.Duration
	Err    error
}

func (e *AuthError) Error() string {
	if e.Suggest != "" {
		return fmt.Sprintf("%s does not let user %q log in and asks for user %q instead", e.Addr, e.User, e.Suggest)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "cannot log in to %s as user %q", e.Addr, e.User)
	if e.Waited > 0 {
		fmt.Fprintf(&b, " after trying for %s", e.Waited.Round(time.Second))
	}
	switch {
	case len(e.Offered) > 0:
		offered := e.Offered
		if n := len(offered) - mostOffered; n > 1 {
			offered = append(slices.Clone(offered[:mostOffered]), fmt.Sprintf("%d more", n))
		}
		fmt.Fprintf(&b, ": refused %s", strings.Join(offered, ", "))
		if len(e.Allowed) > 0 {
			fmt.Fprintf(&b, "; the server takes %s", strings.Join(e.Allowed, ", "))
		}
	case len(e.Allowed) > 0:
		fmt.Fprintf(&b, ": the server takes %s, and there is nothing of that kind to offer", strings.Join(e.Allowed, ", "))
	default:
		b.WriteString(": there is no key or password to offer")
	}
	if e.Sealed != "" {
		fmt.Fprintf(&b, "; the key %s is encrypted, and there is no terminal to ask for its passphrase", e.Sealed)
	}
	if e.Banner != "" {
		fmt.Fprintf(&b, "; it says %q", e.Banner)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, " (%v)", e.Err)
	}
	return b.String()
}

func (e *AuthError) Unwrap() error { return e.Err }

func (e *AuthError) afterWaiting(d time.Duration) error {
	out := *e
	out.Waited = d
	return &out
}

// mostOffered is how many refused attempts are listed.
const mostOffered = 4

// Hint names the users of common images.
func (e *AuthError) Hint() string {
	if e.Suggest != "" {
		return "log in as " + e.Suggest + ": username in the transport section, or -U"
	}
	if e.Err != nil && strings.Contains(strings.ToLower(e.Err.Error()), "too many authentication failures") {
		return "the server lost patience before the right key had its turn; name that key (ssh_key in the transport section, or -i)"
	}
	if e.Sealed != "" {
		return "none of the agent's keys (ssh-add -l) was accepted: add this one with ssh-add " + posix.Quote(e.Sealed) +
			", or check that the machine knows it"
	}
	if len(e.Offered) == 0 {
		return "name a key (ssh_key in the transport section, or -i), start an agent (ssh-add -l lists its keys), or set a password"
	}
	return "cloud images have their own user: ubuntu, debian, centos, cloud-user (RHEL), fedora, rocky, almalinux, opensuse, ec2-user, core, freebsd, alpine; " +
		"log in as that (username in the transport section, or -U), and check that the key pair and the private key are halves of the same key"
}

// HostKeyProblem is a problem of a host key.
type HostKeyProblem string

// The problems of host keys.
const (
	// HostKeyChanged: another key than the one seen before.
	HostKeyChanged HostKeyProblem = "changed"
	// HostKeyForeign: not among the keys that the machine's console shows.
	HostKeyForeign HostKeyProblem = "foreign"
	// HostKeyRevoked: marked as revoked in known_hosts.
	HostKeyRevoked HostKeyProblem = "revoked"
	// HostKeyUnknown: nobody knows it, and it was not to be taken.
	HostKeyUnknown HostKeyProblem = "unknown"
)

// HostKeyError says that what answered is not the machine that is meant, or
// cannot prove it.
type HostKeyError struct {
	Addr    string
	Problem HostKeyProblem
	// Got is the key's type and fingerprint, Want those that would have been
	// right.
	Got  string
	Want []string
	// Where says where Want comes from.
	Where string
}

func (e *HostKeyError) Error() string {
	want := strings.Join(e.Want, ", ")
	switch e.Problem {
	case HostKeyForeign:
		return fmt.Sprintf("the host key of %s (%s) is not one that %s shows (%s): something else may be answering on that address", e.Addr, e.Got, e.Where, want)
	case HostKeyRevoked:
		return fmt.Sprintf("the host key of %s (%s) is revoked in %s", e.Addr, e.Got, e.Where)
	case HostKeyUnknown:
		return fmt.Sprintf("the host key of %s (%s) is not known", e.Addr, e.Got)
	}
	return fmt.Sprintf("the host key of %s has changed: it is %s, but %s has %s", e.Addr, e.Got, e.Where, want)
}

// Hint says how to go on if the change is meant.
func (e *HostKeyError) Hint() string {
	if e.Problem == HostKeyUnknown {
		return "compare it with what the machine's console shows, then log in once with ssh, or take it with --ssh-verify-host-key accept_new"
	}
	if strings.Contains(e.Where, "known_hosts") {
		return "if the change is meant: ssh-keygen -R " + hostOnly(e.Addr)
	}
	return "if the machine was rebuilt on purpose, destroy and create the instance, or run once with --no-host-key-verify; otherwise do not go on"
}

func hostOnly(addr string) string {
	h, p, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if p != "22" {
		return "[" + h + "]:" + p
	}
	return h
}

// SessionError says that the login worked but no command could be run.
type SessionError struct {
	User, Addr string
	// Reason is the cause in a few words, Output what the machine wrote.
	Reason, Output string
	Waited         time.Duration
	Err            error
}

func (e *SessionError) Error() string {
	s := fmt.Sprintf("logged in to %s as %q, but no command can be run", e.Addr, e.User)
	if e.Waited > 0 {
		s += " after trying for " + e.Waited.Round(time.Second).String()
	}
	s += ": " + e.Reason
	if e.Output != "" {
		s += fmt.Sprintf("; the machine wrote %q", e.Output)
	}
	return s
}

func (e *SessionError) Unwrap() error { return e.Err }

func (e *SessionError) afterWaiting(d time.Duration) error {
	out := *e
	out.Waited = d
	return &out
}

// Hint says where to look.
func (e *SessionError) Hint() string {
	return "the account may have no login shell, a forced command, or a startup file (.bashrc) that ends or replaces the shell; try `ssh` with a command"
}

// LostError says that a connection ended while it was needed, so that the end
// of a step under way was not seen.
type LostError struct {
	Addr string
	// During names that step: "running a command".
	During string
	Err    error
}

func (e *LostError) Error() string {
	s := fmt.Sprintf("the connection to %s was lost while %s", e.Addr, e.During)
	if e.Err != nil && !errors.Is(e.Err, io.EOF) {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *LostError) Unwrap() error { return e.Err }

// Hint says that it may be tried again.
func (e *LostError) Hint() string {
	return "the machine may have rebooted or the network failed; running the same action again takes up where it was"
}

// ConfigError says that the settings do not allow an attempt to connect.
type ConfigError struct {
	Msg, Advice string
	Err         error
	// sealed is the encrypted key file that nobody can open, "" for another
	// failure.
	sealed string
}

func (e *ConfigError) Error() string { return e.Msg }
func (e *ConfigError) Unwrap() error { return e.Err }

// Hint is the advice, or "".
func (e *ConfigError) Hint() string { return e.Advice }

const (
	reasonNoHost = "no such host"
	// reasonForeign is the beginning of the error about another service.
	reasonForeign = "what answers is not an SSH server"
	reasonBusy    = "the SSH server turns connections away for a while"
)

// reason puts a network error in a few words.
func reason(err error) string {
	var open *ssh.OpenChannelError
	var dns *net.DNSError
	var ne net.Error
	var proxy *proxyError
	switch {
	case err == nil:
		return "unknown"
	case errors.As(err, &proxy):
		return proxy.Error()
	case errors.As(err, &open):
		msg := strings.ToLower(text.CleanLine(open.Message))
		if open.Reason == ssh.Prohibited {
			return "the gateway does not allow forwarding (" + msg + ")"
		}
		if msg == "" || msg == "open failed" {
			msg = "connection failed"
		}
		return msg
	case errors.As(err, &dns):
		if dns.IsNotFound {
			return reasonNoHost
		}
		return "the name could not be resolved (" + dns.Err + ")"
	case errors.Is(err, syscall.ECONNREFUSED), windowsErrno(err, 10061):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), windowsErrno(err, 10054):
		return "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH), windowsErrno(err, 10065):
		return "no route to host"
	case errors.Is(err, syscall.ENETUNREACH), windowsErrno(err, 10051):
		return "network unreachable"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return "no answer"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return "the connection was closed before the SSH server said anything"
	}
	return text.CleanLine(strings.TrimPrefix(err.Error(), "ssh: "))
}

// windowsErrno reports a WSA error, which the syscall constants of Windows do
// not cover.
func windowsErrno(err error, n uintptr) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && uintptr(errno) == n
}
