package bootstrap_test

import (
	"context"
	"crypto"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/testing/sshtest"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// notes collects reports.
type notes struct {
	mu    sync.Mutex
	lines []string
	seen  chan struct{}
}

func (n *notes) add(kind, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, kind+": "+text)
	if n.seen != nil {
		select {
		case n.seen <- struct{}{}:
		default:
		}
	}
}

func (n *notes) Info(f string, a ...any)  { n.add("info", fmt.Sprintf(f, a...)) }
func (n *notes) Warn(f string, a ...any)  { n.add("warn", fmt.Sprintf(f, a...)) }
func (n *notes) Debug(f string, a ...any) { n.add("debug", fmt.Sprintf(f, a...)) }
func (n *notes) Waiting(what, detail string, _ time.Time) {
	n.add("waiting", what+" ("+detail+")")
}

func (n *notes) has(kind, part string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.lines, func(l string) bool { return strings.HasPrefix(l, kind+": ") && strings.Contains(l, part) })
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.lines, "\n")
}

// await waits until something of that kind has been reported.
func (n *notes) await(t *testing.T, kind, part string) {
	t.Helper()
	limit := time.After(time.Minute)
	for !n.has(kind, part) {
		select {
		case <-n.seen:
		case <-limit:
			t.Fatalf("no %s %q was reported, but:\n%s", kind, part, n)
		}
	}
}

func newNotes() *notes { return &notes{seen: make(chan struct{}, 1)} }

// answers is a Prompter that gives prepared answers.
type answers struct {
	mu    sync.Mutex
	give  []string
	asked []string
}

func (a *answers) Prompt(_ context.Context, question string, _ bool) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, question)
	if len(a.give) == 0 {
		return "", fmt.Errorf("nobody answers %q", question)
	}
	s := a.give[0]
	a.give = a.give[1:]
	return s, nil
}

func (a *answers) questions() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

// writeKey writes a private key in OpenSSH's form, encrypted with phrase if
// there is one.
func writeKey(t *testing.T, key crypto.PrivateKey, phrase string) string {
	t.Helper()
	var block *pem.Block
	var err error
	if phrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(phrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, block)
}

func writePEM(t *testing.T, block *pem.Block) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fixture is a server, and a config that gets in by a key.
func fixture(t *testing.T, o sshtest.Options) (*sshtest.Server, bootstrap.Config) {
	t.Helper()
	signer, priv := sshtest.Key(t)
	o.Keys = append(o.Keys, signer.PublicKey())
	srv := sshtest.Start(t, o)
	c := configFor(t, srv)
	c.Keys, c.OnlyKeys = []string{writeKey(t, priv, "")}, true
	return srv, c
}

func configFor(t *testing.T, srv *sshtest.Server) bootstrap.Config {
	return bootstrap.Config{
		Hop:    bootstrap.Hop{Host: srv.Host, Port: srv.Port, User: "tester"},
		Agent:  "none",
		Home:   t.TempDir(),
		Report: newNotes(),
		Getenv: func(string) string { return "" },
	}
}

func dial(t *testing.T, c bootstrap.Config) *bootstrap.Client {
	t.Helper()
	client, err := bootstrap.Dial(t.Context(), c)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func run(t *testing.T, c *bootstrap.Client, line string) (string, int) {
	t.Helper()
	var out strings.Builder
	status, err := c.Run(t.Context(), bootstrap.Command{Line: line, Stdout: &out})
	if err != nil {
		t.Fatalf("run %q: %v", line, err)
	}
	return out.String(), status
}
