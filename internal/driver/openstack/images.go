package openstack

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"time"

	cloud "github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/kitchen"
)

var (
	_ kitchen.ImageKeeper = (*Driver)(nil)
	_ kitchen.ImageCacher = (*Driver)(nil)
)

// imageJournal records an image of the instance's machine until it is there.
// The image itself carries the project's mark, by which it is found afterwards.
func (d *Driver) imageJournal() cloud.FileJournal {
	return cloud.FileJournal(filepath.Join(d.o.dir(), "images", d.o.Instance+".json"))
}

// removeUnfinished removes the rest of an image that an earlier run was
// making.
func (d *Driver) removeUnfinished(ctx context.Context, c *cloud.Cloud, step *kitchen.Step) error {
	return c.Reclaim(ctx, d.imageJournal(), cloud.ReclaimOptions{NoWait: d.o.NoWait}, step.Report)
}

// KeepImage implements [kitchen.ImageKeeper] by Nova's createImage. Only the
// option TTL bounds the image's life: the key ttl is about servers.
func (d *Driver) KeepImage(ctx context.Context, step *kitchen.Step, name string) (string, error) {
	if name == "" {
		name = d.o.Instance + "-" + time.Now().UTC().Format("20060102-150405")
	}
	spec := d.imageSpec(step, name)
	if d.o.TTL != "" {
		var err error
		if spec.TTL, err = text.ParseDuration(d.o.TTL); err != nil {
			return "", fmt.Errorf("--ttl: %w", err)
		}
	}
	c, err := d.Cloud(ctx)
	if err != nil {
		return "", err
	}
	if err := d.removeUnfinished(ctx, c, step); err != nil {
		return "", err
	}
	img, err := c.SaveImage(ctx, spec, d.imageJournal(), step.Report)
	if err == nil {
		step.Report.Info("Saved as image %q (%s).", img.Name, img.ID)
	}
	return img.ID, err
}

func (d *Driver) imageSpec(step *kitchen.Step, name string) cloud.ImageSpec {
	return cloud.ImageSpec{
		Name: name, ServerID: step.State.String(kitchen.KeyServerID),
		Owner: d.o.Instance, Project: d.o.Project(),
	}
}

// CacheImage implements [kitchen.ImageCacher] for image_cache.
func (d *Driver) CacheImage(ctx context.Context, step *kitchen.Step) error {
	if !d.settings.imageCache {
		return nil
	}
	spec, err := d.Spec()
	if err != nil {
		return err
	}
	c, err := d.Cloud(ctx)
	if err != nil {
		return err
	}
	content, base, err := d.content(ctx, c, step, spec)
	if err != nil || content == "" {
		return err
	}
	if err := d.removeUnfinished(ctx, c, step); err != nil {
		return err
	}
	want := d.imageSpec(step, "galley-"+base+"-"+content[:8])
	want.Content = content
	img, made, err := c.CacheImage(ctx, want, d.imageJournal(), step.Report)
	switch {
	case err != nil:
		return err
	case made:
		step.Report.Info("Saved: creates of this kind boot from it from now on; `galley prune` removes it (%s)", img.ID)
	default:
		step.Report.Info("The image for later creates is there already, or another instance makes it (image_cache)")
	}
	return nil
}

// fromCache lets a server boot from the cached image, if there is one.
func (d *Driver) fromCache(ctx context.Context, c *cloud.Cloud, step *kitchen.Step, spec *cloud.ServerSpec) error {
	if !d.settings.imageCache {
		return nil
	}
	content, base, err := d.content(ctx, c, step, *spec)
	if err != nil || content == "" {
		return err
	}
	disk := 0
	if !spec.FlavorByID {
		f, err := c.Flavor(ctx, spec.Flavor, nil)
		if err != nil {
			return err
		}
		disk = f.Disk
	}
	img, err := c.CachedImage(ctx, content, d.o.Project(), disk)
	if err != nil || img == nil {
		return err
	}
	step.Report.Info("Booting from the cached image %q in place of %q (image_cache)", img.Name, base)
	spec.Image, spec.ImageByID = img.ID, true
	return nil
}

// content identifies what a machine has on it when its provisioner has installed
// its product: the image, the installed software, and what else runs before. It is ""
// when nothing is installed. base is the image's name.
func (d *Driver) content(ctx context.Context, c *cloud.Cloud, step *kitchen.Step, spec cloud.ServerSpec) (content, base string, err error) {
	in, ok := step.Instance.Provisioner.(kitchen.Installer)
	if !ok || in.Installs() == "" {
		return "", "", nil
	}
	id, base := spec.Image, spec.Image
	if !spec.ImageByID {
		img, err := c.Image(ctx, spec.Image, step.Report)
		if err != nil {
			return "", "", err
		}
		id, base = img.ID, img.Name
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q", id, in.Installs(), spec.UserData)
	for _, phase := range []string{"pre_create", "post_create", "pre_converge"} {
		for _, hook := range step.Instance.Hooks[phase] {
			fmt.Fprintf(h, " %q", hook.Remote)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:16]), base, nil
}
