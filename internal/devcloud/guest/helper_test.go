//go:build linux

package guest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// The test binary is the guests' program too, and that of the starter which
// one test kills.
const (
	argGuest   = "galley-test-guest"
	argStarter = "galley-test-starter"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case argGuest:
			os.Exit(Main(os.Args[2:]))
		case argAttack:
			os.Exit(attack(os.Args[2]))
		case argStarter:
			os.Exit(starter(os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

func self(t testing.TB) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{exe, argGuest}
}

// newKey makes a key pair for a client.
func newKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signerOf(t, private)
}

func signerOf(t testing.TB, private any) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func authorized(s ssh.Signer) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey())))
}

var ids atomic.Int64

// guestDir is a directory that a guest's helpers of any user can reach.
func guestDir(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "g")
}

// testGuest is a guest and the key that opens it.
type testGuest struct {
	*Guest
	key ssh.Signer
}

// boot starts a guest and waits until SSH answers; it is stopped with the
// test, and its directory removed.
func boot(t testing.TB, change func(*Spec), lim ...limits) testGuest {
	t.Helper()
	g := bootNoWait(t, change, lim...)
	g.awaitReady(t)
	return g
}

func bootNoWait(t testing.TB, change func(*Spec), lim ...limits) testGuest {
	t.Helper()
	key := newKey(t)
	spec := Spec{
		ID: fmt.Sprintf(
			"00000000-0000-4000-8000-%012d",
			ids.Add(1),
		), Name: "web one", Hostname: "web-one", Image: "CentOS 7 GC 2014-09-16",
		Dir: guestDir(t), AuthorizedKeys: []string{authorized(key)}, Executable: self(t),
	}
	if change != nil {
		change(&spec)
	}
	l := limits{}
	if len(lim) > 0 {
		l = lim[0]
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	inner, err := start(ctx, spec, l)
	if err != nil {
		t.Fatal(err)
	}
	g := testGuest{inner, key}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for _, bad := range []string{"DATA RACE", "panic:", "fatal error:"} {
			if bytes.Contains(g.Console(), []byte(bad)) {
				t.Errorf("%s in the guest's process", bad)
			}
		}
		if t.Failed() {
			t.Logf("mode %s: %s\nconsole of %s:\n%s", g.Mode(), g.ModeDetail(), spec.ID, g.Console())
		}
		if err := g.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		if err := Remove(spec.Dir); err != nil {
			t.Errorf("remove: %v", err)
		}
	})
	return g
}

func (g testGuest) Console() []byte { return ReadConsole(g.spec.Dir) }

func (g testGuest) awaitReady(t testing.TB) {
	t.Helper()
	select {
	case <-g.Ready():
	case <-g.Done():
		t.Fatalf("the guest ended: %v\n%s", g.Err(), g.Console())
	case <-time.After(time.Minute):
		t.Fatalf("not ready\n%s", g.Console())
	}
}

// dial logs in, checking the host key against the console log.
func (g testGuest) dial(user string, auth ...ssh.AuthMethod) (*ssh.Client, error) {
	if len(auth) == 0 {
		auth = []ssh.AuthMethod{ssh.PublicKeys(g.key)}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := g.Dial(ctx)
	if err != nil {
		return nil, err
	}
	conf := &ssh.ClientConfig{
		User:    user,
		Auth:    auth,
		Timeout: time.Minute,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if !bytes.Contains(g.Console(), bytes.TrimSpace(ssh.MarshalAuthorizedKey(key))) ||
				!strings.Contains(string(g.Console()), ssh.FingerprintSHA256(key)) {
				return errors.New("the console log does not show this host key")
			}
			return nil
		},
	}
	conn, chans, reqs, err := ssh.NewClientConn(c, "guest", conf)
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return ssh.NewClient(conn, chans, reqs), nil
}

func (g testGuest) login(t testing.TB, user string) *ssh.Client {
	t.Helper()
	c, err := g.dial(user)
	if err != nil {
		t.Fatalf("login as %s: %v", user, err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// result is what a command gave.
type result struct {
	out, errOut string
	status      int
	signal      string
}

func runOn(t testing.TB, c *ssh.Client, command string) result {
	t.Helper()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var out, errOut bytes.Buffer
	s.Stdout, s.Stderr = &out, &errOut
	err = s.Run(command)
	r := result{out: out.String(), errOut: errOut.String()}
	var ee *ssh.ExitError
	switch {
	case errors.As(err, &ee):
		r.status, r.signal = ee.ExitStatus(), ee.Signal()
	case err != nil:
		t.Fatalf("%s: %v", command, err)
	}
	return r
}

// must runs a command that has to succeed, and returns its output.
func must(t testing.TB, c *ssh.Client, command string) string {
	t.Helper()
	r := runOn(t, c, command)
	if r.status != 0 || r.signal != "" {
		t.Fatalf("%s: status %d %s\n%s%s", command, r.status, r.signal, r.out, r.errOut)
	}
	return strings.TrimSpace(r.out)
}

// apart skips a test of what a plain directory cannot give, or of what would
// touch the host there. It asks before the test's own guests boot.
func apart(t testing.TB) {
	t.Helper()
	bestMode.once.Do(func() {
		g := bootNoWait(t, nil)
		bestMode.mode, bestMode.detail = g.Mode(), g.ModeDetail()
	})
	if bestMode.mode == ModeDirectory {
		t.Skipf("needs namespaces: %s", bestMode.detail)
	}
}

// bestMode is what this host allows.
var bestMode struct {
	once         sync.Once
	mode, detail string
}

// within waits until something is so.
func within(t testing.TB, d time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(d)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", d, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// marked lists the host's processes that have a word in their command line.
func marked(word string) []string {
	out, _ := exec.Command("ps", "-eo", "pid,stat,args").Output() //nolint:noctx // ends at once
	var found []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) > 2 && strings.Contains(line, word) && !strings.HasPrefix(f[1], "Z") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// starter starts a guest and waits to be killed. It prints a line when SSH
// answers.
func starter(args []string) int {
	exe, err := os.Executable()
	if err != nil {
		return 1
	}
	var lim limits
	if args[1] == ModeDirectory {
		lim = limits{NoRoot: true, NoUserNS: true}
	}
	spec := Spec{
		ID: "00000000-0000-4000-8000-00000000dead", Name: "doomed", Image: "Debian 12", Dir: args[0],
		AuthorizedKeys: []string{args[2]}, Executable: []string{exe, argGuest},
	}
	g, err := start(context.Background(), spec, lim)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	<-g.Ready()
	fmt.Println("ready", g.Mode())
	<-g.Done()
	return 0
}
