package openstack

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/testing/fakecloud"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConnectorSharesOneLogin(t *testing.T) {
	f := fakecloud.New(t)
	var k Connector
	t.Cleanup(k.Close)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := k.Connect(t.Context(), authOf(f)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := f.Count("POST", "/v3/auth/tokens"); n != 1 {
		t.Errorf("%d logins", n)
	}
	wrong := authOf(f)
	wrong.Password = "wrong"
	for range 3 {
		if _, err := k.Connect(t.Context(), wrong); session.KindOf(err) != session.Unauthorized {
			t.Errorf("%v", err)
		}
	}
	if n := f.Count("POST", "/v3/auth/tokens"); n != 2 {
		t.Errorf("a wrong password was sent %d times", n-1)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	var k2 Connector
	t.Cleanup(k2.Close)
	if _, err := k2.Connect(cancelled, authOf(f)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := k2.Connect(t.Context(), authOf(f)); err != nil {
		t.Errorf("after a cancelled login: %v", err)
	}
}

func TestDebugLogShowsNoSecrets(t *testing.T) {
	f := fakecloud.New(t)
	var mu sync.Mutex
	var lines []string
	c, err := Connect(t.Context(), authOf(f), Options{Options: session.Options{Debug: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		for _, a := range args {
			lines = append(lines, a.(string))
		}
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := ServerSpec{Name: "web", Image: "ubuntu-14.04", Flavor: "m1.small", Nics: []Nic{{Network: "net1"}}, UserData: []byte("my own secret")}
	if _, err := c.Create(t.Context(), s, &MemoryJournal{}, nil); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(lines, "\n")
	if !strings.Contains(text, "POST "+f.URL+"/nova/v2.1/servers") {
		t.Errorf("%s", text)
	}
	for _, s := range []string{`"pw"`, "tok\n", "bXkgb3duIHNlY3JldA"} {
		if strings.Contains(text, s) {
			t.Errorf("%q is shown in\n%s", s, text)
		}
	}
}

func TestWaits(t *testing.T) {
	f := fakecloud.New(t)
	f.Build = time.Hour
	c := connect(t, f)
	spec := ServerSpec{Name: "web", Image: "ubuntu-14.04", Flavor: "m1.small", Nics: []Nic{{Network: "net1"}}, ActiveTimeout: time.Second}
	j := &MemoryJournal{}
	_, err := c.Create(t.Context(), spec, j, nil)
	if session.KindOf(err) != session.Timeout || !strings.Contains(err.Error(), "status BUILD") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	// Somebody deletes it meanwhile.
	looks := 0
	f.Mu.Lock()
	f.Fault = func(_ int, method, path string) fakecloud.Mode {
		if method == "GET" && strings.Contains(path, "/servers") {
			looks++
		}
		if looks == 3 {
			clear(f.Servers)
		}
		return fakecloud.Well
	}
	f.Mu.Unlock()
	spec.ActiveTimeout = time.Minute
	if _, err = c.Create(t.Context(), spec, j, nil); session.KindOf(err) != session.ServerGone {
		t.Errorf("%v", err)
	}
}
