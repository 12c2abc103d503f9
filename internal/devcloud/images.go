package devcloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/galleyhq/galley/internal/devcloud/db"
	"github.com/galleyhq/galley/internal/devcloud/guest"
	"github.com/galleyhq/galley/internal/devcloud/identity"
)

// rootDir holds the unpacked root file systems of images, a directory for each.
const rootDir = "roots"

// content fills in what a guest's disk begins with: the root file system of
// its image, and what a snapshot had changed.
func (c *Cloud) content(v *db.Server, s *guest.Spec) error {
	var chain []*db.Image
	c.db.View(func() {
		for m := c.images.Root(v); m != nil && len(chain) < 32; m = c.db.Images.Get(m.Properties["base_image_ref"]) {
			chain = append(chain, m)
			if !m.Snapshot {
				break
			}
		}
	})
	if len(chain) == 0 {
		return nil
	}
	if chain[0].Snapshot && chain[0].Size > 0 {
		s.Disk = c.images.DataPath(chain[0].ID)
	}
	base := chain[len(chain)-1]
	if base.Seeded || base.Snapshot || base.Size <= 0 {
		return nil // a view of the host
	}
	dir := filepath.Join(c.opts.Dir, rootDir, base.ID)
	if _, err := os.Stat(dir); err == nil {
		s.RootFS = dir
		return nil
	}
	c.unpacking.Lock()
	defer c.unpacking.Unlock()
	if _, err := os.Stat(dir); err != nil {
		data, err := os.Open(c.images.DataPath(base.ID))
		if err != nil {
			return err
		}
		defer func() { _ = data.Close() }()
		if err := privateDir(filepath.Dir(dir)); err != nil {
			return err
		}
		if err := guest.UnpackImage(data, dir); err != nil {
			return fmt.Errorf("image %q cannot boot: %w", base.Name, err)
		}
	}
	s.RootFS = dir
	return nil
}

// sweepRoots removes the root file systems that no image or server needs.
func (c *Cloud) sweepRoots() {
	entries, err := os.ReadDir(filepath.Join(c.opts.Dir, rootDir))
	if err != nil {
		return // there are none
	}
	needed := map[string]bool{}
	c.db.View(func() {
		for _, m := range c.db.Images.All() {
			needed[m.ID], needed[m.Properties["base_image_ref"]] = true, true
		}
		for _, v := range c.db.Servers.All() {
			needed[v.ImageID] = true
		}
	})
	for _, e := range entries {
		if !needed[e.Name()] {
			if err := guest.Remove(filepath.Join(c.opts.Dir, rootDir, e.Name())); err != nil {
				c.log.Error("removing an image's root file system", "image", e.Name(), "error", err)
			}
		}
	}
}

// saveSnapshot gives an image the disk of the server that it was made of.
func (c *Cloud) saveSnapshot(m *db.Image) error {
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(guest.SaveDisk(c.guests.dir(m.SnapshotOf), w)) }()
	err := c.images.Fill(m, r)
	_ = r.Close()
	return c.db.Update(func() error {
		now := c.db.Images.Get(m.ID)
		if now == nil {
			return err
		}
		now.SnapshotOf = ""
		if err != nil {
			now.Status = "killed"
		} else {
			now.Status, now.Snapshot = "active", true
			now.Size, now.VirtualSize, now.Checksum, now.HashAlgo, now.Hash = m.Size, m.VirtualSize, m.Checksum, m.HashAlgo, m.Hash
			now.DiskFormat, now.Container = "raw", "bare"
		}
		c.db.Images.Put(now)
		return nil
	})
}

// saveSnapshots saves the disks of servers for the images that wait for them.
func (c *Cloud) saveSnapshots(ctx context.Context) {
	for {
		changed := c.db.Changed()
		var waiting []*db.Image
		c.db.View(func() {
			waiting = c.db.Images.Where(func(m *db.Image) bool { return m.SnapshotOf != "" })
		})
		for _, m := range waiting {
			if err := c.saveSnapshot(m); err != nil {
				c.log.Error("saving a server's disk", "image", m.ID, "server", m.SnapshotOf, "error", err)
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// addImage makes a public image of the request's body.
func (c *Cloud) addImage(r *http.Request) (any, error) {
	name := r.URL.Query().Get("name")
	if name == "" {
		return nil, errors.New("an image needs a name")
	}
	m := &db.Image{
		Meta: db.Meta{ID: db.NewUUID()}, Name: name, Status: "active", Visibility: "public", DiskFormat: "raw", Container: "bare",
		MinDisk: 1, Properties: map[string]string{},
	}
	if err := c.images.Fill(m, r.Body); err != nil {
		return nil, err
	}
	return Resource{ID: m.ID, Name: name, Status: m.Status}, c.db.Update(func() error {
		m.Owner = identity.FindProject(c.db, adminProject)
		c.db.Images.Insert(m)
		return nil
	})
}

// AddImage makes a public image of a root file system: a directory, a tar
// archive, plain or compressed with gzip, or an OCI archive. A directory is
// best read as root, who sees its owners.
func (c *Client) AddImage(ctx context.Context, name, path string) (Resource, error) {
	f, err := os.Open(path)
	if err != nil {
		return Resource{}, err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return Resource{}, err
	}
	var body io.Reader = f
	pipe := func(write func(io.Writer) error) {
		r, w := io.Pipe()
		go func() { _ = w.CloseWithError(write(w)) }()
		body = r
	}
	switch {
	case st.IsDir():
		pipe(func(w io.Writer) error { return guest.PackDirectory(path, w) })
	case isOCIArchive(f):
		pipe(func(w io.Writer) error { return flattenOCI(f, w) })
	default:
		_, err := f.Seek(0, io.SeekStart)
		if err == nil {
			_, err = guest.OpenImage(f)
		}
		if err == nil {
			_, err = f.Seek(0, io.SeekStart)
		}
		if err != nil {
			return Resource{}, fmt.Errorf("%s: %w", path, err)
		}
	}
	return call[Resource](ctx, c, "POST /images?name="+url.QueryEscape(name), body)
}
