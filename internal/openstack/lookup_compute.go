package openstack

import (
	"context"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/snapshots"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servergroups"

	"github.com/galleyhq/galley/internal/openstack/session"
)

// Volumes lists the volumes of the project.
func (c *Cloud) Volumes(ctx context.Context) ([]Volume, error) {
	return c.listVolumes(ctx, volumes.ListOpts{})
}

func (c *Cloud) listVolumes(ctx context.Context, o volumes.ListOpts) ([]Volume, error) {
	sc, err := c.VolumeClient()
	if err != nil {
		return nil, err
	}
	pages, err := volumes.List(sc, o).AllPages(ctx)
	if err != nil {
		return nil, session.Explain("list the volumes", err)
	}
	list, err := volumes.ExtractVolumes(pages)
	if err != nil {
		return nil, session.Explain("read the list of volumes", err)
	}
	out := make([]Volume, len(list))
	for i, v := range list {
		out[i] = volumeOf(v)
	}
	return out, nil
}

func volumeOf(v volumes.Volume) Volume {
	out := Volume{
		ID: v.ID, Name: v.Name, Status: v.Status, Description: v.Description, Size: v.Size, Created: v.CreatedAt,
		Metadata: v.Metadata,
	}
	for _, a := range v.Attachments {
		out.AttachedTo = append(out.AttachedTo, a.ServerID)
	}
	return out
}

// VolumeID finds an existing volume by ID or name.
func (c *Cloud) VolumeID(ctx context.Context, ref string, rep Reporter) (string, error) {
	if looksLikeID(ref) {
		return ref, nil // Nova says clearly enough if it does not exist.
	}
	return lookup(ctx, c, "volume", ref, rep, func(ctx context.Context) (string, string, error) {
		all, err := c.Volumes(ctx)
		if err != nil {
			return "", "", err
		}
		v, note, err := choose("volume", ref, all, func(v Volume) string { return v.ID }, func(v Volume) string { return v.Name })
		return v.ID, note, err
	})
}

// SnapshotID finds a volume snapshot by ID or name.
func (c *Cloud) SnapshotID(ctx context.Context, ref string, rep Reporter) (string, error) {
	if looksLikeID(ref) {
		return ref, nil
	}
	return lookup(ctx, c, "snapshot", ref, rep, func(ctx context.Context) (string, string, error) {
		sc, err := c.VolumeClient()
		if err != nil {
			return "", "", err
		}
		pages, err := snapshots.List(sc, snapshots.ListOpts{}).AllPages(ctx)
		if err != nil {
			return "", "", session.Explain("list the volume snapshots", err)
		}
		list, err := snapshots.ExtractSnapshots(pages)
		if err != nil {
			return "", "", session.Explain("read the list of volume snapshots", err)
		}
		s, note, err := choose("volume snapshot", ref, list, func(s snapshots.Snapshot) string { return s.ID }, func(s snapshots.Snapshot) string { return s.Name })
		return s.ID, note, err
	})
}

// ServerGroupID finds a server group by ID or name, for the scheduler hint
// "group".
func (c *Cloud) ServerGroupID(ctx context.Context, ref string, rep Reporter) (string, error) {
	if looksLikeID(ref) {
		return ref, nil
	}
	return lookup(ctx, c, "server group", ref, rep, func(ctx context.Context) (string, string, error) {
		sc, err := c.ComputeClient()
		if err != nil {
			return "", "", err
		}
		pages, err := servergroups.List(sc, nil).AllPages(ctx)
		if err != nil {
			return "", "", session.Explain("list the server groups", err)
		}
		list, err := servergroups.ExtractServerGroups(pages)
		if err != nil {
			return "", "", session.Explain("read the list of server groups", err)
		}
		g, note, err := choose("server group", ref, list, func(g servergroups.ServerGroup) string { return g.ID }, func(g servergroups.ServerGroup) string { return g.Name })
		return g.ID, note, err
	})
}

// KeyPairs lists the user's key pairs, once for a connection.
func (c *Cloud) KeyPairs(ctx context.Context) ([]KeyPair, error) {
	return cached(ctx, &c.lookups, "key pairs", func(ctx context.Context) ([]KeyPair, error) {
		sc, err := c.ComputeClient()
		if err != nil {
			return nil, err
		}
		pages, err := keypairs.List(sc, nil).AllPages(ctx)
		if err != nil {
			return nil, session.Explain("list the key pairs", err)
		}
		list, err := keypairs.ExtractKeyPairs(pages)
		if err != nil {
			return nil, session.Explain("read the list of key pairs", err)
		}
		out := make([]KeyPair, len(list))
		for i, k := range list {
			out[i] = KeyPair{k.Name, k.Fingerprint, k.PublicKey}
		}
		return out, nil
	})
}
