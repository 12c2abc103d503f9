package openstack

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/galleyhq/galley/internal/openstack/session"
)

// networkStep creates one network, or its missing parts.
type networkStep struct {
	*intent
	net      NetworkSpec
	external Network
	have     layout
	changed  bool
}

// layout is the existing part of a requested network.
type layout struct {
	network *Network
	subnets []subnets.Subnet
	router  *routers.Router
	// interfaces are the ports that join the network's subnets to routers.
	interfaces []ports.Port
}

// EnsureNetwork creates the network, or its missing parts, and does nothing
// when all is as requested. An existing part that differs is an error of the kind
// [Differs], before anything is made.
//
// Each thing is recorded before it is asked for. When something fails, or ctx
// ends, what this call has created is removed unless keep is set;
// [Cloud.RemoveNetwork] undoes the rest.
func (c *Cloud) EnsureNetwork(ctx context.Context, spec NetworkSpec, j Journal, keep bool, rep Reporter) (*NetworkSetup, error) {
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
		if err := c.SameCloud(rec); err != nil {
			return nil, err
		}
	}
	l := &networkStep{intent: newIntent(c, j, rec, rep), net: spec}
	if err := l.survey(ctx); err != nil {
		return nil, err
	}
	if err := l.compare(); err != nil {
		return nil, err
	}
	before := slices.Clone(l.rec.Resources)
	out, err := l.lay(ctx)
	if err == nil {
		return out, l.finish(ctx, rec)
	}
	if keep {
		return nil, err
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	return nil, session.Join(err, l.undo(after, before))
}

// finish writes down that all is there. A network of others of which nothing
// is ours needs no record.
func (l *networkStep) finish(ctx context.Context, had *Record) error {
	if err := l.removeDuplicates(ctx); err != nil {
		return err
	}
	ours := slices.ContainsFunc(l.rec.Resources, func(r Resource) bool { return !r.Borrowed })
	switch {
	case !ours && had == nil:
		return nil
	case !ours:
		return l.journal.Remove()
	case l.rec.Complete && !l.changed && had != nil:
		return nil
	}
	return l.save(func(rec *Record) { rec.Complete = true })
}

// undo removes the resources created since, and leaves the record as it was.
func (l *networkStep) undo(ctx context.Context, before []Resource) error {
	in := func(list []Resource, r Resource) bool {
		return slices.ContainsFunc(list, func(x Resource) bool { return x.Kind == r.Kind && x.Name == r.Name })
	}
	made := l.rec.clone()
	made.Resources = slices.DeleteFunc(made.Resources, func(r Resource) bool { return r.Borrowed || in(before, r) })
	err := l.c.ReclaimRecord(ctx, made, l.rep)
	l.rec.Resources = slices.DeleteFunc(l.rec.Resources, func(r Resource) bool {
		return !r.Borrowed && !in(before, r) && !in(made.Resources, r)
	})
	if !slices.ContainsFunc(l.rec.Resources, func(r Resource) bool { return !r.Borrowed }) {
		return session.Join(err, l.journal.Remove())
	}
	return session.Join(err, l.journal.Write(l.rec))
}

// survey looks at the existing parts, and brings the record in line with it.
func (l *networkStep) survey(ctx context.Context) error {
	if l.net.External != "" {
		var err error
		if l.external, err = l.c.Pool(ctx, l.net.External, l.rep); err != nil {
			return err
		}
	}
	n, err := l.c.networkToUse(ctx, l.net.Name, l.rec)
	if err != nil {
		return err
	}
	if l.have.network = n; n != nil {
		err = l.surveyParts(ctx, n.ID)
	} else {
		err = l.nameFree(ctx)
	}
	if err != nil {
		return err
	}
	if err := l.surveyRouter(ctx); err != nil {
		return err
	}
	if l.rec == nil && n != nil && tokenOf(n.Description) != "" {
		// Made through Galley, and the record is lost or elsewhere.
		if l.rec, err = l.c.networkRecord(ctx, *n); err != nil {
			return err
		}
	}
	if l.rec == nil {
		l.rec = l.c.newRecord(ServerSpec{Name: l.net.Name, Owner: networkOwner(l.net.Name)})
	}
	l.reconcile()
	return nil
}

