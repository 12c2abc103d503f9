// Package watch says which files of a project have changed, for `galley watch`.
// It watches every directory below the project that git does not ignore, also
// those that are made later, and gathers what changes within a moment into one round: editors write
// a file in several steps.
//
// It may be imported by internal/cli. It imports none of our packages.
package watch
