package servers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap/node"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/state"
)

// recordVersion is the version of the form that records have.
const recordVersion = 1

// record describes a requested server: enough to remove it
// and all that belongs to it, whenever and wherever its making stopped.
type record struct {
	Version int       `json:"version"`
	Name    string    `json:"name"`
	Started time.Time `json:"started"`
	// Complete says that the server is a working node.
	Complete bool `json:"complete,omitempty"`
	// Kept says that the user wanted to look at a failed one.
	Kept bool `json:"kept,omitempty"`
	// Chef holds the requests to the Chef Server, Cloud those to the cloud.
	Chef  *chefRecord       `json:"chef,omitempty"`
	Cloud *openstack.Record `json:"cloud,omitempty"`
}

// chefRecord holds the requests to a Chef Server for a server.
type chefRecord struct {
	// URL is the Chef Server, Node the name of node and client.
	URL  string `json:"url"`
	Node string `json:"node"`
	// HasClient and HasNode say that it was asked for, so that it may exist.
	HasClient bool `json:"client,omitempty"`
	HasNode   bool `json:"node_object,omitempty"`
	// Unanswered is when the last request was sent that was not answered: it
	// may still take effect for a while.
	Unanswered time.Time `json:"unanswered,omitzero"`
}

func (c *chefRecord) empty() bool { return c == nil || !c.HasClient && !c.HasNode }

// journal keeps a record in its file. To internal/openstack it is the journal
// of the cloud's part. It is used by the holder of the server's lock only.
type journal struct {
	path string
	rec  record
}

var _ openstack.Journal = (*journal)(nil)

// openJournal reads the record at path; one that is not there is empty.
func openJournal(path, name string) (*journal, error) {
	j := &journal{path: path, rec: record{Version: recordVersion, Name: name}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	if err == nil {
		j.rec, err = decodeRecord(data)
	}
	if err != nil {
		return nil, &openstack.JournalError{Path: path, Err: err}
	}
	return j, nil
}

func decodeRecord(data []byte) (record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return r, err
	}
	switch {
	case r.Version != recordVersion:
		return r, fmt.Errorf("it has version %d; this program knows version %d", r.Version, recordVersion)
	case r.Name == "":
		return r, errors.New("it names no server")
	case r.Cloud != nil && r.Cloud.Version != 1:
		return r, fmt.Errorf("its part of the cloud has version %d; this program knows version 1", r.Cloud.Version)
	}
	return r, nil
}

// save has the record on disk when it returns; one without anything to remove
// has no file.
func (j *journal) save() error {
	if !j.exists() {
		return j.forget()
	}
	data, err := json.MarshalIndent(j.rec, "", "  ")
	if err != nil {
		return err
	}
	if err := state.WriteFile(j.path, append(data, '\n')); err != nil {
		return fmt.Errorf("writing the record of %q: %w", j.rec.Name, err)
	}
	return nil
}

func (j *journal) forget() error {
	if err := state.Remove(j.path); err != nil {
		return fmt.Errorf("removing the record of %q: %w", j.rec.Name, err)
	}
	return nil
}

// exists says whether anything may exist that the record tells of.
func (j *journal) exists() bool {
	c := j.rec.Cloud
	return c != nil && (len(c.Resources) > 0 || c.KeyFile != "") || !j.rec.Chef.empty()
}

// Read implements [openstack.Journal].
func (j *journal) Read() (*openstack.Record, error) { return j.rec.Cloud, nil }

// Write implements [openstack.Journal].
func (j *journal) Write(r *openstack.Record) error {
	j.rec.Cloud = r
	return j.save()
}

// Remove implements [openstack.Journal].
func (j *journal) Remove() error {
	j.rec.Cloud = nil
	return j.save()
}

// asked records that something is about to be asked of the Chef Server.
func (j *journal) asked(kind, _ string) error {
	switch kind {
	case node.KindClient:
		j.rec.Chef.HasClient = true
	case node.KindNode:
		j.rec.Chef.HasNode = true
	}
	j.rec.Chef.Unanswered = time.Now().UTC()
	return j.save()
}
