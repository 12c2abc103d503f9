package openstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/retry"
)

// Deadlines of removing things.
const (
	serverGoneTimeout = 5 * time.Minute
	volumeGoneTimeout = 3 * time.Minute
	// fresh is how long after a request its effect may still come to light.
	fresh = 15 * time.Second
)

// verdict is what an earlier run's server is good for.
type verdict struct {
	// replace says why it must be made anew, "" when it can be used.
	replace string
	// name is the server's name.
	name string
}

// inspect looks at the server behind a record before it is relied on.
func (c *Cloud) inspect(ctx context.Context, rec *Record, rep Reporter) (verdict, error) {
	if err := c.sameCloud(rec); err != nil {
		return verdict{}, err
	}
	if rec.KeyFile != "" && !rec.Complete {
		if _, err := os.Stat(rec.KeyFile); err != nil && rec.find(KindKeyPair, "") != nil {
			return verdict{replace: "the private key of an unfinished server is gone"}, nil
		}
	}
	id := rec.ServerID()
	if id == "" {
		return verdict{}, nil
	}
	s, err := c.getServer(ctx, id)
	if session.KindOf(err) == session.NotFound {
		return verdict{replace: "the server " + id + " is gone"}, nil
	}
	if err != nil {
		return verdict{}, err
	}
	if wake := map[string]func() error{
		"SHUTOFF": func() error { return c.act(ctx, id, "os-start") },
		"PAUSED":  func() error { return c.act(ctx, id, "unpause") },
		"SUSPENDED": func() error {
			return c.act(ctx, id, "resume")
		},
		"SHELVED":           func() error { return c.act(ctx, id, "unshelve") },
		"SHELVED_OFFLOADED": func() error { return c.act(ctx, id, "unshelve") },
	}[s.Status]; wake != nil {
		rep.Info("the server %s is %s: starting it", id, s.Status)
		err := wake()
		if session.IsStatus(err, 409) {
			err = nil // It is on its way already; the wait will tell.
		}
		return verdict{name: s.Name}, session.Explain(fmt.Sprintf("start the server %q (%s)", s.Name, id), err)
	}
	switch s.Status {
	case "ERROR":
		return verdict{replace: errorText(s)}, nil
	case "DELETED", "SOFT_DELETED":
		return verdict{replace: "the server " + id + " was deleted"}, nil
	case "RESCUE", "VERIFY_RESIZE", "UNKNOWN":
		return verdict{}, session.Fail(session.Other, fmt.Sprintf("use the server %q (%s)", s.Name, id), "its status is "+s.Status,
			"").Advise("finish what was begun with it (`openstack server show %s`), or %s", id, session.DestroyIt)
	}
	return verdict{name: s.Name}, nil
}

func errorText(s *servers.Server) string {
	text := "the server " + s.ID + " is in ERROR"
	if s.Fault.Message != "" {
		text += " (" + session.Tidy(s.Fault.Message) + ")"
	}
	return text
}

// act asks for a server action without parameters.
func (c *Cloud) act(ctx context.Context, id, action string) error {
	sc, err := c.ComputeClient()
	if err != nil {
		return err
	}
	_, err = sc.Post(ctx, sc.ServiceURL("servers", id, "action"), map[string]any{action: nil}, nil, nil)
	return err
}

// sameCloud keeps from looking for things in another project, where they
// would seem to be gone.
func (c *Cloud) sameCloud(rec *Record) error {
	have := c.Whoami().ProjectID
	if rec.ProjectID == "" || have == "" || rec.ProjectID == have {
		return nil
	}
	return session.Fail(session.Invalid, "use what was made for "+orInstance(rec.Owner),
		fmt.Sprintf("it was made in the project %s at %s, and the credentials are for the project %s", rec.ProjectID, rec.AuthURL, have),
		"source the RC file of that project; if it is gone for good, delete the record of what was made there "+
			"(an instance's are .kitchen/galley/INSTANCE.json and .kitchen/INSTANCE.yml)")
}

