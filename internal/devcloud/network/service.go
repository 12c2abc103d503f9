package network

import (
	"fmt"
	"net/http"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// Options configure the service.
type Options struct {
	DB *db.DB
	// FloatingDelay is how long an associated floating IP is DOWN before it is
	// ACTIVE.
	FloatingDelay time.Duration
	// Quotas are the limits of projects without their own; -1 is
	// none.
	Quotas map[string]int
	// PoolEmpty tells that an external network is to give no address, whatever
	// it has left.
	PoolEmpty func(network string) bool
}

// Service answers Network calls.
type Service struct {
	Options
	db        *db.DB
	resources []*resource
	quotas    *api.Quotas
}

// New returns the service.
func New(o Options) *Service {
	s := &Service{Options: o, db: o.DB}
	if s.PoolEmpty == nil {
		s.PoolEmpty = func(string) bool { return false }
	}
	s.resources = []*resource{
		s.networks(), s.subnets(), s.routers(), s.ports(), s.floatingIPs(), s.securityGroups(), s.securityRules(), s.subnetPools(),
		s.addressScopes(), s.addressGroups(), s.rbacPolicies(), s.trunks(),
	}
	s.quotas = s.newQuotas()
	return s
}

// API is the service's calls.
func (s *Service) API() *api.Service {
	svc := &api.Service{Name: "network", Dialect: dialect{}}
	svc.Handle(
		api.Route{Method: "GET", Path: "/", Do: s.versions, Open: true},
		api.Route{Method: "GET", Path: "/v2.0", Do: s.root},
	)
	for _, res := range s.resources {
		s.handleResource(svc, res)
	}
	s.handleRouterActions(svc)
	s.handleMembers(svc)
	svc.Handle(s.forwardings().Routes()...)
	svc.Handle(s.quotas.Routes()...)
	svc.Handle(s.misc().Routes(api.Route{})...)
	return svc
}

func (s *Service) versions(r *api.Request) (*api.Reply, error) {
	return api.OK(api.Obj{"versions": api.List{api.Obj{
		"id": "v2.0", "status": "CURRENT",
		"links": api.List{api.Obj{"rel": "self", "href": r.Root + "/v2.0/"}},
	}}})
}

func (s *Service) root(r *api.Request) (*api.Reply, error) {
	return api.OK(api.Obj{"resources": api.Views(s.resources, func(res *resource) api.Obj {
		self := api.Obj{"rel": "self", "href": r.Root + "/v2.0/" + res.plural}
		return api.Obj{"name": res.single, "collection": res.plural, "links": api.List{self}}
	})})
}

// dialect is Neutron's.
type dialect struct{}

func (dialect) Begin(*api.Request) error { return nil }

func (dialect) Headers(h http.Header, r *api.Request) {
	if r.Path != "/" && r.Path != "" { // the list of versions comes from a separate layer
		h.Set("X-Openstack-Request-Id", r.ID)
	}
}

func (dialect) Empty(int) string { return "" }

func (dialect) Error(e *api.Error, r *api.Request) (string, []byte) {
	c := *e
	switch {
	case e.Malformed:
		c.Message = "Body contains invalid data"
	case e.Missing != "":
		c.Message = fmt.Sprintf("Unable to find '%s' in request body", e.Missing)
	}
	return api.NeutronBody(&c)
}

func (dialect) NotFound(r *api.Request, handled bool) *api.Error {
	return api.NotFound("The resource could not be found.")
}

func failure(status int, kind, format string, args ...any) *api.Error {
	return &api.Error{Status: status, Type: kind, Message: fmt.Sprintf(format, args...)}
}

func badRequest(kind, format string, args ...any) *api.Error {
	return failure(http.StatusBadRequest, kind, format, args...)
}

func conflict(kind, format string, args ...any) *api.Error {
	return failure(http.StatusConflict, kind, format, args...)
}

func invalidInput(format string, args ...any) *api.Error {
	return badRequest("InvalidInput", "Invalid input for operation: "+format, args...)
}

func badAttr(name, format string, args ...any) *api.Error {
	return api.BadRequest("Invalid input for %s. Reason: %s", name, fmt.Sprintf(format, args...))
}

func disallowed(rule string) *api.Error {
	return failure(http.StatusForbidden, "PolicyNotAuthorized", "%s is disallowed by policy", rule)
}

// notFound words a missing object as Neutron does; class is "Network",
// "FloatingIP".
func notFound(class, id string) *api.Error {
	format := "%s %s could not be found."
	name := class
	switch class {
	case "Router":
		format = "%s %s could not be found"
	case "FloatingIP":
		format, name = "%s %s could not be found", "Floating IP"
	case "SecurityGroup":
		format, name = "%s %s does not exist", "Security group"
	case "SecurityGroupRule":
		format, name = "%s %s does not exist", "Security group rule"
	}
	return failure(http.StatusNotFound, class+"NotFound", format, name, id)
}
