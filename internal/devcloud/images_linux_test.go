package devcloud

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"github.com/galleyhq/galley/internal/devcloud/db"
)

// hasNamespaces skips a test whose guests need more than a directory.
func hasNamespaces(t *testing.T, c *Cloud) {
	t.Helper()
	mode, err := c.Client().GuestMode(t.Context())
	check(t, "mode", err)
	if !mode.Apart {
		t.Skip(mode.Detail)
	}
}

// busyboxRoot writes a root file system of busybox.
func busyboxRoot(t *testing.T) string {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("busybox is not installed")
	}
	if out, err := exec.CommandContext(t.Context(), "ldd", busybox).CombinedOutput(); err == nil {
		t.Skipf("busybox needs libraries: %s", out)
	}
	root := filepath.Join(t.TempDir(), "root")
	for _, d := range []string{"bin", "etc", "root", "usr/bin", "usr/sbin", "sbin", "tmp", "var"} {
		check(t, "mkdir", os.MkdirAll(filepath.Join(root, d), 0o755))
	}
	// A test program that is linked with a C library needs its loader there.
	loaders, err := filepath.Glob("/lib*/ld-*.so*")
	check(t, "loaders", err)
	for _, l := range loaders {
		check(t, l, os.MkdirAll(filepath.Join(root, filepath.Dir(l)), 0o755))
		check(t, l, os.WriteFile(filepath.Join(root, l), nil, 0o755))
	}
	data, err := os.ReadFile(busybox)
	check(t, "busybox", err)
	check(t, "busybox", os.WriteFile(filepath.Join(root, "bin/busybox"), data, 0o755))
	for _, applet := range []string{"sh", "cat", "ls", "id", "hostname", "touch", "rm", "test", "ip", "grep"} {
		check(t, "link", os.Symlink("busybox", filepath.Join(root, "bin", applet)))
	}
	for name, text := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\nwheel:x:10:\n", "etc/shadow": "root:!::::::: \n",
		"etc/os-release": "ID=alpine\nVERSION_ID=3.20\nPRETTY_NAME=\"Alpine Linux v3.20\"\n", "etc/only-here": "content\n",
	} {
		check(t, name, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
	}
	return root
}

// An uploaded root file system boots as itself, beside a guest of the host's
// view, and so does a snapshot of it.
func TestImagesHaveContent(t *testing.T) {
	root := busyboxRoot(t)
	c, cl := startWithRealGuests(t)
	hasNamespaces(t, c)
	ctx := t.Context()
	added, err := c.Client().AddImage(ctx, "alpine", root)
	check(t, "add", err)
	net1 := []servers.Network{{UUID: Net1ID}}
	a := bootServer(t, c, cl, servers.CreateOpts{Name: "a", ImageRef: added.ID, Networks: net1})
	if got := a.run(t, ". /etc/os-release; echo $ID; cat /etc/only-here; id -un; test -e /usr/bin/perl || echo no perl"); got != "alpine\ncontent\nroot\nno perl" {
		t.Errorf("the guest is not its image: %q", got)
	}
	if got := a.run(t, "grep ^alpine: /etc/passwd >/dev/null && echo user; hostname"); got != "user\na" {
		t.Errorf("the default user: %q", got)
	}
	a.run(t, "echo mark >/etc/mark; rm /etc/only-here; touch /root/file")
	b := bootServer(t, c, cl, servers.CreateOpts{Name: "b", ImageRef: added.ID, Networks: net1})
	if got := b.run(t, "ls /etc/mark; cat /etc/only-here"); !strings.Contains(got, "content") || strings.Contains(got, "mark\n") {
		t.Errorf("guests share their disks: %q", got)
	}
	s := snapshot(t, c, cl, a, "golden")
	check(t, "delete", servers.Delete(ctx, cl.compute, a.id).ExtractErr())
	g := bootServer(t, c, cl, servers.CreateOpts{Name: "g", ImageRef: s.ID, Networks: net1})
	if got := g.run(t, "cat /etc/mark; test -e /etc/only-here || echo removed; ls /root/file; hostname"); got != "mark\nremoved\n/root/file\ng" {
		t.Errorf("the snapshot's guest: %q", got)
	}
}

