package ui

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/kitchen"
)

// keepLogs is how many earlier logs of an instance are kept when a run begins
// a fresh one: NAME.log.1 is the run before.
const keepLogs = 5

// FileLog writes events to a log file for each instance and one for the run,
// in the line form of Ruby's logger, as Test Kitchen does. A file is touched
// only when there is something to write into it, so that looking at instances
// does not destroy the log of what happened to them. Text is written without
// secrets and without characters that control a terminal.
type FileLog struct {
	path      func(instance string) string
	overwrite bool
	product   Product
	secrets   *secret.Redactor

	mu    sync.Mutex
	files map[string]*os.File
	err   error
}

// NewFileLog returns a log that writes to the files that path names ("" is
// the run's own). With overwrite each run begins fresh files and keeps the
// earlier ones beside them; else it appends.
func NewFileLog(product Product, overwrite bool, secrets *secret.Redactor, path func(instance string) string) *FileLog {
	return &FileLog{path: path, overwrite: overwrite, product: product, secrets: secrets, files: map[string]*os.File{}}
}

// Event writes e. A log that cannot be written does not stop the run; Close
// tells.
func (l *FileLog) Event(e kitchen.Event) {
	line, ok := l.product.line(e)
	if !ok {
		return
	}
	if e.Err != nil {
		line += "\n" + prefixed(errorPrefix, e.Err.Error())
		if hint := kitchen.Hint(e.Err); hint != "" {
			line += "\n" + errorPrefix + "hint: " + hint
		}
	}
	line = text.Clean(l.secrets.Clean(line))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(e, e.Instance, line)
	// The steps' headlines also are in the common log (Test Kitchen).
	if e.Instance != "" && (e.Kind == kitchen.StepStarted || e.Kind == kitchen.StepFinished || e.Kind == kitchen.StepFailed) {
		l.write(e, "", line)
	}
}

func (l *FileLog) write(e kitchen.Event, instance, lines string) {
	f, err := l.file(instance)
	if err != nil {
		l.err = err
		return
	}
	name := instance
	if name == "" {
		name = l.product.Name
	}
	level := strings.ToUpper(LevelOf(e).String())
	w := bufio.NewWriter(f)
	for line := range strings.SplitSeq(lines, "\n") {
		fmt.Fprintf(w, "%s, [%s #%d] %5s -- %s: %s\n", level[:1], e.Time.Format("2006-01-02T15:04:05.000000"), os.Getpid(), level, name, line)
	}
	if err := w.Flush(); err != nil {
		l.err = err
	}
}

func (l *FileLog) file(instance string) (*os.File, error) {
	if f := l.files[instance]; f != nil {
		return f, nil
	}
	path := l.path(instance)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if l.overwrite {
		rotate(path)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	l.files[instance] = f
	return f, nil
}

// rotate moves path to path.1, path.1 to path.2 and so on. Where that fails
// the log is appended to, which loses nothing.
func rotate(path string) {
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return
	}
	for i := keepLogs - 1; i > 0; i-- {
		_ = os.Rename(fmt.Sprintf("%s.%d", path, i), fmt.Sprintf("%s.%d", path, i+1))
	}
	_ = os.Rename(path, path+".1")
}

// Close closes the files and returns the first failure to write one.
func (l *FileLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, f := range l.files {
		if err := f.Close(); err != nil && l.err == nil {
			l.err = err
		}
		delete(l.files, name)
	}
	return l.err
}
