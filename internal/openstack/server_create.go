package openstack

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/settings"
)

// serverStep creates the server itself.
type serverStep struct {
	in      *intent
	spec    ServerSpec
	res     resolvedSpec
	nics    []servers.Network
	devices devices
	keyName string
}

// create requests the server, or finds the one that is recorded.
func (step serverStep) create(ctx context.Context) (id string, created bool, err error) {
	in := step.in
	sc := in.c.ComputeClient()
	s := step.spec
	o := createOpts{
		CreateOpts: servers.CreateOpts{
			Name: s.Name, ImageRef: step.res.image.ID, FlavorRef: step.res.flavor.ID,
			SecurityGroups:   s.SecurityGroups,
			AvailabilityZone: s.AvailabilityZone,
			Metadata:         in.rec.metadata(s.Metadata),
			Tags:             s.Tags,
			BlockDevice:      step.devices.list,
			AccessIPv4:       s.AccessIPv4,
			AccessIPv6:       s.AccessIPv6,
			AdminPass:        s.AdminPass.Reveal(),
			Hostname:         s.Hostname,
		},
		deviceNames: step.devices.names,
		description: s.Description,
		diskConfig:  s.DiskConfig,
		keyName:     step.keyName,
		noImage:     step.devices.bootsVolume || step.res.image.ID == "",
	}
	sc.Microversion = step.microversion()
	switch {
	case len(step.nics) > 0:
		o.Networks = step.nics
	case sc.Microversion != "" && sc.Microversion != "2.19":
		// From 2.37 on Nova chooses only when asked to.
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
	if len(step.res.hints) > 0 {
		hints = hintMap(step.res.hints)
	}
	name := s.Name
	if r, ok := in.resource(KindServer, ""); ok {
		name = r.Name // There is one server to a record, whatever it is called.
	}
	return in.do(ctx, request{
		kind: KindServer, name: name, what: fmt.Sprintf("create the server %q", s.Name),
		ask: func(ctx context.Context) (string, error) {
			id, err := idIn(servers.Create(ctx, sc, o, hints), "server")
			return id, step.explain(ctx, err)
		},
	})
}

// microversion is the oldest one that supports the request, "" for the
// base version that every cloud has.
func (step serverStep) microversion() string {
	if step.spec.Hostname != "" {
		return "2.90"
	}
	for _, d := range step.devices.list {
		if d.VolumeType != "" {
			return "2.67"
		}
	}
	switch {
	case len(step.spec.Tags) > 0:
		return "2.52"
	case step.spec.Description != "":
		return "2.19"
	}
	return ""
}

// explain adds to a refusal what the user needs to fix it. It asks
// the cloud once more only when something is wrong.
func (step serverStep) explain(ctx context.Context, err error) error {
	var answer gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &answer) || answer.Actual >= 500 {
		return err
	}
	what := fmt.Sprintf("create the server %q", step.spec.Name)
	full := session.Explain(what, err)
	var e *session.Error
	if !errors.As(full, &e) {
		return full
	}
	said := strings.ReplaceAll(strings.ToLower(e.Said), "_", " ")
	switch {
	case strings.Contains(said, "key name") || strings.Contains(said, "keypair") || strings.Contains(said, "key pair"):
		e.Kind = session.NotFound
		e.Said = fmt.Sprintf("there is no key pair %q", step.keyName)
		e.SetHint("key pairs belong to the user who made them, not to the project")
		if keys, kerr := step.in.c.KeyPairs(ctx); kerr == nil {
			e.Advise("%s; without %s one is made for the %s", suggest("key pair", step.keyName, each(keys, nameOf[KeyPair])), settings.KeyPair, session.Owner)
		}
	case e.Kind == session.Ambiguous:
		if nets, nerr := step.in.c.Networks(ctx); nerr == nil {
			nets = slices.DeleteFunc(slices.Clone(nets), func(n Network) bool { return n.External })
			e.Advise("name one in %s: %s", settings.Networks, suggest("network", "", each(nets, nameOf[Network])))
		}
	case strings.Contains(said, "security group"):
		if e.Status == 404 || strings.Contains(said, "not found") || strings.Contains(said, "unable to find") {
			e.Kind = session.NotFound
		}
		if groups, gerr := step.in.c.SecurityGroups(ctx); gerr == nil {
			e.SetHint(suggest("security group", strings.Join(step.spec.SecurityGroups, " "), each(groups, nameOf[SecurityGroup])))
		}
	case strings.Contains(said, "availability zone"):
		e.SetHint("`openstack availability zone list --compute` tells which there are")
	case strings.Contains(said, "microversion") || e.Status == 406:
		e.SetHint("the cloud is too old for tags, a description or volume_type on its servers: leave them out")
	}
	return full
}

// createOpts adds to gophercloud's options what they do not know.
type createOpts struct {
	servers.CreateOpts
	deviceNames []string
	description string
	diskConfig  string
	keyName     string
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
	for key, value := range map[string]string{"description": o.description, "OS-DCF:diskConfig": o.diskConfig, "key_name": o.keyName} {
		if value != "" {
			server[key] = value
		}
	}
	return b, nil
}

// hintMap are scheduler hints as they are handed on.
type hintMap map[string]any

// ToSchedulerHintsMap implements servers.SchedulerHintOptsBuilder.
func (h hintMap) ToSchedulerHintsMap() (map[string]any, error) {
	return map[string]any{"os:scheduler_hints": map[string]any(h)}, nil
}

// active waits until the server is ACTIVE and has addresses.
func (c *Cloud) active(ctx context.Context, id string, spec ServerSpec, rep Reporter) (*servers.Server, error) {
	timeout := spec.ActiveTimeout
	if timeout <= 0 {
		timeout = DefaultActiveTimeout
	}
	var out *servers.Server
	var since time.Time
	err := c.waitFor(ctx, id, spec.Name, "the server to become ACTIVE", timeout, rep,
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
		func() error { return goneError(spec.Name, id) })
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

// serversByToken lists the servers that carry the token. The name narrows the
// list on the cloud's side; the token decides.
func (c *Cloud) serversByToken(ctx context.Context, token, name string) ([]servers.Server, error) {
	o := servers.ListOpts{}
	if name != "" {
		o.Name = nameFilter([]string{name})
	}
	list, err := c.listServers(ctx, o)
	return slices.DeleteFunc(list, func(s servers.Server) bool { return s.Metadata[metaToken] != token }), err
}
