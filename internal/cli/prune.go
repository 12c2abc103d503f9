package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	openstackdriver "github.com/galleyhq/galley/internal/driver/openstack"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/text"
)

// pruneOptions are those of prune.
type pruneOptions struct {
	*projects

	all, dryRun bool
	output      listingFlags
}

var savedColumns = []string{"Name", "Kind", "Instance", "State", "Age", "Size", "Expires", "ID"}

func newPruneCommand(d *deps) *cobra.Command {
	o := &pruneOptions{projects: d.projects}
	cmd := &cobra.Command{
		Use:   "prune [IMAGE...]",
		Short: "Remove cached images and snapshots of this project",
		Long: `Remove the cached images (image_cache) of this project's directory from the cloud;
with names or IDs the images of that name, snapshots too, and with --all every image
that galley snapshot and image_cache have made for it. It asks first, unless with
--yes.`,
		Example: `  galley prune --all --dry-run
  galley prune
  galley prune web-converged --yes`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	fs := cmd.Flags()
	fs.BoolVar(&o.all, "all", false, "remove snapshots too")
	fs.BoolVar(&o.dryRun, "dry-run", false, "print what would be removed")
	fs.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	o.output.add(cmd, savedColumns)
	return cmd
}

// ownImage is an image of this project with the cloud that it is on.
type ownImage struct {
	openstack.SavedImage
	cloud *openstack.Cloud
}

func (o *pruneOptions) run(ctx context.Context, names []string) error {
	if o.all && len(names) > 0 {
		return usagef("", "--all takes no names")
	}
	p, err := o.openAll(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	found, err := p.images(ctx)
	if err != nil {
		return err
	}
	all := len(found)
	if found, err = o.choose(found, names); err != nil {
		return err
	}
	if len(found) == 0 && o.output.format == "table" {
		if all > 0 {
			o.notef("There are no cached images to remove; %s kept (--all removes snapshots too).", text.CountOf(all, "snapshot is", "snapshots are"))
		} else {
			o.notef("There are no images to remove.")
		}
		return nil
	}
	if err := o.print(savedListing(found), &o.output); err != nil || o.dryRun || len(found) == 0 {
		return err
	}
	if err := o.confirmAll(ctx); err != nil {
		return err
	}
	err = each(ctx, found, func(i ownImage) error { return i.cloud.RemoveImage(ctx, i.SavedImage, o.reporter()) })
	if err == nil {
		o.notef("Removed %s.", text.Count(len(found), "image"))
	}
	return err
}

// images lists the images of this project, on every cloud that an instance is
// on.
func (p *project) images(ctx context.Context) ([]ownImage, error) {
	var out []ownImage
	var asked []*openstack.Cloud
	for _, inst := range p.Instances {
		d, ok := inst.Driver.(*openstackdriver.Driver)
		if !ok {
			continue
		}
		c, err := d.Cloud(ctx)
		if err != nil {
			return nil, fmt.Errorf("looking for images, as instance <%s> logs in: %w", inst.Name, err)
		}
		if slices.Contains(asked, c) {
			continue
		}
		asked = append(asked, c)
		list, err := c.SavedImages(ctx)
		if err != nil {
			return nil, err
		}
		for _, img := range list {
			known := slices.ContainsFunc(out, func(x ownImage) bool { return x.ID == img.ID })
			if img.Project == d.Project() && !known {
				out = append(out, ownImage{img, c})
			}
		}
	}
	return out, nil
}

// choose returns the images to remove.
func (o *pruneOptions) choose(all []ownImage, names []string) ([]ownImage, error) {
	if len(names) == 0 {
		return slices.DeleteFunc(all, func(i ownImage) bool { return !o.all && i.Content == "" }), nil
	}
	var out []ownImage
	for _, name := range names {
		n := len(out)
		for _, img := range all {
			if img.Name == name || img.ID == name {
				out = append(out, img)
			}
		}
		if len(out) == n {
			return nil, usagef("`galley prune --all --dry-run` lists them", "this project has no image %q", name)
		}
	}
	return out, nil
}

func savedListing(all []ownImage) listing {
	l := listing{columns: savedColumns, optional: []string{"ID", "Size", "Expires"}}
	for _, img := range all {
		kind := "snapshot"
		if img.Content != "" {
			kind = "cache"
		}
		age := time.Since(img.Created).Round(time.Second)
		expires := cell{}
		if !img.Expires.IsZero() {
			expires = cell{text: img.Expires.Local().Format(time.DateTime), value: img.Expires}
		}
		l.add(img.Name, kind, img.Owner, img.Status, cell{text: shortAge(age), value: int(age.Seconds())},
			cell{text: fmt.Sprintf("%d MiB", img.Size>>20), value: img.Size}, expires, img.ID)
	}
	return l
}
