package openstack

import (
	"context"
	"fmt"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/retry"
)

// Properties of saved images beside those of every resource. A server's images
// inherit the properties of the image that it was booted from, so that each one
// here is written in each image, and the name says whose they are.
const (
	metaImageName = metaPrefix + "image_name"
	metaContent   = metaPrefix + "content"
)

const (
	// imageTimeout bounds the wait for a saved image.
	imageTimeout = 30 * time.Minute
	// unsavedTime bounds the removal of an image that failed.
	unsavedTime = 3 * time.Minute
)

// ImageSpec is an image to be made of a server.
type ImageSpec struct {
	Name, ServerID string
	// Owner and Project are as of [ServerSpec].
	Owner, Project string
	// Content identifies the image's content, for [SavedImage.Content].
	Content string
	// TTL is how long the image may exist, 0 for ever.
	TTL time.Duration
}

// SavedImage is an image that was made of a server through Galley.
type SavedImage struct {
	Image
	Token, Owner, Project string
	// Content identifies a cached image's content; "" is a snapshot.
	Content string
	// Expires is the zero time for never.
	Expires time.Time
}

// SavedImages lists the images in the project that were made through Galley,
// by whomever.
func (c *Cloud) SavedImages(ctx context.Context) ([]SavedImage, error) {
	all, err := list(ctx, "images", c.ImageClient, images.List, images.ListOptsBuilder(images.ListOpts{Owner: c.Whoami().ProjectID}), images.ExtractImages)
	var out []SavedImage
	for i := range all {
		if img, ok := savedImage(&all[i]); ok {
			out = append(out, img)
		}
	}
	return out, err
}

// savedImage returns an image that was made through Galley, false for others.
func savedImage(i *images.Image) (SavedImage, bool) {
	property := func(name string) string {
		text, _ := i.Properties[name].(string)
		return text
	}
	out := SavedImage{
		Image: imageOf(*i),
		Token: property(metaToken), Owner: property(metaInstance), Project: property(metaProject), Content: property(metaContent),
	}
	out.Expires, _ = time.Parse(time.RFC3339, property(metaExpires))
	return out, out.Token != "" && property(metaImageName) == i.Name
}

// record is a record from which [Cloud.ReclaimRecord] removes the image.
func (i SavedImage) record(c *Cloud) *Record {
	return &Record{
		Version: 1, Token: i.Token, Owner: i.Owner, Project: i.Project, AuthURL: c.AuthURL(), ProjectID: c.Whoami().ProjectID,
		Started: i.Created, Expires: i.Expires,
		Resources: []Resource{{Kind: KindImage, Name: i.Name, ID: i.ID, Stage: Made, Asked: i.Created}},
	}
}

// SaveImage makes an image of a server and waits until it can be booted. The
// journal has it from before the request until the end; an image that does not
// come about is removed. A server that boots from a volume is refused: its image
// would leave a snapshot of the volume behind.
func (c *Cloud) SaveImage(ctx context.Context, spec ImageSpec, j Journal, rep Reporter) (SavedImage, error) {
	what := fmt.Sprintf("make the image %q", spec.Name)
	s, err := c.getServer(ctx, spec.ServerID)
	if err != nil {
		return SavedImage{}, err
	}
	if len(s.Image) == 0 {
		return SavedImage{}, session.Fail(session.Invalid, what, fmt.Sprintf("the server %q boots from a volume", s.Name),
			"`openstack volume snapshot create` keeps the volume")
	}
	rec := c.newRecord(ServerSpec{Name: spec.Name, Owner: spec.Owner, Project: spec.Project, TTL: spec.TTL})
	in := newIntent(c, j, rec, rep)
	img, err := in.saveImage(ctx, spec, what)
	if err == nil {
		// A request that was delivered twice has made two.
		err = in.removeTwins(ctx, Resource{Kind: KindImage, Name: spec.Name, ID: img.ID})
	}
	if err == nil {
		return img, j.Remove()
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), unsavedTime)
	defer cancel()
	return SavedImage{}, session.Join(err, c.Reclaim(clean, j, ReclaimOptions{}, rep))
}

