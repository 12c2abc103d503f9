package devcloud

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/objectstorage/v1/containers"
	"github.com/gophercloud/gophercloud/v2/openstack/objectstorage/v1/objects"
)

func TestObjects(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	store := must[*gophercloud.ServiceClient](t)(
		openstack.NewObjectStorageV1(cl.provider, gophercloud.EndpointOpts{Region: "RegionOne"}),
	)

	refused(
		t,
		"into no container",
		objects.Create(ctx, store, "backups", "x", objects.CreateOpts{Content: strings.NewReader("x")}).Err,
		404,
		"",
	)
	check(
		t,
		"make a container",
		containers.Create(
			ctx,
			store,
			"backups",
			containers.CreateOpts{Metadata: map[string]string{"Colour": "blue"}},
		).Err,
	)
	data := bytes.Repeat([]byte("0123456789"), 20_000)
	sum := md5.Sum(data)
	put := must[*objects.CreateHeader](t)(
		objects.Create(
			ctx,
			store,
			"backups",
			"a/b ü?.dump",
			objects.CreateOpts{
				Content:     bytes.NewReader(data),
				ContentType: "application/x-dump",
				Metadata:    map[string]string{"K": "v"},
			},
		).Extract(),
	)
	if put.ETag != hex.EncodeToString(sum[:]) {
		t.Errorf("%+v", put)
	}
	refused(
		t,
		"damaged on the way",
		objects.Create(
			ctx,
			store,
			"backups",
			"bad",
			objects.CreateOpts{Content: strings.NewReader("x"), ETag: strings.Repeat("0", 32)},
		).Err,
		422,
		"",
	)
	for _, name := range []string{"a/c", "d", "e"} {
		check(
			t,
			"put",
			objects.Create(ctx, store, "backups", name, objects.CreateOpts{Content: strings.NewReader(name)}).Err,
		)
	}

	got := objects.Download(ctx, store, "backups", "a/b ü?.dump", nil)
	b, err := got.ExtractContent()
	check(t, "download", err)
	h := must[*objects.DownloadHeader](t)(got.Extract())
	if !bytes.Equal(b, data) || h.ETag != put.ETag || h.ContentType != "application/x-dump" ||
		got.Header.Get("X-Object-Meta-K") != "v" {
		t.Errorf("%d bytes, %+v", len(b), h)
	}
	part := objects.Download(ctx, store, "backups", "a/b ü?.dump", objects.DownloadOpts{Range: "bytes=199990-"})
	if b, err := part.ExtractContent(); err != nil || string(b) != "0123456789" ||
		part.Header.Get("Content-Range") != "bytes 199990-199999/200000" {
		t.Errorf("%q %v %v", b, err, part.Header)
	}

	for _, l := range []struct {
		opts objects.ListOpts
		want string
	}{
		{objects.ListOpts{}, "a/b ü?.dump a/c d e"},
		{objects.ListOpts{Prefix: "a/"}, "a/b ü?.dump a/c"},
		{objects.ListOpts{Delimiter: "/"}, "a/ d e"},
		{objects.ListOpts{Marker: "a/c", EndMarker: "e"}, "d"},
		{objects.ListOpts{Limit: 1}, "a/b ü?.dump a/c d e"}, // page after page
	} {
		var names []string
		for _, o := range all(t, objects.List(store, "backups", l.opts), objects.ExtractInfo) {
			names = append(names, o.Name+o.Subdir)
		}
		if strings.Join(names, " ") != l.want {
			t.Errorf("%+v: %q", l.opts, names)
		}
	}
	head := containers.Get(ctx, store, "backups", nil)
	if n, err := head.Extract(); err != nil || n.ObjectCount != 4 || n.BytesUsed != 200_005 ||
		head.Header.Get("X-Container-Meta-Colour") != "blue" {
		t.Errorf("%+v %v %v", n, err, head.Header)
	}
	if l := all(t, containers.List(store, containers.ListOpts{}), containers.ExtractInfo); len(l) != 1 ||
		l[0].Name != "backups" ||
		l[0].Count != 4 {
		t.Errorf("%+v", l)
	}

	refused(t, "delete what is not empty", containers.Delete(ctx, store, "backups").Err, 409, "")
	for _, name := range []string{"a/b ü?.dump", "a/c", "d", "e"} {
		check(t, "delete", objects.Delete(ctx, store, "backups", name, nil).Err)
	}
	refused(t, "delete again", objects.Delete(ctx, store, "backups", "d", nil).Err, 404, "")
	check(t, "delete the container", containers.Delete(ctx, store, "backups").Err)

	// Another's account, and no token.
	for token, status := range map[string]int{cl.provider.Token(): http.StatusForbidden, "nonsense": http.StatusUnauthorized} {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/object-store/v1/AUTH_other", nil)
		req.Header.Set("X-Auth-Token", token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s: %d", token, resp.StatusCode)
		}
	}
}
