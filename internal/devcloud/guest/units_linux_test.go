package guest

import (
	"strings"
	"testing"
)

const testUnits = `cat >/etc/systemd/system/web@.service <<'E'
[Unit]
Description=A web server on %i
[Service]
ExecStartPre=-/bin/false
ExecStart=/bin/sh -c 'echo "started $GREETING"; exec sleep 1000'
ExecReload=/bin/sh -c 'echo reloaded $MAINPID'
Environment="GREETING=hello %i"
User=nobody
RuntimeDirectory=web-%i
Restart=on-failure
[Install]
WantedBy=multi-user.target
E
cat >/etc/systemd/system/forks.service <<'E'
[Service]
Type=forking
TimeoutStartSec=0
PIDFile=/run/forks.pid
ExecStart=/bin/sh -c 'sleep 1000 & echo $! >/run/forks.pid'
E
cat >/etc/systemd/system/broken.service <<'E'
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo no good; exit 3'
E
cat >/etc/init.d/old <<'E'
#!/bin/sh
echo "old $1" >>/root/old.log
E
chmod +x /etc/init.d/old; systemctl daemon-reload`

// A package's unit is started, watched, restarted and stopped as by systemd,
// and no name of the stand-ins ends the guest that is not one to end it.
func TestUnits(t *testing.T) {
	apart(t)
	g := boot(t, nil)
	c := g.login(t, "root")
	must(t, c, testUnits)
	for _, check := range []struct{ command, want string }{
		{"cat /proc/1/comm; test -d /run/systemd/system && echo yes", "systemd\nyes"},
		{"runlevel; sudo runlevel", "N 5\nN 5"},
		{"telinit 5; telinit q; echo $?", "0"},
		{"systemctl is-active web@a; echo $?", "inactive\n3"},
		{"systemctl enable --now web@a 2>&1 | cut -d' ' -f1-2; systemctl is-enabled web@a", "Created symlink\nenabled"},
		{"systemctl is-active web@a", "active"},
		{"systemctl show -p MainPID --value web@a | xargs ps -o user= -p", "nobody"},
		{"stat -c %U /run/web-a", "nobody"},
		{"systemctl reload web@a; journalctl -u web@a | sed 's/ [0-9]*$//'", "started hello a\nreloaded"},
		{
			`p=$(systemctl show -p MainPID --value web@a); kill -9 $p
for i in $(seq 50); do q=$(systemctl show -p MainPID --value web@a); [ $q != 0 ] && [ $q != $p ] && break; sleep .1; done
systemctl is-active web@a; [ $p != $q ] && echo restarted`, "active\nrestarted",
		},
		{"systemctl stop web@a; systemctl is-active web@a; pgrep -u nobody sleep", "inactive"},
		{
			`systemctl start forks && [ $(systemctl show -p MainPID --value forks) = $(cat /run/forks.pid) ] && echo same
systemctl stop forks; pgrep sleep`, "same",
		},
		{"systemctl start broken 2>/dev/null; echo $?; systemctl is-failed broken; journalctl -u broken | head -1", "1\nfailed\nno good"},
		{"systemctl start old; systemctl is-active old; systemctl stop old; cat /root/old.log", "active\nold start\nold stop"},
		{"systemctl start nothing.service 2>&1; echo $?", "Failed to start nothing.service: Unit nothing.service not found.\n5"},
		{"systemctl -q mask none 2>/dev/null; systemctl start none 2>&1; systemctl -q unmask none 2>/dev/null", "Unit none.service is masked."},
		{
			"su -s /bin/sh nobody -c 'systemctl stop web@a; systemctl poweroff; reboot' 2>&1",
			"Failed to stop web@a: Access denied\nFailed to poweroff : Access denied\nreboot: must be superuser.",
		},
		{"su -s /bin/sh nobody -c 'systemctl show-environment' | cut -d= -f1", "PATH"},
		{"systemctl --root=/ --system --preset-mode=enable-only preset web@b 2>/dev/null; systemctl is-enabled web@b", "enabled"},
		{"hostnamectl set-hostname other; hostname", "other"},
	} {
		if g.Mode() == ModeUserNamespace && (check.want == "nobody" || strings.HasPrefix(check.command, "su ")) {
			continue // one user ID
		}
		got := runOn(t, c, check.command)
		if strings.TrimSpace(strings.ReplaceAll(got.out, "\r", "")) != check.want {
			t.Errorf("%s:\n%s%s\nwant:\n%s", check.command, got.out, got.errOut, check.want)
		}
	}
	if err := g.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.awaitReady(t)
	got := runOn(t, g.login(t, "root"),
		"for i in $(seq 50); do systemctl -q is-active web@a && break; sleep .1; done; systemctl is-active web@a")
	if strings.TrimSpace(got.out) != "active" {
		t.Errorf("an enabled unit after a reboot: %+v", got)
	}
}
