package guest

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLesserWorlds sees the worlds that hosts with less to offer get.
func TestLesserWorlds(t *testing.T) {
	apart(t)
	for name, c := range map[string]struct {
		lim  limits
		want string
	}{
		"layers in memory":       {limits{NoDiskLayers: true}, "are in memory"},
		"layers in memory, user": {limits{NoDiskLayers: true, NoRoot: true}, "are in memory"},
	} {
		t.Run(name, func(t *testing.T) {
			g := boot(t, func(s *Spec) { s.UserData = []byte("#!/bin/sh\necho first >> /root/boots\n") }, c.lim)
			if !strings.Contains(string(g.Console()), c.want) && !strings.Contains(g.ModeDetail(), c.want) {
				t.Errorf("neither mode nor console tell: %s", g.ModeDetail())
			}
			client := g.login(t, "centos")
			g.finished(t, client, "done")
			for _, check := range [][2]string{
				{"hostname", "web-one"},
				{". /etc/os-release; echo $ID", "centos"},
				{"sudo sh -c 'id -u'", "0"},
				{"sudo mkdir -p /etc/chef/ohai/hints && echo '{}' | sudo tee /etc/chef/ohai/hints/openstack.json", "{}"},
				{"echo x | sudo tee /var/lib/some-file /opt/some-file /etc/some-file", "x"},
				{"sudo rm -rf /etc/skel; test -e /etc/skel; echo $?", "1"},
				{"sudo touch /etc/a && sudo ln /etc/a /etc/b && sudo ln -s a /etc/c && echo ok", "ok"},
			} {
				if got := runOn(t, client, check[0]); strings.TrimSpace(got.out) != check[1] {
					t.Errorf("%s: got %+v, want %q", check[0], got, check[1])
				}
			}
			for _, p := range []string{"/etc/chef/ohai/hints/openstack.json", "/var/lib/some-file", "/etc/some-file"} {
				if _, err := os.Lstat(p); err == nil {
					t.Errorf("%s appeared on the host", p)
				}
			}
			if err := g.Reboot(t.Context()); err != nil {
				t.Fatal(err)
			}
			g.awaitReady(t)
			again := g.login(t, "root")
			for _, check := range [][2]string{
				{"cat /etc/some-file /var/lib/some-file", "x\nx"},
				{"test -e /etc/skel; echo $?", "1"},
				{"test /etc/a -ef /etc/b && readlink /etc/c", "a"},
				{"cat /root/boots", "first"},
				{"ls -A /etc/sudoers.d /var/log/apt 2>/dev/null | grep -v -e : -e '^$' | wc -l", "0"},
			} {
				if got := runOn(t, again, check[0]); strings.TrimSpace(got.out) != check[1] {
					t.Errorf("after a reboot: %s: got %+v, want %q", check[0], got, check[1])
				}
			}
		})
	}
}

func TestOnDisk(t *testing.T) {
	for fstype, want := range map[string]bool{"ext4": true, "xfs": true, "overlay": true, "tmpfs": false, "fuse.sshfs": false, "cgroup2": false} {
		if onDisk(fstype) != want {
			t.Errorf("onDisk(%s) is %v", fstype, !want)
		}
	}
}

func TestPackedTree(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for _, d := range []string{"usr/upper/bin", "usr/work/work", "usr/upper/empty"} {
		if err := os.MkdirAll(filepath.Join(from, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(from, name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	write("usr/upper/bin/tool", "text")
	write("usr/work/work/junk", "junk")
	if err := os.Link(filepath.Join(from, "usr/upper/bin/tool"), filepath.Join(from, "usr/upper/bin/other")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/no/where", filepath.Join(from, "usr/upper/link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(from, "usr/upper/fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Chmod(filepath.Join(from, "usr/upper/empty"), 0o1777); err != nil {
		t.Fatal(err)
	}
	xattr := unix.Setxattr(filepath.Join(from, "usr/upper/empty"), "user.overlay.opaque", []byte("y"), 0) == nil
	if !xattr {
		t.Log("this file system has no user attributes")
	}
	var b bytes.Buffer
	if err := packDir(&b, from, upperOnly); err != nil {
		t.Fatal(err)
	}
	if err := unpackTree(bytes.NewReader(b.Bytes()), to, false); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(to, "usr/upper/bin/other")); err != nil || string(data) != "text" {
		t.Errorf("a hard link: %q, %v", data, err)
	}
	one, err := os.Stat(filepath.Join(to, "usr/upper/bin/tool"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.Stat(filepath.Join(to, "usr/upper/bin/other"))
	if err != nil || !os.SameFile(one, two) || one.Mode().Perm() != 0o640 {
		t.Errorf("hard links: %v %v %v", one, two, err)
	}
	if target, err := os.Readlink(filepath.Join(to, "usr/upper/link")); err != nil || target != "/no/where" {
		t.Errorf("a link: %q, %v", target, err)
	}
	if st, err := os.Lstat(filepath.Join(to, "usr/upper/empty")); err != nil ||
		st.Mode() != os.ModeDir|os.ModeSticky|0o777 {
		t.Errorf("a directory: %v, %v", st, err)
	}
	if st, err := os.Lstat(filepath.Join(to, "usr/upper/fifo")); err != nil || st.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("a pipe: %v, %v", st, err)
	}
	if _, err := os.Lstat(filepath.Join(to, "usr/work")); err == nil {
		t.Error("overlayfs's own directory was packed")
	}
	if xattr {
		value := make([]byte, 8)
		if n, err := unix.Getxattr(filepath.Join(to, "usr/upper/empty"), "user.overlay.opaque", value); err != nil ||
			string(value[:n]) != "y" {
			t.Errorf("an attribute: %q, %v", value[:max(n, 0)], err)
		}
	}

	// Names that lead outside.
	for _, h := range []*tar.Header{
		{Name: "../x", Typeflag: tar.TypeReg}, {Name: "x", Typeflag: tar.TypeLink, Linkname: "../../etc/passwd"},
	} {
		var bad bytes.Buffer
		tw := tar.NewWriter(&bad)
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if err := tw.Close(); err != nil {
			t.Fatal(err)
		}
		if err := unpackTree(&bad, t.TempDir(), true); err == nil {
			t.Errorf("%s was unpacked", h.Name)
		}
	}
}
