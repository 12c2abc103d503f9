package openstack

import (
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/testing/fakecloud"
)

// authOf are credentials for the fake.
func authOf(f *fakecloud.Cloud) credentials.Auth {
	return credentials.Auth{URL: f.URL + "/v3", Username: "demo", Password: "pw", ProjectName: "demo", ReadTimeout: time.Minute}
}

func connect(t *testing.T, f *fakecloud.Cloud) *Cloud {
	t.Helper()
	c, err := Connect(t.Context(), authOf(f), Options{Options: session.Options{FirstRetry: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	c.settle = []time.Duration{0, 10 * time.Millisecond}
	c.window = 40 * time.Millisecond
	c.claimSettle = 20 * time.Millisecond
	c.watch.least = 5 * time.Millisecond
	t.Cleanup(c.Close)
	return c
}
