package cli

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

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
	var mu sync.Mutex // what asks for the configuration runs in parallel
	return cookbooks.Options{
		Env: vars, Dir: dir, UserAgent: "Galley/" + version(), AllowExec: s.consent(ctx, vars),
		HTTP: func(trust web.Trust) *http.Client {
			return &http.Client{Transport: lazyTransport(sync.OnceValues(func() (http.RoundTripper, error) {
				mu.Lock()
				defer mu.Unlock()
				return sourceTransport(ctx, k, trust)
			}))}
		},
		Server: func(ctx context.Context, url string) (cookbooks.Server, error) {
			mu.Lock()
			defer mu.Unlock()
			return chef.at(ctx, url)
		},
		ChefConfig: func(ctx context.Context, key string) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			return k.setting(ctx, key)
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
	client, err := a.client(ctx, &there)
	if err != nil {
		return nil, err
	}
	return client.AtAPI("2"), nil
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

// lazyTransport returns a transport, which is made for the first request.
type lazyTransport func() (http.RoundTripper, error)

// RoundTrip implements [http.RoundTripper].
func (open lazyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t, err := open()
	if err != nil {
		return nil, err
	}
	return t.RoundTrip(r)
}
