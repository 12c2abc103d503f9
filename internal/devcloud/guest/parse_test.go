package guest

import (
	"encoding/base64"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestPasswordHashes(t *testing.T) {
	// SHA-crypt's published vectors, and others made by crypt(3).
	for _, c := range []struct{ password, entry string }{
		{"Hello world!", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"},
		{"Hello world!", "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."},
		{"geheim wort", "$6$abcdefgh$WJ8xtXLZQzlph4HWtTd0J4QawbNnEaK9OwSA0e5awDQVbCGaMxwEycZRtDDCVWNlZnNobrSkhIpj2ZWgoTeqb1"},
		{"secret-pw", "$y$j9T$abcdefghijklmnop$weti.5vymqdDkSETla5h5WZXk/WpBxGn72nOuATUXw1"},
		{"x", "$5$abcdefgh$sI6g8tHKrJ6RX7w.YoN9B7a/5wK5jYEOMmMnt3tPl0/"},
	} {
		if !checkPassword(c.password, c.entry) {
			t.Errorf("%q does not fit %s", c.password, c.entry)
		}
		if checkPassword(c.password+"x", c.entry) || checkPassword("", c.entry) {
			t.Errorf("another password fits %s", c.entry)
		}
	}
	for _, entry := range []string{"", "!", "!!", "*", "x", "!$6$a$b", "$6$", "$6$rounds=$a$b", "$y$j9T$abc$def"} {
		if checkPassword("", entry) || checkPassword("x", entry) {
			t.Errorf("a password fits %q", entry)
		}
	}
	entry := hashPassword("secret")
	if !checkPassword("secret", entry) || checkPassword("Secret", entry) || entry == hashPassword("secret") {
		t.Errorf("hashPassword: %s", entry)
	}
}

func TestSeededImage(t *testing.T) {
	for name, want := range map[string][3]string{
		"CentOS 7 GC 2014-09-16": {"centos", "centos", "7"},
		"ubuntu-14.04":           {"ubuntu", "ubuntu", "14.04"},
		"ubuntu-22.04":           {"ubuntu", "ubuntu", "22.04"},
		"debian-12":              {"debian", "debian", "12"},
		"cirros-0.5":             {"", "centos", ""},
		"":                       {"", "centos", ""},
	} {
		im := seededImage(name)
		release := parseEnvironment([]byte(im.files["/etc/os-release"]))
		if got := [3]string{release["ID"], im.user, release["VERSION_ID"]}; got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	rel := seededImage("CentOS 7").files["/etc/os-release"]
	for _, want := range []string{"ID=centos\n", `VERSION_ID="7"`, `PRETTY_NAME="CentOS Linux 7 (Core)"`} {
		if !strings.Contains(rel, want) {
			t.Errorf("no %s in\n%s", want, rel)
		}
	}
}

func TestSplitUserData(t *testing.T) {
	kinds := func(parts []part) (out []string) {
		for _, p := range parts {
			out = append(out, p.kind)
		}
		return out
	}
	for name, c := range map[string]struct {
		data  string
		kinds []string
		errs  int
	}{
		"empty":             {"", nil, 0},
		"blank":             {" \n\n", nil, 0},
		"config":            {"#cloud-config\n{}\n", []string{kindConfig}, 0},
		"upper case":        {"#CLOUD-CONFIG\n", []string{kindConfig}, 0},
		"script":            {"#!/bin/sh\n", []string{kindScript}, 0},
		"hook":              {"#cloud-boothook\n#!/bin/sh\n", nil, 1},
		"base64 of unknown": {base64.StdEncoding.EncodeToString([]byte("just text")), nil, 1},
		"handler":           {"#part-handler\n", nil, 1},
		"broken gzip":       {"\x1f\x8bnot gzip", nil, 1},
		"no boundary":       {"Content-Type: multipart/mixed\n\nx\n", nil, 1},
		"cut multipart":     {"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n", nil, 1},
		"vague part":        {"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n#!/bin/sh\n--b--\n", []string{kindScript}, 0},
		"archive":           {"#cloud-config-archive\n- '#!/bin/sh'\n", nil, 1},
	} {
		parts, errs := splitUserData([]byte(c.data))
		if got := kinds(parts); !reflect.DeepEqual(got, c.kinds) || (len(errs) > 0) != (c.errs > 0) {
			t.Errorf("%s: got %q and errors %v", name, got, errs)
		}
	}
}

func TestParseCloudConfig(t *testing.T) {
	c, errs := parseCloudConfig([]part{
		{kind: kindConfig, body: []byte("#cloud-config\nhostname: a\nruncmd: [one]\nusers: [a, b]\n")},
		{kind: kindScript, body: []byte("#!/bin/sh\n")},
		{kind: kindConfig, body: []byte("#cloud-config\nhostname: b\nruncmd: [two, [x, 1, true]]\n" +
			"ssh_pwauth: yes\nusers: [{name: carl, shell: /bin/sh, groups: 'a, b'}]\nkeyboard: {layout: us}\n")},
		{kind: kindConfig, body: []byte("#cloud-config\n")},
	})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if c.Hostname != "b" || len(c.Runcmd) != 2 || c.Runcmd[0].line != "two" ||
		!reflect.DeepEqual(c.Runcmd[1].argv, []string{"x", "1", "true"}) {
		t.Errorf("got %+v", c)
	}
	if on, known := c.PasswordAuth.truth(); !on || !known {
		t.Errorf("ssh_pwauth: %q", c.PasswordAuth)
	}
	if len(c.Users) != 1 || c.Users[0].Name != "carl" || len(c.Users[0].Groups) != 2 || len(c.Unknown) != 1 {
		t.Errorf("users: %+v, other keys: %v", c.Users, c.Unknown)
	}
	c, errs = parseCloudConfig([]part{{kind: kindConfig, body: []byte("hostname: [1]\nfqdn: x.y\nusers: 7\nwrite_files: nonsense\n")}})
	if len(errs) != 3 || c.FQDN != "x.y" {
		t.Errorf("got %+v, %v", c, errs)
	}
}

func TestTruth(t *testing.T) {
	var s scalar
	for text, want := range map[string][2]bool{"yes": {true, true}, "NO": {false, true}, "on": {true, true}, "unchanged": {false, false}, "": {false, false}} {
		s = scalar(text)
		if v, k := s.truth(); v != want[0] || k != want[1] {
			t.Errorf("%q: %v %v", text, v, k)
		}
	}
}

func TestSSHDConfig(t *testing.T) {
	c := parseSSHDConfig("# PasswordAuthentication yes\npasswordauthentication no\nPasswordAuthentication yes\n" +
		"PermitRootLogin without-password\nAllowTcpForwarding=no\nMaxAuthTries 3 # few\nMaxAuthTries 4\nUsePAM yes\nMatch User x\nPubkeyAuthentication no\n")
	if c.passwords || !c.publicKeys || c.rootLogin != "prohibit-password" || c.forwarding ||
		!slices.Equal(c.ignored, []string{"MaxAuthTries", "Match"}) {
		t.Errorf("got %+v", c)
	}
	for name, want := range map[string]bool{"LANG": true, "LC_ALL": true, "LANGUAGE": false, "PATH": false} {
		if accepted(name) != want {
			t.Errorf("accepted(%s) is %v", name, !want)
		}
	}
	got := parseSSHDConfig(setSSHDOption(defaultSSHDConfig, "PasswordAuthentication", "yes"))
	if !got.passwords || !got.forwarding || got.ignored != nil {
		t.Errorf("after setting: %+v", got)
	}
	if !parseSSHDConfig(setSSHDOption("Match all\n", "PasswordAuthentication", "no")).publicKeys {
		t.Error("a new option was put into a Match block")
	}
}

func TestAccountsFiles(t *testing.T) {
	users := parsePasswd(
		[]byte(
			"root:x:0:0:root:/root:/bin/sh\nbad\nx:x:-1:0:::\ny:x:a:0:::\nbob:x:1001:1002:Bob,,:/home/bob:/bin/bash\n",
		),
	)
	if len(users) != 2 || users[1].line() != "bob:x:1001:1002:Bob,,:/home/bob:/bin/bash\n" {
		t.Errorf("got %+v", users)
	}
	groups := parseGroup([]byte("root:x:0:\nadm:x:4:a,b\n:x:1:\n"))
	if len(groups) != 2 || groups[1].line() != "adm:x:4:a,b\n" || groups[0].line() != "root:x:0:\n" {
		t.Errorf("got %+v", groups)
	}
	for name, want := range map[string]bool{"bob": true, "web-admin": true, "_x": true, "9x": false, "a b": false, "": false, "a:b": false, "-x": false, strings.Repeat("a", 33): false} {
		if validName(name) != want {
			t.Errorf("validName(%q) is %v", name, !want)
		}
	}
}

func FuzzUserData(f *testing.F) {
	for _, seed := range []string{
		"#cloud-config\nusers: [default, {name: x, groups: [a], sudo: false}]\nruncmd: [a, [b, c]]\n",
		"#cloud-config\na: &a {b: *a}\n", "#cloud-config\ngroups: &g [*g]\nusers: &u [*u]\nruncmd: &r [*r]\n", "#!/bin/sh\n", "\x1f\x8b\x08",
		"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/cloud-config\n\n#cloud-config\nx: 1\n--b--\n",
		"#cloud-config-archive\n- {type: text/cloud-config, content: 'hostname: x'}\n- '#!/bin/sh'\n",
		"#cloud-config\nwrite_files: [{path: /x, encoding: gz+b64, content: H4sI}]\nchpasswd: {list: [a:b]}\ngroups: {a: [b]}\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		parts, _ := splitUserData(data)
		c, _ := parseCloudConfig(parts)
		for _, w := range c.Files {
			_, _ = w.data()
		}
	})
}

func FuzzAccountFiles(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/sh\n", "adm:x:4:a,b\n", "Port 22\nAcceptEnv LC_*\nMatch all\n")
	f.Fuzz(func(t *testing.T, passwd, groups, conf string) {
		for _, u := range parsePasswd([]byte(passwd)) {
			if again := parsePasswd([]byte(u.line())); len(again) != 1 || again[0] != u {
				t.Errorf("%+v does not survive", u)
			}
		}
		for _, g := range parseGroup([]byte(groups)) {
			if again := parseGroup([]byte(g.line())); len(again) != 1 || !reflect.DeepEqual(again[0], g) {
				t.Errorf("%+v does not survive", g)
			}
		}
		_ = parseSSHDConfig(conf)
		_ = parseSSHDConfig(setSSHDOption(conf, "PasswordAuthentication", "no"))
		_ = checkPassword("x", passwd)
	})
}