// What a server of the host's view has changed is in its snapshot.
func TestSnapshotsHaveContent(t *testing.T) {
	c, cl := startWithRealGuests(t)
	hasNamespaces(t, c)
	net1 := []servers.Network{{UUID: Net1ID}}
	a := bootServer(t, c, cl, servers.CreateOpts{Name: "a", Networks: net1})
	a.run(t, "echo packed >/etc/packed; mkdir -p /opt/app && echo app >/opt/app/file; rm -rf /etc/skel; echo mine >/home/file; ln -s /etc/packed /srv/link")
	s := snapshot(t, c, cl, a, "packed")
	b := bootServer(t, c, cl, servers.CreateOpts{Name: "b", ImageRef: s.ID, Networks: net1})
	if got := b.run(t, "cat /etc/packed /opt/app/file /home/file /srv/link; test -e /etc/skel || echo removed; hostname"); got != "packed\napp\nmine\npacked\nremoved\nb" {
		t.Errorf("the snapshot's guest: %q", got)
	}
	again := snapshot(t, c, cl, b, "again")
	d := bootServer(t, c, cl, servers.CreateOpts{Name: "d", ImageRef: again.ID, Networks: net1})
	if got := d.run(t, "cat /etc/packed"); got != "packed" {
		t.Errorf("a snapshot's snapshot: %q", got)
	}
}

// snapshot saves a server's disk and waits until it is there.
func snapshot(t *testing.T, c *Cloud, cl *clients, s testServer, name string) *db.Image {
	t.Helper()
	id := must[string](t)(servers.CreateImage(t.Context(), cl.compute, s.id, servers.CreateImageOpts{Name: name}).ExtractImageID())
	var m *db.Image
	await(t, c, "snapshot", func() bool {
		m = c.db.Images.Get(id)
		return m.Status == "active" || m.Status == "killed"
	})
	if m.Status != "active" || m.Size < 1024 {
		t.Fatalf("the snapshot is %s with %d bytes", m.Status, m.Size)
	}
	return m
}

// An image of a volume has the disk of the server that boots from it, or what
// the volume was made of; a server boots from either.
func TestImagesOfVolumesHaveContent(t *testing.T) {
	root := busyboxRoot(t)
	c, cl := startWithRealGuests(t)
	hasNamespaces(t, c)
	ctx := t.Context()
	added, err := c.Client().AddImage(ctx, "alpine", root)
	check(t, "add", err)
	upload := func(volume, name string) string {
		up := must[volumes.VolumeImage](t)(volumes.UploadImage(ctx, cl.volume, volume, volumes.UploadImageOpts{ImageName: name, Force: true}).Extract())
		await(t, c, "the image", func() bool { return c.db.Images.Get(up.ImageID).Status == "active" })
		return up.ImageID
	}
	net1 := []servers.Network{{UUID: Net1ID}}
	a := bootServer(t, c, cl, servers.CreateOpts{Name: "a", Networks: net1, BlockDevice: []servers.BlockDevice{{
		SourceType: "image", DestinationType: "volume", UUID: added.ID, VolumeSize: 1, BootIndex: 0,
	}}})
	a.run(t, "echo mark >/etc/mark")
	var booted string
	c.db.View(func() { booted = c.db.Attachments.All()[0].VolumeID })
	refused(t, "in use", volumes.UploadImage(ctx, cl.volume, booted, volumes.UploadImageOpts{ImageName: "x"}).Err, 400, "in-use with force")
	spare := must[*volumes.Volume](t)(volumes.Create(ctx, cl.volume, volumes.CreateOpts{Size: 1, ImageID: added.ID}, nil).Extract())
	volumeIs(t, c, spare.ID, "available")
	of := map[string]string{"mark": upload(booted, "changed"), "none": upload(spare.ID, "as made")}
	check(t, "delete", servers.Delete(ctx, cl.compute, a.id).ExtractErr())
	for want, id := range of {
		b := bootServer(t, c, cl, servers.CreateOpts{Name: want, ImageRef: id, Networks: net1})
		if got := b.run(t, ". /etc/os-release; echo $ID; cat /etc/mark 2>/dev/null || echo none"); got != "alpine\n"+want {
			t.Errorf("%s: %q", want, got)
		}
	}
}

