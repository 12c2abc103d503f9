package session

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/settings"
	tokens2 "github.com/gophercloud/gophercloud/v2/openstack/identity/v2/tokens"
	tokens3 "github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

// Options are what a session may be given beside the credentials.
type Options struct {
	// Debug receives one line for each request and its answer, without
	// secrets; nil disables it.
	Debug func(format string, args ...any)
	// Trace receives what each request was, with its context, and how long it
	// took until it was answered or failed.
	Trace func(ctx context.Context, what string, took time.Duration)
	// Notice receives what the user should know while a request takes longer;
	// nil disables it.
	Notice func(format string, args ...any)
	// UserAgent names the program to the cloud, "galley" by default.
	UserAgent string
	// FirstRetry is the pause before a request is repeated for the first time;
	// it doubles with each further one. 200 ms by default.
	FirstRetry time.Duration
}

// Session is one login: a token that is renewed when it expires, the catalogue
// that came with it, and the HTTP layer. It is safe for concurrent use.
type Session struct {
	auth     credentials.Auth
	x        *exchange
	provider *gophercloud.ProviderClient
	identity identity

	mu      sync.Mutex
	catalog []service
	who     Whoami
}

// Whoami is what the cloud says of the credentials.
type Whoami struct {
	UserID, UserName, ProjectID, ProjectName string
	Expires                                  time.Time
}

// identity is the identity service as the cloud offers it.
type identity struct {
	version string // "2" or "3"
	url     string // ends in a slash
}

