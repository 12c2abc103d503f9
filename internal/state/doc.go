// Package state names every file below a project's .kitchen directory, and
// those that belong to a user rather than to a project, and writes them.
//
// An instance's state is a YAML file that Test Kitchen reads and writes too;
// the engine's [kitchen.FileStore] keeps it. Files are 0600, directories 0700;
// a write is atomic and on disk when it returns; one process at a time has an
// instance's lock.
//
// internal/cli joins it to the engine; drivers ask it for file names only. It
// imports the engine and internal/atomicfile.
package state
