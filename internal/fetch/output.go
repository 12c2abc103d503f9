package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// output is the place that a fetch writes to: the sink, the part file under it,
// and the journal beside that.
type output struct {
	ctx   context.Context
	req   *Request
	meter *Meter
	files files

	format    Format
	level     int
	sink      *sink
	journal   *journal
	path      string // of the output, "" for a writer
	part      string
	mode      os.FileMode
	direct    bool // written bytes cannot be undone
	perPage   bool // each page is a file
	parts     bool // the places of a single body are noted as those of pages are
	paged     bool
	file      outFile
	opened    bool
	committed bool
	identity  identity

	// pageOut is where the page at hand begins in the output, and pageCRC the
	// checksum of the bytes before it. The sink's writer sets them.
	pageOut int64
	pageCRC uint32
	// Of a single body, once it can be resumed: its version, and how much of it
	// the last checkpoint covers.
	state  *bodyState
	lastIn int64
	// ended is the place after the last complete page, and seen the pages
	// visited since the last place that is noted.
	ended checkpoint
	seen  []uint64
	tail  tailFile
	wire  *wireCopy // nil without one
	// modified is the time of Last-Modified, for RemoteTime.
	modified time.Time
}

// newOutput checks whether the output can be as it is asked for, and settles
// its format.
func newOutput(ctx context.Context, r *Request, m *Meter, paged bool) (*output, error) {
	o := &r.Output
	w := &output{ctx: ctx, req: r, meter: m, files: r.hooks.files, paged: paged}
	if w.files == nil {
		w.files = osFiles{early: !o.NoSync}
	}
	places := 0
	for _, given := range []bool{o.Path != "" || o.Named, o.Writer != nil, o.Store != nil} {
		if given {
			places++
		}
	}
	elsewhere := o.Writer != nil || o.Store != nil
	switch {
	case places > 1:
		return nil, usage("an output is a file, a writer or a store, not more than one of them")
	case places == 0:
		return nil, usage("no output is given: name a file")
	case r.Resume && (elsewhere || o.Named):
		return nil, usage("only an output whose name is given can be resumed")
	case r.Resume && r.Restart:
		return nil, usage("a fetch is resumed or restarted, not both")
	case r.Resume && r.Body != nil && r.Body.id == "":
		return nil, usage("a request whose body is read from a pipe cannot be resumed")
	case o.Manifest != "" && elsewhere:
		return nil, usage("a manifest lists files, and the output is not one")
	}
	w.perPage = o.Path != "" && !o.Named && strings.Contains(filepath.Base(o.Path), "%")
	if w.perPage {
		base := filepath.Base(o.Path)
		if len(pageVerb().FindAllString(base, -1)) != 1 || strings.Count(base, "%") != 1 {
			return nil, usage("%q: one verb such as %%05d is replaced by the page's number, and no other %% is allowed", base)
		}
		if !paged {
			return nil, usage("%q asks for a file per page, but no way to the next page is given", base)
		}
	}
	if w.format = o.Compress; w.format == Auto {
		w.format = formatOf(o.Path)
		if elsewhere || o.Named {
			w.format = None
		}
	}
	if o.Named {
		return w, nil // the name is not known yet, nor is the format
	}
	return w, w.checkLevel()
}

// checkLevel settles the level of compression once the format is known.
func (w *output) checkLevel() error {
	o := &w.req.Output
	if w.level = o.Level; w.level == 0 {
		w.level = 1
		return nil
	}
	limit := map[Format]int{Gzip: 9, Zstd: 4}[w.format]
	switch {
	case w.format == None && o.Named && o.Compress == Auto:
		return nil // the name chosen by the server decided
	case w.format == None:
		return usage("a level is one of compression, and the output is not compressed: name it .gz or .zst, or say how with --compress")
	case w.level < 1 || w.level > limit:
		return usage("level %d: %s has 1 to %d", w.level, w.format, limit)
	}
	return nil
}

// openDirect opens an output whose bytes cannot be undone, and returns false if
// the output is a file.
func (w *output) openDirect() (bool, error) {
	o := &w.req.Output
	switch {
	case o.Writer != nil:
		w.direct = true
		w.sink.retarget(o.Writer, "the output", 0, 0, 0)
		return true, nil
	case o.Store != nil:
		w.direct = true
		w.sink.retarget(o.Store, o.Store.Name(), 0, 0, 0)
		return true, nil
	}
	path := o.Path
	if !w.perPage {
		var err error
		if path, w.direct, w.mode, err = target(path); err != nil {
			return false, diskError(path, err)
		}
	}
	w.path = path
	if !w.direct {
		return false, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return false, diskError(path, err)
	}
	w.file = directFile{f}
	w.sink.retarget(f, path, 0, 0, 0)
	return true, nil
}

// openJournal opens the output's journal, and returns the lines that an earlier
// fetch left there.
func (w *output) openJournal() ([]journalLine, error) {
	w.part = w.path + partEnding
	w.sink.sums = w.paged && !w.perPage
	var lines []journalLine
	var err error
	w.journal, lines, err = openJournal(w.path+journalEnding, !w.req.Restart)
	if errors.Is(err, errLocked) {
		return nil, &Error{Kind: KindDisk, Msg: "another fetch is writing " + w.path}
	}
	return lines, diskError(w.path+journalEnding, err)
}

