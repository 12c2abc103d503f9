package node

import (
	"context"
	"fmt"
	"strings"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/install"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
)

// Reporter receives what happens; nil discards it.
type Reporter = bootstrap.Reporter

// Machine runs commands; *[bootstrap.Client] is one.
type Machine interface {
	Run(ctx context.Context, cmd bootstrap.Command) (int, error)
}

// Spec is a node as it is wanted. Names in parentheses are those of knife's
// options and of knife.rb.
type Spec struct {
	// Name is the name of node and client (-N).
	Name string
	// ServerURL is the Chef Server as the node reaches it (chef_server_url).
	ServerURL string
	// Environment is the node's, "" for the server's default (-E).
	Environment string
	// RunList is what the node runs (-r), in place of a policy.
	RunList []string
	// PolicyName and PolicyGroup are given together or not at all.
	PolicyName, PolicyGroup string
	// Attributes go into the node object and into first-boot.json
	// (-j, --json-attribute-file).
	Attributes map[string]any
	// Tags are the node's tags (--tags).
	Tags []string
	// Overwrite replaces a node and a client that have the name already.
	Overwrite bool

	// Hints are Ohai's, name to JSON (--hint).
	Hints map[string][]byte
	// TrustedCerts are certificates in PEM form by file name
	// (trusted_certs_dir).
	TrustedCerts map[string][]byte
	// ClientD are files by their slash-separated path below client.d
	// (client_d_dir).
	ClientD map[string][]byte
	// Secret is that of encrypted data bags (--secret, --secret-file).
	Secret secret.Text
	// ValidationClient and ValidationKey let the node register itself, the
	// legacy way (validation_client_name, validation_key). Without a key the
	// node gets one from Register.
	ValidationClient string
	ValidationKey    secret.Text
	// SSLVerifyMode is "peer", "none" or "" (--node-ssl-verify-mode).
	SSLVerifyMode string
	// VerifyAPICert is nil where nothing is said (--node-verify-api-cert).
	VerifyAPICert *bool
	// ChefLicense is "accept", "accept-no-persist", "accept-silent" or ""
	// (--chef-license).
	ChefLicense string
	// FIPS switches the client to FIPS mode (fips).
	FIPS bool
	// Proxy is the URL of the node's proxy, NoProxy the names it is not for;
	// both also hold for the installation (--bootstrap-proxy and its kin).
	Proxy, ProxyUser, NoProxy string
	ProxyPassword             secret.Text
	// ConfigLogLevel and LogLocation go into client.rb (config_log_level,
	// config_log_location); "" is the client's own level, and standard output.
	ConfigLogLevel, LogLocation string
	// FileCachePath and FileBackupPath go into client.rb
	// (unix_bootstrap_file_cache_path, unix_bootstrap_file_backup_path); "" is
	// below /var/chef or /var/cinc.
	FileCachePath, FileBackupPath string

	// LogLevel is that of the first run: "debug" (-VV), "trace" (-VVV) or "".
	LogLevel string
	// Color lets the client colour its output.
	Color bool

	// Install says which client, and where from (--bootstrap-version,
	// --channel, --bootstrap-product, --bootstrap-url and their kin).
	Install install.Request
	// PreinstallCommand is run before anything else, InstallCommand in place
	// of the installation; both are shell code, run as root.
	PreinstallCommand, InstallCommand string
	// ClientPath is the client on the machine (chef_client_path), "" to look
	// for it.
	ClientPath string
	// Template renders a script of the user's own, which then does all that
	// Bootstrap does on the machine (--bootstrap-template); nil is none.
	Template func(Values) ([]byte, error)

	// Elevate says how to become root.
	Elevate Elevation
}

// Elevation says how a login user becomes root. The zero value is sudo without
// a password, for users other than root.
type Elevation struct {
	// Sudo uses sudo for root as well (--sudo).
	Sudo bool
	// Password answers sudo where it asks (--use-sudo-password).
	Password secret.Text
	// PreserveHome keeps the login user's HOME (--sudo-preserve-home).
	PreserveHome bool
	// SuUser is the user to become by su, "" for no su (--su-user).
	SuUser     string
	SuPassword secret.Text
}

