// Package version reads and compares the version numbers of cookbooks and the
// constraints on them, exactly as Semverse does, the library of chef-cli and
// Berkshelf: the same texts are accepted, and constraints are printed in the
// same form, which both lock files need. Versions are numbers alone: Chef accepts
// no pre-releases.
//
// Any package below internal/cookbooks may import it.
package version
