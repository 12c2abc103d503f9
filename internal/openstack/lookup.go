package openstack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/text"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
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
	// DiskFormat is such as "qcow2". Checksum is "sha512:HEX" or another
	// algorithm's, "" if the cloud keeps none.
	DiskFormat, Checksum string
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

// cache holds the results of requests, so that all instances of a run ask once.
// Callers of the same request wait for the one who asks. Its zero value is ready
// for use.
type cache struct {
	mu      sync.Mutex
	flights map[string]*flight
}

type flight struct {
	done  chan struct{}
	value any
	err   error
}

// results returns the values of the requests that have succeeded so far.
func (c *cache) results() []any {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []any
	for _, f := range c.flights {
		select {
		case <-f.done:
			if f.err == nil {
				out = append(out, f.value)
			}
		default:
		}
	}
	return out
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
// again by the next caller, except with an error of the kind final.
func cached[T any](ctx context.Context, c *cache, key string, final session.Kind, get func(context.Context) (T, error)) (T, error) {
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
			if err != nil && session.KindOf(err) != final {
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

// once looks something up for all instances of the connection.
func once[T any](ctx context.Context, c *Cloud, key string, get func(context.Context) (T, error)) (T, error) {
	return cached(ctx, &c.lookups, key, session.NotFound, get)
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
	if !isPattern(ref) {
		return nil, nil
	}
	return compileRuby(ref, ref[1:len(ref)-1])
}

func isPattern(ref string) bool {
	return len(ref) > 2 && strings.HasPrefix(ref, "/") && strings.HasSuffix(ref, "/")
}

var rubyOnly = strings.NewReplacer(`\\`, `\\`, `\Z`, `\z`, `\h`, `[0-9a-fA-F]`, `\/`, `/`)

func compileRuby(shown, expr string) (*regexp.Regexp, error) {
	// Ruby's ^ and $ are those of lines.
	re, err := regexp.Compile("(?m)" + rubyOnly.Replace(expr))
	if err != nil {
		detail := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
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

// resolved is the outcome of a lookup with a note for the user.
type resolved[T any] struct {
	value T
	note  string
}

// lookup resolves ref once for all and tells each caller the note.
func lookup[T any](ctx context.Context, c *Cloud, kind, ref string, rep Reporter, get func(context.Context) (T, string, error)) (T, error) {
	r, err := once(ctx, c, kind+" "+ref, func(ctx context.Context) (resolved[T], error) {
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

func (c *Cloud) listNetworks(ctx context.Context, o networks.ListOpts) ([]Network, error) {
	found, err := list(ctx, "networks", c.NetworkClient, networks.List, networks.ListOptsBuilder(o), func(p pagination.Page) (out []networkResult, err error) {
		return out, networks.ExtractNetworksInto(p, &out)
	})
	return each(found, func(n networkResult) Network {
		return Network{ID: n.ID, Name: n.Name, ProjectID: n.TenantID, Description: n.Description, Shared: n.Shared, External: n.External, Subnets: n.Subnets}
	}), err
}

// Networks lists the networks that the project sees, once for a connection.
func (c *Cloud) Networks(ctx context.Context) ([]Network, error) {
	return once(ctx, c, "networks", func(ctx context.Context) ([]Network, error) {
		return c.listNetworks(ctx, networks.ListOpts{})
	})
}

// Network finds the network that ref means: an ID, a name or a /regexp/.
func (c *Cloud) Network(ctx context.Context, ref string, rep Reporter) (Network, error) {
	return lookup(ctx, c, "network", ref, rep, func(ctx context.Context) (Network, string, error) {
		return c.findNetwork(ctx, "network", ref, anyNetwork)
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
		if inner, _, ierr := c.findNetwork(ctx, "network", ref, anyNetwork); ierr == nil {
			pools, _ := c.Pools(ctx)
			return n, "", session.Fail(session.Invalid, fmt.Sprintf("use %q as floating IP pool", ref),
				fmt.Sprintf("the network %s (%s) is not external", inner.Name, inner.ID), suggest("external network", ref, each(pools, nameOf[Network])))
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
	out := slices.DeleteFunc(slices.Clone(all), func(n Network) bool { return !n.External })
	if len(out) == 0 {
		return nil, session.Fail(session.NotFound, "take a floating IP from any pool", "the project sees no external network", "leave the floating IP out, or ask the operators for an external network")
	}
	return out, nil
}

func (c *Cloud) findNetwork(ctx context.Context, label, ref string, fits func(Network) bool) (Network, string, error) {
	if !isPattern(ref) {
		found, err := byIDOrName(ref, func(id, name string) ([]Network, error) {
			list, err := c.listNetworks(ctx, networks.ListOpts{ID: id, Name: name})
			return slices.DeleteFunc(list, func(n Network) bool { return !fits(n) }), err
		})
		switch {
		case err != nil:
			return Network{}, "", err
		case len(found) == 1:
			return found[0], "", nil
		case len(found) > 1:
			return c.ownNetwork(label, ref, found)
		}
	}
	all, err := c.Networks(ctx)
	if err != nil {
		return Network{}, "", err
	}
	return choose(label, ref, slices.DeleteFunc(slices.Clone(all), func(n Network) bool { return !fits(n) }))
}

func anyNetwork(Network) bool { return true }

// ownNetwork decides between networks of one name: that of the project wins;
// two of the project are an error, since either may be the wrong one.
func (c *Cloud) ownNetwork(label, ref string, list []Network) (Network, string, error) {
	own := slices.DeleteFunc(slices.Clone(list), func(n Network) bool { return n.ProjectID != c.Whoami().ProjectID })
	if len(own) == 1 {
		return own[0], fmt.Sprintf("%d networks are called %q: taking the project's own, %s", len(list), ref, own[0].ID), nil
	}
	return Network{}, "", session.Fail(session.Ambiguous, fmt.Sprintf("find the %s %q", label, ref),
		fmt.Sprintf("%d networks have this name: %s", len(list), strings.Join(each(list, idOf[Network]), ", ")), "write the ID of the right one in its place")
}

// Port finds an existing port by ID or name.
func (c *Cloud) Port(ctx context.Context, ref string, rep Reporter) (ID string, err error) {
	return lookup(ctx, c, "port", ref, rep, func(ctx context.Context) (string, string, error) {
		found, err := byIDOrName(ref, func(id, name string) ([]ports.Port, error) {
			return c.listPorts(ctx, ports.ListOpts{ID: id, Name: name})
		})
		switch {
		case err != nil:
			return "", "", err
		case len(found) == 1:
			return found[0].ID, "", nil
		case len(found) > 1:
			return "", "", session.Fail(session.Ambiguous, fmt.Sprintf("find the port %q", ref), fmt.Sprintf("%d ports have this name", len(found)), "write its ID")
		}
		all, err := c.listPorts(ctx, ports.ListOpts{})
		if err != nil {
			return "", "", err
		}
		return "", "", notFound("port", ref, each(all, func(p ports.Port) string { return p.Name }))
	})
}

func (c *Cloud) listPorts(ctx context.Context, o ports.ListOpts) ([]ports.Port, error) {
	return list(ctx, "ports", c.NetworkClient, ports.List, ports.ListOptsBuilder(o), ports.ExtractPorts)
}

// securityGroupIDs resolves names or IDs; ports take IDs only.
func (c *Cloud) securityGroupIDs(ctx context.Context, refs []string) ([]string, error) {
	all, err := c.SecurityGroups(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, ref := range refs {
		g, _, err := choose("security group", ref, all)
		if err != nil {
			return nil, err
		}
		out = append(out, g.ID)
	}
	return out, nil
}

// SecurityGroup is a Neutron security group with its rules.
type SecurityGroup struct {
	ID, Name, Description string
	ProjectID             string         `json:"tenant_id"`
	Rules                 []SecurityRule `json:"security_group_rules"`
}

// SecurityRule is one rule of a security group.
type SecurityRule struct {
	ID string
	// Direction is ingress or egress, EtherType IPv4 or IPv6.
	Direction, EtherType string
	// Protocol is a name or a number, "" for any.
	Protocol string
	// From and To are ports, for ICMP type and code; nil for any.
	From *int `json:"port_range_min"`
	To   *int `json:"port_range_max"`
	// Prefix, RemoteGroup and RemoteAddressGroup are who is let in or out; at
	// most one is set.
	Prefix             string `json:"remote_ip_prefix"`
	RemoteGroup        string `json:"remote_group_id"`
	RemoteAddressGroup string `json:"remote_address_group_id"`
	Description        string
}

// CIDR returns the addresses that the rule is for: all of its family when it
// names none, "" when it names a group.
func (r SecurityRule) CIDR() string {
	switch {
	case r.Prefix != "" || r.Remote() != "":
		return r.Prefix
	case r.EtherType == "IPv6":
		return "::/0"
	}
	return "0.0.0.0/0"
}

// Remote returns the ID of the group that the rule is for, "" for none.
func (r SecurityRule) Remote() string {
	if r.RemoteGroup != "" {
		return r.RemoteGroup
	}
	return r.RemoteAddressGroup
}

// SecurityGroups lists the security groups of the project, once for a
// connection. Rules are in an order that does not change, ingress first.
func (c *Cloud) SecurityGroups(ctx context.Context) ([]SecurityGroup, error) {
	return once(ctx, c, "security groups", func(ctx context.Context) ([]SecurityGroup, error) {
		all, err := list(ctx, "security groups", c.NetworkClient, groups.List, groups.ListOpts{}, func(p pagination.Page) (out []SecurityGroup, err error) {
			return out, p.(groups.SecGroupPage).ExtractIntoSlicePtr(&out, "security_groups")
		})
		for _, g := range all {
			slices.SortFunc(g.Rules, func(a, b SecurityRule) int {
				return cmp.Or(
					cmp.Compare(b.Direction, a.Direction), cmp.Compare(a.EtherType, b.EtherType), cmp.Compare(a.Protocol, b.Protocol),
					cmp.Compare(number(a.From), number(b.From)), cmp.Compare(number(a.To), number(b.To)), cmp.Compare(a.ID, b.ID))
			})
		}
		return all, err
	})
}

// number orders missing numbers before others.
func number(n *int) int {
	if n == nil {
		return -1
	}
	return *n
}
