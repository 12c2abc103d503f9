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

// String returns the level's name.
func (l Level) String() string { return levelNames[l] }

// LevelOf returns the level of an event.
func LevelOf(e kitchen.Event) Level {
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
	fatalPrefix  = "!!!!!! "
)

// Product is what the tool calls itself in the lines of a run.
type Product struct{ Name, Version string }

// prefixes lead the lines of an event that is not a headline, by its level.
var prefixes = [...]string{DebugLevel: debugPrefix, InfoLevel: infoPrefix, WarnLevel: warnPrefix, ErrorLevel: errorPrefix, FatalLevel: fatalPrefix}

// Message returns an event in the words of Test Kitchen or knife, and false for an event that
// is not a line. Headline says that it is one of the steps and banners that show
// how a run goes on.
func (p Product) Message(e kitchen.Event) (text string, headline, ok bool) {
	name := "<" + e.Instance + ">"
	switch e.Kind {
	case kitchen.RunStarted:
		return fmt.Sprintf("Starting %s (v%s)", p.Name, p.Version), true, true
	case kitchen.RunFinished:
		return fmt.Sprintf("%s is finished. (%s)", p.Name, kitchen.Clock(e.Elapsed)), true, true
	case kitchen.StepStarted:
		return e.Action.Doing() + " " + name + "...", true, true
	case kitchen.StepFinished:
		return fmt.Sprintf("Finished %s %s (%s).", e.Action.Finishing(), name, kitchen.Clock(e.Elapsed)), false, true
	case kitchen.StepFailed:
		return fmt.Sprintf("%s failed on instance %s (%s).", e.Action.Noun(), name, kitchen.Clock(e.Elapsed)), false, true
	case kitchen.Banner:
		return e.Text, true, true
	case kitchen.Info, kitchen.Warn, kitchen.Error, kitchen.Debug, kitchen.Output:
		return e.Text, false, true
	}
	return "", false, false
}

// line returns an event as a console line of Test Kitchen or knife, without a trailing line
// feed, and false for an event that is not a line.
func (p Product) line(e kitchen.Event) (string, bool) {
	text, headline, ok := p.Message(e)
	switch {
	case !ok:
		return "", false
	case headline:
		return prefixed(bannerPrefix, text), true
	case e.Kind == kitchen.Output:
		// A line that has a rank already keeps it (Test Kitchen).
		for _, p := range [...]string{bannerPrefix, errorPrefix, infoPrefix} {
			if strings.HasPrefix(text, p) {
				return text, true
			}
		}
		return infoPrefix + text, true
	}
	return prefixed(prefixes[LevelOf(e)], text), true
}

// CutRank takes the seven columns off a line of output that has them, and
// returns the rank that they represent (Test Kitchen).
func CutRank(line string) (text string, level Level, headline bool) {
	if rest, ok := strings.CutPrefix(line, bannerPrefix); ok {
		return rest, InfoLevel, true
	}
	for level, p := range prefixes {
		if rest, ok := strings.CutPrefix(line, p); ok {
			return rest, Level(level), false
		}
	}
	return line, InfoLevel, false
}

// prefixed puts the prefix before every line of a text.
func prefixed(prefix, text string) string {
	text = strings.TrimRight(text, "\n")
	return prefix + strings.ReplaceAll(text, "\n", "\n"+prefix)
}
