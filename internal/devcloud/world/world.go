package world

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// World is the whole cloud. Its tables are read inside View and changed inside Update, nowhere else.
type World struct {
	mu      sync.RWMutex
	orderMu sync.Mutex
	tables  map[string]anyTable
	seq     uint64

	tx     *transaction
	txTime time.Time

	changed chan struct{} // closed and replaced at every commit
	journal *journal      // nil: nothing is kept

	Settings *Table[Setting, *Setting]

	Domains        *Table[Domain, *Domain]
	Projects       *Table[Project, *Project]
	Users          *Table[User, *User]
	Tokens         *Table[Token, *Token]
	AppCredentials *Table[AppCredential, *AppCredential]

	Flavors  *Table[Flavor, *Flavor]
	KeyPairs *Table[KeyPair, *KeyPair]
	Servers  *Table[Server, *Server]
	// Graves are deleted servers, which changes-since still shows.
	Graves       *Table[Server, *Server]
	ServerGroups *Table[ServerGroup, *ServerGroup]
	Actions      *Table[InstanceAction, *InstanceAction]

	Networks       *Table[Network, *Network]
	Subnets        *Table[Subnet, *Subnet]
	Routers        *Table[Router, *Router]
	Ports          *Table[Port, *Port]
	FloatingIPs    *Table[FloatingIP, *FloatingIP]
	SecurityGroups *Table[SecurityGroup, *SecurityGroup]
	SecurityRules  *Table[SecurityRule, *SecurityRule]
	SubnetPools    *Table[SubnetPool, *SubnetPool]

	Images       *Table[Image, *Image]
	ImageMembers *Table[ImageMember, *ImageMember]

	Volumes     *Table[Volume, *Volume]
	Snapshots   *Table[Snapshot, *Snapshot]
	VolumeTypes *Table[VolumeType, *VolumeType]
	Attachments *Table[Attachment, *Attachment]

	Quotas *Table[Quota, *Quota]
}

// change is one line's element in the journal; a nil Value is a removal.
type change struct {
	Table string `json:"t"`
	ID    string `json:"k"`
	Value any    `json:"v"`
}

type transaction struct {
	undo []func()
	log  []change
}

// Open reads the state kept in dir, or starts an empty world there. With an empty dir nothing is kept.
func Open(dir string) (*World, error) {
	w := &World{tables: map[string]anyTable{}, changed: make(chan struct{})}
	w.Settings = newTable[Setting](w, "settings")
	w.Domains = newTable[Domain](w, "domains")
	w.Projects = newTable[Project](w, "projects")
	w.Users = newTable[User](w, "users")
	w.Tokens = newTable[Token](w, "tokens")
	w.AppCredentials = newTable[AppCredential](w, "application_credentials")
	w.Flavors = newTable[Flavor](w, "flavors")
	w.KeyPairs = newTable[KeyPair](w, "keypairs")
	w.Servers = newTable[Server](w, "servers")
	w.Graves = newTable[Server](w, "graves")
	w.ServerGroups = newTable[ServerGroup](w, "server_groups")
	w.Actions = newTable[InstanceAction](w, "instance_actions")
	w.Networks = newTable[Network](w, "networks")
	w.Subnets = newTable[Subnet](w, "subnets")
	w.Routers = newTable[Router](w, "routers")
	w.Ports = newTable[Port](w, "ports")
	w.FloatingIPs = newTable[FloatingIP](w, "floating_ips")
	w.SecurityGroups = newTable[SecurityGroup](w, "security_groups")
	w.SecurityRules = newTable[SecurityRule](w, "security_rules")
	w.SubnetPools = newTable[SubnetPool](w, "subnet_pools")
	w.Images = newTable[Image](w, "images")
	w.ImageMembers = newTable[ImageMember](w, "image_members")
	w.Volumes = newTable[Volume](w, "volumes")
	w.Snapshots = newTable[Snapshot](w, "snapshots")
	w.VolumeTypes = newTable[VolumeType](w, "volume_types")
	w.Attachments = newTable[Attachment](w, "attachments")
	w.Quotas = newTable[Quota](w, "quotas")
	if dir != "" {
		j, err := openJournal(dir, w)
		if err != nil {
			return nil, err
		}
		w.journal = j
	}
	return w, nil
}

// Close writes the state out as one snapshot.
func (w *World) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.journal == nil {
		return nil
	}
	j := w.journal
	w.journal = nil
	return j.close(w)
}

// View runs read with the tables held still.
func (w *World) View(read func()) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	read()
}

// Update runs change as one transaction: when it returns an error or panics nothing has changed. The changes are
// in the journal when Update returns.
func (w *World) Update(change func() error) (err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tx = &transaction{}
	w.txTime = time.Now().UTC()
	done := false
	defer func() {
		tx := w.tx
		w.tx = nil
		if !done {
			for i := len(tx.undo) - 1; i >= 0; i-- {
				tx.undo[i]()
			}
			return
		}
		if len(tx.log) > 0 {
			close(w.changed)
			w.changed = make(chan struct{})
		}
	}()
	if err := change(); err != nil {
		return err
	}
	if w.journal != nil && len(w.tx.log) > 0 {
		if err := w.journal.append(w, w.tx.log); err != nil {
			return fmt.Errorf("keep the state of the cloud: %w", err)
		}
	}
	done = true
	return nil
}

// Now is the time of the running transaction.
func (w *World) Now() time.Time { return w.txTime }

// Changed returns a channel that is closed at the next commit. Take it before looking at the tables, so that no
// change slips in between.
func (w *World) Changed() <-chan struct{} {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.changed
}

// Wait returns when cond, run as by View, is true, or with ctx's error.
func (w *World) Wait(ctx context.Context, cond func() bool) error {
	for {
		changed := w.Changed()
		ok := false
		w.View(func() { ok = cond() })
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// NewUUID returns a random version 4 UUID.
func NewUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// NewHexID returns 32 random hexadecimal digits, as Keystone names its objects.
func NewHexID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// RandomString returns n characters of a set that people can read aloud.
func RandomString(n int) string {
	const set = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	b := make([]byte, n)
	for i := range b {
		k, err := rand.Int(rand.Reader, big.NewInt(int64(len(set))))
		if err != nil {
			panic(err) // the system's source of randomness is gone
		}
		b[i] = set[k.Int64()]
	}
	return string(b)
}
