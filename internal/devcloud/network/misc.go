package network

import "github.com/galleyhq/galley/internal/devcloud/api"

// extensions are what of Neutron's optional parts is here.
var extensions = []struct{ alias, name string }{
	{"address-group", "Address group"},
	{"address-scope", "Address scope"},
	{"allowed-address-pairs", "Allowed Address Pairs"},
	{"availability_zone", "Availability Zone"},
	{"binding", "Port Binding"},
	{"dhcp_agent_scheduler", "DHCP Agent Scheduler"},
	{"external-net", "Neutron external network"},
	{"extra_dhcp_opt", "Neutron Extra DHCP options"},
	{"extraroute", "Neutron Extra Route"},
	{"extraroute-atomic", "Atomically add/remove extra routes"},
	{"ext-gw-mode", "Neutron L3 Configurable external gateway mode"},
	{"filter-validation", "Filter parameters validation"},
	{"expose-port-forwarding-in-fip", "Expose Port Forwarding in FIP"},
	{"fip-port-details", "Floating IP Port Details Extension"},
	{"floating-ip-port-forwarding", "Floating IP Port Forwarding"},
	{"floating-ip-port-forwarding-port-ranges", "Floating IP Port Forwarding support Port Ranges"},
	{"ip-substring-filtering", "IP address substring filtering"},
	{"net-mtu", "Network MTU"},
	{"net-mtu-writable", "Network MTU (writable)"},
	{"network_availability_zone", "Network Availability Zone"},
	{"pagination", "Pagination support"},
	{"port-security", "Port Security"},
	{"project-id", "project_id field enabled"},
	{"provider", "Provider Network"},
	{"quotas", "Quota management support"},
	{"quota_details", "Quota details management support"},
	{"rbac-policies", "RBAC Policies"},
	{"revision-if-match", "If-Match constraints based on revision_number"},
	{"router", "Neutron L3 Router"},
	{"router_availability_zone", "Router Availability Zone"},
	{"security-group", "security-group"},
	{"security-groups-normalized-cidr", "Normalized CIDR field for security group rules"},
	{"security-groups-remote-address-group", "Remote address group id field for security group rules"},
	{"shared-security-group", "Shared Security Group"},
	{"sorting", "Sorting support"},
	{"standard-attr-description", "standard-attr-description"},
	{"standard-attr-revisions", "Resource revision numbers"},
	{"standard-attr-tag", "Tag support for resources with standard attribute"},
	{"standard-attr-timestamp", "Resource timestamps"},
	{"stateful-security-group", "Stateful security group"},
	{"subnet_allocation", "Subnet Allocation"},
	{"subnetpool-prefix-ops", "Subnet Pool Prefix Operations"},
	{"subnet-service-types", "Subnet service types"},
	{"trunk", "Trunk Extension"},
	{"trunk-details", "Trunk port details"},
}

func extensionView(i int) api.Obj {
	e := extensions[i]
	return api.Obj{"alias": e.alias, "name": e.name, "description": e.name, "updated": "2022-01-01T00:00:00-00:00", "links": api.List{}}
}

// misc is what of Neutron says the same for all; collections of which this
// cloud never has any are empty, since clients list them in passing.
func (s *Service) misc() api.Calls {
	return api.Calls{
		"GET /v2.0/extensions": func(r *api.Request) (*api.Reply, error) {
			l := api.List{}
			for i := range extensions {
				l = append(l, extensionView(i))
			}
			return api.OK(api.Obj{"extensions": l})
		},
		"GET /v2.0/extensions/{alias}": func(r *api.Request) (*api.Reply, error) {
			for i, e := range extensions {
				if e.alias == r.Var("alias") {
					return api.OK(api.Obj{"extension": extensionView(i)})
				}
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
