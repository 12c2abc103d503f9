package db

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// DB is the state of the whole cloud. Its tables are read inside View and changed inside
// Update, nowhere else.
type DB struct {
	mu      sync.RWMutex
	orderMu sync.Mutex
	tables  map[string]anyTable
	seq     uint64

	tx     *transaction
	txTime time.Time

	changed chan struct{} // closed and replaced at every commit
	journal *journal      // nil: nothing is kept

	Settings *Table[Setting, *Setting]

	Tokens *Table[Token, *Token]

	Flavors  *Table[Flavor, *Flavor]
	KeyPairs *Table[KeyPair, *KeyPair]
	Servers  *Table[Server, *Server]
	// DeletedServers are deleted servers, which changes-since still shows.
	DeletedServers *Table[Server, *Server]
	ServerGroups   *Table[ServerGroup, *ServerGroup]
	Actions        *Table[InstanceAction, *InstanceAction]

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
	Attachments *Table[Attachment, *Attachment]

	Quotas *Table[Quota, *Quota]

	objects *Table[Object, *Object]
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

// Open reads the state kept in dir, or starts an empty database there. With an
// empty dir nothing is kept.
func Open(dir string) (*DB, error) {
	d := &DB{tables: map[string]anyTable{}, changed: make(chan struct{})}
	d.Settings = newTable[Setting](d, "settings")
	d.Tokens = newTable[Token](d, "tokens")
	d.Flavors = newTable[Flavor](d, "flavors")
	d.KeyPairs = newTable[KeyPair](d, "keypairs")
	d.Servers = newTable[Server](d, "servers")
	d.DeletedServers = newTable[Server](d, "graves")
	d.ServerGroups = newTable[ServerGroup](d, "server_groups")
	d.Actions = newTable[InstanceAction](d, "instance_actions")
	d.Networks = newTable[Network](d, "networks")
	d.Subnets = newTable[Subnet](d, "subnets")
	d.Routers = newTable[Router](d, "routers")
	d.Ports = newTable[Port](d, "ports")
	d.FloatingIPs = newTable[FloatingIP](d, "floating_ips")
	d.SecurityGroups = newTable[SecurityGroup](d, "security_groups")
	d.SecurityRules = newTable[SecurityRule](d, "security_rules")
	d.SubnetPools = newTable[SubnetPool](d, "subnet_pools")
	d.Images = newTable[Image](d, "images")
	d.ImageMembers = newTable[ImageMember](d, "image_members")
	d.Volumes = newTable[Volume](d, "volumes")
	d.Attachments = newTable[Attachment](d, "attachments")
	d.Quotas = newTable[Quota](d, "quotas")
	d.objects = newTable[Object](d, "objects")
	if dir != "" {
		j, err := openJournal(dir, d)
		if err != nil {
			return nil, err
		}
		d.journal = j
	}
	return d, nil
}

// Close writes the state out as one snapshot.
func (d *DB) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.journal == nil {
		return nil
	}
	j := d.journal
	d.journal = nil
	return j.close(d)
}

// View runs read with the tables held still.
func (d *DB) View(read func()) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	read()
}

// Update runs change as one transaction: when it returns an error or panics
// nothing has changed. The changes are in the journal when Update returns.
func (d *DB) Update(change func() error) (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tx = &transaction{}
	d.txTime = time.Now().UTC()
	done := false
	defer func() {
		tx := d.tx
		d.tx = nil
		if !done {
			for i := len(tx.undo) - 1; i >= 0; i-- {
				tx.undo[i]()
			}
			return
		}
		if len(tx.log) > 0 {
			close(d.changed)
			d.changed = make(chan struct{})
		}
	}()
	if err := change(); err != nil {
		return err
	}
	if d.journal != nil && len(d.tx.log) > 0 {
		if err := d.journal.append(d, d.tx.log); err != nil {
			return fmt.Errorf("keep the state of the cloud: %w", err)
		}
	}
	done = true
	return nil
}

// Now is the time of the running transaction.
func (d *DB) Now() time.Time { return d.txTime }

// Changed returns a channel that is closed at the next commit. Take it before
// looking at the tables, so that no change slips in between.
func (d *DB) Changed() <-chan struct{} {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.changed
}

// Wait returns when cond, run as by View, is true, or with ctx's error.
func (d *DB) Wait(ctx context.Context, cond func() bool) error {
	for {
		changed := d.Changed()
		ok := false
		d.View(func() { ok = cond() })
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
