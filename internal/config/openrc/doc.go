// Package openrc reads OpenStack RC files: shell scripts that export OS_*
// variables. It gives what a bash sourcing the file would export.
//
// The file is run by the interpreter of mvdan.cc/sh. Programs, writing to
// files, pipes and what runs in the background are refused with the line, and
// steps, sizes and the time are bounded. A few programs that files find their
// folder with (dirname, readlink, cat, …) and the pipes that clear the
// environment (`set | awk … /^OS_/ …`) are understood.
//
// Not as in bash: $? right after a $(…) of the same word is that of the
// command before; ${X/#a/b}, ${X/%a/b}, select, mapfile and getopts are
// refused by name.
//
// PowerShell scripts and Windows batch files are refused by name.
//
// internal/cli uses it.
package openrc