// beginJournal begins a journal that holds nothing of an earlier fetch.
func (w *output) beginJournal() error {
	if err := w.journal.restart(); err != nil {
		return diskError(w.path, err)
	}
	w.removeTail()
	w.removeWire()
	return w.note(journalLine{Version: journalVersion, Identity: &w.identity})
}

// note adds a line to the journal, if there is one.
func (w *output) note(l journalLine) error {
	if w.journal == nil {
		return nil
	}
	return diskError(w.path+journalEnding, w.journal.add(l))
}

// createPart creates the part file.
func (w *output) createPart() error {
	mode := newMode
	if w.mode != 0 {
		mode = w.mode
	}
	var err error
	if w.file, err = w.files.create(w.part, mode, false); err != nil {
		return diskError(w.part, err)
	}
	w.sink.retarget(w.file, w.path, 0, 0, 0)
	return nil
}

// directFile is a pipe or device: it keeps no place and cannot be truncated.
type directFile struct{ *os.File }

func (directFile) Truncate(int64) error { return errors.New("not a file") }
func (directFile) Sync() error          { return nil }

// named settles the output's name by the first answer.
func (w *output) named(h http.Header, u *url.URL, given string) error {
	o := &w.req.Output
	name := fileName(h, u, given)
	if o.Compress == Auto {
		w.format = formatOf(name)
	} else if e := w.format.ending(); e != "" && formatOf(name) != w.format {
		name += e
	}
	if err := w.checkLevel(); err != nil {
		return err
	}
	path := filepath.Join(o.Path, name)
	if _, err := os.Lstat(path); err == nil && !o.Overwrite {
		return &Error{Kind: KindUsage, Msg: fmt.Sprintf("the file %s exists", path), hint: "say --force to replace it, or name another with -o"}
	}
	o.Path = path
	return nil
}

// store takes content to write.
func (w *output) store(p []byte) error {
	_, err := w.sink.Write(p)
	return err
}

// beginPage prepares the page at hand, which is a separate file if perPage.
func (w *output) beginPage(page int) error {
	if !w.perPage {
		return nil
	}
	path := w.pagePath(page)
	w.part = path + partEnding
	if w.file != nil {
		if err := w.file.Close(); err != nil { // of an attempt before
			return diskError(w.part, err)
		}
	}
	var err error
	if w.file, err = w.files.create(w.part, newMode, false); err != nil {
		return diskError(w.part, err)
	}
	w.sink.retarget(w.file, path, 0, 0, 0)
	w.pageOut, w.pageCRC = 0, 0
	return nil
}

// endPage ends the page at hand. The journal says so once it is written.
func (w *output) endPage(at, next checkpoint) error {
	if w.perPage {
		if err := w.finishPage(at.Page); err != nil {
			return err
		}
		c := next // a copy, which escapes
		return w.note(journalLine{At: &c})
	}
	late := time.Since(w.sink.flushed) >= flushEvery
	return w.endPart(next, late)
}

// endPart ends a page, or a part of a single body that ends at next.
func (w *output) endPart(next checkpoint, late bool) error {
	if next.Seen != 0 {
		w.seen = append(w.seen, next.Seen)
		next.Seen = 0
	}
	w.ended = next
	if err := w.sink.pageEnd(w.format == None && late || w.direct && w.req.Output.Store == nil); err != nil {
		return err
	}
	if w.format != None && late {
		return w.saveTail()
	}
	return nil
}

// mark returns the mark that notes the place after the last complete page.
func (w *output) mark() mark {
	c, seen := w.ended, w.seen
	w.seen = nil
	return func(out int64, crc uint32) error {
		w.pageOut, w.pageCRC = out, crc
		c.Out, c.CRC = out, crc
		return w.notePlace(c, seen)
	}
}

// notePlace notes a place, and with it the pages visited before it.
func (w *output) notePlace(c checkpoint, seen []uint64) error {
	return w.note(journalLine{At: &c, Seen: packSeen(seen)})
}

// rollBack removes the bytes that the page at hand has written.
func (w *output) rollBack() error {
	if !w.perPage && w.paged && w.sink.undo() {
		return w.sink.failure()
	}
	w.sink.drop()
	if err := w.sink.settle(); err != nil {
		return err
	}
	if w.sink.out == w.pageOut && w.pageOut == 0 {
		w.sink.retarget(w.sink.w, w.path, 0, 0, 0)
		return nil
	}
	if w.direct {
		if w.sink.out == w.pageOut {
			return nil
		}
		return &Error{Kind: KindChanged, Msg: "the bytes that were written cannot be undone"}
	}
	if !w.paged {
		w.pageOut, w.pageCRC, w.lastIn, w.state = 0, 0, 0, nil
		if err := w.beginJournal(); err != nil {
			return err
		}
	}
	if err := w.file.Truncate(w.pageOut); err != nil {
		return diskError(w.part, err)
	}
	w.sink.retarget(w.file, w.path, 0, w.pageOut, w.pageCRC)
	return nil
}