// nameFree keeps from making a second network of a name that the project sees:
// nobody could tell them apart by it.
func (l *networkStep) nameFree(ctx context.Context) error {
	list, err := l.c.listNetworks(ctx, networks.ListOpts{Name: l.net.Name})
	if err != nil {
		return err
	}
	for _, n := range list {
		kind := "a shared"
		switch {
		case n.External:
			kind = "an external"
		case !n.Shared:
			continue // An administrator also sees other projects' networks.
		}
		return session.Fail(session.Differs, fmt.Sprintf("make the network %q", l.net.Name),
			fmt.Sprintf("there is %s network of this name, which belongs to another project (%s)", kind, n.ID), "take another name")
	}
	return nil
}

func (l *networkStep) surveyParts(ctx context.Context, network string) (err error) {
	if l.have.subnets, err = l.c.listSubnets(ctx, subnets.ListOpts{NetworkID: network}); err != nil {
		return err
	}
	l.have.interfaces, err = l.c.routerPorts(ctx, ports.ListOpts{NetworkID: network})
	return err
}

func (l *networkStep) surveyRouter(ctx context.Context) error {
	if l.net.Router == "" {
		return nil
	}
	recorded := ""
	if l.rec != nil {
		if r := l.rec.find(KindRouter, l.net.Router); r != nil {
			recorded = r.ID
		}
	}
	r, err := l.c.routerToUse(ctx, l.net.Router, recorded)
	l.have.router = r
	return err
}

// reconcile drops missing parts from the record, and enters those that belong to
// others and is used.
func (l *networkStep) reconcile() {
	subnetThere := func(id string) bool {
		return slices.ContainsFunc(l.have.subnets, func(s subnets.Subnet) bool { return s.ID == id })
	}
	l.rec.Resources = slices.DeleteFunc(l.rec.Resources, func(r Resource) bool {
		if r.ID == "" {
			return false // It is looked for by its token.
		}
		switch r.Kind {
		case KindNetwork:
			return l.have.network == nil || l.have.network.ID != r.ID
		case KindSubnet:
			return !subnetThere(r.ID)
		case KindInterface:
			return !slices.ContainsFunc(l.have.interfaces, func(p ports.Port) bool { return p.ID == r.ID })
		case KindRouter:
			return l.have.router == nil && r.Name == l.net.Router
		case KindGateway:
			return l.have.router != nil && l.have.router.ID == r.Router && l.have.router.GatewayInfo.NetworkID != r.ID
		}
		return false
	})
	l.enter(KindNetwork, l.net.Name, l.have.network != nil, func() (string, string) {
		return l.have.network.ID, l.have.network.Description
	})
	for _, want := range l.net.Subnets {
		sn := l.subnet(want.CIDR)
		l.enter(KindSubnet, want.CIDR.String(), sn != nil, func() (string, string) { return sn.ID, sn.Description })
	}
	l.enter(KindRouter, l.net.Router, l.have.router != nil, func() (string, string) {
		return l.have.router.ID, l.have.router.Description
	})
}

// enter records something that is there. It is ours if it bears our token.
func (l *networkStep) enter(kind ResourceKind, name string, there bool, what func() (id, description string)) {
	if !there {
		return
	}
	id, description := what()
	r := l.rec.find(kind, name)
	if r == nil {
		l.rec.Resources = append(l.rec.Resources, Resource{Kind: kind, Name: name, Asked: l.rec.Started})
		r = &l.rec.Resources[len(l.rec.Resources)-1]
	}
	r.ID, r.Stage, r.Borrowed = id, Made, tokenOf(description) != l.rec.Token
}

