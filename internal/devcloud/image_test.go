package devcloud

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/members"
)

func TestImages(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	private := images.ImageVisibilityShared
	img := must[*images.Image](t)(
		images.Create(
			ctx,
			cl.image,
			images.CreateOpts{
				Name:            "i",
				DiskFormat:      "raw",
				ContainerFormat: "bare",
				Visibility:      &private,
				Tags:            []string{"a"},
				Properties:      map[string]string{"k": "v"},
			},
		).Extract(),
	)
	if img.Status != images.ImageStatusQueued || img.Properties["k"] != "v" || img.Owner != c.Env()["OS_PROJECT_ID"] {
		t.Errorf("%+v", img)
	}
	data := bytes.Repeat([]byte("image"), 1<<15)
	check(t, "upload", imagedata.Upload(ctx, cl.image, img.ID, bytes.NewReader(data)).ExtractErr())
	sum := md5.Sum(data)
	img = must[*images.Image](t)(images.Get(ctx, cl.image, img.ID).Extract())
	if img.Status != images.ImageStatusActive || img.SizeBytes != int64(len(data)) ||
		img.Checksum != hex.EncodeToString(sum[:]) {
		t.Errorf("%+v", img)
	}
	body := must[io.ReadCloser](t)(imagedata.Download(ctx, cl.image, img.ID).Extract())
	got, err := io.ReadAll(body)
	check(t, "download", err)
	if !bytes.Equal(got, data) {
		t.Errorf("downloaded %d bytes", len(got))
	}
	refused(
		t,
		"upload again",
		imagedata.Upload(ctx, cl.image, img.ID, bytes.NewReader(data)).ExtractErr(),
		409,
		"Image status transition from active to saving is not allowed",
	)
	img = must[*images.Image](t)(images.Update(ctx, cl.image, img.ID, images.UpdateOpts{
		images.ReplaceImageName{NewName: "renamed"},
		images.ReplaceImageTags{NewTags: []string{"b"}},
		images.UpdateImageProperty{Op: images.AddOp, Name: "p", Value: "q"},
		images.ReplaceImageProtected{NewProtected: true},
	}).Extract())
	if img.Name != "renamed" || img.Tags[0] != "b" || img.Properties["p"] != "q" {
		t.Errorf("%+v", img)
	}
	refused(
		t,
		"protected",
		images.Delete(ctx, cl.image, img.ID).ExtractErr(),
		403,
		"is protected and cannot be deleted.",
	)
	must[*images.Image](t)(
		images.Update(
			ctx,
			cl.image,
			img.ID,
			images.UpdateOpts{images.ReplaceImageProtected{NewProtected: false}},
		).Extract(),
	)

	_, err = members.Create(ctx, cl.image, img.ID, "other").Extract()
	refused(t, "member", err, 404, "The resource could not be found.")
	err = imagedata.Stage(ctx, cl.image, img.ID, strings.NewReader("data")).ExtractErr()
	refused(t, "stage", err, 404, "The resource could not be found.")

	check(t, "delete", images.Delete(ctx, cl.image, img.ID).ExtractErr())
	_, err = images.Get(ctx, cl.image, img.ID).Extract()
	refused(t, "get", err, 404, "No image found with ID "+img.ID)
	refused(
		t,
		"the cloud's image",
		images.Delete(ctx, cl.image, CentOSImageID).ExtractErr(),
		403,
		"You do not own this image",
	)
	public := images.ImageVisibilityPublic
	_, err = images.Create(ctx, cl.image, images.CreateOpts{Name: "x", Visibility: &public}).Extract()
	refused(t, "publish", err, 403, "You are not authorized to complete publicize_image action.")
}

func TestImageLists(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	for i := range 30 {
		must[*images.Image](t)(
			images.Create(
				t.Context(),
				cl.image,
				images.CreateOpts{Name: fmt.Sprintf("own-%02d", i), Tags: []string{fmt.Sprint(i % 3)}},
			).Extract(),
		)
	}
	count := func(o images.ListOpts) int {
		t.Helper()
		return len(all(t, images.List(cl.image, o), images.ExtractImages))
	}
	for _, test := range []struct {
		opts images.ListOpts
		want int
	}{
		{images.ListOpts{}, 34},
		{images.ListOpts{Limit: 7}, 34},
		{images.ListOpts{Name: "CentOS 7 GC 2014-09-16"}, 1},
		{images.ListOpts{Name: "nosuch"}, 0},
		{images.ListOpts{Visibility: images.ImageVisibilityPublic}, 4},
		{images.ListOpts{Status: images.ImageStatusActive}, 4},
		{images.ListOpts{Tags: []string{"0"}}, 10},
		{images.ListOpts{Owner: c.Env()["OS_PROJECT_ID"]}, 30},
		{images.ListOpts{ContainerFormat: "bare"}, 4},
	} {
		if n := count(test.opts); n != test.want {
			t.Errorf("%+v: %d images, want %d", test.opts, n, test.want)
		}
	}
	l := all(t, images.List(cl.image, images.ListOpts{Sort: "name:asc"}), images.ExtractImages)
	if l[0].Name != "CentOS 7 GC 2014-09-16" || l[0].ID != CentOSImageID {
		t.Errorf("first by name: %s", l[0].Name)
	}
	_, err := images.List(cl.image, images.ListOpts{Marker: "nosuch"}).AllPages(t.Context())
	refused(t, "marker", err, 400, "No image found with ID nosuch")
}
