package chefserver

import (
	"net/http"
	"strings"
	"testing"
)

func TestProxy(t *testing.T) {
	o := HTTPOptions{HTTPProxy: "p:1", HTTPSProxy: "http://jo:s3cret@q:2", NoProxy: "localhost, .example.com,10.0.*,*.lan:443"}
	for address, want := range map[string]string{
		"http://chef.org":         "http://p:1",
		"https://chef.org:443/x":  "http://jo:s3cret@q:2",
		"https://localhost:4000":  "",
		"https://a.b.example.com": "",
		"https://example.com":     "http://jo:s3cret@q:2",
		"http://10.0.3.4":         "",
		"http://nas.lan":          "",
		"http://lan":              "http://p:1",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		u, err := o.proxy(req)
		got := ""
		if u != nil {
			got = u.String()
		}
		if got != want || err != nil {
			t.Errorf("%s goes through %q, %v; want %q", address, got, err, want)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://x", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = HTTPOptions{HTTPSProxy: "http://jo:s3cret@[::"}.proxy(req)
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("an invalid proxy address: %v", err)
	}
}
