package devcloud

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"

	"github.com/galleyhq/galley/internal/devcloud/fault"
)

func addFault(t *testing.T, c *Cloud, f fault.Rule) string {
	t.Helper()
	st, err := c.Client().AddFault(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return st.ID
}

func TestFaultStatus(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	for _, test := range []struct {
		fault fault.Rule
		call  func() error
		want  string
	}{
		{
			fault.Rule{Service: "compute", Method: "get", Path: "^/v2.1/servers", Action: fault.Status, Status: 503, Message: "later"},
			func() error { _, err := servers.List(cl.compute, nil).AllPages(t.Context()); return err }, `{"serviceUnavailable":{"code":503,"message":"later"}}`,
		},
		{
			fault.Rule{Service: "network", Action: fault.Status, Status: 500},
			func() error { _, err := floatingips.List(cl.network, nil).AllPages(t.Context()); return err }, `{"NeutronError":{"detail":"","message":"Internal Server Error","type":"InjectedFault"}}`,
		},
		{
			fault.Rule{Service: "image", Action: fault.Status, Status: 502, Body: "<html>bad gateway</html>"},
			func() error {
				_, err := cl.image.Get(t.Context(), cl.image.ServiceURL("images"), nil, nil)
				return err
			}, `<html>bad gateway</html>`,
		},
	} {
		addFault(t, c, test.fault)
		err := test.call()
		var e gophercloud.ErrUnexpectedResponseCode
		if !errors.As(err, &e) || e.Actual != test.fault.Status || string(e.Body) != test.want {
			t.Errorf("%+v: %v", test.fault, err)
		}
		if err := test.call(); err != nil {
			t.Errorf("a fault with a count of one hit twice: %v", err)
		}
	}
}

func TestFaultRetryAfter(t *testing.T) {
	c := startCloud(t)
	addFault(t, c, fault.Rule{Action: fault.Status, Status: 429, RetryAfter: "7", Count: -1})
	for range 2 {
		resp, err := http.Get(c.URL + "/v3")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "7" {
			t.Errorf("%s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
		}
	}
	if err := c.Client().ClearFaults(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(c.URL + "/v3")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
}

// testKey is a public key whose private half nobody has.
const testKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP+tWbF6Zq0B3fKIqtbqfJ1Yl1rg8dPj5g0q7T0Qw3Pk test"

// makeKey asks for a key pair; what the faults do to it shows in the answer and
// in the cloud.
func makeKey(ctx context.Context, cl *clients, name string) error {
	return keypairs.Create(ctx, cl.compute, keypairs.CreateOpts{Name: name, PublicKey: testKey}).Err
}

func hasKey(c *Cloud, name string) bool {
	for _, k := range c.Resources()["key_pairs"] {
		if k.Name == name {
			return true
		}
	}
	return false
}

func TestFaultDrops(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	cl.provider.HTTPClient.Transport = &http.Transport{
		DisableKeepAlives: true,
	} // a kept connection would be tried twice
	for _, test := range []struct {
		action string
		made   bool
	}{{fault.DropBefore, false}, {fault.DropAfter, true}, {fault.Truncate, true}} {
		addFault(t, c, fault.Rule{Service: "compute", Method: "POST", Path: "/os-keypairs$", Action: test.action})
		err := makeKey(t.Context(), cl, test.action)
		if err == nil {
			t.Errorf("%s: the client saw no error", test.action)
		}
		if hasKey(c, test.action) != test.made {
			t.Errorf("%s: made is %v", test.action, !test.made)
		}
	}
}

func TestFaultNth(t *testing.T) {
	c := startCloud(t)
	addFault(t, c, fault.Rule{Path: "^/v3$", Nth: 2, Count: 2, Action: fault.Status, Status: 500})
	var got []int
	for range 5 {
		resp, err := http.Get(c.URL + "/v3")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		got = append(got, resp.StatusCode)
	}
	want := []int{200, 500, 500, 200, 200}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// A late effect comes when it is due, although the client has left.
func TestFaultLateEffect(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	id := addFault(t, c, fault.Rule{
		Method: "POST", Path: "/os-keypairs$", Action: fault.LateEffect, Delay: fault.Duration(300 * time.Millisecond),
	})
	start := time.Now()
	ctx, kill := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- makeKey(ctx, cl, "k") }()
	st, err := c.WaitFault(t.Context(), id, 1)
	if err != nil {
		t.Fatal(err)
	}
	kill()
	if err := <-done; err == nil {
		t.Fatal("no error")
	}
	if early := hasKey(c, "k"); early && st.Holding == 1 && time.Since(start) < 300*time.Millisecond {
		t.Error("the key pair exists before its time")
	}
	await(t, c, "the key pair", func() bool { return c.db.KeyPairs.Len() == 3 })
	if took := time.Since(start); took < 300*time.Millisecond {
		t.Errorf("the effect came after %v", took)
	}
}

// Without a client that leaves, a late effect is answered when it has come,
// and a late answer comes after the effect.
func TestFaultLateAnswers(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	for _, action := range []string{fault.LateEffect, fault.LateAnswer} {
		addFault(t, c, fault.Rule{
			Method: "POST", Path: "/os-keypairs$", Action: action, Delay: fault.Duration(80 * time.Millisecond),
		})
		start := time.Now()
		if err := makeKey(t.Context(), cl, action); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 80*time.Millisecond || !hasKey(c, action) {
			t.Errorf("%s: answered after %v", action, took)
		}
	}
}

func TestFaultDuplicate(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	addFault(t, c, fault.Rule{Method: "POST", Path: "/os-keypairs$", Action: fault.Duplicate})
	if err := makeKey(t.Context(), cl, "k"); !gophercloud.ResponseCodeIs(err, 409) || !hasKey(c, "k") {
		t.Errorf("a key pair asked for twice: %v", err)
	}
	addFault(t, c, fault.Rule{Method: "POST", Path: "/servers$", Action: fault.Duplicate})
	_, err := servers.Create(t.Context(), cl.compute, servers.CreateOpts{
		Name: "twice", FlavorRef: "1", ImageRef: CentOSImageID, Networks: []servers.Network{{UUID: Net1ID}},
	}, nil).Extract()
	if n := len(c.Resources()["servers"]); err != nil || n != 2 {
		t.Errorf("%d servers, %v", n, err)
	}
}

func TestFaultAnswer(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	for _, test := range []struct {
		fault  fault.Rule
		status int
		kind   string
		made   bool
	}{
		{fault.Rule{Action: fault.Answer}, 200, "application/json", true},
		{fault.Rule{Action: fault.Answer, Body: "{}", Status: 202}, 202, "application/json", true},
		{fault.Rule{Action: fault.Answer, Body: "null"}, 200, "application/json", true},
		{fault.Rule{Action: fault.Answer, Body: "<html>hello</html>"}, 200, "text/html; charset=utf-8", true},
		{fault.Rule{Action: fault.Status, Status: 200, EmptyBody: true}, 200, "application/json", false},
		{fault.Rule{Action: fault.Status, Status: 404, Body: "not here"}, 404, "text/plain; charset=utf-8", false},
	} {
		f := test.fault
		name := f.Action + f.Body
		f.Method, f.Path = "POST", "/os-keypairs$"
		addFault(t, c, f)
		body := map[string]any{"keypair": map[string]any{"name": "n", "public_key": testKey}}
		resp, err := cl.compute.Post(t.Context(), cl.compute.ServiceURL("os-keypairs"), body, nil,
			&gophercloud.RequestOpts{OkCodes: []int{200, 202, 404}, KeepResponseBody: true})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(got) != f.Body || resp.StatusCode != test.status ||
			resp.Header.Get("Content-Type") != test.kind {
			t.Errorf("%s: %s %q %q, %v", name, resp.Status, resp.Header.Get("Content-Type"), got, err)
		}
		if hasKey(c, "n") != test.made {
			t.Errorf("%s: made is %v", name, !test.made)
		}
		_ = keypairs.Delete(t.Context(), cl.compute, "n", nil).ExtractErr()
	}
}

func TestFaultLatency(t *testing.T) {
	c := startCloud(t)
	addFault(t, c, fault.Rule{Path: "^/v3$", Action: fault.Latency, Delay: fault.Duration(80 * time.Millisecond)})
	start := time.Now()
	resp, err := http.Get(c.URL + "/v3")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if took := time.Since(start); took < 80*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
}

func TestFaultHold(t *testing.T) {
	for _, test := range []struct {
		name, action   string
		act            bool
		heldMade, made bool
		wantErr        bool
	}{
		{"before, acted on", fault.HoldBefore, true, false, true, false},
		{"before, dropped", fault.HoldBefore, false, false, false, true},
		{"after", fault.HoldAfter, true, true, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := startCloud(t)
			cl := login(t, c, c.Env())
			cl.provider.HTTPClient.Transport = &http.Transport{DisableKeepAlives: true}
			id := addFault(t, c, fault.Rule{Method: "POST", Path: "/os-keypairs$", Action: test.action})
			done := make(chan error, 1)
			go func() { done <- makeKey(t.Context(), cl, "k") }()
			st, err := c.WaitFault(t.Context(), id, 1)
			if err != nil || st.Holding != 1 {
				t.Fatalf("%+v, %v", st, err)
			}
			if hasKey(c, "k") != test.heldMade {
				t.Errorf("while held: made is %v", !test.heldMade)
			}
			select {
			case err := <-done:
				t.Fatalf("the held call ended: %v", err)
			default:
			}
			if err := c.ReleaseFault(id, test.act); err != nil {
				t.Fatal(err)
			}
			if err := <-done; (err != nil) != test.wantErr {
				t.Errorf("released: %v", err)
			}
			if hasKey(c, "k") != test.made {
				t.Errorf("released: made is %v", !test.made)
			}
		})
	}
}

// A client that is killed has sent its call: the cloud acts on it whether or
// not anyone reads the answer.
func TestFaultHoldOutlivesItsClient(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	id := addFault(t, c, fault.Rule{Method: "POST", Path: "/os-keypairs$", Action: fault.HoldBefore})
	ctx, kill := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- makeKey(ctx, cl, "k") }()
	if _, err := c.WaitFault(t.Context(), id, 1); err != nil {
		t.Fatal(err)
	}
	kill()
	if err := <-done; err == nil {
		t.Fatal("no error")
	}
	if err := c.ReleaseFault(id, true); err != nil {
		t.Fatal(err)
	}
	await(t, c, "the key pair", func() bool { return c.db.KeyPairs.Len() == 3 })
}

func TestFaultHoldAnswered(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	id := addFault(t, c, fault.Rule{Method: "POST", Path: "/os-keypairs$", Action: fault.HoldAnswered})
	if err := makeKey(t.Context(), cl, "k1"); err != nil {
		t.Fatal(err) // this one is answered
	}
	if _, err := c.WaitFault(t.Context(), id, 1); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- makeKey(t.Context(), cl, "k2") }()
	// The next call waits at the gate.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for st := (fault.State{}); st.Holding == 0; {
		l, err := c.Client().Faults(ctx)
		if err != nil {
			t.Fatal(err)
		}
		st = l[0]
	}
	if hasKey(c, "k2") {
		t.Error("the call after the held point was acted on")
	}
	if err := c.ReleaseFault(id, true); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestFaultsAboutThings(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	ctx := t.Context()
	addFault(t, c, fault.Rule{Action: fault.ServerError, Name: "^bad", Message: "No valid host was found."})
	make := func(name string) *servers.Server {
		return must[*servers.Server](t)(
			servers.Create(
				ctx,
				cl.compute,
				servers.CreateOpts{
					Name:      name,
					FlavorRef: "1",
					ImageRef:  CentOSImageID,
					Networks:  []servers.Network{{UUID: Net1ID}},
				},
				nil,
			).Extract(),
		)
	}
	good, bad := make("good"), make("bad")
	await(t, c, "both built", func() bool {
		return c.db.Servers.Get(good.ID).VMState == "active" && c.db.Servers.Get(bad.ID).VMState == "error"
	})
	s := must[*servers.Server](t)(servers.Get(ctx, cl.compute, bad.ID).Extract())
	if s.Status != "ERROR" || s.Fault.Message != "No valid host was found." || s.Fault.Code != 500 {
		t.Errorf("%s, fault %+v", s.Status, s.Fault)
	}
	addFault(t, c, fault.Rule{Action: fault.PoolEmpty, Name: "public"})
	_, err := floatingips.Create(ctx, cl.network, floatingips.CreateOpts{FloatingNetworkID: PublicNetID}).Extract()
	if !gophercloud.ResponseCodeIs(err, 409) ||
		!strings.Contains(err.Error(), "No more IP addresses available on network "+PublicNetID) {
		t.Errorf("empty pool: %v", err)
	}
	if _, err := floatingips.Create(ctx, cl.network, floatingips.CreateOpts{FloatingNetworkID: PublicNetID}).Extract(); err != nil {
		t.Error(err)
	}
}

