package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/internal/ui/runlog"
	"github.com/galleyhq/galley/kitchen"
)

// projects opens the configuration in the current directory.
type projects struct {
	*settings

	// kitchenFlags are those that Test Kitchen's commands share.
	kitchenFlags           *pflag.FlagSet
	overwrite, noOverwrite bool
}

// flagSet returns the flags that Test Kitchen's commands share.
func (p *projects) flagSet() *pflag.FlagSet {
	fs := pflag.NewFlagSet("kitchen", pflag.ContinueOnError)
	fs.BoolVarP(&p.verbose, "verbose", "v", false, "print all of Test Kitchen's lines, not only headlines, warnings and output")
	fs.BoolVar(&p.overwrite, "log-overwrite", true, "begin new .log files, keeping the last five; =false appends to them (KITCHEN_LOG_OVERWRITE)")
	fs.BoolVar(&p.noOverwrite, "no-log-overwrite", false, "append to the logs")
	hide(fs, "no-log-overwrite")
	fs.StringVarP(&p.flags.testBase, "test-base-path", "t", "", "`DIR` of the tests (default test/integration)")
	fs.StringVar(&p.flags.erb, "erb", "", "`ENGINE` that renders ERB: galley, ruby (the one on the PATH) or auto (default GALLEY_ERB, or auto)")
	p.kitchenFlags = fs
	return fs
}

// project is the configuration in a directory joined to the engine.
type project struct {
	*kitchen.Kitchen
	projects *projects
	config   *config.Project
	env      *variables
	paths    state.Paths
	shared   shared
	debug    bool
	ttl      string
	results  *results
	closers  []func() error
	// notes are for the console, when there is one.
	notes []string
	// noWait and forget are the flags of destroy.
	noWait, forget bool
}

// open reads the configuration. It creates no plug-ins: those are created for
// the instances that are acted on, so that listing a hundred costs nothing.
func (p *projects) open(ctx context.Context) (*project, error) {
	if _, err := p.level(); err != nil {
		return nil, err
	}
	env, err := p.environment(ctx)
	if err != nil {
		return nil, err
	}
	root, err := workingDirectory()
	if err != nil {
		return nil, err
	}
	opts, err := p.configOptions(ctx, root, env)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(ctx, opts)
	if err != nil {
		return nil, err
	}
	k := &project{
		Kitchen:  &kitchen.Kitchen{Store: state.NewStore(root), Bus: kitchen.NewBus(), CompilePattern: compilePattern},
		projects: p,
		config:   cfg,
		env:      env,
		paths:    state.Paths{Root: root},
	}
	k.shared.connector.Options.Debug = func(format string, args ...any) {
		k.Bus.Reporter("", 0, "").Debug(format, args...)
	}
	k.shared.connector.Options.Trace = func(ctx context.Context, what string, took time.Duration) {
		kitchen.ReporterOf(ctx).Call(kitchen.APICall, took, "%s", what)
	}
	k.shared.connector.Options.Notice = func(format string, args ...any) {
		k.Bus.Reporter("", 0, "").Info(format, args...)
	}
	testBase := p.testBase(root)
	for i, inst := range cfg.Instances {
		hooks, err := hooksOf(inst.Lifecycle)
		if err != nil {
			return nil, fmt.Errorf("instance <%s>: %w", inst.Name, err)
		}
		k.Instances = append(k.Instances, &kitchen.Instance{
			Name: inst.Name, Suite: inst.Suite, Platform: inst.Platform, Index: i,
			OSType: inst.OSType, ShellType: inst.ShellType,
			Root: root, TestBase: testBase,
			DriverName:      cmp.Or(inst.Driver.Name(), "dummy"),
			ProvisionerName: provisionerName(inst.Provisioner.Name()),
			TransportName:   cmp.Or(inst.Transport.Name(), "ssh"),
			VerifierName:    cmp.Or(inst.Verifier.Name(), "busser"),
			Hooks:           hooks,
		})
	}
	return k, nil
}

// openAll opens the project with the plug-ins of all instances and the console.
// The caller closes it.
func (p *projects) openAll(ctx context.Context) (*project, error) {
	opened, err := p.open(ctx)
	if err == nil {
		err = opened.addPlugins(opened.Instances, "")
	}
	if err != nil {
		return nil, err
	}
	return opened, opened.report(nil, 1)
}

// take opens the project with the plug-ins that an action needs for the
// instances that the arguments name, and the console. The caller closes it.
func (p *projects) take(ctx context.Context, args []string, upTo kitchen.Action) (*project, []*kitchen.Instance, error) {
	opened, err := p.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	chosen, err := opened.Select(args...)
	if err != nil {
		return nil, nil, err
	}
	if err := opened.addPlugins(chosen, upTo); err != nil {
		return nil, nil, err
	}
	return opened, chosen, opened.report(nil, 1)
}

// Select returns the instances that the arguments name, and refuses a
// configuration without instances.
func (p *project) Select(args ...string) ([]*kitchen.Instance, error) {
	chosen, err := p.Kitchen.Select(args...)
	var none *kitchen.SelectError
	if errors.As(err, &none) && len(p.Instances) == 0 {
		return nil, p.noInstances(err)
	}
	return chosen, err
}

