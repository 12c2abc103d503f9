package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/galleyhq/galley/internal/bootstrap/node"
	"github.com/galleyhq/galley/internal/state"
)

// nodeRecord is the durable word of a node that is being made of a machine. It
// is there from before its objects at the Chef Server are asked for until the
// bootstrap has ended, in whatever way but a kill.
type nodeRecord struct {
	Server string `json:"chef_server"`
	Name   string `json:"name"`
	// Asked are the kinds of objects that were asked for. Made says that both
	// were made: then what has the name is ours.
	Asked []string `json:"asked"`
	Made  bool     `json:"made"`

	path   string
	unlock func() error
	// keep leaves it there: its subject could not be removed.
	keep bool
}

// openNodeRecord takes the lock of the node's name and reads what an earlier
// bootstrap that was cut off has left.
func openNodeRecord(ctx context.Context, getenv func(string) string, s node.Spec, rep node.Reporter) (*nodeRecord, error) {
	mine, err := state.UserFiles(getenv)
	if err != nil {
		return nil, err
	}
	files := mine.Nodes()
	unlock, err := state.Lock(ctx, files.Lock(s.ServerURL, s.Name), `the node "`+s.Name+`"`, func(holder string) {
		rep.Info("Waiting for %s, which bootstraps %s", holder, s.Name)
	})
	if err != nil {
		return nil, err
	}
	r := &nodeRecord{path: files.Record(s.ServerURL, s.Name), unlock: unlock}
	data, err := os.ReadFile(r.path)
	if err == nil {
		err = json.Unmarshal(data, r)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		// It can only have been about this name; what has it is asked about.
		rep.Warn("the record %s cannot be read: %v", r.path, err)
		r.Made = false
	}
	r.Server, r.Name, r.Asked = s.ServerURL, s.Name, nil
	return r, nil
}

// asked writes down that an object is about to be asked for.
func (r *nodeRecord) asked(kind, _ string) error {
	if kind == node.KindClient {
		// The old ones are gone by now.
		r.Asked, r.Made = nil, false
	}
	r.Asked = append(r.Asked, kind)
	return r.write()
}

// made writes down that both were made.
func (r *nodeRecord) made() error {
	r.Made = true
	return r.write()
}

func (r *nodeRecord) write() error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return state.WriteFile(r.path, append(data, '\n'))
}

// close removes the record and gives the name free.
func (r *nodeRecord) close() error {
	var err error
	if !r.keep {
		err = state.Remove(r.path)
	}
	if err = errors.Join(err, r.unlock()); err != nil {
		return fmt.Errorf("closing the record of %s: %w", r.Name, err)
	}
	return nil
}
