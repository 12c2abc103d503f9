package compute

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
	"github.com/galleyhq/galley/internal/devcloud/image"
	"github.com/galleyhq/galley/internal/devcloud/network"
	"github.com/galleyhq/galley/internal/devcloud/volume"
)

// Options configure the service.
type Options struct {
	DB      *db.DB
	Network *network.Service
	Volumes *volume.Service
	Images  *image.Service
	// BuildDelay is the time from a server's creation until it is ACTIVE.
	BuildDelay time.Duration
	// ActionDelay is how long a reboot, a stop or a start takes; DeleteDelay,
	// how long a server is being deleted.
	ActionDelay, DeleteDelay time.Duration
	// Guests tells that something starts guests, for which a server waits.
	Guests bool
	// Console is a server's console log so far.
	Console func(server string) []byte
	// FailBuild gives the fault a new server of that name is to end in, or "".
	FailBuild func(name string) string
	// Quotas are the limits of projects without their own; -1 is
	// none.
	Quotas map[string]int
	// ImageURL is the image service's address, for links.
	ImageURL string
}

// Service answers Compute calls.
type Service struct {
	Options
	db     *db.DB
	quotas *api.Quotas
}

// New returns the service.
func New(o Options) *Service {
	s := &Service{Options: o, db: o.DB}
	s.quotas = s.newQuotas()
	return s
}

// The microversions this service speaks.
var (
	minVersion = api.V(1)
	maxVersion = api.V(95)
)

// zone is the one availability zone, Host the one hypervisor.
const (
	zone = "nova"
	Host = "devcloud"
)

// API is the service's calls.
func (s *Service) API() *api.Service {
	svc := &api.Service{
		Name: "compute", Front: "/v2.1", IDs: []string{"X-Compute-Request-Id"}, Empty: "application/json", MaxBody: api.SizeLimit,
		Versions: &api.Microversions{Service: "compute", Min: minVersion, Max: maxVersion, Legacy: "X-Openstack-Nova-Api-Version"},
		Error:    api.FaultBody,
		NotFound: func(_ *api.Request, handled bool) *api.Error {
			return &api.Error{Status: http.StatusNotFound, Message: "The resource could not be found.", Plain: !handled}
		},
	}
	svc.Handle(
		api.Route{Method: "GET", Path: "/", Do: s.versions, Open: true},
		api.Route{Method: "GET", Path: "/v2.1", Do: s.version, Open: true},
	)
	for _, rt := range slices.Concat(
		s.serverRoutes(), s.metadataRoutes(), s.tagRoutes(), s.attachmentRoutes(), s.flavorRoutes(), s.groupRoutes(),
		s.quotas.Routes(), s.proxyRoutes(), s.miscRoutes(), s.interfaceRoutes(), s.aggregates().Routes(),
		api.Calls{
			"GET /os-keypairs": s.listKeyPairs, "POST /os-keypairs": s.createKeyPair,
			"GET /os-keypairs/{name}":                         with(s.keyPair, s.showKeyPair),
			"DELETE /os-keypairs/{name}":                      with(s.keyPair, s.deleteKeyPair),
			"GET /servers/{id}/os-instance-actions":           with(s.actionsOf, s.listActions),
			"GET /servers/{id}/os-instance-actions/{request}": with(s.actionsOf, s.showAction),
		}.Routes(api.Route{}),
	) {
		rt.Path = "/v2.1" + rt.Path
		svc.Handle(rt)
	}
	return svc
}

func (s *Service) versions(r *api.Request) (*api.Reply, error) {
	return api.OK(api.Obj{"versions": api.List{
		api.Obj{
			"id": "v2.0", "status": "SUPPORTED", "version": "", "min_version": "", "updated": "2011-01-21T11:33:21Z",
			"links": api.List{api.Obj{"rel": "self", "href": r.Root + "/v2/"}},
		},
		describe(r),
	}})
}

func describe(r *api.Request) api.Obj {
	return api.Obj{
		"id": "v2.1", "status": "CURRENT", "version": maxVersion.String(), "min_version": minVersion.String(), "updated": "2013-07-23T11:33:21Z",
		"links": api.List{api.Obj{"rel": "self", "href": r.Root + "/v2.1/"}},
	}
}

func (s *Service) version(r *api.Request) (*api.Reply, error) {
	v := describe(r)
	v["links"] = append(
		v["links"].(api.List),
		api.Obj{"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"},
	)
	v["media-types"] = api.List{
		api.Obj{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"},
	}
	return api.OK(api.Obj{"version": v})
}

// links are a server's or a flavor's own addresses.
func links(r *api.Request, kind, id string) api.List {
	return api.List{
		api.Obj{"rel": "self", "href": r.Root + "/v2.1/" + kind + "/" + id},
		api.Obj{"rel": "bookmark", "href": r.Root + "/" + kind + "/" + id},
	}
}

func bookmark(r *api.Request, kind, id string) api.List { return links(r, kind, id)[1:] }

func forbidden(rule string) *api.Error {
	return api.Forbidden("Policy doesn't allow %s to be performed.", rule)
}

// with is a call about what find finds of it: the object that the path names.
func with[T any](find func(*api.Request) (T, error), do func(*api.Request, T) (*api.Reply, error)) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		v, err := find(r)
		if err != nil {
			return nil, err
		}
		return do(r, v)
	}
}

const maxPage = 1000

// paged answers with the page of a list that the query asks for.
func paged[T any](r *api.Request, key string, all []T, id func(T) string, view func(T) api.Obj) (*api.Reply, error) {
	q := r.HTTP.URL.Query()
	limit, ok := api.Limit(q)
	if !ok {
		return nil, api.BadRequest("Invalid input for query parameters limit. Value: %s. '%s' does not match '^[0-9]*$'",
			q.Get("limit"), q.Get("limit"))
	}
	page, next, err := api.Paginate(all, id, limit, maxPage, q.Get("marker"))
	if err != nil {
		return nil, api.BadRequest("marker [%s] not found", q.Get("marker"))
	}
	body := api.Obj{key: api.Views(page, view)}
	if next != "" {
		body[key+"_links"] = api.List{api.Obj{"rel": "next", "href": api.NextURL(r, next)}}
	}
	return api.OK(body)
}

func sortBy[T any](l []T, key func(T) string) {
	slices.SortStableFunc(l, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}

// since adds to a view what microversion 2.minor and later have.
func since(r *api.Request, minor int, o, more api.Obj) {
	if r.Version.AtLeast(api.V(minor)) {
		maps.Copy(o, more)
	}
}

// until adds to a view what microversions before 2.minor have.
func until(r *api.Request, minor int, o, more api.Obj) {
	if !r.Version.AtLeast(api.V(minor)) {
		maps.Copy(o, more)
	}
}
