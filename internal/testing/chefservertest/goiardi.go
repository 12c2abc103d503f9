package chefservertest

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// realServer is the variable that lets tests start a real server; its value
// is the program.
const realServer = "GALLEY_TEST_CHEFSERVER"

// Goiardi is a real Chef Server, in memory. It lacks organizations.
type Goiardi struct {
	URL      string
	Admin    string
	AdminKey []byte
}

// StartGoiardi runs the goiardi that GALLEY_TEST_CHEFSERVER names on a free
// port of loopback; without the variable the test is skipped. It ends with
// the test.
func StartGoiardi(t testing.TB) *Goiardi {
	t.Helper()
	program := os.Getenv(realServer)
	if program == "" {
		t.Skip(realServer + " names no goiardi: `make test-chefserver` does")
	}
	dir := t.TempDir()
	port := freePort(t)
	var log bytes.Buffer
	// goiardi writes the keys of its first users into its directory.
	cmd := exec.Command(program, "-A", "-I", "127.0.0.1", "-H", "127.0.0.1", "-P", port, "--conf-root="+dir)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("goiardi said:\n%s", log.String())
		}
	})
	g := &Goiardi{URL: "http://127.0.0.1:" + port, Admin: "admin"}
	if err := g.wait(filepath.Join(dir, "admin.pem"), ended); err != nil {
		t.Fatalf("goiardi does not come up: %v", err)
	}
	return g
}

// wait returns when the server answers and has written the admin's key.
func (g *Goiardi) wait(key string, ended chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			ended <- err
			return errors.Join(errors.New("it has ended"), err)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		data, err := os.ReadFile(key)
		if err != nil || !bytes.Contains(data, []byte("-----END")) {
			continue
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.URL+"/", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			g.AdminKey = data
			return nil
		}
	}
}

// freePort is a port that nobody listens on.
func freePort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	return port
}
