package compute

import (
	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) miscRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/os-availability-zone", Do: func(*api.Request) (*api.Reply, error) {
			return api.OK(
				api.Obj{
					"availabilityZoneInfo": api.List{
						api.Obj{"zoneName": zone, "zoneState": api.Obj{"available": true}, "hosts": nil},
					},
				},
			)
		}},
		{
			Method: "GET",
			Path:   "/os-availability-zone/detail",
			Do: s.adminOnly("os_compute_api:os-availability-zone:detail", func(*api.Request) (*api.Reply, error) {
				return api.OK(api.Obj{"availabilityZoneInfo": api.List{api.Obj{
					"zoneName": zone, "zoneState": api.Obj{"available": true},
					"hosts": api.Obj{
						host: api.Obj{"nova-compute": api.Obj{"available": true, "active": true, "updated_at": nil}},
					},
				}}})
			}),
		},
		{Method: "GET", Path: "/extensions", Do: func(*api.Request) (*api.Reply, error) {
			l := api.List{}
			for i := range extensions {
				l = append(l, extensionView(extensions[i]))
			}
			return api.OK(api.Obj{"extensions": l})
		}},
		{Method: "GET", Path: "/extensions/{alias}", Do: func(r *api.Request) (*api.Reply, error) {
			for _, e := range extensions {
				if e == r.Var("alias") {
					return api.OK(api.Obj{"extension": extensionView(e)})
				}
			}
			return nil, api.NotFound("The resource could not be found.")
		}},
		{
			Method: "GET",
			Path:   "/os-services",
			Do: s.adminOnly("os_compute_api:os-services:list", func(r *api.Request) (*api.Reply, error) {
				var id any = 1
				if r.Version.AtLeast(api.V(53)) {
					id = serviceID
				}
				return api.OK(
					api.Obj{
						"services": api.List{
							api.Obj{
								"id":              id,
								"binary":          "nova-compute",
								"host":            host,
								"zone":            zone,
								"status":          "enabled",
								"state":           "up",
								"disabled_reason": nil,
								"updated_at":      nil,
								"forced_down":     false,
							},
						},
					},
				)
			}),
		},
		{
			Method: "GET",
			Path:   "/os-hypervisors",
			Do: s.adminOnly("os_compute_api:os-hypervisors:list", func(r *api.Request) (*api.Reply, error) {
				return api.OK(api.Obj{"hypervisors": api.List{s.hypervisorView(r, false)}})
			}),
		},
		{
			Method: "GET",
			Path:   "/os-hypervisors/detail",
			Do: s.adminOnly("os_compute_api:os-hypervisors:list-detail", func(r *api.Request) (*api.Reply, error) {
				return api.OK(api.Obj{"hypervisors": api.List{s.hypervisorView(r, true)}})
			}),
		},
		{
			Method: "GET",
			Path:   "/os-aggregates",
			Do: s.adminOnly("os_compute_api:os-aggregates:index", func(*api.Request) (*api.Reply, error) {
				return api.OK(api.Obj{"aggregates": api.List{}})
			}),
		},
		{
			Method: "GET",
			Path:   "/os-migrations",
			Do: s.adminOnly("os_compute_api:os-migrations:index", func(*api.Request) (*api.Reply, error) {
				return api.OK(api.Obj{"migrations": api.List{}})
			}),
		},
		{Method: "GET", Path: "/os-simple-tenant-usage/{project}", Do: func(r *api.Request) (*api.Reply, error) {
			if r.Var("project") != r.Auth.ProjectID && !r.Auth.Admin() {
				return nil, forbidden("os_compute_api:os-simple-tenant-usage:show")
			}
			return api.OK(api.Obj{"tenant_usage": api.Obj{}})
		}},
	}
}

// extensions are the aliases that clients look for.
var extensions = []string{
	"NMN", "OS-DCF", "OS-EXT-AZ", "OS-EXT-IMG-SIZE", "OS-EXT-IPS", "OS-EXT-IPS-MAC", "OS-EXT-SRV-ATTR", "OS-EXT-STS", "OS-FLV-DISABLED", "OS-FLV-EXT-DATA",
	"OS-SCH-HNT", "OS-SRV-USG", "os-attach-interfaces", "os-availability-zone", "os-block-device-mapping-v2-boot", "os-config-drive", "os-console-output", "os-flavor-access",
	"os-flavor-extra-specs", "os-floating-ips", "os-keypairs", "os-quota-sets", "os-security-groups", "os-server-groups", "os-used-limits", "os-user-data", "os-volumes",
}

func extensionView(alias string) api.Obj {
	return api.Obj{
		"alias":       alias,
		"name":        alias,
		"description": "",
		"links":       api.List{},
		"namespace":   "http://docs.openstack.org/compute/ext/fake_xml",
		"updated":     "2014-12-03T00:00:00Z",
	}
}

func (s *Service) adminOnly(rule string, do api.Handler) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		if !r.Auth.Admin() {
			return nil, forbidden(rule)
		}
		return do(r)
	}
}

// serviceID is what 2.53 and later call the compute service and the hypervisor.
const serviceID = "6e3c7a52-0d7e-4f8c-9a52-6b1fd2f9c0de"

func (s *Service) hypervisorView(r *api.Request, detail bool) api.Obj {
	var id any = 1
	if r.Version.AtLeast(api.V(53)) {
		id = serviceID
	}
	o := api.Obj{"id": id, "hypervisor_hostname": host, "state": "up", "status": "enabled"}
	if detail {
		running := 0
		s.db.View(
			func() { running = s.db.Servers.Count(func(v *db.Server) bool { return v.VMState == db.VMActive }) },
		)
		o["hypervisor_type"], o["hypervisor_version"], o["host_ip"] = "galley", 1, "127.0.0.1"
		o["service"] = api.Obj{"host": host, "id": id, "disabled_reason": nil}
		o["uptime"] = nil
		if !r.Version.AtLeast(api.V(88)) {
			o["running_vms"] = running
		}
	}
	return o
}
