package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const canary = "hunter2-canary"

func TestNoWayOfPrintingShowsASecret(t *testing.T) {
	type holder struct {
		Text    Text
		Address URL
	}
	h := holder{canary, "https://me:" + canary + "@cloud:5000/v3?token=" + canary}
	var outputs []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		outputs = append(outputs, fmt.Sprintf(verb, h), fmt.Sprintf(verb, h.Text), fmt.Sprintf(verb, h.Address), fmt.Sprintf(verb, &h))
	}
	j, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "holder", h, "text", h.Text, "address", h.Address)
	outputs = append(outputs, string(j), string(y), log.String(), fmt.Errorf("failed: %v", h).Error())
	for _, o := range outputs {
		if strings.Contains(o, canary) || strings.Contains(o, fmt.Sprintf("%x", canary)) {
			t.Errorf("the secret shows: %s", o)
		}
	}
	if h.Text.Reveal() != canary || !strings.Contains(h.Address.Reveal(), canary) {
		t.Error("Reveal does not return the secret")
	}
	if s := fmt.Sprint(Text("")); s != "" {
		t.Errorf("an empty secret prints as %q", s)
	}
}

func TestHideURLs(t *testing.T) {
	for in, want := range map[string]string{
		"no address":                                   "no address",
		"https://cloud:5000/v3":                        "https://cloud:5000/v3",
		"https://u:p@cloud:5000/v3":                    "https://[redacted]@cloud:5000/v3",
		"https://ghp_token@github.com/a/b":             "https://[redacted]@github.com/a/b",
		"HTTP://u:p@h":                                 "HTTP://[redacted]@h",
		"ssh://git@host/repo":                          "ssh://git@host/repo",
		"sftp://u:p@host/repo":                         "sftp://u:[redacted]@host/repo",
		"http://u:p@ss@host/":                          "http://[redacted]@host/",
		"http://u:p/ss@host/x":                         "http://[redacted]@host/x",
		"http://host:80/mail@example":                  "http://host:80/mail@example",
		"http://[::1]:80/mail@example":                 "http://[::1]:80/mail@example",
		"see https://h/p?a=1&token=x&b=2, or not":      "see https://h/p?a=1&token=[redacted]&b=2, or not",
		"https://h/p?X-Amz-Signature=abc&X-Amz-Date=1": "https://h/p?X-Amz-Signature=[redacted]&X-Amz-Date=1",
		"https://h/#access_token=abc":                  "https://h/#access_token=[redacted]",
		"https://h/?marker=a&limit=2":                  "https://h/?marker=a&limit=2",
		"https://h/?sig=a;limit=2":                     "https://h/?sig=[redacted];limit=2",
		`a "https://u:p@h/" and 'ftp://u:p@h'`:         `a "https://[redacted]@h/" and 'ftp://u:[redacted]@h'`,
		"https://h/?api_key=a https://h/?api_key=b":    "https://h/?api_key=[redacted] https://h/?api_key=[redacted]",
		"://": "://",
		"https://h/?next=https://u:p@other/?password=hh": "https://h/?next=https://[redacted]@other/?password=[redacted]",
	} {
		if got := HideURLs(in); got != want {
			t.Errorf("%s\n got  %s\n want %s", in, got, want)
		}
	}
}

func FuzzHideURLs(f *testing.F) {
	f.Add("https://u:p@h/?token=x#y")
	f.Add("a://b://c@d?e=f")
	f.Fuzz(func(t *testing.T, s string) {
		once := HideURLs(s)
		if twice := HideURLs(once); twice != once {
			t.Errorf("not stable: %q, then %q", once, twice)
		}
	})
}

func TestIsName(t *testing.T) {
	for name, want := range map[string]bool{
		"openstack_api_key": true, "OS_PASSWORD": true, "openstackPassword": true, "authToken": true, "encrypted_data_bag_secret": true,
		"ssh_key": false, "key_name": false, "secret_file": false, "token_url": false, "": false, "passenger": false, "private_key_path": false,
		"client_secret": true, "token": true, "OS_APPLICATION_CREDENTIAL_ID": false, "OS_APPLICATION_CREDENTIAL_SECRET": true,
	} {
		if got := IsName(name); got != want {
			t.Errorf("IsName(%q) = %v", name, got)
		}
	}
}

func TestRedactor(t *testing.T) {
	var r Redactor
	if got := r.Clean("as it is"); got != "as it is" {
		t.Errorf("got %q", got)
	}
	r.Add("abcdefg", "abcdefghij", "short")
	if got, want := r.Clean("x abcdefghij abcdefg short"), "x [redacted] [redacted] short"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var none *Redactor
	if got := none.Clean("x"); got != "x" {
		t.Errorf("got %q", got)
	}
}

func TestInURL(t *testing.T) {
	got := InURL("https://me:p%40ss@host/x?a=1&token=a%20b#access_token=c")
	want := []string{"p@ss", "me:p%40ss", "bWU6cEBzcw==", "a%20b", "a b", "c"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := InURL("https://host/x?a=1"); len(got) > 0 {
		t.Errorf("got %q of an address without secrets", got)
	}
}
