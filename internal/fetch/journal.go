package fetch

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strconv"
)

// journal says how far a part file is valid and how to go on from there. It is
// a file of lines, each a checksum and a JSON object, appended to while the
// fetch runs; a line that a kill has cut short does not count.
type journal struct {
	f    *os.File
	path string
	size int64
	// The lines of a shorter journal.
	head  []byte
	resp  []byte
	first []byte
	last  []byte
	seen  []uint64
	next  int64 // rewritten when it grows beyond
}

const journalVersion = 4

// compactAt is the size from which on a journal is rewritten.
const compactAt = 4 << 20

type journalLine struct {
	// Version and Identity begin a journal.
	Version  int       `json:"galley_fetch,omitempty"`
	Identity *identity `json:"identity,omitempty"`
	// Response is the version of a single body.
	Response *bodyState `json:"response,omitempty"`
	// First is the shape of the first page.
	First *pageShape `json:"first,omitempty"`
	// At is a place to go on from.
	At *checkpoint `json:"at,omitempty"`
	// Seen are pages that no line has in its place.
	Seen []byte `json:"seen,omitempty"`
}

// bodyState is the version of a single body, which must be the same when a
// download is resumed.
type bodyState struct {
	Validator string `json:"validator"`
	Coding    string `json:"coding,omitempty"`
	Total     int64  `json:"total"` // -1 unknown
	// Stored is how the bytes on the wire became those of the output.
	Stored stored `json:"stored"`
}

// checkpoint is a place to go on from: Out bytes of the output, whose CRC-32C
// is CRC, hold the first In bytes of the body at hand on the wire, or all pages
// before Page.
type checkpoint struct {
	In  int64  `json:"in,omitempty"`
	Out int64  `json:"out"`
	CRC uint32 `json:"crc"`
	// Page is the next page, from 1; 0 for a single body. Cursor is the value
	// that its request carries in the body.
	Page   int             `json:"page,omitempty"`
	URL    string          `json:"url,omitempty"`
	Cursor json.RawMessage `json:"cursor,omitempty"`
	Offset int64           `json:"offset,omitempty"`
	Items  int64           `json:"items,omitempty"`
	Seen   uint64          `json:"seen,omitempty"`
	Done   string          `json:"done,omitempty"` // why there is no next page
	// Last are the last bytes of the body before In.
	Last []byte `json:"last,omitempty"`
	// Doc is the state of the document that reads the body, and Skip that of
	// the writer of its records.
	Doc  json.RawMessage `json:"doc,omitempty"`
	Skip bool            `json:"skip,omitempty"`
	// Wire is the checksum of the first In bytes in the copy of the body; then
	// the output has none of the body yet.
	Wire *uint32 `json:"wire,omitempty"`
	// Tail are complete pages that are not in the output yet.
	Tail *tailPart `json:"tail,omitempty"`
	// parsed is URL, nil if it is known as text alone.
	parsed *url.URL
}

// goTo makes u the page's address.
func (c *checkpoint) goTo(u *url.URL) { c.URL, c.parsed = u.String(), u }

var errLocked = errors.New("another fetch is writing this file")

// openJournal opens and locks the journal at path. It returns the lines it
// held, if they are wanted and any.
func openJournal(path string, want bool) (*journal, []journalLine, error) {
	for {
		f, err := openBeside(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, nil, err
		}
		ok, err := lock(f)
		if err != nil || !ok {
			f.Close()
			if err == nil {
				err = errLocked
			}
			return nil, nil, err
		}
		// The process that had it may have removed it just now.
		mine, err1 := f.Stat()
		there, err2 := os.Lstat(path)
		if err1 != nil {
			f.Close()
			return nil, nil, err1
		}
		if errors.Is(err2, fs.ErrNotExist) || err2 == nil && !os.SameFile(mine, there) {
			f.Close()
			continue
		}
		j := &journal{f: f, path: path, next: compactAt}
		if !want {
			return j, nil, j.restart()
		}
		lines, valid := readJournal(f)
		j.size = valid
		if err := f.Truncate(valid); err != nil {
			f.Close()
			return nil, nil, err
		}
		if _, err := f.Seek(valid, io.SeekStart); err != nil {
			f.Close()
			return nil, nil, err
		}
		return j, lines, j.rememberAll(lines)
	}
}

