package openstack

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/settings"
)

// Metadata keys that Galley puts into servers and volumes. Descriptions of
// ports and floating IPs carry the same in one line, see describe.
const (
	metaPrefix   = "galley_"
	metaToken    = metaPrefix + "token"
	metaInstance = metaPrefix + "instance"
	metaProject  = metaPrefix + "project"
)

// DefaultActiveTimeout is how long a server may take to become ACTIVE
// (kitchen-openstack: glance_cache_wait_timeout).
const DefaultActiveTimeout = 10 * time.Minute

// making is one server on its way: the record, and where it is kept.
type making struct {
	c       *Cloud
	spec    ServerSpec
	journal Journal
	rec     *Record
	rep     Reporter

	image    Image
	flavor   Flavor
	nics     []servers.Network
	networks []string // names, in order
	keyName  string
	pools    []Network
	pool     Network // the one that is being tried
	fixed    FloatingIP
	seen     map[string][]FloatingIP // by pool, as listed before the server was made
	hints    map[string]any
	devices  []servers.BlockDevice
	names    []string // device names, by device
	bootVol  bool
	places   []place // where a floating IP was put, or could have been
}

// Create makes the server, or finishes what an earlier call began: whatever
// the journal records is looked at first. A server that is gone or in ERROR
// is taken away and made anew. When Create returns without an error, the
// server is ACTIVE and has the address to reach it at.
//
// What a failing Create has made stays recorded; [Cloud.Reclaim] removes it.
func (c *Cloud) Create(ctx context.Context, spec ServerSpec, j Journal, rep Reporter) (*Server, error) {
	if rep == nil {
		rep = silentReporter{}
	}
	if err := spec.check(); err != nil {
		return nil, err
	}
	rec, err := j.Read()
	if err != nil {
		return nil, err
	}
	if rec != nil {
		verdict, err := c.inspect(ctx, rec, rep)
		if err != nil {
			return nil, err
		}
		if verdict.replace != "" {
			rep.Warn("%s: making it anew", verdict.replace)
			if err := c.Reclaim(ctx, j, rep); err != nil {
				return nil, err
			}
			rec = nil
		} else if name := cmp.Or(rec.Name, verdict.name); name != "" {
			// What was begun under a generated name is finished under it.
			spec.Name = name
		}
	}
	if rec == nil {
		rec = c.newRecord(spec)
	}
	m := &making{c: c, spec: spec, journal: j, rec: rec, rep: rep}
	return m.run(ctx)
}

func (c *Cloud) newRecord(spec ServerSpec) *Record {
	return &Record{
		Version: 1, Token: NewToken(), Name: spec.Name, Owner: spec.Owner, Project: spec.Project,
		AuthURL: c.AuthURL(), ProjectID: c.Whoami().ProjectID, Region: c.Region(),
		Started: time.Now().UTC(),
	}
}

// check finds what cannot be right whatever the cloud says.
func (s ServerSpec) check() error {
	what := "make the server"
	if s.Name != "" {
		what = fmt.Sprintf("make the server %q", s.Name)
	}
	switch {
	case s.Name == "":
		return session.Fail(session.Invalid, what, "it has no name", "")
	case len(s.Name) > 255:
		return session.Fail(session.Invalid, what, "its name is longer than 255 characters", "")
	case s.Image == "" && !s.bootsFromVolume():
		return session.Fail(session.Invalid, what, "no image is named", "").Advise("set %s", settings.Image)
	case s.Flavor == "":
		return session.Fail(session.Invalid, what, "no flavor is named", "").Advise("set %s", settings.Flavor)
	case s.FloatingIP.Allocate && !s.FloatingIP.Wanted():
		return session.Fail(session.Invalid, what, "a floating IP is to be allocated, but no pool is named", "").Advise("set %s", settings.FloatingIPPools)
	}
	return nil
}

func (s ServerSpec) bootsFromVolume() bool {
	for _, v := range s.Volumes {
		if v.BootIndex == nil || *v.BootIndex == 0 {
			return true
		}
	}
	return false
}

