package state

import "path/filepath"

// Dir is the folder, below a project's root, that holds all state.
const Dir = ".kitchen"

// Paths names the files of one project. Root is the project's directory.
type Paths struct{ Root string }

// Base returns the directory that holds all state.
func (p Paths) Base() string { return filepath.Join(p.Root, Dir) }

// State returns the state file of an instance, which Test Kitchen shares.
func (p Paths) State(instance string) string {
	return filepath.Join(p.Base(), instance+".yml")
}

// Own returns the directory of the files that only Galley writes.
func (p Paths) Own() string { return filepath.Join(p.Base(), "galley") }

// Journal returns the record of the cloud resources made for an instance. It
// is a separate file so that it outlives the state file, which Test Kitchen
// deletes on destroy.
func (p Paths) Journal(instance string) string {
	return filepath.Join(p.Own(), instance+".json")
}

// Key returns the private key generated for an instance.
func (p Paths) Key(instance string) string {
	return filepath.Join(p.Own(), instance+".pem")
}

// Lock returns the lock file of an instance.
func (p Paths) Lock(instance string) string {
	return filepath.Join(p.Own(), instance+".lock")
}

// Logs returns the directory of the logs.
func (p Paths) Logs() string { return filepath.Join(p.Base(), "logs") }

// Log returns the log file of an instance.
func (p Paths) Log(instance string) string {
	return filepath.Join(p.Logs(), instance+".log")
}

// CommonLog returns the log file of what concerns no single instance.
func (p Paths) CommonLog() string { return filepath.Join(p.Logs(), "kitchen.log") }

// Structured returns the structured log of an instance, which Test Kitchen
// 4.1 shares.
func (p Paths) Structured(instance string) string {
	return filepath.Join(p.Logs(), instance+".ndjson")
}

// CommonStructured returns the structured log of runs as a whole.
func (p Paths) CommonStructured() string { return p.Structured("kitchen") }

// LogLock returns the file whose lock lets one process at a time put aside a
// structured log that has become large.
func (p Paths) LogLock() string { return filepath.Join(p.Own(), "logs.lock") }

// Report returns the HTML report that is written unless another file is
// named.
func (p Paths) Report() string { return filepath.Join(p.Base(), "report.html") }