func orInstance(owner string) string {
	if owner == "" {
		return "the instance"
	}
	return owner
}

// Adopt makes a record of a server that another tool has made, known by its
// ID alone, so that it can be checked and removed. It does nothing when the
// journal has a record.
func (c *Cloud) Adopt(j Journal, serverID, name, owner string) error {
	rec, err := j.Read()
	if err != nil || rec != nil {
		return err
	}
	rec = c.newRecord(ServerSpec{Owner: owner})
	rec.Resources = []Resource{{Kind: KindServer, Name: name, ID: serverID, Stage: Made, Asked: rec.Started}}
	rec.Complete = true
	return j.Write(rec)
}

// AdoptFloatingIP adds the project's floating IP of that address to the
// record, to be released with the server. An address that is no floating IP
// is passed over.
func (c *Cloud) AdoptFloatingIP(ctx context.Context, j Journal, address string) error {
	rec, err := j.Read()
	if err != nil || rec == nil || rec.find(KindFloatingIP, "") != nil {
		return err
	}
	list, err := c.listFloatingIPs(ctx, floatingips.ListOpts{FloatingIP: address})
	if err != nil {
		return err
	}
	for _, f := range list {
		if f.Address == address {
			rec.Resources = append(rec.Resources, Resource{
				Kind: KindFloatingIP, ID: f.ID, Address: f.Address, Network: f.NetworkID, Port: f.PortID, Stage: Made, Asked: time.Now().UTC(),
			})
			return j.Write(rec)
		}
	}
	return nil
}

// Reclaim removes everything that the journal records, and the record with
// it. What is gone already is success; whatever cannot be removed is reported
// in one error, and stays recorded.
func (c *Cloud) Reclaim(ctx context.Context, j Journal, rep Reporter) error {
	if rep == nil {
		rep = silentReporter{}
	}
	rec, err := j.Read()
	if err != nil || rec == nil {
		return err
	}
	if err := c.reclaim(ctx, rec, func() error { return j.Write(rec) }, rep); err != nil {
		return err
	}
	return j.Remove()
}

// ReclaimRecord removes everything in rec, as [Cloud.Orphans] returns it.
func (c *Cloud) ReclaimRecord(ctx context.Context, rec *Record, rep Reporter) error {
	if rep == nil {
		rep = silentReporter{}
	}
	return c.reclaim(ctx, rec, func() error { return nil }, rep)
}

// order is the order of removal: what holds on to something goes before it.
var order = []ResourceKind{
	KindFloatingIP, KindServer, KindPort, KindVolume, KindKeyPair,
	KindInterface, KindGateway, KindRouter, KindSubnet, KindNetwork,
}

func (c *Cloud) reclaim(ctx context.Context, rec *Record, save func() error, rep Reporter) error {
	if err := c.sameCloud(rec); err != nil {
		return err
	}
	var errs []error
	for _, kind := range order {
		for _, r := range slices.Clone(rec.Resources) {
			if r.Kind != kind {
				continue
			}
			if err := c.remove(ctx, rec, r, rep); err != nil {
				if ctx.Err() != nil {
					return err
				}
				errs = append(errs, err)
				continue
			}
			rec.Resources = slices.DeleteFunc(rec.Resources, func(x Resource) bool { return x == r })
			if err := save(); err != nil {
				return err
			}
		}
	}
	return session.Join(errs...)
}

// remove removes one resource: the one whose ID is known, and when the answer
// to a request was never seen, whatever carries the token.
func (c *Cloud) remove(ctx context.Context, rec *Record, r Resource, rep Reporter) error {
	if r.Keep && rec.Complete {
		rep.Info("The %s %s (%s) is kept, as delete_on_termination: false says", r.Kind, r.Name, r.ID)
		return nil
	}
	if rec.Complete {
		r.From = "" // What was taken for good is not given back.
	}
	ids := []string{}
	if r.ID != "" {
		ids = append(ids, r.ID)
	}
	if r.ID == "" || r.Repeated {
		found, err := c.seekAll(ctx, rec, r)
		if err != nil {
			return err
		}
		for _, id := range found {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, c.removeOne(ctx, r, id, rep))
	}
	return session.Join(errs...)
}

