package openstack

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/text"
)

// Image is an image that a server can boot from.
type Image struct {
	ID, Name, Status, Visibility string
	// MinDisk is in GiB, MinRAM in MiB, Size in bytes.
	MinDisk, MinRAM int
	Size            int64
	Created         time.Time
	// Snapshot says that the image was made of a server.
	Snapshot bool
	// Distro and Version are the operating system, User the login user, where
	// the image's properties tell (os_distro, os_version, os_admin_user).
	Distro, Version, User string
}

// Flavor is a size of server. RAM is in MiB, Disk in GiB.
type Flavor struct {
	ID, Name         string
	VCPUs, RAM, Disk int
}

// Network is a Neutron network.
type Network struct {
	ID, Name, ProjectID string
	Description         string
	Shared, External    bool
	Subnets             []string
}

// Volume is a Cinder volume. Size is in GiB.
type Volume struct {
	ID, Name, Status, Description string
	Size                          int
	Created                       time.Time
	Metadata                      map[string]string
	// AttachedTo are the IDs of the servers that have it.
	AttachedTo []string
}

// KeyPair is a Nova key pair.
type KeyPair struct{ Name, Fingerprint, PublicKey string }

// cache holds the results of look-ups, so that all instances of a run ask once.
// Callers of the same lookup wait for the one who asks.
type cache struct {
	mu      sync.Mutex
	flights map[string]*flight
}

type flight struct {
	done  chan struct{}
	value any
	err   error
}

// one guards against answers that are JSON and do not hold the requested object
// for, as those of a stray proxy: the library returns nil without an error.
func one[T any](v *T, err error) (*T, error) {
	if err == nil && v == nil {
		err = session.ErrEmptyAnswer
	}
	return v, err
}

// cached returns what get returns for key, asking once. What failed is asked
// again by the next caller, except that something does not exist.
func cached[T any](ctx context.Context, c *cache, key string, get func(context.Context) (T, error)) (T, error) {
	for {
		c.mu.Lock()
		if c.flights == nil {
			c.flights = map[string]*flight{}
		}
		f, ok := c.flights[key]
		if !ok {
			f = &flight{done: make(chan struct{})}
			c.flights[key] = f
			c.mu.Unlock()
			v, err := get(ctx)
			f.value, f.err = v, err
			if err != nil && session.KindOf(err) != session.NotFound {
				c.mu.Lock()
				delete(c.flights, key)
				c.mu.Unlock()
			}
			close(f.done)
			return v, err
		}
		c.mu.Unlock()
		var none T
		select {
		case <-f.done:
			if f.err != nil {
				if errors.Is(f.err, context.Canceled) && ctx.Err() == nil {
					continue // The asker was cancelled; we were not.
				}
				return none, f.err
			}
			return f.value.(T), nil
		case <-ctx.Done():
			return none, ctx.Err()
		}
	}
}

// Forget drops the results of look-ups, so that the next lookup asks the cloud.
func (c *Cloud) Forget() {
	c.lookups.mu.Lock()
	defer c.lookups.mu.Unlock()
	c.lookups.flights = nil
}

var uuidPattern = text.Lazy(`^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$`)

func looksLikeID(s string) bool { return uuidPattern().MatchString(s) }

// pattern compiles a reference of the form /regexp/, in Ruby's spelling
// (kitchen-openstack: image_ref, flavor_ref, network_ref). A reference that
// is none gives nil.
func pattern(ref string) (*regexp.Regexp, error) {
	if len(ref) < 3 || !strings.HasPrefix(ref, "/") || !strings.HasSuffix(ref, "/") {
		return nil, nil
	}
	return compileRuby(ref, ref[1:len(ref)-1])
}

var rubyOnly = strings.NewReplacer(`\\`, `\\`, `\Z`, `\z`, `\h`, `[0-9a-fA-F]`, `\/`, `/`)

func compileRuby(shown, expr string) (*regexp.Regexp, error) {
	// Ruby's ^ and $ are those of lines.
	re, err := regexp.Compile("(?m)" + rubyOnly.Replace(expr))
	if err != nil {
		var detail string
		if s := strings.TrimPrefix(err.Error(), "error parsing regexp: "); s != "" {
			detail = s
		}
		return nil, session.Fail(session.Invalid, "use the reference "+shown, "the regular expression is not understood: "+detail,
			"write the exact name or ID instead")
	}
	return re, nil
}