// subnet returns the network's subnet of that CIDR, nil when there is none.
func (l *networkStep) subnet(cidr netip.Prefix) *subnets.Subnet {
	for i, s := range l.have.subnets {
		if p, err := netip.ParsePrefix(s.CIDR); err == nil && p.Masked() == cidr {
			return &l.have.subnets[i]
		}
	}
	return nil
}

// compare returns, all at once, how the existing parts differ from the request.
func (l *networkStep) compare() error {
	var diffs []string
	add := func(format string, args ...any) { diffs = append(diffs, fmt.Sprintf(format, args...)) }
	if n := l.have.network; n != nil && n.External {
		add("it is an external network")
	}
	for _, want := range l.net.Subnets {
		sn := l.subnet(want.CIDR)
		if sn == nil {
			for _, other := range l.have.subnets {
				if p, err := netip.ParsePrefix(other.CIDR); err == nil && p.Addr().Is4() == want.CIDR.Addr().Is4() {
					add("it has the subnet %s, not %s", other.CIDR, want.CIDR)
				}
			}
			continue
		}
		for _, d := range want.differences(*sn, l.net.Router != "") {
			add("its subnet %s %s", want.CIDR, d)
		}
		l.compareInterfaces(*sn, add)
	}
	if r := l.have.router; r != nil && l.external.ID != "" && r.GatewayInfo.NetworkID != "" && r.GatewayInfo.NetworkID != l.external.ID {
		add("the router %q leads to the network %s, not to %q (%s)", r.Name, r.GatewayInfo.NetworkID, l.external.Name, l.external.ID)
	}
	if len(diffs) == 0 {
		return nil
	}
	return session.Fail(session.Differs, fmt.Sprintf("make the network %q as asked", l.net.Name), "there is one already, and "+strings.Join(diffs, "; "),
		fmt.Sprintf("take another name; or, if it was made by galley, `galley network delete %s` and make it again", l.net.Name))
}

// compareInterfaces finds another router on the address that ours is to have.
func (l *networkStep) compareInterfaces(sn subnets.Subnet, add func(string, ...any)) {
	if l.net.Router == "" {
		return
	}
	for _, p := range l.have.interfaces {
		if l.have.router != nil && p.DeviceID == l.have.router.ID {
			continue
		}
		for _, ip := range p.FixedIPs {
			if ip.SubnetID == sn.ID && ip.IPAddress == sn.GatewayIP {
				add("its subnet %s is joined to another router (%s), not to %q", sn.CIDR, p.DeviceID, l.net.Router)
			}
		}
	}
}

// differences returns how a subnet differs from the request. Settings that are not
// asked for is not compared.
func (sn SubnetSpec) differences(have subnets.Subnet, routed bool) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	or := func(s string) string {
		if s == "" {
			return "none"
		}
		return s
	}
	switch {
	case sn.NoGateway && have.GatewayIP != "":
		add("has the gateway %s, and is to have none", have.GatewayIP)
	case sn.Gateway.IsValid() && have.GatewayIP != sn.Gateway.String():
		add("has the gateway %s, not %s", or(have.GatewayIP), sn.Gateway)
	case routed && have.GatewayIP == "":
		add("has no gateway, and a router needs one")
	}
	if have.EnableDHCP == sn.NoDHCP {
		add("has DHCP %s", map[bool]string{true: "on, not off", false: "off, not on"}[have.EnableDHCP])
	}
	if len(sn.DNS) > 0 && !slices.Equal(sn.DNS, have.DNSNameservers) {
		add("has the name servers %s, not %s", or(strings.Join(have.DNSNameservers, " ")), strings.Join(sn.DNS, " "))
	}
	if sn.IPv6Mode != "" && (have.IPv6RAMode != sn.IPv6Mode || have.IPv6AddressMode != sn.IPv6Mode) {
		add("has the IPv6 mode %s/%s, not %s", or(have.IPv6RAMode), or(have.IPv6AddressMode), sn.IPv6Mode)
	}
	if len(sn.Pools) > 0 {
		var is, want []string
		for _, p := range have.AllocationPools {
			is = append(is, p.Start+"-"+p.End)
		}
		for _, p := range sn.Pools {
			want = append(want, p.String())
		}
		slices.Sort(is)
		slices.Sort(want)
		if !slices.Equal(is, want) {
			add("has the pools %s, not %s", or(strings.Join(is, " ")), strings.Join(want, " "))
		}
	}
	return out
}

