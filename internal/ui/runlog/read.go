package runlog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galleyhq/galley/kitchen"
)

// Ext is how the files' names end.
const Ext = ".ndjson"

// longestLine bounds the length of one line read; a longer one is passed over.
// The longest that is written is far below.
const longestLine = 4 << 20

// Names returns the instances that have a log in the directory, sorted. The
// common log, whose name is given, is none.
func Names(dir, common string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for logs: %w", err)
	}
	var names []string
	for _, e := range entries {
		name, _, ok := strings.Cut(e.Name(), Ext)
		if ok && !e.IsDir() && name+Ext != filepath.Base(common) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Scan calls yield with every record of the log at path, the oldest first,
// and with the line that it was read from, which is valid until yield
// returns. Lines that are not records are passed over. A log that does not
// exist is an error that is [os.ErrNotExist].
func Scan(path string, yield func(rec Record, line []byte)) error { return scan(path, 0, yield) }

// scan leaves out the files of the log that are newer than the nth.
func scan(path string, newest int, yield func(Record, []byte)) error {
	files, err := openAll(path, newest)
	if err != nil {
		return err
	}
	for _, f := range files {
		defer f.Close()
	}
	for _, f := range files {
		if err := scanFile(f, yield); err != nil {
			return fmt.Errorf("reading the log %s: %w", f.Name(), err)
		}
	}
	return nil
}

// openAll opens the files of a log, the oldest first. Should one be put aside
// meanwhile, it is not read twice.
func openAll(path string, newest int) ([]*os.File, error) {
	var (
		files []*os.File
		infos []os.FileInfo
		first error
	)
	for n := newest; n <= generations; n++ {
		f, err := os.Open(generation(path, n))
		if err != nil {
			if first == nil || !errors.Is(err, os.ErrNotExist) {
				first = err
			}
			continue
		}
		info, err := f.Stat()
		if err != nil || slices.ContainsFunc(infos, func(i os.FileInfo) bool { return os.SameFile(i, info) }) {
			f.Close()
			continue
		}
		files, infos = append(files, f), append(infos, info)
	}
	if len(files) == 0 {
		return nil, first
	}
	slices.Reverse(files)
	return files, nil
}

func scanFile(r io.Reader, yield func(Record, []byte)) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	var long []byte
	skip := false
	for {
		part, err := lines.ReadSlice('\n')
		line := part
		if errors.Is(err, bufio.ErrBufferFull) || len(long) > 0 {
			if skip = skip || len(long)+len(part) > longestLine; !skip {
				long = append(long, part...)
			}
			line = long
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if !skip {
			if rec, ok := Decode(line); ok {
				yield(rec, line)
			}
		}
		long, skip = long[:0], false
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Session is one life of an instance's machine, as its log tells of it.
type Session struct {
	ID string
	// OnlyDestroy says that nothing was done in it but to remove what there
	// may have been.
	OnlyDestroy bool
}

// Index knows the sessions of one log, and to which of them the records
// belong that carry none: those outside of any step.
type Index struct {
	// Sessions are in the order in which each was last heard of.
	Sessions []Session
	runs     map[string]string
}

// ReadIndex reads the index of the log at path.
func ReadIndex(path string) (*Index, error) {
	ix := &Index{runs: map[string]string{}}
	return ix, Scan(path, func(rec Record, _ []byte) { ix.Add(rec) })
}

// Add takes note of a record; records are added in the order of the log.
func (ix *Index) Add(rec Record) {
	if rec.Session == "" {
		// Until the run is heard of in a session, if ever, it goes with the
		// latest.
		if _, ok := ix.runs[rec.Run]; !ok {
			ix.runs[rec.Run] = ix.Latest()
		}
		return
	}
	if rec.Run != "" {
		ix.runs[rec.Run] = rec.Session
	}
	only := rec.Action == "" || rec.Action == string(kitchen.Destroy)
	if n := len(ix.Sessions); n > 0 && ix.Sessions[n-1].ID == rec.Session {
		ix.Sessions[n-1].OnlyDestroy = ix.Sessions[n-1].OnlyDestroy && only
		return
	}
	s := Session{ID: rec.Session, OnlyDestroy: only}
	if i := slices.IndexFunc(ix.Sessions, func(s Session) bool { return s.ID == rec.Session }); i >= 0 {
		s.OnlyDestroy = only && ix.Sessions[i].OnlyDestroy
		ix.Sessions = slices.Delete(ix.Sessions, i, i+1)
	}
	ix.Sessions = append(ix.Sessions, s)
}

// Owner returns the session that a record belongs to, "" if to none.
func (ix *Index) Owner(rec Record) string {
	if rec.Session != "" {
		return rec.Session
	}
	return ix.runs[rec.Run]
}

// Has says whether the log tells of the session.
func (ix *Index) Has(session string) bool {
	return slices.ContainsFunc(ix.Sessions, func(s Session) bool { return s.ID == session })
}

// Latest returns the session that was heard of last, "" if there is none
// (Test Kitchen: latest_session_id).
func (ix *Index) Latest() string {
	if n := len(ix.Sessions); n > 0 {
		return ix.Sessions[n-1].ID
	}
	return ""
}

// LatestWork returns the latest session in which there was more than a
// destroy, and [Index.Latest] if there was none.
func (ix *Index) LatestWork() string {
	for _, s := range slices.Backward(ix.Sessions) {
		if !s.OnlyDestroy {
			return s.ID
		}
	}
	return ix.Latest()
}
