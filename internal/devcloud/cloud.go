package devcloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/compute"
	"github.com/galleyhq/galley/internal/devcloud/db"
	"github.com/galleyhq/galley/internal/devcloud/fault"
	"github.com/galleyhq/galley/internal/devcloud/identity"
	"github.com/galleyhq/galley/internal/devcloud/image"
	"github.com/galleyhq/galley/internal/devcloud/network"
	"github.com/galleyhq/galley/internal/devcloud/object"
	"github.com/galleyhq/galley/internal/devcloud/placement"
	"github.com/galleyhq/galley/internal/devcloud/vnet"
	"github.com/galleyhq/galley/internal/devcloud/volume"
)

// Cloud is a running cloud.
type Cloud struct {
	// URL is the API's address, "http://127.0.0.1:PORT"; Identity answers at
	// its root and below /identity, the other services below their names.
	URL string
	// SSHPort is where guests answer on their addresses.
	SSHPort int

	opts  Options
	token string // for the daemon's own calls
	// unpacking is held while an image's root file system is unpacked.
	unpacking sync.Mutex
	log       *slog.Logger
	db        *db.DB
	faults    *fault.Set
	identity  *identity.Service
	compute   *compute.Service
	network   *network.Service
	images    *image.Service
	volumes   *volume.Service

	lock   *flock.Flock
	claim  *claim
	server *http.Server
	guests *guestManager
	ports  *publishedPorts
	vnet   *vnet.Switch // nil where guests share the host's network

	cancel context.CancelFunc
	tasks  sync.WaitGroup
	once   sync.Once
	closed error
}

// ErrRunning is returned by Start when another process runs a cloud with the
// same state directory.
var ErrRunning = errors.New("a cloud with this state directory runs already")

// Start brings a cloud up in the calling process. ctx limits the start alone;
// [Cloud.Close] ends the cloud. The calling program has to provide what
// Options.Executable names, unless Options.Guests is none.
func Start(ctx context.Context, o Options) (*Cloud, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	c := &Cloud{opts: o, log: o.Log, faults: fault.NewSet(), token: db.RandomString(32)}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start the embedded cloud: %w", err), c.Close())
	}
	return c, nil
}

// Run is the daemon: it starts a cloud and ends it when ctx is done. ready, if
// not nil, is called in between.
func Run(ctx context.Context, o Options, ready func(*Cloud)) error {
	c, err := Start(ctx, o)
	if err != nil {
		return err
	}
	if ready != nil {
		ready(c)
	}
	<-ctx.Done()
	return c.Close()
}

func (c *Cloud) start(ctx context.Context) error {
	dir := c.opts.Dir
	for _, d := range []string{dir, filepath.Join(dir, guestDir), filepath.Join(dir, imageDir)} {
		if err := privateDir(d); err != nil {
			return err
		}
	}
	c.lock = flock.New(filepath.Join(dir, lockFile))
	got, err := c.lock.TryLock()
	if err != nil {
		return err
	}
	if !got {
		c.lock = nil
		return fmt.Errorf("%w: %s", ErrRunning, dir)
	}
	if c.db, err = db.Open(filepath.Join(dir, dbDir)); err != nil {
		return err
	}
	if err := c.choosePassword(); err != nil {
		return err
	}
	if err := c.takeAddresses(); err != nil {
		return err
	}
	ln, err := c.listen(ctx)
	if err != nil {
		return err
	}
	c.URL = "http://" + ln.Addr().String()
	handler, err := c.build()
	if err == nil {
		err = c.seed()
	}
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	run, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	if c.opts.Guests == GuestsNamespace && c.opts.GuestNetwork == NetworkOwn {
		c.vnet = vnet.New(c.log)
	}
	c.ports = newPublishedPorts(c)
	c.guests = newGuestManager(c)
	c.tasks.Go(func() { c.runTransitions(run) })
	c.tasks.Go(func() { c.ports.run(run) })
	if c.opts.Guests == GuestsNamespace {
		c.tasks.Go(func() { c.guests.run(run) })
		c.tasks.Go(func() { c.saveSnapshots(run) })
	}
	c.server = &http.Server{
		Handler: handler, ReadHeaderTimeout: 30 * time.Second,
		ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
	}
	c.tasks.Go(func() {
		if err := c.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			c.log.Error("the API server ended", "error", err)
		}
	})
	if err := c.writeEnv(); err != nil {
		return err
	}
	info, err := json.MarshalIndent(daemonInfo{PID: os.Getpid(), URL: c.URL, Token: c.token}, "", "  ")
	if err != nil {
		return err
	}
	c.log.Info(
		"the cloud is up", "url", c.URL, "net", fmt.Sprintf("127.%d.0.0/16", c.claim.b), "ssh_port",
		c.SSHPort, "guests", c.opts.Guests,
	)
	return writeFile(dir, daemonFile, append(info, '\n'))
}

