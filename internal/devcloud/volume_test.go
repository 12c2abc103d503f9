package devcloud

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/attachments"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/availabilityzones"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/limits"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/quotasets"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/snapshots"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumetypes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/volumeattach"
)

func volumeIs(t *testing.T, c *Cloud, id, status string) {
	t.Helper()
	await(t, c, "volume "+status, func() bool {
		v := c.db.Volumes.Get(id)
		return v == nil && status == "gone" || v != nil && v.Status == status
	})
}

func TestVolumes(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	v := must[*volumes.Volume](t)(
		volumes.Create(
			ctx,
			cl.volume,
			volumes.CreateOpts{
				Size:        1,
				Name:        "v",
				Description: "d",
				Metadata:    map[string]string{"a": "b"},
				ImageID:     CentOSImageID,
			},
			nil,
		).Extract(),
	)
	if v.Status != "creating" || v.VolumeType != "__DEFAULT__" || v.Bootable != "true" {
		t.Errorf("%+v", v)
	}
	volumeIs(t, c, v.ID, "available")
	v = must[*volumes.Volume](t)(volumes.Get(ctx, cl.volume, v.ID).Extract())
	if v.VolumeImageMetadata["image_id"] != CentOSImageID || v.Metadata["a"] != "b" || v.Description != "d" {
		t.Errorf("%+v", v)
	}
	name := "renamed"
	if v = must[*volumes.Volume](t)(volumes.Update(ctx, cl.volume, v.ID, volumes.UpdateOpts{Name: &name}).Extract()); v.Name != name {
		t.Errorf("%+v", v)
	}
	check(t, "extend", volumes.ExtendSize(ctx, cl.volume, v.ID, volumes.ExtendSizeOpts{NewSize: 3}).ExtractErr())
	await(
		t,
		c,
		"extended",
		func() bool { x := c.db.Volumes.Get(v.ID); return x.Status == "available" && x.Size == 3 },
	)
	refused(
		t,
		"shrink",
		volumes.ExtendSize(ctx, cl.volume, v.ID, volumes.ExtendSizeOpts{NewSize: 1}).ExtractErr(),
		400,
		"New size for extend must be greater than current size. (current: 3, extended: 1).",
	)
	check(
		t,
		"bootable",
		volumes.SetBootable(ctx, cl.volume, v.ID, volumes.BootableOpts{Bootable: false}).ExtractErr(),
	)
	check(t, "reserve", volumes.Reserve(ctx, cl.volume, v.ID).ExtractErr())
	check(t, "unreserve", volumes.Unreserve(ctx, cl.volume, v.ID).ExtractErr())
	up := must[volumes.VolumeImage](t)(
		volumes.UploadImage(
			ctx,
			cl.volume,
			v.ID,
			volumes.UploadImageOpts{ImageName: "of-volume", DiskFormat: "raw", ContainerFormat: "bare"},
		).Extract(),
	)
	await(t, c, "the image", func() bool {
		m := c.db.Images.Get(up.ImageID)
		return m.Status == "active" && m.Checksum == c.db.Images.Get(CentOSImageID).Checksum && c.db.Volumes.Get(v.ID).Status == "available"
	})
	blank := must[*volumes.Volume](t)(volumes.Create(ctx, cl.volume, volumes.CreateOpts{Size: 1}, nil).Extract())
	volumeIs(t, c, blank.ID, "available")
	refused(t, "without data", volumes.UploadImage(ctx, cl.volume, blank.ID, volumes.UploadImageOpts{ImageName: "x"}).Err, 400, "has no data")
	refused(t, "another format",
		volumes.UploadImage(ctx, cl.volume, v.ID, volumes.UploadImageOpts{ImageName: "x", DiskFormat: "qcow2"}).Err, 400, "raw and bare")
	check(t, "blank", volumes.Delete(ctx, cl.volume, blank.ID, nil).ExtractErr())
	volumeIs(t, c, blank.ID, "gone")

	sn := must[*snapshots.Snapshot](t)(
		snapshots.Create(ctx, cl.volume, snapshots.CreateOpts{VolumeID: v.ID, Name: "s"}).Extract(),
	)
	await(t, c, "the snapshot", func() bool { return c.db.Object("snapshot", sn.ID).Text("status") == "available" })
	refused(t, "with a snapshot", volumes.Delete(ctx, cl.volume, v.ID, nil).ExtractErr(), 400, "have snapshots")
	if l := all(t, snapshots.List(cl.volume, snapshots.ListOpts{VolumeID: v.ID}), snapshots.ExtractSnapshots); len(
		l,
	) != 1 {
		t.Errorf("%+v", l)
	}
	must[*snapshots.Snapshot](t)(snapshots.Update(ctx, cl.volume, sn.ID, snapshots.UpdateOpts{Name: &name}).Extract())
	v2 := must[*volumes.Volume](t)(
		volumes.Create(ctx, cl.volume, volumes.CreateOpts{SnapshotID: sn.ID}, nil).Extract(),
	)
	if v2.Size != 3 {
		t.Errorf("of the snapshot: %d GiB", v2.Size)
	}
	v3 := must[*volumes.Volume](t)(
		volumes.Create(ctx, cl.volume, volumes.CreateOpts{SourceVolID: v.ID, Size: 4}, nil).Extract(),
	)
	volumeIs(t, c, v2.ID, "available")
	volumeIs(t, c, v3.ID, "available")
	check(t, "delete snapshot", snapshots.Delete(ctx, cl.volume, sn.ID).ExtractErr())
	await(t, c, "snapshot gone", func() bool { return c.db.Object("snapshot", sn.ID) == nil })
	for _, id := range []string{v.ID, v2.ID, v3.ID} {
		check(t, "delete", volumes.Delete(ctx, cl.volume, id, nil).ExtractErr())
		volumeIs(t, c, id, "gone")
	}
	_, err := volumes.Get(ctx, cl.volume, v.ID).Extract()
	refused(t, "get", err, 404, "Volume "+v.ID+" could not be found.")
	check(t, "image of the volume", c.db.Update(func() error { c.db.Images.Delete(up.ImageID); return nil }))
	if n := c.Resources().Count(); n != 0 {
		t.Errorf("%d things are left", n)
	}
}

