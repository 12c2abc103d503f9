package volume

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
	"github.com/galleyhq/galley/internal/devcloud/image"
	"github.com/galleyhq/galley/internal/text"
)

// Options configure the service.
type Options struct {
	DB     *db.DB
	Images *image.Service
	// Delay is how long a volume takes to be made, attached, detached or
	// deleted.
	Delay time.Duration
	// Guests tells that servers have disks.
	Guests bool
	// Quotas are the limits of projects without their own; -1 is
	// none.
	Quotas map[string]int
	// Fail, when it returns true, sends a volume that is made to the state
	// "error".
	Fail func(name string) bool
}

// Service answers Block Storage calls.
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
	minVersion = api.Version{Major: 3, Minor: 0}
	maxVersion = api.Version{Major: 3, Minor: 70}
)

// v3 is the microversion 3.minor.
func v3(minor int) api.Version { return api.Version{Major: 3, Minor: minor} }

// projectForm is what a path can name a project by.
var projectForm = text.Lazy(`^[0-9a-f-]{32,36}$`)

// zone is the one availability zone.
const zone = "nova"

// API is the service's calls.
func (s *Service) API() *api.Service {
	svc := &api.Service{
		Name: "volume", IDs: []string{"X-Compute-Request-Id"}, Empty: "application/json", MaxBody: api.SizeLimit,
		Versions: &api.Microversions{Service: "volume", Min: minVersion, Max: maxVersion},
		Error: func(e *api.Error, r *api.Request) (string, []byte) {
			if e.Status == http.StatusRequestEntityTooLarge && !e.Plain {
				e.Header = http.Header{"Retry-After": {"0"}}
			}
			kind, body := api.FaultBody(e, r)
			if !e.Plain {
				kind = "application/json"
			}
			return kind, body
		},
		NotFound: func(r *api.Request, _ bool) *api.Error {
			// Below a project Cinder answers for itself; above, the layer
			// beneath it does.
			return &api.Error{Status: http.StatusNotFound, Message: "The resource could not be found.", Plain: strings.Count(r.Path, "/") < 3}
		},
	}
	svc.Handle(api.Calls{
		"GET /": s.versions(http.StatusMultipleChoices), "GET /v3": s.versions(http.StatusOK),
	}.Routes(api.Route{Open: true})...)
	routes := slices.Concat(s.kindRoutes(), s.metadata().Routes(), s.quotas.Routes(), s.calls().Routes(api.Route{}))
	routes = append(routes, api.Route{Method: "GET", Path: base + "messages", Do: api.Empty("messages"), Min: v3(3)})
	routes = append(routes, s.attachmentCalls().Routes(api.Route{Min: v3(27)})...)
	for _, rt := range routes {
		do := rt.Do
		rt.Do = func(r *api.Request) (*api.Reply, error) {
			p := r.Var("project")
			switch {
			case p == r.Auth.ProjectID:
				return do(r)
			case !projectForm().MatchString(p):
				return nil, &api.Error{Status: http.StatusNotFound, Message: "The resource could not be found.", Plain: true}
			}
			return nil, api.BadRequest("Malformed request url")
		}
		svc.Handle(rt)
	}
	return svc
}

func (s *Service) calls() api.Calls {
	calls := api.Calls{
		"GET " + base + "volumes": s.list(false), "GET " + base + "volumes/detail": s.list(true), "POST " + base + "volumes": s.create,
		"GET " + base + "volumes/{id}": s.volume(s.show), "PUT " + base + "volumes/{id}": s.volume(s.update),
		"DELETE " + base + "volumes/{id}": s.volume(s.remove),
		"POST " + base + "volumes/{id}/action": func(r *api.Request) (*api.Reply, error) {
			return api.Act(r, s.actions(), func(string) (*db.Volume, error) { return s.find(r) })
		},
		"GET " + base + "limits": s.limits,
		"GET " + base + "os-availability-zone": func(*api.Request) (*api.Reply, error) {
			return api.OK(api.Obj{"availabilityZoneInfo": api.List{
				api.Obj{"zoneName": zone, "zoneState": api.Obj{"available": true}},
			}})
		},
		"GET " + base + "extensions": func(*api.Request) (*api.Reply, error) {
			return api.OK(api.Obj{"extensions": api.Views([]string{
				"os-quota-sets", "os-volume-actions", "os-vol-image-meta", "os-availability-zone", "os-volume-type-access", "os-vol-tenant-attr",
			}, func(e string) api.Obj {
				return api.Obj{"alias": e, "name": e, "description": "", "updated": "2015-01-01T00:00:00+00:00", "links": api.List{}}
			})})
		},
	}
	for path, rule := range map[string]string{
		"scheduler-stats/get_pools": "scheduler_extension:scheduler_stats:get_pools", "os-services": "volume_extension:services:index",
	} {
		calls["GET "+base+path] = func(r *api.Request) (*api.Reply, error) {
			if !r.Auth.Admin() {
				return nil, api.Forbidden("Policy doesn't allow %s to be performed.", rule)
			}
			return api.OK(operatorLists[path])
		}
	}
	return calls
}

func forbidden(rule string) *api.Error {
	return api.Forbidden("Policy doesn't allow volume_extension:%s to be performed.", rule)
}

// operatorLists are the parts of this cloud that Cinder's operators list.
var operatorLists = map[string]api.Obj{
	"os-services": {"services": api.List{
		api.Obj{"binary": "cinder-scheduler", "host": "devcloud", "zone": zone, "status": "enabled", "state": "up", "updated_at": nil},
		api.Obj{"binary": "cinder-volume", "host": "devcloud@files", "zone": zone, "status": "enabled", "state": "up", "updated_at": nil},
	}},
	"scheduler-stats/get_pools": {"pools": api.List{api.Obj{"name": "devcloud@files#files", "capabilities": api.Obj{
		"volume_backend_name": "files", "storage_protocol": "file", "total_capacity_gb": "unknown", "free_capacity_gb": "unknown", "multiattach": true,
	}}}},
}

func (s *Service) versions(status int) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		return &api.Reply{Status: status, Body: api.Obj{"versions": api.List{api.Obj{
			"id": "v3.0", "status": "CURRENT", "version": maxVersion.String(), "min_version": minVersion.String(), "updated": "2022-08-31T00:00:00Z",
			"links": api.List{
				api.Obj{"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
				api.Obj{"rel": "self", "href": r.Root + "/v3/"},
			},
			"media-types": api.List{
				api.Obj{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"},
			},
		}}}}, nil
	}
}
