package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/testing/chefservertest"
	"github.com/galleyhq/galley/internal/testing/standin"
)

// standInClient replaces Cinc: it shows its arguments, and fails where
// the run list says so.
const standInClient = `#!/bin/sh
echo "stand-in client: $*"
cat /etc/cinc/first-boot.json
[ -r /etc/cinc/client.pem ] && grep -c 'PRIVATE KEY' /etc/cinc/client.pem
case $(cat /etc/cinc/first-boot.json) in
*broken*) echo "FATAL: recipe broken"; exit 7 ;;
*endless*) echo "endless run"; exec sleep 300 ;;
esac
echo "Cinc Client finished"
`

// newMirror starts a package index that has one package, the stand-in client.
func newMirror(tb testing.TB) string {
	tb.Helper()
	web := httptest.NewServer(standin.Mirror{Client: []byte(standInClient)})
	tb.Cleanup(web.Close)
	return web.URL
}

// chefGate is in front of a Chef Server and hits the nth call: what it does
// with it is act's.
type chefGate struct {
	next http.Handler

	mu    sync.Mutex
	calls int
	nth   int
	act   string
	hit   chan struct{}
	let   chan struct{}
}

// The things that a gate does with a call.
const (
	gateHoldBefore = "hold before"
	gateHoldAfter  = "hold after"
	gateError      = "500"
	gateDropBefore = "drop before"
	gateDropAfter  = "drop after"
	// gateLate has a call take effect after a while, whether or not its sender
	// still waits.
	gateLate = "late effect"
)

// set arms the gate for the nth call from now; 0 counts only.
func (g *chefGate) set(act string, nth int) (hit <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls, g.nth, g.act = 0, nth, act
	g.hit, g.let = make(chan struct{}), make(chan struct{})
	return g.hit
}

// release lets go of the call that is held.
func (g *chefGate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.nth = 0
	select {
	case <-g.let:
	default:
		close(g.let)
	}
}

func (g *chefGate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls
}

// ServeHTTP implements [http.Handler].
func (g *chefGate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.calls++
	act, hit, let := g.act, g.hit, g.let
	if g.nth == 0 || g.calls != g.nth {
		act = ""
	}
	g.mu.Unlock()
	rec := httptest.NewRecorder()
	switch act {
	case "":
		g.next.ServeHTTP(w, r)
		return
	case gateError:
		http.Error(w, `{"error":["out of order"]}`, http.StatusInternalServerError)
		close(hit)
		return
	case gateDropBefore:
		close(hit)
		panic(http.ErrAbortHandler)
	case gateDropAfter:
		g.next.ServeHTTP(rec, r)
		close(hit)
		panic(http.ErrAbortHandler)
	case gateHoldBefore:
		// What is asked is done although the asker may be gone by then.
		close(hit)
		<-let
		g.next.ServeHTTP(rec, r)
	case gateLate:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		late := r.Clone(context.WithoutCancel(r.Context()))
		late.Body = io.NopCloser(bytes.NewReader(body))
		close(hit)
		time.Sleep(slow)
		g.next.ServeHTTP(rec, late)
	case gateHoldAfter:
		g.next.ServeHTTP(rec, r)
		close(hit)
		<-let
	}
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

// chefWorld is a Chef Server behind a gate, and a package index.
type chefWorld struct {
	*chefservertest.Server
	gate   *chefGate
	mirror string
	url    string
}

func newChefWorld(tb testing.TB) *chefWorld {
	tb.Helper()
	c := &chefWorld{Server: chefservertest.Start(tb, "acme"), mirror: newMirror(tb)}
	c.gate = &chefGate{next: c.Server}
	c.gate.set("", 0)
	web := httptest.NewServer(c.gate)
	tb.Cleanup(func() { c.gate.release(); web.Close() })
	c.url = web.URL + "/organizations/acme"
	return c
}

// configure writes ~/.chef/knife.rb as a person has it.
func (c *chefWorld) configure(home string) error {
	dir := filepath.Join(home, ".chef")
	knife := fmt.Sprintf(`current_dir = File.dirname(__FILE__)
chef_server_url '%s'
node_name '%s'
client_key "#{current_dir}/admin.pem"
knife[:connection_port] = ENV['GALLEY_DEVCLOUD_SSH_PORT']
knife[:ssh_port] = ENV['GALLEY_DEVCLOUD_SSH_PORT']
knife[:bootstrap_product] = 'cinc'
knife[:omnitruck_url] = '%s'
`, c.url, c.Admin, c.mirror)
	if hostHasClient() {
		// A guest sees the programs of this machine, and a client that is there
		// is not replaced: the stand-in is put beside it.
		knife += fmt.Sprintf(`knife[:bootstrap_install_command] = "(curl -fsS %[1]s/cinc.tar.gz || wget -qO- %[1]s/cinc.tar.gz) | tar xz -C /"
chef_client_path '/opt/cinc/bin/cinc-client'
`, c.mirror)
	}
	return errors.Join(
		os.MkdirAll(dir, 0o700),
		os.WriteFile(filepath.Join(dir, "knife.rb"), []byte(knife), 0o600),
		os.WriteFile(filepath.Join(dir, "admin.pem"), c.AdminKey, 0o600),
	)
}

func hostHasClient() bool {
	for _, name := range []string{"chef-client", "cinc-client"} {
		if _, err := exec.LookPath(name); err == nil {
			return true
		}
	}
	return false
}

// left says the objects on the Chef Server beside its admin, "" for nothing.
func (c *chefWorld) left() string {
	var out []string
	if n := c.Clients(); n != 0 {
		out = append(out, fmt.Sprintf("%d clients", n))
	}
	if n := c.Nodes(); n != 0 {
		out = append(out, fmt.Sprintf("%d nodes", n))
	}
	return strings.Join(out, " and ")
}
