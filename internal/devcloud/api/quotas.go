package api

import (
	"maps"
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/db"
)

// Quotas are a service's limits of what projects may have.
type Quotas struct {
	DB *db.DB
	// Service is the first part of the limits' names in the database.
	Service string
	// Default are the limits of projects without their own; -1 is none.
	Default map[string]int
	// Used counts what a project has.
	Used func(project, name string) int
	// Names are the limits' names, those of Default when nil.
	Names func() []string
	// Shown tells whether a call shows a limit; nil is all.
	Shown func(r *Request, name string) bool
	// Path, Single and InUse name the calls, the element of bodies and what
	// details call Used.
	Path, Single, InUse string
	// Gone is the status of a reset.
	Gone int
	// Refuse words that the caller may not show, update or delete limits.
	Refuse func(action string) error
	// Check looks at the limits that a call gives; nil takes all that is known.
	Check func(r *Request, in Obj) error
}

func (q *Quotas) key(project, name string) string { return q.Service + "/" + project + "/" + name }

// Limit is a project's limit, -1 when there is none.
func (q *Quotas) Limit(project, name string) int {
	if own := q.DB.Quotas.Get(q.key(project, name)); own != nil {
		return own.Limit
	}
	if n, ok := q.Default[name]; ok {
		return n
	}
	return -1
}

// Allows tells whether a limit lets a project have so many.
func (q *Quotas) Allows(project, name string, n int) bool {
	limit := q.Limit(project, name)
	return limit < 0 || n <= limit
}

// Fits tells whether a project may have n more.
func (q *Quotas) Fits(project, name string, n int) bool {
	return q.Allows(project, name, q.Used(project, name)+n)
}

func (q *Quotas) names() []string {
	if q.Names != nil {
		return q.Names()
	}
	return slices.Collect(maps.Keys(q.Default))
}

// Routes are the calls that show, change and reset limits.
func (q *Quotas) Routes() []Route {
	one := " " + q.Path + "/{target}"
	limit := func(p, name string) any { return q.Limit(p, name) }
	detail := func(p, name string) any {
		return Obj{"limit": q.Limit(p, name), q.InUse: q.Used(p, name), "reserved": 0}
	}
	standard := q.show(func(_, name string) any { return q.Limit("", name) })
	return Calls{
		"GET" + one: func(r *Request) (*Reply, error) {
			if r.Flag("usage") {
				return q.show(detail)(r)
			}
			return q.show(limit)(r)
		},
		"GET" + one + "/detail": q.show(detail), "GET" + one + "/details": q.show(detail),
		"GET" + one + "/default": standard, "GET" + one + "/defaults": standard,
		"PUT" + one: q.update, "DELETE" + one: q.reset,
	}.Routes(Route{})
}

func (q *Quotas) show(view func(project, name string) any) Handler {
	return func(r *Request) (*Reply, error) {
		project := r.Var("target")
		if project != r.Auth.ProjectID && !r.Auth.Admin() {
			return nil, q.Refuse("show")
		}
		out := Obj{}
		if r.HTTP.Method == "GET" && q.Single == "quota_set" {
			out["id"] = project
		}
		for _, name := range q.names() {
			if q.Shown == nil || q.Shown(r, name) {
				out[name] = view(project, name)
			}
		}
		return OK(Obj{q.Single: out})
	}
}

func (q *Quotas) update(r *Request) (*Reply, error) {
	if !r.Auth.Admin() {
		return nil, q.Refuse("update")
	}
	in, err := r.Object(q.Single)
	if err == nil && q.Check != nil {
		err = q.Check(r, in)
	}
	if err != nil {
		return nil, err
	}
	for _, name := range q.names() {
		if n, ok := in[name].(float64); ok {
			id := q.key(r.Var("target"), name)
			q.DB.Quotas.Delete(id)
			q.DB.Quotas.Insert(&db.Quota{Meta: db.Meta{ID: id}, Limit: int(n)})
		}
	}
	return q.show(func(p, name string) any { return q.Limit(p, name) })(r)
}

func (q *Quotas) reset(r *Request) (*Reply, error) {
	if !r.Auth.Admin() {
		return nil, q.Refuse("delete")
	}
	for _, name := range q.names() {
		q.DB.Quotas.Delete(q.key(r.Var("target"), name))
	}
	return &Reply{Status: q.Gone}, nil
}