// networkMark is the description of the parts of a network.
func (r *Record) networkMark() string {
	return clip("galley token="+r.Token+" network="+r.Name, 255)
}

// lay creates the missing parts, in the order in which one needs the other.
func (l *networkStep) lay(ctx context.Context) (*NetworkSetup, error) {
	sc := l.c.NetworkClient()
	network, err := l.layNetwork(ctx, sc)
	if err != nil {
		return nil, err
	}
	out := &NetworkSetup{Network: network}
	for _, want := range l.net.Subnets {
		sn, err := l.laySubnet(ctx, sc, out.Network.ID, want)
		if err != nil {
			return nil, err
		}
		out.Subnets = append(out.Subnets, sn)
	}
	if l.net.Router != "" {
		r, err := l.layRouter(ctx, sc)
		if err != nil {
			return nil, err
		}
		out.Router = &r
		for i, sn := range out.Subnets {
			if err := l.join(ctx, sc, r, sn, l.net.Subnets[i].CIDR); err != nil {
				return nil, err
			}
		}
	}
	out.Changed = l.changed
	return out, nil
}

// part makes one thing and tells that it did.
func (l *networkStep) part(ctx context.Context, r request, told string) (string, error) {
	id, made, err := l.do(ctx, r)
	if err == nil && made {
		l.changed, l.rec.Complete = true, false
		l.rep.Info("%s (%s)", told, id)
	}
	return id, err
}

func (l *networkStep) layNetwork(ctx context.Context, sc *gophercloud.ServiceClient) (Network, error) {
	up := true
	id, err := l.part(ctx, request{
		kind: KindNetwork, name: l.net.Name, what: fmt.Sprintf("create the network %q", l.net.Name),
		ask: func(ctx context.Context) (string, error) {
			return idIn(networks.Create(ctx, sc, networks.CreateOpts{Name: l.net.Name, Description: l.rec.networkMark(), AdminStateUp: &up}), "network")
		},
	}, fmt.Sprintf("Network %q created", l.net.Name))
	return Network{ID: id, Name: l.net.Name}, err
}

func (l *networkStep) laySubnet(ctx context.Context, sc *gophercloud.ServiceClient, network string, want SubnetSpec) (Subnet, error) {
	cidr := want.CIDR.String()
	dhcp := !want.NoDHCP
	o := subnets.CreateOpts{
		NetworkID: network, Name: want.Name, CIDR: cidr, IPVersion: gophercloud.IPv4, Description: l.rec.networkMark(),
		DNSNameservers: want.DNS, EnableDHCP: &dhcp, IPv6AddressMode: want.IPv6Mode, IPv6RAMode: want.IPv6Mode,
	}
	if want.CIDR.Addr().Is6() {
		o.IPVersion = gophercloud.IPv6
	}
	if gw := ""; want.NoGateway {
		o.GatewayIP = &gw
	} else if want.Gateway.IsValid() {
		gw = want.Gateway.String()
		o.GatewayIP = &gw
	}
	for _, p := range want.Pools {
		o.AllocationPools = append(o.AllocationPools, subnets.AllocationPool{Start: p.Start.String(), End: p.End.String()})
	}
	id, err := l.part(ctx, request{
		kind: KindSubnet, name: cidr, what: fmt.Sprintf("create the subnet %s of the network %q", cidr, l.net.Name),
		note: func(r *Resource) { r.Network = network },
		ask:  func(ctx context.Context) (string, error) { return idIn(subnets.Create(ctx, sc, o), "subnet") },
	}, fmt.Sprintf("Subnet %s created", cidr))
	name := want.Name
	if have := l.subnet(want.CIDR); have != nil {
		name = have.Name
	}
	return Subnet{ID: id, Name: name, CIDR: cidr}, err
}

