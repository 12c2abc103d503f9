package settings

import "fmt"

// Dialect is a front end whose users have their own words for the settings.
type Dialect int

// The dialects.
const (
	// Kitchen is kitchen.yml: a setting is called by its key.
	Kitchen Dialect = iota
	// Knife is a command in knife's style: a setting is called by its flag,
	// else by its key of knife[...].
	Knife
	// Environment is a command that takes its credentials from an RC file: a
	// setting is called by its variable, else by its key.
	Environment
)

// In returns the setting as users of a front end write it.
func (id ID) In(d Dialect) string {
	s, ok := Lookup(id)
	switch {
	case !ok:
		return string(id)
	case d == Knife && s.Flag != "":
		return "--" + s.Flag
	case d == Knife && len(s.Knife) > 0:
		return "knife[:" + s.Knife[0] + "]"
	case d == Environment && s.Variable() != "":
		return s.Variable()
	}
	return s.Name
}

// Phrase is a piece of text that differs from front end to front end.
type Phrase struct{ Kitchen, Knife string }

// In returns the words for a front end.
func (p Phrase) In(d Dialect) string {
	if d == Knife {
		return p.Knife
	}
	return p.Kitchen
}

// Phrases that advice needs in more than one place.
var (
	// TheMachine is what a create makes.
	TheMachine = Phrase{"the instance", "the server"}
	// EachMachine is every machine of a run.
	EachMachine = Phrase{"each instance", "each server"}
)

// Advice is a hint that names settings by their identity. Its zero value is no
// advice.
type Advice struct {
	format string
	args   []any
}

// Advise makes an advice. Arguments of the types [ID] and [Phrase] are
// written in the words of the front end that shows it, all others as
// [fmt.Sprintf] writes them.
func Advise(format string, args ...any) Advice { return Advice{format, args} }

// IsZero reports whether the advice is empty.
func (a Advice) IsZero() bool { return a.format == "" }

// In returns the advice in the words of a front end, "" for none.
func (a Advice) In(d Dialect) string {
	if len(a.args) == 0 {
		return a.format
	}
	args := make([]any, len(a.args))
	for i, arg := range a.args {
		if s, ok := arg.(interface{ In(Dialect) string }); ok {
			arg = s.In(d)
		}
		args[i] = arg
	}
	return fmt.Sprintf(a.format, args...)
}

// String returns the advice in the words of kitchen.yml.
func (a Advice) String() string { return a.In(Kitchen) }
