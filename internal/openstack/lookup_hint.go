package openstack

import (
	"fmt"
	"slices"

	"github.com/galleyhq/galley/internal/text"
)

// suggest returns the hint of a failed lookup: the names near the given one, or
// else the names there are.
func suggest(label, name string, names []string) string {
	if hint := text.DidYouMean(name, names); hint != "" {
		return hint
	}
	names = slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == "" })
	slices.Sort(names)
	names = slices.Compact(names)
	switch {
	case len(names) == 0:
		return "this project has no " + label + " at all"
	case len(names) > 12:
		return fmt.Sprintf("the cloud has %d, among them %s", len(names), text.Quoted(names[:12]))
	}
	return "the cloud has " + text.Quoted(names)
}
