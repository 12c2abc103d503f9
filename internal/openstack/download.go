package openstack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
)

// What others need in order to bring data out of the cloud by a client of
// their own: where a service lies, the token, and where an image's data is.

// Token returns the token in use.
func (c *Cloud) Token() Secret { return Secret(c.provider.Token()) }

// RenewToken asks for a new token in place of old, which was refused, unless
// another is in use by now.
func (c *Cloud) RenewToken(ctx context.Context, old Secret) error {
	if err := c.provider.Reauthenticate(ctx, old.Reveal()); err != nil {
		return explain("renew the token", err)
	}
	return nil
}

// TLS returns the PEM files of authorities to trust and of the client's
// certificate and key, "" for none, and whether servers are not verified.
func (c *Cloud) TLS() (caCert, cert, key string, insecure bool) {
	return c.auth.CACert, c.auth.Cert, c.auth.Key, c.auth.Insecure
}

// volumeTypes are the names under which catalogues have had the service for
// volumes (OpenStack service types authority, block-storage and its aliases).
var volumeTypes = []string{"volumev3", "block-storage", "block-store", "volumev2", "volume"}

// Endpoint returns the URL of a service as the catalogue has it, without a
// slash at its end. service is the type, such as "object-store"; the region
// and interface are those of the credentials.
func (c *Cloud) Endpoint(service string) (string, error) {
	service = strings.ToLower(service)
	override, types := "", []string{service}
	switch {
	case service == "compute":
		override = c.auth.ComputeURL
	case service == "network" || service == "networking":
		override, types = c.auth.NetworkURL, []string{"network", "networking"}
	case service == "image":
		override = c.auth.ImageURL
	case slices.Contains(volumeTypes, service):
		override = c.auth.VolumeURL
		types = append(types, volumeTypes...)
	}
	u := override
	if u == "" {
		var err error
		if u, err = c.endpoint(service, types, ""); err != nil {
			return "", c.withServices(err, types)
		}
	}
	return strings.TrimSuffix(u, "/"), nil
}

// withServices says in an error about a service that the catalogue lacks what
// it has.
func (c *Cloud) withServices(err error, types []string) error {
	var e *Error
	if !errors.As(err, &e) || e.Kind != NotFound {
		return err
	}
	var kinds []string
	c.mu.Lock()
	for _, s := range c.catalog {
		kinds = append(kinds, s.kind)
	}
	c.mu.Unlock()
	if slices.ContainsFunc(types, func(t string) bool { return slices.Contains(kinds, t) }) {
		return err // it is there, in another region or of another interface
	}
	slices.Sort(kinds)
	with := *e
	with.hint = "the catalogue has " + strings.Join(slices.Compact(kinds), ", ")
	return &with
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
	sc, err := c.image()
	if err != nil {
		return ImageFile{}, err
	}
	img, err := one(images.Get(ctx, sc, found.ID).Extract())
	if err != nil {
		return ImageFile{}, explain(fmt.Sprintf("find the image %q", found.ID), err)
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
