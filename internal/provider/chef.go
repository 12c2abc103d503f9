package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/provisioner/chef"
	"github.com/galleyhq/galley/internal/provisioner/external"
	"github.com/galleyhq/galley/internal/secret"
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

// Capabilities implements [external.Provider]. Test Kitchen 4.1.0 calls its
// own SSH transport "custom", and sends neither host nor user with it.
func (c *Chef) Capabilities() external.Capabilities {
	return external.NewCapabilities("galley", c.Version, "ssh", "custom")
}

// Validate implements [external.Provider].
func (c *Chef) Validate(ctx context.Context, r external.Request) (bad, warnings []external.Message) {
	report := func(list *[]external.Message, path, text string) {
		*list = append(*list, external.Message{Path: path, Message: text})
	}
	l, err := c.login(ctx, r)
	if err != nil {
		report(&bad, "/components/transport", err.Error())
		return bad, warnings
	}
	l.close()
	if system := r.Platform.OSType; system != "" && system != "unix" {
		report(&bad, "/platform/os_type", fmt.Sprintf("galley provider converges unix instances, not %s", system))
	}
	j, err := c.job(ctx, r, nil)
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
	j, err := c.job(ctx, r, events)
	if err != nil {
		return nil, err
	}
	defer j.close()
	events.Progress("connect", "Connecting to "+j.step.State.String(kitchen.KeyHostname))
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
	login       *login
}

func (j *job) close() {
	j.resolver.Close()
	j.login.close()
}

func (c *Chef) job(ctx context.Context, r external.Request, events *external.Events) (*job, error) {
	login, err := c.login(ctx, r)
	if err != nil {
		return nil, err
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
		step:     &kitchen.Step{Instance: inst, Action: kitchen.Converge, State: login.state, Report: bus.Reporter(inst.Name, 0, kitchen.Converge)},
		resolver: chef.NewResolver(), login: login,
	}
	home := c.Env.Get("HOME")
	j.transport, err = ssh.New(config.NewSection(login.section).WithRoot(root), ssh.Options{
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
