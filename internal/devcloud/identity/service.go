package identity

import (
	"net/http"
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
	// kinds are the collections by their objects' kind.
	kinds map[string]*api.Collection
}

// New returns the service.
func New(o Options) *Service {
	return &Service{Options: o, db: o.DB, kinds: map[string]*api.Collection{}}
}

// AuthURL is what an RC file and a 401 name.
func (s *Service) AuthURL() string { return s.URL + "/v3" }

// API is the service's calls.
func (s *Service) API() *api.Service {
	svc := &api.Service{
		Name: "identity", Vary: "X-Auth-Token", MaxBody: api.SizeLimit, Error: s.errorBody,
		NotFound: func(_ *api.Request, handled bool) *api.Error {
			if handled {
				return &api.Error{Status: http.StatusMethodNotAllowed}
			}
			return &api.Error{Status: http.StatusNotFound, Plain: true}
		},
	}
	svc.Handle(api.Calls{
		"GET /": s.versions, "GET /v3": s.version("v3"), "GET /v2.0": s.version("v2.0"),
		"POST /v3/auth/tokens": s.issue, "POST /v2.0/tokens": s.issueV2, "POST /v3/tokens": s.issueEither,
	}.Routes(api.Route{Open: true})...)
	svc.Handle(api.Calls{
		"GET /v3/auth/tokens": s.validate, "DELETE /v3/auth/tokens": s.revoke, "GET /v2.0/tenants": s.tenants,
		"GET /v3/auth/projects": func(r *api.Request) (*api.Reply, error) { return s.accessible(r, kindProject, r.Auth.UserID) },
		"GET /v3/auth/domains":  func(r *api.Request) (*api.Reply, error) { return s.accessible(r, kindDomain, r.Auth.UserID) },
		"GET /v3/auth/catalog":  s.authCatalog,
	}.Routes(api.Route{})...)
	s.handleDirectory(svc)
	s.handleCredentials(svc)
	return svc
}

// errorBody is an error as Keystone words it.
func (s *Service) errorBody(e *api.Error, r *api.Request) (string, []byte) {
	switch {
	case e.Plain && e.Status == http.StatusNotFound:
		return "text/html; charset=utf-8", []byte(
			"<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.</p>\n",
		)
	case e.Status == http.StatusMethodNotAllowed:
		return "application/json", []byte(`{"message": "The method is not allowed for the requested URL."}` + "\n")
	case e.Malformed:
		c := *e
		c.Message = "Expecting to find valid JSON in request body. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error."
		e = &c
	}
	return api.KeystoneBody(e)
}

// describe is one of the two versions, "v3" or "v2.0".
func describe(r *api.Request, version string) api.Obj {
	o := api.Obj{
		"id": version, "status": "deprecated", "updated": "2016-08-04T00:00:00Z",
		"links": api.List{api.Obj{"rel": "self", "href": r.Root + "/" + version + "/"}},
		"media-types": api.List{
			api.Obj{"base": "application/json", "type": "application/vnd.openstack.identity-" + version + "+json"},
		},
	}
	if version == "v3" {
		o["id"], o["status"], o["updated"] = "v3.14", "stable", "2020-04-07T00:00:00Z"
	}
	return o
}

func (s *Service) versions(r *api.Request) (*api.Reply, error) {
	return &api.Reply{
		Status: http.StatusMultipleChoices, Header: http.Header{"Location": {r.Root + "/v3/"}},
		Body: api.Obj{"versions": api.Obj{"values": api.List{describe(r, "v3"), describe(r, "v2.0")}}},
	}, nil
}

func (s *Service) version(version string) api.Handler {
	return func(r *api.Request) (*api.Reply, error) { return api.OK(api.Obj{"version": describe(r, version)}) }
}
