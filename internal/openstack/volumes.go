package openstack

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/settings"
)

// DefaultVolumeTimeout is how long a volume may take to become available
// (kitchen-openstack: creation_timeout).
const DefaultVolumeTimeout = time.Minute

// rootDevices are the names under which a guest knows the disk it boots from.
var rootDevices = map[string]bool{"vda": true, "sda": true, "xvda": true, "hda": true}

// boots says whether the device is the one to boot from.
func (v VolumeSpec) boots(first, haveImage bool) bool {
	switch {
	case v.BootIndex != nil:
		return *v.BootIndex == 0
	case !haveImage:
		return first
	case v.Make && v.Image != "":
		return true
	}
	return rootDevices[strings.TrimPrefix(v.DeviceName, "/dev/")]
}

// devices are the block devices of a server.
type devices struct {
	list []servers.BlockDevice
	// names are the device names that guests are asked to use, by device.
	names []string
	// bootsVolume says that one of the volumes is booted from.
	bootsVolume bool
}

// createVolumes creates the volumes that are to be created, each for this server
// alone, and lists the devices.
func (in *intent) createVolumes(ctx context.Context, s ServerSpec, res resolvedSpec) (devices, error) {
	var out devices
	for i, v := range s.Volumes {
		boot := !out.bootsVolume && v.boots(i == 0, res.image.ID != "")
		d := servers.BlockDevice{
			SourceType: servers.SourceVolume, DestinationType: servers.DestinationVolume,
			DeleteOnTermination: v.DeleteOnTermination, BootIndex: -1,
		}
		if boot {
			d.BootIndex = 0
			out.bootsVolume = true
		} else if v.BootIndex != nil {
			d.BootIndex = *v.BootIndex
		}
		var err error
		if v.Make {
			d.UUID, err = volumeStep{in, s.Name, v, res}.create(ctx, i, boot)
		} else {
			d.UUID, err = in.c.VolumeID(ctx, v.VolumeID, in.rep)
		}
		if err != nil {
			return out, err
		}
		if v.AttachTimeout > 0 {
			if err := Pause(ctx, in.rep, "the volume to settle (attach_timeout)", v.AttachTimeout); err != nil {
				return out, err
			}
		}
		out.list = append(out.list, d)
		out.names = append(out.names, strings.TrimPrefix(v.DeviceName, "/dev/"))
	}
	// Nova wants the image as a device too when other devices are given and it
	// is the one to boot from.
	if len(out.list) > 0 && !out.bootsVolume && res.image.ID != "" {
		out.list = append([]servers.BlockDevice{{
			SourceType: servers.SourceImage, UUID: res.image.ID, DestinationType: servers.DestinationLocal,
			BootIndex: 0, DeleteOnTermination: true,
		}}, out.list...)
		out.names = append([]string{""}, out.names...)
	}
	return out, nil
}

// Pause waits for d because the user asked for it, with a sign of life each
// second, and ends early with the context.
func Pause(ctx context.Context, rep Reporter, what string, d time.Duration) error {
	began := time.Now()
	for left := d; left > 0; left = d - time.Since(began) {
		rep.Waiting(what, fmt.Sprintf("%s left", left.Round(time.Second)), began)
		if err := retry.Sleep(ctx, min(left, time.Second)); err != nil {
			return err
		}
	}
	return nil
}

// volumeStep creates one volume.
type volumeStep struct {
	in     *intent
	server string
	want   VolumeSpec
	res    resolvedSpec
}

// create requests the volume, the i-th of the server, and waits until it is
// available.
func (step volumeStep) create(ctx context.Context, i int, boot bool) (string, error) {
	in, v := step.in, step.want
	sc := in.c.VolumeClient()
	name := clip(step.server, 240) + "-volume"
	if i > 0 {
		name = fmt.Sprintf("%s-%d", name, i+1)
	}
	o := volumes.CreateOpts{
		Name: name, Size: v.Size, VolumeType: v.VolumeType, AvailabilityZone: v.AvailabilityZone,
		Description: in.rec.describe(), Metadata: in.rec.metadata(nil),
	}
	var err error
	switch {
	case v.SnapshotID != "":
		o.SnapshotID, err = in.c.SnapshotID(ctx, v.SnapshotID, in.rep)
	case v.SourceVolume != "":
		o.SourceVolID, err = in.c.VolumeID(ctx, v.SourceVolume, in.rep)
	case v.Image != "":
		var img Image
		img, err = in.c.Image(ctx, v.Image, in.rep)
		o.ImageID = img.ID
		o.Size = max(o.Size, img.MinDisk)
	case boot:
		// An empty volume boots nothing: it gets the server's image.
		o.ImageID = step.res.image.ID
		o.Size = max(o.Size, step.res.image.MinDisk)
	}
	if err != nil {
		return "", err
	}
	if o.Size == 0 && o.SnapshotID == "" && o.SourceVolID == "" {
		if o.ImageID == "" {
			return "", session.Fail(session.Invalid, fmt.Sprintf("make the volume %q", name), "its size is not given", "").Advise("set volume_size (GiB) in %s", settings.BlockDevices)
		}
		if o.Size = step.res.flavor.Disk; o.Size == 0 {
			return "", session.Fail(session.Invalid, fmt.Sprintf("make the volume %q", name), "its size is not given, and the flavor has no disk to take it from", "").
				Advise("set volume_size (GiB) in %s", settings.BlockDevices)
		}
	}
	id, _, err := in.do(ctx, request{
		kind: KindVolume, name: name, what: fmt.Sprintf("make the volume %q", name),
		note: func(r *Resource) { r.Keep = v.KeepAfter },
		ask:  func(ctx context.Context) (string, error) { return idIn(volumes.Create(ctx, sc, o, nil), "volume") },
	})
	if err != nil {
		return "", err
	}
	return id, in.c.volumeReady(ctx, id, name, v.CreationTimeout, in.rep)
}

// volumeReady waits until the volume is available.
func (c *Cloud) volumeReady(ctx context.Context, id, name string, timeout time.Duration, rep Reporter) error {
	if timeout <= 0 {
		timeout = DefaultVolumeTimeout
	}
	what := fmt.Sprintf("use the volume %q (%s)", name, id)
	began := time.Now()
	for {
		v, err := c.getVolume(ctx, id)
		if err != nil {
			return err
		}
		switch {
		case v.Status == "available", v.Status == "in-use":
			return nil
		case strings.HasPrefix(v.Status, "error"):
			return session.Fail(session.Other, what, "its status is "+v.Status, "`openstack volume show "+id+"` and `openstack volume message list` may tell why; is the volume big enough for the image?")
		case time.Since(began) > timeout:
			return session.Fail(session.Timeout, what, fmt.Sprintf("it has not become available within %s (status %s)", timeout, v.Status), "").Advise("raise creation_timeout in %s", settings.BlockDevices)
		}
		rep.Waiting("the volume to become available", "status "+v.Status, began)
		if err := retry.Sleep(ctx, watchPause(began, watchMin)); err != nil {
			return err
		}
	}
}

func (c *Cloud) getVolume(ctx context.Context, id string) (Volume, error) {
	sc := c.VolumeClient()
	v, err := one(volumes.Get(ctx, sc, id).Extract())
	if err != nil {
		return Volume{}, session.Explain("look at the volume "+id, err)
	}
	return volumeOf(*v), nil
}
