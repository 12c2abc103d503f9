package external

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mvdan.cc/sh/v3/shell"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/kitchen"
)

// Options is what the provisioner needs beside its section.
type Options struct {
	base.Options
	// Version is the host's version, for the provider.
	Version string
	// Transport, Driver and Verifier are the names of the instance's plug-ins.
	Transport, Driver, Verifier string
}

// Variables that carry the transport's secrets to a provider.
const (
	passwordVariable = "KITCHEN_TRANSPORT_PASSWORD"
	keyVariable      = "KITCHEN_TRANSPORT_SSH_KEY"
)

// hostKeys are the keys of the section that are the host's own; all others go
// to the provider as they are (Test Kitchen: INTERNAL_CONFIG_KEYS).
var hostKeys = []string{"name", "command", "provider", "pass_env", "timeout"}

// alwaysPassed are the variables that a program needs to run at all; others
// reach a provider only when pass_env names them.
var alwaysPassed = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "SSH_AUTH_SOCK",
	"SYSTEMROOT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP", "TMP",
	"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
}

// Provisioner converges an instance by an external provider.
type Provisioner struct {
	o        Options
	command  string
	words    []string
	provider string
	passEnv  []string
	timeout  time.Duration
	config   map[string]any
}

var (
	_ kitchen.Provisioner = (*Provisioner)(nil)
	_ kitchen.Checker     = (*Provisioner)(nil)
)

// New reads the section of an external provisioner (Test Kitchen 4.1):
//   - command: the provider, with arguments; needed;
//   - provider: its name, under which its state is kept; default the command's
//     name without "kitchen-provider-";
//   - pass_env: the variables that it may see beside those that every program
//     needs;
//   - timeout: seconds for one operation, default 7200 (Galley's own).
//
// All other keys are the provider's and are sent to it. A key whose name says
// that it is secret is refused, since the protocol keeps secrets out of JSON.
func New(section config.Section, o Options) (*Provisioner, error) {
	r := &config.Reader{Section: section}
	p := &Provisioner{
		o: o, command: r.Text("command", ""), timeout: r.Time("timeout", 2*time.Hour),
		passEnv: append([]string{}, r.List("pass_env")...), // never nil: it is sent as a list
	}
	var err error
	if p.words, err = shell.Fields(p.command, o.Getenv); err != nil {
		return nil, fmt.Errorf("%s: the provider's command %q: %w", section.Where("command"), p.command, err)
	}
	if len(p.words) == 0 {
		return nil, &base.UnsupportedError{
			What: "provisioner external", Why: "no command is named",
			Advice: "set provisioner.command to the provider's program, as in `command: galley provider chef`",
		}
	}
	p.provider = r.Text("provider", strings.TrimPrefix(filepath.Base(p.words[0]), "kitchen-provider-"))
	data, _ := section.Data().(map[string]any)
	p.config = maps.Clone(data)
	maps.DeleteFunc(p.config, func(k string, _ any) bool { return slices.Contains(hostKeys, k) })
	if key := secretKey(p.config); key != "" {
		return nil, &base.UnsupportedError{
			What: section.Where(key) + ": provisioner." + key, Why: "the external provider protocol has no secrets in its JSON",
			Advice: "put the value into an environment variable and name that in pass_env",
		}
	}
	return p, r.Err()
}

// secretKey returns a key of the data that holds a secret, "" when none does.
func secretKey(data map[string]any) string {
	for _, k := range slices.Sorted(maps.Keys(data)) {
		if v, ok := data[k].(map[string]any); ok {
			if inner := secretKey(v); inner != "" {
				return k + "." + inner
			}
			continue
		}
		if secret.IsName(k) && data[k] != nil && data[k] != "" {
			return k
		}
	}
	return ""
}

// Check implements [kitchen.Checker].
func (p *Provisioner) Check(_ context.Context, _ *kitchen.Step) []string {
	if strings.ContainsRune(p.words[0], filepath.Separator) || p.o.LookPath(p.words[0]) != "" {
		return nil
	}
	return []string{fmt.Sprintf("The external provider %s is not on the PATH.", p.words[0])}
}

// Converge implements [kitchen.Provisioner].
func (p *Provisioner) Converge(ctx context.Context, step *kitchen.Step, _ kitchen.Conn) error {
	c := &call{Provisioner: p, step: step}
	if err := c.login(); err != nil {
		return err
	}
	if err := c.capabilities(ctx); err != nil {
		return err
	}
	if err := c.validate(ctx); err != nil {
		return err
	}
	return c.run(ctx)
}

// call is one converge of one instance.
type call struct {
	*Provisioner
	step      *kitchen.Step
	transport Transport
	// reserved are the variables with the transport's secrets.
	reserved []string
	redactor secret.Redactor
}

