// Package install puts Chef or Cinc on a machine: it decides which package
// answers what a configuration asks for, and makes the POSIX shell script that
// finds, fetches, checks and installs it. The script needs root, and one of
// curl, wget or python.
//
// Chef's public package downloads end in 2026. Where Chef is asked for and no
// source is named, the matching Cinc package is installed: the same
// program, built by the Cinc project.
//
// The package may be imported by the plug-ins below kitchen and by
// internal/cli. It imports nothing of the project.
package install
