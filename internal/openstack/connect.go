package openstack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	tokens2 "github.com/gophercloud/gophercloud/v2/openstack/identity/v2/tokens"
	tokens3 "github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

// Reporter is told what happens. *kitchen.Reporter is one.
type Reporter interface {
	Info(format string, args ...any)
	Warn(format string, args ...any)
	Debug(format string, args ...any)
	Waiting(what, detail string, since time.Time)
}

type silentReporter struct{}

func (silentReporter) Info(string, ...any)               {}
func (silentReporter) Warn(string, ...any)               {}
func (silentReporter) Debug(string, ...any)              {}
func (silentReporter) Waiting(string, string, time.Time) {}

// Options are what a connection may be given beside the credentials.
type Options struct {
	// Debug is told of every request and its answer, without secrets; nil
	// means that nobody wants to know.
	Debug func(format string, args ...any)
	// UserAgent names the program to the cloud, "galley" by default.
	UserAgent string
	// FirstRetry is the pause before a request is repeated for the first time;
	// it doubles with each further one. 200 ms by default.
	FirstRetry time.Duration
	// Settle is how long a resource is looked for whose making was not
	// answered, before it counts as not made. 2 s by default.
	Settle time.Duration
}

// Cloud is one authenticated connection: one token, one set of lookups, one
// watcher, shared by all that is made through it. It is safe for concurrent
// use.
type Cloud struct {
	auth     Auth
	x        *exchange
	provider *gophercloud.ProviderClient
	identity identity

	mu      sync.Mutex
	catalog []service
	// ProjectID, UserID and their like are what the token says.
	who Whoami

	lookups  cache
	consoles hostKeys
	watch    *watcher
	claims   claims
	// settle are the pauses before each look for a resource whose making was
	// not answered, by the one who asked; lateSettle those when a record is
	// found in which the answer is missing.
	settle, lateSettle []time.Duration
	// claimSettle is the least pause between claiming a floating IP and
	// looking who holds it.
	claimSettle time.Duration
}

// Whoami is what the cloud says of the credentials.
type Whoami struct {
	UserID, UserName, ProjectID, ProjectName string
	Expires                                  time.Time
}

// service is one entry of the catalogue.
type service struct {
	kind, name string
	endpoints  []endpoint
}

type endpoint struct{ region, availability, url string }

// identity is the identity service as the cloud offers it.
type identity struct {
	version string // "2" or "3"
	url     string // ends in a slash
}

// Connect logs in. It asks the cloud which versions of the identity service
// it offers unless the URL names v3, and asks for one token, which is renewed
// when it runs out.
func Connect(ctx context.Context, a Auth, o Options) (*Cloud, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	x, err := newExchange(a, o.Debug)
	if err != nil {
		return nil, err
	}
	if o.FirstRetry > 0 {
		x.firstPause, x.pace.least = o.FirstRetry, min(o.FirstRetry, gapMin)
	}
	settle := o.Settle
	if settle <= 0 {
		settle = 2 * time.Second
	}
	agent := o.UserAgent
	if agent == "" {
		agent = "galley"
	}
	c := &Cloud{
		auth:        a,
		x:           x,
		settle:      []time.Duration{0, settle / 6, settle / 2},
		lateSettle:  []time.Duration{0, settle / 2, settle / 2},
		claimSettle: 250 * time.Millisecond,
	}
	c.watch = newWatcher(c)
	c.claims.held = map[string]bool{}
	c.provider = c.newProvider(agent)
	u, err := parseAuthURL(a.URL)
	if err != nil {
		return nil, err
	}
	x.allow(u.base)
	if err := c.login(ctx, u); err != nil {
		return nil, err
	}
	throwaway := c.newProvider(agent)
	throwaway.SetThrowaway(true)
	c.provider.ReauthFunc = func(ctx context.Context) error {
		if err := throwaway.SetTokenAndAuthResult(nil); err != nil {
			return err
		}
		if err := c.token(ctx, throwaway, c.identity); err != nil {
			return err
		}
		c.provider.CopyTokenFrom(throwaway)
		return nil
	}
	return c, nil
}

