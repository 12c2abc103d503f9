package devcloud

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/db"
	"github.com/galleyhq/galley/internal/devcloud/guest"
)

// guestProcess is what the manager needs of a guest.
type guestProcess interface {
	Dial(ctx context.Context) (net.Conn, error)
	Ready() <-chan struct{}
	Done() <-chan struct{}
	Err() error
	Stop(ctx context.Context) error
	Reboot(ctx context.Context) error
}

// GuestMain is the guest's side of the program, for the hidden sub-command
// [GuestCommand].
func GuestMain(args []string) int { return guest.Main(args) }

// guestManager makes the guests follow the servers: one goroutine for each server,
// from its first start until it is gone.
type guestManager struct {
	c     *Cloud
	start func(ctx context.Context, spec guest.Spec) (guestProcess, error)

	mu       sync.Mutex
	machines map[string]guestProcess // those whose SSH server answers, or did
	changed  chan struct{}           // closed and replaced when machines change

	probing sync.Mutex
	mode    GuestMode // what probe found
}

func newGuestManager(c *Cloud) *guestManager {
	k := &guestManager{
		c: c, machines: map[string]guestProcess{}, changed: make(chan struct{}), start: c.opts.startGuest,
	}
	if k.start == nil {
		k.start = func(ctx context.Context, spec guest.Spec) (guestProcess, error) {
			g, err := guest.Start(ctx, spec)
			if err != nil {
				return nil, err
			}
			return g, nil
		}
	}
	return k
}

// GuestMode is how the guests of a cloud are kept apart from this machine.
type GuestMode struct {
	// Mode is "namespaces", "user-namespace" or "directory", "none" for servers
	// with nothing behind them.
	Mode string `json:"mode"`
	// Detail says in one line what that means here, and why it is not a better
	// one.
	Detail string `json:"detail,omitempty"`
	// Apart is false where what runs in a guest runs on this machine, as the
	// user who started the cloud.
	Apart bool `json:"apart"`
}

// probe boots a guest that is nobody's server to see how the host lets it be
// kept apart, once for a cloud.
func (k *guestManager) probe(ctx context.Context) (GuestMode, error) {
	k.probing.Lock()
	defer k.probing.Unlock()
	if k.mode.Mode != "" {
		return k.mode, nil
	}
	if k.c.opts.Guests == GuestsNone {
		return GuestMode{Mode: GuestsNone, Apart: true}, nil
	}
	dir := k.dir("probe")
	defer func() {
		if err := guest.Remove(dir); err != nil {
			k.c.log.Error("removing the probed guest", "error", err)
		}
	}()
	g, err := guest.Start(ctx, guest.Spec{
		ID: "probe", Name: "probe", Hostname: "probe", Dir: dir, Executable: slices.Clone(k.c.opts.Executable),
	})
	if err != nil {
		return GuestMode{}, err
	}
	k.mode = GuestMode{Mode: g.Mode(), Detail: g.ModeDetail(), Apart: g.Mode() != guest.ModeDirectory}
	return k.mode, g.Stop(ctx)
}

