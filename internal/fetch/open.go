package fetch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// open opens the output and, if something is to be resumed, finds out from
// where.
func (f *run) open() error {
	f.opened = true
	r := f.req
	sh := newShape(f.format, r.Limits, r.Output.Workers)
	var err error
	if f.sink, err = newSink(f.ctx, f.format, f.level, sh, f.meter); err != nil {
		return err
	}
	if w := r.Output.Writer; w != nil {
		f.direct = true
		f.sink.retarget(w, "the output", 0, 0, 0)
		return nil
	}
	path := r.Output.Path
	if !f.perPage {
		if path, f.direct, f.mode, err = target(path); err != nil {
			return diskError(path, err)
		}
	}
	f.path = path
	if f.direct {
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return diskError(path, err)
		}
		f.file = directFile{w}
		f.sink.retarget(w, path, 0, 0, 0)
		return nil
	}
	f.part = path + partEnding
	f.sink.sums = f.pager.mode != onePage && !f.perPage
	var lines []journalLine
	f.journal, lines, err = openJournal(path+journalEnding, r.Resume)
	if errors.Is(err, errLocked) {
		return &Error{Kind: KindDisk, Msg: "another fetch is writing " + path}
	}
	if err != nil {
		return diskError(path, err)
	}
	if r.Resume {
		why, err := f.takeUp(lines)
		if err != nil {
			return err
		}
		if why != "" {
			f.sum.StartedOver = why
			f.notify("nothing to resume: %s; starting from the beginning", why)
		}
	}
	if f.going == nil {
		if err := f.journal.restart(); err != nil {
			return diskError(path, err)
		}
		if err := f.note(journalLine{Version: journalVersion, Request: f.fingerprint()}); err != nil {
			return err
		}
	}
	if f.pager.mode != onePage {
		for _, h := range f.journal.seen {
			f.pager.remember(h)
		}
		// The first page may be the one that is resumed at; it is no loop.
		_, _ = f.pager.visit(f.pager.begin().URL)
	}
	if f.perPage {
		return nil
	}
	if f.file == nil {
		mode := newMode
		if f.mode != 0 {
			mode = f.mode
		}
		if f.file, err = f.fs.create(f.part, mode, false); err != nil {
			return diskError(f.part, err)
		}
		f.sink.retarget(f.file, path, 0, 0, 0)
	}
	return nil
}

// directFile is a pipe or device: it keeps no place and cannot be truncated.
type directFile struct{ *os.File }

func (directFile) Truncate(int64) error { return errors.New("not a file") }
func (directFile) Sync() error          { return nil }

// nameOutput finds the output's name from the first answer, and opens it.
func (f *run) nameOutput(a *answer) error {
	o := &f.req.Output
	name := fileName(a.Header, a.url, f.target.Name)
	if o.Compress == Auto {
		f.format = formatOf(name)
	} else if e := f.format.ending(); e != "" && formatOf(name) != f.format {
		name += e
	}
	if err := f.checkLevel(); err != nil {
		return err
	}
	path := filepath.Join(o.Path, name)
	if _, err := os.Lstat(path); err == nil && !o.Overwrite {
		return &Error{Kind: KindUsage, Msg: fmt.Sprintf("the file %s exists already", path), hint: "say --force to replace it, or name another with -o"}
	}
	o.Path = path
	return f.open()
}
