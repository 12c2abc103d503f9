package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/internal/ui/history"
	"github.com/galleyhq/galley/internal/ui/junit"
	"github.com/galleyhq/galley/internal/ui/runlog"
	"github.com/galleyhq/galley/internal/ui/summary"
	"github.com/galleyhq/galley/kitchen"
)

// junitEvery is how often, at most, the JUnit file is brought up to date while
// a run goes on, so that one that is killed leaves the known results.
const junitEvery = 2 * time.Second

// results collects the outcomes of a run, for the closing summary and the
// JUnit file.
type results struct {
	mu      sync.Mutex // events after the run's end must not disturb finish
	history *history.History
	run     junit.Run
	file    string
	written time.Time
}

func newResults(instances []*kitchen.Instance, command, file string) *results {
	tail := 0
	if file != "" {
		tail = junit.Lines
	}
	r := &results{history: history.New(tail), file: file, run: junit.Run{Action: command, Begin: time.Now()}}
	r.history.Expect(instances...)
	return r
}

// clearJUnit verifies that the file can be written, and removes an earlier
// run's file, which must not be mistaken for this one's. It returns the file
// that a link leads to.
func clearJUnit(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	info, err := os.Stat(file)
	switch {
	case err == nil && info.IsDir():
		return "", usagef("name a file in it, as "+file+"/junit.xml", "--junit %s: it is a directory", file)
	case err == nil && !info.Mode().IsRegular():
		return "", usagef("the file is written several times, so it must be a regular one", "--junit %s: it is not a regular file", file)
	}
	if err := state.WriteResult(file, nil); err != nil {
		return "", usagef("", "--junit: %w", err)
	}
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	return file, os.Remove(file)
}

// begin writes a first JUnit file, in which nothing is done yet.
func (r *results) begin(p *project) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.run.ID, r.run.Log = p.Bus.Run(), p.paths.Log
	return r.write()
}

func (r *results) add(rec runlog.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history.Add(rec)
	ended := rec.Kind() == kitchen.StepFinished || rec.Kind() == kitchen.StepFailed
	if ended && time.Since(r.written) > junitEvery {
		// If it fails, so does the last write, which reports it.
		_ = r.write()
	}
}

func (r *results) write() error {
	if r.file == "" {
		return nil
	}
	r.written = time.Now()
	r.run.Now = r.written
	data, err := junit.Marshal(r.history, r.run)
	if err != nil {
		return err
	}
	return state.WriteResult(r.file, data)
}

// finish prints the summary and writes the JUnit file.
func (r *results) finish(p *program, w io.Writer, level ui.Level) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if level <= ui.InfoLevel {
		if err := summary.Write(w, r.history, p.colors(w)); err != nil {
			return fmt.Errorf("printing the summary: %w", err)
		}
	}
	return r.write()
}
