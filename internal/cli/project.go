package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/internal/ui/runlog"
	"github.com/galleyhq/galley/kitchen"
)

// project is the configuration in the current directory joined to the engine.
type project struct {
	*kitchen.Kitchen
	config  *config.Project
	env     *env.Env
	paths   state.Paths
	app     *app
	shared  shared
	debug   bool
	results *results
	closers []func() error
}

// open reads the configuration. It makes no plug-ins: those are made for the
// instances that are acted on, so that listing a hundred costs nothing.
func (a *app) open(ctx context.Context) (*project, error) {
	if _, err := a.level(); err != nil {
		return nil, err
	}
	env, err := a.environment(ctx)
	if err != nil {
		return nil, err
	}
	root, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the current directory: %w", err)
	}
	opts, err := a.configOptions(root, env)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(ctx, opts)
	if err != nil {
		return nil, err
	}
	p := &project{
		Kitchen: &kitchen.Kitchen{Store: state.NewStore(root), Bus: kitchen.NewBus(), CompilePattern: compilePattern},
		config:  cfg,
		env:     env,
		paths:   state.Paths{Root: root},
		app:     a,
	}
	p.shared.connector.Options.Debug = func(format string, args ...any) {
		p.Bus.Reporter("", 0, "").Debug(format, args...)
	}
	testBase := a.testBase(root)
	for i, inst := range cfg.Instances {
		hooks, err := hooksOf(inst.Lifecycle)
		if err != nil {
			return nil, fmt.Errorf("instance <%s>: %w", inst.Name, err)
		}
		p.Instances = append(p.Instances, &kitchen.Instance{
			Name: inst.Name, Suite: inst.Suite, Platform: inst.Platform, Index: i,
			OSType: inst.OSType, ShellType: inst.ShellType,
			Root: root, TestBase: testBase,
			DriverName:      orElse(inst.Driver.Name(), "dummy"),
			ProvisionerName: provisionerName(inst.Provisioner.Name()),
			TransportName:   orElse(inst.Transport.Name(), "ssh"),
			VerifierName:    orElse(inst.Verifier.Name(), "busser"),
			Hooks:           hooks,
		})
	}
	return p, nil
}

