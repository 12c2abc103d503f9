package devcloud

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/secgroups"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
)

// Nova's own window on security groups, which older tools use.
func TestSecurityGroupsThroughNova(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	g := must[*secgroups.SecurityGroup](t)(
		secgroups.Create(ctx, cl.compute, secgroups.CreateOpts{Name: "g", Description: "d"}).Extract(),
	)
	r := must[*secgroups.Rule](t)(
		secgroups.CreateRule(
			ctx,
			cl.compute,
			secgroups.CreateRuleOpts{
				ParentGroupID: g.ID,
				FromPort:      22,
				ToPort:        22,
				IPProtocol:    "TCP",
				CIDR:          "0.0.0.0/0",
			},
		).Extract(),
	)
	if r.FromPort != 22 || r.IPProtocol != "tcp" || r.IPRange.CIDR != "0.0.0.0/0" {
		t.Errorf("%+v", r)
	}
	if l := all(t, secgroups.List(cl.compute), secgroups.ExtractSecurityGroups); len(l) != 2 {
		t.Errorf("%+v", l)
	}
	name := "renamed"
	must[*secgroups.SecurityGroup](t)(
		secgroups.Update(ctx, cl.compute, g.ID, secgroups.UpdateOpts{Name: name, Description: &name}).Extract(),
	)
	if got := must[*secgroups.SecurityGroup](t)(secgroups.Get(ctx, cl.compute, g.ID).Extract()); got.Name != name ||
		len(got.Rules) != 1 {
		t.Errorf("%+v", got)
	}
	id := build(t, c, cl, servers.CreateOpts{Name: "x"})
	check(t, "add", secgroups.AddServer(ctx, cl.compute, id, name).ExtractErr())
	if l := all(t, secgroups.ListByServer(cl.compute, id), secgroups.ExtractSecurityGroups); len(l) != 2 {
		t.Errorf("%+v", l)
	}
	check(t, "remove", secgroups.RemoveServer(ctx, cl.compute, id, name).ExtractErr())
	refused(
		t,
		"remove again",
		secgroups.RemoveServer(ctx, cl.compute, id, name).ExtractErr(),
		404,
		"not associated with the instance",
	)
	refused(
		t,
		"unknown",
		secgroups.AddServer(ctx, cl.compute, id, "nosuch").ExtractErr(),
		404,
		"Security group nosuch is not found for project "+c.Env()["OS_PROJECT_ID"],
	)
	check(t, "delete rule", secgroups.DeleteRule(ctx, cl.compute, r.ID).ExtractErr())
	check(t, "delete", secgroups.Delete(ctx, cl.compute, g.ID).ExtractErr())
	_, err := secgroups.Get(ctx, cl.compute, g.ID).Extract()
	refused(t, "get", err, 404, "Security group "+g.ID+" not found")
	_, err = secgroups.List(at(cl.compute, "2.36")).AllPages(ctx)
	refused(t, "from 2.36", err, 404, "The resource could not be found.")
}
