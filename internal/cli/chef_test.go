//go:build unix

package cli_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/galleyhq/galley/internal/testing/chefservertest"
)

// atTerminal runs galley at a terminal, answers each question that comes, in
// order, and returns what the terminal showed.
func (p *project) atTerminal(t *testing.T, answers [][2]string, args ...string) (shown string, code int) {
	t.Helper()
	cmd := p.command(t.Context(), args...)
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	var all bytes.Buffer
	buf := make([]byte, 4096)
	seen := 0 // how much of it was there at the last answer
	for {
		n, err := tty.Read(buf)
		all.Write(buf[:n])
		if len(answers) > 0 && strings.Contains(all.String()[seen:], answers[0][0]) {
			seen = all.Len()
			if _, err := io.WriteString(tty, answers[0][1]+"\n"); err != nil {
				t.Fatal(err)
			}
			answers = answers[1:]
		}
		if err != nil { // the other end is closed: the program has ended
			break
		}
	}
	_ = cmd.Wait()
	if len(answers) > 0 {
		t.Errorf("nobody asked %q:\n%s", answers[0][0], all.String())
	}
	return all.String(), cmd.ProcessState.ExitCode()
}

// TestQuestions answers at a terminal what a removal and an encrypted key ask.
func TestQuestions(t *testing.T) {
	t.Parallel()
	s := chefservertest.Start(t, "acme")
	s.AddNode(t, "web1", map[string]any{})
	p := newProject(t, nil, kitchenFile)
	key := filepath.Join(p.dir, "admin.pem")
	if err := os.WriteFile(key, s.AdminKey, 0o600); err != nil {
		t.Fatal(err)
	}
	login := []string{"-s", s.URL, "-u", s.Admin, "-k", key}
	remove := append([]string{"node", "delete", "web1"}, login...)

	shown, code := p.atTerminal(t, [][2]string{{"Do you really want to delete node web1? (Y/N)", "n"}}, remove...)
	if code != 20 || s.Node("web1") == nil || !strings.Contains(shown, "was not deleted, as you say") {
		t.Errorf("no: %d, %s", code, shown)
	}

	for _, form := range [][]string{{"rsa", "-aes128", "-traditional"}, {"pkcs8", "-topk8"}} {
		locked := filepath.Join(p.dir, form[0]+".pem")
		convert := exec.CommandContext(t.Context(), "openssl", append(form, "-in", key, "-out", locked, "-passout", "pass:s3cret")...)
		if out, err := convert.CombinedOutput(); err != nil {
			t.Fatalf("openssl: %v\n%s", err, out)
		}
		shown, code := p.atTerminal(t, [][2]string{{"Enter passphrase for key", "wrong"}, {"Enter passphrase for key", "s3cret"}}, "node", "list", "-s", s.URL, "-u", s.Admin, "-k", locked)
		if code != 0 || !strings.Contains(shown, "web1") {
			t.Errorf("a key encrypted by %s: %d, %s", form[0], code, shown)
		}
	}

	shown, code = p.atTerminal(t, [][2]string{{"(Y/N)", "y"}}, remove...)
	if code != 0 || s.Node("web1") != nil || !strings.Contains(shown, "Deleted node[web1]") {
		t.Errorf("yes: %d, %s", code, shown)
	}
}