// Values are what a script of the user's own is made from, by the names that
// knife's templates know (knife: bootstrap_context.rb).
type Values struct {
	Spec Spec
	// ClientKey is the node's private key, "" in the legacy way.
	ClientKey secret.Text
	// ConfigContent is client.rb, FirstBoot first-boot.json's content.
	ConfigContent string
	FirstBoot     map[string]any
	// StartChef is the command of the first run.
	StartChef string
	// TrustedCerts and ClientD are shell code that writes those files, "" for
	// none.
	TrustedCerts, ClientD string
}

// SpecError tells that a node cannot be what a Spec says.
type SpecError struct{ Msg, Advice string }

func (e *SpecError) Error() string { return e.Msg }

// Hint tells what to give instead.
func (e *SpecError) Hint() string { return e.Advice }

// nodeName is what a Chef Server takes for the name of a node and a client.
var nodeName = text.Lazy(`^[A-Za-z0-9_.:-]+$`)

// plain is what names on the machine may consist of.
var plain = text.Lazy(`^[A-Za-z0-9_+@-][A-Za-z0-9_.+@-]*$`)

// Validate returns a *[SpecError] where the parts of s do not go together.
// Nothing is asked of anybody. [Register] and [Bootstrap] begin with it.
func (s *Spec) Validate() error {
	bad := func(advice, format string, args ...any) error {
		return &SpecError{fmt.Sprintf(format, args...), advice}
	}
	switch {
	case s.Name == "":
		return bad("give one with -N NAME", "the node has no name")
	case !nodeName().MatchString(s.Name):
		return bad("letters, digits and the characters . _ : - make a name", "%q is not a valid node name", s.Name)
	case s.ServerURL == "":
		return bad("write chef_server_url into knife.rb or credentials, or give -s URL", "no Chef Server is named")
	case strings.ContainsAny(s.ServerURL+s.Proxy+s.ProxyUser+s.NoProxy+s.Environment+s.PolicyName+s.PolicyGroup+s.ValidationClient+s.LogLocation+s.FileCachePath+s.FileBackupPath, "\n\r\x00"):
		return bad("", "a setting of the node has a line break in it")
	case (s.PolicyName == "") != (s.PolicyGroup == ""):
		return bad("give both, or a run list", "--policy-name and --policy-group must be given together")
	case s.PolicyName != "" && len(s.RunList) > 0:
		return bad("a policy has its own run list; leave out one of them", "a policy and a run list (-r) exclude each other")
	case s.SSLVerifyMode != "" && s.SSLVerifyMode != "peer" && s.SSLVerifyMode != "none":
		return bad("", "%q is no --node-ssl-verify-mode: it is peer or none", s.SSLVerifyMode)
	case s.LogLevel != "" && !plain().MatchString(s.LogLevel), s.ConfigLogLevel != "" && !plain().MatchString(s.ConfigLogLevel):
		return bad("debug, info, warn, error and fatal are", "%q is not a log level", s.LogLevel+s.ConfigLogLevel)
	}
	switch s.ChefLicense {
	case "", "accept", "accept-no-persist", "accept-silent":
	default:
		return bad("", "%q is no --chef-license: it is accept, accept-no-persist or accept-silent", s.ChefLicense)
	}
	return s.validateFiles()
}

func (s *Spec) validateFiles() error {
	for name := range s.Hints {
		if !plain().MatchString(name) {
			return &SpecError{Msg: fmt.Sprintf("%q is not a valid name of a hint", name)}
		}
	}
	for name := range s.TrustedCerts {
		if strings.ContainsAny(name, "/\n\x00") || name == "" || name == "." || name == ".." {
			return &SpecError{Msg: fmt.Sprintf("%q is not a valid name of a certificate's file", name)}
		}
	}
	for name := range s.ClientD {
		for part := range strings.SplitSeq(name, "/") {
			if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "\n\x00") {
				return &SpecError{Msg: fmt.Sprintf("%q is not a path below client.d", name)}
			}
		}
	}
	return nil
}
