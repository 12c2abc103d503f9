// Package openrc reads OpenStack RC files: shell scripts that export OS_*
// variables. It gives what a shell sourcing the file would export, and runs
// no program: the language is interpreted here as far as such files need it,
// with every step, size and file bounded. What needs a real shell is an error
// with the line.
//
// internal/cli uses it. It imports nothing of ours.
package openrc
