package identity

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// Endpoint is one service of the catalogue.
type Endpoint struct {
	Type, Name string
	// Path is below the cloud's own URL; {project} is the token's
	// project.
	Path string
}

// Options configure the service.
type Options struct {
	DB *db.DB
	// URL is the cloud's own, "http://127.0.0.1:5000", without a slash.
	URL string
	// TokenLife is how long a token is good for.
	TokenLife time.Duration
	Region    string
	Catalog   []Endpoint
}

// Service answers Identity calls at each of the prefixes it is mounted on.
type Service struct {
	Options
	db *db.DB
}

// New returns the service.
func New(o Options) *Service { return &Service{Options: o, db: o.DB} }

// AuthURL is what an RC file and a 401 name.
func (s *Service) AuthURL() string { return s.URL + "/v3" }

// Mount builds the API below a prefix, "" or "/identity".
func (s *Service) Mount(prefix string) *api.Service {
	svc := &api.Service{
		Name:         "identity",
		Prefix:       prefix,
		Dialect:      dialect{s.AuthURL()},
		Authenticate: s.Authenticate,
		AuthURL:      s.AuthURL(),
	}
	svc.Handle(
		api.Route{Method: "GET", Path: "/", Do: s.versions, Open: true},
		api.Route{Method: "GET", Path: "/v3", Do: s.version3, Open: true},
		api.Route{Method: "GET", Path: "/v2.0", Do: s.version2, Open: true},
		api.Route{Method: "POST", Path: "/v3/auth/tokens", Do: s.issue, Open: true},
		api.Route{Method: "GET", Path: "/v3/auth/tokens", Do: s.validate},
		api.Route{Method: "DELETE", Path: "/v3/auth/tokens", Do: s.revoke},
		api.Route{Method: "GET", Path: "/v3/auth/projects", Do: s.authProjects},
		api.Route{Method: "GET", Path: "/v3/auth/domains", Do: s.authDomains},
		api.Route{Method: "GET", Path: "/v3/auth/catalog", Do: s.authCatalog},
		api.Route{Method: "POST", Path: "/v2.0/tokens", Do: s.issueV2, Open: true},
		api.Route{Method: "POST", Path: "/v3/tokens", Do: s.issueEither, Open: true},
		api.Route{Method: "GET", Path: "/v2.0/tenants", Do: s.tenants},
	)
	s.handleDirectory(svc)
	s.handleCredentials(svc)
	return svc
}

// dialect is Keystone's.
type dialect struct{ authURL string }

func (dialect) Begin(*api.Request) error { return nil }

func (dialect) Headers(h http.Header, r *api.Request) {
	h.Set("Vary", "X-Auth-Token")
	h.Set("X-Openstack-Request-Id", r.ID)
}

func (dialect) Empty(int) string { return "" }

func (d dialect) Error(e *api.Error, r *api.Request) (string, []byte) {
	switch {
	case e.Plain:
		return "text/html; charset=utf-8", []byte(
			"<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.</p>\n",
		)
	case e.Status == http.StatusMethodNotAllowed:
		return "application/json", []byte(`{"message": "The method is not allowed for the requested URL."}` + "\n")
	case e.Status == http.StatusUnauthorized && e.Header == nil:
		e.Header = http.Header{"Www-Authenticate": {fmt.Sprintf("Keystone uri=%q", d.authURL)}}
	case e.Malformed:
		c := *e
		c.Message = "Expecting to find valid JSON in request body. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error."
		e = &c
	}
	return api.KeystoneBody(e)
}

func (dialect) NotFound(r *api.Request, handled bool) *api.Error {
	if handled {
		return &api.Error{Status: http.StatusMethodNotAllowed}
	}
	return &api.Error{Status: http.StatusNotFound, Plain: true}
}

func (s *Service) describe3(r *api.Request) api.Obj {
	return api.Obj{
		"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
		"links": api.List{api.Obj{"rel": "self", "href": r.Root + "/v3/"}},
		"media-types": api.List{
			api.Obj{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"},
		},
	}
}

func (s *Service) describe2(r *api.Request) api.Obj {
	return api.Obj{
		"id": "v2.0", "status": "deprecated", "updated": "2016-08-04T00:00:00Z",
		"links": api.List{api.Obj{"rel": "self", "href": r.Root + "/v2.0/"}},
		"media-types": api.List{
			api.Obj{"base": "application/json", "type": "application/vnd.openstack.identity-v2.0+json"},
		},
	}
}

func (s *Service) versions(r *api.Request) (*api.Reply, error) {
	return &api.Reply{
		Status: http.StatusMultipleChoices, Header: http.Header{"Location": {r.Root + "/v3/"}},
		Body: api.Obj{"versions": api.Obj{"values": api.List{s.describe3(r), s.describe2(r)}}},
	}, nil
}

func (s *Service) version3(r *api.Request) (*api.Reply, error) {
	return api.OK(api.Obj{"version": s.describe3(r)})
}

func (s *Service) version2(r *api.Request) (*api.Reply, error) {
	return api.OK(api.Obj{"version": s.describe2(r)})
}

// endpointURL is the address of a catalogue entry for one project.
func (s *Service) endpointURL(e Endpoint, project string) string {
	return s.URL + strings.ReplaceAll(e.Path, "{project}", project)
}
