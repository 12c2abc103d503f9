package bootstrap_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/testing/sshtest"
)

// booting is a machine whose cloud-init is at work until finish is closed, and
// then has the given result. The first cut waits for it lose the connection.
type booting struct {
	finish chan struct{}
	result string
	cut    atomic.Int64
	srv    *sshtest.Server
}

func (b *booting) exec(line string, ch ssh.Channel) (int, bool) {
	switch {
	case strings.Contains(line, "galley-is-in"):
		state := "running"
		select {
		case <-b.finish:
			state = "done\n" + b.result
		default:
		}
		fmt.Fprintf(ch, "galley-is-in\ngalley-boot %s\n", state)
		return 0, true
	case strings.Contains(line, "result.json"):
		if b.cut.Add(-1) >= 0 {
			b.srv.DropAll()
			return 0, true
		}
		gone := make(chan struct{})
		go func() { _, _ = io.Copy(io.Discard, ch); close(gone) }()
		<-b.finish
		fmt.Fprint(ch, b.result)
		return 0, true
	}
	return 0, false
}

func newBooting(t *testing.T, result string) (*booting, bootstrap.Config, *notes) {
	b := &booting{finish: make(chan struct{}), result: result}
	srv, cfg := fixture(t, sshtest.Options{Exec: b.exec})
	b.srv = srv
	n := newNotes()
	cfg.Report = n
	return b, cfg, n
}

func TestWaitForCloudInit(t *testing.T) {
	b, cfg, n := newBooting(t, `{"v1": {"errors": ["('scripts_user', RuntimeError('Runparts: 1 failures'))"]}}`)
	b.cut.Store(1)
	done := make(chan error, 1)
	go func() {
		client, err := bootstrap.Wait(t.Context(), cfg, bootstrap.WaitOptions{Boot: time.Minute, MustBoot: true})
		if err == nil {
			client.Close()
		}
		done <- err
	}()
	n.await(t, "waiting", "cloud-init on "+cfg.Addr())
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	close(b.finish)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !n.has("warn", "module scripts_user: RuntimeError('Runparts: 1 failures')") || !n.has("info", "connecting again") {
		t.Errorf("reported:\n%s", n)
	}
}

func TestCloudInitThatDoesNotFinish(t *testing.T) {
	b, cfg, _ := newBooting(t, "")
	defer close(b.finish)
	_, err := bootstrap.Wait(t.Context(), cfg, bootstrap.WaitOptions{Boot: 50 * time.Millisecond, MustBoot: true})
	var late *bootstrap.BootError
	if !errors.As(err, &late) || !strings.Contains(late.Hint(), "wait_for_cloud_init") {
		t.Errorf("got %v", err)
	}
	client, err := bootstrap.Wait(t.Context(), cfg, bootstrap.WaitOptions{Boot: 50 * time.Millisecond})
	if err != nil {
		t.Fatalf("where nothing was asked of it: %v", err)
	}
	client.Close()
	client, err = bootstrap.Wait(t.Context(), cfg, bootstrap.WaitOptions{})
	if err != nil {
		t.Fatalf("without a wait: %v", err)
	}
	client.Close()
}

// The check is a part of the probe: it costs no command more.
func TestCloudInitThatHasFinished(t *testing.T) {
	for result, warned := range map[string]bool{"{}": false, `{"v1": {"errors": ["('scripts_user', 'x')"]}}`: true} {
		b, cfg, n := newBooting(t, result)
		close(b.finish)
		client, err := bootstrap.Wait(t.Context(), cfg, bootstrap.WaitOptions{Boot: time.Minute, MustBoot: true})
		if err != nil {
			t.Fatal(err)
		}
		client.Close()
		if count := b.srv.Commands.Load(); count != 1 {
			t.Errorf("%d commands", count)
		}
		if n.has("warn", "module scripts_user") != warned {
			t.Errorf("%s: reported:\n%s", result, n)
		}
	}
}