func (c *Cloud) newProvider(agent string) *gophercloud.ProviderClient {
	p := &gophercloud.ProviderClient{
		HTTPClient: http.Client{
			Transport: c.x,
			// A redirect turns a POST into a GET, and would carry the token to
			// another host. It is shown to the person instead.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	p.UserAgent.Prepend(agent)
	p.UseTokenLock()
	return p
}

// Calls returns how many HTTP requests were sent so far.
func (c *Cloud) Calls() int64 { return c.x.calls.Load() }

// Whoami returns what the cloud said of the credentials at login.
func (c *Cloud) Whoami() Whoami {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.who
}

// AuthURL returns the base of the identity service in use.
func (c *Cloud) AuthURL() string { return c.identity.url }

// Close lets go of idle connections.
func (c *Cloud) Close() {
	if t, ok := c.x.base.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// login finds out which identity service to ask and asks it for a token.
func (c *Cloud) login(ctx context.Context, u identityURL) error {
	wanted := u.version
	if c.auth.IdentityVersion != "" {
		wanted = c.auth.IdentityVersion
	}
	v3 := identity{"3", u.base + "v3/"}
	v2 := identity{"2", u.base + "v2.0/"}
	if wanted == "3" {
		// The usual case costs no discovery.
		err := c.token(ctx, c.provider, v3)
		if !isStatus(err, 404, 300) {
			c.identity = v3
			return err
		}
	}
	offered, derr := c.discover(ctx, u.base)
	if derr != nil && KindOf(derr) != NotFound && KindOf(derr) != Forbidden && KindOf(derr) != Unauthorized && KindOf(derr) != Other {
		return derr
	}
	var order []identity
	switch {
	case derr != nil || len(offered) == 0:
		// A cloud that hides its list of versions: try what it may be.
		order = []identity{v3, v2}
		if wanted == "2" {
			order = []identity{v2, v3}
		}
	case wanted == "2" && slices.Contains(offered, "2") && !c.auth.needsV3():
		order = []identity{v2}
	case slices.Contains(offered, "3"):
		order = []identity{v3}
	case slices.Contains(offered, "2"):
		if c.auth.needsV3() {
			return fail(Invalid, "log in at "+u.base, "the cloud offers Identity v2.0 only, which knows no application credentials, domains or system scope",
				"use user name, password and tenant")
		}
		order = []identity{v2}
	default:
		return fail(Invalid, "log in at "+u.base, "the cloud offers none of the Identity versions 2.0 and 3", "check OS_AUTH_URL")
	}
	var err error
	for _, candidate := range order {
		err = c.token(ctx, c.provider, candidate)
		if !isStatus(err, 404, 300) {
			c.identity = candidate
			return err
		}
	}
	var e *Error
	if errors.As(err, &e) {
		e.hint = "there seems to be no identity service at " + u.base + ": check OS_AUTH_URL"
	}
	return err
}

// needsV3 says whether the credentials cannot be expressed in v2.0.
func (a Auth) needsV3() bool {
	return a.AppCredID != "" || a.AppCredName != "" || a.SystemScope || a.TrustID != "" || a.Passcode != "" ||
		a.ProjectName == "" && a.ProjectID == "" && (a.DomainID != "" || a.DomainName != "")
}

// discover returns the major versions that the identity service lists.
func (c *Cloud) discover(ctx context.Context, base string) ([]string, error) {
	type version struct {
		ID     string `json:"id"`
		Status string `json:"status"`
	}
	var listed struct {
		Versions struct {
			Values []version `json:"values"`
		} `json:"versions"`
		Version *version `json:"version"`
	}
	_, err := c.provider.Request(ctx, http.MethodGet, base, &gophercloud.RequestOpts{
		JSONResponse: &listed,
		OkCodes:      []int{200, 300},
	})
	if err != nil {
		return nil, explain("ask "+base+" which Identity versions it offers", err)
	}
	values := listed.Versions.Values
	if listed.Version != nil {
		values = append(values, *listed.Version)
	}
	var out []string
	for _, v := range values {
		if strings.EqualFold(v.Status, "experimental") {
			continue
		}
		if m := majorVersion(v.ID); m != "" && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out, nil
}

// token asks for a token and keeps it and the catalogue that comes with it.
func (c *Cloud) token(ctx context.Context, p *gophercloud.ProviderClient, at identity) error {
	sc := &gophercloud.ServiceClient{ProviderClient: p, Endpoint: at.url, Type: "identity"}
	what := "log in at " + at.url + c.auth.as()
	ctx = repeatable(ctx)
	var (
		result  gophercloud.AuthResult
		catalog []service
		who     Whoami
		err     error
	)
	if at.version == "2" {
		result, catalog, who, err = c.tokenV2(ctx, sc)
	} else {
		result, catalog, who, err = c.tokenV3(ctx, sc)
	}
	if err != nil {
		return c.explainLogin(what, err)
	}
	if err := p.SetTokenAndAuthResult(result); err != nil {
		return explain(what, err)
	}
	if len(catalog) == 0 {
		return fail(Invalid, what, "the login is good, but no project goes with it",
			"set OS_PROJECT_NAME (or openstack_project_name) to one of the user's projects")
	}
	c.mu.Lock()
	c.catalog, c.who = catalog, who
	c.mu.Unlock()
	return nil
}

// as describes the login for messages.
func (a Auth) as() string {
	var b strings.Builder
	switch {
	case a.AppCredID != "":
		b.WriteString(" with application credential " + a.AppCredID)
	case a.AppCredName != "":
		b.WriteString(" with application credential " + a.AppCredName)
	case a.Token != "" && a.Password == "":
		b.WriteString(" with a token")
	case a.Username != "":
		b.WriteString(" as " + a.Username)
	default:
		b.WriteString(" as user " + a.UserID)
	}
	if a.AppCredID == "" && a.AppCredName == "" {
		if a.ProjectID != "" {
			b.WriteString(" in project " + a.ProjectID)
		} else if a.ProjectName != "" {
			b.WriteString(" in project " + a.ProjectName)
		}
	}
	return b.String()
}

func (c *Cloud) explainLogin(what string, err error) error {
	err = explain(what, err)
	var e *Error
	if errors.As(err, &e) && e.Kind == Unauthorized {
		switch {
		case c.auth.AppCredID != "" || c.auth.AppCredName != "":
			e.hint = "check the application credential's id and secret, and that it has not expired or been deleted"
		case c.auth.Token != "" && c.auth.Password == "":
			e.hint = "the token may have expired: get a new one (`openstack token issue`)"
		default:
			e.hint = "check the user name, the password, the user's domain and the project: source the RC file again, or look at openstack_username and openstack_api_key in the driver section"
		}
	}
	return err
}

func (c *Cloud) tokenV3(ctx context.Context, sc *gophercloud.ServiceClient) (gophercloud.AuthResult, []service, Whoami, error) {
	opts, plain := c.auth.v3Options()
	extract := func(ex interface {
		ExtractServiceCatalog() (*tokens3.ServiceCatalog, error)
		ExtractUser() (*tokens3.User, error)
		ExtractProject() (*tokens3.Project, error)
		ExtractToken() (*tokens3.Token, error)
	},
	) ([]service, Whoami, error) {
		var who Whoami
		cat, err := ex.ExtractServiceCatalog()
		if err != nil {
			return nil, who, err
		}
		if u, err := ex.ExtractUser(); err == nil && u != nil {
			who.UserID, who.UserName = u.ID, u.Name
		}
		if p, err := ex.ExtractProject(); err == nil && p != nil {
			who.ProjectID, who.ProjectName = p.ID, p.Name
		}
		if t, err := ex.ExtractToken(); err == nil {
			who.Expires = t.ExpiresAt
		}
		var out []service
		for _, e := range cat.Entries {
			s := service{kind: e.Type, name: e.Name}
			for _, ep := range e.Endpoints {
				region := ep.RegionID
				if region == "" {
					region = ep.Region
				}
				s.endpoints = append(s.endpoints, endpoint{region, ep.Interface, ep.URL})
			}
			out = append(out, s)
		}
		return out, who, nil
	}
	if !plain {
		r := tokens3.Create(ctx, sc, opts)
		if r.Err == nil {
			cat, who, err := extract(r)
			return r, cat, who, err
		}
		// Clouds may forbid to make a token of a token; it is used as it is.
		if c.auth.Token == "" || c.auth.Password != "" || !isStatus(r.Err, 403, 401) {
			return nil, nil, Whoami{}, r.Err
		}
	}
	sc.SetToken(c.auth.Token.Reveal())
	r := tokens3.Get(ctx, sc, c.auth.Token.Reveal())
	if r.Err != nil {
		return nil, nil, Whoami{}, r.Err
	}
	cat, who, err := extract(r)
	return r, cat, who, err
}

// v3Options translates the credentials. plain means that a token is used as
// it is, since no scope is asked for.
func (a Auth) v3Options() (opts *gophercloud.AuthOptions, plain bool) {
	opts = &gophercloud.AuthOptions{Scope: a.scope()}
	switch {
	case a.AppCredID != "" || a.AppCredName != "":
		opts.ApplicationCredentialID = a.AppCredID
		opts.ApplicationCredentialSecret = a.AppCredSecret.Reveal()
		if a.AppCredID == "" {
			opts.ApplicationCredentialName = a.AppCredName
			opts.UserID = a.UserID
			if a.UserID == "" {
				opts.Username = a.Username
				opts.DomainID, opts.DomainName = a.userDomain()
			}
		}
		opts.Scope = nil
	case a.Token != "" && a.Password == "":
		opts.TokenID = a.Token.Reveal()
		return opts, *opts.Scope == gophercloud.AuthScope{}
	default:
		opts.Password = a.Password.Reveal()
		opts.Passcode = a.Passcode.Reveal()
		if a.UserID != "" {
			opts.UserID = a.UserID
		} else {
			opts.Username = a.Username
			opts.DomainID, opts.DomainName = a.userDomain()
		}
	}
	return opts, false
}

func (a Auth) scope() *gophercloud.AuthScope {
	s := &gophercloud.AuthScope{}
	switch {
	case a.SystemScope:
		s.System = true
	case a.TrustID != "":
		s.TrustID = a.TrustID
	case a.ProjectID != "":
		s.ProjectID = a.ProjectID
	case a.ProjectName != "":
		s.ProjectName = a.ProjectName
		s.DomainID, s.DomainName = a.projectDomain()
	case a.DomainID != "":
		s.DomainID = a.DomainID
	case a.DomainName != "":
		s.DomainName = a.DomainName
	}
	return s
}

func (c *Cloud) tokenV2(ctx context.Context, sc *gophercloud.ServiceClient) (gophercloud.AuthResult, []service, Whoami, error) {
	a := c.auth
	opts := gophercloud.AuthOptions{TenantID: a.ProjectID, Password: a.Password.Reveal(), Username: a.Username}
	if a.ProjectID == "" {
		opts.TenantName = a.ProjectName
	}
	if a.Token != "" && a.Password == "" {
		opts.TokenID, opts.Username, opts.Password = a.Token.Reveal(), "", ""
	}
	r := tokens2.Create(ctx, sc, opts)
	if r.Err != nil {
		return nil, nil, Whoami{}, r.Err
	}
	cat, err := r.ExtractServiceCatalog()
	if err != nil {
		return nil, nil, Whoami{}, err
	}
	var who Whoami
	if t, err := r.ExtractToken(); err == nil {
		who.Expires, who.ProjectID, who.ProjectName = t.ExpiresAt, t.Tenant.ID, t.Tenant.Name
	}
	who.UserName = a.Username
	var out []service
	for _, e := range cat.Entries {
		s := service{kind: e.Type, name: e.Name}
		for _, ep := range e.Endpoints {
			s.endpoints = append(s.endpoints,
				endpoint{ep.Region, "public", ep.PublicURL},
				endpoint{ep.Region, "internal", ep.InternalURL},
				endpoint{ep.Region, "admin", ep.AdminURL})
		}
		out = append(out, s)
	}
	return r, out, who, nil
}

// compute, network, image and volume are the clients of the four services.
func (c *Cloud) compute() (*gophercloud.ServiceClient, error) {
	types := []string{"compute"}
	if c.auth.ServiceType != "" {
		types = []string{c.auth.ServiceType, "compute"}
	}
	return c.service("compute", types, c.auth.ServiceName, c.auth.ComputeURL, func(u string) string {
		if hasVersion(u) {
			return u
		}
		return u + "v2.1/"
	})
}

func (c *Cloud) network() (*gophercloud.ServiceClient, error) {
	return c.service("network", []string{"network", "networking"}, "", c.auth.NetworkURL, func(u string) string {
		if hasVersion(u) {
			return u
		}
		return u + "v2.0/"
	})
}

func (c *Cloud) image() (*gophercloud.ServiceClient, error) {
	return c.service("image", []string{"image"}, "", c.auth.ImageURL, func(u string) string {
		// Old catalogues name v1, which no cloud has any more.
		u = strings.TrimSuffix(u, "v1/")
		if hasVersion(u) {
			return u
		}
		return u + "v2/"
	})
}

func (c *Cloud) volume() (*gophercloud.ServiceClient, error) {
	types := []string{"volumev3", "block-storage", "block-store", "volumev2", "volume"}
	return c.service("volume", types, "", c.auth.VolumeURL, func(u string) string {
		if hasVersion(u) {
			return u
		}
		return u + "v3/" + c.Whoami().ProjectID + "/"
	})
}

// hasVersion says whether a segment of the URL's path is an API version.
func hasVersion(u string) bool {
	_, path, _ := strings.Cut(u, "://")
	return slices.ContainsFunc(strings.Split(path, "/")[1:], versionSegment.MatchString)
}

// service makes the client of one service out of the catalogue.
func (c *Cloud) service(label string, types []string, name, override string, versioned func(string) string) (*gophercloud.ServiceClient, error) {
	u := override
	if u == "" {
		var err error
		if u, err = c.endpoint(label, types, name); err != nil {
			return nil, err
		}
	}
	u = strings.TrimSuffix(u, "/") + "/"
	c.x.allow(u)
	kind := label
	if label == "volume" {
		kind = "block-storage"
	}
	return &gophercloud.ServiceClient{ProviderClient: c.provider, Endpoint: versioned(u), Type: kind}, nil
}

func (c *Cloud) endpoint(label string, types []string, name string) (string, error) {
	availability, err := c.auth.availability()
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	catalog := c.catalog
	c.mu.Unlock()
	what := "find the " + label + " service"
	var regions, kinds []string
	for _, kind := range types {
		for pass := range 2 {
			for _, s := range catalog {
				// A name that no entry has is passed over, as the peer does.
				if s.kind != kind || pass == 0 && name != "" && s.name != name {
					continue
				}
				var fits []endpoint
				for _, ep := range s.endpoints {
					if ep.url == "" {
						continue
					}
					if !slices.Contains(kinds, ep.availability) {
						kinds = append(kinds, ep.availability)
					}
					if ep.availability != availability {
						continue
					}
					if !slices.Contains(regions, ep.region) {
						regions = append(regions, ep.region)
					}
					if c.auth.Region == "" || ep.region == c.auth.Region {
						fits = append(fits, ep)
					}
				}
				if len(fits) == 0 {
					continue
				}
				for _, ep := range fits[1:] {
					if ep.region != fits[0].region {
						slices.Sort(regions)
						return "", fail(Ambiguous, what, "the cloud has several regions: "+strings.Join(regions, ", "),
							"name one in OS_REGION_NAME or openstack_region")
					}
				}
				return fits[0].url, nil
			}
		}
	}
	slices.Sort(regions)
	slices.Sort(kinds)
	switch {
	case len(regions) > 0:
		return "", fail(NotFound, what, fmt.Sprintf("there is no region %q; the cloud has %s", c.auth.Region, strings.Join(regions, ", ")),
			"set OS_REGION_NAME or openstack_region to one of them")
	case len(kinds) > 0:
		return "", fail(NotFound, what, fmt.Sprintf("it has no %s endpoint, only %s", availability, strings.Join(kinds, ", ")),
			"set OS_INTERFACE or openstack_endpoint_type to one of them")
	}
	return "", fail(NotFound, what, "the catalogue of this project does not have it", "ask the operators, or check the project")
}

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
func (k *Connector) Connect(ctx context.Context, a Auth) (*Cloud, error) {
	key := a.key()
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
			if have.err != nil && KindOf(have.err) != Unauthorized {
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
