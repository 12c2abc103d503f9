package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
)

// pageVerb finds the verb for the page's number in an output's name.
var pageVerb = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`%0?[0-9]*d`) })

func (w *output) pagePath(page int) string {
	dir, base := filepath.Split(w.path)
	return dir + pageVerb().ReplaceAllStringFunc(base, func(verb string) string { return fmt.Sprintf(verb, page) })
}

// flush brings all bytes that were taken into the file.
func (w *output) flush() error {
	if w.sink.cur != nil {
		if err := w.sink.cut(w.sink.owed()); err != nil {
			return err
		}
	}
	if err := w.sink.settle(); err != nil {
		return err
	}
	if w.sink.out == 0 && w.format != None {
		return w.sink.empty()
	}
	return nil
}

// closePart syncs and closes the part file.
func (w *output) closePart(path string) error {
	if !w.req.Output.NoSync {
		if err := w.file.Sync(); err != nil {
			return diskError(path, err)
		}
	}
	file := w.file
	w.file = nil
	if err := diskError(path, file.Close()); err != nil {
		return err
	}
	if w.req.Output.RemoteTime && !w.modified.IsZero() {
		return diskError(path, os.Chtimes(w.part, w.modified, w.modified))
	}
	return nil
}

// finishPage completes the part file of the page at hand. It gets its name
// together with all others, when the run is complete.
func (w *output) finishPage(page int) error {
	if err := w.flush(); err != nil {
		return err
	}
	return w.closePart(w.pagePath(page))
}

// commit makes the part file the output, or those of all pages.
func (w *output) commit(sum *Summary, last checkpoint) error {
	if w.perPage {
		if err := w.commitPages(sum, last.Page-1); err != nil {
			return err
		}
		return w.writeManifest(sum, last.Page-1)
	}
	if err := w.flush(); err != nil {
		return err
	}
	sum.Written = w.sink.size.Load()
	if s := w.req.Output.Store; s != nil {
		if err := s.Commit(w.ctx); err != nil {
			return &Error{Kind: KindDisk, Msg: "cannot write " + s.Name(), err: err}
		}
		w.committed, sum.Files = true, []string{s.Name()}
		return nil
	}
	if w.direct {
		w.committed = true
		if w.file != nil {
			err := w.file.Close()
			w.file = nil
			return diskError(w.path, err)
		}
		return nil
	}
	if err := w.closePart(w.path); err != nil {
		return err
	}
	if err := w.files.rename(w.part, w.path); err != nil {
		return diskError(w.path, err)
	}
	if err := w.syncDir(); err != nil {
		return err
	}
	w.committed = true
	sum.Files = []string{w.path}
	return w.writeManifest(sum, 1)
}

func (w *output) syncDir() error {
	if w.req.Output.NoSync {
		return nil
	}
	return diskError(w.path, w.files.syncDir(filepath.Dir(w.path)))
}

// commitPages gives the files of all pages their names. Killed in between, the
// next run continues here, since the journal says that all pages are complete.
func (w *output) commitPages(sum *Summary, pages int) error {
	for page := 1; page <= pages; page++ {
		path := w.pagePath(page)
		err := w.files.rename(path+partEnding, path)
		if errors.Is(err, fs.ErrNotExist) {
			if _, serr := os.Stat(path); serr == nil {
				err = nil // renamed before the kill
			}
		}
		if err != nil {
			return diskError(path, err)
		}
		if st, err := os.Stat(path); err == nil {
			sum.Written += st.Size()
		}
		if sum.Files = append(sum.Files, path); len(sum.Files) > 1000 {
			sum.Files = sum.Files[1:]
		}
	}
	// Files of an earlier, longer run are not pages of this list.
	stale := 0
	for page := pages + 1; ; page++ {
		path := w.pagePath(page)
		if st, err := os.Lstat(path); err != nil || !st.Mode().IsRegular() {
			break
		}
		if err := w.files.remove(path); err != nil {
			return diskError(path, err)
		}
		stale++
	}
	sum.Stale = stale
	w.committed = true
	return w.syncDir()
}