func TestFaultsThatMakeNoSense(t *testing.T) {
	c := startCloud(t)
	for _, f := range []fault.Rule{
		{Action: "bogus"},
		{Action: fault.Status},
		{Action: fault.Latency},
		{Action: fault.DropAfter, Path: "("},
		{Action: fault.ServerError, Path: "/servers"},
		{Action: fault.DropAfter, Service: "dns"},
		{Action: fault.LateEffect},
		{Action: fault.DropAfter, Status: 500},
		{Action: fault.Answer, Message: "unused"},
		{Action: fault.Answer, Status: 99},
		{Action: fault.Status, Status: 500, Name: "server"},
	} {
		if _, err := c.Client().AddFault(t.Context(), f); err == nil {
			t.Errorf("%+v was taken", f)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", c.URL+"/_devcloud/faults",
		strings.NewReader(`{"action":"drop-after","sevice":"compute"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(tokenHeader, c.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 400 {
		t.Errorf("a misspelt selector: %s", resp.Status)
	}
}

func TestRequestLog(t *testing.T) {
	c := startCloud(t)
	cl := login(t, c, c.Env())
	if err := c.Client().ResetRequests(t.Context()); err != nil {
		t.Fatal(err)
	}
	addFault(t, c, fault.Rule{Service: "compute", Nth: 2, Action: fault.Status, Status: 500})
	for range 3 {
		_, _ = servers.Get(t.Context(), cl.compute, "0a8979fa-3c4a-4082-9e8d-17bf228a0b3d").Extract()
	}
	l, err := c.Client().Requests(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if l.Total != 3 || l.Counts["compute GET /v2.1/servers/{id}"] != 3 {
		t.Errorf("%+v", l)
	}
	if r := l.Requests[1]; r.N != 2 || r.Status != 500 || r.Acted || len(r.Fault) != 1 {
		t.Errorf("%+v", r)
	}
	if r := l.Requests[2]; r.Status != 404 || !r.Acted || !strings.HasPrefix(r.Agent, "gophercloud") {
		t.Errorf("%+v", r)
	}
}

func TestForeignHostsAreRefused(t *testing.T) {
	c := startCloud(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", c.URL+"/_devcloud/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example:80"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusMisdirectedRequest {
		t.Error(resp.Status)
	}
}

func TestCloseLetsGoOfHeldCalls(t *testing.T) {
	c := startCloud(t)
	id := addFault(t, c, fault.Rule{Path: "^/v3$", Action: fault.HoldBefore})
	done := make(chan error, 1)
	go func() {
		resp, err := http.Get(c.URL + "/v3")
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		done <- err
	}()
	if _, err := c.WaitFault(t.Context(), id, 1); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("the held call was answered")
	}
}

func TestFaultDuration(t *testing.T) {
	var f fault.Rule
	for text, want := range map[string]time.Duration{`{"delay":"1.5s"}`: 1500 * time.Millisecond, `{"delay":250}`: 250 * time.Millisecond} {
		if err := json.Unmarshal([]byte(text), &f); err != nil || time.Duration(f.Delay) != want {
			t.Errorf("%s: %v, %v", text, time.Duration(f.Delay), err)
		}
	}
	if err := json.Unmarshal([]byte(`{"delay":"soon"}`), &f); err == nil {
		t.Error("no error")
	}
}
