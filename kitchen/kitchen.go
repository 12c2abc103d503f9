package kitchen

import (
	"fmt"
	"strings"
)

// Kitchen is the instances of one configuration, with the store of their
// states and the bus on which they report.
type Kitchen struct {
	// Instances are in the order of the configuration.
	Instances []*Instance
	Store     Store
	Bus       *Bus
	// CompilePattern compiles an argument of [Kitchen.Select] that is not the
	// name of an instance. Default: Go's regular expressions.
	CompilePattern func(expr string) (Pattern, error)
	// Terminal says that a user at a terminal follows the run: commands on a
	// machine get a pseudo terminal too.
	Terminal bool
}

// SelectError tells that an argument selects no instance.
type SelectError struct {
	// Arg is the argument, "" without any instances.
	Arg string
	// Bad is why Arg is not a regular expression, nil if it is one.
	Bad error
	// Names are the instances there are.
	Names []string
}

func (e *SelectError) Error() string {
	switch {
	case e.Bad != nil:
		return fmt.Sprintf("%q is neither an instance nor a regular expression: %v", e.Arg, e.Bad)
	case len(e.Names) == 0:
		return "no instances defined: the configuration needs at least one suite and one platform"
	default:
		return fmt.Sprintf("no instances for regex `%s'", e.Arg)
	}
}

// Hint names the instances there are.
func (e *SelectError) Hint() string {
	if len(e.Names) == 0 {
		return ""
	}
	const most = 10
	names := e.Names
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	hint := "the instances are " + strings.Join(names, ", ") + more
	switch {
	case strings.Contains(e.Arg, ","):
		hint = "several are separated by blanks; " + hint
	case strings.Contains(strings.ToLower(strings.Join(e.Names, "\n")), strings.ToLower(e.Arg)):
		hint = "upper and lower case differ; " + hint
	}
	return hint
}

// Select returns the instances that the arguments name, in configuration
// order and each once. Without arguments, and for the word all, that is every
// instance. An argument is an instance's exact name or else a regular
// expression that matches anywhere in one (Test Kitchen, which looks at the
// first argument only). An argument that selects nothing is a *[SelectError].
func (k *Kitchen) Select(args ...string) ([]*Instance, error) {
	if len(k.Instances) == 0 {
		return nil, &SelectError{Arg: strings.Join(args, " ")}
	}
	if len(args) == 0 {
		return k.Instances, nil
	}
	chosen := make([]bool, len(k.Instances))
	for _, arg := range args {
		if err := k.choose(arg, chosen); err != nil {
			return nil, err
		}
	}
	var out []*Instance
	for i, ok := range chosen {
		if ok {
			out = append(out, k.Instances[i])
		}
	}
	return out, nil
}

func (k *Kitchen) choose(arg string, chosen []bool) error {
	if arg == "all" || arg == "" {
		for i := range chosen {
			chosen[i] = true
		}
		return nil
	}
	for i, inst := range k.Instances {
		if inst.Name == arg {
			chosen[i] = true
			return nil
		}
	}
	pattern, err := k.compile(arg)
	if err != nil {
		return &SelectError{Arg: arg, Bad: err, Names: k.names()}
	}
	found := false
	for i, inst := range k.Instances {
		ok, err := pattern.Match(inst.Name)
		if err != nil {
			return &SelectError{Arg: arg, Bad: err, Names: k.names()}
		}
		if ok {
			chosen[i], found = true, true
		}
	}
	if !found {
		return &SelectError{Arg: arg, Names: k.names()}
	}
	return nil
}

func (k *Kitchen) names() []string {
	names := make([]string, len(k.Instances))
	for i, inst := range k.Instances {
		names[i] = inst.Name
	}
	return names
}
