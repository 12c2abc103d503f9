package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/provisioner/chef"
	"github.com/galleyhq/galley/internal/provisioner/external"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/transport/ssh"
	"github.com/galleyhq/galley/kitchen"
)

// Chef is the provider. It is one of the Chef provisioners behind the protocol.
type Chef struct {
	// Kind is the provisioner: chef_infra, chef_solo, chef_apply or a cinc_
	// name.
	Kind string
	// Version is Galley's.
	Version string
	// Env is the environment of the process.
	Env *env.Env
	// Secrets receives what must not be in any event.
	Secrets *secret.Redactor
}

var _ external.Provider = (*Chef)(nil)

// Kinds are the names that [Chef.Kind] may have; "chef" is chef_infra.
var Kinds = []string{"chef", "chef_infra", "chef_zero", "chef_solo", "chef_apply", "cinc_infra", "cinc_zero", "cinc_solo", "cinc_apply"}

// Capabilities implements [external.Provider].
func (c *Chef) Capabilities() external.Capabilities {
	return external.NewCapabilities("galley", c.Version, "ssh")
}

// Validate implements [external.Provider].
func (c *Chef) Validate(ctx context.Context, r external.Request) (bad, warnings []external.Message) {
	report := func(list *[]external.Message, path, text string) {
		*list = append(*list, external.Message{Path: path, Message: text})
	}
	t := r.Components.Transport
	if t.Type != "ssh" {
		report(&bad, "/components/transport/type", fmt.Sprintf("galley provider reaches instances over ssh, not over %s", t.Type))
		return bad, warnings
	}
	if t.Target.Hostname == "" || t.Target.Hostname == "unknown" {
		report(&bad, "/components/transport/target/hostname", "the instance has no hostname: it has not been created")
	}
	if os := r.Platform.OSType; os != "" && os != "unix" {
		report(&bad, "/platform/os_type", fmt.Sprintf("galley provider converges unix instances, not %s", os))
	}
	j, err := c.job(r, nil)
	if err != nil {
		report(&bad, "/components/provisioner/config", err.Error())
		return bad, warnings
	}
	defer j.close()
	for _, complaint := range j.provisioner.Check(ctx, j.step) {
		report(&warnings, "/components/provisioner/config", complaint)
	}
	return bad, warnings
}

// Run implements [external.Provider].
func (c *Chef) Run(ctx context.Context, r external.Request, events *external.Events) (map[string]any, error) {
	j, err := c.job(r, events)
	if err != nil {
		return nil, err
	}
	defer j.close()
	events.Progress("connect", "Connecting to "+r.Components.Transport.Target.Hostname)
	if err := j.transport.Wait(ctx, j.step); err != nil {
		return nil, withHint(err)
	}
	conn, err := j.transport.Connect(ctx, j.step)
	if err != nil {
		return nil, withHint(err)
	}
	defer conn.Close()
	events.Progress("converge", "Converging "+r.Instance.Name)
	if err := j.provisioner.Converge(ctx, j.step, conn); err != nil {
		return nil, withHint(err)
	}
	return map[string]any{"galley_version": c.Version, "provisioner": c.kind()}, nil
}

// withHint puts an error's advice into its text: a host shows nothing else.
func withHint(err error) error {
	hint := kitchen.Hint(err)
	if hint == "" {
		return err
	}
	return &failure{err, hint}
}

type failure struct {
	err  error
	hint string
}

func (f *failure) Error() string { return f.err.Error() + " (" + f.hint + ")" }
func (f *failure) Unwrap() error { return f.err }

// ExitCode is the status of the command that failed, 1 where none did.
func (f *failure) ExitCode() int {
	var c *base.CommandError
	if errors.As(f.err, &c) {
		return c.Status
	}
	return 1
}

func (c *Chef) kind() string {
	if c.Kind == "chef" {
		return "chef_infra"
	}
	return c.Kind
}

// job is one request made ready.
type job struct {
	step        *kitchen.Step
	transport   *ssh.Transport
	provisioner *chef.Provisioner
	resolver    *chef.Resolver
	// keyFile is a temporary file with the private key, "" for none.
	keyFile string
}

func (j *job) close() {
	j.resolver.Close()
	if j.keyFile != "" {
		_ = os.Remove(j.keyFile)
	}
}