// layRouter makes the router with its gateway, or gives the one that is there
// a gateway if it has none.
func (l *networkStep) layRouter(ctx context.Context, sc *gophercloud.ServiceClient) (Router, error) {
	name := l.net.Router
	o := routers.CreateOpts{Name: name, Description: l.rec.networkMark()}
	if l.external.ID != "" {
		o.GatewayInfo = &routers.GatewayInfo{NetworkID: l.external.ID}
	}
	id, err := l.part(ctx, request{
		kind: KindRouter, name: name, what: fmt.Sprintf("create the router %q", name),
		ask: func(ctx context.Context) (string, error) { return idIn(routers.Create(ctx, sc, o), "router") },
	}, fmt.Sprintf("Router %q created", name))
	if err != nil {
		return Router{}, err
	}
	out := Router{ID: id, Name: name, External: l.external.ID}
	if have := l.have.router; have != nil {
		out.Name = have.Name
		if have.GatewayInfo.NetworkID != "" {
			out.External = have.GatewayInfo.NetworkID
			return out, nil
		}
		return out, l.layGateway(ctx, sc, out)
	}
	return out, nil
}

func (l *networkStep) layGateway(ctx context.Context, sc *gophercloud.ServiceClient, r Router) error {
	if l.external.ID == "" {
		return nil
	}
	_, err := l.part(ctx, request{
		kind: KindGateway, name: r.ID, what: fmt.Sprintf("lead the router %q to the network %q", r.Name, l.external.Name),
		note: func(res *Resource) { res.Router, res.Network = r.ID, l.external.ID },
		ask: func(ctx context.Context) (string, error) {
			_, err := one(routers.Update(ctx, sc, r.ID, routers.UpdateOpts{GatewayInfo: &routers.GatewayInfo{NetworkID: l.external.ID}}).Extract())
			return l.external.ID, err
		},
	}, fmt.Sprintf("Router %q leads to %q", r.Name, l.external.Name))
	return err
}

// join puts the router on a subnet unless it is there.
func (l *networkStep) join(ctx context.Context, sc *gophercloud.ServiceClient, r Router, sn Subnet, cidr netip.Prefix) error {
	for _, p := range l.have.interfaces {
		if p.DeviceID == r.ID && onSubnet(p, sn.ID) {
			return nil
		}
	}
	_, err := l.part(ctx, request{
		kind: KindInterface, name: cidr.String(), what: fmt.Sprintf("join the subnet %s to the router %q", cidr, r.Name),
		note: func(res *Resource) { res.Router, res.Subnet = r.ID, sn.ID },
		ask: func(ctx context.Context) (string, error) {
			i, err := one(routers.AddInterface(ctx, sc, r.ID, routers.AddInterfaceOpts{SubnetID: sn.ID}).Extract())
			switch {
			case err == nil && i.PortID == "":
				return "", errNoID
			case err == nil:
				return i.PortID, nil
			}
			// A PUT whose answer is lost is sent again, and refused if the first
			// one came through.
			if session.IsStatus(err, 400, 409) {
				if ids, ferr := l.c.byToken(ctx, "", Resource{Kind: KindInterface, Router: r.ID, Subnet: sn.ID}); ferr == nil && len(ids) > 0 {
					return ids[0], nil
				}
			}
			return "", err
		},
	}, fmt.Sprintf("Subnet %s joined to the router %q", cidr, r.Name))
	return err
}