// readJournal returns the lines up to the first that is damaged, and how many
// bytes they take.
func readJournal(r io.Reader) ([]journalLine, int64) {
	var lines []journalLine
	var valid int64
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		text, err := in.ReadBytes('\n')
		if err != nil || len(text) < 10 || len(text) > 16<<20 {
			return lines, valid
		}
		sum, err := strconv.ParseUint(string(text[:8]), 16, 32)
		if err != nil || text[8] != ' ' || crc32.Checksum(text[9:len(text)-1], castagnoli()) != uint32(sum) {
			return lines, valid
		}
		var l journalLine
		if json.Unmarshal(text[9:], &l) != nil {
			return lines, valid
		}
		lines = append(lines, l)
		valid += int64(len(text))
	}
}

// restart empties the journal.
func (j *journal) restart() error {
	j.size, j.head, j.resp, j.first, j.last, j.seen, j.next = 0, nil, nil, nil, nil, nil, compactAt
	if err := j.f.Truncate(0); err != nil {
		return err
	}
	_, err := j.f.Seek(0, io.SeekStart)
	return err
}

func formatLine(l journalLine) ([]byte, error) {
	text, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(text, castagnoli()), text), nil
}

// remember keeps a line that was read or is written, whose text is b, for the
// next shorter journal.
func (j *journal) remember(l journalLine, b []byte) {
	switch {
	case l.Version != 0:
		j.head = b
	case l.Response != nil:
		j.resp = b
	case l.First != nil:
		j.first = b
	case l.At != nil:
		j.last = b
		if l.At.Seen != 0 && len(j.seen) < maxSeen {
			j.seen = append(j.seen, l.At.Seen)
		}
	}
	if l.Seen != nil && len(j.seen) < maxSeen {
		j.seen = append(j.seen, unpackSeen(l.Seen)...)
	}
}

func (j *journal) rememberAll(lines []journalLine) error {
	for _, l := range lines {
		b, err := formatLine(l)
		if err != nil {
			return err
		}
		j.remember(l, b)
	}
	return nil
}

// add appends a line, with one write call: after a kill it is there or not.
func (j *journal) add(l journalLine) error {
	b, err := formatLine(l)
	if err != nil {
		return err
	}
	j.remember(l, b)
	if j.size += int64(len(b)); j.size > j.next {
		return j.compact()
	}
	_, err = j.f.Write(b)
	return err
}

// cutAfter makes good the last place of the journal, which holds lines.
func (j *journal) cutAfter(lines []journalLine, good *checkpoint) error {
	j.head, j.resp, j.first, j.last, j.seen = nil, nil, nil, nil, nil
	for i, l := range lines {
		if l.At == good {
			lines = lines[:i+1]
			break
		}
	}
	if err := j.rememberAll(lines); err != nil {
		return err
	}
	return j.compact()
}

// compact rewrites the journal without the lines that are superseded. A kill in
// the middle costs the resume, never the output.
func (j *journal) compact() error {
	var b bytes.Buffer
	b.Write(j.head)
	b.Write(j.resp)
	b.Write(j.first)
	if len(j.seen) > 0 {
		line, err := formatLine(journalLine{Seen: packSeen(j.seen)})
		if err != nil {
			return err
		}
		b.Write(line)
	}
	b.Write(j.last)
	if err := j.f.Truncate(0); err != nil {
		return err
	}
	if _, err := j.f.WriteAt(b.Bytes(), 0); err != nil {
		return err
	}
	j.size = int64(b.Len())
	j.next = j.size + compactAt
	_, err := j.f.Seek(j.size, io.SeekStart)
	return err
}

// finish removes the journal: nothing is left to resume.
func (j *journal) finish() {
	// Removed while it is locked, so that nobody else's is hit; Windows wants
	// it closed first.
	if os.Remove(j.path) != nil {
		j.f.Close()
		_ = os.Remove(j.path)
		return
	}
	j.f.Close()
}

func packSeen(s []uint64) []byte {
	b := make([]byte, 0, 8*len(s))
	for _, v := range s {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

func unpackSeen(b []byte) []uint64 {
	var s []uint64
	for ; len(b) >= 8; b = b[8:] {
		s = append(s, binary.LittleEndian.Uint64(b))
	}
	return s
}
