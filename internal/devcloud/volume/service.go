package volume

import (
	"fmt"
	"net/http"
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
	db *db.DB
}

// New returns the service.
func New(o Options) *Service {
	if o.Fail == nil {
		o.Fail = func(string) bool { return false }
	}
	return &Service{Options: o, db: o.DB}
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

// Mount builds the API below a prefix.
func (s *Service) Mount(prefix string, authenticate func(string) *api.Auth, authURL string) *api.Service {
	svc := &api.Service{
		Name:         "volume",
		Prefix:       prefix,
		Dialect:      dialect{},
		Authenticate: authenticate,
		AuthURL:      authURL,
	}
	svc.Handle(
		api.Route{Method: "GET", Path: "/", Do: s.versions(http.StatusMultipleChoices), Open: true},
		api.Route{Method: "GET", Path: "/v3", Do: s.versions(http.StatusOK), Open: true},
	)
	handle := func(method, path string, min api.Version, do api.Handler) {
		svc.Handle(
			api.Route{
				Method: method,
				Path:   "/v3/{project}" + path,
				Min:    min,
				Do: func(r *api.Request) (*api.Reply, error) {
					if p := r.Var("project"); p != r.Auth.ProjectID {
						if !projectForm().MatchString(p) {
							return nil, &api.Error{
								Status:  http.StatusNotFound,
								Message: "The resource could not be found.",
								Plain:   true,
							}
						}
						return nil, api.BadRequest("Malformed request url")
					}
					return do(r)
				},
			},
		)
	}
	none := api.Version{}
	handle("GET", "/volumes", none, s.list(false))
	handle("GET", "/volumes/detail", none, s.list(true))
	handle("GET", "/volumes/summary", v3(12), s.summary)
	handle("POST", "/volumes", none, s.create)
	handle("GET", "/volumes/{id}", none, s.show)
	handle("PUT", "/volumes/{id}", none, s.update)
	handle("DELETE", "/volumes/{id}", none, s.remove)
	handle("POST", "/volumes/{id}/action", none, s.action)
	for _, rt := range append(s.kindRoutes(), s.metadata().Routes()...) {
		handle(rt.Method, strings.TrimPrefix(rt.Path, "/v3/{project}"), rt.Min, rt.Do)
	}
	handle("POST", "/attachments", v3(27), s.createAttachment)
	handle("PUT", "/attachments/{id}", v3(27), s.updateAttachment)
	handle("POST", "/attachments/{id}/action", v3(44), s.completeAttachment)
	handle("GET", "/attachments", v3(27), s.listAttachments(false))
	handle("GET", "/attachments/detail", v3(27), s.listAttachments(true))
	handle("GET", "/attachments/{id}", v3(27), s.showAttachment)
	handle("DELETE", "/attachments/{id}", v3(27), s.removeAttachment)
	handle("GET", "/limits", none, s.limits)
	handle("GET", "/os-quota-sets/{target}", none, s.showQuotas)
	handle("GET", "/os-quota-sets/{target}/defaults", none, s.defaultQuotas)
	handle("PUT", "/os-quota-sets/{target}", none, s.updateQuotas)
	handle("DELETE", "/os-quota-sets/{target}", none, s.removeQuotas)
	handle("GET", "/os-availability-zone", none, func(*api.Request) (*api.Reply, error) {
		return api.OK(
			api.Obj{
				"availabilityZoneInfo": api.List{api.Obj{"zoneName": zone, "zoneState": api.Obj{"available": true}}},
			},
		)
	})
	handle("GET", "/extensions", none, func(*api.Request) (*api.Reply, error) {
		l := api.List{}
		for _, e := range []string{"os-quota-sets", "os-volume-actions", "os-vol-image-meta", "os-availability-zone", "os-volume-type-access", "os-vol-tenant-attr"} {
			l = append(
				l,
				api.Obj{
					"alias":       e,
					"name":        e,
					"description": "",
					"updated":     "2015-01-01T00:00:00+00:00",
					"links":       api.List{},
				},
			)
		}
		return api.OK(api.Obj{"extensions": l})
	})
	for path, min := range map[string]api.Version{"messages": v3(3), "groups": v3(13), "group_types": v3(11)} {
		empty := func(*api.Request) (*api.Reply, error) {
			return api.OK(api.Obj{path: api.List{}})
		}
		handle("GET", "/"+path, min, empty)
		handle("GET", "/"+path+"/detail", min, empty)
	}
	for path, rule := range map[string]string{"scheduler-stats/get_pools": "scheduler_extension:scheduler_stats:get_pools", "os-services": "volume_extension:services:index", "qos-specs": "volume_extension:qos_specs_manage:get_all"} {
		handle("GET", "/"+path, none, func(r *api.Request) (*api.Reply, error) {
			if !r.Auth.Admin() {
				return nil, api.Forbidden("Policy doesn't allow %s to be performed.", rule)
			}
			return api.OK(operatorLists[path])
		})
	}
	return svc
}

// operatorLists are the parts of this cloud that Cinder's operators list.
var operatorLists = map[string]api.Obj{
	"qos-specs": {"qos_specs": api.List{}},
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

// dialect is Cinder's.
type dialect struct{}

func (dialect) Begin(r *api.Request) error {
	r.Version = minVersion
	h := r.HTTP.Header.Get("OpenStack-API-Version")
	if h == "" {
		return nil
	}
	for _, part := range strings.Split(h, ",") {
		word, text, ok := strings.Cut(strings.TrimSpace(part), " ")
		if !ok || word != "volume" {
			continue
		}
		if text == "latest" {
			r.Version = maxVersion
			return nil
		}
		v, err := api.ParseVersion(text)
		if err != nil {
			r.Version = api.Version{}
			return api.BadRequest(
				"API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.",
				text,
			)
		}
		r.Version = v
		if !v.Within(minVersion, maxVersion) {
			return &api.Error{
				Status: http.StatusNotAcceptable,
				Message: fmt.Sprintf(
					"Version %s is not supported by the API. Minimum is %s and maximum is %s.",
					text,
					minVersion,
					maxVersion,
				),
			}
		}
	}
	return nil
}

func (dialect) Headers(h http.Header, r *api.Request) {
	h.Set("X-Openstack-Request-Id", r.ID)
	if r.Refused || r.Version == (api.Version{}) {
		return
	}
	h.Set("X-Compute-Request-Id", r.ID)
	h.Set("Openstack-Api-Version", "volume "+r.Version.String())
	h.Set("Vary", "OpenStack-API-Version")
}

func (dialect) Empty(int) string { return "application/json" }

func (dialect) Error(e *api.Error, r *api.Request) (string, []byte) {
	if e.Plain {
		return api.WebobBody(e, r.HTTP.Header.Get("Accept"))
	}
	if e.Status == http.StatusRequestEntityTooLarge {
		e.Header = http.Header{"Retry-After": {"0"}}
	}
	_, body := api.FaultBody(e, r)
	return "application/json", body
}

func (dialect) NotFound(r *api.Request, handled bool) *api.Error {
	// Below a project Cinder answers for itself; above, the layer beneath it
	// does.
	return &api.Error{
		Status:  http.StatusNotFound,
		Message: "The resource could not be found.",
		Plain:   strings.Count(r.Path, "/") < 3,
	}
}

func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Truncate(time.Second).Format("2006-01-02T15:04:05.000000")
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}