func (c *Chef) job(r external.Request, events *external.Events) (*job, error) {
	login, key, err := c.login(r)
	if err != nil {
		return nil, err
	}
	known := kitchen.NewState(nil)
	known.Set(kitchen.KeyHostname, r.Components.Transport.Target.Hostname)
	if r.Instance.LastAction != nil {
		known.Set(kitchen.KeyLastAction, *r.Instance.LastAction)
	}
	bus := kitchen.NewBus()
	if events != nil {
		bus = kitchen.NewBus(func(e kitchen.Event) { forward(e, events) })
	}
	root := r.Kitchen.RootPath
	inst := &kitchen.Instance{
		Name: r.Instance.Name, Suite: r.Suite.Name, Platform: r.Platform.Name,
		OSType: r.Platform.OSType, ShellType: r.Platform.ShellType,
		Root: root, TestBase: filepath.Join(root, "test", "integration"),
		ProvisionerName: c.kind(), TransportName: "ssh",
	}
	j := &job{
		step:     &kitchen.Step{Instance: inst, Action: kitchen.Converge, State: known, Report: bus.Reporter(inst.Name, 0, kitchen.Converge)},
		resolver: chef.NewResolver(), keyFile: key,
	}
	home := c.Env.Get("HOME")
	j.transport, err = ssh.New(config.NewSection(login).WithRoot(root), ssh.Options{
		UserConfig: bootstrap.LoadUserConfig(home, j.step.Report), Home: home, Getenv: c.Env.Get,
		// Test Kitchen does not verify host keys, nor does it say which to expect.
		NoHostKeyVerify: true,
	})
	if err != nil {
		j.close()
		return nil, err
	}
	data := maps.Clone(r.Components.Provisioner.Config)
	maps.DeleteFunc(data, func(k string, v any) bool { return v == nil || slices.Contains(sshKeys, k) })
	if data == nil {
		data = map[string]any{}
	}
	data["name"] = c.kind()
	j.provisioner, err = chef.New(config.NewSection(data).WithRoot(root), chef.Options{
		Options: base.Options{
			Instance: inst.Name, Suite: inst.Suite, Platform: inst.Platform, OSType: inst.OSType, ShellType: inst.ShellType,
			Root: root, TestBase: inst.TestBase, Environ: c.Env.Environ(),
		},
		Resolver: j.resolver,
	})
	if err != nil {
		j.close()
		return nil, err
	}
	return j, nil
}

// sshKeys are keys of the provisioner's section that are about the login:
// the protocol does not say which key opens the instance.
var sshKeys = []string{"ssh_key", "ssh_key_only", "forward_agent"}

// login is the transport's section: what the request says, the secrets that it
// names in the environment, and the key that the driver left in the state file.
// temporary is a file with the key that is to be removed, "" for none.
func (c *Chef) login(r external.Request) (section map[string]any, temporary string, err error) {
	t := r.Components.Transport
	section = map[string]any{"name": "ssh"}
	for from, to := range map[string]string{
		"username": "username", "port": "port", "connection_timeout": "connection_timeout",
		"connection_retries": "connection_retries", "connection_retry_sleep": "connection_retry_sleep",
		"proxy_command": "ssh_proxy_command", "gateway": "ssh_gateway", "gateway_port": "ssh_gateway_port",
		"gateway_username": "ssh_gateway_username",
	} {
		if v := t.Config[from]; v != nil {
			section[to] = v
		}
	}
	for _, k := range sshKeys {
		if v := r.Components.Provisioner.Config[k]; v != nil {
			section[k] = v
		}
	}
	if password := c.secret(t, "password"); password != "" {
		section["password"] = password
	}
	if key := c.secret(t, "private_key"); key != "" {
		if section["ssh_key"], temporary, err = keyFile(key); err != nil {
			return nil, "", err
		}
	}
	if section["ssh_key"] == nil {
		if key := stateKey(r); key != "" {
			section["ssh_key"] = key
		}
	}
	return section, temporary, nil
}

// secret returns the value of the variable that the request names for a kind of
// secret.
func (c *Chef) secret(t external.Transport, kind string) string {
	value := c.Env.Get(t.Secrets[kind])
	if value != "" && c.Secrets != nil {
		c.Secrets.Add(value)
	}
	return value
}

// keyFile returns the path of a private key that is given as a path or as its
// text. A text goes to a temporary file that only this user can read.
func keyFile(key string) (path, temporary string, err error) {
	if !strings.Contains(key, "PRIVATE KEY") {
		return key, "", nil
	}
	f, err := os.CreateTemp("", "galley-key-*") // mode 0600
	if err != nil {
		return "", "", fmt.Errorf("the transport's private key: %w", err)
	}
	_, err = f.WriteString(strings.TrimRight(key, "\n") + "\n")
	return f.Name(), f.Name(), errors.Join(err, f.Close())
}

// stateKey returns the private key that the driver has recorded for the
// instance in its state file, "" for none.
func stateKey(r external.Request) string {
	st, err := state.NewStore(r.Kitchen.RootPath).Load(filepath.Base(r.Instance.Name))
	if err != nil {
		return "" // a login without it says what is missing
	}
	key := st.String(kitchen.KeySSHKey)
	if key != "" && !filepath.IsAbs(key) {
		key = filepath.Join(r.Kitchen.RootPath, key)
	}
	return key
}

// forward turns what happens into events of the protocol.
func forward(e kitchen.Event, events *external.Events) {
	switch e.Kind {
	case kitchen.Banner:
		events.Progress("converge", e.Text)
	case kitchen.Info, kitchen.Output:
		events.Log("info", e.Text)
	case kitchen.Warn:
		events.Log("warn", e.Text)
	case kitchen.Error:
		events.Log("error", e.Text)
	case kitchen.Debug:
		events.Log("debug", e.Text)
	case kitchen.StillWaiting:
		events.Progress("wait", e.Text)
	}
}
