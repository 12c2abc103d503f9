package servers

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"os"

	"github.com/galleyhq/galley/internal/bootstrap/node"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/text"
)

// Mark is what tells the servers whose records are below base from those of
// other people and workstations.
func Mark(base string) string {
	host, _ := os.Hostname()
	sum := sha256.Sum256([]byte(host + "\x00" + base))
	return fmt.Sprintf("servers-%x", sum[:4])
}

// Target is a server to delete, with its resources.
type Target struct {
	// Name and ID are the server's. ID is "" where the server no longer exists
	//, but something of it is left.
	Name, ID string
	// Node is the name of its node and client: as it was registered, else the
	// server's name.
	Node string
	// With are the other things that go with it: "floating IP 203.0.113.9".
	With []string
	// Unfinished says that its making was not ended: its objects on the Chef
	// Server go with it in any case.
	Unfinished bool
	// Registered says that it may be a node of a Chef Server: it was made to be
	// one, or in a way that is unknown.
	Registered bool

	key    string // name of the record, "" for none
	marked *openstack.Record
}

// uuid is the form of the IDs that a cloud gives.
var uuid = text.Lazy(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)

// Find looks up a server to delete by ID or name. A server that no longer exists can be
// found as long as something of it is left: on the cloud, by its record, or
// with purge as a node or client of that name. An ID that nothing has is of a
// server that is gone for good: the target is nil. A name that nothing has is
// an error, and so is one that several servers have.
func (m *Manager) Find(ctx context.Context, ref string, purge bool) (*Target, error) {
	s, err := m.Cloud.Server(ctx, ref)
	there := err == nil
	if err != nil && session.KindOf(err) != session.NotFound {
		return nil, err
	}
	rec, rerr := m.recordOf(ref, s)
	if rerr != nil {
		return nil, rerr
	}
	t := &Target{
		Name: cmp.Or(s.Name, ref), ID: s.ID, Node: cmp.Or(s.Metadata[metaNode], s.Name, ref),
		Registered: s.Metadata[metaNode] != "" || m.Chef != nil,
	}
	switch {
	case rec != nil:
		t.key, t.Name, t.Unfinished = rec.Name, rec.Name, !rec.Complete
		t.Registered = rec.Chef != nil
		if t.Registered {
			t.Node = rec.Chef.Node
		}
		t.With = parts(rec.Cloud)
	case there && s.Token() != "":
		// It was made on another workstation, or its record is lost.
		if t.marked, err = m.marked(ctx, s.Token()); err != nil {
			return nil, err
		}
		t.With = parts(t.marked)
	case there:
	case purge && m.Chef != nil && !uuid().MatchString(ref):
		known, cerr := m.registered(ctx, ref)
		if cerr != nil {
			return nil, cerr
		}
		if !known {
			return nil, err
		}
	case uuid().MatchString(ref):
		return nil, nil
	default:
		return nil, err
	}
	return t, nil
}

func (m *Manager) registered(ctx context.Context, name string) (bool, error) {
	n, err := m.Chef.NodeExists(ctx, name)
	if err != nil || n {
		return n, err
	}
	return m.Chef.ClientExists(ctx, name)
}

// recordOf finds the record of the server s, or where the cloud has none, of
// the one whose name or ID is ref; nil without a record.
func (m *Manager) recordOf(ref string, s openstack.ServerInfo) (*record, error) {
	all, err := m.records()
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		switch {
		case s.ID != "":
			if r.Cloud != nil && (r.Cloud.ServerID() == s.ID || r.Cloud.Token == s.Token()) {
				return r, nil
			}
		case r.Name == ref, r.Cloud.ServerID() == ref:
			return r, nil
		}
	}
	return nil, nil
}

// records reads all records of the project. One that cannot be read is an
// error: its resources would be overlooked.
func (m *Manager) records() ([]*record, error) {
	paths, err := m.Files.Records(m.project())
	if err != nil {
		return nil, err
	}
	var out []*record
	for _, p := range paths {
		j, err := openJournal(p, "")
		if err != nil {
			return nil, err
		}
		if j.rec.Name != "" { // It may have gone in between.
			out = append(out, &j.rec)
		}
	}
	return out, nil
}

// marked finds all that carries a token.
func (m *Manager) marked(ctx context.Context, token string) (*openstack.Record, error) {
	all, err := m.Cloud.Orphans(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.Token == token {
			r.Complete = true
			return r, nil
		}
	}
	return nil, nil
}

// parts lists in words what a record has beside the server.
func parts(r *openstack.Record) []string {
	if r == nil {
		return nil
	}
	var out []string
	for _, x := range r.Resources {
		if x.Kind != openstack.KindServer && !x.Borrowed && !(x.Keep && r.Complete) {
			out = append(out, x.String())
		}
	}
	return out
}