func orElse(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// provisionerName resolves the default and the old name (Test Kitchen 3).
func provisionerName(name string) string {
	if name == "" || name == "chef_zero" {
		return "chef_infra"
	}
	return name
}

// report subscribes the console and the logs to what happens. Instances are
// those that will be brought somewhere, none for a mere look at them.
func (p *project) report(instances []*kitchen.Instance, concurrency int) error {
	a := p.app
	level, err := a.level()
	if err != nil {
		return err
	}
	w := a.people()
	width := 0
	for _, i := range instances {
		width = max(width, len(i.Name))
	}
	console := ui.NewConsole(w, ui.ConsoleOptions{
		Product: product(),
		Level:   level,
		Color:   a.streams.Color(w, a.color()),
		Live:    ui.Terminal(w) != nil && a.streams.Getenv("TERM") != "dumb",
		Names:   concurrency > 1 && len(instances) > 1,
		Width:   width,
		Secrets: a.secrets,
	})
	// A look at a machine, as a login, is added to the log of what was done.
	fresh := len(instances) > 0 && a.overwriteLogs()
	log := ui.NewFileLog(product(), fresh, a.secrets, func(instance string) string {
		if instance == "" {
			return p.paths.CommonLog()
		}
		return p.paths.Log(instance)
	})
	structured := runlog.NewFiles(func(instance string) string {
		if instance == "" {
			return p.paths.CommonStructured()
		}
		return p.paths.Structured(instance)
	}, p.paths.LogLock())
	sinks := []func(runlog.Record){structured.Add}
	if p.results != nil {
		// Closers run from the last to the first: the summary comes when the
		// console has ended.
		p.closers = append(p.closers, func() error { return p.results.finish(a, w, level) })
		sinks = append(sinks, p.results.add)
	}
	recorder := runlog.NewRecorder(runlog.Options{Product: product(), Secrets: a.secrets, Instances: p.Instances}, sinks...)
	p.closers = append(p.closers, func() error { console.Close(); return nil }, log.Close, structured.Close)
	p.Bus = kitchen.NewBus(log.Event, recorder.Event, console.Event)
	for _, w := range p.config.Warnings {
		p.warn("%s", w)
	}
	return nil
}

func (p *project) warn(format string, args ...any) {
	p.Bus.Publish(kitchen.Event{Kind: kitchen.Warn, Text: fmt.Sprintf(format, args...)})
}

// idleKeys tells, before something is made of the configuration, which of its
// keys have no effect: misspelt ones each, others, as those of another tool's
// plug-ins, by their number.
func (p *project) idleKeys() {
	idle := 0
	for _, x := range p.config.Problems() {
		switch {
		case x.Code == "unknown-key" && x.Advice != "":
			p.warn("%s", x)
		case x.Code == "unknown-key", x.Code == "idle-key":
			idle++
		}
	}
	if idle > 0 {
		p.warn("Keys of the configuration that have no effect: %d; `%s config validate` names them", idle, p.app.name)
	}
}

// close ends what report began.
func (p *project) close() {
	for _, c := range slices.Backward(p.closers) {
		if err := c(); err != nil {
			fmt.Fprintf(p.app.streams.Err, "%s: warning: %v\n", p.app.name, err)
		}
	}
	p.closers = nil
}

// level returns the log level asked for.
func (a *app) level() (ui.Level, error) {
	if a.flags.logLevel != "" {
		l, err := ui.ParseLevel(a.flags.logLevel)
		if err != nil {
			return 0, &usageError{err: err}
		}
		return l, nil
	}
	if a.knifeFlags.verbosity > 0 {
		return ui.DebugLevel, nil
	}
	name := a.streams.Getenv("KITCHEN_LOG")
	if name == "" {
		return ui.InfoLevel, nil
	}
	l, err := ui.ParseLevel(name)
	if err != nil {
		fmt.Fprintf(a.streams.Err, "%s: warning: KITCHEN_LOG: %v; taking info\n", a.name, err)
	}
	return l, nil
}

// overwriteLogs says whether a run begins fresh logs: by flag, else by
// KITCHEN_LOG_OVERWRITE (Test Kitchen: false, f and no append).
func (a *app) overwriteLogs() bool {
	if a.flags.noOverwrite {
		return false
	}
	if a.flags.changed("log-overwrite") {
		return a.flags.overwrite
	}
	switch strings.ToLower(a.streams.Getenv("KITCHEN_LOG_OVERWRITE")) {
	case "false", "f", "no":
		return false
	}
	return true
}

func patterns(list []config.Pattern) []kitchen.Pattern {
	var out []kitchen.Pattern
	for _, p := range list {
		out = append(out, p)
	}
	return out
}

// compilePattern compiles an argument that selects instances, which Test
// Kitchen takes for a Ruby regular expression.
func compilePattern(expr string) (kitchen.Pattern, error) { return config.CompilePattern(expr) }

// hooksOf reads a lifecycle section (Test Kitchen: lifecycle).
func hooksOf(s config.Section) (map[string][]kitchen.Hook, error) {
	hooks := map[string][]kitchen.Hook{}
	for _, phase := range s.Keys() {
		list, err := s.Hooks(phase)
		if err != nil {
			return nil, err
		}
		for _, h := range list {
			hook := kitchen.Hook{
				Local: h.Local, Remote: h.Remote,
				Includes: patterns(h.Includes), Excludes: patterns(h.Excludes),
				Environment: h.Environment, Cwd: h.Cwd, User: h.User, Skippable: h.Skippable,
			}
			hooks[phase] = append(hooks[phase], hook)
		}
	}
	return hooks, nil
}