// seekAll finds what carries the record's token. When the request was made a
// moment ago, it looks more than once.
func (c *Cloud) seekAll(ctx context.Context, rec *Record, r Resource) ([]string, error) {
	for _, pause := range c.lateSettle {
		if err := retry.Sleep(ctx, pause); err != nil {
			return nil, err
		}
		ids, err := c.byToken(ctx, rec.Token, r)
		if err != nil || len(ids) > 0 || time.Since(r.Asked) > fresh {
			return ids, err
		}
	}
	return nil, nil
}

func (c *Cloud) byToken(ctx context.Context, token string, r Resource) ([]string, error) {
	var ids []string
	switch r.Kind {
	case KindServer:
		list, err := c.serversByToken(ctx, token, r.Name)
		for _, s := range list {
			ids = append(ids, s.ID)
		}
		return ids, err
	case KindFloatingIP:
		list, err := c.floatingIPsByToken(ctx, token, r.Network)
		for _, f := range list {
			ids = append(ids, f.ID)
		}
		return ids, err
	case KindPort:
		return c.portsByToken(ctx, token, r.Name)
	case KindVolume:
		list, err := c.volumesByToken(ctx, token, r.Name)
		for _, v := range list {
			ids = append(ids, v.ID)
		}
		return ids, err
	case KindKeyPair:
		name, err := c.keyPairNamed(ctx, r.Name)
		if name != "" {
			ids = append(ids, name)
		}
		return ids, err
	}
	return c.networkPartByToken(ctx, token, r)
}

func (c *Cloud) removeOne(ctx context.Context, r Resource, id string, rep Reporter) error {
	switch r.Kind {
	case KindFloatingIP:
		return c.releaseFloatingIP(ctx, r, id, rep)
	case KindServer:
		if err := c.deleteServer(ctx, id, r.Name, rep); err != nil {
			return err
		}
		rep.Info("OpenStack instance <%s> destroyed.", id)
		return nil
	case KindPort:
		return c.deletePort(ctx, id)
	case KindVolume:
		return c.deleteVolume(ctx, id, r.Name, rep)
	case KindKeyPair:
		sc, err := c.ComputeClient()
		if err != nil {
			return err
		}
		err = keypairs.Delete(ctx, sc, id, nil).ExtractErr()
		if session.IsStatus(err, 404) {
			return nil
		}
		return session.Explain(fmt.Sprintf("delete the key pair %q", id), err)
	}
	return c.removeNetworkPart(ctx, r, id, rep)
}

// releaseFloatingIP deletes a floating IP that was allocated, and lets go of
// one that was borrowed, if it is still where it was put.
func (c *Cloud) releaseFloatingIP(ctx context.Context, r Resource, id string, rep Reporter) error {
	sc, err := c.NetworkClient()
	if err != nil {
		return err
	}
	if r.Borrowed {
		f, err := c.getFloatingIP(ctx, id)
		if session.KindOf(err) == session.NotFound || err == nil && f.PortID != r.Port {
			return nil
		}
		if err != nil {
			return err
		}
		if r.From != "" {
			_, err := floatingips.Update(ctx, sc, id, floatingips.UpdateOpts{PortID: &r.From}).Extract()
			if err == nil {
				rep.Info("Floating IP <%s> given back to %s.", r.Address, c.holderOf(ctx, r.From))
				return nil
			}
			if !session.IsStatus(err, 400, 404, 409) {
				return session.Explain(fmt.Sprintf("give the floating IP %s (%s) back", r.Address, id), err)
			}
			rep.Warn("the floating IP %s cannot be given back to the port %s: %v", r.Address, r.From, session.Explain("move it", err))
		}
		none := ""
		_, err = floatingips.Update(ctx, sc, id, floatingips.UpdateOpts{PortID: &none}).Extract()
		if session.IsStatus(err, 404) {
			return nil
		}
		return session.Explain(fmt.Sprintf("detach the floating IP %s (%s)", r.Address, id), err)
	}
	err = floatingips.Delete(ctx, sc, id).ExtractErr()
	if err != nil && !session.IsStatus(err, 404) {
		return session.Explain(fmt.Sprintf("release the floating IP %s (%s)", r.Address, id), err)
	}
	if shown := r.Address; err == nil {
		if shown == "" {
			shown = id
		}
		rep.Info("OpenStack Floating IP <%s> released.", shown)
	}
	return nil
}

