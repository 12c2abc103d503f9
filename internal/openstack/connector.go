package openstack

import (
	"context"
	"errors"
	"sync"

	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/openstack/session"
)

// Connector keeps one [Cloud] for each set of credentials, so that all
// instances of a run share one token, one cache and one watcher. Its zero
// value is ready for use.
type Connector struct {
	// Options are used for every connection.
	Options Options

	mu     sync.Mutex
	clouds map[string]*connecting
}

type connecting struct {
	done  chan struct{}
	cloud *Cloud
	err   error
}

// Connect returns the connection for a, making it if there is none. A login
// that failed is tried again by the next caller, unless the cloud refused the
// credentials.
func (k *Connector) Connect(ctx context.Context, a credentials.Auth) (*Cloud, error) {
	key := a.Fingerprint()
	for {
		k.mu.Lock()
		if k.clouds == nil {
			k.clouds = map[string]*connecting{}
		}
		have, ok := k.clouds[key]
		if !ok {
			have = &connecting{done: make(chan struct{})}
			k.clouds[key] = have
			k.mu.Unlock()
			have.cloud, have.err = Connect(ctx, a, k.Options)
			// Credentials that were refused are not tried again: clouds lock
			// accounts after a few wrong passwords.
			if have.err != nil && session.KindOf(have.err) != session.Unauthorized {
				k.mu.Lock()
				delete(k.clouds, key)
				k.mu.Unlock()
			}
			close(have.done)
			return have.cloud, have.err
		}
		k.mu.Unlock()
		select {
		case <-have.done:
			// The one who logged in may have been cancelled; we were not.
			if have.err != nil && errors.Is(have.err, context.Canceled) && ctx.Err() == nil {
				continue
			}
			return have.cloud, have.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Clouds returns the connections made so far.
func (k *Connector) Clouds() []*Cloud {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []*Cloud
	for _, c := range k.clouds {
		select {
		case <-c.done:
			if c.err == nil {
				out = append(out, c.cloud)
			}
		default:
		}
	}
	return out
}

// Close lets go of the idle connections of all clouds.
func (k *Connector) Close() {
	for _, c := range k.Clouds() {
		c.Close()
	}
}
