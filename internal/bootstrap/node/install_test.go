//go:build unix

package node_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/galleyhq/galley/internal/bootstrap/install"
	"github.com/galleyhq/galley/internal/bootstrap/node"
)

// tarball packs one executable file.
func tarball(t *testing.T, name, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mirror is a package index with one package, and an installer script.
func mirror(t *testing.T) (address string, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	pack := tarball(t, "opt/cinc/bin/cinc-client", standInClient)
	var web *httptest.Server
	web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/stable/cinc/metadata":
			if v := r.URL.Query().Get("v"); v != "" && v != "18" {
				http.NotFound(w, r)
				return
			}
			fmt.Fprintf(w, "sha256\t%x\nurl\t%s/cinc.tar.gz\nversion\t18.4.12\n", sha256.Sum256(pack), web.URL)
		case "/cinc.tar.gz":
			_, _ = w.Write(pack)
		case "/install.sh":
			fmt.Fprintf(w, "echo installer: \"$@\" proxy $http_proxy agent %q\nmkdir -p \"$GALLEY_ROOT/bin\"\nprintf '#!/bin/sh\\necho run \"$@\"\\n' >\"$GALLEY_ROOT/bin/chef-client\"\nchmod 755 \"$GALLEY_ROOT/bin/chef-client\"\n", r.UserAgent())
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(web.Close)
	return web.URL, asked
}

func TestBootstrapInstallsTheClient(t *testing.T) {
	address, asked := mirror(t)
	m := newMachine(t, nil)
	s := m.spec()
	s.Install = install.Request{Product: "cinc", Version: "18", Index: address, Root: "/opt/cinc", Platform: "debian", PlatformVersion: "12", CurlOptions: "--retry 2"}
	// The plan looks below /; files installed there in the test are deeper.
	m.write(t, "bin/cinc-client", "#!/bin/sh\nexec \"$GALLEY_ROOT/opt/cinc/bin/cinc-client\" \"$@\"\n")
	s.Install.Strategy = install.Always
	for range 2 {
		if err := m.bootstrap(t.Context(), s, key); err != nil {
			t.Fatalf("%v\n%s", err, m.out.String())
		}
	}
	out := m.out.String()
	for _, want := range []string{"-----> Installing cinc (stable/18)\n", "Its checksum is right", "Starting the first Cinc Client run...\nclient run: ", "Nothing to install"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("%d requests, want the index twice and the package once", n)
	}
	if left, _ := filepath.Glob("/tmp/galley-install.*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBootstrapWithAnInstallerOfOnesOwn(t *testing.T) {
	address, _ := mirror(t)
	m := newMachine(t, nil)
	s := m.spec()
	s.Install = install.Request{ScriptURL: address + "/install.sh", Version: "17", Root: "/nowhere", CurlOptions: `-A "galley test"`}
	if err := errors.Join(node.Check(s), m.bootstrap(t.Context(), s, key)); !errors.As(err, new(*node.LicenseError)) {
		t.Errorf("error %v", err)
	}
	s.ChefLicense = "accept"
	s.NoProxy, s.Proxy = "*", "http://proxy.invalid:3128"
	s.PreinstallCommand = "echo first as $(id -u)"
	if err := m.bootstrap(t.Context(), s, key); err != nil {
		t.Fatalf("%v\n%s", err, m.out.String())
	}
	out := m.out.String()
	for _, want := range []string{
		"Running the bootstrap preinstall command\nfirst as 0\n-----> Installing chef (stable/17)\n",
		"installer: -v 17 -P chef -c stable proxy http://proxy.invalid:3128 agent galley test\n",
		"Starting the first Chef Infra Client run...\nrun -c " + m.path("etc/chef/client.rb"),
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if got := m.read(t, "etc/chef/client.rb"); !strings.Contains(got, `chef_license     "accept"`) {
		t.Errorf("client.rb:\n%s", got)
	}
}

func TestBootstrapWithAnInstallCommand(t *testing.T) {
	m := newMachine(t, nil)
	s := m.spec()
	s.InstallCommand = `printf '#!/bin/sh\necho run "$@"\n' >"$GALLEY_ROOT/bin/chef-client" && chmod 755 "$GALLEY_ROOT/bin/chef-client"
cat # which finds nothing to read
`
	m.write(t, "bin/x", "")
	if err := m.bootstrap(t.Context(), s, key); err != nil {
		t.Fatalf("%v\n%s", err, m.out.String())
	}
	for command, want := range map[string]string{
		"echo no space; exit 3": "the install command ended with exit status 3; the end of its output:\n  no space",
		"if then":               "the install command ended with exit status 2",
		"rm $GALLEY_ROOT/bin/*": "the machine has no client",
	} {
		s.InstallCommand = command
		if err := m.bootstrap(t.Context(), s, key); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v", command, err)
		}
	}
	s.PreinstallCommand = "exit 4"
	if err := m.bootstrap(t.Context(), s, key); err == nil || !strings.Contains(err.Error(), "the preinstall command ended with exit status 4") {
		t.Errorf("error %v", err)
	}
}

func TestBootstrapThatCannotInstall(t *testing.T) {
	address, _ := mirror(t)
	for name, c := range map[string]struct {
		req       install.Request
		err, hint string
	}{
		"no such version": {install.Request{Product: "cinc", Version: "99", Index: address}, "there is no package of cinc 99", "--bootstrap-version"},
		"no such index":   {install.Request{Product: "cinc", Index: "http://127.0.0.1:1"}, "asking http://127.0.0.1:1 for the package failed", "--omnitruck-url"},
		"no such script":  {install.Request{Product: "cinc", ScriptURL: address + "/gone"}, "the server answered 404", "--bootstrap-url"},
		"no such product": {install.Request{Product: "automate"}, `the product "automate" is not available`, ""},
		"skip":            {install.Request{Strategy: install.Skip, Root: "/nowhere"}, "the machine has no client", "chef_client_path"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, nil)
			s := m.spec()
			c.req.Platform, c.req.PlatformVersion, c.req.Root = "debian", "12", "/nowhere"
			s.Install = c.req
			err := m.bootstrap(t.Context(), s, key)
			var hinted interface{ Hint() string }
			if err == nil || !strings.Contains(err.Error(), c.err) || !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), c.hint) {
				t.Errorf("error %v\n%s", err, m.out.String())
			}
		})
	}
}

