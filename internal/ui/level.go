package ui

import (
	"fmt"
	"strings"

	"github.com/galleyhq/galley/kitchen"
)

// Level is how much is shown; an event of a lower level is left out.
type Level int

// The levels, in Test Kitchen's words.
const (
	DebugLevel Level = iota
	InfoLevel
	WarnLevel
	ErrorLevel
	FatalLevel
)

var levelNames = [...]string{"debug", "info", "warn", "error", "fatal"}

// ParseLevel reads a level's name in any case.
func ParseLevel(name string) (Level, error) {
	for i, n := range levelNames {
		if strings.EqualFold(name, n) {
			return Level(i), nil
		}
	}
	return InfoLevel, fmt.Errorf("unknown log level %q: it is one of %s", name, strings.Join(levelNames[:], ", "))
}

// levelOf returns the level of an event.
func levelOf(e kitchen.Event) Level {
	switch e.Kind {
	case kitchen.Debug:
		return DebugLevel
	case kitchen.Warn:
		return WarnLevel
	case kitchen.Error, kitchen.StepFailed:
		return ErrorLevel
	}
	return InfoLevel
}

// The seven columns that lead a line (Test Kitchen).
const (
	bannerPrefix = "-----> "
	infoPrefix   = "       "
	debugPrefix  = "D      "
	warnPrefix   = "$$$$$$ "
	errorPrefix  = ">>>>>> "
)

// Product is what the tool calls itself in the lines of a run.
type Product struct{ Name, Version string }

// line returns an event as the peers' console line, without a trailing line
// feed, and false for an event that is no line.
func (p Product) line(e kitchen.Event) (string, bool) {
	name := "<" + e.Instance + ">"
	switch e.Kind {
	case kitchen.RunStarted:
		return fmt.Sprintf("%sStarting %s (v%s)", bannerPrefix, p.Name, p.Version), true
	case kitchen.RunFinished:
		return fmt.Sprintf("%s%s is finished. (%s)", bannerPrefix, p.Name, kitchen.Clock(e.Elapsed)), true
	case kitchen.StepStarted:
		return bannerPrefix + e.Action.Doing() + " " + name + "...", true
	case kitchen.StepFinished:
		return fmt.Sprintf("%sFinished %s %s (%s).", infoPrefix, e.Action.Finishing(), name, kitchen.Clock(e.Elapsed)), true
	case kitchen.StepFailed:
		return fmt.Sprintf("%s%s failed on instance %s (%s).", errorPrefix, e.Action.Noun(), name, kitchen.Clock(e.Elapsed)), true
	case kitchen.Banner:
		return prefixed(bannerPrefix, e.Text), true
	case kitchen.Info:
		return prefixed(infoPrefix, e.Text), true
	case kitchen.Warn:
		return prefixed(warnPrefix, e.Text), true
	case kitchen.Error:
		return prefixed(errorPrefix, e.Text), true
	case kitchen.Debug:
		return prefixed(debugPrefix, e.Text), true
	case kitchen.Output:
		// A line that has a rank already keeps it (Test Kitchen).
		for _, p := range [...]string{bannerPrefix, errorPrefix, infoPrefix} {
			if strings.HasPrefix(e.Text, p) {
				return e.Text, true
			}
		}
		return infoPrefix + e.Text, true
	}
	return "", false
}

// prefixed puts the prefix before every line of a text.
func prefixed(prefix, text string) string {
	text = strings.TrimRight(text, "\n")
	return prefix + strings.ReplaceAll(text, "\n", "\n"+prefix)
}
