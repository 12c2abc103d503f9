package guest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestHostIsHidden(t *testing.T) {
	outer := t.TempDir()
	secret := filepath.Join(outer, "secret")
	if err := os.WriteFile(secret, []byte("s3cret"), 0o644); err != nil {
		t.Fatal(err)
	}
	apart(t)
	g := boot(t, nil)
	c := g.login(t, "root")
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{secret, outer, wd, g.spec.Dir, "/etc/chef", "/opt/chef", "/opt/cinc"} {
		if r := runOn(t, c, "test -e "+p); r.status == 0 {
			t.Errorf("the guest sees %s", p)
		}
	}
	if got := must(t, c, "ls -A /root | grep -v -e '^.ssh$' -e '^.bash' -e '^.profile' -e '^.zsh' -e '^.m*kshrc'; true"); got != "" {
		t.Errorf("root's home has %q", got)
	}
	if got := must(t, c, "ls /home | sort | tr '\\n' ' '"); strings.TrimSpace(got) != "centos" {
		t.Errorf("homes: %q", got)
	}
}

func TestReboot(t *testing.T) {
	eachMode(t, func(t *testing.T, lim limits) {
		counter := "#!/bin/sh\necho first >> ${HOME:-/root}/first-boots\n"
		g := boot(t, func(s *Spec) { s.UserData = []byte(counter) }, lim)
		c := g.login(t, "root")
		must(t, c, "cloud-init status --wait")
		must(t, c, "echo kept > kept; echo $$ > pid; (setsid sleep 300 >/dev/null 2>&1 &)")
		keys := must(t, c, "cat /etc/ssh/ssh_host_ed25519_key.pub 2>/dev/null; true")
		before := g.Ready()
		bootID := must(t, c, "cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo none")

		reboots := []struct {
			how string
			do  func(c *ssh.Client)
		}{
			{"the API", func(*ssh.Client) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := g.Reboot(ctx); err != nil {
					t.Fatal(err)
				}
			}},
			{"sudo reboot", func(c *ssh.Client) {
				s, err := c.NewSession()
				if err != nil {
					t.Fatal(err)
				}
				_ = s.Run("sudo reboot") // the connection may drop before the answer
			}},
			{"shutdown -r", func(c *ssh.Client) {
				s, err := c.NewSession()
				if err != nil {
					t.Fatal(err)
				}
				_ = s.Run("sudo shutdown -r now")
			}},
		}
		for _, r := range reboots {
			r.do(c)
			_ = c.Wait() // the connection drops
			within(t, time.Minute, "the next boot begins", func() bool { return g.Ready() != before })
			before = g.Ready()
			g.awaitReady(t)
			c = g.login(t, "root")
			if got := must(t, c, "cat kept"); got != "kept" {
				t.Errorf("%s: the disk was lost: %q", r.how, got)
			}
			if got := must(t, c, "cat first-boots"); got != "first" {
				t.Errorf("%s: the first boot's script ran again: %q", r.how, got)
			}
			if r2 := runOn(t, c, "pgrep -f '^sleep 300'"); r2.status == 0 && g.Mode() != ModeDirectory {
				t.Errorf("%s: a process survived", r.how)
			}
			if g.Mode() != ModeDirectory {
				if got := must(t, c, "cat /etc/ssh/ssh_host_ed25519_key.pub"); got != keys {
					t.Errorf("%s: the host keys have changed", r.how)
				}
				if got := must(t, c, "cat /proc/sys/kernel/random/boot_id"); got == bootID {
					t.Errorf("%s: the boot's ID is the same", r.how)
				}
			}
		}
		if n := bytes.Count(g.Console(), []byte("Linux version")); n != 4 {
			t.Errorf("the console log shows %d boots", n)
		}
	})
}

func TestKilledStarterLeavesNoProcess(t *testing.T) {
	eachMode(t, func(t *testing.T, lim limits) {
		mode := ""
		if lim.NoUserNS {
			mode = ModeDirectory
		} else if lim.NoRoot && os.Geteuid() == 0 {
			t.Skip("the same as in mode namespaces")
		}
		key := newKey(t)
		dir := guestDir(t)
		cmd := exec.CommandContext(t.Context(), self(t)[0], argStarter, dir, mode, authorized(key))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 256)
		n, _ := out.Read(line)
		if !strings.HasPrefix(string(line[:n]), "ready") {
			t.Fatalf("the starter says %q", line[:n])
		}
		g := testGuest{&Guest{spec: Spec{Dir: dir}}, key}
		c := g.login(t, "debian")
		mark := fmt.Sprintf("8%d.125", os.Getpid())
		must(
			t,
			c,
			"nohup setsid sh -c 'trap \"\" TERM HUP; sleep "+mark+"; sleep "+mark+"' </dev/null >/dev/null 2>&1 & sleep 0.05",
		)
		within(t, time.Minute, "its process runs", func() bool { return len(marked(mark)) > 0 })
		var rec struct {
			Pid   int
			Start string
		}
		note, err := os.ReadFile(filepath.Join(dir, pidName))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(string(note), &rec.Pid, &rec.Start); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		within(
			t,
			time.Minute,
			"the guest dies with its starter",
			func() bool { return startTime(rec.Pid) != rec.Start },
		)
		within(t, time.Minute, "its processes die with it", func() bool { return len(marked(mark)) == 0 })
		if err := Remove(dir); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(dir); err == nil {
			t.Error("the directory is still there")
		}
	})
}

func TestLongDirectory(t *testing.T) {
	eachMode(t, func(t *testing.T, lim limits) {
		g := boot(t, func(s *Spec) {
			s.Dir = filepath.Join(s.Dir, strings.Repeat("long/", 20), "with a space, a comma: and colon", "x")
		}, lim)
		if got := must(t, g.login(t, "centos"), "echo here"); got != "here" {
			t.Errorf("got %q", got)
		}
		if g.Mode() != ModeDirectory {
			must(t, g.login(t, "centos"), "echo x | sudo tee /usr/share/x")
		}
	})
}

func TestConsoleDevice(t *testing.T) {
	apart(t)
	g := boot(t, nil)
	must(t, g.login(t, "root"), "echo written to the console > /dev/console; echo and again >> /dev/console")
	within(t, time.Minute, "the text in the console log", func() bool {
		return bytes.Contains(g.Console(), []byte("written to the console\n")) && bytes.Contains(g.Console(), []byte("and again\n"))
	})
}