func (m *making) run(ctx context.Context) (*Server, error) {
	have := m.rec.ServerID() != ""
	// The names are resolved before anything is made, so that a misspelt one
	// costs nothing. A server that is there needs none of them any more.
	if err := m.resolve(ctx, have); err != nil {
		return nil, err
	}
	if !have {
		if err := m.prepare(ctx); err != nil {
			return nil, err
		}
	}
	id, created, err := m.server(ctx)
	if err != nil {
		return nil, err
	}
	if created {
		m.rep.Info("OpenStack instance <%s> created.", id)
	}
	s, err := m.active(ctx, id)
	if err != nil {
		return nil, err
	}
	if created {
		m.rep.Info("(server ready)")
	}
	out := &Server{
		ID: id, Name: s.Name, Status: s.Status, KeyName: s.KeyName, KeyFile: m.rec.KeyFile,
		Image: m.image.Name, Flavor: m.flavor.Name, AvailabilityZone: s.AvailabilityZone,
		Addresses: addressesOf(s, m.networks), Created: created,
	}
	if m.spec.FloatingIP.Wanted() {
		if out.FloatingIP, err = m.floatingIP(ctx, s); err != nil {
			return nil, err
		}
	}
	out.FloatingNetwork = m.floatingNetwork(out.Addresses)
	if out.Address = out.FloatingIP; out.Address == "" && !m.spec.Address.None {
		if out.Address, err = chooseAddress(out.Addresses, m.spec.Address, s.Name, id); err != nil {
			return nil, err
		}
	}
	if err := m.dropDoubles(ctx); err != nil {
		return nil, err
	}
	if !m.rec.Complete {
		m.rec.Complete = true
		if err := m.save(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// CheckSpec looks up everything that the specification names and returns
// what is wrong with it. It makes nothing.
func (c *Cloud) CheckSpec(ctx context.Context, spec ServerSpec) []error {
	var errs []error
	try := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	try(spec.check())
	if spec.Image != "" && !spec.ImageByID {
		_, err := c.Image(ctx, spec.Image, nil)
		try(err)
	}
	if spec.Flavor != "" && !spec.FlavorByID {
		_, err := c.Flavor(ctx, spec.Flavor, nil)
		try(err)
	}
	for _, n := range spec.Nics {
		if n.Port != "" {
			_, err := c.Port(ctx, n.Port, nil)
			try(err)
		} else if !n.ByID {
			_, err := c.Network(ctx, n.Network, nil)
			try(err)
		}
	}
	for _, pool := range spec.FloatingIP.Pools {
		_, err := c.Pool(ctx, pool, nil)
		try(err)
	}
	if spec.FloatingIP.AnyPool && len(spec.FloatingIP.Pools) == 0 {
		_, err := c.Pools(ctx)
		try(err)
	}
	if spec.KeyName != "" {
		keys, err := c.KeyPairs(ctx)
		try(err)
		if err == nil {
			_, _, err = choose("key pair", spec.KeyName, keys, func(k KeyPair) string { return k.Name }, func(k KeyPair) string { return k.Name })
			try(err)
		}
	}
	if len(spec.SecurityGroups) > 0 {
		_, err := c.securityGroupIDs(ctx, spec.SecurityGroups)
		try(err)
	}
	if g, ok := spec.SchedulerHints["group"].(string); ok {
		_, err := c.ServerGroupID(ctx, g, nil)
		try(err)
	}
	return errs
}

func (m *making) save() error { return m.journal.Write(m.rec) }

// lookups runs lookups side by side and collects what went wrong: all
// misspelt names are told at once.
type lookups struct {
	wg   sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

func (l *lookups) do(f func() error) {
	l.wg.Go(func() {
		if err := f(); err != nil {
			l.mu.Lock()
			l.errs = append(l.errs, err)
			l.mu.Unlock()
		}
	})
}

func (l *lookups) wait() error {
	l.wg.Wait()
	slices.SortFunc(l.errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return session.Join(l.errs...)
}

// resolve looks up every name, all at once: each costs a round trip.
func (m *making) resolve(ctx context.Context, haveServer bool) error {
	var l lookups
	if want := m.spec.FloatingIP; want.Address != "" {
		// Whether it can be had is known before a server is made for it.
		if !haveServer {
			l.do(func() (err error) {
				m.fixed, err = m.c.floatingIPAt(ctx, want.Address, m.spec.Name)
				if err == nil && m.fixed.PortID != "" && !want.TakeOver && m.rec.find(KindFloatingIP, "") == nil {
					err = m.held(ctx, m.fixed)
				}
				return err
			})
		}
	} else {
		m.pools = make([]Network, len(m.spec.FloatingIP.Pools))
		if want.AnyPool && len(want.Pools) == 0 {
			l.do(func() (err error) {
				m.pools, err = m.c.Pools(ctx)
				return err
			})
		}
		for i, pool := range m.spec.FloatingIP.Pools {
			l.do(func() (err error) {
				m.pools[i], err = m.c.Pool(ctx, pool, m.rep)
				return err
			})
		}
	}
	if !haveServer {
		m.resolveParts(ctx, &l)
	}
	err := l.wait()
	if err == nil && !haveServer {
		err = m.anyFree(ctx)
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (m *making) resolveParts(ctx context.Context, l *lookups) {
	s := m.spec
	if s.ImageByID {
		m.image = Image{ID: s.Image, Name: s.Image}
	} else if s.Image != "" {
		l.do(func() (err error) {
			m.image, err = m.c.Image(ctx, s.Image, m.rep)
			return err
		})
	}
	if s.FlavorByID {
		m.flavor = Flavor{ID: s.Flavor, Name: s.Flavor}
	} else {
		l.do(func() (err error) {
			m.flavor, err = m.c.Flavor(ctx, s.Flavor, m.rep)
			return err
		})
	}
	m.nics = make([]servers.Network, len(s.Nics))
	m.networks = make([]string, len(s.Nics))
	for i, nic := range s.Nics {
		m.nics[i].FixedIP = nic.FixedIP
		switch {
		case nic.Port != "":
			l.do(func() (err error) {
				m.nics[i].Port, err = m.c.Port(ctx, nic.Port, m.rep)
				return err
			})
		case nic.ByID:
			m.nics[i].UUID = nic.Network
		default:
			l.do(func() error {
				n, err := m.c.Network(ctx, nic.Network, m.rep)
				m.nics[i].UUID, m.networks[i] = n.ID, n.Name
				return err
			})
		}
	}
	m.hints = maps.Clone(s.SchedulerHints)
	if group, ok := m.hints["group"].(string); ok {
		l.do(func() error {
			id, err := m.c.ServerGroupID(ctx, group, m.rep)
			if err == nil {
				m.hints["group"] = id
			}
			return err
		})
	}
}

// prepare makes what the server needs: key pair, volumes, ports.
func (m *making) prepare(ctx context.Context) error {
	if err := m.keyPair(ctx); err != nil {
		return err
	}
	if err := m.volumes(ctx); err != nil {
		return err
	}
	return m.ports(ctx)
}

// step does one thing that makes a resource. The intent is recorded first; a
// request whose outcome is unknown is looked for by its token, and only asked
// again when it is not there.
type step struct {
	kind ResourceKind
	name string
	// what reads after "cannot", in errors.
	what string
	// note completes the resource before it is recorded; may be nil.
	note func(*Resource)
	// ask asks for it and returns its identifier.
	ask func(ctx context.Context) (id string, err error)
	// find looks for it by the token; "" without an error means that it is
	// not there.
	find func(ctx context.Context) (id string, err error)
}

// do returns the resource's identifier, and whether it was made by this call.
func (m *making) do(ctx context.Context, s step) (id string, made bool, err error) {
	r := m.rec.find(s.kind, s.name)
	if r != nil && r.Stage == Made {
		return r.ID, false, nil
	}
	if r != nil {
		// An earlier run asked and never heard the answer.
		if id, err = m.seek(ctx, s); err != nil {
			return "", false, err
		}
		if id != "" {
			return id, true, m.made(s, id)
		}
	} else {
		m.rec.Resources = append(m.rec.Resources, Resource{Kind: s.kind, Name: s.name, Stage: Asked})
		r = &m.rec.Resources[len(m.rec.Resources)-1]
	}
	r.Asked = time.Now().UTC()
	if s.note != nil {
		s.note(r)
	}
	if err := m.save(); err != nil {
		return "", false, err
	}
	for try := 1; ; try++ {
		id, err = s.ask(ctx)
		if err == nil {
			return id, true, m.made(s, id)
		}
		if ctx.Err() != nil || !session.Unsettled(err) {
			// Refused, or cancelled: the record of the intent stays when the
			// outcome is unknown, and goes when nothing can have been made.
			if ctx.Err() == nil {
				m.forget(s)
			}
			return "", false, session.Explain(s.what, err)
		}
		m.rep.Debug("%s: %v; looking for it by its token", s.what, session.Explain(s.what, err))
		found, ferr := m.seek(ctx, s)
		if ferr != nil {
			return "", false, session.Join(session.Explain(s.what, err), ferr)
		}
		if found != "" {
			return found, true, m.made(s, found)
		}
		// A 500 is the cloud's own failure to do it; the rest may be an
		// accident on the way.
		if try > 1 || session.IsStatus(err, 500) {
			return "", false, session.Explain(s.what, err)
		}
		m.rec.find(s.kind, s.name).Repeated = true
		if err := m.save(); err != nil {
			return "", false, err
		}
	}
}

func (m *making) made(s step, id string) error {
	r := m.rec.find(s.kind, s.name)
	r.ID, r.Stage = id, Made
	return m.save()
}

// forget takes back the record of an intent that the cloud refused.
func (m *making) forget(s step) {
	for i := range m.rec.Resources {
		if m.rec.Resources[i].Kind == s.kind && m.rec.Resources[i].Name == s.name {
			m.rec.Resources = append(m.rec.Resources[:i:i], m.rec.Resources[i+1:]...)
			break
		}
	}
	// If this is not written, the next reclaim looks in vain, no more.
	_ = m.save()
}

// seek looks for the resource for a little while: a request that was cut off
// may still be on its way through the cloud.
func (m *making) seek(ctx context.Context, s step) (string, error) {
	for _, pause := range m.c.settle {
		if err := retry.Sleep(ctx, pause); err != nil {
			return "", err
		}
		id, err := s.find(ctx)
		if err != nil || id != "" {
			return id, err
		}
	}
	return "", nil
}

func (m *making) metadata(user map[string]string) map[string]string {
	out := maps.Clone(user)
	if out == nil {
		out = map[string]string{}
	}
	out[metaToken] = m.rec.Token
	if m.rec.Owner != "" {
		out[metaInstance] = clip(m.rec.Owner, 255)
	}
	if m.rec.Project != "" {
		out[metaProject] = clip(m.rec.Project, 255)
	}
	return out
}

// describe is the description of resources that have no metadata.
func (r *Record) describe() string {
	d := "galley token=" + r.Token
	if r.Project != "" {
		d += " project=" + r.Project
	}
	if r.Owner != "" {
		d += " instance=" + r.Owner
	}
	return clip(d, 255)
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// createOpts adds to gophercloud's options what they do not know.
type createOpts struct {
	servers.CreateOpts
	deviceNames []string
	description string
	diskConfig  string
	noImage     bool
}

// ToServerCreateMap implements servers.CreateOptsBuilder.
func (o createOpts) ToServerCreateMap() (map[string]any, error) {
	b, err := o.CreateOpts.ToServerCreateMap()
	if err != nil {
		return nil, err
	}
	server := b["server"].(map[string]any)
	if devices, ok := server["block_device_mapping_v2"].([]any); ok {
		for i, d := range devices {
			if d, ok := d.(map[string]any); ok && i < len(o.deviceNames) && o.deviceNames[i] != "" {
				d["device_name"] = o.deviceNames[i]
			}
		}
	}
	if o.noImage {
		// Nova refuses an image beside a volume to boot from, even "".
		delete(server, "imageRef")
	}
	if o.description != "" {
		server["description"] = o.description
	}
	if o.diskConfig != "" {
		server["OS-DCF:diskConfig"] = o.diskConfig
	}
	return b, nil
}

// hintMap are scheduler hints as they are handed on.
type hintMap map[string]any

// ToSchedulerHintsMap implements servers.SchedulerHintOptsBuilder.
func (h hintMap) ToSchedulerHintsMap() (map[string]any, error) {
	return map[string]any{"os:scheduler_hints": map[string]any(h)}, nil
}

// server makes the server, or finds the one that is recorded.
func (m *making) server(ctx context.Context) (id string, created bool, err error) {
	sc, err := m.c.ComputeClient()
	if err != nil {
		return "", false, err
	}
	s := m.spec
	o := createOpts{
		CreateOpts: servers.CreateOpts{
			Name: s.Name, ImageRef: m.image.ID, FlavorRef: m.flavor.ID,
			SecurityGroups:   s.SecurityGroups,
			AvailabilityZone: s.AvailabilityZone,
			Metadata:         m.metadata(s.Metadata),
			Tags:             s.Tags,
			BlockDevice:      m.devices,
			AccessIPv4:       s.AccessIPv4,
			AccessIPv6:       s.AccessIPv6,
			AdminPass:        s.AdminPass.Reveal(),
			Hostname:         s.Hostname,
		},
		deviceNames: m.names,
		description: s.Description,
		diskConfig:  s.DiskConfig,
		noImage:     m.bootVol || m.image.ID == "",
	}
	sc.Microversion = m.microversion()
	switch {
	case len(m.nics) > 0:
		o.Networks = m.nics
	case sc.Microversion != "" && sc.Microversion != "2.19":
		// From 2.37 on Nova wants to be told that it is to choose.
		o.Networks = "auto"
	}
	if s.ConfigDrive {
		o.ConfigDrive = &s.ConfigDrive
	}
	if len(s.UserData) > 0 {
		// The library passes on what happens to be base64 already; a script of
		// four letters would be.
		o.UserData = []byte(base64.StdEncoding.EncodeToString(s.UserData))
	}
	var hints servers.SchedulerHintOptsBuilder
	if len(m.hints) > 0 {
		hints = hintMap(m.hints)
	}
	keyed := keyOpts{o, m.keyName}
	name := s.Name
	if r := m.rec.find(KindServer, ""); r != nil {
		name = r.Name // There is one server to a record, whatever it is called.
	}
	return m.do(ctx, step{
		kind: KindServer, name: name, what: fmt.Sprintf("create the server %q", s.Name),
		ask: func(ctx context.Context) (string, error) {
			made, err := one(servers.Create(ctx, sc, keyed, hints).Extract())
			if err != nil {
				return "", m.explainServer(ctx, err)
			}
			return made.ID, nil
		},
		find: func(ctx context.Context) (string, error) {
			list, err := m.c.serversByToken(ctx, m.rec.Token, s.Name)
			if err != nil || len(list) == 0 {
				return "", err
			}
			return list[0].ID, nil
		},
	})
}

// keyOpts adds the key pair.
type keyOpts struct {
	createOpts
	key string
}

// ToServerCreateMap implements servers.CreateOptsBuilder.
func (o keyOpts) ToServerCreateMap() (map[string]any, error) {
	b, err := o.createOpts.ToServerCreateMap()
	if err == nil && o.key != "" {
		b["server"].(map[string]any)["key_name"] = o.key
	}
	return b, err
}

// microversion is the oldest one that knows what is asked for, "" for the
// base version that every cloud has.
func (m *making) microversion() string {
	if m.spec.Hostname != "" {
		return "2.90"
	}
	for _, d := range m.devices {
		if d.VolumeType != "" {
			return "2.67"
		}
	}
	switch {
	case len(m.spec.Tags) > 0:
		return "2.52"
	case m.spec.Description != "":
		return "2.19"
	}
	return ""
}

// explainServer adds to a refusal what the person needs to mend it. It asks
// the cloud once more only when something is wrong.
func (m *making) explainServer(ctx context.Context, err error) error {
	var answer gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &answer) || answer.Actual >= 500 {
		return err
	}
	what := fmt.Sprintf("create the server %q", m.spec.Name)
	full := session.Explain(what, err)
	var e *session.Error
	if !errors.As(full, &e) {
		return full
	}
	said := strings.ReplaceAll(strings.ToLower(e.Said), "_", " ")
	switch {
	case strings.Contains(said, "key name") || strings.Contains(said, "keypair") || strings.Contains(said, "key pair"):
		e.Kind = session.NotFound
		e.Said = fmt.Sprintf("there is no key pair %q", m.keyName)
		e.SetHint("key pairs belong to the user who made them, not to the project")
		if keys, kerr := m.c.KeyPairs(ctx); kerr == nil {
			var have []string
			for _, k := range keys {
				have = append(have, k.Name)
			}
			e.Advise("%s; without %s one is made for the %s", suggest("key pair", m.keyName, have), settings.KeyPair, session.Owner)
		}
	case e.Kind == session.Ambiguous:
		if nets, nerr := m.c.Networks(ctx); nerr == nil {
			var have []string
			for _, n := range nets {
				if !n.External {
					have = append(have, n.Name)
				}
			}
			e.Advise("name one in %s: %s", settings.Networks, suggest("network", "", have))
		}
	case strings.Contains(said, "security group"):
		if e.Status == 404 || strings.Contains(said, "not found") || strings.Contains(said, "unable to find") {
			e.Kind = session.NotFound
		}
		if groups, gerr := m.c.SecurityGroups(ctx); gerr == nil {
			var have []string
			for _, g := range groups {
				have = append(have, g.Name)
			}
			e.SetHint(suggest("security group", strings.Join(m.spec.SecurityGroups, " "), have))
		}
	case strings.Contains(said, "availability zone"):
		e.SetHint("`openstack availability zone list --compute` tells which there are")
	case strings.Contains(said, "microversion") || e.Status == 406:
		e.SetHint("the cloud is too old for tags, a description or volume_type on its servers: leave them out")
	}
	return full
}

// active waits until the server is ACTIVE and has addresses.
func (m *making) active(ctx context.Context, id string) (*servers.Server, error) {
	timeout := m.spec.ActiveTimeout
	if timeout <= 0 {
		timeout = DefaultActiveTimeout
	}
	var out *servers.Server
	var since time.Time
	err := m.c.waitFor(ctx, id, m.spec.Name, "the server to become ACTIVE", timeout, m.rep,
		func(s *servers.Server) (bool, error) {
			switch s.Status {
			case "ACTIVE":
				if out == nil {
					since = time.Now()
				}
				out = s
				// Nova fills in the addresses a moment later at times.
				return len(s.Addresses) > 0 || time.Since(since) > addressPatience, nil
			case "ERROR":
				return true, faultOf(s)
			case "DELETED", "SOFT_DELETED":
				return true, goneError(s.Name, id)
			}
			return false, nil
		},
		func() error { return goneError(m.spec.Name, id) })
	return out, err
}

// addressPatience is how long an ACTIVE server may be without an address
// before that counts as a fact.
const addressPatience = 20 * time.Second

func goneError(name, id string) error {
	return session.Fail(session.ServerGone, fmt.Sprintf("use the server %q (%s)", name, id), "somebody has deleted it", "").Advise("create the %s again", session.Owner)
}

// faultOf makes an error of a server in ERROR, in the words of its fault.
func faultOf(s *servers.Server) error {
	e := session.Fail(session.ServerFault, fmt.Sprintf("use the server %q (%s)", s.Name, s.ID), "it went to ERROR", "`openstack server show "+s.ID+"` may tell more")
	if s.Fault.Message != "" {
		e.Said = "it went to ERROR: " + session.Tidy(s.Fault.Message)
		low := strings.ToLower(s.Fault.Message)
		switch {
		case strings.Contains(low, "no valid host"):
			e.AdviseNoRoom()
		case strings.Contains(low, "quota"):
			e.SetHint("destroy what is no longer needed, or ask the operators for a bigger quota")
		case strings.Contains(low, "image") && (strings.Contains(low, "too large") || strings.Contains(low, "too small") || strings.Contains(low, "disk")):
			e.SetHint("take a flavor with a bigger disk")
		}
	}
	return e
}

// dropDoubles removes what was made twice: when a request was repeated, both
// may have come through.
func (m *making) dropDoubles(ctx context.Context) error {
	if m.rec.Complete {
		return nil
	}
	for _, r := range m.rec.Resources {
		if !r.Repeated || r.ID == "" {
			continue
		}
		ids, err := m.c.byToken(ctx, m.rec.Token, r)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if id != r.ID {
				m.rep.Warn("the cloud has made the %s %q twice: removing %s", r.Kind, r.Name, id)
				if err := m.c.removeOne(ctx, r, id, silentReporter{}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// serversByToken lists the servers that carry the token. The name narrows the
// list on the cloud's side; the token decides.
func (c *Cloud) serversByToken(ctx context.Context, token, name string) ([]servers.Server, error) {
	o := servers.ListOpts{}
	if name != "" {
		o.Name = nameFilter([]string{name})
	}
	list, err := c.listServers(ctx, o)
	if err != nil {
		return nil, err
	}
	var out []servers.Server
	for _, s := range list {
		if s.Metadata[metaToken] == token {
			out = append(out, s)
		}
	}
	return out, nil
}
