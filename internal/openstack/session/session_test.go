package session

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/testing/fakecloud"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEverySpellingOfTheAuthURL(t *testing.T) {
	for name, c := range map[string]struct {
		offered []string
		path    string
		version string // of the request
		calls   int64  // for the login
	}{
		"v3, the usual case":          {[]string{"v3.14"}, "/v3", "3", 1},
		"v3 with a slash":             {[]string{"v3.14"}, "/v3/", "3", 1},
		"v3 with the token path":      {[]string{"v3.14"}, "/v3/auth/tokens", "3", 1},
		"no version":                  {[]string{"v3.14"}, "", "3", 2},
		"no version, a slash":         {[]string{"v3.14", "v2.0"}, "/", "3", 2},
		"v2.0 where v3 is alone":      {[]string{"v3.14"}, "/v2.0", "3", 2},
		"v2.0 of the blog":            {[]string{"v3.14"}, "/v2.0/tokens", "3", 2},
		"v2.0 where both are":         {[]string{"v3.14", "v2.0"}, "/v2.0", "2", 2},
		"v2.0 alone":                  {[]string{"v2.0"}, "/v2.0/tokens", "2", 2},
		"v3 where v2.0 is alone":      {[]string{"v2.0"}, "/v3", "2", 3},
		"tokens without version":      {[]string{"v3.14"}, "/tokens", "3", 2},
		"no version, only v2.0 there": {[]string{"v2.0"}, "", "2", 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := fakecloud.New(t)
			f.Versions = c.offered
			a := authOf(f)
			a.URL = f.URL + c.path
			cl, err := Open(t.Context(), a, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			if cl.identity.version != c.version || cl.Calls() != c.calls {
				t.Errorf("version %s after %d calls: %v", cl.identity.version, cl.Calls(), f.Requests)
			}
			sc := cl.ComputeClient()
			if _, err := sc.Get(t.Context(), sc.ServiceURL("flavors", "detail"), nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestApplicationCredentialNeedsV3(t *testing.T) {
	f := fakecloud.New(t)
	f.Versions = []string{"v2.0"}
	a := credentials.Auth{URL: f.URL, AppCredID: "id", AppCredSecret: "shh"}
	if _, err := Open(t.Context(), a, Options{}); KindOf(err) != Invalid || !strings.Contains(err.Error(), "v2.0 only") {
		t.Errorf("%v", err)
	}
	f.Versions = []string{"v3"}
	c, err := Open(t.Context(), a, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestLoginFailures(t *testing.T) {
	f := fakecloud.New(t)
	refused := "http://" + unusedAddress(t)
	silent := silentServer(t)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	notIdentity := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(notIdentity.Close)
	for name, c := range map[string]struct {
		change func(*credentials.Auth)
		kind   Kind
		says   string
		hint   string
	}{
		"wrong password": {func(a *credentials.Auth) { a.Password = "wrong" }, Unauthorized, "as demo in project demo", "check the user name, the password"},
		"nobody there":   {func(a *credentials.Auth) { a.URL = refused }, Unreachable, "refused", "OS_AUTH_URL"},
		"no such name":   {func(a *credentials.Auth) { a.URL = "http://nowhere.invalid:5000/v3" }, Unreachable, "nowhere.invalid", "OS_AUTH_URL"},
		"silence":        {func(a *credentials.Auth) { a.URL, a.ReadTimeout = silent, 50*time.Millisecond }, Unreachable, "did not answer", "OS_API_TIMEOUT"},
		"own authority":  {func(a *credentials.Auth) { a.URL = secure.URL }, BadCertificate, "authority", "OS_CACERT"},
		"no TLS there":   {func(a *credentials.Auth) { a.URL = strings.Replace(f.URL, "http:", "https:", 1) }, Unreachable, "does not speak TLS", "http://"},
		"not identity":   {func(a *credentials.Auth) { a.URL = notIdentity.URL }, NotFound, "log in", "no identity service"},
		"no password":    {func(a *credentials.Auth) { a.Password = "" }, Other, "OS_PASSWORD", "RC file"},
	} {
		t.Run(name, func(t *testing.T) {
			a := authOf(f)
			c.change(&a)
			_, err := Open(t.Context(), a, Options{})
			if err == nil || KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v (kind %q)", err, KindOf(err))
			}
			var h interface{ Hint() string }
			if !errors.As(err, &h) || !strings.Contains(h.Hint(), c.hint) {
				t.Errorf("%v: hint %v", err, h)
			}
			if strings.Contains(err.Error(), "wrong") {
				t.Errorf("the password is shown: %v", err)
			}
		})
	}
}

func unusedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// silentServer takes connections and says nothing.
func silentServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns = append(conns, c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		for _, c := range conns {
			c.Close()
		}
	})
	return "http://" + l.Addr().String()
}

func TestTrustedAuthority(t *testing.T) {
	f := fakecloud.New(t)
	secure := httptest.NewTLSServer(http.HandlerFunc(f.Serve))
	t.Cleanup(secure.Close)
	a := authOf(f)
	a.URL = secure.URL + "/v3"
	a.Insecure = true
	c, err := Open(t.Context(), a, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	a.Insecure, a.CACert, a.CACertFrom = false, filepath.Join(t.TempDir(), "ca.pem"), "OS_CACERT"
	if _, err := Open(t.Context(), a, Options{}); err == nil || !strings.Contains(err.Error(), "OS_CACERT") {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(a.CACert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), a, Options{}); KindOf(err) != Invalid {
		t.Errorf("%v", err)
	}
}

// authority makes certificates for a TLS server on loopback.
func authority(t *testing.T, from, to time.Time) (server tls.Certificate, caFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	make := func(template, parent *x509.Certificate) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: from, NotAfter: to, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: make(ca, ca)}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{make(leaf, ca)}, PrivateKey: key}, caFile
}

func TestCertificates(t *testing.T) {
	f := fakecloud.New(t)
	year := 365 * 24 * time.Hour
	for name, c := range map[string]struct {
		from, to time.Time
		host     string
		kind     Kind
		says     string
	}{
		"good":          {time.Now().Add(-time.Hour), time.Now().Add(year), "127.0.0.1", Other, ""},
		"expired":       {time.Now().Add(-2 * year), time.Now().Add(-year), "127.0.0.1", BadCertificate, "is valid from"},
		"another name":  {time.Now().Add(-time.Hour), time.Now().Add(year), "localhost", BadCertificate, "another name"},
		"not valid yet": {time.Now().Add(year), time.Now().Add(2 * year), "127.0.0.1", BadCertificate, "is valid from"},
	} {
		t.Run(name, func(t *testing.T) {
			cert, ca := authority(t, c.from, c.to)
			s := httptest.NewUnstartedServer(http.HandlerFunc(f.Serve))
			s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.StartTLS()
			defer s.Close()
			a := authOf(f)
			a.CACert = ca
			a.URL = strings.Replace(s.URL, "127.0.0.1", c.host, 1) + "/v3"
			cl, err := Open(t.Context(), a, Options{})
			if err == nil {
				cl.Close()
			}
			if (err == nil) != (c.says == "") || KindOf(err) != c.kind || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v (kind %q)", err, KindOf(err))
			}
			if name == "expired" && !strings.Contains(err.(*Error).Hint(), "clock") {
				t.Errorf("%v", err.(*Error).Hint())
			}
		})
	}
}

func TestRegions(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	c.catalog = []service{{kind: "compute", endpoints: []endpoint{{"one", "public", f.URL + "/nova/v2.1"}, {"two", "public", f.URL + "/nova/v2.1"}, {"one", "internal", f.URL + "/nova/v2.1"}}}}
	if _, err := c.Endpoint("compute"); KindOf(err) != Ambiguous || !strings.Contains(err.Error(), "one, two") {
		t.Errorf("%v", err)
	}
	c.auth.Region = "two"
	if _, err := c.Endpoint("compute"); err != nil {
		t.Errorf("%v", err)
	}
	c.auth.Region = "three"
	if _, err := c.Endpoint("compute"); KindOf(err) != NoService || !strings.Contains(err.Error(), "one, two") {
		t.Errorf("%v", err)
	}
	c.auth.Region, c.auth.Interface = "", "adminURL"
	if _, err := c.Endpoint("compute"); KindOf(err) != NoService || !strings.Contains(err.Error(), "internal, public") {
		t.Errorf("%v", err)
	}
	// A service that the catalogue lacks was never asked.
	sc := c.VolumeClient()
	_, err := sc.Get(t.Context(), sc.ServiceURL("volumes"), nil, nil)
	if err == nil || Unsettled(err) || KindOf(err) != NoService || !strings.HasPrefix(Explain("list the volumes", err).Error(), "cannot find the volume service: ") {
		t.Errorf("%v", err)
	}
}

func TestTokenIsRenewed(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	c.provider.SetToken("expired")
	sc := c.ComputeClient()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := sc.Get(t.Context(), sc.ServiceURL("servers", "detail"), nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := f.Count("POST", "/v3/auth/tokens"); n != 2 {
		t.Errorf("%d logins", n)
	}
}

func TestTokenStaysWithTheCloud(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	seen := false
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = true }))
	t.Cleanup(other.Close)
	sc := c.ComputeClient()
	if _, err := sc.Get(t.Context(), other.URL+"/servers", nil, nil); err == nil || seen {
		t.Errorf("%v, seen %v", err, seen)
	}
}