// Data that are not a root file system do not boot, and the server says why.
func TestImagesWithoutARoot(t *testing.T) {
	c, cl := startWithRealGuests(t)
	ctx := t.Context()
	m := must[*images.Image](t)(images.Create(ctx, cl.image, images.CreateOpts{Name: "junk", DiskFormat: "qcow2", ContainerFormat: "bare"}).Extract())
	check(t, "upload", imagedata.Upload(ctx, cl.image, m.ID, strings.NewReader("QFI\xfbnot a tar")).ExtractErr())
	v := must[*servers.Server](t)(servers.Create(ctx, cl.compute, servers.CreateOpts{
		Name: "v", ImageRef: m.ID, FlavorRef: "1", Networks: []servers.Network{{UUID: Net1ID}},
	}, nil).Extract())
	await(t, c, "an error", func() bool { return c.db.Servers.Get(v.ID).VMState == "error" })
	if f := c.db.Servers.Get(v.ID).Fault; !strings.Contains(f.Message, "not a tar archive") {
		t.Errorf("fault: %+v", f)
	}
	for _, text := range []string{"", "\xfd7zXZ and more"} {
		name := filepath.Join(t.TempDir(), "rootfs.tar.xz")
		check(t, "file", os.WriteFile(name, []byte(text), 0o600))
		if _, err := c.Client().AddImage(ctx, "junk", name); err == nil || !strings.Contains(err.Error(), name+": the image is not a tar archive") {
			t.Errorf("adding %q: %v", text, err)
		}
	}
}

func TestFlattenOCI(t *testing.T) {
	pack := func(zip bool, files ...string) []byte {
		var b bytes.Buffer
		tw := tar.NewWriter(&b)
		for _, f := range files {
			name, text, _ := strings.Cut(f, "=")
			check(t, name, tw.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o644, Typeflag: tar.TypeReg}))
			_, err := tw.Write([]byte(text))
			check(t, name, err)
		}
		check(t, "tar", tw.Close())
		if !zip {
			return b.Bytes()
		}
		var z bytes.Buffer
		zw := gzip.NewWriter(&z)
		_, err := zw.Write(b.Bytes())
		check(t, "gzip", err)
		check(t, "gzip", zw.Close())
		return z.Bytes()
	}
	var blobs []string
	blob := func(data []byte) string {
		digest := fmt.Sprintf("%x", sha256.Sum256(data))
		blobs = append(blobs, "blobs/sha256/"+digest+"="+string(data))
		return `{"digest":"sha256:` + digest + `"}`
	}
	one := blob(pack(true, "etc/a=1", "etc/b=1", "opt/x/y=1", "opt/z=1"))
	two := blob(pack(false, "etc/a=2", "etc/.wh.b=", "opt/x/.wh..wh..opq=", "opt/x/new=2"))
	manifest := blob([]byte(`{"layers":[` + one + `,` + two + `]}`))
	archive := filepath.Join(t.TempDir(), "oci.tar")
	files := append(blobs, "oci-layout={}", `index.json={"manifests":[`+manifest+`]}`)
	check(t, "archive", os.WriteFile(archive, pack(false, files...), 0o600))
	f, err := os.Open(archive)
	check(t, "open", err)
	defer f.Close()
	if !isOCIArchive(f) {
		t.Fatal("the archive is not taken for one")
	}
	var flat bytes.Buffer
	check(t, "flatten", flattenOCI(f, &flat))
	var got []string
	tr := tar.NewReader(&flat)
	for h, err := tr.Next(); err == nil; h, err = tr.Next() {
		var text bytes.Buffer
		_, err := text.ReadFrom(tr)
		check(t, h.Name, err)
		got = append(got, h.Name+"="+text.String())
	}
	if want := "opt/z=1 etc/a=2 opt/x/new=2"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
