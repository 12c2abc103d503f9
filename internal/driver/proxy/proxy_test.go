package proxy_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/driver/proxy"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

func driver(t *testing.T, keys map[string]any) *proxy.Driver {
	t.Helper()
	d, err := proxy.New(config.NewSection(keys), proxy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestContract(t *testing.T) {
	kitchentest.Driver(t, func(t *testing.T) kitchen.Driver {
		return driver(t, map[string]any{"name": "proxy", "host": "192.0.2.7"})
	})
}

func TestReset(t *testing.T) {
	m := kitchentest.NewMachine(t)
	d := driver(t, map[string]any{"host": "192.0.2.7", "reset_command": "echo reset >>~/resets; echo done"})
	step, rec := kitchentest.NewStep(kitchen.Create, m)
	for range 2 { // the second changes nothing
		if err := d.Create(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.Read("resets"); got != "reset\n" {
		t.Errorf("after create: resets %q", got)
	}
	for range 2 {
		if err := d.Destroy(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.Read("resets"); got != "reset\nreset\n" {
		t.Errorf("after destroy: resets %q", got)
	}
	if opened, closed, waits := m.Connections(); opened != 2 || closed != 2 || waits != 2 {
		t.Errorf("opened %d, closed %d, waited %d", opened, closed, waits)
	}
	if text := rec.Text(); !strings.Contains(text, "Resetting instance state with command: echo reset") || !strings.Contains(text, "done\n") {
		t.Error(text)
	}
}

func TestFailedReset(t *testing.T) {
	m := kitchentest.NewMachine(t)
	d := driver(t, map[string]any{"host": "192.0.2.7", "reset_command": "exit 4"})
	step, _ := kitchentest.NewStep(kitchen.Create, m)
	var exit *kitchen.ExitError
	if err := d.Create(t.Context(), step); !errors.As(err, &exit) || exit.Status != 4 {
		t.Errorf("create: %v", err)
	}
	if h := step.State.String(kitchen.KeyHostname); h != "" {
		t.Errorf("a failed create left the host %q", h)
	}
	step.State.Set(kitchen.KeyHostname, "192.0.2.7")
	if err := d.Destroy(t.Context(), step); !errors.As(err, &exit) {
		t.Errorf("destroy: %v", err)
	}
}

func TestSettings(t *testing.T) {
	if _, err := proxy.New(config.NewSection(nil), proxy.Options{}); err == nil || !strings.Contains(err.Error(), "host") {
		t.Errorf("no host: %v", err)
	}
	s := config.NewSection(map[string]any{"username": "kim", "password": 123, "port": "2222", "ssh_key": "k.pem"}).WithRoot(filepath.FromSlash("/p"))
	got, err := proxy.TransportDefaults(s)
	if err != nil || got["username"] != "kim" || got["password"] != "123" || got["port"] != int64(2222) || !strings.HasSuffix(got["ssh_key"].(string), "k.pem") {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := proxy.TransportDefaults(config.NewSection(map[string]any{"port": "x"})); err == nil {
		t.Error("no error for a bad port")
	}
}