// daemonInfo is what a running daemon writes for its clients.
type daemonInfo struct {
	PID int    `json:"pid"`
	URL string `json:"url"`
	// Token is what the daemon's own calls ask for: the file is the owner's,
	// the port is everybody's.
	Token string `json:"token"`
}

// takeAddresses claims the cloud's network, the same as before when there was
// one, and settles the SSH port.
func (c *Cloud) takeAddresses() error {
	b, _ := strconv.Atoi(c.setting(settingNet)) // 0 in a new cloud
	var err error
	if c.opts.Guests == GuestsNone && !loopbackNets {
		c.claim = &claim{b: firstNet}
		c.SSHPort = 22
		return nil
	}
	if c.claim, err = claimNet(b, c.opts.Dir); err != nil {
		return err
	}
	want := c.opts.SSHPort
	if want == 0 {
		want, _ = strconv.Atoi(c.setting(settingSSH))
	}
	if c.SSHPort, err = c.claim.chooseSSHPort(want); err != nil {
		return err
	}
	if err := c.set(settingNet, strconv.Itoa(c.claim.b)); err != nil {
		return err
	}
	return c.set(settingSSH, strconv.Itoa(c.SSHPort))
}

// listen opens the API's port: after a restart the one that clients know.
func (c *Cloud) listen(ctx context.Context) (net.Listener, error) {
	address := c.opts.Listen
	if kept := c.setting(settingListen); kept != "" && strings.HasSuffix(address, ":0") {
		address = kept
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("the embedded cloud listens on loopback addresses only, not on %q", host)
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return ln, c.set(settingListen, ln.Addr().String())
}

// build makes the services and joins them under one handler.
func (c *Cloud) build() (http.Handler, error) {
	o := c.opts
	q, err := o.quotas()
	if err != nil {
		return nil, err
	}
	c.identity = identity.New(
		identity.Options{DB: c.db, URL: c.URL, TokenLife: o.TokenLife, Region: region, Catalog: []identity.Endpoint{
			{Type: "identity", Name: "keystone", Path: "/identity/v3"},
			{Type: "compute", Name: "nova", Path: "/compute/v2.1"},
			{Type: "network", Name: "neutron", Path: "/network"},
			{Type: "image", Name: "glance", Path: "/image"},
			{Type: "volumev3", Name: "cinder", Path: "/volume/v3/{project}"},
			{Type: "block-storage", Name: "cinder", Path: "/volume/v3/{project}"},
			{Type: "placement", Name: "placement", Path: "/placement"},
			{Type: "object-store", Name: "swift", Path: "/object-store/v1/AUTH_{project}"},
		}},
	)
	hit := func(action string) func(name string) bool {
		return func(name string) bool { _, hit := c.faults.Hit(action, name); return hit }
	}
	c.network = network.New(network.Options{
		DB: c.db, FloatingDelay: o.FloatingDelay, Quotas: q.network, PoolEmpty: hit(fault.PoolEmpty),
	})
	c.images = image.New(image.Options{DB: c.db, Dir: filepath.Join(o.Dir, imageDir), ImportDelay: o.VolumeDelay})
	c.volumes = volume.New(volume.Options{
		DB: c.db, Images: c.images, Delay: o.VolumeDelay, Quotas: q.volume, Fail: hit(fault.VolumeError),
		Guests: o.Guests == GuestsNamespace,
	})
	c.compute = compute.New(compute.Options{
		DB: c.db, Network: c.network, Volumes: c.volumes, Images: c.images, BuildDelay: o.BuildDelay, ActionDelay: o.ActionDelay,
		DeleteDelay: o.DeleteDelay, Guests: o.Guests == GuestsNamespace, Console: c.console, Quotas: q.compute, ImageURL: c.URL + "/image",
		FailBuild: func(name string) string { message, _ := c.faults.Hit(fault.ServerError, name); return message },
	})

	auth, authURL := c.identity.Authenticate, c.identity.AuthURL()
	objects := object.New(filepath.Join(o.Dir, objectDir))
	objects.Prefix, objects.Authenticate, objects.AuthURL = "/object-store", auth, authURL
	type service struct {
		http.Handler
		name, prefix string
	}
	services := map[string]service{objects.Prefix: {objects, "object-store", objects.Prefix}}
	for prefix, s := range map[string]*api.Service{
		"": c.identity.API(), "/identity": c.identity.API(), "/compute": c.compute.API(), "/network": c.network.API(),
		"/image": c.images.API(), "/volume": c.volumes.API(), "/placement": placement.API(c.db),
	} {
		s.Prefix, s.DB, s.Authenticate, s.AuthURL = prefix, c.db, auth, authURL
		services[prefix] = service{s, s.Name, prefix}
	}
	locate := func(r *http.Request) service {
		first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if s, ok := services["/"+first]; ok {
			return s
		}
		return services[""]
	}
	cloud := c.faults.Handler(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { locate(r).ServeHTTP(w, r) }),
		func(r *http.Request) (string, string) {
			s := locate(r)
			return s.name, strings.TrimPrefix(r.URL.Path, s.prefix)
		})
	admin := c.adminHandler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localHost(r.Host) {
			http.Error(w, "this cloud answers on loopback names only", http.StatusMisdirectedRequest)
			return
		}
		if strings.HasPrefix(r.URL.Path, adminPrefix+"/") {
			admin.ServeHTTP(w, r)
			return
		}
		cloud.ServeHTTP(w, r)
	}), nil
}

