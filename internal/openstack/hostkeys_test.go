package openstack

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	edKey  = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJPT+1UaW1u0AYB/rY3B1N7e7fQDT9PlxIo97hoJXkzy"
	edKey2 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB3T+1UaW1u0AYB/rY3B1N7e7fQDT9PlxIo97hoJXkzy"
)

func TestParseHostKeys(t *testing.T) {
	finger := "SHA256:" + strings.Repeat("aB3+", 10) + "xyz"
	block := func(keys ...string) string {
		return "-----BEGIN SSH HOST KEY KEYS-----\n" + strings.Join(keys, "\n") + "\n-----END SSH HOST KEY KEYS-----\n"
	}
	prints := "<14>Nov 23 01:00:00 cloud-init: -----BEGIN SSH HOST KEY FINGERPRINTS-----\r\n" +
		"<14>Nov 23 01:00:00 cloud-init: 256 " + finger + " root@web (ED25519)\r\n" +
		"<14>Nov 23 01:00:00 cloud-init: -----END SSH HOST KEY FINGERPRINTS-----\r\n"
	for name, c := range map[string]struct {
		console string
		want    []string
	}{
		"nothing":              {"Booting...\nlogin: ", nil},
		"keys":                 {"boot\n" + block(edKey+" root@web") + "login:", []string{edKey}},
		"serial line ends":     {strings.ReplaceAll(block(edKey+" root@web"), "\n", "\r\n"), []string{edKey}},
		"prefixed":             {"[   12.3] cloud-init[1]: -----BEGIN SSH HOST KEY KEYS-----\n<14>x: " + edKey + " root@web\n<14>x: -----END SSH HOST KEY KEYS-----", []string{edKey}},
		"the last boot counts": {block(edKey) + block(edKey2), []string{edKey2}},
		"an unended block":     {block(edKey) + "-----BEGIN SSH HOST KEY KEYS-----\n" + edKey2, []string{edKey}},
		"a key cut short":      {block(edKey[:60], edKey2), []string{edKey2}},
		"keys over prints":     {prints + block(edKey), []string{edKey}},
		"prints alone":         {prints, []string{finger}},
		"outside of a block":   {edKey + "\n" + finger, nil},
		"another kind's blob":  {block(strings.Replace(edKey, "ssh-ed25519 ", "ssh-rsa ", 1)), nil},
	} {
		if d := cmp.Diff(c.want, ParseHostKeys(c.console)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestPrintable(t *testing.T) {
	got := Printable("one\r\n\x1b[31mtwo\x1b[0m\a\n\x1b]0;title\x07three  \n\n", 2)
	if got != "  two\n  three" {
		t.Errorf("%q", got)
	}
}

func FuzzParseHostKeys(f *testing.F) {
	f.Add("-----BEGIN SSH HOST KEY KEYS-----\n" + edKey + "\n-----END SSH HOST KEY KEYS-----\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, k := range ParseHostKeys(s) {
			if strings.ContainsAny(k, "\n\r\x1b") {
				t.Errorf("%q", k)
			}
		}
		if p := Printable(s, 5); strings.ContainsAny(p, "\x1b\x07\r") {
			t.Errorf("%q", p)
		}
	})
}
