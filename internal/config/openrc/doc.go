// Package openrc reads OpenStack RC files: shell scripts that export OS_*
// variables. It gives what a bash sourcing the file would export, and runs no
// program: the language is interpreted here as far as such files need it, with
// every step, size, file and the time bounded. What needs a real shell is an
// error with the line.
//
// The same file as PowerShell (.ps1) or as a Windows batch file (.bat, .cmd)
// is read as far as it only sets variables.
//
// internal/cli uses it. It imports nothing of ours.
package openrc