// noInstances explains why a configuration has no instances, by the faults
// with it.
func (p *project) noInstances(err error) error {
	for _, x := range p.config.Problems() {
		if x.Code == "unknown-key" && x.Advice != "" {
			return &configError{err, x.String()}
		}
	}
	return &configError{err, "`" + p.projects.name + " init` writes a configuration to start from"}
}

// configError is a configuration that cannot be used, with advice.
type configError struct {
	error
	hint string
}

func (e *configError) Hint() string { return e.hint }

// provisionerName resolves the default and the old name (Test Kitchen 3).
func provisionerName(name string) string {
	if name == "" || name == "chef_zero" {
		return "chef_infra"
	}
	return name
}

// style is the form of a run's lines: all of Test Kitchen's under its name.
func (p *program) style() ui.Style {
	level, err := p.level()
	if p.verbose || p.name != nameGalley || err == nil && level == ui.DebugLevel {
		return ui.Full
	}
	return ui.Compact
}

// report subscribes the console and the logs to what happens. instances are
// those that a run works on, none for a mere look at them.
func (p *project) report(instances []*kitchen.Instance, concurrency int) error {
	out := p.projects
	level, err := out.level()
	if err != nil {
		return err
	}
	w := out.people()
	width := 0
	for _, i := range instances {
		width = max(width, len(i.Name))
	}
	// Programs on a machine draw for a terminal where a user looks at one.
	p.Terminal = ui.Terminal(w) != nil && out.colors(w) && out.streams.Getenv("CI") == ""
	console := ui.NewConsole(w, ui.ConsoleOptions{
		Product: product(),
		Style:   out.style(),
		Level:   level,
		Color:   out.colors(w),
		Live:    out.live(),
		Names:   concurrency > 1 && len(instances) > 1,
		Width:   width,
		Secrets: out.secrets,
	})
	// A look at a machine, such as a login, is added to the log of what was
	// done before.
	fresh := len(instances) > 0 && out.overwriteLogs()
	log := ui.NewFileLog(product(), fresh, out.secrets, func(instance string) string {
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
		// Closers run from the last to the first: the summary follows the end
		// of the console.
		p.closers = append(p.closers, func() error { return p.results.finish(out.program, w, level) })
		sinks = append(sinks, p.results.add)
	}
	recorder := runlog.NewRecorder(runlog.Options{Product: product(), Secrets: out.secrets, Instances: p.Instances}, sinks...)
	p.closers = append(p.closers, func() error { console.Close(); return nil }, log.Close, structured.Close)
	p.Bus = kitchen.NewBus(log.Event, recorder.Event, console.Event)
	for _, w := range p.config.Warnings {
		p.warn("%s", w)
	}
	for _, n := range p.notes {
		p.Bus.Reporter("", 0, "").Info("%s", n)
	}
	return nil
}

func (p *project) warn(format string, args ...any) {
	p.Bus.Publish(kitchen.Event{Kind: kitchen.Warn, Text: fmt.Sprintf(format, args...)})
}

// doubtful are the kinds of problem to warn of before a run, since it may end
// otherwise than meant.
var doubtful = []string{
	"switched-off", "carriage-return", "number-for-text", "missing-directory", "missing-file", "flat-data-bag", "environment",
}

// idleKeys are keys without effect that are not misspelt, such as those of
// another tool's plug-ins.
type idleKeys []config.Problem

// note names a single one, and says how many there are else.
func (k idleKeys) note(program string) string {
	if len(k) == 1 {
		return k[0].String()
	}
	return fmt.Sprintf("%d keys have no effect; `%s config validate` lists them", len(k), program)
}

// warnOfKeys warns, before a run, about doubtful keys in the configuration
// and about keys that have no effect.
func (p *project) warnOfKeys() {
	var idle idleKeys
	for _, x := range p.config.Problems() {
		switch {
		case x.Code == "unknown-key" && x.Advice != "", slices.Contains(doubtful, x.Code):
			p.warn("%s", x)
		case x.Code == "unknown-key", x.Code == "idle-key":
			idle = append(idle, x)
		}
	}
	if len(idle) > 0 {
		p.warn("%s", idle.note(p.projects.name))
	}
}

// close ends what report began.
func (p *project) close() {
	for _, c := range slices.Backward(p.closers) {
		if err := c(); err != nil {
			p.projects.warnf("%v", err)
		}
	}
	p.closers = nil
}

// overwriteLogs reports whether a run begins new log files: by flag, else by
// KITCHEN_LOG_OVERWRITE (Test Kitchen: false, f and no append).
func (p *projects) overwriteLogs() bool {
	if p.noOverwrite {
		return false
	}
	if p.kitchenFlags.Changed("log-overwrite") {
		return p.overwrite
	}
	switch strings.ToLower(p.streams.Getenv("KITCHEN_LOG_OVERWRITE")) {
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
