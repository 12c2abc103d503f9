package kitchen

import (
	"fmt"
	"slices"
	"time"
)

// order is the lifecycle; an action's place in it decides the steps still to do.
var order = []Action{Create, Converge, Setup, Verify}

// Owed returns the steps that bring an instance whose last successful action
// was last to the wanted one (Test Kitchen's state machine): every step after
// last up to wanted or, where wanted has been passed already, wanted alone
// once more. Destroy and Reset owe themselves only.
func Owed(last, wanted Action) []Action {
	to := slices.Index(order, wanted)
	if to < 0 {
		return []Action{wanted}
	}
	from := slices.Index(order, last) + 1
	if from > to {
		return []Action{wanted}
	}
	return slices.Clone(order[from : to+1])
}

// phrase is how an action is spoken of.
type phrase struct{ doing, done, noun string }

var phrases = map[Action]phrase{
	Create:   {"Creating", "creating", "Create"},
	Converge: {"Converging", "converging", "Converge"},
	Setup:    {"Setting up", "setting up", "Setup"},
	Verify:   {"Verifying", "verifying", "Verify"},
	Destroy:  {"Destroying", "destroying", "Destroy"},
	Reset:    {"Resetting", "resetting", "Reset"},
	Snapshot: {"Saving", "saving", "Snapshot"},
}

// Doing returns the headline form of an action, as "Creating".
func (a Action) Doing() string { return a.phrase().doing }

// Finishing returns the form that follows "Finished", as "creating".
func (a Action) Finishing() string { return a.phrase().done }

// Noun returns the action as a noun, as "Create".
func (a Action) Noun() string { return a.phrase().noun }

func (a Action) phrase() phrase {
	if p, ok := phrases[a]; ok {
		return p
	}
	return phrase{string(a), string(a), string(a)}
}

// Clock writes a duration as Test Kitchen does: 1m2.34s.
func Clock(d time.Duration) string {
	m := int(d.Minutes())
	return fmt.Sprintf("%dm%.2fs", m, (d - time.Duration(m)*time.Minute).Seconds())
}
