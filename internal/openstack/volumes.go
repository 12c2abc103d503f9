package openstack

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

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

// volumes makes the volumes that are to be made, each for this server alone,
// and lists the devices.
func (m *making) volumes(ctx context.Context) error {
	for i, v := range m.spec.Volumes {
		boot := !m.bootVol && v.boots(i == 0, m.image.ID != "")
		d := servers.BlockDevice{
			SourceType: servers.SourceVolume, DestinationType: servers.DestinationVolume,
			DeleteOnTermination: v.DeleteOnTermination, BootIndex: -1,
		}
		if boot {
			d.BootIndex = 0
			m.bootVol = true
		} else if v.BootIndex != nil {
			d.BootIndex = *v.BootIndex
		}
		var err error
		if v.Make {
			d.UUID, err = m.makeVolume(ctx, i, v, boot)
		} else {
			d.UUID, err = m.c.VolumeID(ctx, v.VolumeID, m.rep)
		}
		if err != nil {
			return err
		}
		if v.AttachTimeout > 0 {
			if err := m.pause(ctx, "the volume to settle (attach_timeout)", v.AttachTimeout); err != nil {
				return err
			}
		}
		m.devices = append(m.devices, d)
		m.names = append(m.names, strings.TrimPrefix(v.DeviceName, "/dev/"))
	}
	// Nova wants the image as a device too when other devices are given and it
	// is the one to boot from.
	if len(m.devices) > 0 && !m.bootVol && m.image.ID != "" {
		m.devices = append([]servers.BlockDevice{{
			SourceType: servers.SourceImage, UUID: m.image.ID, DestinationType: servers.DestinationLocal,
			BootIndex: 0, DeleteOnTermination: true,
		}}, m.devices...)
		m.names = append([]string{""}, m.names...)
	}
	return nil
}

