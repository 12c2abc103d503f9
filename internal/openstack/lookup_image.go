package openstack

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"github.com/galleyhq/galley/internal/openstack/session"
)

// Image finds the image that ref means: an ID, a name or a /regexp/. Of
// several that fit, the newest active one is taken, and reported.
func (c *Cloud) Image(ctx context.Context, ref string, rep Reporter) (Image, error) {
	return lookup(ctx, c, "image", ref, rep, func(ctx context.Context) (Image, string, error) {
		if looksLikeID(ref) {
			img, err := c.imageByID(ctx, ref)
			if err == nil || session.KindOf(err) != session.NotFound {
				return img, "", err
			}
		}
		if !isPattern(ref) {
			// The usual case: the service finds the name.
			named, err := c.listImages(ctx, images.ListOpts{Name: ref})
			if err != nil {
				return Image{}, "", err
			}
			if img, note, err := newest(ref, named); err != nil || img.ID != "" {
				return img, note, err
			}
		}
		all, err := c.Images(ctx)
		if err != nil {
			return Image{}, "", err
		}
		usable, rest := activeFirst(all)
		img, note, err := choose("image", ref, usable)
		note = strings.Replace(note, ": taking ", ": taking the newest, ", 1)
		if err != nil && session.KindOf(err) == session.NotFound {
			if other, _, oerr := choose("image", ref, rest); oerr == nil {
				return Image{}, "", imageNotActive(other)
			}
		}
		return img, note, err
	})
}

func imageNotActive(img Image) error {
	return session.Fail(session.Invalid, fmt.Sprintf("use the image %q (%s)", img.Name, img.ID), "its status is "+img.Status,
		"wait until it is active, or take another image")
}

// newest takes the newest active one of images that share a name; the service
// lists the newest first.
func newest(ref string, named []Image) (Image, string, error) {
	usable, rest := activeFirst(named)
	switch {
	case len(usable) == 1:
		return usable[0], "", nil
	case len(usable) > 1:
		return usable[0], fmt.Sprintf("%d images are called %q: taking the newest, %s of %s", len(usable), ref, usable[0].ID,
			usable[0].Created.Format("2006-01-02 15:04")), nil
	case len(rest) > 0:
		return Image{}, "", imageNotActive(rest[0])
	}
	return Image{}, "", nil
}

// activeFirst separates the images that can be booted, newest first, from
// those that cannot.
func activeFirst(all []Image) (usable, rest []Image) {
	for _, img := range all {
		if img.Status == string(images.ImageStatusActive) {
			at := len(usable)
			for at > 0 && usable[at-1].Created.Before(img.Created) {
				at--
			}
			usable = append(usable[:at], append([]Image{img}, usable[at:]...)...)
		} else {
			rest = append(rest, img)
		}
	}
	return usable, rest
}

func (c *Cloud) imageByID(ctx context.Context, id string) (Image, error) {
	sc := c.ImageClient()
	img, err := one(images.Get(ctx, sc, id).Extract())
	if err != nil {
		return Image{}, session.Explain(fmt.Sprintf("find the image %q", id), err)
	}
	return imageOf(*img), nil
}

func imageOf(i images.Image) Image {
	property := func(name string) string {
		text, _ := i.Properties[name].(string)
		return text
	}
	out := Image{
		ID: i.ID, Name: i.Name, DiskFormat: i.DiskFormat, Status: string(i.Status), Visibility: string(i.Visibility),
		MinDisk: i.MinDiskGigabytes, MinRAM: i.MinRAMMegabytes, Size: i.SizeBytes, Created: i.CreatedAt,
		Snapshot: property("image_type") == "snapshot",
		Distro:   property("os_distro"), Version: property("os_version"), User: property("os_admin_user"),
	}
	algo, hash := property("os_hash_algo"), property("os_hash_value")
	switch {
	case hash != "" && slices.Contains([]string{"sha256", "sha384", "sha512"}, algo):
		out.Checksum = algo + ":" + hash
	case i.Checksum != "":
		out.Checksum = "md5:" + i.Checksum
	}
	return out
}

func (c *Cloud) listImages(ctx context.Context, o images.ListOpts) ([]Image, error) {
	found, err := list(ctx, "images", c.ImageClient, images.List, images.ListOptsBuilder(o), images.ExtractImages)
	return each(found, imageOf), err
}

// Images lists the images that the project sees, once for a connection.
func (c *Cloud) Images(ctx context.Context) ([]Image, error) {
	return once(ctx, c, "images", func(ctx context.Context) ([]Image, error) {
		return c.listImages(ctx, images.ListOpts{})
	})
}

// Flavor finds the flavor that ref means: an ID (numbers too), a name or a
// /regexp/.
func (c *Cloud) Flavor(ctx context.Context, ref string, rep Reporter) (Flavor, error) {
	return lookup(ctx, c, "flavor", ref, rep, func(ctx context.Context) (Flavor, string, error) {
		all, err := c.Flavors(ctx)
		if err != nil {
			return Flavor{}, "", err
		}
		f, note, err := choose("flavor", ref, all)
		if err != nil && session.KindOf(err) == session.NotFound && !strings.HasPrefix(ref, "/") && !strings.ContainsAny(ref, " ?#") {
			// One that is not listed, as a private flavor of a shared project.
			if byID, gerr := c.flavorByID(ctx, ref); gerr == nil {
				return byID, "", nil
			}
		}
		return f, note, err
	})
}

func (c *Cloud) flavorByID(ctx context.Context, id string) (Flavor, error) {
	sc := c.ComputeClient()
	f, err := one(flavors.Get(ctx, sc, id).Extract())
	if err != nil {
		return Flavor{}, session.Explain(fmt.Sprintf("find the flavor %q", id), err)
	}
	return flavorOf(*f), nil
}

// ImageFile is the data of an image, to be downloaded.
type ImageFile struct {
	// ID and Name are the image's; FileName is its name as a file's, with the
	// disk format as its ending.
	ID, Name, FileName string
	URL                string
	// Checksum is "sha512:HEX" or another algorithm's, "" if the cloud keeps
	// none. Size is in bytes, 0 if it is not known.
	Checksum string
	Size     int64
}

// ImageFile finds the image that ref means, as [Cloud.Image] does, and where
// its data lies (Image service API v2, "Download binary image data").
func (c *Cloud) ImageFile(ctx context.Context, ref string, rep Reporter) (ImageFile, error) {
	found, err := c.Image(ctx, ref, rep)
	if err != nil {
		return ImageFile{}, err
	}
	if found.Status != string(images.ImageStatusActive) {
		return ImageFile{}, imageNotActive(found)
	}
	f := ImageFile{ID: found.ID, Name: found.Name, FileName: cmp.Or(found.Name, found.ID), Checksum: found.Checksum, Size: found.Size}
	f.URL = c.ImageClient().ServiceURL("images", found.ID, "file")
	if d := found.DiskFormat; d != "" && !strings.HasSuffix(f.FileName, "."+d) {
		f.FileName += "." + d
	}
	return f, nil
}