// Open logs in. It asks the cloud which versions of the identity service
// it offers unless the URL names v3, and asks for one token, which is renewed
// when it runs out.
func Open(ctx context.Context, a credentials.Auth, o Options) (*Session, error) {
	if err := a.Validate("the credentials", settings.Environment); err != nil {
		return nil, err
	}
	x, err := newExchange(a, o)
	if err != nil {
		return nil, err
	}
	if o.FirstRetry > 0 {
		x.firstPause, x.pace.least = o.FirstRetry, min(o.FirstRetry, gapMin)
	}
	agent := o.UserAgent
	if agent == "" {
		agent = "galley"
	}
	c := &Session{auth: a, x: x}
	c.provider = c.newProvider(agent)
	u, err := credentials.ParseURL(a.URL)
	if err != nil {
		return nil, err
	}
	x.allow(u.Base)
	if base, err := url.Parse(u.Base); err == nil {
		x.identityHost = base.Host
	}
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

func (c *Session) newProvider(agent string) *gophercloud.ProviderClient {
	p := &gophercloud.ProviderClient{
		HTTPClient: http.Client{
			Transport: c.x,
			// A redirect turns a POST into a GET, and would carry the token to
			// another host. It is shown to the user instead.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	p.UserAgent.Prepend(agent)
	p.UseTokenLock()
	return p
}

// Calls returns how many HTTP requests were sent so far.
func (c *Session) Calls() int64 { return c.x.calls.Load() }

// Whoami returns what the cloud said of the credentials at login.
func (c *Session) Whoami() Whoami {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.who
}

// Region returns the region that the credentials name, "" for the only one.
func (c *Session) Region() string { return c.auth.Region }

// RequestTimeout is how long the answer to a request is waited for.
func (c *Session) RequestTimeout() time.Duration { return c.auth.Reading() }

// AuthURL returns the base of the identity service in use.
func (c *Session) AuthURL() string { return c.identity.url }

// Close lets go of idle connections.
func (c *Session) Close() {
	if t, ok := c.x.base.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// login finds out which identity service to ask and asks it for a token.
func (c *Session) login(ctx context.Context, u credentials.URL) error {
	wanted := u.Version
	if c.auth.IdentityVersion != "" {
		wanted = c.auth.IdentityVersion
	}
	v3 := identity{"3", u.Base + "v3/"}
	v2 := identity{"2", u.Base + "v2.0/"}
	if wanted == "3" {
		// The usual case costs no discovery.
		err := c.token(ctx, c.provider, v3)
		if !IsStatus(err, 404, 300) {
			c.identity = v3
			return err
		}
	}
	offered, derr := c.discover(ctx, u.Base)
	if derr != nil && KindOf(derr) != NotFound && KindOf(derr) != Forbidden && KindOf(derr) != Unauthorized && KindOf(derr) != Other {
		return derr
	}
	var order []identity
	switch {
	case derr != nil || len(offered) == 0:
		// A cloud that hides its list of versions: try the usual ones.
		order = []identity{v3, v2}
		if wanted == "2" {
			order = []identity{v2, v3}
		}
	case wanted == "2" && slices.Contains(offered, "2") && !needsV3(c.auth):
		order = []identity{v2}
	case slices.Contains(offered, "3"):
		order = []identity{v3}
	case slices.Contains(offered, "2"):
		if needsV3(c.auth) {
			return Fail(Invalid, "log in at "+u.Base, "the cloud offers Identity v2.0 only, which does not have application credentials, domains or system scope",
				"use user name, password and tenant")
		}
		order = []identity{v2}
	default:
		return Fail(Invalid, "log in at "+u.Base, "the cloud offers none of the Identity versions 2.0 and 3", "").Advise("check %s", settings.AuthURL)
	}
	var err error
	for _, candidate := range order {
		err = c.token(ctx, c.provider, candidate)
		if !IsStatus(err, 404, 300) {
			c.identity = candidate
			return err
		}
	}
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	// Keystone answers 404 for a credential or token that it does not have.
	if said := strings.ToLower(e.Said); strings.Contains(said, "credential") || strings.Contains(said, "token") {
		return e.Advise("it may have been deleted, have expired, or belong to another user or project: check %s or %s",
			settings.AppCredID, settings.Token)
	}
	return e.Advise("there seems to be no identity service at %s: check %s", u.Base, settings.AuthURL)
}

// needsV3 says whether the credentials cannot be expressed in v2.0.
func needsV3(a credentials.Auth) bool {
	return a.AppCredID != "" || a.AppCredName != "" || a.SystemScope || a.TrustID != "" || a.Passcode != "" ||
		a.ProjectName == "" && a.ProjectID == "" && (a.DomainID != "" || a.DomainName != "")
}

// discover returns the major versions that the identity service lists.
func (c *Session) discover(ctx context.Context, base string) ([]string, error) {
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
		return nil, Explain("ask "+base+" which Identity versions it offers", err)
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
		if m := credentials.MajorVersion(v.ID); m != "" && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out, nil
}

// token asks for a token and keeps it and the catalogue that comes with it.
func (c *Session) token(ctx context.Context, p *gophercloud.ProviderClient, at identity) error {
	sc := &gophercloud.ServiceClient{ProviderClient: p, Endpoint: at.url, Type: "identity"}
	what := "log in at " + at.url + as(c.auth)
	ctx = Repeatable(ctx)
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
		return Explain(what, err)
	}
	if who == (Whoami{UserName: who.UserName}) {
		return Explain(what, ErrEmptyAnswer)
	}
	if len(catalog) == 0 {
		return Fail(Invalid, what, "the login is good, but no project goes with it",
			"").Advise("set %s to one of the user's projects", settings.ProjectName)
	}
	c.mu.Lock()
	c.catalog, c.who = catalog, who
	c.mu.Unlock()
	return nil
}

// as describes the login for messages.
func as(a credentials.Auth) string {
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

func (c *Session) explainLogin(what string, err error) error {
	err = Explain(what, err)
	var e *Error
	if errors.As(err, &e) && e.Kind == Unauthorized {
		switch {
		case c.auth.AppCredID != "" || c.auth.AppCredName != "":
			e.SetHint("check the application credential's id and secret, and that it has not expired or been deleted")
		case c.auth.Token != "" && c.auth.Password == "":
			e.SetHint("the token may have expired: get a new one (`openstack token issue`)")
		default:
			e.Advise("check the user name, the password, the user's domain and the project: source the RC file again, or look at %s and %s", settings.Username, settings.Password)
		}
	}
	return err
}

func (c *Session) tokenV3(ctx context.Context, sc *gophercloud.ServiceClient) (gophercloud.AuthResult, []service, Whoami, error) {
	opts, plain := v3Options(c.auth)
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
		if c.auth.Token == "" || c.auth.Password != "" || !IsStatus(r.Err, 403, 401) {
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
func v3Options(a credentials.Auth) (opts *gophercloud.AuthOptions, plain bool) {
	opts = &gophercloud.AuthOptions{Scope: scope(a)}
	switch {
	case a.AppCredID != "" || a.AppCredName != "":
		opts.ApplicationCredentialID = a.AppCredID
		opts.ApplicationCredentialSecret = a.AppCredSecret.Reveal()
		if a.AppCredID == "" {
			opts.ApplicationCredentialName = a.AppCredName
			opts.UserID = a.UserID
			if a.UserID == "" {
				opts.Username = a.Username
				opts.DomainID, opts.DomainName = a.UserDomain()
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
			opts.DomainID, opts.DomainName = a.UserDomain()
		}
	}
	return opts, false
}

func scope(a credentials.Auth) *gophercloud.AuthScope {
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
		s.DomainID, s.DomainName = a.ProjectDomain()
	case a.DomainID != "":
		s.DomainID = a.DomainID
	case a.DomainName != "":
		s.DomainName = a.DomainName
	}
	return s
}

func (c *Session) tokenV2(ctx context.Context, sc *gophercloud.ServiceClient) (gophercloud.AuthResult, []service, Whoami, error) {
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
