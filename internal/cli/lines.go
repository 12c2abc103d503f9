package cli

import (
	"fmt"
	"time"

	"github.com/galleyhq/galley/internal/ui"
)

// lines tells the person what is done outside a run of the engine, a line each. It
// is the reporter of internal/openstack and internal/bootstrap.
type lines struct{ a *app }

// Info implements openstack.Reporter.
func (l lines) Info(format string, args ...any) {
	fmt.Fprintln(l.a.people(), l.a.secrets.Clean(fmt.Sprintf(format, args...)))
}

// Warn implements openstack.Reporter.
func (l lines) Warn(format string, args ...any) {
	fmt.Fprintf(l.a.streams.Err, "%s: warning: %s\n", l.a.name, l.a.secrets.Clean(fmt.Sprintf(format, args...)))
}

// Debug implements openstack.Reporter.
func (l lines) Debug(format string, args ...any) {
	if level, err := l.a.level(); err == nil && level == ui.DebugLevel {
		l.Info("D      "+format, args...)
	}
}

// Waiting implements openstack.Reporter. Nothing here takes long enough to
// show it.
func (lines) Waiting(string, string, time.Time) {}