func (in *intent) saveImage(ctx context.Context, spec ImageSpec, what string) (SavedImage, error) {
	sc := in.c.ComputeClient()
	properties := in.rec.metadata(map[string]string{metaImageName: spec.Name, metaContent: spec.Content, metaExpires: ""})
	id, _, err := in.do(ctx, request{
		kind: KindImage, name: spec.Name, what: what,
		ask: func(ctx context.Context) (string, error) {
			id, err := servers.CreateImage(ctx, sc, spec.ServerID, servers.CreateImageOpts{Name: spec.Name, Metadata: properties}).ExtractImageID()
			if err == nil && id == "" {
				err = errNoID
			}
			return id, err
		},
	})
	if err != nil {
		return SavedImage{}, err
	}
	return in.c.imageActive(ctx, id, spec.Name, in.rep)
}

// imageActive waits until an image can be booted.
func (c *Cloud) imageActive(ctx context.Context, id, name string, rep Reporter) (SavedImage, error) {
	sc := c.ImageClient()
	what := fmt.Sprintf("make the image %q (%s)", name, id)
	began := time.Now()
	for {
		i, err := one(images.Get(ctx, sc, id).Extract())
		switch {
		case err == nil && i.Status == images.ImageStatusActive:
			img, _ := savedImage(i)
			return img, nil
		case session.IsStatus(err, 404):
			return SavedImage{}, session.Fail(session.Other, what, "the cloud has given it up", "`openstack server event list` may tell why")
		case err != nil:
			return SavedImage{}, session.Explain(what, err)
		case i.Status != images.ImageStatusQueued && i.Status != images.ImageStatusSaving:
			return SavedImage{}, session.Fail(session.Other, what, "its status is "+string(i.Status), "")
		case time.Since(began) > imageTimeout:
			return SavedImage{}, session.Fail(session.Timeout, what, fmt.Sprintf("it is not there after %s (status %s)", imageTimeout, i.Status), "")
		}
		rep.Waiting("the image to be saved", "status "+string(i.Status), began)
		if err := retry.Sleep(ctx, watchPause(began, watchMin)); err != nil {
			return SavedImage{}, err
		}
	}
}

// RemoveImage removes an image that [Cloud.SavedImages] lists.
func (c *Cloud) RemoveImage(ctx context.Context, img SavedImage, rep Reporter) error {
	return c.ReclaimRecord(ctx, img.record(c), rep)
}

// CacheImage makes an image of a server for [Cloud.CachedImage], unless there is
// one of that content, or another instance is making it. made is false then.
func (c *Cloud) CacheImage(ctx context.Context, spec ImageSpec, j Journal, rep Reporter) (img SavedImage, made bool, err error) {
	if !c.claims.take(spec.Content) {
		return img, false, nil
	}
	defer c.claims.drop(spec.Content)
	had, err := c.cachedImages(ctx, spec.Content, spec.Project)
	if err != nil || len(had) > 0 {
		return img, false, err
	}
	rep.Info("Saving %q as an image for later creates (image_cache)", spec.Name)
	if img, err = c.SaveImage(ctx, spec, j, rep); err != nil {
		return img, false, err
	}
	// Another process may have done the same: the oldest one stays.
	if had, err = c.cachedImages(ctx, spec.Content, spec.Project); err != nil {
		return img, true, err
	}
	for _, other := range had {
		if other.Created.Before(img.Created) || other.Created.Equal(img.Created) && other.ID < img.ID {
			return other, false, c.RemoveImage(ctx, img, rep)
		}
	}
	return img, true, nil
}

// CachedImage returns the image of that content that a flavor with so much disk
// (GiB, 0 for no limit) can boot, nil when there is none.
func (c *Cloud) CachedImage(ctx context.Context, content, project string, disk int) (*SavedImage, error) {
	list, err := c.cachedImages(ctx, content, project)
	for _, img := range list {
		if img.Status == string(images.ImageStatusActive) && (disk == 0 || img.MinDisk <= disk) {
			return &img, err
		}
	}
	return nil, err
}

// cachedImages lists the images of that content that are there or in the making.
func (c *Cloud) cachedImages(ctx context.Context, content, project string) ([]SavedImage, error) {
	list, err := c.SavedImages(ctx)
	var out []SavedImage
	for _, img := range list {
		switch images.ImageStatus(img.Status) {
		case images.ImageStatusActive, images.ImageStatusQueued, images.ImageStatusSaving:
			if img.Content == content && img.Project == project {
				out = append(out, img)
			}
		}
	}
	return out, err
}
