package cli

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/cookbooks"
	"github.com/galleyhq/galley/internal/cookbooks/web"
)

// cookbookOptions are those of this run: its environment and, where something
// asks for it, knife's configuration.
func cookbookOptions(ctx context.Context, s *settings, k *knifeSetup, chef *chefAccess) (cookbooks.Options, error) {
	vars, err := s.environment(ctx)
	if err != nil {
		return cookbooks.Options{}, err
	}
	dir, err := workingDirectory()
	if err != nil {
		return cookbooks.Options{}, err
	}
	var once sync.Mutex // what asks for the configuration runs in parallel
	locked := func(fn func() error) error {
		once.Lock()
		defer once.Unlock()
		return fn()
	}
	return cookbooks.Options{
		Env: vars, Dir: dir, UserAgent: "Galley/" + version(), AllowExec: s.consent(ctx, vars),
		HTTP: func(trust web.Trust) *http.Client {
			return &http.Client{Transport: &lazyTransport{open: func() (t http.RoundTripper, err error) {
				err = locked(func() error {
					t, err = sourceTransport(ctx, k, trust)
					return err
				})
				return t, err
			}}}
		},
		Server: func(ctx context.Context, url string) (server cookbooks.Server, err error) {
			err = locked(func() error {
				server, err = chef.at(ctx, url)
				return err
			})
			return server, err
		},
		ChefConfig: func(ctx context.Context, key string) (value any, err error) {
			err = locked(func() error {
				value, err = k.setting(ctx, key)
				return err
			})
			return value, err
		},
	}, nil
}

// cookbookOptions are those for the provisioners of a run.
func (p *project) cookbookOptions(ctx context.Context) (cookbooks.Options, error) {
	k := &knifeSetup{settings: p.projects.settings}
	return cookbookOptions(ctx, p.projects.settings, k, &chefAccess{knife: k})
}

// setting returns a setting of knife's configuration, nil for none.
func (k *knifeSetup) setting(ctx context.Context, key string) (any, error) {
	c, err := k.config(ctx)
	if err != nil {
		return nil, err
	}
	if v, ok := c.Setting(key); ok {
		return v.Data, nil
	}
	for name, value := range map[string]string{"chef_server_url": c.ChefServerURL, "node_name": c.NodeName, "client_key": c.ClientKey} {
		if name == key && value != "" {
			return value, nil
		}
	}
	return nil, nil
}

// at returns a client of the Chef Server at a URL, for the user of the
// configuration.
func (a *chefAccess) at(ctx context.Context, url string) (cookbooks.Server, error) {
	c, err := a.knife.config(ctx)
	if err != nil {
		return nil, err
	}
	there := *c
	there.ChefServerURL = url
	if err := canServe(&there); err != nil {
		return nil, err
	}
	signer, err := a.signer(ctx, &there)
	if err != nil {
		return nil, err
	}
	hc, err := chefHTTP(&there, a.knife.env)
	if err != nil {
		return nil, err
	}
	client, err := chefserver.New(url, signer, hc)
	if err != nil {
		return nil, err
	}
	return serverClient{client.AtAPI("2")}, nil
}

// serverClient is a Chef Server as internal/cookbooks wants it.
type serverClient struct{ *chefserver.Client }

// notFound marks the error of an object that the server does not have.
type notFound struct{ error }

func (notFound) NotFound() bool  { return true }
func (e notFound) Unwrap() error { return e.error }

// Do implements [cookbooks.Server].
func (s serverClient) Do(ctx context.Context, method, path string, in, out any) error {
	err := s.Client.Do(ctx, method, path, in, out)
	if chefserver.IsNotFound(err) {
		return notFound{err}
	}
	return err
}

// sourceTransport makes the requests to sources of cookbooks, with the proxies
// and certificates of knife's configuration.
func sourceTransport(ctx context.Context, k *knifeSetup, trust web.Trust) (http.RoundTripper, error) {
	c, err := k.config(ctx)
	if err != nil {
		return nil, err
	}
	client, err := chefHTTP(c, k.env)
	if err != nil {
		return nil, err
	}
	t, ok := client.Transport.(*http.Transport)
	if !ok {
		return nil, errors.New("the web client has no transport") // cannot happen
	}
	t = t.Clone()
	t.MaxIdleConnsPerHost, t.ResponseHeaderTimeout = 16, time.Minute
	return t, trust.Apply(t)
}

// lazyTransport is a transport that is made for the first request.
type lazyTransport struct {
	open func() (http.RoundTripper, error)
	once sync.Once
	rt   http.RoundTripper
	err  error
}

// RoundTrip implements [http.RoundTripper].
func (t *lazyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.once.Do(func() { t.rt, t.err = t.open() })
	if t.err != nil {
		return nil, t.err
	}
	return t.rt.RoundTrip(r)
}
