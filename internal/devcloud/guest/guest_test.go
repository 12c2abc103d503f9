//go:build unix

package guest

import (
	"strings"
	"testing"
)

func TestSmoke(t *testing.T) {
	g := boot(t, nil)
	t.Log(g.Mode(), g.ModeDetail())
	c := g.login(t, "centos")
	for _, cmd := range []string{"whoami", "id", "hostname", "pwd", "cat /etc/os-release | head -3", "ls /", "ls -la /root /home /tmp; true", "sudo whoami", "sudo id", "sudo -E sh -c 'echo $HOME $USER'",
		"echo hi | sudo tee /etc/foo", "sudo mkdir -p /etc/chef/ohai/hints && ls -ld /etc/chef", "mount", "ps aux", "uptime", "cat /proc/self/status | grep Cap", "sudo cat /proc/self/status | grep Cap; ls -l /proc/self/fd", "cat /proc/sys/kernel/random/boot_id", "sudo ls -la /etc/ssh /etc/sudoers.d /var/log; df -h; ls -la /dev"} {
		r := runOn(t, c, cmd)
		t.Logf("%s => %d %s\n%s%s", cmd, r.status, r.signal, r.out, r.errOut)
	}
	t.Log(strings.TrimSpace(string(g.Console())))
}