// Deletion says how a server is deleted.
type Deletion struct {
	// Purge removes the node and the client as well (knife: --purge).
	Purge bool
	// Node is their name where it is not the target's (knife: --node-name).
	Node string
	// NoWait fails instead of waiting for requests that were never answered and
	// may still take effect: they stay recorded.
	NoWait bool
}

// Delete removes the server and its resources: floating IP, volumes,
// ports, key pair. What no longer exists is success.
func (m *Manager) Delete(ctx context.Context, t *Target, d Deletion) error {
	j, unlock, err := m.lock(ctx, cmp.Or(t.key, t.Name))
	if err != nil {
		return err
	}
	defer unlock()
	name := cmp.Or(d.Node, t.Node)
	if d.Purge {
		// Whether it can be done is known before the server is gone.
		url := ""
		if t.key != "" && j.rec.Chef != nil && name == j.rec.Chef.Node {
			url = j.rec.Chef.URL
		}
		if err := m.sameChef(url, name); err != nil {
			return err
		}
	}
	if err := m.remove(ctx, t, j, d.NoWait); err != nil {
		return inFlags(err)
	}
	if d.Purge {
		return node.Unregister(ctx, m.Chef, name, m.report())
	}
	return nil
}

func (m *Manager) remove(ctx context.Context, t *Target, j *journal, noWait bool) error {
	if t.key != "" && j.exists() {
		if j.rec.Complete {
			// A working node's objects are removed by purge only.
			j.rec.Chef = nil
		}
		if err := m.reclaim(ctx, j, noWait); err != nil || j.rec.Cloud.ServerID() == t.ID {
			return err
		}
	}
	if t.marked != nil {
		return m.Cloud.ReclaimRecord(ctx, t.marked, m.report())
	}
	if t.ID == "" {
		return nil
	}
	return m.Cloud.DeleteServer(ctx, t.ID, t.Name, m.report())
}

// Orphan is the remains of a server that no one owns any more.
type Orphan struct {
	// Name is the server's.
	Name string
	// What lists the things, in words.
	What []string

	key    string
	marked *openstack.Record
}

// Orphans finds what creates have left that were killed or failed to clean up
// behind them, and the remains of servers that others have deleted: by the
// records of this workstation, and by the marks that things made here bear.
// What another process works on, and what a failed create was told to keep, is
// left out.
func (m *Manager) Orphans(ctx context.Context) ([]*Orphan, error) {
	// The marks are read before the records, so that a create in progress has a
	// record by then.
	marked, err := m.Cloud.Orphans(ctx, m.Mark)
	if err != nil {
		return nil, err
	}
	list, err := m.Cloud.Servers(ctx)
	if err != nil {
		return nil, err
	}
	alive := map[string]bool{}
	for _, s := range list {
		alive[s.ID] = true
	}
	records, err := m.records()
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	var out []*Orphan
	for _, r := range records {
		if r.Cloud != nil {
			known[r.Cloud.Token] = true
			if m.Cloud.SameCloud(r.Cloud) != nil {
				continue // It is in another region, and cannot be seen from here.
			}
		}
		if (r.Complete || r.Kept) && alive[r.Cloud.ServerID()] || m.busy(r.Name) {
			continue
		}
		o := &Orphan{Name: r.Name, key: r.Name, What: resources(r.Cloud)}
		if !r.Complete && !r.Chef.empty() {
			o.What = append(o.What, fmt.Sprintf("node and client %s on %s", r.Chef.Node, r.Chef.URL))
		}
		out = append(out, o)
	}
	for _, r := range marked {
		if known[r.Token] {
			continue
		}
		out = append(out, &Orphan{Name: cmp.Or(r.Owner, r.Token), marked: r, What: resources(r)})
	}
	return out, nil
}

// resources lists in words what a record has.
func resources(r *openstack.Record) (words []string) {
	if r != nil {
		for _, x := range r.Resources {
			words = append(words, x.String())
		}
	}
	return words
}

// busy says whether another process holds the lock of a server.
func (m *Manager) busy(name string) bool {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	unlock, err := state.Lock(ended, m.Files.Lock(m.project(), name), `the server "`+name+`"`, nil)
	if err != nil {
		return true
	}
	_ = unlock()
	return false
}

// RemoveOrphan removes the remains; noWait is as in [Deletion].
func (m *Manager) RemoveOrphan(ctx context.Context, o *Orphan, noWait bool) error {
	if o.marked != nil {
		return inFlags(m.Cloud.ReclaimRecord(ctx, o.marked, m.report()))
	}
	j, unlock, err := m.lock(ctx, o.key)
	if err != nil {
		return err
	}
	defer unlock()
	if j.rec.Complete {
		j.rec.Chef = nil
	}
	return inFlags(m.reclaim(ctx, j, noWait))
}