func TestRepetitions(t *testing.T) {
	for name, c := range map[string]struct {
		mode   fakecloud.Mode
		times  int
		method string
		works  bool
	}{
		"a busy GET":              {fakecloud.Busy503, 3, "GET", true},
		"a limited GET":           {fakecloud.Limited429, 3, "GET", true},
		"a limited POST":          {fakecloud.Limited429, 3, "POST", true},
		"a broken GET":            {fakecloud.DropBefore, 2, "GET", true},
		"a broken GET, too often": {fakecloud.DropBefore, 20, "GET", false},
		"a busy POST":             {fakecloud.Busy503, 1, "POST", false},
		"a broken POST":           {fakecloud.DropBefore, 1, "POST", false},
		"an erring GET":           {fakecloud.Error500, 2, "GET", true},
		"an erring POST":          {fakecloud.Error500, 1, "POST", false},
	} {
		t.Run(name, func(t *testing.T) {
			f := fakecloud.New(t)
			cl := connect(t, f)
			f.Mu.Lock()
			left := c.times
			f.Fault = func(_ int, _, path string) fakecloud.Mode {
				if left > 0 && strings.HasPrefix(path, "/nova") {
					left--
					return c.mode
				}
				return fakecloud.Well
			}
			f.Mu.Unlock()
			sc := cl.ComputeClient()
			var err error
			if c.method == "GET" {
				_, err = sc.Get(t.Context(), sc.ServiceURL("servers", "detail"), nil, nil)
			} else {
				_, err = sc.Post(t.Context(), sc.ServiceURL("servers"), map[string]any{"server": map[string]any{"name": "x"}}, nil, nil)
			}
			if (err == nil) != c.works {
				t.Errorf("%v", err)
			}
			if n := len(f.Servers); c.method == "POST" && n > 1 {
				t.Errorf("%d servers", n)
			}
		})
	}
}

