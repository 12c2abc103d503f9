package openstack

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/retry"
)

// Metadata keys that Galley puts into servers and volumes. Descriptions of
// ports and floating IPs carry the same in one line, see [Record.describe].
const (
	metaPrefix   = "galley_"
	metaToken    = metaPrefix + "token"
	metaInstance = metaPrefix + "instance"
	metaProject  = metaPrefix + "project"
	metaExpires  = metaPrefix + "expires"
	// metaRebuild is the mark of the latest rebuild, see [Rebuild].
	metaRebuild = metaPrefix + "rebuild"
)

// intent is a set of resources created under one record. Each request is
// in the record first. Steps that run side by side share it.
type intent struct {
	c *Cloud
	// journal is nil for what is to be kept whatever happens.
	journal Journal
	rep     Reporter
	// began is when this run took the record up.
	began time.Time

	mu  sync.Mutex
	rec *Record
}

func newIntent(c *Cloud, j Journal, rec *Record, rep Reporter) *intent {
	return &intent{c: c, journal: j, rec: rec, rep: rep, began: time.Now()}
}

// slowSteps is the time after which each further request is shown: a cloud that
// takes seconds for each is silent for long otherwise.
const slowSteps = 3 * time.Second

// request asks the cloud for one resource.
type request struct {
	kind ResourceKind
	name string
	// what reads after "cannot", in errors: `create the server "x"`.
	what string
	// note completes the resource before it is recorded; may be nil.
	note func(*Resource)
	// ask sends the request and returns the identifier of the new resource.
	ask func(ctx context.Context) (id string, err error)
}

// resource returns the record under a kind and name; an empty name fits
// any.
func (in *intent) resource(kind ResourceKind, name string) (Resource, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if r := in.rec.find(kind, name); r != nil {
		return *r, true
	}
	return Resource{}, false
}

// update changes a recorded resource, or enters a new one, and saves the
// record if that changed anything.
func (in *intent) update(kind ResourceKind, name string, change func(*Resource)) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	r := in.rec.find(kind, name)
	if r == nil {
		in.rec.Resources = append(in.rec.Resources, Resource{Kind: kind, Name: name, Asked: time.Now().UTC()})
		r = &in.rec.Resources[len(in.rec.Resources)-1]
	}
	before := *r
	if change(r); *r == before {
		return nil
	}
	return in.write()
}

func (in *intent) write() error {
	if in.journal == nil {
		return nil
	}
	return in.journal.Write(in.rec)
}

// save writes the record after a change to it.
func (in *intent) save(change func(*Record)) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	change(in.rec)
	return in.write()
}

// forget drops a resource that the cloud refused to create.
func (in *intent) forget(kind ResourceKind, name string) {
	// If this is not written, the next clean-up looks for it and finds nothing.
	_ = in.save(func(rec *Record) {
		for i := range rec.Resources {
			if rec.Resources[i].Kind == kind && rec.Resources[i].Name == name {
				rec.Resources = slices.Delete(slices.Clone(rec.Resources), i, i+1)
				return
			}
		}
	})
}

// do creates a resource unless the record has it, and returns its identifier
// and whether it was created just now.
//
// What an error says of the outcome decides what becomes of the record:
//
//	outcome                       record
//	4xx, or never sent            dropped: nothing was created
//	409                           dropped, unless the token is found: it was ours
//	500                           kept as answered: one look at clean-up is enough
//	no answer, 502, 503, 504      kept: it may take effect later (see [Cloud.window]);
//	                              looked for, and asked once more
func (in *intent) do(ctx context.Context, r request) (id string, created bool, err error) {
	have, earlier := in.resource(r.kind, r.name)
	if earlier {
		if have.Stage == Made {
			return have.ID, false, nil
		}
		// An earlier run asked and never saw the answer.
		if id, err = in.seek(ctx, r); err != nil {
			return "", false, err
		}
		if id != "" {
			return id, true, in.created(r, id)
		}
	}
	repeated := earlier && !have.Answered
	for try := 1; ; try++ {
		if ctx.Err() != nil {
			return "", false, session.Explain(r.what, ctx.Err())
		}
		if err := in.asking(r, repeated); err != nil {
			return "", false, err
		}
		if id, err = in.ask(ctx, r); err == nil {
			if err := in.created(r, id); err != nil {
				return "", false, err
			}
			if ctx.Err() != nil {
				return "", false, session.Explain(r.what, ctx.Err())
			}
			return id, true, nil
		}
		again := try == 1
		switch {
		case session.IsStatus(err, 409):
			if found, ferr := in.find(context.WithoutCancel(ctx), r); ferr == nil && found != "" {
				return found, true, in.created(r, found)
			}
			in.forget(r.kind, r.name)
			return "", false, session.Explain(r.what, err)
		case !session.Unsettled(err):
			in.forget(r.kind, r.name)
			return "", false, session.Explain(r.what, err)
		case session.IsStatus(err, 500):
			again = false
			if err := in.update(r.kind, r.name, func(x *Resource) { x.Answered = true }); err != nil {
				return "", false, err
			}
		}
		if ctx.Err() != nil {
			return "", false, session.Explain(r.what, ctx.Err())
		}
		in.rep.Debug("%s: %v; looking for it by its token", r.what, session.Explain(r.what, err))
		found, ferr := in.seek(ctx, r)
		if ferr != nil {
			return "", false, session.Join(session.Explain(r.what, err), ferr)
		}
		if found != "" {
			return found, true, in.created(r, found)
		}
		if !again {
			return "", false, session.Explain(r.what, err)
		}
		repeated = true
	}
}

