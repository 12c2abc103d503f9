//go:build linux

package guest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func gzipped(t testing.TB, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	if _, err := zw.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// expect compares what commands print with the expected output.
func expect(t *testing.T, c *ssh.Client, checks map[string]string) {
	t.Helper()
	for command, want := range checks {
		if got := runOn(t, c, command); strings.TrimSpace(got.out) != want {
			t.Errorf("%s: got %+v, want %q", command, got, want)
		}
	}
}

func (g testGuest) finished(t *testing.T, c *ssh.Client, want string) {
	t.Helper()
	if got := runOn(t, c, "cloud-init status --wait"); strings.TrimSpace(got.out) != "status: "+want {
		t.Errorf("cloud-init: %+v\n%s", got, g.Console())
	}
}

func TestCloudConfig(t *testing.T) {
	alice := newKey(t)
	apart(t)
	g := boot(t, func(s *Spec) {
		s.Files = map[string][]byte{"/etc/injected": []byte("personality\n")}
		s.UserData = []byte(`#cloud-config
fqdn: db1.example.org
manage_etc_hosts: true
users:
  - default
  - name: alice
    gecos: Alice Example
    groups: ops, wheel
    sudo: ALL=(ALL) NOPASSWD:ALL
    shell: /bin/sh
    uid: 4711
    ssh_authorized_keys:
      - ` + authorized(alice) + `
  - name: svc
    system: true
    lock_passwd: true
write_files:
  - {path: /etc/plain, content: "plain text\n", permissions: '0640', owner: 'root:adm'}
  - {path: /opt/deep/er/b64, encoding: b64, content: aGVsbG8K, permissions: 0755}
  - path: /etc/zipped
    encoding: gz+b64
    content: ` + base64.StdEncoding.EncodeToString(gzipped(t, "was zipped\n")) + `
  - {path: /etc/plain, content: "more\n", append: true, permissions: '0640'}
  - {path: /home/alice/late, content: late, owner: alice, defer: true}
bootcmd:
  - echo boot >> /var/bootcmd
  - printf '#!/bin/sh\nread p </var/apt; echo $p "$@" >/var/apt\n' >/usr/local/sbin/apt-get
  - echo >/var/apt; chmod +x /usr/local/sbin/apt-get
runcmd:
  - [sh, -c, 'echo "$0 $1" > /var/runcmd', 'a b', "c'd"]
  - echo second; whoami >> /var/runcmd
timezone: Etc/UTC
keyboard: {layout: us}
packages: [htop, [nginx, 1.2]]
no_such_key: 1
`)
	})
	c := g.login(t, "centos")
	g.finished(t, c, "done")
	expect(t, c, map[string]string{
		"cat /etc/injected": "personality",
		"hostname":          "db1",
		"grep -c 'db1.example.org db1' /etc/hosts": "1",
		"sudo cat /etc/plain":                      "plain text\nmore",
		"stat -c %a /etc/plain":                    "640",
		"/opt/deep/er/b64 2>/dev/null; cat /opt/deep/er/b64; stat -c %a /opt/deep/er/b64": "hello\n755",
		"cat /etc/zipped":                     "was zipped",
		"cat /etc/timezone":                   "Etc/UTC",
		"readlink /etc/localtime":             "/usr/share/zoneinfo/Etc/UTC",
		"cat /var/bootcmd":                    "boot",
		"cat /var/apt":                        "-q update -qy install htop nginx=1.2",
		"head -1 /var/runcmd":                 "a b c'd",
		"getent group ops | cut -d: -f4":      "alice",
		"getent passwd alice | cut -d: -f5-7": "Alice Example:/home/alice:/bin/sh",
		"test -e /home/svc; echo $?":          "1",
		"sudo cat /home/alice/late":           "late",
		"test -s /var/lib/cloud/instance/boot-finished && test -s /run/cloud-init/result.json && echo yes": "yes",
		"sudo head -1 /var/lib/cloud/instance/user-data.txt":                                               "#cloud-config",
	})
	console := string(g.Console())
	for _, want := range []string{"key no_such_key is not supported", "key keyboard is not supported", "db1 login: "} {
		if !strings.Contains(console, want) {
			t.Errorf("no %q in the console log:\n%s", want, console)
		}
	}
	a, err := g.dial("alice", ssh.PublicKeys(alice))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	expect(t, a, map[string]string{"echo $SHELL": "/bin/sh", "sudo sh -c 'id -u'": "0"})
	if g.Mode() == ModeNamespaces {
		expect(
			t,
			a,
			map[string]string{
				"id -un":                "alice",
				"id -u":                 "4711",
				"stat -c %U ~/late ~":   "alice\nalice",
				"stat -c %G /etc/plain": "root",
				"tail -1 /var/runcmd":   "root",
			},
		)
	}
}

func TestUserDataForms(t *testing.T) {
	script := "#!/bin/sh\necho \"from the script\" > /var/script\necho to the console\n"
	if os.Geteuid() != 0 {
		script = strings.ReplaceAll(script, "\\\"", "\"")
	}
	boundary := "MIMEBOUNDARY"
	multi := "Content-Type: multipart/mixed; boundary=\"" + boundary + "\"\nMIME-Version: 1.0\n\n" +
		"--" + boundary + "\nContent-Type: text/cloud-config; charset=\"us-ascii\"\nContent-Disposition: attachment; filename=\"a.yaml\"\n\n#cloud-config\nhostname: multi\nruncmd: [echo run > /var/run1]\n" +
		"--" + boundary + "\nContent-Type: text/x-shellscript\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=\"b.sh\"\n\n" +
		base64.StdEncoding.EncodeToString([]byte(script)) + "\n" +
		"--" + boundary + "--\n"
	for name, data := range map[string][]byte{
		"script":         []byte(script),
		"gzip":           gzipped(t, script),
		"multipart":      []byte(multi),
		"gzip multipart": gzipped(t, multi),
	} {
		t.Run(name, func(t *testing.T) {
			apart(t)
			g := boot(t, func(s *Spec) { s.UserData = data })
			c := g.login(t, "centos")
			g.finished(t, c, "done")
			expect(
				t,
				c,
				map[string]string{
					"cat /var/script": "from the script",
					"grep -c 'to the console' /var/log/cloud-init-output.log || sudo grep -c 'to the console' /var/log/cloud-init-output.log": "1",
				},
			)
			if !strings.Contains(string(g.Console()), "to the console") {
				t.Error("the console log lacks the script's output")
			}
			if strings.Contains(name, "multipart") {
				expect(t, c, map[string]string{"hostname": "multi", "cat /var/run1": "run"})
			}
		})
	}
}

func TestUserDataErrors(t *testing.T) {
	for name, c := range map[string]struct{ data, want string }{
		"failing script":  {"#!/bin/sh\nexit 3\n", "ERROR: /var/lib/cloud/instance/scripts/part-001 ended with exit status 3"},
		"no interpreter":  {"#!/no/such/shell\n", "ERROR: failed to run /var/lib/cloud/instance/scripts/part-001"},
		"unknown kind":    {"hello there", `ERROR: user data of kind text/plain is not supported in this guest: it begins with "hello there"`},
		"include":         {"#include\nhttp://example.org/x\n", "ERROR: user data of kind text/x-include-url is not supported in this guest"},
		"bad YAML":        {"#cloud-config\n\tx: [", "ERROR: cloud-config is not valid YAML"},
		"bad type":        {"#cloud-config\nruncmd: {a: b}\nhostname: still-set\n", "ERROR: cloud-config: line 2: !!map is not expected here"},
		"in base64":       {"IyEvYmluL3NoCg==", `ERROR: user data of kind text/plain is not supported in this guest: it begins with "IyEvYmluL3NoCg=="`},
		"boothook":        {"#cloud-boothook\ntrue\n", "ERROR: user data of kind text/cloud-boothook is not supported in this guest"},
		"unknown field":   {"#cloud-config\nwrite_files: [{path: /etc/x, source: {uri: http://example.org}}]\n", "ERROR: cloud-config: line 2: source is not supported in this guest"},
		"field of a user": {"#cloud-config\nusers: [default, {name: x, expiredate: 2030-01-01}]\n", "ERROR: users: x: expiredate is not supported in this guest"},
		"unknown owner":   {"#cloud-config\nwrite_files: [{path: /etc/x, owner: nobody-here}]\n", "unknown user nobody-here"},
		"bad permissions": {"#cloud-config\nwrite_files: [{path: /etc/x, permissions: rwx}]\n", `permissions "rwx" are not an octal number`},
		"failing runcmd":  {"#cloud-config\nruncmd: ['exit 5']\n", "runcmd ended with exit status 5"},
	} {
		t.Run(name, func(t *testing.T) {
			g := boot(t, func(s *Spec) { s.UserData = []byte(c.data) })
			if g.Mode() != ModeNamespaces && name == "unknown owner" {
				t.Skip("one user: owners are not looked up")
			}
			client := g.login(t, "centos")
			g.finished(t, client, "error")
			if !strings.Contains(string(g.Console()), c.want) {
				t.Errorf("no %q in\n%s", c.want, g.Console())
			}
			if name == "bad type" && g.Mode() != ModeDirectory {
				expect(t, client, map[string]string{"hostname": "still-set"})
			}
		})
	}
}

func TestCloudConfigPasswords(t *testing.T) {
	// `openssl passwd -6 -salt saltstring 'Hello world!'`
	const hash = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
	g := boot(t, func(s *Spec) {
		s.UserData = []byte(`#cloud-config
password: default-pw
ssh_pwauth: yes
users:
  - default
  - {name: hashed, passwd: '` + hash + `', lock_passwd: false}
  - {name: locked, passwd: '` + hash + `'}
  - {name: plain, plain_text_passwd: plain-pw, lock_passwd: false}
  - {name: listed, lock_passwd: false}
  - {name: changed, lock_passwd: false}
chpasswd:
  expire: false
  list: |
    listed:listed-pw
    nobody-here:x
  users:
    - {name: changed, password: '` + hash + `', type: hash}
    - {name: listed, type: RANDOM}
`)
	})
	for user, pass := range map[string]string{"centos": "default-pw", "hashed": "Hello world!", "plain": "plain-pw", "listed": "listed-pw", "changed": "Hello world!"} {
		c, err := g.dial(user, ssh.Password(pass))
		if err != nil {
			t.Errorf("%s: %v", user, err)
			continue
		}
		_ = c.Close()
	}
	for _, want := range []string{"chpasswd: unknown user nobody-here", "listed: empty and random passwords are not supported"} {
		if !strings.Contains(string(g.Console()), want) {
			t.Errorf("no %q in the console log:\n%s", want, g.Console())
		}
	}
	if c, err := g.dial("locked", ssh.Password("Hello world!")); err == nil {
		_ = c.Close()
		t.Error("a locked password opened a user")
	}
	// Without ssh_pwauth a password is for the console only, as on the images.
	closed := boot(t, func(s *Spec) { s.UserData = []byte("#cloud-config\npassword: default-pw\n") })
	if c, err := closed.dial("centos", ssh.Password("default-pw")); err == nil {
		_ = c.Close()
		t.Error("a password opened a guest without ssh_pwauth")
	}
}

func TestUsersWithoutDefault(t *testing.T) {
	key := newKey(t)
	g := boot(t, func(s *Spec) {
		s.UserData = []byte(
			"#cloud-config\nusers:\n  - name: only\n    ssh_authorized_keys: [" + authorized(key) + "]\n",
		)
	})
	c, err := g.dial("only", ssh.PublicKeys(key))
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if c, err := g.dial("centos"); err == nil {
		_ = c.Close()
		t.Error("the image's user has the keys although users lacks default")
	}
}

func TestConfigDrive(t *testing.T) {
	apart(t)
	g := boot(t, func(s *Spec) {
		s.ConfigDrive, s.Metadata, s.UserData = true, map[string]string{"role": "db"}, []byte("#!/bin/sh\ntrue\n")
	})
	c := g.login(t, "centos")
	expect(t, c, map[string]string{
		"sudo grep -c '\"role\": \"db\"' /mnt/config/openstack/latest/meta_data.json":      "1",
		"sudo grep -c '\"name\": \"web one\"' /mnt/config/openstack/latest/meta_data.json": "1",
		"sudo cat /mnt/config/openstack/latest/user_data":                                  "#!/bin/sh\ntrue",
	})
	without := boot(t, nil)
	expect(t, without.login(t, "centos"), map[string]string{"sudo test -e /mnt/config; echo $?": "1"})
}

func TestScriptsRunAfterSSHIsUp(t *testing.T) {
	apart(t)
	g := boot(
		t,
		func(s *Spec) { s.UserData = []byte("#!/bin/sh\nwhile ! test -e /tmp/go-on; do sleep 0.02; done\n") },
	)
	c := g.login(t, "centos")
	if got := must(t, c, "cloud-init status"); got != "status: running" {
		t.Errorf("got %q", got)
	}
	// By these files a client sees without a command of cloud-init's that it
	// is at work.
	must(t, c, "test -e /run/cloud-init/cloud-id && ! test -e /run/cloud-init/result.json")
	must(t, c, "touch /tmp/go-on")
	g.finished(t, c, "done")
	within(
		t,
		time.Minute,
		"the login prompt",
		func() bool { return bytes.HasSuffix(bytes.TrimSpace(g.Console()), []byte(" login:")) },
	)
}
