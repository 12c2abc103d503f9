//go:build unix

package install_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/galleyhq/galley/internal/bootstrap/install"
)

// tarball packs files, executable ones where they begin with #!.
func tarball(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, content := range files {
		mode := int64(0o644)
		if strings.HasPrefix(content, "#!") {
			mode = 0o755
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func cinc(version string) map[string]string {
	return map[string]string{
		"opt/cinc/bin/cinc-client":       "#!/bin/sh\necho Cinc Client: " + version + "\n",
		"opt/cinc/version-manifest.txt":  "cinc " + version + "\nmore\n",
		"opt/cinc/embedded/bin/ruby":     "#!/bin/sh\n",
		"opt/cinc/embedded/with a space": "x",
	}
}

// mirror is a package index with its packages.
type mirror struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string
	// fail answers the next requests with these statuses.
	fail []int
	// metadata, when set, replaces the index's answer.
	metadata string
	packages map[string][]byte
	// version is the newest one.
	version string
	// sum, when set, is announced in place of the right checksum.
	sum string
}

func newMirror(t *testing.T) *mirror {
	m := &mirror{packages: map[string][]byte{}, version: "18.4.12"}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	return m
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests = append(m.requests, r.URL.String())
	if len(m.fail) > 0 {
		status := m.fail[0]
		m.fail = m.fail[1:]
		w.WriteHeader(status)
		return
	}
	if b, ok := m.packages[r.URL.Path]; ok {
		w.Write(b)
		return
	}
	if !strings.HasSuffix(r.URL.Path, "/metadata") || !strings.HasPrefix(m.version, r.URL.Query().Get("v")) {
		http.NotFound(w, r)
		return
	}
	if m.metadata != "" {
		fmt.Fprint(w, m.metadata)
		return
	}
	path := "/files/cinc_" + m.version + ".tar.gz"
	sum := m.sum
	if sum == "" {
		s := sha256.Sum256(m.packages[path])
		sum = hex.EncodeToString(s[:])
	}
	fmt.Fprintf(w, "sha1\tabc\nsha256\t%s\nurl\t%s%s?x=1\nversion\t%s\n", sum, m.URL, path, m.version)
}

func (m *mirror) asked() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.requests...)
}

// host is a machine's root directory and the tools it has.
type host struct{ root, bin string }

