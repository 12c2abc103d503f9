package cli

import (
	"io"
	"sync"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

// The engine's reporter is that of everything below it.
var (
	_ openstack.Reporter = (*kitchen.Reporter)(nil)
	_ bootstrap.Reporter = (*kitchen.Reporter)(nil)
)

// events returns a stream of events outside a run of the engine, which a
// console prints on w, a line each. done ends the console.
func (p *program) events(w io.Writer) (bus *kitchen.Bus, done func(), err error) {
	level, err := p.level()
	if err != nil {
		return nil, nil, err
	}
	style := ui.Plain
	if p.name == nameKnife {
		style = ui.Knife
	}
	if p.verbosity > 0 {
		level = ui.DebugLevel
	}
	console := ui.NewConsole(w, ui.ConsoleOptions{
		Style: style, Level: level, Color: p.colors(w), Live: p.live(), Warnings: p.name + ": warning: ", Secrets: p.secrets,
	})
	var once sync.Once
	return kitchen.NewBus(console.Event), func() { once.Do(console.Close) }, nil
}

// live reports whether the terminal can show status lines. That of a CI job is
// a log.
func (p *program) live() bool {
	return p.streams.Getenv("TERM") != "dumb" && p.streams.Getenv("CI") == ""
}

// reporter prints reports, a line each, for commands that do
// not wait long.
func (p *program) reporter() *kitchen.Reporter {
	level, err := p.level()
	if err != nil {
		level = ui.InfoLevel
	}
	w := p.people()
	console := ui.NewConsole(w, ui.ConsoleOptions{
		Style: ui.Plain, Level: level, Color: p.colors(w), Warnings: p.name + ": warning: ", Secrets: p.secrets,
	})
	return kitchen.NewBus(console.Event).Reporter("", 0, "")
}
