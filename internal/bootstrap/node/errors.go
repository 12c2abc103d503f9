package node

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/install"
	"github.com/galleyhq/galley/internal/bootstrap/posix"
	"github.com/galleyhq/galley/internal/text"
)

// ElevationError tells that the login user does not become root.
type ElevationError struct {
	// How is "sudo" or "su".
	How string
	// Said is its output.
	Said string
	// Missing says that the machine does not have it, Given that a password
	// was at hand.
	Missing, Given bool
}

func (e *ElevationError) Error() string {
	if e.Missing {
		return "the login user is not root, and the machine has no " + e.How
	}
	msg := "the login user cannot become root by " + e.How
	if e.Said != "" {
		msg += ": " + strings.ReplaceAll(e.Said, "\n", "; ")
	}
	return msg
}

// Hint tells what to give.
func (e *ElevationError) Hint() string {
	switch why := posix.SudoRefusal(e.Said); {
	case e.Missing:
		return "log in as root (-U root), or become root by su (--su-user root --su-password PASSWORD)"
	case why == posix.NotAllowed:
		return "sudo does not know this user: log in as another (-U), or become root by su (--su-user root)"
	case e.Given:
		return "is the password right? --use-sudo-password takes that of -P, --su-user that of --su-password"
	case e.How == "su":
		return "give the password of the user to become: --su-password PASSWORD"
	case why != posix.NotRefused:
		return "give the password (--use-sudo-password -P PASSWORD), or let the user do without (NOPASSWD in sudoers)"
	}
	return "log in as root (-U root), or see why " + e.How + " refuses on the machine"
}

// ShellError tells that the login user's account runs no commands.
type ShellError struct {
	// Said is what came instead of the command's output.
	Said string
}

func (e *ShellError) Error() string {
	return fmt.Sprintf("the login works, but no command can be run; the machine wrote %q", e.Said)
}

// Hint names the causes.
func (e *ShellError) Hint() string { return (&bootstrap.SessionError{}).Hint() }

// CommandError tells that something ran on the machine and failed.
type CommandError struct {
	// What names it for a person, as "the first run of cinc-client".
	What   string
	Status int
	// Tail are the last lines it wrote.
	Tail []string
	// Advice is what to do next, may be empty.
	Advice string
}

// tailLines is how much of a failed command's output goes into the error:
// enough for a client's own summary.
const tailLines = 15

// failed is the error of a command that wrote output.
func failed(what string, status int, output []string) *CommandError {
	return &CommandError{What: what, Status: status, Tail: output[max(0, len(output)-tailLines):]}
}

func (e *CommandError) Error() string {
	msg := fmt.Sprintf("%s ended with exit status %d", e.What, e.Status)
	if len(e.Tail) > 0 {
		msg += "; the end of its output:\n  " + strings.Join(e.Tail, "\n  ")
	}
	return msg
}

// Hint tells what to do next.
func (e *CommandError) Hint() string { return e.Advice }

// LicenseError tells that Chef's licence has not been accepted.
type LicenseError struct{}

func (e *LicenseError) Error() string {
	return "cannot bootstrap with Chef Infra Client without accepting the Chef License"
}

// Hint tells how it is accepted.
func (e *LicenseError) Hint() string {
	return "give --chef-license accept (or set CHEF_LICENSE=accept), or take --bootstrap-product cinc, which has no such licence"
}

// InstallError tells that the client could not be installed.
type InstallError struct{ Err error }

func (e *InstallError) Error() string { return e.Err.Error() }
func (e *InstallError) Unwrap() error { return e.Err }

// Hint tells what to do about it, in knife's words.
func (e *InstallError) Hint() string {
	var exit *install.ExitError
	if !errors.As(e.Err, &exit) {
		var other interface{ Hint() string }
		if errors.As(e.Err, &other) {
			return other.Hint()
		}
		return ""
	}
	switch exit.Status {
	case 80:
		return "install curl, wget or python on the machine (--bootstrap-preinstall-command), or use an image with the client in it"
	case 81, 82:
		return "see whether --bootstrap-product, --bootstrap-version and --channel name something that exists for this system; --bootstrap-url or --bootstrap-install-command install it your own way"
	case 83:
		return "does the machine reach that address? --bootstrap-proxy, or --bootstrap-url and --omnitruck-url with a mirror, help where it does not"
	case 84:
		return "the package was changed on its way, as some proxies do: a mirror of your own (--omnitruck-url) helps"
	}
	return "the installer's output above tells more"
}

// NoClientError tells that a client is missing on the machine to run.
type NoClientError struct{ Looked []string }

func (e *NoClientError) Error() string {
	return "the machine has no client: there is neither cinc-client nor chef-client on its PATH or in " + strings.Join(e.Looked, ", ")
}

// Hint tells which options help.
func (e *NoClientError) Hint() string {
	return "let Galley install it (no --bootstrap-install-command), or say where it is by chef_client_path in knife.rb"
}

// signs are what a failed first run shows of its reason.
var signs = []struct {
	sign   func() *regexp.Regexp
	advice string
}{
	{
		text.Lazy(`(?i)certificate verify failed|SSL_connect|OpenSSL::SSL`),
		"the node does not trust the Chef Server's certificate: put it into trusted_certs_dir, or give --node-ssl-verify-mode none for a server that is only tried out",
	},
	{
		text.Lazy(`(?i)401 "?unauthorized|synchronize the clock|failed to authenticate`),
		"the Chef Server does not take the node's key: compare the machine's clock with the server's, then bootstrap again",
	},
	{
		text.Lazy(`(?i)error resolving cookbooks|missing cookbooks|404 "?not found|412 "?precondition failed`),
		"the run list, the policy or the environment names something that the Chef Server does not have: upload it, then bootstrap again",
	},
	{
		text.Lazy(`(?i)connection refused|failed to open tcp|getaddrinfo|name or service not known|host unreachable|execution expired`),
		"the node itself must reach the Chef Server: see chef_server_url (not localhost), its security groups, and --bootstrap-proxy",
	},
	{text.Lazy(`(?i)licen[sc]e.*accept|accept.*licen[sc]e`), (&LicenseError{}).Hint()},
}

// explainRun makes of a first run's status an error, nil for 0.
func explainRun(what string, status int, tail []string) error {
	if status == 0 {
		return nil
	}
	e := failed(what, status, tail)
	e.Advice = install.ExitAdvice(status, "run the client on it")
	switch {
	case e.Advice != "":
	case status == 126, status == 127:
		e.Advice = "the client cannot be run: chef_client_path in knife.rb says where it is"
	case status == 172:
		e.Advice = (&LicenseError{}).Hint()
	default:
		output := strings.Join(tail, "\n")
		for _, s := range signs {
			if s.sign().MatchString(output) {
				e.Advice = s.advice
				return e
			}
		}
		e.Advice = "the output above shows why; -VV shows more of it"
	}
	return e
}
