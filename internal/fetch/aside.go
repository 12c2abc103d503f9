package fetch

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"

	"github.com/galleyhq/galley/internal/secret"
)

// A part that an earlier, different request has left at the same output is set
// aside under another name, with its journal, and taken up again by a
// request like that one. So nothing that was downloaded is deleted unasked, and
// it does not prevent another download.

// openJournal opens the output's journal, and returns the lines that an earlier
// fetch of the same request left there or set aside.
func (s *session) openJournal() ([]journalLine, error) {
	w := s.out
	lines, err := w.openJournal()
	if err != nil || s.req.Restart {
		if err == nil {
			removeKept(w.path, s.keptName())
		}
		return lines, err
	}
	pages := keptPages(lines)
	switch {
	case pages > 0 && s.sameRequest(lines[0]):
		return lines, nil
	case pages > 0:
		if err := s.setAside(lines[0], pages); err != nil {
			return nil, err
		}
	case !s.isAside():
		return lines, nil
	default:
		w.journal.finish()
	}
	if err := s.takeUp(); err != nil {
		return nil, err
	}
	return w.openJournal()
}

// keptPages returns the page that the last place of a journal leads to, 1 for a
// single body, 0 if nothing was kept.
func keptPages(lines []journalLine) int {
	n := 0
	for _, l := range lines {
		if l.At != nil {
			n = max(l.At.Page, 1)
		}
	}
	return n
}

// sameRequest reports whether a part is of this request.
func (s *session) sameRequest(head journalLine) bool {
	return head.Version == journalVersion && head.Identity != nil && head.Identity.Form == s.out.identity.Form &&
		(head.Identity.Source == s.out.identity.Source || s.req.Resume)
}

// keptNameOf is the ending of the names under which a part is set aside.
func keptNameOf(id *identity) string {
	text, _ := json.Marshal(id)
	sum := sha256.Sum256(text)
	return ".galley-kept-" + hex.EncodeToString(sum[:4])
}

func (s *session) keptName() string { return keptNameOf(&s.out.identity) }

// keptFiles are the files of a part beside an output: journal, tail and part,
// or the parts of its first pages.
func (w *output) keptFiles(path string, pages int) []string {
	files := []string{path + tailEnding, path + wireEnding}
	if w.perPage {
		for page := 1; page < pages; page++ {
			files = append(files, w.pagePath(page)+partEnding)
		}
	} else {
		files = append(files, path+partEnding)
	}
	return append(files, path+journalEnding)
}

// setAside renames the files of another request's part.
func (s *session) setAside(head journalLine, pages int) error {
	w := s.out
	ending := keptNameOf(head.Identity)
	w.journal.f.Close() // Windows renames only closed files
	for _, file := range w.keptFiles(w.path, pages) {
		if err := os.Rename(file, file+ending); err != nil && !os.IsNotExist(err) {
			return diskError(file, err)
		}
	}
	of := "made by another version of galley"
	if head.Identity != nil {
		of = "of " + secret.HideURLs(clean(head.Identity.Source, 200))
		if head.Identity.Source == w.identity.Source {
			of = "made with other options"
		}
	}
	s.notify("the kept part of an earlier download, %s, is set aside as %s", of, w.path+partEnding+ending)
	return nil
}

// isAside reports whether a part of this request was set aside.
func (s *session) isAside() bool {
	_, err := os.Lstat(s.out.path + journalEnding + s.keptName())
	return err == nil
}

// takeUp renames the files of this request's part back, if there is one.
func (s *session) takeUp() error {
	w, ending := s.out, s.keptName()
	f, err := openBeside(w.path+journalEnding+ending, os.O_RDONLY, 0)
	if err != nil {
		return nil // nothing was set aside
	}
	lines, _ := readJournal(f)
	f.Close()
	for _, file := range w.keptFiles(w.path, keptPages(lines)) {
		if err := os.Rename(file+ending, file); err != nil && !os.IsNotExist(err) {
			return diskError(file, err)
		}
	}
	return nil
}

// removeKept removes a single part that was set aside.
func removeKept(path, ending string) {
	for _, name := range []string{tailEnding, wireEnding, partEnding, journalEnding} {
		_ = os.Remove(path + name + ending)
	}
}
