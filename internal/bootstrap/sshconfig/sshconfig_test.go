package sshconfig_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/bootstrap/sshconfig"
)

// home writes files below the .ssh directory of a new home directory.
func home(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, ".ssh", name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

type warnings []string

func (w *warnings) add(format string, args ...any) { *w = append(*w, fmt.Sprintf(format, args...)) }

var cases = map[string]struct {
	files map[string]string
	host  string
	want  string // hostname port user
}{
	"a plain alias":         {map[string]string{"config": "Host box\n HostName h1\n Port 2201\n User u1\n"}, "box", "h1 2201 u1"},
	"a quoted host":         {map[string]string{"config": "Host \"box\"\n HostName h1\n"}, "box", "h1 22 me"},
	"quotes among hosts":    {map[string]string{"config": "Host a \"box\" 'c'\n HostName \"h1\"\n"}, "box", "h1 22 me"},
	"single quotes":         {map[string]string{"config": "Host 'box'\n HostName 'h1'\n"}, "box", "h1 22 me"},
	"equals signs":          {map[string]string{"config": "Host=box\n HostName = h1\n Port=2201\n"}, "box", "h1 2201 me"},
	"the first one wins":    {map[string]string{"config": "Host box\n HostName h1\nHost *\n HostName h2\n Port 2202\n"}, "box", "h1 2202 me"},
	"negation":              {map[string]string{"config": "Host *.x !b.x\n HostName h1\n"}, "b.x", "b.x 22 me"},
	"a wildcard":            {map[string]string{"config": "Host w?b-*\n HostName h1\n"}, "web-7", "h1 22 me"},
	"before any block":      {map[string]string{"config": "Port 2201\nHost box\n HostName h1\n Port 2202\n"}, "box", "h1 2201 me"},
	"a comment behind":      {map[string]string{"config": "Host box # the box\n HostName h1 # its name\n"}, "box", "h1 22 me"},
	"case of keywords":      {map[string]string{"config": "hOsT box\n hostNAME h1\n"}, "box", "h1 22 me"},
	"tabs and CRLF":         {map[string]string{"config": "Host\tbox\r\n\tHostName\th1\r\n"}, "box", "h1 22 me"},
	"match all":             {map[string]string{"config": "Match all\n Port 2201\n"}, "box", "box 2201 me"},
	"match host by name":    {map[string]string{"config": "Host box\n HostName h1\nMatch host h1\n Port 2201\n"}, "box", "h1 2201 me"},
	"match original host":   {map[string]string{"config": "Host box\n HostName h1\nMatch originalhost box\n Port 2201\n"}, "box", "h1 2201 me"},
	"match of two":          {map[string]string{"config": "Match host a,box user me\n Port 2201\n"}, "box", "box 2201 me"},
	"match not":             {map[string]string{"config": "Match !host box\n Port 2201\n"}, "box", "box 22 me"},
	"a relative include":    {map[string]string{"config": "Include conf.d/*\n", "conf.d/a": "Host box\n HostName h1\n"}, "box", "h1 22 me"},
	"a quoted include":      {map[string]string{"config": "Include \"conf d/a\"\n", "conf d/a": "Host box\n HostName h1\n"}, "box", "h1 22 me"},
	"several includes":      {map[string]string{"config": "Include one two\n", "one": "Host a\n Port 1\n", "two": "Host box\n HostName h1\n"}, "box", "h1 22 me"},
	"a nested include":      {map[string]string{"config": "Include one\n", "one": "Include sub/two\n", "sub/two": "Host box\n HostName h1\n"}, "box", "h1 22 me"},
	"an include in a block": {map[string]string{"config": "Host other\n Include one\nHost box\n Port 2202\n", "one": "HostName h1\n"}, "box", "box 2202 me"},
	"after an include":      {map[string]string{"config": "Host box\n Include one\n Port 2202\n", "one": "Host x\n HostName h1\n"}, "box", "box 2202 me"},
	"blocks of an include":  {map[string]string{"config": "Host b*\n Include one\n", "one": "Host x*\n Port 1\nHost box\n Port 2203\n"}, "box", "box 2203 me"},
	"an include of nothing": {map[string]string{"config": "Include none/*\nHost box\n HostName h1\n"}, "box", "h1 22 me"},
}

func TestLookup(t *testing.T) {
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := home(t, c.files)
			var warned warnings
			f := sshconfig.Read(dir, warned.add, filepath.Join(dir, ".ssh", "config"))
			got := shown(f.Lookup(sshconfig.Query{Host: c.host, LocalUser: "me"}), c.host)
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if len(warned) > 0 {
				t.Errorf("warned: %q", warned)
			}
		})
	}
}