// login finds out how the machine is reached.
func (c *call) login() error {
	c.transport = Transport{Name: c.o.Transport, Type: "custom", Target: Target{Kind: "custom"}, Config: map[string]any{}}
	for _, name := range c.passEnv {
		if v := c.o.Getenv(name); v != "" {
			c.redactor.Add(v)
		}
	}
	if c.o.Login == nil || c.o.Transport != "ssh" {
		return nil
	}
	l, err := c.o.Login(c.step.State)
	if err != nil {
		return err
	}
	t := &c.transport
	t.Type = "ssh"
	t.Target = Target{Kind: "machine", Hostname: l.Host, Platform: c.o.Platform}
	t.Config["username"], t.Config["port"] = l.User, cmp.Or(l.Port, 22)
	optional := map[string]any{"proxy_command": l.ProxyCommand, "gateway": l.Gateway}
	if l.Gateway != "" {
		optional["gateway_port"], optional["gateway_username"] = l.GatewayPort, l.GatewayUser
	}
	for key, value := range optional {
		if value != "" && value != 0 {
			t.Config[key] = value
		}
	}
	t.Secrets = map[string]string{}
	if l.Password != "" {
		c.reserve(passwordVariable, l.Password)
		t.Secrets["password"] = passwordVariable
	}
	if len(l.Keys) > 0 {
		key, err := os.ReadFile(l.Keys[0])
		if err != nil {
			return fmt.Errorf("reading the private key for the external provider: %w", err)
		}
		c.reserve(keyVariable, string(key))
		t.Secrets["private_key"] = keyVariable
	}
	return nil
}

func (c *call) reserve(name, value string) {
	c.reserved = append(c.reserved, name+"="+value)
	c.redactor.Add(value)
}

// capabilities asks whether the provider can do the requested work.
func (c *call) capabilities(ctx context.Context) error {
	var caps Capabilities
	if err := c.ask(ctx, OpCapabilities, struct{}{}, &caps); err != nil {
		return err
	}
	for _, op := range []string{OpValidate, OpRun} {
		if !slices.Contains(caps.Commands, op) {
			return c.breach(OpCapabilities, "does not support the operation "+op, nil)
		}
	}
	if !slices.Contains(caps.Transports, c.transport.Type) {
		return c.breach(OpCapabilities, fmt.Sprintf("does not support the transport %s, only %s", c.transport.Type, strings.Join(caps.Transports, ", ")), nil)
	}
	return nil
}

func (c *call) validate(ctx context.Context) error {
	var v Validation
	if err := c.ask(ctx, OpValidate, c.request(OpValidate), &v); err != nil {
		return err
	}
	for _, w := range v.Warnings {
		c.step.Report.Warn("%s: %s", c.provider, c.redactor.Clean(w.Message))
	}
	if v.Status == "ok" {
		return nil
	}
	var texts []string
	for _, m := range v.Errors {
		texts = append(texts, c.redactor.Clean(m.Message))
	}
	return fmt.Errorf("the external provider %s refuses instance <%s>: %s", c.provider, c.o.Instance, cmp.Or(strings.Join(texts, "; "), noReason))
}

func (c *call) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &reader{handle: c.handle, failed: cancel}
	err := c.invoke(ctx, OpRun, c.request(OpRun), r)
	result, broken := r.finish()
	var status *base.CommandError
	switch {
	case errors.As(err, &status):
		return c.breach(OpRun, fmt.Sprintf("ended with status %d", status.Status), status.Tail)
	case broken != nil && (err == nil || r.err != nil && errors.Is(err, context.Canceled)):
		return c.breach(OpRun, broken.Error(), nil)
	case err != nil:
		return err
	}
	return c.finish(result)
}

// handle shows an event of the provider.
func (c *call) handle(e Event) {
	message := c.redactor.Clean(e.Message)
	report := c.step.Report
	switch {
	case e.Type == "progress" && e.Stage != "":
		report.Info("[%s] %s", e.Stage, message)
	case e.Type == "progress" || e.Level == "info":
		report.Info("%s", message)
	case e.Level == "debug":
		report.Debug("%s", message)
	case e.Level == "warn":
		report.Warn("%s", message)
	default:
		report.Error("%s", message)
	}
}

// finish acts on the result: it keeps the provider's state and returns its
// failure.
func (c *call) finish(result *Event) error {
	if result.State != nil && result.State.Provider != nil {
		text, err := json.Marshal(result.State.Provider)
		if err != nil {
			return err
		}
		if c.redactor.Clean(string(text)) != string(text) {
			return c.breach(OpRun, "returned a state that holds a secret, which is not saved", nil)
		}
		all, _ := c.step.State.Get("providers").(map[string]any)
		all = maps.Clone(all)
		if all == nil {
			all = map[string]any{}
		}
		all[c.provider] = result.State.Provider
		c.step.State.Set("providers", all)
	}
	if result.Status != "failed" {
		return nil
	}
	return fmt.Errorf("the external provider %s failed: %s", c.provider, cmp.Or(c.redactor.Clean(result.Message), noReason))
}

