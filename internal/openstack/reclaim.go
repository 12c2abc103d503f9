package openstack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/retry"
)

// ReclaimOptions say how a clean-up is done.
type ReclaimOptions struct {
	// NoWait leaves what may still appear, because the request for it was never
	// answered, to a later clean-up: it stays recorded, and the clean-up fails
	// with an error of the kind [session.Pending].
	NoWait bool
}

// Reclaim removes everything that the journal records, and the record with
// it. What no longer exists is success; whatever cannot be removed is reported
// in one error, and stays recorded.
//
// A journal that cannot be written does not keep the resources from being
// removed; it is reported in the end.
func (c *Cloud) Reclaim(ctx context.Context, j Journal, o ReclaimOptions, rep Reporter) error {
	rec, err := j.Read()
	if err != nil || rec == nil {
		return err
	}
	if err := c.reclaim(ctx, rec, j.Write, o, rep); err != nil {
		return err
	}
	return j.Remove()
}

// ReclaimRecord removes everything in rec, as [Cloud.Orphans] returns it.
func (c *Cloud) ReclaimRecord(ctx context.Context, rec *Record, rep Reporter) error {
	return c.reclaim(ctx, rec, func(*Record) error { return nil }, ReclaimOptions{}, rep)
}

// removalOrder is the order of removal. The kinds of one group go side by side;
// a resource that another one holds goes after it.
var removalOrder = [][]ResourceKind{
	{KindFloatingIP, KindServer, KindKeyPair, KindImage},
	{KindPort, KindVolume},
	{KindInterface},
	{KindGateway},
	{KindRouter},
	{KindSubnet},
	{KindNetwork},
}

// cleanup is the removal of what one record has.
type cleanup struct {
	c    *Cloud
	o    ReclaimOptions
	rep  Reporter
	save func(*Record) error

	mu   sync.Mutex
	rec  *Record
	errs []error
	// unsaved is the first failure to write the record.
	unsaved error
}

func (c *Cloud) reclaim(ctx context.Context, rec *Record, save func(*Record) error, o ReclaimOptions, rep Reporter) error {
	if rep == nil {
		rep = silentReporter{}
	}
	if err := c.SameCloud(rec); err != nil {
		return err
	}
	cl := &cleanup{c: c, o: o, rep: rep, save: save, rec: rec}
	if err := cl.addTwins(ctx); err != nil {
		return err
	}
	for _, kinds := range removalOrder {
		cl.removeGroup(ctx, kinds)
		if ctx.Err() != nil {
			return session.Explain("remove the resources of "+rec.Owner, ctx.Err())
		}
		if rec.find(KindServer, "") != nil {
			break // What it holds must not be removed under it.
		}
	}
	if len(cl.errs) > 0 && cl.unsaved != nil {
		cl.errs = append(cl.errs, cl.unsaved)
	}
	return session.Join(cl.errs...)
}

// addTwins records servers that carry the token although none is recorded. A
// request that was delivered twice has two effects, the second one perhaps
// after the first server was removed; it then holds the volume and the port.
func (cl *cleanup) addTwins(ctx context.Context) error {
	rec := cl.rec
	if rec.find(KindServer, "") != nil || rec.find(KindVolume, "") == nil && rec.find(KindPort, "") == nil && rec.find(KindKeyPair, "") == nil {
		return nil
	}
	ids, err := cl.c.byToken(ctx, rec.Token, Resource{Kind: KindServer, Name: rec.Name})
	if err != nil {
		return err
	}
	for _, id := range ids {
		rec.Resources = append(rec.Resources, Resource{Kind: KindServer, Name: rec.Name, ID: id, Stage: Made, Asked: rec.Started})
	}
	return nil
}

// removeGroup removes all recorded resources of these kinds, side by side.
func (cl *cleanup) removeGroup(ctx context.Context, kinds []ResourceKind) {
	var wg sync.WaitGroup
	for _, r := range slices.Clone(cl.rec.Resources) {
		if !slices.Contains(kinds, r.Kind) {
			continue
		}
		wg.Go(func() {
			err := cl.remove(ctx, r)
			cl.mu.Lock()
			defer cl.mu.Unlock()
			if err != nil {
				cl.errs = append(cl.errs, err)
				return
			}
			cl.rec.Resources = slices.DeleteFunc(slices.Clone(cl.rec.Resources), func(x Resource) bool { return x == r })
			if err := cl.save(cl.rec); err != nil && cl.unsaved == nil {
				cl.unsaved = err
			}
		})
	}
	wg.Wait()
}

