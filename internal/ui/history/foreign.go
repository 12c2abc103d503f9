package history

import (
	"strings"

	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/internal/ui/runlog"
)

// What Test Kitchen 4.1 says at the end of an action; its records carry no
// more (lib/kitchen/instance.rb).
var (
	tkFinished = text.Lazy(`^Finished [a-z ]+ <[^>]*> \(\d+m[0-9.]+s\)\.$`)
	tkFailed   = text.Lazy(`^[A-Z][a-z]+ failed on instance <[^>]*>\.$`)
	tkReason   = text.Lazy(`^(Class|Message): (.*)$`)
)

// foreign reads how a phase came out from what Test Kitchen says of it.
func (p *Phase) foreign(rec runlog.Record) {
	switch {
	case rec.Type == runlog.TypeStream:
	case rec.Level == "info" && tkFinished().MatchString(rec.Message):
		p.Outcome = Passed
	case rec.Level == "error" && tkFailed().MatchString(rec.Message):
		p.Outcome = Failed
	case rec.Level == "error" && p.Outcome == Failed:
		m := tkReason().FindStringSubmatch(rec.Message)
		switch {
		case m == nil:
		case m[1] == "Class" && p.Class == "":
			p.Class = m[2]
		case m[1] == "Message" && p.Reason == "":
			p.Reason = m[2]
		}
	}
}

// waitedFor returns what a record of a wait is about.
func waitedFor(message string) string {
	what := strings.TrimPrefix(message, "Waiting for ")
	what, _, _ = strings.Cut(what, "...")
	what, _, _ = strings.Cut(what, " (")
	return what
}