// asking records that the request is about to be sent. One that may have been
// sent before can come to have two effects.
func (in *intent) asking(r request, repeated bool) error {
	return in.update(r.kind, r.name, func(x *Resource) {
		x.Stage, x.Asked, x.Answered = Asked, time.Now().UTC(), false
		x.Repeated = x.Repeated || repeated
		if r.note != nil {
			r.note(x)
		}
	})
}

// ask sends the request. Its answer is waited for even when ctx ends
// meanwhile: a request that is cut off may take effect later.
func (in *intent) ask(ctx context.Context, r request) (string, error) {
	patience, began := in.c.RequestTimeout(), time.Now()
	if began.Sub(in.began) > slowSteps {
		in.rep.Waiting("the cloud to "+r.what, "", in.began)
	}
	detached, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		defer cancel()
		for end := time.Now().Add(patience); time.Now().Before(end); {
			if retry.Sleep(detached, time.Second) != nil {
				return
			}
			in.rep.Waiting("the cloud's answer to the request to "+r.what, "up to "+patience.String(), began)
		}
	})
	defer stop()
	return r.ask(detached)
}

func (in *intent) created(r request, id string) error {
	return in.update(r.kind, r.name, func(x *Resource) { x.ID, x.Stage = id, Made })
}

// seek looks for the resource by its token for a little while: a request that
// was cut off may still be on its way through the cloud.
func (in *intent) seek(ctx context.Context, r request) (string, error) {
	for _, pause := range in.c.settle {
		if err := retry.Sleep(ctx, pause); err != nil {
			return "", err
		}
		id, err := in.find(ctx, r)
		if err != nil || id != "" {
			return id, err
		}
	}
	return "", nil
}

// find looks for the resource by its token; "" means that there is nothing.
func (in *intent) find(ctx context.Context, r request) (string, error) {
	like := Resource{Kind: r.kind, Name: r.name}
	if r.note != nil {
		r.note(&like)
	}
	ids, err := in.c.byToken(ctx, in.rec.Token, like)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}

// removeDuplicates removes resources created twice: when a request was
// repeated, both may have had an effect.
func (in *intent) removeDuplicates(ctx context.Context) error {
	if in.rec.Complete {
		return nil
	}
	for _, r := range in.rec.Resources {
		if !r.Repeated || r.ID == "" {
			continue
		}
		if err := in.removeTwins(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// removeTwins removes what carries the token beside r.
func (in *intent) removeTwins(ctx context.Context, r Resource) error {
	ids, err := in.c.byToken(ctx, in.rec.Token, r)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if id != r.ID {
			in.rep.Warn("the cloud has created the %s %q twice: removing %s", r.Kind, r.Name, id)
			if _, err := in.c.removeOne(ctx, r, id, silentReporter{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// complete records that everything asked for is there.
func (in *intent) complete() error {
	if in.rec.Complete {
		return nil
	}
	return in.save(func(rec *Record) { rec.Complete = true })
}

// metadata returns the user's metadata with the marks of the record.
func (r *Record) metadata(user map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, user)
	for _, m := range r.marks() {
		if m[1] != "" {
			out[metaPrefix+m[0]] = clip(m[1], 255)
		}
	}
	return out
}

// marks are the marks of the record and their values, "" for those that it does
// not have.
func (r *Record) marks() [][2]string {
	expires := ""
	if !r.Expires.IsZero() {
		expires = r.Expires.Format(time.RFC3339)
	}
	return [][2]string{{"token", r.Token}, {"expires", expires}, {"project", r.Project}, {"instance", r.Owner}}
}

// describe is the description of resources that have no metadata.
func (r *Record) describe() string {
	d := "galley"
	for _, m := range r.marks() {
		if m[1] != "" {
			d += " " + m[0] + "=" + m[1]
		}
	}
	return clip(d, 255)
}

// marksOf reads the marks out of a description made by [Record.describe], under
// the keys of [Record.metadata].
func marksOf(description string) map[string]string {
	rest, _ := strings.CutPrefix(description, "galley ")
	marks := map[string]string{}
	for _, w := range strings.Fields(rest) {
		key, value, _ := strings.Cut(w, "=")
		if _, again := marks[metaPrefix+key]; !again && rest != description {
			marks[metaPrefix+key] = value
		}
	}
	return marks
}

// tokenOf reads the token out of a description.
func tokenOf(description string) string { return marksOf(description)[metaToken] }

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// idIn reads the identifier of a new object, which is under label, out of an
// answer. An answer without one is an error: "" would look like a resource.
func idIn(answer interface {
	ExtractIntoStructPtr(to any, label string) error
}, label string,
) (string, error) {
	var made struct{ ID string }
	err := answer.ExtractIntoStructPtr(&made, label)
	if err == nil && made.ID == "" {
		err = errNoID
	}
	return made.ID, err
}

var errNoID = fmt.Errorf("%w: it names no identifier", session.ErrEmptyAnswer)