// remove removes one recorded resource: the one whose ID is known, and whatever
// else carries the token. One whose request was never answered is looked for
// until it could no longer appear.
func (cl *cleanup) remove(ctx context.Context, r Resource) error {
	if r.Keep && cl.rec.Complete {
		cl.rep.Info("The %s %s (%s) is kept, as delete_on_termination: false says", r.Kind, r.Name, r.ID)
		return nil
	}
	if cl.rec.Complete {
		r.From = "" // An address that was taken for good is not given back.
	}
	removed := map[string]bool{}
	drop := func(id string) error {
		if id == "" || removed[id] {
			return nil
		}
		existed, err := cl.c.removeOne(ctx, r, id, cl.rep)
		if err == nil {
			removed[id] = true
			cl.report(r, id, existed)
		}
		return err
	}
	// Another one of the same token is looked for while this one goes: a request
	// may have been delivered twice.
	others := make(chan error, 1)
	var found []string
	go func() {
		var err error
		if !r.Borrowed && marked(r.Kind) {
			found, err = cl.c.byToken(ctx, cl.rec.Token, r)
		}
		others <- err
	}()
	err := drop(r.ID)
	if ferr := <-others; ferr != nil {
		err = errors.Join(err, ferr)
	}
	if err != nil {
		return err
	}
	for _, id := range found {
		if err := drop(id); err != nil {
			return err
		}
	}
	if r.ID != "" && !r.Repeated || r.Answered || r.ID == "" && len(found) > 0 && !r.Repeated {
		return nil
	}
	return cl.awaitEffect(ctx, r, drop)
}

// effectUntil is until when a request that was not answered may take effect.
func (c *Cloud) effectUntil(asked time.Time) time.Time {
	until := asked.Add(c.window)
	if most := time.Now().Add(c.window); until.After(most) {
		return most // The clock was set back since.
	}
	return until
}

// awaitEffect looks for a resource whose request was never answered until the
// request can no longer take effect.
func (cl *cleanup) awaitEffect(ctx context.Context, r Resource, drop func(id string) error) error {
	until := cl.c.effectUntil(r.Asked)
	for pause, told := cl.c.window/100, false; ; pause = min(pause*3/2, cl.c.window/20) {
		ids, err := cl.c.byToken(ctx, cl.rec.Token, r)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := drop(id); err != nil {
				return err
			}
		}
		left := time.Until(until)
		switch {
		case left <= 0, len(ids) > 0 && !r.Repeated:
			return nil
		case cl.o.NoWait:
			return session.Fail(session.Pending, fmt.Sprintf("be sure that the %s %q is not created", r.Kind, r.Name),
				fmt.Sprintf("the cloud never answered the request of %s for it, which may still take effect", r.Asked.Local().Format(time.TimeOnly)),
				fmt.Sprintf("run it again after %s; without --no-wait it waits until then", until.Local().Format(time.TimeOnly)))
		case !told:
			told = true
			cl.rep.Info("The cloud never answered the request of %s for the %s %q: looking for it until %s",
				r.Asked.Local().Format(time.TimeOnly), r.Kind, r.Name, until.Local().Format(time.TimeOnly))
		}
		cl.rep.Waiting(fmt.Sprintf("the %s %q to appear or not", r.Kind, r.Name), left.Round(time.Second).String()+" left", r.Asked)
		if err := retry.Sleep(ctx, min(pause, left)); err != nil {
			return err
		}
	}
}

// report says what became of a resource, for those that users know.
func (cl *cleanup) report(r Resource, id string, existed bool) {
	switch {
	case r.Kind == KindServer && existed:
		cl.rep.Info("OpenStack instance <%s> destroyed.", id)
	case r.Kind == KindServer:
		cl.rep.Info("OpenStack instance <%s> was gone already.", id)
	case !existed && !r.Borrowed && marked(r.Kind):
		cl.rep.Info("The %s %s was gone already.", r.Kind, named(r.Name, id))
	}
}

// marked says whether resources of this kind carry the token. Gateways and
// interfaces are known by what they join.
func marked(kind ResourceKind) bool { return kind != KindGateway && kind != KindInterface }
