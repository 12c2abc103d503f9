package devcloud

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/attachinterfaces"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/availabilityzones"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/extensions"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/hypervisors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/instanceactions"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/limits"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/quotasets"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servergroups"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/services"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/tags"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/volumeattach"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/pagination"
	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/devcloud/fault"
)

// at is a compute client that speaks a microversion.
func at(c *gophercloud.ServiceClient, version string) *gophercloud.ServiceClient {
	v := *c
	v.Microversion = version
	return &v
}

// all reads every page of a list.
func all[T any](t *testing.T, p pagination.Pager, extract func(pagination.Page) ([]T, error)) []T {
	t.Helper()
	page, err := p.AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l, err := extract(page)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func check(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// refused checks an error's status and its message.
func refused(t *testing.T, what string, err error, status int, message string) {
	t.Helper()
	if !gophercloud.ResponseCodeIs(err, status) || !strings.Contains(err.Error(), message) {
		t.Errorf("%s: %v; want %d and %q", what, err, status, message)
	}
}

// build makes a server and waits until it is built.
func build(t *testing.T, c *Cloud, cl *clients, o servers.CreateOpts) string {
	t.Helper()
	if o.FlavorRef == "" {
		o.FlavorRef = "1"
	}
	if o.ImageRef == "" && o.BlockDevice == nil {
		o.ImageRef = CentOSImageID
	}
	if o.Networks == nil {
		o.Networks = []servers.Network{{UUID: Net1ID}}
	}
	s, err := servers.Create(t.Context(), at(cl.compute, "2.67"), o, nil).Extract()
	check(t, "create "+o.Name, err)
	if s.AdminPass == "" {
		t.Error("no adminPass")
	}
	await(t, c, o.Name+" built", func() bool { return c.db.Servers.Get(s.ID).VMState != "building" })
	return s.ID
}

// settle waits until a server has no task.
func settle(t *testing.T, c *Cloud, id string) {
	t.Helper()
	await(t, c, "task of "+id, func() bool { v := c.db.Servers.Get(id); return v == nil || v.TaskState == "" })
}

func status(t *testing.T, cl *clients, id string) string {
	t.Helper()
	return must[*servers.Server](t)(servers.Get(t.Context(), cl.compute, id).Extract()).Status
}

func TestServerLifecycle(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	id := build(
		t,
		c,
		cl,
		servers.CreateOpts{
			Name:        "one",
			Metadata:    map[string]string{"a": "b"},
			Tags:        []string{"t1"},
			UserData:    []byte("#!/bin/sh\n"),
			ConfigDrive: new(bool),
		},
	)
	s := must[*servers.Server](t)(servers.Get(ctx, at(cl.compute, "2.79"), id).Extract())
	if s.Status != "ACTIVE" || s.Flavor["original_name"] != "m1.tiny" || s.Tags == nil || (*s.Tags)[0] != "t1" ||
		s.Metadata["a"] != "b" ||
		s.Locked == nil ||
		*s.Locked {
		t.Errorf("%+v", s)
	}
	if old := must[*servers.Server](t)(servers.Get(ctx, cl.compute, id).Extract()); old.Flavor["id"] != "1" ||
		old.Tags != nil {
		t.Errorf("at 2.1: %+v", old)
	}

	// Actions, each from the state it needs to the one it leads to.
	for _, step := range []struct {
		name string
		do   func() error
		want string
	}{
		{"reboot", func() error {
			return servers.Reboot(ctx, cl.compute, id, servers.RebootOpts{Type: servers.SoftReboot}).ExtractErr()
		}, "ACTIVE"},
		{"stop", func() error { return servers.Stop(ctx, cl.compute, id).ExtractErr() }, "SHUTOFF"},
		{"start", func() error { return servers.Start(ctx, cl.compute, id).ExtractErr() }, "ACTIVE"},
		{"pause", func() error { return servers.Pause(ctx, cl.compute, id).ExtractErr() }, "PAUSED"},
		{"unpause", func() error { return servers.Unpause(ctx, cl.compute, id).ExtractErr() }, "ACTIVE"},
		{"suspend", func() error { return servers.Suspend(ctx, cl.compute, id).ExtractErr() }, "SUSPENDED"},
		{"resume", func() error { return servers.Resume(ctx, cl.compute, id).ExtractErr() }, "ACTIVE"},
		{"shelve", func() error { return servers.Shelve(ctx, cl.compute, id).ExtractErr() }, "SHELVED_OFFLOADED"},
		{"unshelve", func() error { return servers.Unshelve(ctx, cl.compute, id, servers.UnshelveOpts{}).ExtractErr() }, "ACTIVE"},
		{"rescue", func() error {
			_, err := servers.Rescue(ctx, cl.compute, id, servers.RescueOpts{}).Extract()
			return err
		}, "RESCUE"},
		{"unrescue", func() error { return servers.Unrescue(ctx, cl.compute, id).ExtractErr() }, "ACTIVE"},
		{"rebuild", func() error {
			_, err := servers.Rebuild(ctx, cl.compute, id, servers.RebuildOpts{ImageRef: seedImages[1].id}).Extract()
			return err
		}, "ACTIVE"},
		{"resize", func() error {
			return servers.Resize(ctx, cl.compute, id, servers.ResizeOpts{FlavorRef: "2"}).ExtractErr()
		}, "VERIFY_RESIZE"},
		{"revert", func() error { return servers.RevertResize(ctx, cl.compute, id).ExtractErr() }, "ACTIVE"},
		{"resize again", func() error {
			return servers.Resize(ctx, cl.compute, id, servers.ResizeOpts{FlavorRef: "2"}).ExtractErr()
		}, "VERIFY_RESIZE"},
		{"confirm", func() error { return servers.ConfirmResize(ctx, cl.compute, id).ExtractErr() }, "ACTIVE"},
		{"lock", func() error { return servers.Lock(ctx, cl.compute, id).ExtractErr() }, "ACTIVE"},
	} {
		check(t, step.name, step.do())
		settle(t, c, id)
		if got := status(t, cl, id); got != step.want {
			t.Fatalf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	refused(t, "delete while locked", servers.Delete(ctx, cl.compute, id).ExtractErr(), 409, "is locked")
	check(t, "unlock", servers.Unlock(ctx, cl.compute, id).ExtractErr())
	refused(
		t,
		"start while active",
		servers.Start(ctx, cl.compute, id).ExtractErr(),
		409,
		"Cannot 'start' instance "+id+" while it is in vm_state active",
	)
	refused(
		t,
		"reset state",
		servers.ResetState(ctx, cl.compute, id, servers.StateError).ExtractErr(),
		403,
		"Policy doesn't allow",
	)
	refused(
		t,
		"set password",
		servers.ChangeAdminPassword(ctx, cl.compute, id, "x").ExtractErr(),
		409,
		"Failed to set admin password",
	)

	image := must[string](t)(
		servers.CreateImage(ctx, cl.compute, id, servers.CreateImageOpts{Name: "snap"}).ExtractImageID(),
	)
	await(t, c, "the snapshot", func() bool { return c.db.Images.Get(image).Status == "active" })

	s = must[*servers.Server](t)(servers.Update(ctx, cl.compute, id, servers.UpdateOpts{Name: "two"}).Extract())
	if s.Name != "two" {
		t.Errorf("renamed to %q", s.Name)
	}
	names := must[[]instanceactions.InstanceAction](t)(
		instanceactions.ExtractInstanceActions(
			must[pagination.Page](t)(instanceactions.List(at(cl.compute, "2.58"), id, nil).AllPages(ctx)),
		),
	)
	if len(names) < 15 || names[len(names)-1].Action != "create" {
		t.Errorf("history: %+v", names)
	}
	if d, err := instanceactions.Get(ctx, cl.compute, id, names[0].RequestID).Extract(); err != nil ||
		d.Events == nil {
		t.Errorf("%+v, %v", d, err)
	}
	check(t, "delete", servers.Delete(ctx, cl.compute, id).ExtractErr())
	await(t, c, "gone", func() bool { return c.db.Servers.Get(id) == nil })
	_, err := servers.Get(ctx, cl.compute, id).Extract()
	refused(t, "get", err, 404, "Instance "+id+" could not be found.")
}

func TestServerCreateRefusals(t *testing.T) {
	c := startCloud(t, func(o *Options) { o.Quotas = map[string]int{"instances": 1} })
	cl := login(t, c, c.Env())
	base := servers.CreateOpts{
		Name:      "x",
		FlavorRef: "1",
		ImageRef:  CentOSImageID,
		Networks:  []servers.Network{{UUID: Net1ID}},
	}
	no := "11111111-1111-1111-1111-111111111111"
	zero := 0
	for _, test := range []struct {
		change  func(o *servers.CreateOpts)
		status  int
		message string
	}{
		{func(o *servers.CreateOpts) { o.FlavorRef = "99" }, 400, "Flavor 99 could not be found."},
		{func(o *servers.CreateOpts) { o.ImageRef = no }, 400, "Can not find requested image"},
		{func(o *servers.CreateOpts) { o.ImageRef = "nosuch" }, 400, "Invalid input for field/attribute imageRef. Value: nosuch."},
		{func(o *servers.CreateOpts) { o.ImageRef = "" }, 400, "Missing imageRef attribute"},
		{func(o *servers.CreateOpts) { o.Networks = []servers.Network{{UUID: no}} }, 400, "Network " + no + " could not be found."},
		{func(o *servers.CreateOpts) { o.Networks = []servers.Network{{Port: no}} }, 400, "Port id " + no + " could not be found."},
		{func(o *servers.CreateOpts) { o.SecurityGroups = []string{"nosuch"} }, 400, "Unable to find security_group with name or id 'nosuch'"},
		{func(o *servers.CreateOpts) { o.AvailabilityZone = "mars" }, 400, "The requested availability zone is not available"},
		{func(o *servers.CreateOpts) { o.Name = " x" }, 400, "An invalid 'name' value was provided."},
		{func(o *servers.CreateOpts) { o.Min, o.Max = 2, 2 }, 403, "Quota exceeded for instances: Requested 2, but already used 0 of 1 instances"},
		{func(o *servers.CreateOpts) {
			o.BlockDevice = []servers.BlockDevice{{SourceType: servers.SourceVolume, DestinationType: servers.DestinationVolume, UUID: no, BootIndex: zero}}
		}, 400, "Volume " + no + " could not be found."},
		{func(o *servers.CreateOpts) {
			o.BlockDevice = []servers.BlockDevice{{SourceType: servers.SourceImage, DestinationType: servers.DestinationVolume, UUID: CentOSImageID}}
		}, 400, "Images with destination_type 'volume' need to have a non-zero size specified"},
	} {
		o := base
		test.change(&o)
		_, err := servers.Create(t.Context(), cl.compute, o, nil).Extract()
		refused(t, test.message, err, test.status, test.message)
	}
	_, err := servers.Create(
		t.Context(),
		cl.compute,
		keypairs.CreateOptsExt{CreateOptsBuilder: base, KeyName: "nosuch"},
		nil,
	).Extract()
	refused(t, "key", err, 400, "Invalid key_name provided.")
	_, err = servers.Create(t.Context(), cl.compute, base, servers.SchedulerHintOpts{Group: no}).Extract()
	refused(t, "group", err, 400, "Instance group "+no+" could not be found.")
	if n := c.Resources().Count(); n != 0 {
		t.Errorf("refused creates left %d things", n)
	}
}

func TestAmbiguousAndMissingNetworks(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	o := servers.CreateOpts{Name: "x", FlavorRef: "1", ImageRef: CentOSImageID}
	// With one network there is nothing to choose.
	s := must[*servers.Server](t)(servers.Create(t.Context(), cl.compute, o, nil).Extract())
	await(t, c, "built", func() bool { return c.db.Servers.Get(s.ID).VMState == "active" })
	makeNetwork(t, cl, "net2", "10.9.0.0/24")
	_, err := servers.Create(t.Context(), cl.compute, o, nil).Extract()
	refused(t, "two networks", err, 409, "Multiple possible networks found, use a Network ID to be more specific.")
	o.Networks = "none"
	s = must[*servers.Server](t)(servers.Create(t.Context(), at(cl.compute, "2.37"), o, nil).Extract())
	await(t, c, "built", func() bool { return c.db.Servers.Get(s.ID).VMState == "active" })
	if s = must[*servers.Server](t)(servers.Get(t.Context(), cl.compute, s.ID).Extract()); len(s.Addresses) != 0 {
		t.Errorf("addresses without networks: %v", s.Addresses)
	}
	_, err = servers.Create(t.Context(), cl.compute, o, nil).Extract()
	refused(t, "none before 2.37", err, 400, "'none' is not of type 'array'")
}

func TestServerOnExternalNetworkFails(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	id := build(t, c, cl, servers.CreateOpts{Name: "x", Networks: []servers.Network{{UUID: PublicNetID}}})
	s := must[*servers.Server](t)(servers.Get(t.Context(), cl.compute, id).Extract())
	if s.Status != "ERROR" ||
		s.Fault.Message != "Build of instance "+id+" aborted: Failed to allocate the network(s), not rescheduling." {
		t.Errorf("%s: %+v", s.Status, s.Fault)
	}
	if r := c.Resources(); len(r["ports"]) != 0 {
		t.Errorf("a failed build left %v", r["ports"])
	}
}

func TestServerWithAPortOfItsOwn(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	p := must[*ports.Port](t)(
		ports.Create(ctx, cl.network, ports.CreateOpts{NetworkID: Net1ID, Name: "p", Description: "token"}).Extract(),
	)
	id := build(t, c, cl, servers.CreateOpts{Name: "x", Networks: []servers.Network{{Port: p.ID}}})
	_, err := servers.Create(
		ctx,
		cl.compute,
		servers.CreateOpts{
			Name:      "y",
			FlavorRef: "1",
			ImageRef:  CentOSImageID,
			Networks:  []servers.Network{{Port: p.ID}},
		},
		nil,
	).Extract()
	refused(t, "a port in use", err, 409, "Port "+p.ID+" is still in use.")
	_, err = servers.Create(
		ctx,
		cl.compute,
		servers.CreateOpts{
			Name:      "y",
			FlavorRef: "1",
			ImageRef:  CentOSImageID,
			Networks:  []servers.Network{{UUID: Net1ID, FixedIP: p.FixedIPs[0].IPAddress}},
		},
		nil,
	).Extract()
	refused(
		t,
		"an address in use",
		err,
		400,
		"Fixed IP address "+p.FixedIPs[0].IPAddress+" is already in use on instance "+id+".",
	)
	check(t, "delete", servers.Delete(ctx, cl.compute, id).ExtractErr())
	await(t, c, "gone", func() bool { return c.db.Servers.Get(id) == nil })
	p = must[*ports.Port](t)(ports.Get(ctx, cl.network, p.ID).Extract())
	if p.DeviceID != "" || p.DeviceOwner != "" || p.Status != "DOWN" {
		t.Errorf("the port after its server: %+v", p)
	}
}

func TestServerVolumes(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	id := build(t, c, cl, servers.CreateOpts{Name: "x", ImageRef: CentOSImageID, BlockDevice: []servers.BlockDevice{
		{
			SourceType:          servers.SourceImage,
			DestinationType:     servers.DestinationVolume,
			UUID:                CentOSImageID,
			VolumeSize:          2,
			BootIndex:           0,
			DeleteOnTermination: true,
		},
		{SourceType: servers.SourceBlank, DestinationType: servers.DestinationVolume, VolumeSize: 1, BootIndex: -1},
	}})
	if got := status(t, cl, id); got != "ACTIVE" {
		t.Fatal(got)
	}
	atts := all(t, volumeattach.List(cl.compute, id), volumeattach.ExtractVolumeAttachments)
	if len(atts) != 2 || atts[0].Device != "/dev/vda" || atts[1].Device != "/dev/vdb" {
		t.Fatalf("%+v", atts)
	}
	refused(
		t,
		"detach the root",
		volumeattach.Delete(ctx, cl.compute, id, atts[0].VolumeID).ExtractErr(),
		400,
		"Cannot detach a root device volume",
	)
	v := must[*volumes.Volume](t)(
		volumes.Create(ctx, cl.volume, volumes.CreateOpts{Size: 1, Name: "v"}, nil).Extract(),
	)
	await(t, c, "available", func() bool { return c.db.Volumes.Get(v.ID).Status == "available" })
	a := must[*volumeattach.VolumeAttachment](t)(
		volumeattach.Create(
			ctx,
			at(cl.compute, "2.79"),
			id,
			volumeattach.CreateOpts{VolumeID: v.ID, DeleteOnTermination: true},
		).Extract(),
	)
	if a.Device != "/dev/vdc" || a.ServerID != id {
		t.Errorf("%+v", a)
	}
	await(t, c, "in-use", func() bool { return c.db.Volumes.Get(v.ID).Status == "in-use" })
	refused(
		t,
		"delete in use",
		volumes.Delete(ctx, cl.volume, v.ID, nil).ExtractErr(),
		400,
		"Invalid volume: Volume status must be available or error",
	)
	if g := must[*volumeattach.VolumeAttachment](t)(volumeattach.Get(ctx, cl.compute, id, v.ID).Extract()); g.VolumeID != v.ID {
		t.Errorf("%+v", g)
	}
	check(t, "detach", volumeattach.Delete(ctx, cl.compute, id, v.ID).ExtractErr())
	await(t, c, "available", func() bool { return c.db.Volumes.Get(v.ID).Status == "available" })
	check(t, "delete", servers.Delete(ctx, cl.compute, id).ExtractErr())
	await(
		t,
		c,
		"server gone, its root volume too",
		func() bool { return c.db.Servers.Get(id) == nil && c.db.Volumes.Get(atts[0].VolumeID) == nil },
	)
	if left := must[*volumes.Volume](t)(volumes.Get(ctx, cl.volume, atts[1].VolumeID).Extract()); left.Status != "available" {
		t.Errorf("the volume that was to stay: %s", left.Status)
	}
}

func TestServerBuildFailsWithItsVolume(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	addFault(t, c, fault.Rule{Action: fault.VolumeError})
	id := build(t, c, cl, servers.CreateOpts{Name: "x", BlockDevice: []servers.BlockDevice{
		{
			SourceType:          servers.SourceImage,
			DestinationType:     servers.DestinationVolume,
			UUID:                CentOSImageID,
			VolumeSize:          2,
			DeleteOnTermination: true,
		},
	}})
	s := must[*servers.Server](t)(servers.Get(t.Context(), cl.compute, id).Extract())
	if s.Status != "ERROR" || !strings.Contains(s.Fault.Message, "did not finish being created") {
		t.Errorf("%s: %+v", s.Status, s.Fault)
	}
	await(t, c, "the volume is gone", func() bool { return c.db.Volumes.Len() == 0 })
}

func TestServerLists(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	var ids []string
	for _, name := range []string{"web-1", "web-2", "db-1"} {
		ids = append(
			ids,
			build(t, c, cl, servers.CreateOpts{Name: name, Tags: []string{strings.Split(name, "-")[0], "all"}}),
		)
	}
	check(t, "stop", servers.Stop(ctx, cl.compute, ids[2]).ExtractErr())
	settle(t, c, ids[2])
	names := func(o servers.ListOptsBuilder, version string) string {
		t.Helper()
		var l []string
		for _, s := range all(t, servers.List(at(cl.compute, version), o), servers.ExtractServers) {
			l = append(l, s.Name)
		}
		return strings.Join(l, " ")
	}
	for _, test := range []struct {
		opts servers.ListOpts
		want string
	}{
		{servers.ListOpts{}, "db-1 web-2 web-1"},
		{servers.ListOpts{Limit: 1}, "db-1 web-2 web-1"}, // gophercloud follows the links
		{servers.ListOpts{Name: "^web-"}, "web-2 web-1"},
		{servers.ListOpts{Name: "1$"}, "db-1 web-1"},
		{servers.ListOpts{Status: "SHUTOFF"}, "db-1"},
		{servers.ListOpts{Status: "bogus"}, ""},
		{servers.ListOpts{Flavor: "2"}, ""},
		{servers.ListOpts{Image: CentOSImageID}, "db-1 web-2 web-1"},
		{servers.ListOpts{Tags: "web,all"}, "web-2 web-1"},
		{servers.ListOpts{TagsAny: "web,db"}, "db-1 web-2 web-1"},
		{servers.ListOpts{NotTags: "web"}, "db-1"},
		{servers.ListOpts{Marker: ids[1]}, "web-1"},
		{servers.ListOpts{IP: "^127\\."}, "db-1 web-2 web-1"},
		{servers.ListOpts{ChangesSince: time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}, ""},
	} {
		if got := names(test.opts, "2.75"); got != test.want {
			t.Errorf("%+v: %q, want %q", test.opts, got, test.want)
		}
	}
	simple := all(t, servers.ListSimple(cl.compute, servers.ListOpts{Limit: 2}), servers.ExtractServers)
	if len(simple) != 3 {
		t.Errorf("%d servers", len(simple))
	}
	_, err := servers.List(cl.compute, servers.ListOpts{Marker: "nosuch"}).AllPages(ctx)
	refused(t, "marker", err, 400, "marker [nosuch] not found")
	_, err = servers.List(cl.compute, servers.ListOpts{AllTenants: true}).AllPages(ctx)
	refused(
		t,
		"all tenants",
		err,
		403,
		"Policy doesn't allow os_compute_api:servers:detail:get_all_tenants to be performed.",
	)
	root := login(t, c, c.AdminEnv())
	if l := all(t, servers.List(root.compute, servers.ListOpts{AllTenants: true}), servers.ExtractServers); len(
		l,
	) != 3 ||
		l[0].Host == "" {
		t.Errorf("the administrator's: %+v", l)
	}
	// A deleted server shows where one asks for changes.
	since := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	check(t, "delete", servers.Delete(ctx, cl.compute, ids[0]).ExtractErr())
	await(t, c, "gone", func() bool { return c.db.Servers.Get(ids[0]) == nil })
	if got := names(servers.ListOpts{ChangesSince: since, Name: "web-1"}, "2.1"); got != "web-1" {
		t.Errorf("changes since: %q", got)
	}
}

func TestServerParts(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	id := build(t, c, cl, servers.CreateOpts{Name: "x", Metadata: map[string]string{"a": "1"}})

	m := must[map[string]string](t)(
		servers.UpdateMetadata(ctx, cl.compute, id, servers.MetadataOpts{"b": "2"}).Extract(),
	)
	if !maps.Equal(m, map[string]string{"a": "1", "b": "2"}) {
		t.Errorf("metadata %v", m)
	}
	m = must[map[string]string](t)(
		servers.ResetMetadata(ctx, cl.compute, id, servers.MetadataOpts{"c": "3"}).Extract(),
	)
	if !maps.Equal(m, map[string]string{"c": "3"}) {
		t.Errorf("metadata %v", m)
	}
	must[map[string]string](t)(
		servers.CreateMetadatum(ctx, cl.compute, id, servers.MetadatumOpts{"d": "4"}).Extract(),
	)
	if m = must[map[string]string](t)(servers.Metadatum(ctx, cl.compute, id, "d").Extract()); m["d"] != "4" {
		t.Errorf("metadatum %v", m)
	}
	check(t, "delete metadatum", servers.DeleteMetadatum(ctx, cl.compute, id, "d").ExtractErr())
	_, err := servers.Metadatum(ctx, cl.compute, id, "d").Extract()
	refused(t, "metadatum", err, 404, "Metadata item was not found")

	tagged := at(cl.compute, "2.26")
	must[[]string](t)(tags.ReplaceAll(ctx, tagged, id, tags.ReplaceAllOpts{Tags: []string{"x", "y"}}).Extract())
	check(t, "add tag", tags.Add(ctx, tagged, id, "z").ExtractErr())
	if ok, err := tags.Check(ctx, tagged, id, "z").Extract(); !ok || err != nil {
		t.Errorf("check tag: %v, %v", ok, err)
	}
	check(t, "delete tag", tags.Delete(ctx, tagged, id, "x").ExtractErr())
	if l := must[[]string](t)(tags.List(ctx, tagged, id).Extract()); !slices.Equal(l, []string{"y", "z"}) {
		t.Errorf("tags %v", l)
	}
	check(t, "delete tags", tags.DeleteAll(ctx, tagged, id).ExtractErr())
	_, err = tags.List(ctx, cl.compute, id).Extract()
	refused(t, "tags at 2.1", err, 404, "The resource could not be found.")

	addresses := all(t, servers.ListAddresses(cl.compute, id), func(p pagination.Page) ([]string, error) {
		byNet, err := servers.ExtractAddresses(p)
		return slices.Sorted(maps.Keys(byNet)), err
	})
	if !slices.Equal(addresses, []string{"net1"}) {
		t.Errorf("networks %v", addresses)
	}
	if l := all(t, servers.ListAddressesByNetwork(cl.compute, id, "net1"), servers.ExtractNetworkAddresses); len(
		l,
	) != 1 ||
		l[0].Version != 4 {
		t.Errorf("addresses %v", l)
	}
	net2 := makeNetwork(t, cl, "net2", "10.9.0.0/24")
	i := must[*attachinterfaces.Interface](t)(
		attachinterfaces.Create(ctx, cl.compute, id, attachinterfaces.CreateOpts{NetworkID: net2}).Extract(),
	)
	if l := all(t, attachinterfaces.List(cl.compute, id), attachinterfaces.ExtractInterfaces); len(l) != 2 {
		t.Errorf("interfaces %v", l)
	}
	if g := must[*attachinterfaces.Interface](t)(attachinterfaces.Get(ctx, cl.compute, id, i.PortID).Extract()); g.NetID != net2 {
		t.Errorf("interface %+v", g)
	}
	check(t, "detach", attachinterfaces.Delete(ctx, cl.compute, id, i.PortID).ExtractErr())

	out := must[string](t)(
		servers.ShowConsoleOutput(ctx, cl.compute, id, servers.ShowConsoleOutputOpts{Length: 5}).Extract(),
	)
	if out != "" {
		t.Errorf("console output without a guest: %q", out)
	}
	if l := all(t, availabilityzones.List(cl.compute), availabilityzones.ExtractAvailabilityZones); len(l) != 1 ||
		l[0].ZoneName != "nova" {
		t.Errorf("zones %v", l)
	}
	if l := all(t, extensions.List(cl.compute), func(p pagination.Page) ([]string, error) {
		l, err := extensions.ExtractExtensions(p)
		return make([]string, len(l)), err
	}); len(l) == 0 {
		t.Error("no extensions")
	}
}

func TestKeyPairs(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	made := must[*keypairs.KeyPair](t)(keypairs.Create(ctx, cl.compute, keypairs.CreateOpts{Name: "made"}).Extract())
	signer, err := ssh.ParsePrivateKey([]byte(made.PrivateKey))
	check(t, "private key", err)
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(made.PublicKey))
	check(t, "public key", err)
	if string(public.Marshal()) != string(signer.PublicKey().Marshal()) ||
		ssh.FingerprintLegacyMD5(public) != made.Fingerprint {
		t.Error("the halves do not belong together")
	}
	in := must[*keypairs.KeyPair](t)(
		keypairs.Create(
			ctx,
			at(cl.compute, "2.92"),
			keypairs.CreateOpts{Name: "in@2.92", Type: "ssh", PublicKey: testKey},
		).Extract(),
	)
	if in.Type != "ssh" || in.PrivateKey != "" {
		t.Errorf("%+v", in)
	}
	_, err = keypairs.Create(ctx, at(cl.compute, "2.92"), keypairs.CreateOpts{Name: "x"}).Extract()
	refused(t, "made at 2.92", err, 400, "'public_key' is a required property")
	_, err = keypairs.Create(ctx, cl.compute, keypairs.CreateOpts{Name: "made", PublicKey: testKey}).Extract()
	refused(t, "twice", err, 409, "Key pair 'made' already exists.")
	_, err = keypairs.Create(ctx, cl.compute, keypairs.CreateOpts{Name: "x", PublicKey: "garbage"}).Extract()
	refused(t, "garbage", err, 400, "Keypair data is invalid: failed to generate fingerprint")
	_, err = keypairs.Create(ctx, cl.compute, keypairs.CreateOpts{Name: "a/b", PublicKey: testKey}).Extract()
	refused(t, "name", err, 400, "Keypair data is invalid")
	var names []string
	for _, k := range all(t, keypairs.List(at(cl.compute, "2.35"), keypairs.ListOpts{}), keypairs.ExtractKeyPairs) {
		names = append(names, k.Name)
	}
	if !slices.Equal(names, []string{"arnes", "demo", "in@2.92", "made"}) {
		t.Errorf("key pairs %v", names)
	}
	if g := must[*keypairs.KeyPair](t)(keypairs.Get(ctx, cl.compute, "made", nil).Extract()); g.PrivateKey != "" ||
		g.UserID == "" {
		t.Errorf("%+v", g)
	}
	id := build(t, c, cl, servers.CreateOpts{Name: "x"})
	_ = id
	s := must[*servers.Server](t)(
		servers.Create(
			ctx,
			cl.compute,
			keypairs.CreateOptsExt{
				CreateOptsBuilder: servers.CreateOpts{
					Name:      "y",
					FlavorRef: "1",
					ImageRef:  CentOSImageID,
					Networks:  []servers.Network{{UUID: Net1ID}},
				},
				KeyName: "made",
			},
			nil,
		).Extract(),
	)
	if g := must[*servers.Server](t)(servers.Get(ctx, cl.compute, s.ID).Extract()); g.KeyName != "made" {
		t.Errorf("key name %q", g.KeyName)
	}
	check(t, "delete", keypairs.Delete(ctx, cl.compute, "made", nil).ExtractErr())
	refused(
		t,
		"delete again",
		keypairs.Delete(ctx, cl.compute, "made", nil).ExtractErr(),
		404,
		"Keypair made not found for user",
	)
	// Another user has separate names.
	root := login(t, c, c.AdminEnv())
	if l := all(t, keypairs.List(root.compute, nil), keypairs.ExtractKeyPairs); len(l) != 0 {
		t.Errorf("the administrator's: %v", l)
	}
}

func TestFlavors(t *testing.T) {
	c := startCloud(t)
	cl, root := login(t, c, c.Env()), login(t, c, c.AdminEnv())
	ctx := t.Context()
	var names []string
	for _, f := range all(t, flavors.ListDetail(cl.compute, flavors.ListOpts{Limit: 2}), flavors.ExtractFlavors) {
		names = append(names, f.ID+f.Name)
	}
	if !slices.Equal(names, []string{"1m1.tiny", "2m1.small", "3m1.medium"}) {
		t.Errorf("flavors %v", names)
	}
	if l := all(t, flavors.ListDetail(cl.compute, flavors.ListOpts{MinRAM: 2048}), flavors.ExtractFlavors); len(
		l,
	) != 2 {
		t.Errorf("with 2 GiB: %v", l)
	}
	f := must[*flavors.Flavor](t)(flavors.Get(ctx, at(cl.compute, "2.61"), "3").Extract())
	if f.VCPUs != 2 || f.RAM != 4096 || f.Disk != 40 || f.ExtraSpecs == nil {
		t.Errorf("%+v", f)
	}
	_, err := flavors.Get(ctx, cl.compute, "99").Extract()
	refused(t, "get", err, 404, "Flavor 99 could not be found.")
	disk, private := 1, false
	o := flavors.CreateOpts{Name: "own", RAM: 64, VCPUs: 1, Disk: &disk, IsPublic: &private}
	_, err = flavors.Create(ctx, cl.compute, o).Extract()
	refused(
		t,
		"create as a user",
		err,
		403,
		"Policy doesn't allow os_compute_api:os-flavor-manage:create to be performed.",
	)
	f = must[*flavors.Flavor](t)(flavors.Create(ctx, root.compute, o).Extract())
	_, err = flavors.Get(ctx, cl.compute, f.ID).Extract()
	refused(t, "a private one", err, 404, "could not be found")
	must[map[string]string](t)(
		flavors.CreateExtraSpecs(ctx, root.compute, f.ID, flavors.ExtraSpecsOpts{"k": "v"}).Extract(),
	)
	if m := must[map[string]string](t)(flavors.ListExtraSpecs(ctx, root.compute, f.ID).Extract()); m["k"] != "v" {
		t.Errorf("extra specs %v", m)
	}
	if m := must[map[string]string](t)(flavors.GetExtraSpec(ctx, root.compute, f.ID, "k").Extract()); m["k"] != "v" {
		t.Errorf("extra spec %v", m)
	}
	check(t, "delete spec", flavors.DeleteExtraSpec(ctx, root.compute, f.ID, "k").ExtractErr())
	check(t, "delete", flavors.Delete(ctx, root.compute, f.ID).ExtractErr())
}

func TestServerGroups(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	g := must[*servergroups.ServerGroup](t)(
		servergroups.Create(
			ctx,
			cl.compute,
			servergroups.CreateOpts{Name: "g", Policies: []string{"anti-affinity"}},
		).Extract(),
	)
	n := must[*servergroups.ServerGroup](t)(
		servergroups.Create(
			ctx,
			at(cl.compute, "2.64"),
			servergroups.CreateOpts{Name: "n", Policy: "soft-affinity"},
		).Extract(),
	)
	if n.Policy == nil || *n.Policy != "soft-affinity" {
		t.Errorf("%+v", n)
	}
	s := must[*servers.Server](t)(
		servers.Create(
			ctx,
			cl.compute,
			servers.CreateOpts{
				Name:      "x",
				FlavorRef: "1",
				ImageRef:  CentOSImageID,
				Networks:  []servers.Network{{UUID: Net1ID}},
			},
			servers.SchedulerHintOpts{Group: g.ID},
		).Extract(),
	)
	if got := must[*servergroups.ServerGroup](t)(servergroups.Get(ctx, cl.compute, g.ID).Extract()); !slices.Equal(
		got.Members,
		[]string{s.ID},
	) ||
		!slices.Equal(got.Policies, []string{"anti-affinity"}) {
		t.Errorf("%+v", got)
	}
	if l := all(t, servergroups.List(cl.compute, nil), servergroups.ExtractServerGroups); len(l) != 2 {
		t.Errorf("%v", l)
	}
	await(t, c, "built", func() bool { return c.db.Servers.Get(s.ID).VMState == "active" })
	check(t, "delete the server", servers.Delete(ctx, cl.compute, s.ID).ExtractErr())
	await(t, c, "empty", func() bool { return len(c.db.ServerGroups.Get(g.ID).Members) == 0 })
	check(t, "delete", servergroups.Delete(ctx, cl.compute, g.ID).ExtractErr())
	_, err := servergroups.Get(ctx, cl.compute, g.ID).Extract()
	refused(t, "get", err, 404, "Instance group "+g.ID+" could not be found.")
}

func TestComputeQuotas(t *testing.T) {
	c := startCloud(t)
	cl, root := login(t, c, c.Env()), login(t, c, c.AdminEnv())
	ctx := t.Context()
	project := c.Env()["OS_PROJECT_ID"]
	five := 5
	_, err := quotasets.Update(ctx, cl.compute, project, quotasets.UpdateOpts{Instances: &five}).Extract()
	refused(
		t,
		"update as a user",
		err,
		403,
		"Policy doesn't allow os_compute_api:os-quota-sets:update to be performed.",
	)
	if q := must[*quotasets.QuotaSet](t)(quotasets.Update(ctx, root.compute, project, quotasets.UpdateOpts{Instances: &five}).Extract()); q.Instances != 5 {
		t.Errorf("%+v", q)
	}
	build(t, c, cl, servers.CreateOpts{Name: "x", FlavorRef: "3"})
	d := must[quotasets.QuotaDetailSet](t)(quotasets.GetDetail(ctx, cl.compute, project).Extract())
	if d.Instances.InUse != 1 || d.Instances.Limit != 5 || d.Cores.InUse != 2 {
		t.Errorf("%+v", d)
	}
	l := must[*limits.Limits](t)(limits.Get(ctx, cl.compute, nil).Extract())
	if l.Absolute.MaxTotalInstances != 5 || l.Absolute.TotalRAMUsed != 4096 {
		t.Errorf("%+v", l)
	}
	check(t, "reset", quotasets.Delete(ctx, root.compute, project).Err)
	if q := must[*quotasets.QuotaSet](t)(quotasets.Get(ctx, cl.compute, project).Extract()); q.Instances != 100 {
		t.Errorf("%+v", q)
	}
}

func TestComputeOfTheAdministrator(t *testing.T) {
	c := startCloud(t)
	cl, root := login(t, c, c.Env()), login(t, c, c.AdminEnv())
	if l := all(t, services.List(at(root.compute, "2.53"), nil), services.ExtractServices); len(l) != 3 ||
		l[0].Binary != "nova-compute" {
		t.Errorf("%+v", l)
	}
	if l := all(t, hypervisors.List(at(root.compute, "2.53"), nil), hypervisors.ExtractHypervisors); len(l) != 1 {
		t.Errorf("%+v", l)
	}
	_, err := hypervisors.List(cl.compute, nil).AllPages(t.Context())
	refused(t, "as a user", err, 403, "Policy doesn't allow")
}

func TestSeveralServersAtOnce(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	_, err := servers.Create(
		t.Context(),
		cl.compute,
		servers.CreateOpts{
			Name:      "many",
			FlavorRef: "1",
			ImageRef:  CentOSImageID,
			Networks:  []servers.Network{{UUID: Net1ID}},
			Min:       3,
			Max:       3,
		},
		nil,
	).Extract()
	check(t, "create", err)
	await(t, c, "built", func() bool {
		n := 0
		for _, v := range c.db.Servers.All() {
			if v.VMState == "active" {
				n++
			}
		}
		return n == 3
	})
	var names []string
	addresses := map[string]bool{}
	for _, s := range all(t, servers.List(cl.compute, nil), servers.ExtractServers) {
		names = append(names, s.Name)
		addresses[s.Addresses["net1"].([]any)[0].(map[string]any)["addr"].(string)] = true
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"many-1", "many-2", "many-3"}) || len(addresses) != 3 {
		t.Errorf("%v, %v", names, addresses)
	}
}
