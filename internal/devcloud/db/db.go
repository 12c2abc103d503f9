package db

import (
	"crypto/rand"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// DB is the state of the whole cloud. Its tables are read inside View and changed inside
// Update, nowhere else.
type DB struct {
	mu     sync.RWMutex
	tables map[string]anyTable
	seq    uint64

	tx     *transaction
	txTime time.Time

	changed chan struct{} // closed and replaced at every commit
	journal *journal      // nil: nothing is kept

	Settings *Table[Setting, *Setting] `table:"settings"`
	Tokens   *Table[Token, *Token]     `table:"tokens"`
	Flavors  *Table[Flavor, *Flavor]   `table:"flavors"`
	KeyPairs *Table[KeyPair, *KeyPair] `table:"keypairs"`
	Servers  *Table[Server, *Server]   `table:"servers"`
	// DeletedServers are deleted servers, which changes-since still shows.
	DeletedServers *Table[Server, *Server]                 `table:"graves"`
	ServerGroups   *Table[ServerGroup, *ServerGroup]       `table:"server_groups"`
	Actions        *Table[InstanceAction, *InstanceAction] `table:"instance_actions"`
	Networks       *Table[Network, *Network]               `table:"networks"`
	Subnets        *Table[Subnet, *Subnet]                 `table:"subnets"`
	Routers        *Table[Router, *Router]                 `table:"routers"`
	Ports          *Table[Port, *Port]                     `table:"ports"`
	FloatingIPs    *Table[FloatingIP, *FloatingIP]         `table:"floating_ips"`
	SecurityGroups *Table[SecurityGroup, *SecurityGroup]   `table:"security_groups"`
	SecurityRules  *Table[SecurityRule, *SecurityRule]     `table:"security_rules"`
	SubnetPools    *Table[SubnetPool, *SubnetPool]         `table:"subnet_pools"`
	AddressScopes  *Table[AddressScope, *AddressScope]     `table:"address_scopes"`
	AddressGroups  *Table[AddressGroup, *AddressGroup]     `table:"address_groups"`
	RBACPolicies   *Table[RBACPolicy, *RBACPolicy]         `table:"rbac_policies"`
	Trunks         *Table[Trunk, *Trunk]                   `table:"trunks"`
	Images         *Table[Image, *Image]                   `table:"images"`
	Volumes        *Table[Volume, *Volume]                 `table:"volumes"`
	Attachments    *Table[Attachment, *Attachment]         `table:"attachments"`
	Quotas         *Table[Quota, *Quota]                   `table:"quotas"`
	objects        *Table[Object, *Object]
}

// change is one line's element in the journal; a nil Value is a removal.
type change[V any] struct {
	Table string `json:"t"`
	ID    string `json:"k"`
	Value V      `json:"v"`
}

type transaction struct {
	undo []func()
	log  []change[any]
}

// Open reads the state kept in dir, or starts an empty database there. With an
// empty dir nothing is kept.
func Open(dir string) (*DB, error) {
	d := &DB{tables: map[string]anyTable{}, changed: make(chan struct{})}
	fields := reflect.ValueOf(d).Elem()
	for i := range fields.NumField() {
		if name, ok := fields.Type().Field(i).Tag.Lookup("table"); ok {
			t := reflect.New(fields.Field(i).Type().Elem())
			fields.Field(i).Set(t)
			t.Interface().(anyTable).open(d, name)
		}
	}
	d.objects = &Table[Object, *Object]{}
	d.objects.open(d, "objects")
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

// NewUUID returns a random version 4 UUID.
func NewUUID() string { return uuid.NewString() }

// NewHexID returns 32 random hexadecimal digits, as Keystone names its objects.
func NewHexID() string { return strings.ReplaceAll(NewUUID(), "-", "") }

// RandomString returns n random characters that people can read aloud: capital
// letters and digits.
func RandomString(n int) (text string) {
	for len(text) < n {
		text += rand.Text()
	}
	return text[:n]
}
