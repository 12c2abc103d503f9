package cli

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/config"
	driverdummy "github.com/galleyhq/galley/internal/driver/dummy"
	"github.com/galleyhq/galley/internal/driver/openstack"
	"github.com/galleyhq/galley/internal/driver/proxy"
	cloud "github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/provisioner/chef"
	provisionerdummy "github.com/galleyhq/galley/internal/provisioner/dummy"
	"github.com/galleyhq/galley/internal/provisioner/external"
	provisionershell "github.com/galleyhq/galley/internal/provisioner/shell"
	"github.com/galleyhq/galley/internal/secret"
	table "github.com/galleyhq/galley/internal/settings"
	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/transport/ssh"
	"github.com/galleyhq/galley/internal/verifier/busser"
	verifierdummy "github.com/galleyhq/galley/internal/verifier/dummy"
	"github.com/galleyhq/galley/internal/verifier/inspec"
	verifiershell "github.com/galleyhq/galley/internal/verifier/shell"
	"github.com/galleyhq/galley/kitchen"
)

// shared is what the plug-ins of a run share: one login to the
// cloud, one question for a passphrase, one resolution of cookbooks.
type shared struct {
	connector  cloud.Connector
	keyRing    *bootstrap.KeyRing
	userConfig *bootstrap.UserConfig
	resolver   *chef.Resolver
	serial     sync.Mutex
	warned     sync.Map
}

// warnOnce warns once in a run about what concerns several instances.
func (p *project) warnOnce(text string) {
	if _, warned := p.shared.warned.LoadOrStore(text, true); !warned {
		p.Bus.Reporter("", 0, "").Warn("%s", text)
	}
}

// supportedDriver reports whether Galley has a driver of that name.
func supportedDriver(name string) bool {
	_, _, ok := table.Canonical(table.Driver, name)
	return ok
}

// copies returns the directory of copies of the records, "" where the user has
// no directory for it.
func (p *project) copies() string {
	mine, err := state.UserFiles(p.env.Get)
	if err != nil {
		return ""
	}
	return mine.Kitchen(p.paths.Root)
}

// driver gives an instance its driver and returns the SSH settings of the
// driver's section.
func (p *project) driver(inst *kitchen.Instance, s config.Section) (fallback map[string]any, err error) {
	switch s.Name() {
	case "openstack":
		inst.Driver, err = openstack.New(s, openstack.Options{
			Instance: inst.Name, Suite: inst.Suite, Platform: inst.Platform,
			Root:      p.paths.Root,
			Env:       p.env.Get,
			Connector: &p.shared.connector,
			Warn:      p.warnOnce,
			Secrets:   p.projects.secrets,
			Dir:       p.paths.Own(),
			TTL:       p.ttl,
			Copies:    p.copies(),
			NoWait:    p.noWait,
			Forget:    p.forget,
		})
		if err != nil {
			return nil, err
		}
		return openstack.TransportDefaults(s)
	case "proxy":
		if inst.Driver, err = proxy.New(s, proxy.Options{Serial: &p.shared.serial}); err != nil {
			return nil, err
		}
		return proxy.TransportDefaults(s)
	case "dummy":
		inst.Driver, err = driverdummy.New(s)
		return nil, err
	}
	return nil, &pluginError{"driver", s.Name(), strings.Join(table.Plugins(table.Driver), ", ")}
}

func (p *project) transport(inst *kitchen.Instance, s config.Section, fallback map[string]any) error {
	if _, dummy := inst.Driver.(*driverdummy.Driver); dummy {
		// No machine exists to reach, by whatever transport.
		inst.Transport = driverdummy.Transport{}
		return nil
	}
	if p.shared.keyRing == nil {
		p.shared.keyRing = bootstrap.NewKeyRing(p.projects.bootstrapPrompter())
		p.shared.userConfig = bootstrap.LoadUserConfig(p.env.Get("HOME"), p.Bus.Reporter("", 0, ""))
	}
	name, note, _ := table.Canonical(table.Transport, inst.TransportName)
	p.aliased(table.Transport, inst.TransportName, name, note)
	t, err := ssh.New(s, ssh.Options{
		Fallback:        config.NewSection(fallback).WithRoot(p.paths.Root),
		KeyRing:         p.shared.keyRing,
		Prompter:        p.projects.bootstrapPrompter(),
		UserConfig:      p.shared.userConfig,
		Home:            p.env.Get("HOME"),
		Getenv:          p.env.Get,
		NoHostKeyVerify: p.projects.flags.noHostKeys,
		UserData:        p.config.Instances[inst.Index].Driver.Has("user_data") || p.config.Instances[inst.Index].Driver.Has("cloud_config"),
	})
	if err != nil {
		return err
	}
	inst.Transport = t
	return nil
}

