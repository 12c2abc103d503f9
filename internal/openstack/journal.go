package openstack

import (
	"cmp"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/atomicfile"
	"github.com/galleyhq/galley/internal/openstack/session"
)

// ResourceKind is a kind of thing that is made for a server or a network.
type ResourceKind string

// The kinds of resource a record can hold.
const (
	KindKeyPair    ResourceKind = "key pair"
	KindVolume     ResourceKind = "volume"
	KindPort       ResourceKind = "port"
	KindServer     ResourceKind = "server"
	KindFloatingIP ResourceKind = "floating IP"
	KindImage      ResourceKind = "image"
	// Those of networks: a gateway is a router's way to an external network, an
	// interface its place on a subnet.
	KindNetwork   ResourceKind = "network"
	KindSubnet    ResourceKind = "subnet"
	KindRouter    ResourceKind = "router"
	KindGateway   ResourceKind = "gateway"
	KindInterface ResourceKind = "interface"
)

// Stage is how far a resource has come.
type Stage string

// The stages of a resource. Asked is written before the cloud is asked to
// make it: whether it exists is then unknown.
const (
	Asked Stage = "asked"
	Made  Stage = "made"
)

// Resource is one thing that was made for a server or a network, or may have
// been.
type Resource struct {
	Kind ResourceKind `json:"kind"`
	// Name is the name it was asked for under, for a floating IP its pool.
	Name string `json:"name,omitempty"`
	// ID is its identifier, "" as long as the cloud has not answered.
	ID    string    `json:"id,omitempty"`
	Stage Stage     `json:"stage"`
	Asked time.Time `json:"asked"`
	// Borrowed is a resource that existed before: it is let go, not deleted.
	Borrowed bool `json:"borrowed,omitempty"`
	// Answered says that the cloud answered the request with a failure of its
	// own: it takes no effect later.
	Answered bool `json:"answered,omitempty"`
	// Repeated says that it was asked for twice, so that there may be two.
	Repeated bool `json:"repeated,omitempty"`
	// Keep says that it outlives a server that was made completely, by the
	// user's word (delete_on_termination: false).
	Keep bool `json:"keep,omitempty"`
	// Address is the floating IP itself.
	Address string `json:"address,omitempty"`
	// Port is the port that a borrowed floating IP was put on, Network the
	// network that a floating IP, port or subnet is in, or that a gateway leads
	// to.
	Port    string `json:"port,omitempty"`
	Network string `json:"network,omitempty"`
	// From is the port that a floating IP was taken from, to be given back
	// when the server does not come about.
	From string `json:"from,omitempty"`
	// Router is the router that a gateway or interface belongs to, Subnet the
	// subnet that an interface is on.
	Router string `json:"router,omitempty"`
	Subnet string `json:"subnet,omitempty"`
}

// String names the resource: "volume data (ID)", "floating IP 203.0.113.9".
func (r Resource) String() string {
	name := cmp.Or(r.Address, r.Name)
	if r.ID != "" && r.Address == "" {
		name = named(name, r.ID)
	}
	return strings.TrimSpace(string(r.Kind) + " " + name)
}

// Record describes a create and its resources: enough to remove everything,
// whenever and wherever the making stopped.
type Record struct {
	// Version is the version of this form, 1.
	Version int `json:"version"`
	// Token is unique to this making and is put into each resource.
	Token string `json:"token"`
	// Name is the name of the server to make.
	Name string `json:"name,omitempty"`
	// Owner says in people's words what the server is for: the instance.
	Owner string `json:"owner,omitempty"`
	// Project identifies the set of owners that belong together.
	Project string `json:"project,omitempty"`
	// AuthURL, ProjectID and Region are where it is, UserID is who created it:
	// key pairs belong to users.
	AuthURL     string `json:"auth_url,omitempty"`
	ProjectID   string `json:"project_id,omitempty"`
	ProjectName string `json:"project_name,omitempty"`
	Region      string `json:"region,omitempty"`
	UserID      string `json:"user_id,omitempty"`
	UserName    string `json:"user_name,omitempty"`
	// Started is when the making began.
	Started time.Time `json:"started"`
	// Expires is when it may be removed by anyone, the zero time for never.
	Expires time.Time `json:"expires,omitzero"`
	// Complete says that everything asked for is there.
	Complete bool `json:"complete,omitempty"`
	// KeyFile is the private key generated for the server.
	KeyFile string `json:"key_file,omitempty"`
	// Rebuild is the request for a fresh system disk of the server, until it
	// is known to be carried out or not.
	Rebuild   *Rebuild   `json:"rebuild,omitempty"`
	Resources []Resource `json:"resources,omitempty"`
}