// deleteServer deletes a server and waits until it is gone: its ports and
// volumes are free only then.
func (c *Cloud) deleteServer(ctx context.Context, id, name string, rep Reporter) error {
	sc, err := c.ComputeClient()
	if err != nil {
		return err
	}
	ask := func() error {
		err := servers.Delete(ctx, sc, id).ExtractErr()
		if session.IsStatus(err, 404) {
			return nil
		}
		err = session.Explain(fmt.Sprintf("delete the server %q (%s)", name, id), err)
		var e *session.Error
		if errors.As(err, &e) && e.Status == 409 && strings.Contains(e.Said, "locked") {
			e.SetHint("unlock it first: `openstack server unlock " + id + "`")
		}
		return err
	}
	if err := ask(); err != nil {
		return err
	}
	again, lastAsk := 0, time.Now()
	return c.waitFor(ctx, id, name, "the server to be gone", serverGoneTimeout, rep,
		func(s *servers.Server) (bool, error) {
			switch {
			case s.Status == "DELETED":
				return true, nil
			case s.Status == "SOFT_DELETED":
				// Kept for a while by the cloud's rule, with its ports and
				// volumes; where users may, it is ended at once.
				if again > 0 {
					return true, nil
				}
				again++
				_ = servers.ForceDelete(ctx, sc, id).ExtractErr()
				return false, nil
			case s.TaskState == "" && time.Since(lastAsk) > 5*time.Second:
				// The deletion failed and left the server as it was.
				if again >= 3 {
					return true, session.Fail(session.Other, fmt.Sprintf("delete the server %q (%s)", name, id), "the cloud does not manage to: its status is "+s.Status,
						"try again later, or ask the operators")
				}
				again++
				lastAsk = time.Now()
				return false, ask()
			}
			return false, nil
		},
		func() error { return nil })
}

