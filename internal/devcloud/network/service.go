package network

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
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
	resources []anyResource
	floating  *resource[db.FloatingIP, *db.FloatingIP]
	rules     *resource[db.SecurityRule, *db.SecurityRule]
	quotas    *api.Quotas
}

// New returns the service.
func New(o Options) *Service {
	s := &Service{Options: o, db: o.DB}
	s.quotas = s.newQuotas()
	s.floating, s.rules = s.floatingIPs(), s.securityRules()
	s.resources = []anyResource{
		s.networks(), s.subnets(), s.routers(), s.ports(), s.floating, s.securityGroups(), s.rules, s.subnetPools(),
		s.addressScopes(), s.addressGroups(), s.rbacPolicies(), s.trunks(),
	}
	return s
}

// API is the service's calls.
func (s *Service) API() *api.Service {
	svc := &api.Service{Name: "network", Front: "/v", Error: func(e *api.Error, _ *api.Request) (string, []byte) {
		c := *e
		switch {
		case e.Malformed:
			c.Message = "Body contains invalid data"
		case e.Missing != "":
			c.Message = fmt.Sprintf("Unable to find '%s' in request body", e.Missing)
		}
		return api.NeutronBody(&c)
	}}
	svc.Handle(
		api.Route{Method: "GET", Path: "/", Do: s.versions, Open: true},
		api.Route{Method: "GET", Path: "/v2.0", Do: s.root},
	)
	for _, res := range s.resources {
		svc.Handle(res.routes()...)
	}
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
	return api.OK(api.Obj{"resources": api.Views(s.resources, func(res anyResource) api.Obj {
		single, plural := res.names()
		self := api.Obj{"rel": "self", "href": r.Root + "/v2.0/" + plural}
		return api.Obj{"name": single, "collection": plural, "links": api.List{self}}
	})})
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
	format := map[string]string{
		"Router":            "Router %s could not be found",
		"FloatingIP":        "Floating IP %s could not be found",
		"SecurityGroup":     "Security group %s does not exist",
		"SecurityGroupRule": "Security group rule %s does not exist",
	}[class]
	return failure(http.StatusNotFound, class+"NotFound", cmp.Or(format, class+" %s could not be found."), id)
}

// extensions are what of Neutron's optional parts is here.
var extensions = strings.Fields(`
	address-group address-scope allowed-address-pairs availability_zone binding dhcp_agent_scheduler
	external-net extra_dhcp_opt extraroute extraroute-atomic ext-gw-mode filter-validation
	expose-port-forwarding-in-fip fip-port-details floating-ip-port-forwarding
	floating-ip-port-forwarding-port-ranges ip-substring-filtering net-mtu net-mtu-writable
	network_availability_zone pagination port-security project-id provider quotas quota_details
	rbac-policies revision-if-match router router_availability_zone security-group
	security-groups-normalized-cidr security-groups-remote-address-group shared-security-group sorting
	standard-attr-description standard-attr-revisions standard-attr-tag standard-attr-timestamp
	stateful-security-group subnet_allocation subnetpool-prefix-ops subnet-service-types trunk trunk-details
`)

// extensionNames are those that differ from the alias, of which clients read one.
var extensionNames = map[string]string{"router": "Neutron L3 Router"}

func extensionView(alias string) api.Obj {
	name := cmp.Or(extensionNames[alias], alias)
	return api.Obj{"alias": alias, "name": name, "description": name, "updated": "2022-01-01T00:00:00-00:00", "links": api.List{}}
}

// misc is the calls of single kinds, and what says the same for all; collections of which this
// cloud never has any are empty, since clients list them in passing.
func (s *Service) misc() api.Calls {
	return api.Calls{
		"GET /v2.0/extensions": func(r *api.Request) (*api.Reply, error) {
			return api.OK(api.Obj{"extensions": api.Views(extensions, extensionView)})
		},
		"GET /v2.0/extensions/{alias}": func(r *api.Request) (*api.Reply, error) {
			if slices.Contains(extensions, r.Var("alias")) {
				return api.OK(api.Obj{"extension": extensionView(r.Var("alias"))})
			}
			return nil, failure(404, "ExtensionNotFound", "Extension with alias %s does not exist", r.Var("alias"))
		},
		"GET /v2.0/availability_zones": func(r *api.Request) (*api.Reply, error) {
			return api.OK(api.Obj{"availability_zones": api.List{
				api.Obj{"state": "available", "name": zone, "resource": "router"},
				api.Obj{"state": "available", "name": zone, "resource": "network"},
			}})
		},
		"GET /v2.0/service-providers": func(r *api.Request) (*api.Reply, error) {
			return api.OK(api.Obj{"service_providers": api.List{
				api.Obj{"service_type": "L3_ROUTER_NAT", "name": "single_node", "default": false},
			}})
		},
		"GET /v2.0/trunks/{id}/get_subports":             s.subports,
		"PUT /v2.0/routers/{id}/add_router_interface":    s.routerAction(s.addInterface),
		"PUT /v2.0/routers/{id}/remove_router_interface": s.routerAction(s.removeInterface),
		"GET /v2.0/agents":                               api.Empty("agents"), "GET /v2.0/flavors": api.Empty("flavors"),
		"GET /v2.0/network-ip-availabilities": api.Empty("network_ip_availabilities"),
	}
}

// DefaultQuotas are Neutron's own.
func DefaultQuotas() map[string]int {
	return map[string]int{
		"network": 100, "subnet": 100, "subnetpool": -1, "port": 500, "router": 10, "floatingip": 50, "rbac_policy": 10,
		"security_group": 10, "security_group_rule": 100, "trunk": -1,
	}
}

func (s *Service) newQuotas() *api.Quotas {
	return &api.Quotas{
		DB: s.db, Service: "network", Default: s.Quotas, Path: "/v2.0/quotas", Single: "quota", InUse: "used",
		Gone: 204,
		Used: func(project, name string) int {
			for _, res := range s.resources {
				if single, _ := res.names(); single == name {
					return res.count(project)
				}
			}
			return 0
		},
		Refuse: func(action string) error {
			return disallowed("rule:" + map[string]string{"show": "get", "update": "update", "delete": "delete"}[action] + "_quota")
		},
		Check: func(_ *api.Request, in api.Obj) error {
			for name, v := range in {
				_, isNumber := v.(float64)
				if _, known := s.Quotas[name]; !known || !isNumber {
					return api.BadRequest("Unrecognized attribute(s) '%s'", name)
				}
			}
			return nil
		},
	}
}