// localHost tells whether a Host header is a loopback one; a web page that had
// its own name point here has another.
func localHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// runTransitions performs due state changes until ctx is done.
func (c *Cloud) runTransitions(ctx context.Context) {
	for {
		changed := c.db.Changed()
		var next time.Time
		err := c.db.Update(func() error {
			now := c.db.Now()
			for _, advance := range []func(time.Time) time.Time{c.network.Advance, c.images.Advance, c.volumes.Advance, c.compute.Advance} {
				db.Earlier(&next, advance(now))
			}
			return nil
		})
		if err != nil {
			c.log.Error("the cloud's clockwork", "error", err)
		}
		wait := time.Hour
		if !next.IsZero() {
			wait = time.Until(next)
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		timer.Stop()
	}
}

// stopGrace is how long guests get to end by themselves when the cloud is
// closed.
const stopGrace = 5 * time.Second

// Close ends the cloud and everything it started. Its state stays.
func (c *Cloud) Close() error {
	c.once.Do(func() {
		var errs []error
		c.faults.Close()
		if c.server != nil {
			errs = append(errs, c.server.Close())
		}
		if c.cancel != nil {
			c.cancel()
		}
		c.tasks.Wait()
		if c.vnet != nil {
			c.vnet.Close()
		}
		if c.db != nil {
			errs = append(errs, c.db.Close())
		}
		if c.claim != nil && c.claim.conn != nil {
			_ = c.claim.conn.Close()
		}
		if c.lock != nil {
			_ = os.Remove(filepath.Join(c.opts.Dir, daemonFile)) // not there when the start failed
			errs = append(errs, c.lock.Unlock())
		}
		c.closed = errors.Join(errs...)
	})
	return c.closed
}

// Dir is the state directory.
func (c *Cloud) Dir() string { return c.opts.Dir }

// Client talks to the cloud as other processes do.
func (c *Cloud) Client() *Client { return &Client{URL: c.URL, token: c.token} }

// WaitFault returns when a rule has been hit n times. For the holding rules
// that means that a call is held, or, with fault.HoldAnswered, that its answer
// is on the wire.
func (c *Cloud) WaitFault(ctx context.Context, id string, n int) (fault.State, error) {
	return c.faults.WaitHits(ctx, id, n)
}

// ReleaseFault lets go what a rule holds and ends the rule. A call held before
// it is acted on is acted on if act is true, as if its client still were there,
// and dropped otherwise.
func (c *Cloud) ReleaseFault(id string, act bool) error { return c.faults.Release(id, act) }