// run starts a goroutine for every server that appears, and sweeps away what is
// left of servers that are gone.
func (k *guestManager) run(ctx context.Context) {
	k.sweep()
	k.c.sweepRoots()
	var tending sync.WaitGroup
	defer tending.Wait()
	known := map[string]bool{}
	for {
		changed := k.c.db.Changed()
		here := map[string]bool{}
		k.c.db.View(func() {
			for _, v := range k.c.db.Servers.All() {
				here[v.ID] = true
			}
			if k.c.vnet != nil {
				k.c.vnet.Update(k.c.topology())
			}
		})
		for id := range here {
			if !known[id] {
				tending.Go(func() { k.manage(ctx, id) })
			}
		}
		known = here
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func (k *guestManager) dir(id string) string { return filepath.Join(k.c.opts.Dir, guestDir, id) }

// sweep removes the directories of servers that went while the cloud was down.
func (k *guestManager) sweep() {
	entries, err := os.ReadDir(filepath.Join(k.c.opts.Dir, guestDir))
	if err != nil {
		return // nothing was ever there
	}
	for _, e := range entries {
		var v *db.Server
		k.c.db.View(func() { v = k.c.db.Servers.Get(e.Name()) })
		if v == nil {
			k.remove(e.Name())
		}
	}
}

func (k *guestManager) remove(id string) {
	if err := guest.Remove(k.dir(id)); err != nil {
		k.c.log.Error("removing a guest", "server", id, "error", err)
	}
}

// managedGuest is one server's guest as the manager has it.
type managedGuest struct {
	process guestProcess
	boot    int
	disk    int
}

// manage keeps one server's guest until the server is gone or the cloud is
// closed.
func (k *guestManager) manage(ctx context.Context, id string) {
	var t managedGuest
	defer func() {
		k.put(id, nil)
		k.stop(&t, id)
		if k.server(id) == nil {
			k.remove(id)
		}
	}()
	for {
		changed := k.c.db.Changed()
		v := k.server(id)
		if v == nil || ctx.Err() != nil {
			return
		}
		k.reconcile(ctx, &t, v)
		var done, ready <-chan struct{}
		if t.process != nil {
			done = t.process.Done()
			if k.get(id) == nil {
				ready = t.process.Ready()
			}
		}
		select {
		case <-changed:
		case <-ready:
			k.put(id, t.process)
		case <-done:
			k.ended(&t, id)
		case <-ctx.Done():
			return
		}
	}
}

func (k *guestManager) server(id string) (v *db.Server) {
	k.c.db.View(func() { v = k.c.db.Servers.Get(id) })
	return v
}

// reconcile brings the guest to where the server's record wants it.
func (k *guestManager) reconcile(ctx context.Context, t *managedGuest, v *db.Server) {
	switch {
	case !v.Run && t.process != nil:
		k.put(v.ID, nil)
		k.stop(t, v.ID)
	case v.Run && t.process != nil && t.boot != v.Boot && t.disk == v.Disk:
		k.put(v.ID, nil)
		err := t.process.Reboot(ctx)
		t.boot = v.Boot
		k.report(v.ID, v.Boot, err)
	case v.Run && (t.process == nil || t.boot != v.Boot):
		if v.GuestBoot == v.Boot && v.GuestError != "" {
			return // it failed, and was told so
		}
		k.put(v.ID, nil)
		k.stop(t, v.ID)
		if t.disk != v.Disk && t.boot != 0 {
			k.remove(v.ID)
		}
		spec := k.spec(v)
		err := k.c.content(v, &spec)
		var m guestProcess
		if err == nil {
			m, err = k.start(ctx, spec)
		}
		t.boot, t.disk = v.Boot, v.Disk
		if err == nil {
			t.process = m
		} else {
			k.c.log.Error("starting a guest", "server", v.ID, "name", v.Name, "error", err)
		}
		if ctx.Err() == nil {
			k.report(v.ID, v.Boot, err)
		}
	}
}

// stop ends a guest, if there is one.
func (k *guestManager) stop(t *managedGuest, id string) {
	if t.process == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	if err := t.process.Stop(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		k.c.log.Error("stopping a guest", "server", id, "error", err)
	}
	t.process = nil
}

// report writes into the server's record that a boot has been carried out, or
// why not.
func (k *guestManager) report(id string, boot int, failed error) {
	k.update(id, func(v *db.Server) bool {
		if v.GuestBoot == boot && failed == nil {
			return false
		}
		v.GuestBoot, v.GuestError = boot, ""
		if failed != nil {
			v.GuestError = "the guest did not start: " + failed.Error()
		}
		return true
	})
}

// update stores what change makes of a server's record, unless it returns false.
func (k *guestManager) update(id string, change func(v *db.Server) bool) {
	err := k.c.db.Update(func() error {
		if v := k.c.db.Servers.Get(id); v != nil && change(v) {
			k.c.db.Servers.Put(v)
		}
		return nil
	})
	if err != nil {
		k.c.log.Error("reporting a guest", "server", id, "error", err)
	}
}

// ended is what follows when a guest powers itself off, or dies: Nova finds the
// server SHUTOFF.
func (k *guestManager) ended(t *managedGuest, id string) {
	if err := t.process.Err(); err != nil {
		k.c.log.Error("a guest died", "server", id, "error", err)
	}
	k.put(id, nil)
	t.process = nil
	k.update(id, func(v *db.Server) bool {
		if !v.Run || v.TaskState != "" || v.VMState != db.VMActive {
			return false
		}
		v.Run, v.VMState, v.PowerState = false, db.VMStopped, 4
		return true
	})
}

func (k *guestManager) spec(v *db.Server) guest.Spec {
	s := guest.Spec{
		ID: v.ID, Name: v.Name, Hostname: v.Hostname, Dir: k.dir(v.ID), UserData: v.UserData, Metadata: v.Metadata, AdminPass: v.AdminPass,
		Files:       v.Personality,
		ConfigDrive: v.ConfigDrive, BootDelay: k.c.opts.BootDelay, Executable: slices.Clone(k.c.opts.Executable),
	}
	if v.PublicKey != "" {
		s.AuthorizedKeys = []string{v.PublicKey}
	}
	k.c.db.View(func() { s.Image = k.imageName(v) })
	if k.c.vnet != nil {
		var ports []string
		s.NICs, ports = k.c.nics(v.ID)
		s.Attach = k.c.attach(ports)
	}
	return s
}

// imageName is what decides what a guest looks like: its image's name, or that
// of the image its disk was made of.
func (k *guestManager) imageName(v *db.Server) string {
	m := k.c.images.Root(v)
	if m == nil {
		return ""
	}
	if base := k.c.db.Images.Get(m.Properties["base_image_ref"]); base != nil {
		return base.Name // a snapshot is of its server's image
	}
	return m.Name
}

// put notes the machine whose SSH server answers for a server, or that there is
// none.
func (k *guestManager) put(id string, m guestProcess) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.machines[id] == m {
		return
	}
	if m == nil {
		delete(k.machines, id)
	} else {
		k.machines[id] = m
	}
	close(k.changed)
	k.changed = make(chan struct{})
}

// get returns the machine whose SSH server answers for a server.
func (k *guestManager) get(id string) guestProcess {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.machines[id]
}

func (k *guestManager) notice() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.changed
}

// console is a server's console log so far.
func (c *Cloud) console(id string) []byte { return guest.ReadConsole(c.guests.dir(id)) }

// dialTimeout bounds the way from a door to a guest, which is a unix socket.
const dialTimeout = 5 * time.Second

// modes counts the running guests by their mode.
func (k *guestManager) modes() map[string]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := map[string]int{}
	for _, m := range k.machines {
		if g, ok := m.(interface{ Mode() string }); ok {
			out[g.Mode()]++
		}
	}
	return out
}