func newHost(t *testing.T, osRelease string, tools ...string) *host {
	t.Helper()
	h := &host{root: t.TempDir(), bin: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(h.root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if osRelease != "" {
		if err := os.WriteFile(filepath.Join(h.root, "etc/os-release"), []byte(osRelease), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if tools == nil {
		tools = []string{"curl", "sha256sum"}
	}
	tools = append(tools, "sh", "sed", "tr", "head", "tail", "cut", "cat", "rm", "mkdir", "mktemp", "dd", "od", "tar", "gzip", "grep", "basename", "uname", "sleep", "id")
	for _, tool := range tools {
		at, err := exec.LookPath(tool)
		if err != nil {
			t.Skipf("this test needs %s", tool)
		}
		if err := os.Symlink(at, filepath.Join(h.bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h *host) program(t *testing.T, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.bin, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// run runs the plan's installer and returns its output and error.
func (h *host) run(t *testing.T, p *install.Plan) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "install.sh")
	if err := os.WriteFile(file, p.Script(), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", file)
	cmd.Env = []string{"PATH=" + h.bin, "GALLEY_ROOT=" + h.root, "GALLEY_PAUSE=0", "TMPDIR=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	status := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return string(out), p.Explain(status, strings.Split(string(out), "\n"))
}

const debian = "ID=debian\nVERSION_ID=\"12\"\n"

func TestInstallFromAnIndex(t *testing.T) {
	for _, tools := range [][]string{{"curl", "sha256sum"}, {"wget", "openssl"}, {"python3"}, {"curl", "shasum", "perl"}, {"perl", "sha256sum"}} {
		t.Run(strings.Join(tools, " "), func(t *testing.T) {
			m := newMirror(t)
			m.packages["/files/cinc_18.4.12.tar.gz"] = tarball(t, cinc("18.4.12"))
			h := newHost(t, debian, tools...)
			if tools[0] == "python3" {
				// A shim would look for more than there is.
				real, err := exec.CommandContext(t.Context(), "python3", "-c", "import sys; print(sys.executable)").Output()
				if err != nil {
					t.Skip(err)
				}
				os.Remove(filepath.Join(h.bin, "python3"))
				if err := os.Symlink(strings.TrimSpace(string(real)), filepath.Join(h.bin, "python3")); err != nil {
					t.Fatal(err)
				}
			}
			p := plan(t, install.Request{Product: "cinc", Version: "18", Index: m.URL + "/", Architecture: "amd64"})
			out, err := h.run(t, p)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if got := m.asked(); len(got) != 2 || got[0] != "/stable/cinc/metadata?p=debian&pv=12&m=x86_64&v=18" {
				t.Errorf("asked %q", got)
			}
			if b, err := os.ReadFile(filepath.Join(h.root, "opt/cinc/embedded/with a space")); string(b) != "x" {
				t.Errorf("%q, %v", b, err)
			}
			for _, want := range []string{"Its checksum is right", "Installed cinc 18.4.12"} {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
			// Nothing is installed twice.
			out, err = h.run(t, p)
			if err != nil || len(m.asked()) != 3 || !strings.Contains(out, "Nothing to install") {
				t.Errorf("second time: %v, asked %q\n%s", err, m.asked(), out)
			}
			// A newer one is.
			m.mu.Lock()
			m.version = "18.5.0"
			m.packages["/files/cinc_18.5.0.tar.gz"] = tarball(t, cinc("18.5.0"))
			m.mu.Unlock()
			if out, err = h.run(t, p); err != nil || !strings.Contains(out, "Installed cinc 18.5.0") {
				t.Errorf("third time: %v\n%s", err, out)
			}
		})
	}
}

func TestIndexThatAnswersJSON(t *testing.T) {
	m := newMirror(t)
	pkg := tarball(t, cinc("18.4.12"))
	m.packages["/files/c.tar.gz"] = pkg
	sum := sha256.Sum256(pkg)
	m.metadata = fmt.Sprintf(`{"sha1":"a","sha256":"%x", "url": "%s\/files\/c.tar.gz?license_id=s3cret\u0026y=1","version":"18.4.12"}`, sum, strings.ReplaceAll(m.URL, "/", `\/`))
	h := newHost(t, debian)
	out, err := h.run(t, plan(t, install.Request{Product: "cinc", Index: m.URL, License: "s3cret"}))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(out, "s3cret") {
		t.Errorf("the key is shown:\n%s", out)
	}
	if got := m.asked(); len(got) != 2 || !strings.Contains(got[0], "license_id=s3cret") || got[1] != "/files/c.tar.gz?license_id=s3cret&y=1" {
		t.Errorf("asked %q", got)
	}
	mark, err := os.ReadFile(filepath.Join(h.root, "opt/cinc/.galley-package"))
	if err != nil || strings.Contains(string(mark), "s3cret") {
		t.Errorf("the record is %q, %v", mark, err)
	}
}

func TestPlatforms(t *testing.T) {
	for name, c := range map[string]struct {
		osRelease string
		files     map[string]string
		want      string
	}{
		"ubuntu":     {osRelease: "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"22.04\"\n", want: "p=ubuntu&pv=22.04"},
		"debian":     {osRelease: debian, want: "p=debian&pv=12"},
		"raspbian":   {osRelease: "ID=raspbian\nID_LIKE=debian\nVERSION_ID=\"11\"\n", want: "p=debian&pv=11"},
		"debian sid": {osRelease: "ID=debian\n", files: map[string]string{"debian_version": "13.1\n"}, want: "p=debian&pv=13"},
		"mint":       {osRelease: "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID=\"21\"\nUBUNTU_CODENAME=jammy\n", want: "p=ubuntu&pv=22.04"},
		"kali":       {osRelease: "ID=kali\nID_LIKE=debian\nVERSION_ID=\"2024.1\"\n", files: map[string]string{"debian_version": "12.5\n"}, want: "p=debian&pv=12"},
		"rocky":      {osRelease: "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.3\"\n", want: "p=el&pv=9"},
		"alma":       {osRelease: "ID='almalinux'\nID_LIKE='rhel centos fedora'\nVERSION_ID='8.9'\n", want: "p=el&pv=8"},
		"rhel":       {osRelease: "ID=\"rhel\"\nVERSION_ID=\"10.0\"\n", want: "p=el&pv=10"},
		"centos 7":   {osRelease: "ID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"7\"\n", want: "p=el&pv=7"},
		"oracle":     {osRelease: "ID=\"ol\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"8.6\"\n", want: "p=el&pv=8"},
		"fedora":     {osRelease: "ID=fedora\nVERSION_ID=40\n", want: "p=el&pv=9"},
		"amazon":     {osRelease: "ID=\"amzn\"\nID_LIKE=\"centos rhel fedora\"\nVERSION_ID=\"2\"\n", want: "p=amazon&pv=2"},
		"leap":       {osRelease: "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\nVERSION_ID=\"15.5\"\n", want: "p=sles&pv=15"},
		"centos 6":   {files: map[string]string{"redhat-release": "CentOS release 6.10 (Final)\n"}, want: "p=el&pv=6"},
		"ubuntu old": {files: map[string]string{"lsb-release": "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=12.04\n", "debian_version": "wheezy/sid\n"}, want: "p=ubuntu&pv=12.04"},
		"debian old": {files: map[string]string{"debian_version": "6.0.10\n"}, want: "p=debian&pv=6"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMirror(t)
			m.metadata = "none\n"
			h := newHost(t, c.osRelease)
			for file, content := range c.files {
				if err := os.WriteFile(filepath.Join(h.root, "etc", file), []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			out, err := h.run(t, plan(t, install.Request{Index: m.URL, Architecture: "i686"}))
			var e *install.ExitError
			if !errors.As(err, &e) || e.Status != 82 || e.Hint() == "" {
				t.Errorf("error %v\n%s", err, out)
			}
			if got := m.asked(); len(got) != 1 || got[0] != "/stable/chef/metadata?"+c.want+"&m=i386" {
				t.Errorf("asked %q, want %s\n%s", got, c.want, out)
			}
		})
	}
	h := newHost(t, "ID=alpine\nVERSION_ID=3.19\n")
	_, err := h.run(t, plan(t, install.Request{Index: "http://127.0.0.1:1"}))
	var e *install.ExitError
	if !errors.As(err, &e) || e.Status != 81 || !strings.Contains(err.Error(), "alpine") {
		t.Errorf("alpine: error %v", err)
	}
}

func TestFailures(t *testing.T) {
	good := tarball(t, cinc("18.4.12"))
	for name, c := range map[string]struct {
		tools  []string
		mirror func(*mirror)
		req    install.Request
		status int
		says   string
	}{
		"no downloader":    {tools: []string{"sha256sum"}, status: 80, says: "curl, wget, python and perl"},
		"no such version":  {req: install.Request{Version: "99"}, status: 82, says: "99"},
		"licence refused":  {mirror: func(m *mirror) { m.fail = []int{403} }, status: 82, says: "licence"},
		"index down":       {mirror: func(m *mirror) { m.fail = []int{503, 503, 503, 503} }, status: 83, says: "503"},
		"package missing":  {mirror: func(m *mirror) { delete(m.packages, "/files/cinc_18.4.12.tar.gz"); m.sum = strings.Repeat("0", 64) }, status: 83, says: "404"},
		"wrong checksum":   {mirror: func(m *mirror) { m.sum = strings.Repeat("0", 64) }, status: 84, says: "not 0000"},
		"no checksum":      {mirror: func(m *mirror) { m.metadata = "url http://127.0.0.1:1/x\nversion 1\n" }, status: 84, says: "SHA-256"},
		"no checksum tool": {tools: []string{"curl"}, status: 87, says: "SHA-256"},
		"not a package":    {mirror: func(m *mirror) { m.packages["/files/cinc_18.4.12.tar.gz"] = []byte("<html>") }, status: 85, says: "3c68746d"},
		"broken tarball":   {mirror: func(m *mirror) { m.packages["/files/cinc_18.4.12.tar.gz"] = good[:len(good)/2] }, status: 85, says: "cannot be unpacked"},
		"another product": {mirror: func(m *mirror) {
			m.packages["/files/cinc_18.4.12.tar.gz"] = tarball(t, map[string]string{"usr/x": "y"})
		}, status: 85, says: "holds neither"},
		"deb without dpkg":   {mirror: func(m *mirror) { m.packages["/files/cinc_18.4.12.tar.gz"] = []byte("!<arch>\n") }, status: 85, says: "dpkg"},
		"rpm without rpm":    {mirror: func(m *mirror) { m.packages["/files/cinc_18.4.12.tar.gz"] = []byte("\xed\xab\xee\xdb....") }, status: 85, says: "rpm"},
		"nobody answers":     {req: install.Request{Index: "http://127.0.0.1:1"}, status: 83},
		"a script's own way": {req: install.Request{ScriptURL: "http://127.0.0.1:1/install.sh"}, status: 83},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMirror(t)
			m.packages["/files/cinc_18.4.12.tar.gz"] = good
			if c.mirror != nil {
				c.mirror(m)
			}
			if c.tools == nil {
				c.tools = []string{"curl", "sha256sum"}
			}
			if c.req.Index == "" && c.req.ScriptURL == "" {
				c.req.Index = m.URL
			}
			c.req.Product = "cinc"
			if c.req.ScriptURL != "" {
				c.req.Product = "chef"
			}
			h := newHost(t, debian, c.tools...)
			out, err := h.run(t, plan(t, c.req))
			var e *install.ExitError
			if !errors.As(err, &e) || e.Status != c.status || !strings.Contains(err.Error(), c.says) || e.Hint() == "" {
				t.Errorf("error %v, want status %d and %q\n%s", err, c.status, c.says, out)
			}
			if _, err := os.Stat(filepath.Join(h.root, "opt/cinc/.galley-package")); err == nil {
				t.Error("a failed installation left its record")
			}
		})
	}
}

func TestTransientFailuresAreRetried(t *testing.T) {
	m := newMirror(t)
	m.packages["/files/cinc_18.4.12.tar.gz"] = tarball(t, cinc("18.4.12"))
	m.fail = []int{503, 429, 500}
	h := newHost(t, debian)
	if out, err := h.run(t, plan(t, install.Request{Product: "cinc", Index: m.URL})); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestNamedPackage(t *testing.T) {
	m := newMirror(t)
	pkg := tarball(t, cinc("17.1.2"))
	m.packages["/mine/cinc-17.tgz"] = pkg
	sum := sha256.Sum256(pkg)
	h := newHost(t, "") // nothing is asked of the platform
	p := plan(t, install.Request{Product: "chef", URL: m.URL + "/mine/cinc-17.tgz?token=t0ken", SHA256: strings.ToUpper(hex.EncodeToString(sum[:]))})
	if p.Product != "cinc" || p.Notice != "" {
		t.Errorf("product %q, notice %q", p.Product, p.Notice)
	}
	out, err := h.run(t, p)
	if err != nil || strings.Contains(out, "t0ken") {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err = h.run(t, p)
	if err != nil || len(m.asked()) != 1 || !strings.Contains(out, "Nothing to install") {
		t.Errorf("second time: %v, asked %q\n%s", err, m.asked(), out)
	}
	h = newHost(t, "")
	p = plan(t, install.Request{Product: "chef", URL: m.URL + "/mine/cinc-17.tgz"})
	if out, err := h.run(t, p); err != nil || !strings.Contains(out, "not verified") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTarballLayouts(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"dotted":        {"./opt/cinc/bin/cinc-client": "#!/bin/sh\n", "./opt/cinc/version-manifest.txt": "cinc 1.2.3\n"},
		"bare":          {"bin/cinc-client": "#!/bin/sh\n", "version-manifest.txt": "cinc 1.2.3\n"},
		"nested":        {"cinc-1.2.3/bin/cinc-client": "#!/bin/sh\n", "cinc-1.2.3/version-manifest.txt": "cinc 1.2.3\n"},
		"dotted nested": {"./cinc/bin/cinc-client": "#!/bin/sh\n", "./cinc/version-manifest.txt": "cinc 1.2.3\n"},
	} {
		m := newMirror(t)
		m.packages["/p.tgz"] = tarball(t, files)
		h := newHost(t, "")
		out, err := h.run(t, plan(t, install.Request{Product: "cinc", URL: m.URL + "/p.tgz"}))
		if err != nil || !strings.Contains(out, "Installed cinc 1.2.3") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestPackageManagers(t *testing.T) {
	const made = "mkdir -p \"$GALLEY_ROOT/opt/cinc/bin\"\necho cinc 18.0.1 >\"$GALLEY_ROOT/opt/cinc/version-manifest.txt\"\n"
	for name, c := range map[string]struct {
		pkg, tool, script string
		calls             string
		fails             string
	}{
		"dpkg":        {pkg: "!<arch>\nx", tool: "dpkg", script: "echo \"$@\" >>$GALLEY_ROOT/calls\n" + made, calls: "-i --force-confnew "},
		"dpkg locked": {pkg: "!<arch>\nx", tool: "dpkg", script: "echo \"$@\" >>$GALLEY_ROOT/calls\n[ -e $GALLEY_ROOT/again ] || { : >$GALLEY_ROOT/again; echo 'dpkg: error: dpkg frontend lock was locked by another process with pid 7' >&2; exit 2; }\n" + made, calls: "-i --force-confnew "},
		"dpkg fails":  {pkg: "!<arch>\nx", tool: "dpkg", script: "echo broken package >&2; exit 1\n", fails: "dpkg could not"},
		"rpm":         {pkg: "\xed\xab\xee\xdbx", tool: "rpm", script: "echo \"$@\" >>$GALLEY_ROOT/calls\n" + made, calls: "-U --oldpackage --replacepkgs "},
		"rpm locked":  {pkg: "\xed\xab\xee\xdbx", tool: "rpm", script: "echo \"$@\" >>$GALLEY_ROOT/calls\n[ -e $GALLEY_ROOT/again ] || { : >$GALLEY_ROOT/again; echo \"error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Resource temporarily unavailable)\" >&2; exit 1; }\n" + made, calls: "-U --oldpackage --replacepkgs "},
		"rpm fails":   {pkg: "\xed\xab\xee\xdbx", tool: "rpm", script: "echo broken package >&2; exit 1\n", fails: "rpm could not"},
		"elsewhere":   {pkg: "\xed\xab\xee\xdbx", tool: "rpm", script: "exit 0\n", fails: "no /opt/cinc/bin"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMirror(t)
			m.packages["/p"] = []byte(c.pkg)
			h := newHost(t, "")
			h.program(t, c.tool, c.script)
			out, err := h.run(t, plan(t, install.Request{Product: "cinc", URL: m.URL + "/p"}))
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) || c.fails != "no /opt/cinc/bin" && !strings.Contains(out, "broken package") {
					t.Errorf("error %v\n%s", err, out)
				}
				return
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			calls, _ := os.ReadFile(filepath.Join(h.root, "calls"))
			if !strings.HasPrefix(string(calls), c.calls) {
				t.Errorf("called with %q", calls)
			}
		})
	}
}

func TestOwnInstaller(t *testing.T) {
	m := newMirror(t)
	m.packages["/install.sh"] = []byte("echo \"got: $*\"; mkdir -p \"$GALLEY_ROOT/opt/chef/bin\"; [ \"$5\" != fail ]\n")
	h := newHost(t, "")
	p := plan(t, install.Request{Version: "12", ScriptURL: m.URL + "/install.sh", ScriptOptions: "-P 'angry chef' -x"})
	if p.Notice != "" || p.Product != "chef" || !p.Licensed {
		t.Errorf("%+v", p)
	}
	out, err := h.run(t, p)
	if err != nil || !strings.Contains(out, "got: -v 12 -P angry chef -x\n") {
		t.Errorf("%v\n%s", err, out)
	}
	m.packages["/install.sh"] = []byte("exit 3\n")
	_, err = h.run(t, p)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v", err)
	}
}

func TestNeedsRoot(t *testing.T) {
	h := newHost(t, debian)
	os.Remove(filepath.Join(h.bin, "id"))
	h.program(t, "id", "case $1 in -u) echo 1000;; -un) echo kim;; esac\n")
	file := filepath.Join(t.TempDir(), "install.sh")
	p := plan(t, install.Request{Product: "cinc"})
	if err := os.WriteFile(file, p.Script(), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", file)
	cmd.Env = []string{"PATH=" + h.bin}
	out, _ := cmd.CombinedOutput()
	err := p.Explain(cmd.ProcessState.ExitCode(), strings.Split(string(out), "\n"))
	var e *install.ExitError
	if !errors.As(err, &e) || e.Status != 86 || !strings.Contains(err.Error(), "kim") {
		t.Errorf("error %v\n%s", err, out)
	}
}

func TestScriptIsPOSIX(t *testing.T) {
	p := plan(t, install.Request{Product: "cinc", Version: "18.1"})
	for _, sh := range []string{"sh", "dash", "bash", "busybox"} {
		at, err := exec.LookPath(sh)
		if err != nil {
			continue
		}
		args := []string{"-n"}
		if sh == "busybox" {
			args = []string{"sh", "-n"}
		}
		cmd := exec.CommandContext(t.Context(), at, args...)
		cmd.Stdin = bytes.NewReader(p.Script())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", sh, err, out)
		}
	}
}