// manifestLine is a line of the manifest.
type manifestLine struct {
	File   string `json:"file"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	Page   int    `json:"page,omitempty"`
}

// writeManifest lists the files of the output, each with its size and checksum.
func (w *output) writeManifest(sum *Summary, pages int) (err error) {
	path := w.req.Output.Manifest
	if path == "" {
		return nil
	}
	part := path + partEnding
	out, err := w.files.create(part, newMode, false)
	if err != nil {
		return diskError(path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(diskError(path, err), w.files.remove(part))
		}
	}()
	for page := 1; page <= pages; page++ {
		l := manifestLine{File: w.path}
		if w.perPage {
			l.File, l.Page = w.pagePath(page), page
		}
		if err := l.measure(); err != nil {
			return errors.Join(err, out.Close())
		}
		l.File = filepath.Base(l.File)
		text, err := json.Marshal(l)
		if err == nil {
			_, err = out.Write(append(text, '\n'))
		}
		if err != nil {
			return errors.Join(err, out.Close())
		}
	}
	if err := errors.Join(out.Sync(), out.Close()); err != nil {
		return err
	}
	sum.Manifest = path
	return w.files.rename(part, path)
}

func (l *manifestLine) measure() error {
	f, err := os.Open(l.File)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if l.Bytes, err = io.Copy(h, f); err == nil {
		l.SHA256 = fmt.Sprintf("%x", h.Sum(nil))
	}
	return err
}

// finish closes the output, whole or not, and reports whether the next run can
// resume it.
func (w *output) finish(err error) (resumable bool, _ error) {
	if w.sink != nil {
		if err != nil && w.sink.failure() == nil {
			_ = w.keepRest()
		}
		w.sink.close()
	}
	if w.file != nil {
		if cerr := w.file.Close(); err == nil {
			err = diskError(w.path, cerr)
		}
		w.file = nil
	}
	if s := w.req.Output.Store; s != nil && !w.committed && w.opened {
		s.Abort(context.WithoutCancel(w.ctx))
	}
	if w.perPage && err != nil && w.part != "" && !w.committed {
		// The page at hand is fetched again as a whole.
		_ = w.files.remove(w.part)
	}
	if w.journal == nil {
		return false, err
	}
	if err == nil || w.journal.last == nil || !keeps(err) {
		if w.part != "" && !w.committed {
			_ = w.files.remove(w.part)
		}
		w.removeTail()
		w.removeWire()
		w.journal.finish()
		return false, err
	}
	w.journal.f.Close()
	if w.tail.f != nil {
		w.tail.f.Close()
	}
	if w.wire != nil {
		w.wire.f.Close()
	}
	return true, err
}

// keeps reports whether the bytes before this failure are worth keeping.
func keeps(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		switch e.Kind {
		case KindUsage, KindChanged:
			return false
		case KindChecksum:
			return e.given
		}
	}
	return true
}

// keepRest writes the bytes that can still be kept, and notes the place.
func (w *output) keepRest() error {
	if w.direct || w.file == nil || w.perPage {
		return nil
	}
	if w.wire != nil {
		return w.noteWire()
	}
	// The sink waits on the context, which may have ended.
	w.sink.ctx = context.WithoutCancel(w.ctx)
	if w.paged || w.parts {
		switch {
		case !w.sink.undo() || !w.sink.owing:
		case w.format != None:
			return w.saveTail()
		default:
			if err := w.sink.cut(w.sink.owed()); err != nil {
				return err
			}
		}
		return w.sink.settle()
	}
	if w.sink.after == nil {
		return nil
	}
	if !w.sink.raw || w.sink.cur == nil {
		return w.sink.settle()
	}
	in, last := w.sink.in, lastOf(nil, w.sink.cur.buf[:w.sink.cur.n])
	if err := w.sink.cut(func(out int64, crc uint32) error {
		return w.note(journalLine{At: &checkpoint{In: in, Out: out, CRC: crc, Last: last}})
	}); err != nil {
		return err
	}
	return w.sink.settle()
}