func TestBootstrapByTemplate(t *testing.T) {
	m := newMachine(t, map[string]string{"bin/chef-client": standInClient})
	s := m.spec()
	s.Environment = "prod"
	s.TrustedCerts = map[string][]byte{"a.crt": []byte("PEM\n")}
	var got node.Values
	s.Template = func(v node.Values) ([]byte, error) {
		got = v
		// What the text names /etc/chef is the test's.
		local := strings.NewReplacer("/etc/chef", m.path("etc/chef"))
		return []byte(local.Replace("#!/bin/sh\nmkdir -p /etc/chef/trusted_certs\n" + v.TrustedCerts +
			"cat >/etc/chef/client.pem <<'EOP'\n" + string(v.ClientKey) + "EOP\n" +
			"cat >/etc/chef/client.rb <<'EOP'\n" + v.ConfigContent + "EOP\n" + v.StartChef + "\n")), nil
	}
	if err := m.bootstrap(t.Context(), s, key); err != nil {
		t.Fatalf("%v\n%s", err, m.out.String())
	}
	if m.read(t, "etc/chef/client.pem") != key || m.read(t, "etc/chef/trusted_certs/a.crt") != "PEM\n" {
		t.Error("the files are not as the template has them")
	}
	if got.StartChef != "chef-client -c /etc/chef/client.rb -j /etc/chef/first-boot.json -E prod --no-color" || !strings.Contains(m.out.String(), "client run: ") {
		t.Errorf("%s\n%s", got.StartChef, m.out.String())
	}
	if !strings.Contains(got.ConfigContent, "client_key       \"/etc/chef/client.pem\"\n") {
		t.Errorf("client.rb:\n%s", got.ConfigContent)
	}
	s.Template = func(node.Values) ([]byte, error) { return []byte("echo broken; exit 12"), nil }
	err := m.bootstrap(t.Context(), s, key)
	var failed *node.CommandError
	if !errors.As(err, &failed) || failed.Status != 12 || !strings.Contains(err.Error(), "the script of the bootstrap template") {
		t.Errorf("error %v", err)
	}
	s.Template = func(node.Values) ([]byte, error) { return nil, errors.New("line 3: not supported") }
	if err := m.bootstrap(t.Context(), s, key); err == nil || err.Error() != "line 3: not supported" {
		t.Errorf("error %v", err)
	}
}