// base are the options that provisioners and verifiers share.
func (p *project) base(inst *kitchen.Instance) base.Options {
	var environ []string
	for name, value := range p.env.Map() {
		environ = append(environ, name+"="+value)
	}
	return base.Options{
		Instance: inst.Name, Suite: inst.Suite, Platform: inst.Platform,
		OSType: inst.OSType, ShellType: inst.ShellType,
		Root: inst.Root, TestBase: inst.TestBase,
		Environ: environ,
		Debug:   p.debug,
		Login:   func(st *kitchen.State) (base.Login, error) { return loginOf(inst, st) },
	}
}

// loginOf says how a program on the workstation reaches an instance.
func loginOf(inst *kitchen.Instance, st *kitchen.State) (base.Login, error) {
	t, ok := inst.Transport.(*ssh.Transport)
	if !ok {
		return base.Login{}, fmt.Errorf("instance <%s> has no machine to log in to", inst.Name)
	}
	c, err := t.Target(inst, st)
	if err != nil {
		return base.Login{}, err
	}
	l := base.Login{
		Host: c.Host, Port: c.Port, User: c.User, Password: string(c.Password), Keys: c.Keys,
		ProxyCommand: c.ProxyCommand, ForwardAgent: c.ForwardAgent,
	}
	if l.User == "" {
		l.User = c.DefaultUser
	}
	switch {
	case len(c.Gateways) > 1:
		return l, errors.New("a chain of ssh gateways cannot be passed to a program on the workstation: name one")
	case len(c.Gateways) == 1:
		l.Gateway, l.GatewayPort, l.GatewayUser = c.Gateways[0].Host, c.Gateways[0].Port, c.Gateways[0].User
	case c.HTTPProxy != nil:
		// The proxy's own login would be readable in the process list.
		if c.HTTPProxy.User != "" {
			return l, errors.New("an HTTP proxy with a login cannot be passed to a program on the workstation")
		}
		l.ProxyCommand = "nc -X connect -x " + net.JoinHostPort(c.HTTPProxy.Host, strconv.Itoa(c.HTTPProxy.Port)) + " %h %p"
	}
	return l, nil
}

// provisioners are the supported ones, for messages.
const provisioners = "chef_infra (chef_zero), chef_solo, chef_apply, shell, external and dummy"

func (p *project) provisioner(inst *kitchen.Instance, s config.Section) (err error) {
	name, note, _ := table.Canonical(table.Provisioner, inst.ProvisionerName)
	p.aliased(table.Provisioner, inst.ProvisionerName, name, note)
	switch {
	case table.RunsChef(name), name == "chef_target", name == "cinc_target": // which it refuses with the reason
		if p.shared.resolver == nil {
			p.shared.resolver = chef.NewResolver()
			p.closers = append(p.closers, p.shared.resolver.Close)
		}
		inst.Provisioner, err = chef.New(s, chef.Options{Options: p.base(inst), Resolver: p.shared.resolver, Cookbooks: p.cookbookOptions})
	case name == "shell":
		inst.Provisioner, err = provisionershell.New(s, p.base(inst))
	case name == "external":
		inst.Provisioner, err = external.New(s, external.Options{
			Options: p.base(inst), Version: version(),
			Transport: inst.TransportName, Driver: inst.DriverName, Verifier: inst.VerifierName,
		})
	case name == "dummy":
		inst.Provisioner, err = provisionerdummy.New(s, p.base(inst))
	default:
		return &pluginError{"provisioner", name, provisioners}
	}
	return err
}

func (p *project) verifier(inst *kitchen.Instance, s config.Section) (err error) {
	name, note, _ := table.Canonical(table.Verifier, inst.VerifierName)
	p.aliased(table.Verifier, inst.VerifierName, name, note)
	switch name {
	case "busser":
		inst.Verifier, err = busser.New(s, p.base(inst))
	case "inspec", "cinc_auditor":
		inst.Verifier, err = inspec.New(s, p.base(inst))
	case "shell":
		inst.Verifier, err = verifiershell.New(s, p.base(inst))
	case "dummy":
		inst.Verifier, err = verifierdummy.New(s, p.base(inst))
	default:
		return &pluginError{"verifier", inst.VerifierName, "busser, inspec (cinc_auditor), shell and dummy"}
	}
	return err
}

// hideSecrets registers what must never be printed.
func (p *project) hideSecrets(sections ...config.Section) {
	for _, s := range sections {
		for _, key := range s.Keys() {
			if !secret.IsName(key) {
				continue
			}
			if v, err := s.String(key, ""); err == nil {
				p.projects.secrets.Add(v)
			}
		}
	}
}

// pluginError refuses an unsupported plug-in.
type pluginError struct{ kind, name, ours string }

func (e *pluginError) Error() string {
	return fmt.Sprintf("%s %q is not one of Galley's, which are %s", e.kind, e.name, e.ours)
}

// Hint shows the override file.
func (e *pluginError) Hint() string {
	return fmt.Sprintf("name one of them in kitchen.local.yml:\n%s:\n  name: shell", e.kind)
}