func TestVolumeRefusals(t *testing.T) {
	c := startCloud(t, func(o *Options) { o.Quotas = map[string]int{"volumes": 1, "gigabytes": 5} })
	cl := login(t, c, c.Env())
	ctx := t.Context()
	no := "11111111-1111-1111-1111-111111111111"
	for _, test := range []struct {
		opts    volumes.CreateOpts
		status  int
		message string
	}{
		{volumes.CreateOpts{Size: 6}, 413, "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 6G, quota is 5G and 0G has been consumed."},
		{volumes.CreateOpts{Size: 1, VolumeType: "nosuch"}, 404, "Volume type with name nosuch could not be found."},
		{volumes.CreateOpts{Size: 1, ImageID: no}, 400, "Invalid image identifier or unable to access requested image."},
		{volumes.CreateOpts{SnapshotID: no}, 404, "Snapshot " + no + " could not be found."},
		{volumes.CreateOpts{SourceVolID: no}, 404, "Volume " + no + " could not be found."},
		{volumes.CreateOpts{Size: 1, AvailabilityZone: "mars"}, 400, "Availability zone 'mars' is invalid."},
		{volumes.CreateOpts{}, 400, "The server could not comply with the request"},
	} {
		_, err := volumes.Create(ctx, cl.volume, test.opts, nil).Extract()
		refused(t, test.message, err, test.status, test.message)
	}
	must[*volumes.Volume](t)(volumes.Create(ctx, cl.volume, volumes.CreateOpts{Size: 1}, nil).Extract())
	_, err := volumes.Create(ctx, cl.volume, volumes.CreateOpts{Size: 1}, nil).Extract()
	refused(
		t,
		"over quota",
		err,
		413,
		"VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes'.",
	)
}

