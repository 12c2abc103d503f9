package openstack

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/settings"
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
	l.do(func() (err error) {
		step.keyName, err = step.in.createKeyPair(ctx, step.spec.KeyName, step.spec.NewKeyPair)
		return err
	})
	l.do(func() (err error) {
		step.devices, err = step.in.createVolumes(ctx, step.spec, step.res)
		return err
	})
	l.do(func() (err error) {
		step.nics, err = step.in.createPorts(ctx, step.spec, step.res.nics)
		return err
	})
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
