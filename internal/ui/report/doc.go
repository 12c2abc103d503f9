// Package report writes what happened as one HTML page that needs nothing
// else: a timeline of every instance's phases and waits, how each came out and
// why, and the end of the output of each.
//
// The page loads nothing and sends nothing: its content security policy
// forbids it, and all that programs have printed is shown as text. It works
// without its few lines of JavaScript, on paper, with a keyboard and a screen
// reader, in the light and in the dark.
//
// It imports internal/ui/history and internal/ui/ansi.
package report
