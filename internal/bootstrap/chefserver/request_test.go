package chefserver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/bootstrap/limit"
	"github.com/galleyhq/galley/internal/testing/chefservertest"
)

// noTime is a clock whose pauses take none, and keeps them.
type noTime struct{ pauses []time.Duration }

func (*noTime) Now() time.Time { return time.Now() }
func (n *noTime) Sleep(_ context.Context, d time.Duration) error {
	n.pauses = append(n.pauses, d)
	return nil
}

// fake is a client of a server that answers as handle does.
func fake(t *testing.T, handle http.HandlerFunc) (*chefserver.Client, *noTime, *httptest.Server) {
	t.Helper()
	web := httptest.NewServer(handle)
	t.Cleanup(web.Close)
	s := chefservertest.Start(t, "")
	signer, err := chefserver.NewSigner(s.Admin, s.AdminKey, "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := chefserver.New(web.URL+"/organizations/acme", signer, nil)
	if err != nil {
		t.Fatal(err)
	}
	clock := &noTime{}
	c.Retry.Clock = clock
	return c, clock, web
}

func TestWhatIsRepeated(t *testing.T) {
	get := func(c *chefserver.Client) error { _, err := c.Nodes(context.Background()); return err }
	post := func(c *chefserver.Client) error {
		_, err := c.CreateClient(context.Background(), "web")
		return err
	}
	del := func(c *chefserver.Client) error { return c.DeleteNode(context.Background(), "web") }
	for name, c := range map[string]struct {
		call   func(*chefserver.Client) error
		status int // of the first two answers; 0 cuts the connection
		header string
		want   int64 // requests
		pause  time.Duration
	}{
		"a read that fails":                     {get, 500, "", 3, 0},
		"a read through a broken proxy":         {get, 502, "", 3, 0},
		"a read whose connection is cut":        {get, 0, "", 3, 0},
		"a read that is put off":                {get, 503, "7", 3, 7 * time.Second},
		"a read that is refused":                {get, 403, "", 1, 0},
		"a delete that fails":                   {del, 500, "", 3, 0},
		"a create that is put off":              {post, 429, "3", 3, 3 * time.Second},
		"a create of an unknown outcome":        {post, 500, "", 1, 0},
		"a create whose connection is cut":      {post, 0, "", 1, 0},
		"a create whose name is taken":          {post, 409, "", 1, 0},
		"a create through a proxy that is lost": {post, 502, "", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			seen := map[string]bool{}
			client, clock, _ := fake(t, func(w http.ResponseWriter, r *http.Request) {
				seen[r.Header.Get("X-Ops-Timestamp")] = true
				switch k := n.Add(1); {
				case k > 2:
					fmt.Fprint(w, `{"private_key":"k"}`)
				case c.status == 0:
					panic(http.ErrAbortHandler)
				default:
					if c.header != "" {
						w.Header().Set("Retry-After", c.header)
					}
					w.WriteHeader(c.status)
				}
			})
			err := c.call(client)
			if got := n.Load(); got != c.want || (err == nil) != (c.want == 3) {
				t.Errorf("%d requests, want %d: %v", got, c.want, err)
			}
			if c.pause != 0 && (len(clock.pauses) != 2 || clock.pauses[0] != c.pause) {
				t.Errorf("pauses %v, want %s", clock.pauses, c.pause)
			}
		})
	}
}

