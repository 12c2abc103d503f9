package compute

import (
	"net/http"
	"slices"
	"strings"
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
	if o.FailBuild == nil {
		o.FailBuild = func(string) string { return "" }
	}
	if o.Console == nil {
		o.Console = func(string) []byte { return nil }
	}
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
	svc := &api.Service{Name: "compute", Dialect: dialect{}, MaxBody: api.SizeLimit}
	svc.Handle(
		api.Route{Method: "GET", Path: "/", Do: s.versions, Open: true},
		api.Route{Method: "GET", Path: "/v2.1", Do: s.version, Open: true},
	)
	for _, rt := range slices.Concat(
		s.serverRoutes(), s.metadataRoutes(), s.tagRoutes(), s.attachmentRoutes(), s.flavorRoutes(), s.groupRoutes(),
		s.quotas.Routes(), s.proxyRoutes(), s.miscRoutes(), s.interfaceCalls().Routes(api.Route{}),
		s.keyPairCalls().Routes(api.Route{}), s.historyCalls().Routes(api.Route{}),
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

// dialect is Nova's.
type dialect struct{}

// versioned tells whether Nova itself answers the path, and so shows a
// microversion.
func versioned(r *api.Request) bool { return strings.HasPrefix(r.Path, "/v2.1") }

func (dialect) Begin(r *api.Request) error {
	if !versioned(r) {
		return nil
	}
	return r.Negotiate("compute", r.HTTP.Header.Get("X-OpenStack-Nova-API-Version"), minVersion, maxVersion)
}

func (dialect) Headers(h http.Header, r *api.Request) {
	if !versioned(r) {
		return // the list of versions comes from a separate layer
	}
	h.Set("X-Openstack-Request-Id", r.ID)
	h.Set("X-Compute-Request-Id", r.ID)
	if r.Version != (api.Version{}) && !r.Refused {
		h.Set("Openstack-Api-Version", "compute "+r.Version.String())
		h.Set("X-Openstack-Nova-Api-Version", r.Version.String())
		h.Set("Vary", "X-OpenStack-Nova-API-Version")
	}
}

func (dialect) Empty(int) string { return "application/json" }

func (dialect) Error(e *api.Error, r *api.Request) (string, []byte) { return api.FaultBody(e, r) }

func (dialect) NotFound(r *api.Request, handled bool) *api.Error {
	return &api.Error{Status: http.StatusNotFound, Message: "The resource could not be found.", Plain: !handled}
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
