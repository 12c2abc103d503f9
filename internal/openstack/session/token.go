package session

import (
	"context"
	"errors"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	tokens2 "github.com/gophercloud/gophercloud/v2/openstack/identity/v2/tokens"
	tokens3 "github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/settings"
)

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