// barePattern takes a name that no object has for a regular expression, as
// files of the 1.x time have them without slashes. A plain name is never
// taken for one: it must hold a sign that has a meaning beyond itself.
func barePattern(ref string) *regexp.Regexp {
	if !strings.ContainsAny(ref, `^$*+?|[](){}\`) {
		return nil
	}
	re, err := compileRuby(ref, ref)
	if err != nil {
		return nil
	}
	return re
}

// choose finds the one that ref means among all: by ID, else by name, else by
// /regexp/, else by a regexp without slashes. note says what the user should
// know of the choice.
func choose[T any](label, ref string, all []T, id, name func(T) string) (found T, note string, err error) {
	re, err := pattern(ref)
	if err != nil {
		return found, "", err
	}
	pick := func(re *regexp.Regexp) (T, string, bool) {
		var hits []T
		for _, x := range all {
			if re.MatchString(name(x)) {
				hits = append(hits, x)
			}
		}
		if len(hits) == 0 {
			return found, "", false
		}
		note := ""
		if len(hits) > 1 {
			note = fmt.Sprintf("%d %ss match %s: taking %s (%s)", len(hits), label, ref, name(hits[0]), id(hits[0]))
		}
		return hits[0], note, true
	}
	if re != nil {
		if x, note, ok := pick(re); ok {
			return x, note, nil
		}
	} else {
		for _, x := range all {
			if id(x) == ref {
				return x, "", nil
			}
		}
		for _, x := range all {
			if name(x) == ref {
				return x, "", nil
			}
		}
		if re := barePattern(ref); re != nil {
			if x, _, ok := pick(re); ok {
				return x, fmt.Sprintf("no %s has the name %q; taken for a regular expression (write /%s/) it means %s (%s)", label, ref, ref, name(x), id(x)), nil
			}
		}
	}
	var names []string
	for _, x := range all {
		names = append(names, name(x))
	}
	return found, "", notFound(label, ref, names)
}

func notFound(label, ref string, names []string) error {
	said := fmt.Sprintf("no %s has this ID or name", label)
	if strings.HasPrefix(ref, "/") && strings.HasSuffix(ref, "/") && len(ref) > 2 {
		said = fmt.Sprintf("no %s has a name that matches", label)
	}
	return session.Fail(session.NotFound, fmt.Sprintf("find the %s %q", label, ref), said, suggest(label, strings.Trim(ref, "/"), names))
}

// resolved is the outcome of a lookup with a note for the user.
type resolved[T any] struct {
	value T
	note  string
}

// lookup resolves ref once for all and tells each caller the note.
func lookup[T any](ctx context.Context, c *Cloud, kind, ref string, rep Reporter, get func(context.Context) (T, string, error)) (T, error) {
	r, err := cached(ctx, &c.lookups, kind+" "+ref, func(ctx context.Context) (resolved[T], error) {
		v, note, err := get(ctx)
		return resolved[T]{v, note}, err
	})
	if err == nil && r.note != "" && rep != nil {
		rep.Info("%s", r.note)
	}
	return r.value, err
}

type networkResult struct {
	networks.Network
	external.NetworkExternalExt
}

func (c *Cloud) listNetworks(ctx context.Context, o networks.ListOptsBuilder) ([]Network, error) {
	sc, err := c.NetworkClient()
	if err != nil {
		return nil, err
	}
	pages, err := networks.List(sc, o).AllPages(ctx)
	if err != nil {
		return nil, session.Explain("list the networks", err)
	}
	var list []networkResult
	if err := networks.ExtractNetworksInto(pages, &list); err != nil {
		return nil, session.Explain("read the list of networks", err)
	}
	out := make([]Network, len(list))
	for i, n := range list {
		out[i] = Network{ID: n.ID, Name: n.Name, ProjectID: n.TenantID, Description: n.Description, Shared: n.Shared, External: n.External, Subnets: n.Subnets}
	}
	return out, nil
}

// Networks lists the networks that the project sees, once for a connection.
func (c *Cloud) Networks(ctx context.Context) ([]Network, error) {
	return cached(ctx, &c.lookups, "networks", func(ctx context.Context) ([]Network, error) {
		return c.listNetworks(ctx, networks.ListOpts{})
	})
}

// Network finds the network that ref means: an ID, a name or a /regexp/.
func (c *Cloud) Network(ctx context.Context, ref string, rep Reporter) (Network, error) {
	return lookup(ctx, c, "network", ref, rep, func(ctx context.Context) (Network, string, error) {
		return c.findNetwork(ctx, "network", ref, nil)
	})
}

// Pool finds the floating IP pool that ref means: the external network of
// that ID or name.
func (c *Cloud) Pool(ctx context.Context, ref string, rep Reporter) (Network, error) {
	return lookup(ctx, c, "pool", ref, rep, func(ctx context.Context) (Network, string, error) {
		n, note, err := c.findNetwork(ctx, "floating IP pool", ref, func(n Network) bool { return n.External })
		if session.KindOf(err) != session.NotFound {
			return n, note, err
		}
		if inner, _, ierr := c.findNetwork(ctx, "network", ref, nil); ierr == nil {
			pools := c.poolNames(ctx)
			return n, "", session.Fail(session.Invalid, fmt.Sprintf("use %q as floating IP pool", ref),
				fmt.Sprintf("the network %s (%s) is not external", inner.Name, inner.ID), suggest("external network", ref, pools))
		}
		return n, note, err
	})
}

// Pools lists the floating IP pools: the external networks that the project
// sees. That there is none is an error.
func (c *Cloud) Pools(ctx context.Context) ([]Network, error) {
	all, err := c.Networks(ctx)
	if err != nil {
		return nil, err
	}
	var out []Network
	for _, n := range all {
		if n.External {
			out = append(out, n)
		}
	}
	if len(out) == 0 {
		return nil, session.Fail(session.NotFound, "take a floating IP from any pool", "the project sees no external network", "leave the floating IP out, or ask the operators for an external network")
	}
	return out, nil
}

func (c *Cloud) poolNames(ctx context.Context) []string {
	all, err := c.Networks(ctx)
	if err != nil {
		return nil
	}
	var out []string
	for _, n := range all {
		if n.External {
			out = append(out, n.Name)
		}
	}
	return out
}

func (c *Cloud) findNetwork(ctx context.Context, label, ref string, fits func(Network) bool) (Network, string, error) {
	keep := func(list []Network) []Network {
		if fits == nil {
			return list
		}
		var out []Network
		for _, n := range list {
			if fits(n) {
				out = append(out, n)
			}
		}
		return out
	}
	re, err := pattern(ref)
	if err != nil {
		return Network{}, "", err
	}
	if re == nil {
		var filters []networks.ListOpts
		if looksLikeID(ref) {
			filters = append(filters, networks.ListOpts{ID: ref})
		}
		filters = append(filters, networks.ListOpts{Name: ref})
		for _, f := range filters {
			list, err := c.listNetworks(ctx, f)
			if err != nil {
				return Network{}, "", err
			}
			list = keep(list)
			switch {
			case len(list) == 1:
				return list[0], "", nil
			case len(list) > 1:
				return c.ownNetwork(label, ref, list)
			}
		}
	}
	all, err := c.Networks(ctx)
	if err != nil {
		return Network{}, "", err
	}
	return choose(label, ref, keep(all), func(n Network) string { return n.ID }, func(n Network) string { return n.Name })
}

// ownNetwork decides between networks of one name: that of the project wins;
// two of the project are an error, since either may be the wrong one.
func (c *Cloud) ownNetwork(label, ref string, list []Network) (Network, string, error) {
	project := c.Whoami().ProjectID
	var own []Network
	var ids []string
	for _, n := range list {
		ids = append(ids, n.ID)
		if n.ProjectID == project {
			own = append(own, n)
		}
	}
	if len(own) == 1 {
		return own[0], fmt.Sprintf("%d networks are called %q: taking the project's own, %s", len(list), ref, own[0].ID), nil
	}
	return Network{}, "", session.Fail(session.Ambiguous, fmt.Sprintf("find the %s %q", label, ref),
		fmt.Sprintf("%d networks have this name: %s", len(list), strings.Join(ids, ", ")), "write the ID of the right one in its place")
}

// Port finds an existing port by ID or name.
func (c *Cloud) Port(ctx context.Context, ref string, rep Reporter) (ID string, err error) {
	return lookup(ctx, c, "port", ref, rep, func(ctx context.Context) (string, string, error) {
		sc, err := c.NetworkClient()
		if err != nil {
			return "", "", err
		}
		var filters []ports.ListOpts
		if looksLikeID(ref) {
			filters = append(filters, ports.ListOpts{ID: ref})
		}
		for _, f := range append(filters, ports.ListOpts{Name: ref}) {
			list, err := c.listPorts(ctx, sc, f)
			if err != nil {
				return "", "", err
			}
			if len(list) > 1 {
				return "", "", session.Fail(session.Ambiguous, fmt.Sprintf("find the port %q", ref), fmt.Sprintf("%d ports have this name", len(list)), "write its ID")
			}
			if len(list) == 1 {
				return list[0].ID, "", nil
			}
		}
		all, err := c.listPorts(ctx, sc, ports.ListOpts{})
		if err != nil {
			return "", "", err
		}
		var names []string
		for _, p := range all {
			names = append(names, p.Name)
		}
		return "", "", notFound("port", ref, names)
	})
}

func (c *Cloud) listPorts(ctx context.Context, sc *gophercloud.ServiceClient, o ports.ListOpts) ([]ports.Port, error) {
	pages, err := ports.List(sc, o).AllPages(ctx)
	if err != nil {
		return nil, session.Explain("list the ports", err)
	}
	list, err := ports.ExtractPorts(pages)
	return list, session.Explain("read the list of ports", err)
}

// securityGroupIDs resolves names or IDs; ports take IDs only.
func (c *Cloud) securityGroupIDs(ctx context.Context, refs []string) ([]string, error) {
	all, err := c.SecurityGroups(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, ref := range refs {
		g, _, err := choose("security group", ref, all, func(g SecurityGroup) string { return g.ID }, func(g SecurityGroup) string { return g.Name })
		if err != nil {
			return nil, err
		}
		out = append(out, g.ID)
	}
	return out, nil
}
