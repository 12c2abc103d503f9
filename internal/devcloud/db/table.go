package db

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Meta is what every record carries.
type Meta struct {
	ID string
	// Seq is the order of creation over all tables; times alone tie.
	Seq     uint64
	Created time.Time
	// Updated is the zero time until the record is changed for the first time.
	Updated time.Time `json:",omitzero"`
}

// Head gives the record's Meta to the table that keeps it.
func (m *Meta) Head() *Meta { return m }

// LastChange is the time most services show as the last change.
func (m *Meta) LastChange() time.Time {
	if m.Updated.IsZero() {
		return m.Created
	}
	return m.Updated
}

// record is satisfied by a pointer to any struct that embeds Meta.
type record[T any] interface {
	*T
	Head() *Meta
}

// Table keeps records of one kind by ID. It hands out copies and takes copies:
// a caller changes its copy and puts it back. Maps and slices inside a record
// are shared, so they are replaced, never changed in place.
type Table[T any, P record[T]] struct {
	name string
	db   *DB
	rows map[string]P
}

// anyTable is what the journal needs of a table.
type anyTable interface {
	open(d *DB, name string)
	load(id string, value json.RawMessage) error
	dump() []change[any]
}

// open joins an empty table to its database.
func (t *Table[T, P]) open(d *DB, name string) {
	t.name, t.db, t.rows, d.tables[name] = name, d, map[string]P{}, t
}

// Get returns a copy of the record with that ID, or nil.
func (t *Table[T, P]) Get(id string) P {
	row, ok := t.rows[id]
	if !ok {
		return nil
	}
	c := *row
	return &c
}

// Len is the number of records.
func (t *Table[T, P]) Len() int { return len(t.rows) }

// All returns copies of all records in the order of their creation.
func (t *Table[T, P]) All() []P { return t.Where(func(P) bool { return true }) }

// Where returns copies of the records that match, in the order of their
// creation. match must not change its argument nor keep it.
func (t *Table[T, P]) Where(match func(P) bool) []P {
	var out []P
	for _, row := range t.rows {
		if match(row) {
			c := *row
			out = append(out, &c)
		}
	}
	slices.SortFunc(out, func(a, b P) int { return cmp.Compare(a.Head().Seq, b.Head().Seq) })
	return out
}

// First returns a copy of the earliest record that matches, or nil.
func (t *Table[T, P]) First(match func(P) bool) P {
	var first P
	for _, row := range t.rows {
		if (first == nil || row.Head().Seq < first.Head().Seq) && match(row) {
			first = row
		}
	}
	if first == nil {
		return nil
	}
	c := *first
	return &c
}

// Count is the number of records that match.
func (t *Table[T, P]) Count(match func(P) bool) int {
	n := 0
	for _, row := range t.rows {
		if match(row) {
			n++
		}
	}
	return n
}

// Due calls act with the records whose time has come, and makes next the
// earliest time of the others, if that is earlier; a zero time is none.
func (t *Table[T, P]) Due(now time.Time, next *time.Time, at func(P) time.Time, act func(P)) {
	for _, p := range t.Where(func(p P) bool { return !at(p).IsZero() }) {
		if at(p).After(now) {
			Earlier(next, at(p))
		} else {
			act(p)
		}
	}
}

// Earlier makes next the earlier of two times of which zero is none.
func Earlier(next *time.Time, t time.Time) {
	if !t.IsZero() && (next.IsZero() || t.Before(*next)) {
		*next = t
	}
}

// Insert adds a new record; an empty ID becomes a new UUID. Created and Seq are
// set, and the record that is now in the table is what p points to.
func (t *Table[T, P]) Insert(p P) P {
	m := p.Head()
	if m.ID == "" {
		m.ID = NewUUID()
	}
	t.db.seq++
	m.Seq = t.db.seq
	if m.Created.IsZero() {
		m.Created = t.db.txTime
	}
	t.write(m.ID, p)
	return p
}

// Put replaces the record with p's ID and marks the time of the change.
func (t *Table[T, P]) Put(p P) {
	m := p.Head()
	if _, ok := t.rows[m.ID]; !ok {
		panic(fmt.Sprintf("devcloud: put of %s %q, which is not in the table", t.name, m.ID))
	}
	m.Updated = t.db.txTime
	t.write(m.ID, p)
}

// Delete removes the record with that ID, if there is one.
func (t *Table[T, P]) Delete(id string) {
	if _, ok := t.rows[id]; ok {
		t.write(id, nil)
	}
}

func (t *Table[T, P]) write(id string, p P) {
	if t.db.tx == nil {
		panic("devcloud: change of " + t.name + " outside of a transaction")
	}
	old, had := t.rows[id]
	t.db.tx.undo = append(t.db.tx.undo, func() {
		if had {
			t.rows[id] = old
		} else {
			delete(t.rows, id)
		}
	})
	if p == nil {
		delete(t.rows, id)
		t.db.tx.log = append(t.db.tx.log, change[any]{Table: t.name, ID: id})
		return
	}
	c := *p
	t.rows[id] = &c
	t.db.tx.log = append(t.db.tx.log, change[any]{Table: t.name, ID: id, Value: &c})
}

func (t *Table[T, P]) load(id string, value json.RawMessage) error {
	if len(value) == 0 || string(value) == "null" {
		delete(t.rows, id)
		return nil
	}
	p := P(new(T))
	if err := json.Unmarshal(value, p); err != nil {
		return fmt.Errorf("record %s of %s: %w", id, t.name, err)
	}
	t.rows[id] = p
	if s := p.Head().Seq; s > t.db.seq {
		t.db.seq = s
	}
	return nil
}

func (t *Table[T, P]) dump() (out []change[any]) {
	for _, row := range t.All() {
		out = append(out, change[any]{Table: t.name, ID: row.Head().ID, Value: row})
	}
	return out
}
