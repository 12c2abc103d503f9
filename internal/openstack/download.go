package openstack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"github.com/galleyhq/galley/internal/openstack/session"
)

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
	sc, err := c.ImageClient()
	if err != nil {
		return ImageFile{}, err
	}
	img, err := one(images.Get(ctx, sc, found.ID).Extract())
	if err != nil {
		return ImageFile{}, session.Explain(fmt.Sprintf("find the image %q", found.ID), err)
	}
	if img.Status != images.ImageStatusActive {
		return ImageFile{}, imageNotActive(imageOf(*img))
	}
	f := ImageFile{ID: img.ID, Name: img.Name, FileName: img.Name, Size: img.SizeBytes, URL: sc.ServiceURL("images", img.ID, "file")}
	if f.FileName == "" {
		f.FileName = img.ID
	}
	if d := img.DiskFormat; d != "" && !strings.HasSuffix(f.FileName, "."+d) {
		f.FileName += "." + d
	}
	algo, _ := img.Properties["os_hash_algo"].(string)
	hash, _ := img.Properties["os_hash_value"].(string)
	switch {
	case hash != "" && slices.Contains([]string{"sha256", "sha384", "sha512"}, algo):
		f.Checksum = algo + ":" + hash
	case img.Checksum != "":
		f.Checksum = "md5:" + img.Checksum
	}
	return f, nil
}
