package db

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/galleyhq/galley/internal/atomicfile"
)

// The state is in two files: a snapshot, replaced as a whole, and a journal
// with one line for each transaction since. A journal line that is cut short
// belongs to a transaction nobody was told about, and is dropped.
const (
	snapshotFile = "state.json"
	journalFile  = "journal.jsonl"
	// compactAt is the size of the journal in bytes at which it is folded into
	// the snapshot.
	compactAt = 8 << 20
)

type journal struct {
	dir  string
	file *os.File
	size int64
}

func openJournal(dir string, d *DB) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for _, name := range []string{snapshotFile, journalFile} {
		if err := replay(filepath.Join(dir, name), d); err != nil {
			return nil, err
		}
	}
	j := &journal{dir: dir}
	return j, j.compact(d)
}

// replay applies a file of transactions to the tables.
func replay(path string, d *DB) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // a last line without its end was never committed
		}
		if err != nil {
			return err
		}
		var changes []change[json.RawMessage]
		if err := json.Unmarshal(line, &changes); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
		for _, c := range changes {
			t, ok := d.tables[c.Table]
			if !ok {
				return fmt.Errorf("%s:%d: no table is called %q: another version of the cloud wrote this state; `galley devcloud down --wipe` begins afresh", path, n, c.Table)
			}
			if err := t.load(c.ID, c.Value); err != nil {
				return fmt.Errorf("%s:%d: %w", path, n, err)
			}
		}
	}
}

func (j *journal) append(d *DB, log []change[any]) error {
	line, err := json.Marshal(log)
	if err != nil {
		return err
	}
	// One write call: a killed process leaves a whole line or a cut one, never
	// two mixed.
	n, err := j.file.Write(append(line, '\n'))
	j.size += int64(n)
	if err != nil {
		return err
	}
	if j.size > compactAt {
		return j.compact(d)
	}
	return nil
}

// compact writes the tables as a new snapshot and starts an empty journal.
// Killed between the two, the old journal is applied once more to the new
// snapshot, which changes nothing.
func (j *journal) compact(d *DB) error {
	var buf bytes.Buffer
	for _, t := range d.tables {
		for _, c := range t.dump() {
			if err := json.NewEncoder(&buf).Encode([]change[any]{c}); err != nil {
				return err
			}
		}
	}
	if err := atomicfile.Write(filepath.Join(j.dir, snapshotFile), buf.Bytes(), 0o600); err != nil {
		return err
	}
	if j.file != nil {
		j.file.Close()
	}
	f, err := os.OpenFile(filepath.Join(j.dir, journalFile), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	j.file, j.size = f, 0
	return nil
}

func (j *journal) close(d *DB) error {
	err := j.compact(d)
	return errors.Join(err, j.file.Close())
}
