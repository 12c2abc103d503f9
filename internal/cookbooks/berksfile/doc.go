// Package berksfile does what Berkshelf does with a Berksfile: it reads it,
// resolves and installs its cookbooks, writes the lock beside it, vendors the
// cookbooks into a folder, and lists newer versions. Locks are those of
// Berkshelf 7 to the byte, so a team may use both.
//
// internal/cookbooks imports it.
package berksfile