const tokenLength = 26

// NewToken returns a fresh token: lower case letters and digits, 26 of them.
func NewToken() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

// find returns the first resource of a kind and name; an empty name fits all.
func (r *Record) find(kind ResourceKind, name string) *Resource {
	for i := range r.Resources {
		if r.Resources[i].Kind == kind && (name == "" || r.Resources[i].Name == name) {
			return &r.Resources[i]
		}
	}
	return nil
}

// ServerID returns the identifier of the recorded server, "" when there is
// none or it is not known yet.
func (r *Record) ServerID() string {
	if r == nil {
		return ""
	}
	if s := r.find(KindServer, ""); s != nil {
		return s.ID
	}
	return ""
}

func (r *Record) clone() *Record {
	c := *r
	c.Resources = slices.Clone(r.Resources)
	return &c
}

// Journal keeps the record of one server's making. Write must not return
// before the record would survive a power cut: the cloud is asked only after.
type Journal interface {
	// Read returns the record, nil when there is none.
	Read() (*Record, error)
	// Write replaces the record.
	Write(*Record) error
	// Remove forgets the record. A missing one is not an error.
	Remove() error
}

// FileJournal is a journal in one JSON file of mode 0600, replaced whole at
// each write. Missing directories are made with mode 0700.
type FileJournal string

// Read implements [Journal].
func (f FileJournal) Read() (*Record, error) {
	b, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &JournalError{string(f), err}
	}
	r, err := decodeRecord(b)
	if err != nil {
		return nil, &JournalError{string(f), err}
	}
	return r, nil
}

// JournalError is a journal that is there and cannot be read. Nothing is
// made or removed on its account: that might leave things behind.
type JournalError struct {
	Path string
	Err  error
}

// Error implements error.
func (e *JournalError) Error() string {
	return fmt.Sprintf("cannot read the journal %s: %v", e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *JournalError) Unwrap() error { return e.Err }

// Hint says how to get on.
func (e *JournalError) Hint() string {
	return "if the file is damaged beyond repair, look in the cloud for what bears the mark galley_token, remove it, and then the file"
}

func decodeRecord(b []byte) (*Record, error) {
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, err
	}
	if r.Version != 1 {
		return nil, fmt.Errorf("it has version %d; this program knows version 1", r.Version)
	}
	return &r, nil
}

// Write implements [Journal].
func (f FileJournal) Write(r *Record) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err = os.MkdirAll(filepath.Dir(string(f)), 0o700); err == nil {
		err = atomicfile.Write(string(f), append(b, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("cannot write the journal: %w", err)
	}
	return nil
}

// Remove implements [Journal].
func (f FileJournal) Remove() error {
	err := os.Remove(string(f))
	atomicfile.Sweep(string(f))
	if err == nil {
		return atomicfile.SyncDir(filepath.Dir(string(f)))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("cannot remove the journal: %w", err)
}

// Forget drops a record without asking the cloud, and names what may still
// exist.
func Forget(j Journal, rep Reporter) error {
	rec, err := j.Read()
	if err != nil {
		return err
	}
	if rec != nil {
		for _, r := range rec.Resources {
			if !r.Borrowed {
				rep.Warn("forgotten, and not removed: the %s in %s", r, rec.Where())
			}
		}
	}
	return j.Remove()
}

// Where says where the resources of the record are.
func (r *Record) Where() string {
	if r == nil {
		return "no cloud"
	}
	where := "the project " + cmp.Or(r.ProjectName, r.ProjectID) + " at " + r.AuthURL
	if r.Region != "" {
		where += ", region " + r.Region
	}
	return where
}

// ForgetNetwork drops the record of a network, known by its name or ID, as
// [Forget] does. The records are in the files at paths.
func ForgetNetwork(paths []string, ref string, rep Reporter) error {
	what := fmt.Sprintf("forget the network %q", ref)
	var found FileJournal
	var where []string
	for _, p := range paths {
		rec, err := FileJournal(p).Read()
		if err != nil {
			return err
		}
		if rec == nil {
			continue
		}
		if n := rec.find(KindNetwork, ""); rec.Name == ref || n != nil && n.ID == ref {
			found = FileJournal(p)
			where = append(where, fmt.Sprintf("%s (%s)", p, rec.Where()))
		}
	}
	switch len(where) {
	case 0:
		return session.Fail(session.NotFound, what, "there is no record of it", "")
	case 1:
		return Forget(found, rep)
	}
	return session.Fail(session.Ambiguous, what, "there are several records: "+strings.Join(where, ", "), "remove the file of the one that is meant")
}
