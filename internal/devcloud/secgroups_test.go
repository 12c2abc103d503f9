package devcloud

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/secgroups"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
)

// Nova's own window on security groups, of which older tools use the lists and
// a server's actions.
func TestSecurityGroupsThroughNova(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	g := must[*groups.SecGroup](t)(groups.Create(ctx, cl.network, groups.CreateOpts{Name: "g"}).Extract())
	must[*rules.SecGroupRule](t)(rules.Create(ctx, cl.network, rules.CreateOpts{
		SecGroupID: g.ID, Direction: rules.DirIngress, EtherType: rules.EtherType4, Protocol: "tcp", PortRangeMin: 22, PortRangeMax: 22,
	}).Extract())
	l := all(t, secgroups.List(cl.compute), secgroups.ExtractSecurityGroups)
	if len(l) != 2 || len(l[1].Rules) != 1 || l[1].Rules[0].FromPort != 22 || l[1].Rules[0].IPProtocol != "tcp" {
		t.Errorf("%+v", l)
	}
	id := build(t, c, cl, servers.CreateOpts{Name: "x"})
	check(t, "add", secgroups.AddServer(ctx, cl.compute, id, "g").ExtractErr())
	if l := all(t, secgroups.ListByServer(cl.compute, id), secgroups.ExtractSecurityGroups); len(l) != 2 {
		t.Errorf("%+v", l)
	}
	check(t, "remove", secgroups.RemoveServer(ctx, cl.compute, id, "g").ExtractErr())
	err := secgroups.RemoveServer(ctx, cl.compute, id, "g").ExtractErr()
	refused(t, "remove again", err, 404, "not associated with the instance")
	err = secgroups.AddServer(ctx, cl.compute, id, "nosuch").ExtractErr()
	refused(t, "unknown", err, 404, "Security group nosuch is not found for project "+c.Env()["OS_PROJECT_ID"])
	_, err = secgroups.Create(ctx, cl.compute, secgroups.CreateOpts{Name: "h"}).Extract()
	refused(t, "create", err, 404, "The resource could not be found.")
	_, err = secgroups.List(at(cl.compute, "2.36")).AllPages(ctx)
	refused(t, "from 2.36", err, 404, "The resource could not be found.")
}
