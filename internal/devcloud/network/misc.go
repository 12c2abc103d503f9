package network

import (
	"cmp"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
)

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

// misc is what of Neutron says the same for all; collections of which this
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
		"GET /v2.0/agents": api.Empty("agents"), "GET /v2.0/flavors": api.Empty("flavors"),
		"GET /v2.0/network-ip-availabilities": api.Empty("network_ip_availabilities"),
	}
}
