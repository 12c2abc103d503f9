package openstack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"

	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/openstack/session"
)

// verdict is what an earlier run's server is good for.
type verdict struct {
	// replace says why it must be recreated, "" when it can be used.
	replace string
	// name is the server's name.
	name string
}

// inspect looks at the server behind a record before it is relied on.
func (c *Cloud) inspect(ctx context.Context, rec *Record, rep Reporter) (verdict, error) {
	if err := c.SameCloud(rec); err != nil {
		return verdict{}, err
	}
	if rec.KeyFile != "" && rec.find(KindKeyPair, "") != nil {
		if _, err := os.Stat(rec.KeyFile); errors.Is(err, fs.ErrNotExist) {
			return verdict{replace: "the private key of the server is gone, so that nobody can log in to it"}, nil
		}
	}
	id := rec.ServerID()
	if id == "" {
		return verdict{}, nil
	}
	s, err := c.lookTwice(ctx, id, rec.Token, rec.Name)
	if session.KindOf(err) == session.NotFound {
		return verdict{replace: "the server " + id + " is gone"}, nil
	}
	if err != nil {
		return verdict{}, err
	}
	if action := wakeAction(s.Status); action != "" {
		rep.Info("the server %s is %s: starting it", id, s.Status)
		err := c.act(ctx, id, action)
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

// wakeAction returns the server action that makes a server of this status
// ACTIVE again, "" for none.
func wakeAction(status string) string {
	switch status {
	case "SHUTOFF":
		return "os-start"
	case "PAUSED":
		return "unpause"
	case "SUSPENDED":
		return "resume"
	case "SHELVED", "SHELVED_OFFLOADED":
		return "unshelve"
	}
	return ""
}

// lookTwice looks at a server by its ID and, when that says that there is none,
// by its token: one answer that came from elsewhere must not pass for the end
// of a server.
func (c *Cloud) lookTwice(ctx context.Context, id, token, name string) (*servers.Server, error) {
	s, err := c.getServer(ctx, id)
	if session.KindOf(err) != session.NotFound {
		return s, err
	}
	list, lerr := c.serversByToken(ctx, token, name)
	if lerr != nil {
		return nil, lerr
	}
	for i := range list {
		if list[i].ID == id {
			return &list[i], nil
		}
	}
	return nil, err
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
	sc := c.ComputeClient()
	_, err := sc.Post(ctx, sc.ServiceURL("servers", id, "action"), map[string]any{action: nil}, nil, nil)
	return err
}

// SameCloud refuses to look for things where they cannot be: in another
// project or region, or with the credentials of another user, to whom the key
// pair does not belong. They would seem to be gone.
func (c *Cloud) SameCloud(rec *Record) error {
	who := c.Whoami()
	was, is := "", ""
	differ := func(label, recorded, recordedName, have, haveName string) bool {
		if recorded == "" || have == "" || recorded == have {
			return false
		}
		was, is = label+" "+named(recordedName, recorded), label+" "+named(haveName, have)
		return true
	}
	hasKey := rec.find(KindKeyPair, "") != nil
	switch {
	case differ("the project", rec.ProjectID, rec.ProjectName, who.ProjectID, who.ProjectName):
		was += " at " + rec.AuthURL
	case rec.ProjectID == "" && rec.AuthURL != "" && !credentials.SameEndpoint(rec.AuthURL, c.AuthURL()):
		was, is = "the cloud at "+rec.AuthURL, "the cloud at "+c.AuthURL()
	case differ("the region", rec.Region, "", c.Region(), ""):
	case hasKey && differ("the user", rec.UserID, rec.UserName, who.UserID, who.UserName):
	default:
		return nil
	}
	return session.Fail(session.Invalid, "use the resources of "+cmp.Or(rec.Owner, "the instance"),
		fmt.Sprintf("it was created with %s, and the credentials are for %s", was, is),
		"use the credentials that it was created with (RC file, region); --forget drops a record that is out of reach for good")
}

// named shows a name with its identifier, as far as both are known.
func named(name, id string) string {
	if name == "" || name == id {
		return id
	}
	return name + " (" + id + ")"
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
// record, to be released with the server. An address that is not a floating IP
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
