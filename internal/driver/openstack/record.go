package openstack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/galleyhq/galley/internal/atomicfile"
	cloud "github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/kitchen"
)

// instanceJournal keeps the record of an instance twice: below .kitchen, and in
// the directory of copies, so that a .kitchen that was deleted, is read-only or
// on a full disk does not lose any resource. Paths in it are relative to the
// project, which may be moved.
type instanceJournal struct {
	o      Options
	state  *kitchen.State
	report *kitchen.Reporter
}

func (d *Driver) journal(step *kitchen.Step) cloud.Journal {
	return &instanceJournal{d.o, step.State, step.Report}
}

// Read implements [cloud.Journal].
func (j *instanceJournal) Read() (*cloud.Record, error) {
	rec, err := cloud.FileJournal(j.o.JournalPath()).Read()
	if err == nil && rec == nil && j.o.copyPath() != "" {
		if rec, err = cloud.FileJournal(j.o.copyPath()).Read(); rec != nil {
			j.report.Warn("the record of <%s> below .kitchen is gone; its copy is used", j.o.Instance)
		}
	}
	if err == nil && rec != nil {
		j.o.keepCopy(rec)
	}
	if rec != nil && rec.KeyFile != "" && !filepath.IsAbs(rec.KeyFile) {
		rec.KeyFile = filepath.Join(j.o.Root, rec.KeyFile)
	}
	return rec, err
}

// Write implements [cloud.Journal]. It fails only when neither file can be
// written. The server's ID is put into the instance's state as soon as it is
// known, so that another tool finds it there.
func (j *instanceJournal) Write(rec *cloud.Record) error {
	stored := *rec
	stored.KeyFile = j.o.relative(rec.KeyFile)
	err := cloud.FileJournal(j.o.JournalPath()).Write(&stored)
	if err == nil {
		err = j.o.saveProject()
	}
	if path := j.o.copyPath(); path != "" {
		cerr := cloud.FileJournal(path).Write(&stored)
		switch {
		case err != nil && cerr == nil:
			j.report.Debug("%v; the record is kept in %s", err, path)
			return nil
		case cerr != nil:
			j.report.Debug("the copy of the record: %v", cerr)
		}
	}
	if err != nil {
		return err
	}
	if id := rec.ServerID(); id != "" && j.state.String(kitchen.KeyServerID) != id {
		j.state.Set(kitchen.KeyServerID, id)
		return j.state.Save()
	}
	return nil
}

// Remove implements [cloud.Journal].
func (j *instanceJournal) Remove() error {
	var cerr error
	if path := j.o.copyPath(); path != "" {
		cerr = cloud.FileJournal(path).Remove()
	}
	err := cloud.FileJournal(j.o.JournalPath()).Remove()
	if err != nil {
		err = fmt.Errorf("everything was removed, but not the record of it: %w", err)
	}
	return errors.Join(err, cerr)
}

// keepCopy copies a record that has no copy yet, as that of a project that was
// moved.
func (o Options) keepCopy(rec *cloud.Record) {
	path := o.copyPath()
	if path == "" || fileExists(path) {
		return
	}
	// Without it, the record below .kitchen is all there is, as before.
	_ = cloud.FileJournal(path).Write(rec)
	_ = o.saveProject()
}

// relative returns a path below the project's root relative to it, others as
// they are.
func (o Options) relative(path string) string {
	rel, err := filepath.Rel(o.Root, path)
	if path == "" || o.Root == "" || err != nil || !filepath.IsLocal(rel) {
		return path
	}
	return rel
}

// copyPath is the copy of the instance's record, "" where none is kept.
func (o Options) copyPath() string {
	if o.Copies == "" {
		return ""
	}
	return filepath.Join(o.Copies, o.Instance+".json")
}

// projectFile holds the mark of the kitchen's resources.
const projectFile = "project"

// savedProject returns the mark that was chosen when the kitchen's first
// resource was created, "" when there is none yet. It moves with .kitchen, and
// survives it in the directory of copies.
func (o Options) savedProject() string {
	for _, dir := range []string{o.dir(), o.Copies} {
		if dir == "" {
			continue
		}
		if b, err := os.ReadFile(filepath.Join(dir, projectFile)); err == nil {
			if mark := strings.TrimSpace(string(b)); mark != "" && len(mark) < 64 {
				return mark
			}
		}
	}
	return ""
}

// saveProject writes the mark down in both places.
func (o Options) saveProject() error {
	mark := o.Project()
	if mark == "" {
		return nil
	}
	for _, dir := range []string{o.dir(), o.Copies} {
		if dir == "" {
			continue
		}
		path := filepath.Join(dir, projectFile)
		if old, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(old)) == mark {
			continue
		}
		err := os.MkdirAll(dir, 0o700)
		if err == nil {
			err = atomicfile.Write(path, []byte(mark+"\n"), 0o600)
		}
		if err != nil && dir != o.Copies {
			return err
		}
	}
	return nil
}
