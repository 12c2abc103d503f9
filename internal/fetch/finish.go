package fetch

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"time"
)

// pageVerb finds the verb for the page's number in an output's name.
var pageVerb = regexp.MustCompile(`%0?[0-9]*d`)

// commitPage makes the page at hand a file.
func (f *run) commitPage() error {
	if err := f.flush(); err != nil {
		return err
	}
	path := f.pagePath()
	if err := f.toDisk(path); err != nil {
		return err
	}
	f.sum.Written += f.sink.size.Load()
	if f.sum.Files = append(f.sum.Files, path); len(f.sum.Files) > 1000 {
		f.sum.Files = f.sum.Files[1:]
	}
	return nil
}

func (f *run) pagePath() string {
	dir, base := filepath.Split(f.path)
	return dir + pageVerb.ReplaceAllStringFunc(base, func(verb string) string {
		return fmt.Sprintf(verb, f.at.Page)
	})
}

// flush brings all that was taken into the file.
func (f *run) flush() error {
	if f.sink.cur != nil {
		if err := f.sink.cut(nil); err != nil {
			return err
		}
	}
	if err := f.sink.settle(); err != nil {
		return err
	}
	if f.sink.out == 0 && f.format != None {
		return f.sink.empty(f.level)
	}
	return nil
}

// toDisk syncs the part file and gives it its name.
func (f *run) toDisk(path string) error {
	if !f.req.Output.NoSync {
		if err := f.file.Sync(); err != nil {
			return diskError(path, err)
		}
	}
	file := f.file
	f.file = nil
	if err := file.Close(); err != nil {
		return diskError(path, err)
	}
	if err := f.fs.rename(f.part, path); err != nil {
		return diskError(path, err)
	}
	if !f.req.Output.NoSync {
		if err := f.fs.syncDir(filepath.Dir(path)); err != nil {
			return diskError(path, err)
		}
	}
	return nil
}

// commit makes the part file the output.
func (f *run) commit() error {
	if f.perPage {
		f.committed = true
		return nil
	}
	if err := f.flush(); err != nil {
		return err
	}
	f.sum.Written = f.sink.size.Load()
	if f.direct {
		f.committed = true
		if f.file != nil {
			err := f.file.Close()
			f.file = nil
			return diskError(f.path, err)
		}
		return nil
	}
	if err := f.toDisk(f.path); err != nil {
		return err
	}
	f.committed = true
	f.sum.Files = []string{f.path}
	return nil
}

// finish ends the run, whole or not, and completes the summary.
func (f *run) finish(err error) error {
	resumable := false
	if f.sink != nil {
		if err != nil && f.sink.failure() == nil {
			_ = f.keepRest()
		}
		f.sink.close()
	}
	if f.file != nil {
		if cerr := f.file.Close(); err == nil {
			err = diskError(f.path, cerr)
		}
	}
	if f.perPage && err != nil && f.part != "" {
		// A page is fetched as a whole.
		_ = f.fs.remove(f.part)
	}
	if f.journal != nil {
		if err == nil || f.journal.last == nil || !keeps(err) {
			if err != nil && f.part != "" {
				_ = f.fs.remove(f.part)
			}
			f.journal.finish()
		} else {
			resumable = true
			f.journal.f.Close()
		}
	}
	if f.client != nil {
		f.client.close()
	}
	f.dec.close()
	s := f.sum
	s.Elapsed = time.Since(f.begun)
	s.Seconds = float64(s.Elapsed.Round(time.Millisecond)) / float64(time.Second)
	s.Received, s.Content = f.meter.received.Load(), f.meter.content.Load()
	s.Requests, s.Retries = f.meter.requests.Load(), f.meter.retries.Load()
	s.Items = f.at.Items
	if f.format != "" {
		s.Compressed = string(f.format)
	}
	for _, name := range []string{"length", "digest", "json"} {
		if f.bodies > 0 && f.verified[name] == f.bodies {
			s.Verified = append(s.Verified, name)
		}
	}
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Op: f.op(), Kind: KindNetwork, err: err}
		err = e
	}
	e.Resumable = resumable
	return err
}