func TestVolumeListsAndTheRest(t *testing.T) {
	c := startCloud(t)
	cl, root := login(t, c, c.Env()), login(t, c, c.AdminEnv())
	ctx := t.Context()
	for _, name := range []string{"a", "b", "c"} {
		v := must[*volumes.Volume](t)(
			volumes.Create(
				ctx,
				cl.volume,
				volumes.CreateOpts{Size: 1, Name: name, Metadata: map[string]string{"n": name}},
				nil,
			).Extract(),
		)
		volumeIs(t, c, v.ID, "available")
	}
	count := func(o volumes.ListOpts) int {
		t.Helper()
		return len(all(t, volumes.List(cl.volume, o), volumes.ExtractVolumes))
	}
	for _, test := range []struct {
		opts volumes.ListOpts
		want int
	}{
		{volumes.ListOpts{}, 3},
		{volumes.ListOpts{Limit: 1}, 3},
		{volumes.ListOpts{Name: "b"}, 1},
		{volumes.ListOpts{Status: "available"}, 3},
		{volumes.ListOpts{Status: "error"}, 0},
		{volumes.ListOpts{Metadata: map[string]string{"n": "c"}}, 1},
	} {
		if n := count(test.opts); n != test.want {
			t.Errorf("%+v: %d volumes, want %d", test.opts, n, test.want)
		}
	}
	if l := all(t, volumes.List(cl.volume, volumes.ListOpts{Sort: "name:asc"}), volumes.ExtractVolumes); l[0].Name != "a" {
		t.Errorf("first by name: %s", l[0].Name)
	}
	if l := all(t, volumetypes.List(cl.volume, nil), volumetypes.ExtractVolumeTypes); len(l) != 1 ||
		l[0].Name != "__DEFAULT__" {
		t.Errorf("%+v", l)
	}
	_, err := volumetypes.Create(ctx, cl.volume, volumetypes.CreateOpts{Name: "fast"}).Extract()
	refused(t, "a type of a user's", err, 403, "Policy doesn't allow")
	ty := must[*volumetypes.VolumeType](t)(
		volumetypes.Create(
			ctx,
			root.volume,
			volumetypes.CreateOpts{Name: "fast", ExtraSpecs: map[string]string{"k": "v"}},
		).Extract(),
	)
	must[*volumetypes.VolumeType](t)(volumetypes.Get(ctx, cl.volume, ty.ID).Extract())
	check(t, "delete type", volumetypes.Delete(ctx, root.volume, ty.ID).ExtractErr())
	lim := must[*limits.Limits](t)(limits.Get(ctx, cl.volume).Extract())
	if lim.Absolute.TotalVolumesUsed != 3 || lim.Absolute.MaxTotalVolumes != 100 {
		t.Errorf("%+v", lim)
	}
	q := must[quotasets.QuotaUsageSet](t)(quotasets.GetUsage(ctx, cl.volume, c.Env()["OS_PROJECT_ID"]).Extract())
	if q.Volumes.InUse != 3 || q.Gigabytes.InUse != 3 {
		t.Errorf("%+v", q)
	}
	if l := all(t, availabilityzones.List(cl.volume), availabilityzones.ExtractAvailabilityZones); len(l) != 1 {
		t.Errorf("%+v", l)
	}
}

func TestVolumeAttachments(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	v := must[*volumes.Volume](t)(
		volumes.Create(ctx, cl.volume, volumes.CreateOpts{Size: 1, Name: "v"}, nil).Extract(),
	)
	volumeIs(t, c, v.ID, "available")
	id, id2 := build(t, c, cl, servers.CreateOpts{Name: "x"}), build(t, c, cl, servers.CreateOpts{Name: "y"})
	must[*volumeattach.VolumeAttachment](t)(
		volumeattach.Create(ctx, cl.compute, id, volumeattach.CreateOpts{VolumeID: v.ID}).Extract(),
	)
	_, err := volumeattach.Create(ctx, cl.compute, id2, volumeattach.CreateOpts{VolumeID: v.ID}).Extract()
	refused(t, "attach twice", err, 400, "is already attached to instances: "+id)
	volumeIs(t, c, v.ID, "in-use")
	v = must[*volumes.Volume](t)(volumes.Get(ctx, cl.volume, v.ID).Extract())
	if len(v.Attachments) != 1 || v.Attachments[0].ServerID != id || v.Attachments[0].Device != "/dev/vdb" {
		t.Errorf("%+v", v.Attachments)
	}
	modern := at(cl.volume, "3.27")
	l := all(t, attachments.List(modern, nil), attachments.ExtractAttachments)
	if len(l) != 1 || l[0].Instance != id {
		t.Errorf("%+v", l)
	}
	if a := must[*attachments.Attachment](t)(attachments.Get(ctx, modern, l[0].ID).Extract()); a.Status != "attached" {
		t.Errorf("%+v", a)
	}
	_, err = attachments.List(cl.volume, nil).AllPages(ctx)
	refused(t, "before 3.27", err, 404, "The resource could not be found.")
	// A server that goes frees its volumes.
	check(t, "delete", servers.Delete(ctx, cl.compute, id).ExtractErr())
	volumeIs(t, c, v.ID, "available")
	if gophercloud.ResponseCodeIs(volumes.Delete(ctx, cl.volume, v.ID, nil).ExtractErr(), 400) {
		t.Error("the volume is not free")
	}
}
