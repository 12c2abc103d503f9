// Package starter writes what a project begins with: kitchen.yml, chefignore,
// the directory of tests and the entries in .gitignore (Test Kitchen: init). It
// never changes what is there already, but for lines added to .gitignore.
//
// It may be imported by internal/cli; it imports nothing of ours.
package starter