// pause waits because the user asked for a pause, with a sign of life each
// second.
func (m *making) pause(ctx context.Context, what string, d time.Duration) error {
	return Pause(ctx, m.rep, what, d)
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

func (m *making) makeVolume(ctx context.Context, i int, v VolumeSpec, boot bool) (string, error) {
	sc, err := m.c.VolumeClient()
	if err != nil {
		return "", err
	}
	name := clip(m.spec.Name, 240) + "-volume"
	if i > 0 {
		name = fmt.Sprintf("%s-%d", name, i+1)
	}
	o := volumes.CreateOpts{
		Name: name, Size: v.Size, VolumeType: v.VolumeType, AvailabilityZone: v.AvailabilityZone,
		Description: m.rec.describe(), Metadata: m.metadata(nil),
	}
	switch {
	case v.SnapshotID != "":
		o.SnapshotID, err = m.c.SnapshotID(ctx, v.SnapshotID, m.rep)
	case v.SourceVolume != "":
		o.SourceVolID, err = m.c.VolumeID(ctx, v.SourceVolume, m.rep)
	case v.Image != "":
		var img Image
		img, err = m.c.Image(ctx, v.Image, m.rep)
		o.ImageID = img.ID
		o.Size = max(o.Size, img.MinDisk)
	case boot:
		// An empty volume boots nothing: it gets the server's image.
		o.ImageID = m.image.ID
		o.Size = max(o.Size, m.image.MinDisk)
	}
	if err != nil {
		return "", err
	}
	if o.Size == 0 && o.SnapshotID == "" && o.SourceVolID == "" {
		if o.ImageID == "" {
			return "", session.Fail(session.Invalid, fmt.Sprintf("make the volume %q", name), "its size is not given", "").Advise("set volume_size (GiB) in %s", settings.BlockDevices)
		}
		if o.Size = m.flavor.Disk; o.Size == 0 {
			return "", session.Fail(session.Invalid, fmt.Sprintf("make the volume %q", name), "its size is not given, and the flavor has no disk to take it from", "").
				Advise("set volume_size (GiB) in %s", settings.BlockDevices)
		}
	}
	id, _, err := m.do(ctx, step{
		kind: KindVolume, name: name, what: fmt.Sprintf("make the volume %q", name),
		note: func(r *Resource) { r.Keep = v.KeepAfter },
		ask: func(ctx context.Context) (string, error) {
			made, err := one(volumes.Create(ctx, sc, o, nil).Extract())
			if err != nil {
				return "", err
			}
			return made.ID, nil
		},
		find: func(ctx context.Context) (string, error) {
			list, err := m.c.volumesByToken(ctx, m.rec.Token, name)
			if err != nil || len(list) == 0 {
				return "", err
			}
			return list[0].ID, nil
		},
	})
	if err != nil {
		return "", err
	}
	return id, m.volumeReady(ctx, id, name, v.CreationTimeout)
}

// volumeReady waits until the volume is available.
func (m *making) volumeReady(ctx context.Context, id, name string, timeout time.Duration) error {
	if timeout <= 0 {
		timeout = DefaultVolumeTimeout
	}
	what := fmt.Sprintf("use the volume %q (%s)", name, id)
	began := time.Now()
	for {
		v, err := m.c.getVolume(ctx, id)
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
		m.rep.Waiting("the volume to become available", "status "+v.Status, began)
		if err := retry.Sleep(ctx, min(max(time.Since(began)/12, watchMin), watchMax)); err != nil {
			return err
		}
	}
}

func (c *Cloud) getVolume(ctx context.Context, id string) (Volume, error) {
	sc, err := c.VolumeClient()
	if err != nil {
		return Volume{}, err
	}
	v, err := one(volumes.Get(ctx, sc, id).Extract())
	if err != nil {
		return Volume{}, session.Explain("look at the volume "+id, err)
	}
	return volumeOf(*v), nil
}

// volumesByToken lists the volumes that carry the token.
func (c *Cloud) volumesByToken(ctx context.Context, token, name string) ([]Volume, error) {
	list, err := c.listVolumes(ctx, volumes.ListOpts{Name: name})
	if err != nil {
		return nil, err
	}
	var out []Volume
	for _, v := range list {
		if v.Metadata[metaToken] == token {
			out = append(out, v)
		}
	}
	return out, nil
}

// ports makes the ports that are to be made.
func (m *making) ports(ctx context.Context) error {
	for i, nic := range m.spec.Nics {
		if nic.Make == nil {
			continue
		}
		id, err := m.makePort(ctx, i, *nic.Make)
		if err != nil {
			return err
		}
		m.nics[i].Port, m.nics[i].UUID, m.nics[i].FixedIP = id, "", ""
	}
	return nil
}

func (m *making) makePort(ctx context.Context, i int, p PortSpec) (string, error) {
	sc, err := m.c.NetworkClient()
	if err != nil {
		return "", err
	}
	network := m.nics[i].UUID
	name := p.Name
	if name == "" {
		name = fmt.Sprintf("%s-port-%d", clip(m.spec.Name, 240), i+1)
	}
	o := ports.CreateOpts{NetworkID: network, Name: name, Description: m.rec.describe(), MACAddress: p.MAC}
	var fixed []ports.IP
	for _, a := range p.Addresses {
		fixed = append(fixed, ports.IP{IPAddress: a})
	}
	for _, s := range p.Subnets {
		fixed = append(fixed, ports.IP{SubnetID: s})
	}
	if len(fixed) > 0 {
		o.FixedIPs = fixed
	}
	// Nova puts its groups on the ports that it makes itself only.
	want := p.SecurityGroups
	if want == nil {
		want = m.spec.SecurityGroups
	}
	if want != nil {
		ids, err := m.c.securityGroupIDs(ctx, want)
		if err != nil {
			return "", err
		}
		o.SecurityGroups = &ids
	}
	id, _, err := m.do(ctx, step{
		kind: KindPort, name: name, what: fmt.Sprintf("make the port %q in the network %s", name, network),
		note: func(r *Resource) { r.Network = network },
		ask: func(ctx context.Context) (string, error) {
			made, err := one(ports.Create(ctx, sc, o).Extract())
			if err != nil {
				return "", err
			}
			return made.ID, nil
		},
		find: func(ctx context.Context) (string, error) {
			list, err := m.c.portsByToken(ctx, m.rec.Token, name)
			if err != nil || len(list) == 0 {
				return "", err
			}
			return list[0], nil
		},
	})
	return id, err
}

// portsByToken lists the IDs of ports that carry the token.
func (c *Cloud) portsByToken(ctx context.Context, token, name string) ([]string, error) {
	sc, err := c.NetworkClient()
	if err != nil {
		return nil, err
	}
	list, err := c.listPorts(ctx, sc, ports.ListOpts{Name: name})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, p := range list {
		if tokenOf(p.Description) == token {
			out = append(out, p.ID)
		}
	}
	return out, nil
}
