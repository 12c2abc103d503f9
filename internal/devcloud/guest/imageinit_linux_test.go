package guest

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// smallRoot is a root file system with a shell, cat, sleep and the files
// given.
func smallRoot(t *testing.T, files map[string]string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	put := func(name string, data []byte, perm fs.FileMode) {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, data, perm); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range []string{"/bin/sh", "/bin/cat", "/bin/sleep"} {
		needs, err := exec.CommandContext(t.Context(), "ldd", program).Output()
		if err != nil {
			t.Skipf("ldd %s: %v", program, err)
		}
		for _, f := range append(strings.Fields(string(needs)), program) {
			if data, err := os.ReadFile(f); strings.HasPrefix(f, "/") && err == nil {
				put(f, data, 0o755)
			}
		}
	}
	for name, text := range files {
		put(name, []byte(text), 0o755)
	}
	return root
}

// The cloud-init of an image does the first boot, and every other, around the
// start of the SSH server; nothing of this package's own does.
func TestCloudInitOfTheImage(t *testing.T) {
	apart(t)
	root := smallRoot(t, map[string]string{
		"/etc/passwd":     "root:x:0:0:root:/root:/bin/sh\nimg:x:0:0:made by the image:/home/img:/bin/sh\n",
		"/etc/group":      "root:x:0:\n",
		"/etc/os-release": "ID=small\nPRETTY_NAME=Small\n",
		"/usr/bin/cloud-init": `#!/bin/sh
echo "image: $*"
[ "$1" = status ] || echo "$*" >>/calls
case "$*" in
"init --local") cat /run/cloud-init/enabled /run/cloud-init/cloud.cfg >/config;;
init) for h in /home/img /root; do cat /var/lib/cloud/seed/config_drive/openstack/latest/user_data >$h/.ssh/authorized_keys; done
	echo "PermitRootLogin no" >/etc/ssh/sshd_config.d/50-cloud-init.conf;;
"modules --mode=config") while ! [ -e /tmp/go-on ]; do sleep 0.02; done;;
"modules --mode=final") exit 1;;
esac
`,
		"/home/img/.ssh/authorized_keys":            "",
		"/root/.ssh/authorized_keys":                "",
		"/etc/ssh/sshd_config":                      "Include /etc/ssh/sshd_config.d/*.conf\n",
		"/etc/ssh/sshd_config.d/50-cloud-init.conf": "",
	})
	key := newKey(t)
	g := boot(t, func(s *Spec) { s.RootFS, s.UserData = root, []byte(authorized(key)+"\n") })
	login := func() *ssh.Client {
		t.Helper()
		c, err := g.dial("img", ssh.PublicKeys(key))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	c := login()
	const before = "init --local\ninit\nmodules --mode=config"
	within(t, time.Minute, "the stage after SSH", func() bool { return must(t, c, "cat /calls") == before })
	must(t, c, ": >/tmp/go-on")
	done := func() bool { return strings.Contains(string(g.Console()), "ERROR: cloud-init [modules --mode=final]") }
	within(t, time.Minute, "the last stage, which fails", done)
	expect(t, c, map[string]string{
		"cat /calls":                     before + "\nmodules --mode=final",
		"cat /config":                    "datasource_list: [ConfigDrive, None]\nnetwork: {config: disabled}",
		"cloud-init status":              "image: status",
		"cat /etc/passwd":                "root:x:0:0:root:/root:/bin/sh\nimg:x:0:0:made by the image:/home/img:/bin/sh",
		"[ -e /etc/sudoers.d ]; echo $?": "1",
	})
	if !strings.Contains(string(g.Console()), "image: init --local\nimage: init\n") {
		t.Errorf("no output of the image's cloud-init in\n%s", g.Console())
	}
	if _, err := g.dial("root", ssh.PublicKeys(key)); err == nil || strings.Contains(string(g.Console()), "no effect") {
		t.Errorf("an included file of sshd_config is not read: %v", err)
	}
	must(t, c, ": >/calls")
	if err := g.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.awaitReady(t)
	within(t, time.Minute, "the second boot", func() bool { return must(t, login(), "cat /calls") == before+"\nmodules --mode=final" })
}

// The default user of an image without cloud-init may use sudo, also beside
// the users of the user data.
func TestUsersOfAnImage(t *testing.T) {
	apart(t)
	root := smallRoot(t, map[string]string{
		"/etc/passwd":     "root:x:0:0:root:/root:/bin/sh\n",
		"/etc/group":      "root:x:0:\n",
		"/etc/os-release": "ID=small\n",
	})
	g := boot(t, func(s *Spec) {
		s.RootFS = root
		s.UserData = []byte("#cloud-config\nusers: [default, {name: ann, sudo: 'ALL=(ALL) ALL'}]\n")
	})
	expect(t, g.login(t, "root"), map[string]string{
		"cat /etc/sudoers.d/90-cloud-init-users": "small ALL=(ALL) NOPASSWD:ALL\n# Created by cloud-init\nann ALL=(ALL) ALL",
		"cat /proc/1/comm":                       "init",
	})
}

// A program that was linked with a C library says so where an image has none.
func TestImageWithoutLoader(t *testing.T) {
	var b bytes.Buffer
	if err := PackDirectory(smallRoot(t, nil), &b); err != nil {
		t.Fatal(err)
	}
	if err := UnpackImage(&b, filepath.Join(t.TempDir(), "whole")); err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	if err := runsIn(empty); err == nil {
		t.Skip("these tests were built without cgo")
	} else if !strings.Contains(err.Error(), "CGO_ENABLED=0") {
		t.Error(err)
	}
}