func shown(h *sshconfig.Host, host string) string {
	or := func(a, b string) string {
		if a != "" {
			return a
		}
		return b
	}
	return or(h.Get("hostname"), host) + " " + or(h.Get("port"), "22") + " " + or(h.Get("user"), "me")
}

// The ssh client itself resolves the same files to the same values. It looks
// for relative includes below the home directory of the account, so that only
// cases without one are compared.
func TestLookupAsSSH(t *testing.T) {
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		t.Skip("ssh is not installed")
	}
	for name, c := range cases {
		if len(c.files) > 1 || strings.Contains(name, "include") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			dir := home(t, c.files)
			out, err := exec.Command(ssh, "-G", "-F", filepath.Join(dir, ".ssh", "config"), "-l", "me", c.host).Output()
			if err != nil {
				t.Fatalf("ssh -G: %v", err)
			}
			got := map[string]string{}
			for l := range strings.Lines(string(out)) {
				k, v, _ := strings.Cut(strings.TrimSpace(l), " ")
				got[k] = v
			}
			want := strings.Fields(c.want)
			if got["hostname"] != want[0] || got["port"] != want[1] {
				t.Errorf("ssh says %s %s, the test wants %s", got["hostname"], got["port"], c.want)
			}
		})
	}
}

func TestWhatIsNotUsedIsReported(t *testing.T) {
	for content, word := range map[string]string{
		"Match exec \"touch %s/ran\"\n Port 2201\n":       `config:1: the Match block is skipped: Galley does not evaluate "exec"`,
		"Match host box exec true\n Port 2201\n":          `"exec"`,
		"Match final all\n Port 2201\n":                   `"final"`,
		"Host \"box\n":                                    "config:1: the line is skipped: a quote is not closed",
		"Port\n":                                          "a value is missing",
		"Include config\n":                                "more than 16 deep",
		"Match localnetwork 10.0.0.0/8\n Port 2201\n":     `"localnetwork"`,
		"Match host box tagged \"x\"\n Port 2201\nHost\n": "config:3",
	} {
		dir := home(t, map[string]string{})
		if err := os.MkdirAll(filepath.Join(dir, ".ssh"), 0o700); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, ".ssh", "config")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(content, "%s", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
		var warned warnings
		f := sshconfig.Read(dir, warned.add, file)
		for range 2 {
			if got := f.Lookup(sshconfig.Query{Host: "box", LocalUser: "me"}).Get("port"); got != "" {
				t.Errorf("%q applies", content)
			}
		}
		if !strings.Contains(strings.Join(warned, "\n"), word) {
			t.Errorf("%q: warned %q, want %q", content, warned, word)
		}
		if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
			t.Error("a command was run")
		}
	}
	// Another host is of no concern to the block.
	dir := home(t, map[string]string{"config": "Match host other exec true\n Port 1\n"})
	var warned warnings
	sshconfig.Read(dir, warned.add, filepath.Join(dir, ".ssh", "config")).Lookup(sshconfig.Query{Host: "box"})
	if len(warned) > 0 {
		t.Errorf("warned of a block for another host: %q", warned)
	}
}

func TestValuesOfManyArguments(t *testing.T) {
	dir := home(t, map[string]string{"config": "Host box\n" +
		" IdentityFile ~/.ssh/a\n IdentityFile \"~/.ssh/b c\"\n UserKnownHostsFile ~/k1 \"~/k 2\"\n ProxyCommand sh -c 'exec nc \"%h\" %p' # not a comment\n"})
	var warned warnings
	h := sshconfig.Read(dir, warned.add, filepath.Join(dir, ".ssh", "config")).Lookup(sshconfig.Query{Host: "box"})
	if got := strings.Join(h.All("identityfile"), "|"); got != "~/.ssh/a|~/.ssh/b c" {
		t.Errorf("identity files: %s", got)
	}
	if got := strings.Join(h.List("userknownhostsfile"), "|"); got != "~/k1|~/k 2" {
		t.Errorf("known hosts: %s", got)
	}
	if got := h.Raw("proxycommand"); got != `sh -c 'exec nc "%h" %p' # not a comment` {
		t.Errorf("proxy command: %s", got)
	}
	var none *sshconfig.File
	if none.Lookup(sshconfig.Query{Host: "x"}).Get("port") != "" {
		t.Error("no file says something")
	}
}

func FuzzRead(f *testing.F) {
	for _, c := range cases {
		f.Add(c.files["config"])
	}
	f.Add("Match !all,\nHost \\\"\\ '\nPort =\n")
	f.Fuzz(func(t *testing.T, content string) {
		if strings.Contains(strings.ToLower(content), "include") {
			t.Skip()
		}
		dir := home(t, map[string]string{"config": content})
		sshconfig.Read(dir, func(string, ...any) {}, filepath.Join(dir, ".ssh", "config")).Lookup(sshconfig.Query{Host: "box"})
	})
}