func (c *Cloud) deletePort(ctx context.Context, id string) error {
	sc, err := c.NetworkClient()
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		err := ports.Delete(ctx, sc, id).ExtractErr()
		if err == nil || session.IsStatus(err, 404) {
			return nil
		}
		if !session.IsStatus(err, 409) || i >= 10 {
			return session.Explain("delete the port "+id, err)
		}
		if err := retry.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// deleteVolume deletes a volume as soon as nothing holds it, and waits until
// it is gone.
func (c *Cloud) deleteVolume(ctx context.Context, id, name string, rep Reporter) error {
	sc, err := c.VolumeClient()
	if err != nil {
		return err
	}
	what := fmt.Sprintf("delete the volume %q (%s)", name, id)
	began := time.Now()
	asked := false
	for {
		if !asked {
			err := volumes.Delete(ctx, sc, id, nil).ExtractErr()
			switch {
			case session.IsStatus(err, 404):
				return nil
			case err == nil:
				asked = true
			case !session.IsStatus(err, 400, 409) || time.Since(began) > volumeGoneTimeout:
				return session.Explain(what, err)
			}
		}
		v, err := c.getVolume(ctx, id)
		switch {
		case session.KindOf(err) == session.NotFound:
			return nil
		case err != nil:
			return err
		case v.Status == "deleting":
			asked = true
		case strings.HasPrefix(v.Status, "error") && asked:
			return session.Fail(session.Other, what, "its status is "+v.Status, "ask the operators to remove it")
		case time.Since(began) > volumeGoneTimeout:
			return session.Fail(session.Timeout, what, fmt.Sprintf("it is not gone after %s (status %s)", volumeGoneTimeout, v.Status), "try again later")
		}
		rep.Waiting("the volume to be gone", "status "+v.Status, began)
		if err := retry.Sleep(ctx, min(max(time.Since(began)/12, watchMin), watchMax)); err != nil {
			return err
		}
	}
}

// Orphans finds what was made through Galley by the marks in the resources
// alone, for when records are lost: one record for each making. An empty
// project finds those of all.
func (c *Cloud) Orphans(ctx context.Context, project string) ([]*Record, error) {
	byToken := map[string]*Record{}
	var tokens []string
	add := func(token, owner, proj string, r Resource) {
		if token == "" {
			return
		}
		rec, ok := byToken[token]
		if !ok {
			rec = &Record{Version: 1, Token: token, AuthURL: c.AuthURL(), ProjectID: c.Whoami().ProjectID}
			byToken[token] = rec
			tokens = append(tokens, token)
		}
		if rec.Owner == "" {
			rec.Owner = owner
		}
		if rec.Project == "" {
			rec.Project = proj
		}
		r.Stage = Made
		rec.Resources = append(rec.Resources, r)
	}
	list, err := c.listServers(ctx, servers.ListOpts{})
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		add(s.Metadata[metaToken], s.Metadata[metaInstance], s.Metadata[metaProject], Resource{Kind: KindServer, Name: s.Name, ID: s.ID, Asked: s.Created})
	}
	fips, err := c.FloatingIPs(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range fips {
		add(tokenOf(f.Description), wordOf(f.Description, "instance="), wordOf(f.Description, "project="),
			Resource{Kind: KindFloatingIP, ID: f.ID, Address: f.Address, Network: f.NetworkID, Port: f.PortID})
	}
	sc, err := c.NetworkClient()
	if err != nil {
		return nil, err
	}
	allPorts, err := c.listPorts(ctx, sc, ports.ListOpts{})
	if err != nil {
		return nil, err
	}
	for _, p := range allPorts {
		add(tokenOf(p.Description), wordOf(p.Description, "instance="), wordOf(p.Description, "project="),
			Resource{Kind: KindPort, Name: p.Name, ID: p.ID, Network: p.NetworkID})
	}
	// A cloud without volumes has none left behind.
	if vols, err := c.Volumes(ctx); err == nil {
		for _, v := range vols {
			add(v.Metadata[metaToken], v.Metadata[metaInstance], v.Metadata[metaProject], Resource{Kind: KindVolume, Name: v.Name, ID: v.ID})
		}
	} else if session.KindOf(err) != session.NotFound {
		return nil, err
	}
	c.Forget()
	keys, err := c.KeyPairs(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		owner, proj, token := ownerOfKeyPair(k.Name, project)
		add(token, owner, proj, Resource{Kind: KindKeyPair, Name: k.Name, ID: k.Name})
	}
	var out []*Record
	for _, t := range tokens {
		if rec := byToken[t]; project == "" || rec.Project == project {
			out = append(out, rec)
		}
	}
	return out, nil
}

// ownerOfKeyPair takes a name made by keyPairName apart, as far as that can be
// done: the project is known only when it is the one looked for.
func ownerOfKeyPair(name, project string) (owner, proj, token string) {
	rest, ok := strings.CutPrefix(name, keyPairPrefix)
	if !ok || len(rest) < tokenLength {
		return "", "", ""
	}
	token = rest[len(rest)-tokenLength:]
	if strings.Trim(token, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return "", "", ""
	}
	owner = strings.TrimSuffix(rest[:len(rest)-tokenLength], "-")
	if p := label(project, 16); p != "" {
		if o, ok := strings.CutPrefix(owner+"-", p+"-"); ok {
			return strings.TrimSuffix(o, "-"), project, token
		}
	}
	return owner, "", token
}
