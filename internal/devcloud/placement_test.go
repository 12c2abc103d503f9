package devcloud

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/allocationcandidates"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/allocations"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/resourceproviders"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/usages"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"github.com/galleyhq/galley/internal/devcloud/compute"
)

// Placement shows the hypervisor and what servers take of it.
func TestPlacement(t *testing.T) {
	c := startCloud(t)
	cl, root := login(t, c, c.Env()), login(t, c, c.AdminEnv())
	ctx := t.Context()
	v := must[*servers.Server](t)(servers.Create(ctx, cl.compute, servers.CreateOpts{
		Name: "v", ImageRef: CentOSImageID, FlavorRef: "2", Networks: []servers.Network{{UUID: Net1ID}},
	}, nil).Extract())
	await(t, c, "the server", func() bool { return c.db.Servers.Get(v.ID).VMState == "active" })
	p := must[*gophercloud.ServiceClient](t)(openstack.NewPlacementV1(root.provider, gophercloud.EndpointOpts{Region: "RegionOne"}))
	l := all(t, resourceproviders.List(p, resourceproviders.ListOpts{Name: "devcloud"}), resourceproviders.ExtractResourceProviders)
	if len(l) != 1 || l[0].UUID != compute.HypervisorID || l[0].RootProviderUUID != "" {
		t.Fatalf("%+v", l)
	}
	p.Microversion = "1.38"
	id := l[0].UUID
	if one := must[*resourceproviders.ResourceProvider](t)(resourceproviders.Get(ctx, p, id).Extract()); one.RootProviderUUID != id {
		t.Errorf("%+v", one)
	}
	if in := must[*resourceproviders.ResourceProviderInventories](t)(resourceproviders.GetInventories(ctx, p, id).Extract()); in.Inventories["VCPU"].Total < 1 {
		t.Errorf("%+v", in)
	}
	if u := must[*resourceproviders.ResourceProviderUsage](t)(resourceproviders.GetUsages(ctx, p, id).Extract()); u.Usages["MEMORY_MB"] != 2048 {
		t.Errorf("%+v", u)
	}
	if tr := must[*resourceproviders.ResourceProviderTraits](t)(resourceproviders.GetTraits(ctx, p, id).Extract()); len(tr.Traits) == 0 {
		t.Errorf("%+v", tr)
	}
	if a := must[*resourceproviders.ResourceProviderAllocations](t)(resourceproviders.GetAllocations(ctx, p, id).Extract()); a.Allocations[v.ID].Resources["DISK_GB"] != 20 {
		t.Errorf("%+v", a)
	}
	if a := must[*allocations.Allocations](t)(allocations.Get(ctx, p, v.ID).Extract()); a.Allocations[id].Resources["VCPU"] != 1 || *a.ProjectID != c.Env()["OS_PROJECT_ID"] {
		t.Errorf("%+v", a)
	}
	if u := must[*usages.Usages](t)(usages.Get(ctx, p, usages.GetOpts{ProjectID: c.Env()["OS_PROJECT_ID"]}).Extract()); u.Usages["INSTANCE"]["consumer_count"] != 1 {
		t.Errorf("%+v", u)
	}
	for query, want := range map[string]int{"VCPU:1,MEMORY_MB:512": 1, "VCPU:100000": 0, "CUSTOM_GOLD:1": 0} {
		page := must[pagination.Page](t)(allocationcandidates.List(p, allocationcandidates.ListOpts{Resources: query}).AllPages(ctx))
		if got := must[*allocationcandidates.AllocationCandidates](t)(allocationcandidates.ExtractAllocationCandidates(page)); len(got.AllocationRequests) != want {
			t.Errorf("%s: %+v", query, got)
		}
	}
	refused(t, "a provider of somebody's", resourceproviders.Create(ctx, p, resourceproviders.CreateOpts{Name: "x"}).Err, 405, "one resource provider")
	mine := must[*gophercloud.ServiceClient](t)(openstack.NewPlacementV1(cl.provider, gophercloud.EndpointOpts{Region: "RegionOne"}))
	refused(t, "a user", resourceproviders.Get(ctx, mine, id).Err, 403, "Access was denied")
}
