package openstack

import (
	"context"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/snapshots"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servergroups"
)

// Volumes lists the volumes of the project.
func (c *Cloud) Volumes(ctx context.Context) ([]Volume, error) {
	return c.listVolumes(ctx, volumes.ListOpts{})
}

func (c *Cloud) listVolumes(ctx context.Context, o volumes.ListOpts) ([]Volume, error) {
	found, err := list(ctx, "volumes", c.VolumeClient, volumes.List, volumes.ListOptsBuilder(o), volumes.ExtractVolumes)
	return each(found, volumeOf), err
}

func volumeOf(v volumes.Volume) Volume {
	return Volume{
		ID: v.ID, Name: v.Name, Status: v.Status, Description: v.Description, Size: v.Size, Created: v.CreatedAt,
		Metadata: v.Metadata, AttachedTo: each(v.Attachments, func(a volumes.Attachment) string { return a.ServerID }),
	}
}

// VolumeID finds an existing volume by ID or name.
func (c *Cloud) VolumeID(ctx context.Context, ref string, rep Reporter) (string, error) {
	return lookupID(ctx, c, "volume", ref, rep, c.Volumes)
}

// SnapshotID finds a volume snapshot by ID or name.
func (c *Cloud) SnapshotID(ctx context.Context, ref string, rep Reporter) (string, error) {
	return lookupID(ctx, c, "volume snapshot", ref, rep, func(ctx context.Context) ([]item, error) {
		found, err := list(ctx, "volume snapshots", c.VolumeClient, snapshots.List, nil, snapshots.ExtractSnapshots)
		return each(found, func(s snapshots.Snapshot) item { return item{s.ID, s.Name} }), err
	})
}

// ServerGroupID finds a server group by ID or name, for the scheduler hint
// "group".
func (c *Cloud) ServerGroupID(ctx context.Context, ref string, rep Reporter) (string, error) {
	return lookupID(ctx, c, "server group", ref, rep, func(ctx context.Context) ([]item, error) {
		found, err := list(ctx, "server groups", c.ComputeClient, servergroups.List, nil, servergroups.ExtractServerGroups)
		return each(found, func(g servergroups.ServerGroup) item { return item{g.ID, g.Name} }), err
	})
}

// KeyPairs lists the user's key pairs, once for a connection.
func (c *Cloud) KeyPairs(ctx context.Context) ([]KeyPair, error) {
	return once(ctx, c, "key pairs", func(ctx context.Context) ([]KeyPair, error) {
		found, err := list(ctx, "key pairs", c.ComputeClient, keypairs.List, nil, keypairs.ExtractKeyPairs)
		return each(found, func(k keypairs.KeyPair) KeyPair { return KeyPair{k.Name, k.Fingerprint, k.PublicKey} }), err
	})
}

// Flavors lists the flavors that the project may use, once for a connection.
func (c *Cloud) Flavors(ctx context.Context) ([]Flavor, error) {
	return once(ctx, c, "flavors", func(ctx context.Context) ([]Flavor, error) {
		found, err := list(ctx, "flavors", c.ComputeClient, flavors.ListDetail, nil, flavors.ExtractFlavors)
		return each(found, flavorOf), err
	})
}

func flavorOf(f flavors.Flavor) Flavor {
	return Flavor{ID: f.ID, Name: f.Name, VCPUs: f.VCPUs, RAM: f.RAM, Disk: f.Disk}
}
