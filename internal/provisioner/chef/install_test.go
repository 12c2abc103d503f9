//go:build unix

package chef_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/provisioner/chef"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

// mirror serves a package index with one package of a stand-in client.
func mirror(t *testing.T) (address string, requests func() []string) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, content := range map[string]string{"bin/cinc-client": standIn, "version-manifest.txt": "cinc 18.4.12\n"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(content))
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	var asked []string
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		if r.URL.Path == "/p.tgz" {
			w.Write(b.Bytes())
			return
		}
		fmt.Fprintf(w, "sha256 %x\nurl %s/p.tgz\nversion 18.4.12\n", sha256.Sum256(b.Bytes()), server.URL)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []string { return asked }
}

func TestInstall(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip(err)
	}
	address, requests := mirror(t)
	m := kitchentest.NewMachine(t)
	m.Program(t, "id", "echo 0\n")
	keys := map[string]any{"omnitruck_url": address, "product_name": "cinc", "product_version": "18", "platform": "debian", "platform_version": "12", "architecture": "x86_64"}
	text, err := converge(t, m, project(t, cookbook()), keys)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if !strings.Contains(m.Read("calls"), "cinc-client sudo=1") || !strings.Contains(text, "Installed cinc 18.4.12") {
		t.Errorf("calls %s\n%s", m.Read("calls"), text)
	}
	if _, err := os.Stat(m.Path("kitchen", ".galley-install.sh")); err == nil {
		t.Error("the installer stayed behind")
	}
	if _, err := converge(t, m, project(t, cookbook()), keys); err != nil || len(requests()) != 2 {
		t.Errorf("second time: %v, asked %q", err, requests())
	}
	// A machine that cannot download says so.
	m = kitchentest.NewMachine(t)
	m.Program(t, "id", "echo 0\n")
	keys["omnitruck_url"] = "http://127.0.0.1:1"
	m.Program(t, "sleep", "")
	_, err = converge(t, m, project(t, cookbook()), keys)
	if err == nil || !strings.Contains(err.Error(), "installing cinc failed") || !strings.Contains(kitchen.Hint(err), "http_proxy") {
		t.Errorf("error %v, hint %q", err, kitchen.Hint(err))
	}
}

func TestSpellingsOfRequireChefOmnibus(t *testing.T) {
	for spelling, c := range map[string]struct {
		value   any
		install bool
		notice  string
	}{
		"true": {true, false, ""}, "text true": {"true", false, ""}, "version here": {"18.4.12", false, ""}, "prefix here": {18, false, ""},
		"number here": {18.4, false, ""}, "another": {"12.19.36", true, "Cinc Client 12.19.36"}, "another number": {16.5, true, "Cinc Client 16.5"}, "latest": {"latest", true, "Cinc Client (latest)"},
	} {
		t.Run(spelling, func(t *testing.T) {
			m := machine(t)
			m.Write(t, m.Path("opt", "cinc", "version-manifest.txt"), "cinc 18.4.12\n", 0o644)
			// The installer itself is not wanted here: sudo does nothing for it.
			m.Program(t, "sudo", "shift 2; case $* in *galley-install*) echo installer; exit 0;; esac; exec \"$@\"\n")
			text, err := converge(t, m, project(t, cookbook()), map[string]any{"require_chef_omnibus": c.value})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(text, "installer\n"); got != c.install || !strings.Contains(text, c.notice) {
				t.Errorf("installed %v, want %v\n%s", got, c.install, text)
			}
		})
	}
	m := kitchentest.NewMachine(t)
	for _, keys := range []map[string]any{{"require_chef_omnibus": false}, {"require_chef_omnibus": "false", "product_name": "cinc"}, {"install_strategy": "skip"}} {
		_, err := converge(t, m, project(t, cookbook()), keys)
		var none *chef.NoClientError
		if !errors.As(err, &none) || kitchen.Hint(err) == "" {
			t.Errorf("%v: error %v", keys, err)
		}
	}
	// With a path given nothing is looked for.
	m.Write(t, m.Path("my", "client"), standIn, 0o755)
	if _, err := converge(t, m, project(t, cookbook()), map[string]any{"require_chef_omnibus": false, "chef_client_path": m.Path("my", "client")}); err != nil || !strings.Contains(m.Read("calls"), "client sudo=1") {
		t.Errorf("error %v, calls %s", err, m.Read("calls"))
	}
}

func TestLicense(t *testing.T) {
	m := machine(t)
	licensed := map[string]any{"product_name": "chef", "chef_license_key": "abc"}
	_, err := converge(t, m, project(t, cookbook()), licensed)
	var le *chef.LicenseError
	if !errors.As(err, &le) || kitchen.Hint(err) == "" {
		t.Errorf("error %v", err)
	}
	with := func(key string, value any) map[string]any {
		out := map[string]any{key: value}
		for k, v := range licensed {
			out[k] = v
		}
		return out
	}
	for name, c := range map[string]struct {
		keys map[string]any
		env  string
		file string
		seen string
	}{
		"key":         {keys: with("chef_license", "accept-no-persist"), seen: `chef_license "accept-no-persist"`},
		"environment": {keys: licensed, env: "CHEF_LICENSE=accept", seen: `chef_license "accept"`},
		"marker":      {keys: licensed, file: ".chef/accepted_licenses/chef_infra_client", seen: `chef_license "accept"`},
		"old version": {keys: with("product_version", "14.15")},
		"cinc":        {keys: nil},
	} {
		files := cookbook()
		if c.file != "" {
			files[c.file] = "x"
		}
		o := project(t, files)
		if c.env != "" {
			o.Environ = append(o.Environ, c.env)
		}
		if _, err := converge(t, m, o, c.keys); err != nil || !strings.Contains(m.Read("seen-config"), c.seen) {
			t.Errorf("%s: %v\n%s", name, err, m.Read("seen-config"))
		}
	}
}

// An installer of the user's own, with its options (chef_omnibus_url).
func TestOwnInstaller(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip(err)
	}
	m := kitchentest.NewMachine(t)
	m.Program(t, "id", "echo 0\n")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "echo own installer: \"$@\"\nmkdir -p %[1]s/bin\ncat >%[1]s/bin/chef-client <<'END'\n%[2]sEND\nchmod 755 %[1]s/bin/chef-client\n", m.Path("opt", "mine"), standIn)
	}))
	t.Cleanup(server.Close)
	keys := map[string]any{
		"chef_omnibus_url": server.URL + "/install.sh", "chef_omnibus_install_options": "-x 'a b'", "require_chef_omnibus": "17.10",
		"chef_omnibus_root": m.Path("opt", "mine"), "chef_license": "accept",
	}
	text, err := converge(t, m, project(t, cookbook()), keys)
	if err != nil || !strings.Contains(text, "own installer: -v 17.10 -x a b") || !strings.Contains(m.Read("calls"), "chef-client sudo=1") {
		t.Errorf("%v\n%s", err, text)
	}
}
