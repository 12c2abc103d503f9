// Package state keeps what is durably known of a project's instances, and
// knows the name of every file below its .kitchen directory, and of those that
// belong to a person rather than to a project.
//
// An instance's state is a YAML file that Test Kitchen reads and writes too.
// Files are 0600, directories 0700; a write is atomic and on disk when it
// returns; one process at a time holds an instance's lock.
//
// internal/cli joins it to the engine, whose [kitchen.Store] it implements;
// drivers ask it for file names only. It imports the engine and nothing else
// of ours.
package state