// authOf are credentials for the fake.
func authOf(f *fakecloud.Cloud) credentials.Auth {
	return credentials.Auth{URL: f.URL + "/v3", Username: "demo", Password: "pw", ProjectName: "demo", ReadTimeout: time.Minute}
}

func connect(t *testing.T, f *fakecloud.Cloud) *Session {
	t.Helper()
	c, err := Open(t.Context(), authOf(f), Options{FirstRetry: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// flaky is a transport that refuses the first connections.
type flaky struct {
	http.RoundTripper
	refuse int
}

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.refuse > 0 {
		f.refuse--
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	}
	return f.RoundTripper.RoundTrip(r)
}

func TestAnAPIThatRestartsIsWaitedFor(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	told := 0
	c.x.notice = func(string, ...any) { told++ }
	c.x.base = &flaky{c.x.base, brokenTries + 3}
	sc := c.ComputeClient()
	if _, err := sc.Post(t.Context(), sc.ServiceURL("servers"), map[string]any{"server": map[string]any{"name": "x"}}, nil, nil); err != nil || told != 1 {
		t.Errorf("%v, told %d times", err, told)
	}
	// A service that never answered is not waited for.
	first := connect(t, f)
	first.x.reached.Store(false)
	first.x.base = &flaky{first.x.base, brokenTries}
	sc = first.ComputeClient()
	if _, err := sc.Get(t.Context(), sc.ServiceURL("servers", "detail"), nil, nil); err == nil {
		t.Error("the first refusals were waited out")
	}
}
