package cookbooks_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/env"
)

// secureMarket serves the Supermarket of w over TLS, to a user of .netrc.
func secureMarket(t *testing.T, w *world) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "kim" || password != "open sesame" {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.URL.Path == "/universe" {
			_, _ = rw.Write([]byte(strings.ReplaceAll(string(w.market.Universe()), w.market.URL, "https://"+r.Host)))
			return
		}
		w.market.ServeHTTP(rw, r)
	}))
	s.Config.ErrorLog = nil
	t.Cleanup(s.Close)
	return s
}

func TestBerkshelfConfiguration(t *testing.T) {
	w := newWorld(t, nil, apache...)
	s := secureMarket(t, w)
	home := w.o.Env.Get("HOME")
	put := func(file, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	put(filepath.Join(home, ".netrc"), "machine 127.0.0.1 login kim password \"open sesame\"\ndefault login x password y\n")
	put(filepath.Join(w.dir, "ca.pem"), cert)
	line := "source '" + s.URL + "'\ncookbook 'apache'\n"
	for _, c := range []struct{ name, berksfile, config, want string }{
		{"an unknown certificate", line, "", "certificate"},
		{"any certificate", line, `{"ssl": {"verify": false}, "api": {"timeout": "30"}}`, ""},
		{"an authority", line, `{"ssl": {"ca_file": "ca.pem"}}`, ""},
		{"the source's own option", strings.Replace(line, "'\n", "', ssl: { verify: false }\n", 1), "", ""},
		{"a source's option over the file", strings.Replace(line, "'\n", "', ssl: { verify: true }\n", 1), `{"ssl": {"verify": false}}`, "certificate"},
		{"an option that is not known", strings.Replace(line, "'\n", "', api_key: 'x'\n", 1), "", "the option api_key is not supported"},
		{"a key that is not known", line, `{"sll": {}}`, `unknown field "sll"`},
		{"a client's certificate", line, `{"ssl": {"client_cert": "x"}}`, "ssl.client_cert is not supported"},
		{"not JSON", line, `{`, "config.json"},
		{"the address of the Chef Server", "source :chef_server\ncookbook 'apache'\n", `{"chef": {"chef_server_url": "https://chef.example"}}`, "https://chef.example is a Chef Server"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			if err := os.RemoveAll(filepath.Join(home, ".cache")); err != nil {
				t.Fatal(err)
			}
			_ = os.Remove(filepath.Join(w.dir, "Berksfile.lock"))
			w.write("Berksfile", c.berksfile)
			file := filepath.Join(home, ".berkshelf", "config.json")
			_ = os.Remove(file)
			if c.config != "" {
				put(file, c.config)
			}
			switch err := w.install("Berksfile"); {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error()+strings.Join(w.said, "\n"), c.want)):
				t.Errorf("%v %q, want %s", err, w.said, c.want)
			}
		})
	}
}

// The configuration of the folder comes before that of the user.
func TestBerkshelfConfigurationPlaces(t *testing.T) {
	w := newWorld(t, map[string]string{"Berksfile": "source 'http://127.0.0.1:1'\ncookbook 'a'\n"})
	home := w.o.Env.Get("HOME")
	for _, file := range []string{".berkshelf/config.json", "own.json"} {
		w.write(file, `{"from": "`+file+`"}`)
	}
	err := w.install("Berksfile")
	if err == nil || !strings.Contains(err.Error(), filepath.Join(w.dir, ".berkshelf", "config.json")) {
		t.Errorf("in the folder: %v", err)
	}
	w.o.Env = env.FromMap(map[string]string{"HOME": home, "BERKSHELF_CONFIG": "own.json"})
	if err = w.install("Berksfile"); err == nil || !strings.Contains(err.Error(), filepath.Join(w.dir, "own.json")) {
		t.Errorf("by BERKSHELF_CONFIG: %v", err)
	}
}
