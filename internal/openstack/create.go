package openstack

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/settings"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/availabilityzones"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/limits"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// DefaultActiveTimeout is how long a server may take to become ACTIVE
// (kitchen-openstack: glance_cache_wait_timeout).
const DefaultActiveTimeout = 10 * time.Minute

// Create creates the server, or finishes what an earlier call began: whatever
// the journal records is looked at first. A server that is gone or in ERROR
// is removed and recreated. When Create returns without an error, the server
// is ACTIVE and has the address to reach it at.
//
// What a failing Create has created stays recorded; [Cloud.Reclaim] removes
// it.
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
			rep.Warn("%s: recreating it", verdict.replace)
			if err := c.Reclaim(ctx, j, ReclaimOptions{}, rep); err != nil {
				return nil, err
			}
			rec = nil
		} else if name := cmp.Or(rec.Name, verdict.name); name != "" {
			// A create under a generated name is finished under it.
			spec.Name = name
		}
	}
	if rec == nil {
		rec = c.newRecord(spec)
	}
	return c.createServer(ctx, spec, newIntent(c, j, rec, rep))
}

func (c *Cloud) newRecord(spec ServerSpec) *Record {
	who := c.Whoami()
	rec := &Record{
		Version: 1, Token: NewToken(), Name: spec.Name, Owner: spec.Owner, Project: spec.Project,
		AuthURL: c.AuthURL(), ProjectID: who.ProjectID, ProjectName: who.ProjectName,
		Region: c.Region(), UserID: who.UserID, UserName: who.UserName,
		Started: time.Now().UTC(),
	}
	if spec.TTL > 0 {
		rec.Expires = rec.Started.Add(spec.TTL).Truncate(time.Second)
	}
	return rec
}

// createServer goes through the steps of a create.
func (c *Cloud) createServer(ctx context.Context, spec ServerSpec, in *intent) (*Server, error) {
	have := in.rec.ServerID() != ""
	// The names are resolved before anything is created, so that a misspelt one
	// costs nothing. A server that is there needs none of them any more.
	res, err := c.resolve(ctx, spec, in, have)
	if err != nil {
		return nil, err
	}
	step := serverStep{in: in, spec: spec, res: res, nics: res.nics}
	if !have {
		if err := step.prepare(ctx); err != nil {
			return nil, err
		}
	}
	id, created, err := step.create(ctx)
	if err != nil {
		return nil, err
	}
	if created {
		in.rep.Info("OpenStack instance <%s> created.", id)
	}
	// A server that cannot have its address is not waited for.
	building, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	address := startAddressStep(ctx, &addressStep{
		in: in, want: spec.FloatingIP, res: res, nics: step.nics, server: spec.Name, id: id,
	}, giveUp)
	s, err := c.active(building, id, spec, in.rep)
	if err != nil {
		if ctx.Err() == nil && building.Err() != nil {
			err = context.Cause(building) // the address's failure
		}
		address.cancel()
		return nil, err
	}
	if created {
		in.rep.Info("(server ready)")
	}
	out := &Server{
		ID: id, Name: s.Name, Status: s.Status, KeyName: s.KeyName, KeyFile: in.rec.KeyFile,
		Image: res.image.Name, Flavor: res.flavor.Name, AvailabilityZone: s.AvailabilityZone,
		Addresses: addressesOf(s, res.networks), Created: created,
	}
	if out.FloatingIP, err = address.wait(); err != nil {
		return nil, err
	}
	out.FloatingNetwork = address.network(out.Addresses)
	if out.Address = out.FloatingIP; out.Address == "" && !spec.Address.None {
		if out.Address, err = chooseAddress(out.Addresses, spec.Address, s.Name, id); err != nil {
			return nil, err
		}
	}
	if err := in.removeDuplicates(ctx); err != nil {
		return nil, err
	}
	return out, in.complete()
}

