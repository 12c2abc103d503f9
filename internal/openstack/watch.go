package openstack

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/settings"
	"github.com/galleyhq/galley/internal/text"
)

// How often the watcher looks. The pause grows with the age of the youngest
// wait, so that a quick cloud is noticed at once and a slow one is not asked
// too often: a change is noticed late by at most a twelfth of the wait, and never more
// than watchMax.
const (
	watchMin = 100 * time.Millisecond
	watchMax = 900 * time.Millisecond
	// longestName bounds the filter that the list call carries.
	longestName = 1500
)

// watchPause is the pause before the next look of a wait.
func watchPause(began time.Time, least time.Duration) time.Duration {
	return min(max(time.Since(began)/12, least), watchMax)
}

// sighting is what the watcher saw of a server; gone means that the cloud
// does not know it any more.
type sighting struct {
	server *servers.Server
	gone   bool
	err    error
}

// watcher looks after all servers that are waited for with one call per
// round: the server's own while there is one, a list as soon as there are
// more.
type watcher struct {
	cloud *Cloud
	mu    sync.Mutex
	waits map[*wait]struct{}
	// kick wakes the round when somebody new waits.
	kick chan struct{}
	// least is the shortest pause between two looks.
	least   time.Duration
	running bool
}

type wait struct {
	id, name string
	since    time.Time
	seen     chan sighting
}

func newWatcher(c *Cloud) *watcher {
	return &watcher{cloud: c, waits: map[*wait]struct{}{}, kick: make(chan struct{}, 1), least: watchMin}
}

// until calls judge with each sighting of the server until it says that the
// wait is over. The context's deadline bounds the wait.
func (w *watcher) until(ctx context.Context, id, name string, judge func(sighting) (over bool, err error)) error {
	me := &wait{id: id, name: name, since: time.Now(), seen: make(chan sighting, 1)}
	w.mu.Lock()
	w.waits[me] = struct{}{}
	start := !w.running
	w.running = true
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.waits, me)
		w.mu.Unlock()
		w.wake()
	}()
	if start {
		go w.run()
	} else {
		w.wake()
	}
	for {
		select {
		case s := <-me.seen:
			if over, err := judge(s); over || err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *watcher) wake() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// run looks round after round and ends when nobody waits any more.
func (w *watcher) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	last := time.Now()
	for {
		w.mu.Lock()
		if len(w.waits) == 0 {
			w.running = false
			w.mu.Unlock()
			return
		}
		now := slices.Collect(maps.Keys(w.waits))
		w.mu.Unlock()
		youngest := slices.MaxFunc(now, func(a, b *wait) int { return a.since.Compare(b.since) }).since

		if left := time.Until(last.Add(watchPause(youngest, w.least))); left > 0 {
			t := time.NewTimer(left)
			select {
			case <-t.C:
			case <-w.kick:
				t.Stop()
				continue
			}
		}
		w.look(ctx, now)
		last = time.Now()
	}
}

// look asks once and passes the result to everybody. The request is given up
// when all who wait have left.
func (w *watcher) look(ctx context.Context, now []*wait) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-w.kick:
				w.mu.Lock()
				left := len(w.waits)
				w.mu.Unlock()
				if left == 0 {
					cancel()
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() { cancel(); <-done }()

	seen := w.cloud.glance(ctx, now)
	for _, x := range now {
		s, ok := seen[x.id]
		if !ok {
			continue
		}
		// The newest sighting counts; one that was not looked at yet is dropped.
		select {
		case <-x.seen:
		default:
		}
		x.seen <- s
	}
}

// glance looks at the servers with as few calls as possible.
func (c *Cloud) glance(ctx context.Context, now []*wait) map[string]sighting {
	out := map[string]sighting{}
	var ids, names []string
	for _, x := range now {
		if !slices.Contains(ids, x.id) {
			ids = append(ids, x.id)
			names = append(names, x.name)
		}
	}
	if len(ids) > 1 {
		list, err := c.listServers(ctx, servers.ListOpts{Name: nameFilter(names)})
		if err != nil {
			for _, id := range ids {
				out[id] = sighting{err: err}
			}
			return out
		}
		for i := range list {
			if slices.Contains(ids, list[i].ID) {
				out[list[i].ID] = sighting{server: &list[i]}
			}
		}
	}
	// Whatever a list does not show is asked for by itself before it is
	// called gone.
	for _, id := range ids {
		if _, ok := out[id]; ok {
			continue
		}
		s, err := c.getServer(ctx, id)
		switch {
		case session.KindOf(err) == session.NotFound:
			out[id] = sighting{gone: true}
		case err != nil:
			out[id] = sighting{err: err}
		default:
			out[id] = sighting{server: s}
		}
	}
	return out
}

var plainName = text.Lazy(`^[A-Za-z0-9_.-]+$`)

// nameFilter makes the regular expression that Nova's list takes for a name
// fit all names, or "" when they are too many or not plain.
func nameFilter(names []string) string {
	var parts []string
	for _, n := range names {
		if !plainName().MatchString(n) {
			return ""
		}
		parts = append(parts, regexp.QuoteMeta(n))
	}
	f := "^(" + strings.Join(parts, "|") + ")$"
	if len(f) > longestName {
		return ""
	}
	return f
}

func (c *Cloud) listServers(ctx context.Context, o servers.ListOpts) ([]servers.Server, error) {
	return list(ctx, "servers", c.ComputeClient, servers.List, servers.ListOptsBuilder(o), servers.ExtractServers)
}

func (c *Cloud) getServer(ctx context.Context, id string) (*servers.Server, error) {
	if err := checkID("server", id); err != nil {
		return nil, err
	}
	s, err := one(servers.Get(ctx, c.ComputeClient(), id).Extract())
	return s, session.Explain("look at the server "+id, err)
}

// patience is how long failing looks are borne before a wait gives up.
const patience = 2 * time.Minute

// waitFor waits until ready says yes. Failing looks are borne for a while:
// the server may be well although the API is not.
func (c *Cloud) waitFor(ctx context.Context, id, name, what string, timeout time.Duration, rep Reporter, ready func(*servers.Server) (bool, error), gone func() error) error {
	deadline, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	last := ""
	var troubleSince time.Time
	err := c.watch.until(deadline, id, name, func(s sighting) (bool, error) {
		if s.err != nil {
			if troubleSince.IsZero() {
				troubleSince = time.Now()
			}
			if k := session.KindOf(s.err); k == session.Unauthorized || k == session.Forbidden || k == session.BadCertificate || time.Since(troubleSince) > patience {
				return true, s.err
			}
			rep.Waiting(what, s.err.Error(), began)
			return false, nil
		}
		troubleSince = time.Time{}
		if s.gone {
			return true, gone()
		}
		last = "status " + s.server.Status
		if s.server.TaskState != "" {
			last += ", " + s.server.TaskState
		}
		over, err := ready(s.server)
		if !over && err == nil {
			rep.Waiting(what, last, began)
		}
		return over, err
	})
	if err != nil && ctx.Err() == nil && deadline.Err() != nil && session.KindOf(err) == session.Other {
		said := fmt.Sprintf("%s has not come within %s", what, timeout)
		if last != "" {
			said += " (" + last + ")"
		}
		e := session.Fail(session.Timeout, fmt.Sprintf("wait for the server %q (%s)", name, id), said,
			"").Advise("raise %s if the cloud is slow, and look at `openstack server show %s`", settings.ActiveTimeout, id)
		return e.Because(context.DeadlineExceeded)
	}
	return err
}
