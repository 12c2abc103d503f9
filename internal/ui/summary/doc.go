// Package summary writes the closing table of a run on several instances: how
// each came out, how far it came and how long that took.
//
// It imports internal/ui and internal/ui/history.
package summary