// prepare creates what the server needs: key pair, volumes, ports. They do not
// depend on each other.
func (step *serverStep) prepare(ctx context.Context) error {
	var l lookups
	into(&l, &step.keyName, func() (string, error) { return step.in.createKeyPair(ctx, step.spec.KeyName, step.spec.NewKeyPair) })
	into(&l, &step.devices, func() (devices, error) { return step.in.createVolumes(ctx, step.spec, step.res) })
	into(&l, &step.nics, func() ([]servers.Network, error) { return step.in.createPorts(ctx, step.spec, step.res.nics) })
	err := l.wait()
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// check finds invalid settings without asking the cloud.
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
	return slices.ContainsFunc(s.Volumes, func(v VolumeSpec) bool { return v.BootIndex == nil || *v.BootIndex == 0 })
}

// CheckSpec looks up everything that the specification names and returns
// its faults. It creates nothing.
func (c *Cloud) CheckSpec(ctx context.Context, spec ServerSpec) []error {
	var l lookups
	var out resolvedSpec
	l.do(spec.check)
	if spec.Flavor == "" {
		spec.FlavorByID = true // check has said so.
	}
	c.resolvePools(ctx, &l, spec.FloatingIP, &out, silentReporter{})
	c.resolveParts(ctx, &l, spec, &out, silentReporter{})
	if spec.KeyName != "" {
		l.do(func() error {
			keys, err := c.KeyPairs(ctx)
			if err == nil {
				_, _, err = choose("key pair", spec.KeyName, keys)
			}
			return err
		})
	}
	if len(spec.SecurityGroups) > 0 {
		l.do(func() error {
			_, err := c.securityGroupIDs(ctx, spec.SecurityGroups)
			return err
		})
	}
	_ = l.wait() // Each fault is returned by itself.
	return l.errs
}

// Unlimited is the limit of a quota that has none.
const Unlimited = -1

// Room is how much of a quota is in use. A Limit of [Unlimited] has room for
// everything.
type Room struct{ Used, Limit int }

// Fits reports whether n more fit.
func (r Room) Fits(n int) bool { return r.Limit < 0 || r.Used+n <= r.Limit }

// Limits are the quotas that creating servers uses. RAM is in MiB.
type Limits struct{ Instances, Cores, RAM, FloatingIPs Room }

// Limits asks for the project's quotas.
func (c *Cloud) Limits(ctx context.Context) (Limits, error) {
	compute := c.ComputeClient()
	l, err := limits.Get(ctx, compute, nil).Extract()
	if err != nil {
		return Limits{}, session.Explain("read the project's quotas", err)
	}
	a := l.Absolute
	out := Limits{
		Instances: Room{a.TotalInstancesUsed, a.MaxTotalInstances},
		Cores:     Room{a.TotalCoresUsed, a.MaxTotalCores},
		RAM:       Room{a.TotalRAMUsed, a.MaxTotalRAMSize},
	}
	out.FloatingIPs, err = c.floatingIPRoom(ctx)
	return out, err
}

// floatingIPRoom asks for the quota of floating IPs (Neutron: quota_details).
// Older clouds do not tell users how much is in use: the request itself shows
// it.
func (c *Cloud) floatingIPRoom(ctx context.Context) (Room, error) {
	sc := c.NetworkClient()
	var answer struct {
		FloatingIP *quotas.QuotaDetail `json:"floatingip"`
	}
	err := quotas.GetDetail(ctx, sc, c.Whoami().ProjectID).ExtractIntoStructPtr(&answer, "quota")
	q := answer.FloatingIP
	if err != nil || q == nil {
		return Room{Limit: Unlimited}, nil
	}
	return Room{q.Used + q.Reserved, q.Limit}, nil
}

// CheckZone returns an error unless the availability zone exists and takes new
// servers.
func (c *Cloud) CheckZone(ctx context.Context, zone string) error {
	pages := func(sc *gophercloud.ServiceClient, _ any) pagination.Pager { return availabilityzones.List(sc) }
	all, err := list(ctx, "availability zones", c.ComputeClient, pages, nil, availabilityzones.ExtractAvailabilityZones)
	if err != nil {
		return err
	}
	var names []string
	for _, z := range all {
		if z.ZoneState.Available {
			names = append(names, z.ZoneName)
		}
		if z.ZoneName == zone && z.ZoneState.Available {
			return nil
		}
	}
	return session.Fail(session.NotFound, fmt.Sprintf("find the availability zone %q", zone), "there is no such zone, or it takes no servers", suggest("availability zone", zone, names))
}