func TestNamesThatLeadElsewhere(t *testing.T) {
	var asked atomic.Int64
	c, _, _ := fake(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	ctx := t.Context()
	for _, name := range []string{"..", ".", "", "a/b", "../clients/x", `a\b`, "a\nb"} {
		_, e1 := c.Node(ctx, name)
		_, e2 := c.Client(ctx, name)
		_, e3 := c.NodesIn(ctx, name)
		_, e4 := c.NodeExists(ctx, name)
		for i, err := range []error{e1, e2, e3, e4, c.DeleteNode(ctx, name), c.DeleteClient(ctx, name)} {
			var bad *chefserver.NameError
			if !errors.As(err, &bad) || bad.Hint() == "" {
				t.Errorf("%q, call %d: %v", name, i, err)
			}
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestNamesAreEscaped(t *testing.T) {
	var path string
	c, _, _ := fake(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.EscapedPath()
		fmt.Fprint(w, `{}`)
	})
	if _, err := c.Node(t.Context(), "a b?c#d%2e"); err != nil {
		t.Fatal(err)
	}
	if want := "/organizations/acme/nodes/a%20b%3Fc%23d%252e"; path != want {
		t.Errorf("asked for %s, want %s", path, want)
	}
}

func TestRedirects(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		fmt.Fprint(w, `{}`)
	}))
	defer other.Close()
	to := ""
	c, _, web := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			fmt.Fprint(w, `{"web":"x"}`)
			return
		}
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	})
	for _, place := range []string{other.URL + "/x?token=hush", "https://" + strings.TrimPrefix(web.URL, "http://") + "/moved", "//example.invalid/"} {
		to = place
		_, err := c.Nodes(t.Context())
		var redirect *chefserver.RedirectError
		if !errors.As(err, &redirect) || !strings.Contains(redirect.Hint(), "chef_server_url") || strings.Contains(err.Error(), "hush") {
			t.Errorf("to %s: %v", place, err)
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("another server got %d signed requests", n)
	}
	to = "/moved"
	if names, err := c.Nodes(t.Context()); err != nil || len(names) != 1 {
		t.Errorf("on the same server: %v, %v", names, err)
	}
	if _, err := c.CreateClient(t.Context(), "web"); err == nil {
		t.Error("a create follows a redirect")
	}
	to = "/loop"
	if _, err := c.Nodes(t.Context()); err == nil {
		t.Error("a loop ends well")
	}
}

func TestAnswersHaveALimit(t *testing.T) {
	c, _, _ := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		block := []byte(strings.Repeat(" ", 1<<20))
		for range 64 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	var long *limit.Error
	if _, err := c.Nodes(t.Context()); !errors.As(err, &long) {
		t.Errorf("got %v", err)
	}
	c, _, _ = fake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"error":["\u001b[2Jyou may not%s"]}`, strings.Repeat("!", 100000))
	})
	if _, err := c.Nodes(t.Context()); err == nil || len(err.Error()) > 2000 || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

func TestAnOutstandingAnswerIsReported(t *testing.T) {
	told := make(chan string, 10)
	release := make(chan struct{})
	c, _, _ := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		<-release
		fmt.Fprint(w, `{}`)
	})
	c = c.Noticing(func(what, detail string, _ time.Time) { told <- what + ": " + detail })
	done := make(chan error, 1)
	go func() { _, err := c.Nodes(context.Background()); done <- err }()
	if got := <-told; !strings.Contains(got, "Chef Server") {
		t.Error(got)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestHintOfWhatIsNotFound(t *testing.T) {
	for message, about := range map[string]bool{
		"":                                  true, // a page of some web server
		"organization 'x' does not exist.":  true,
		"Cannot load environment staging":   false,
		"node 'web' not found":              false,
		"Object not found: http://chef/y/z": false,
	} {
		e := &chefserver.Error{Status: http.StatusNotFound}
		if message != "" {
			e.Messages = []string{message}
		}
		if got := strings.Contains(e.Hint(), "chef_server_url"); got != about {
			t.Errorf("%q: hint %q", message, e.Hint())
		}
	}
}

func TestHintNamesTheProxyThatRefuses(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusProxyAuthRequired: "http_proxy", http.StatusServiceUnavailable: "out of order", http.StatusUnauthorized: "client_key",
	} {
		if got := (&chefserver.Error{Status: status}).Hint(); !strings.Contains(got, want) {
			t.Errorf("%d: hint %q", status, got)
		}
	}
}
