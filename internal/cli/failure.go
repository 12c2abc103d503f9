package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

// printFailure prints why a run failed, each reason once, and what still runs.
func (p *program) printFailure(w io.Writer, e *runFailure) {
	paint := p.painter(w)
	if p.style() == ui.Full {
		for line := range strings.SplitSeq(p.clean(kitchenReport(e)), "\n") {
			fmt.Fprintln(w, paint(ui.Red, ">>>>>> "+line))
		}
	} else {
		report, failed := shortReport(e)
		if failed {
			report = paint(ui.Red, "error:") + " " + p.clean(report)
		}
		fmt.Fprint(w, p.name+": "+report)
	}
	if note := keptNote(e); note != "" {
		fmt.Fprintln(w, p.clean(note))
	}
}

// reason is why some instances failed: the same action with the same error.
type reason struct {
	action     kitchen.Action
	text, hint string
	instances  []string
}

// reasons groups failures, in the order of the first of each.
func reasons(failures []kitchen.Failure) []*reason {
	var out []*reason
next:
	for _, f := range failures {
		r := &reason{action: f.Action, text: reasonText(f.Err), hint: kitchen.Hint(f.Err)}
		for _, known := range out {
			if known.action == r.action && known.text == r.text && known.hint == r.hint {
				known.instances = append(known.instances, f.Instance.Name)
				continue next
			}
		}
		r.instances = []string{f.Instance.Name}
		out = append(out, r)
	}
	return out
}

// reasonText is an error in the words of the user: an interrupt that left
// nothing else to say is just that.
func reasonText(err error) string {
	said := err.Error()
	if errors.Is(err, context.Canceled) && !strings.Contains(said, "\n") {
		return "interrupted"
	}
	return strings.ReplaceAll(said, context.Canceled.Error(), "interrupted")
}

// shortReport is the end of a failed run under Galley's own name: each reason
// with its hint and the log to read. failed is false where it was interrupted
// and nothing else.
func shortReport(e *runFailure) (report string, failed bool) {
	var b strings.Builder
	groups := reasons(e.Failures)
	failed = !e.interrupted || slices.ContainsFunc(groups, func(r *reason) bool { return r.text != "interrupted" })
	switch {
	case !failed:
		b.WriteString("interrupted\n")
	case len(e.Failures) == 1 && e.chosen == 1:
		r := groups[0]
		fmt.Fprintf(&b, "%s failed on instance <%s>: %s\n", r.action.Noun(), r.instances[0],
			indent(withoutOutput(e.Failures[0].Err, r.text), 2))
		writeReasonEnd(&b, "", r)
	default:
		fmt.Fprintf(&b, "%d of %s failed\n", len(e.Failures), text.Count(e.chosen, "instance"))
		for _, r := range groups {
			fmt.Fprintf(&b, "  %s failed on %s: %s\n", r.action.Noun(), which(r.instances, e.chosen), indent(r.text, 4))
			writeReasonEnd(&b, "    ", r)
		}
	}
	if len(e.Skipped) > 0 {
		fmt.Fprintf(&b, "not started: %s\n", strings.Join(instanceNamesOf(e.Skipped), ", "))
	}
	return b.String(), failed
}

// withoutOutput leaves the output of a command out of an error: of a single
// instance it was printed just before.
func withoutOutput(err error, said string) string {
	var e interface {
		error
		WithoutOutput() string
	}
	if !errors.As(err, &e) {
		return said
	}
	return strings.Replace(said, e.Error(), e.WithoutOutput(), 1)
}

func writeReasonEnd(b *strings.Builder, margin string, r *reason) {
	if r.hint != "" {
		fmt.Fprintf(b, "%shint: %s\n", margin, indent(strings.TrimSpace(r.hint), len(margin)+6))
	}
	if len(r.instances) <= 3 {
		logs := make([]string, len(r.instances))
		for i, name := range r.instances {
			logs[i] = ".kitchen/logs/" + name + ".log"
		}
		fmt.Fprintf(b, "%slog:  %s\n", margin, strings.Join(logs, ", "))
		return
	}
	fmt.Fprintf(b, "%slogs: .kitchen/logs/\n", margin)
}

// which names some of a number of instances: all of them by their number.
func which(names []string, of int) string {
	switch {
	case of == 1 || len(names) != of:
		return bracketed(names)
	case of == 2:
		return "both instances"
	}
	return "all " + text.Count(of, "instance")
}

// bracketed lists instances, at most ten of them.
func bracketed(names []string) string {
	const most = 10
	var quoted []string
	for _, n := range names[:min(len(names), most)] {
		quoted = append(quoted, "<"+n+">")
	}
	if more := len(names) - most; more > 0 {
		quoted = append(quoted, fmt.Sprintf("%d more", more))
	}
	return text.And(quoted)
}

func indent(s string, columns int) string {
	return strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n"+strings.Repeat(" ", columns))
}

func instanceNamesOf(list []*kitchen.Instance) []string {
	names := make([]string, len(list))
	for i, inst := range list {
		names[i] = inst.Name
	}
	return names
}

// keptNote says which machines still run, and what to do about them.
func keptNote(e *runFailure) string {
	switch n := len(e.kept); {
	case n == 0 && e.interrupted && len(e.Failures) > 0:
		return "Everything that was created has been removed."
	case n == 0:
		return ""
	case n == 1:
		name := e.kept[0]
		return fmt.Sprintf("The machine of <%s> is kept: `galley login %s` to look at it, `galley destroy %s` to remove it.", name, name, name)
	case n > 3:
		return fmt.Sprintf("%d machines are kept: `galley list` shows them, `galley login NAME` to look at one, `galley destroy` to remove them.", n)
	default:
		return fmt.Sprintf("%d machines are kept (%s): `galley login NAME` to look at one, `galley destroy` to remove them.", n, bracketed(e.kept))
	}
}

// kitchenReport is the end of a failed run in the form of Test Kitchen's, with
// the missing parts: reasons and remedies.
func kitchenReport(e *runFailure) string {
	var b strings.Builder
	fmt.Fprintf(&b, "------Exception-------\nClass: Kitchen::ActionFailed\nMessage: %s failed.\n", text.Count(len(e.Failures), "action"))
	for _, r := range reasons(e.Failures) {
		fmt.Fprintf(&b, "    %s failed on instance %s: %s\n", r.action.Noun(), bracketed(r.instances), indent(r.text, 6))
		writeReasonEnd(&b, "      ", r)
	}
	if len(e.Skipped) > 0 {
		fmt.Fprintf(&b, "    not started: %s\n", strings.Join(instanceNamesOf(e.Skipped), ", "))
	}
	b.WriteString("----------------------")
	return b.String()
}