const noReason = "it gives no reason"

// ask runs an operation whose answer is one JSON document.
func (c *call) ask(ctx context.Context, op string, request any, answer interface{ version() string }) error {
	var out limited
	err := c.invoke(ctx, op, request, &out)
	var status *base.CommandError
	switch {
	case errors.As(err, &status):
		return c.breach(op, fmt.Sprintf("ended with status %d", status.Status), status.Tail)
	case err != nil:
		return err
	case out.cut:
		return c.breach(op, fmt.Sprintf("answered with more than %d bytes", maxDocument), nil)
	}
	if err := json.Unmarshal(out.kept.Bytes(), answer); err != nil {
		return c.breach(op, fmt.Sprintf("did not answer with JSON (%v)", err), nil)
	}
	if spoken := answer.version(); spoken != Version {
		return c.breach(op, fmt.Sprintf("speaks version %q of the protocol, and Galley %s", spoken, Version), nil)
	}
	return nil
}

// limited keeps the first bytes of its input.
type limited struct {
	kept bytes.Buffer
	cut  bool
}

func (l *limited) Write(p []byte) (int, error) {
	room := min(len(p), maxDocument-l.kept.Len())
	l.cut = l.cut || room < len(p)
	l.kept.Write(p[:room])
	return len(p), nil
}

func (c *call) invoke(ctx context.Context, op string, request any, stdout io.Writer) error {
	in, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("the settings for the external provider %s cannot be sent as JSON: %w", c.provider, err)
	}
	o := c.o.Options
	o.Environ = c.environ()
	defer retry.Every(5*time.Second, func(since time.Time) {
		c.step.Report.Waiting("the external provider "+c.provider, op, since)
	})()
	err = o.RunLocal(ctx, c.step, base.Local{
		What: fmt.Sprintf("the external provider %q (%s)", c.command, op), Args: append(slices.Clone(c.words), op),
		Stdin: string(in), Stdout: stdout, Timeout: c.timeout,
	})
	if errors.Is(err, os.ErrNotExist) {
		return &base.UnsupportedError{
			What: fmt.Sprintf("provisioner.command %q", c.command), Why: "there is no such program",
			Advice: "install the provider, or correct provisioner.command",
		}
	}
	return err
}

// environ is the provider's environment.
func (c *call) environ() []string {
	var out []string
	for _, kv := range c.o.Environ {
		name, _, _ := strings.Cut(kv, "=")
		if slices.Contains(alwaysPassed, name) || slices.Contains(c.passEnv, name) {
			out = append(out, kv)
		}
	}
	return append(out, c.reserved...)
}

func (c *call) breach(op, problem string, stderr []string) error {
	e := &ProtocolError{Command: c.command, Operation: op, Problem: problem, Stderr: strings.TrimSpace(strings.Join(stderr, "\n"))}
	e.Problem, e.Stderr = c.redactor.Clean(e.Problem), c.redactor.Clean(e.Stderr)
	return e
}

func (c *call) request(op string) Request {
	state, _ := c.step.State.Get("providers").(map[string]any)
	own, _ := state[c.provider].(map[string]any)
	passed := slices.DeleteFunc(slices.Clone(c.passEnv), func(name string) bool { return c.o.Getenv(name) == "" })
	reserved := []string{}
	for _, kv := range c.reserved {
		name, _, _ := strings.Cut(kv, "=")
		reserved = append(reserved, name)
	}
	optional := func(key string) *string {
		if s := c.step.State.String(key); s != "" {
			return &s
		}
		return nil
	}
	return Request{
		ProtocolVersion: Version, Operation: op,
		Kitchen:  Kitchen{Version: c.o.Version, RootPath: c.o.Root},
		Instance: Instance{Name: c.o.Instance, LastAction: optional(kitchen.KeyLastAction), LastAttempted: optional(kitchen.KeyLastAttempted)},
		Platform: Platform{Name: c.o.Platform, OSType: c.o.OSType, ShellType: c.o.ShellType},
		Suite:    Suite{Name: c.o.Suite},
		Components: Components{
			Driver:      Component{Name: c.o.Driver, Config: map[string]any{}},
			Transport:   c.transport,
			Provisioner: Component{Name: "external", Provider: c.provider, Command: c.command, Config: c.config},
			Verifier:    &Component{Name: c.o.Verifier, Config: map[string]any{}},
		},
		Executor:    Executor{Model: "exec", Command: c.command, Input: "stdin", EventStream: "ndjson"},
		Environment: Environment{Passed: append(slices.Clone(passed), reserved...), Allowed: slices.Clone(c.passEnv), Reserved: reserved},
		State:       ProviderState{Provider: own},
	}
}
