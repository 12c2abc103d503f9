package openstack

import (
	"context"

	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/openstack/session"
)

// Connector keeps one [Cloud] for each set of credentials, so that all
// instances of a run share one token, one cache and one watcher. Its zero
// value is ready for use.
type Connector struct {
	// Options are used for every connection.
	Options Options

	logins cache
}

// Connect returns the connection for a, making it if there is none. A login
// that failed is tried again by the next caller, unless the cloud refused the
// credentials: clouds lock accounts after a few wrong passwords.
func (k *Connector) Connect(ctx context.Context, a credentials.Auth) (*Cloud, error) {
	return cached(ctx, &k.logins, a.Fingerprint(), session.Unauthorized, func(ctx context.Context) (*Cloud, error) {
		return Connect(ctx, a, k.Options)
	})
}

// Clouds returns the connections made so far.
func (k *Connector) Clouds() []*Cloud {
	return each(k.logins.results(), func(c any) *Cloud { return c.(*Cloud) })
}

// Close lets go of the idle connections of all clouds.
func (k *Connector) Close() {
	for _, c := range k.Clouds() {
		c.Close()
	}
}
