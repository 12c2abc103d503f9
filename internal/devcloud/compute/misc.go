package compute

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) miscRoutes() []api.Route {
	admin := func(rule string, do api.Handler) api.Handler { return s.adminOnly("os_compute_api:"+rule, do) }
	zones := func(hosts any) api.Handler {
		return func(*api.Request) (*api.Reply, error) {
			return api.OK(api.Obj{"availabilityZoneInfo": api.List{
				api.Obj{"zoneName": zone, "zoneState": api.Obj{"available": true}, "hosts": hosts},
			}})
		}
	}
	hypervisors := func(detail bool) api.Handler {
		return func(r *api.Request) (*api.Reply, error) {
			return api.OK(api.Obj{"hypervisors": api.List{s.hypervisorView(r, detail)}})
		}
	}
	calls := api.Calls{
		"GET /os-availability-zone": zones(nil),
		"GET /os-availability-zone/detail": admin("os-availability-zone:detail", zones(api.Obj{
			Host: api.Obj{"nova-compute": api.Obj{"available": true, "active": true, "updated_at": nil}},
		})),
		"GET /extensions": func(*api.Request) (*api.Reply, error) {
			return api.OK(api.Obj{"extensions": api.Views(extensions, extensionView)})
		},
		"GET /extensions/{alias}": func(r *api.Request) (*api.Reply, error) {
			if slices.Contains(extensions, r.Var("alias")) {
				return api.OK(api.Obj{"extension": extensionView(r.Var("alias"))})
			}
			return nil, api.NotFound("The resource could not be found.")
		},
		"GET /limits":                s.limits,
		"GET /os-services":           admin("os-services:list", s.listServices),
		"GET /os-hypervisors":        admin("os-hypervisors:list", hypervisors(false)),
		"GET /os-hypervisors/detail": admin("os-hypervisors:list-detail", hypervisors(true)),
		"GET /os-hypervisors/statistics": admin("os-hypervisors:statistics", func(r *api.Request) (*api.Reply, error) {
			running := s.hypervisorView(r, true)["running_vms"]
			return api.OK(api.Obj{"hypervisor_statistics": api.Obj{"count": 1, "running_vms": running}})
		}),
		"GET /os-hypervisors/{id}":        admin("os-hypervisors:show", s.showHypervisor),
		"GET /os-hypervisors/{id}/uptime": admin("os-hypervisors:uptime", s.showHypervisor),
		"GET /os-migrations":              admin("os-migrations:index", api.Empty("migrations")),
		"GET /os-simple-tenant-usage": admin("os-simple-tenant-usage:list", func(r *api.Request) (*api.Reply, error) {
			usage := func(p *db.Object) api.Obj { return s.usage(r, p.Key, r.Query("detailed") == "1") }
			return api.OK(api.Obj{"tenant_usages": api.Views(s.db.Objects("project", nil), usage)})
		}),
		"GET /os-simple-tenant-usage/{project}": func(r *api.Request) (*api.Reply, error) {
			if r.Var("project") != r.Auth.ProjectID && !r.Auth.Admin() {
				return nil, forbidden("os_compute_api:os-simple-tenant-usage:show")
			}
			u := s.usage(r, r.Var("project"), true)
			if u == nil {
				u = api.Obj{}
			}
			return api.OK(api.Obj{"tenant_usage": u})
		},
	}
	return calls.Routes(api.Route{})
}

// usage is what a project's servers have used since the call's start, nil when
// it has none.
func (s *Service) usage(r *api.Request, project string, detailed bool) api.Obj {
	const form = "2006-01-02T15:04:05.000000"
	stop := time.Now().UTC()
	start := stop.AddDate(0, 0, -28)
	for key, t := range map[string]*time.Time{"start": &start, "end": &stop} {
		if given, ok := parseTime(r.Query(key)); ok {
			*t = given
		}
	}
	hours, ram, cpus, disk := 0.0, 0.0, 0.0, 0.0
	servers := api.List{}
	for _, v := range s.db.Servers.Where(func(v *db.Server) bool { return v.ProjectID == project && v.Created.Before(stop) }) {
		h := min(stop.Sub(start), stop.Sub(v.Created)).Hours()
		hours, ram = hours+h, ram+h*float64(v.Flavor.RAM)
		cpus, disk = cpus+h*float64(v.Flavor.VCPUs), disk+h*float64(v.Flavor.Disk)
		servers = append(servers, api.Obj{
			"instance_id": v.ID, "name": v.Name, "tenant_id": project, "flavor": v.Flavor.Name, "state": strings.ToLower(v.VMState),
			"hours": h, "memory_mb": v.Flavor.RAM, "local_gb": v.Flavor.Disk, "vcpus": v.Flavor.VCPUs,
			"started_at": v.Created.Format(form), "ended_at": nil, "uptime": int(stop.Sub(v.Created).Seconds()),
		})
	}
	if len(servers) == 0 {
		return nil
	}
	o := api.Obj{
		"tenant_id": project, "start": start.Format(form), "stop": stop.Format(form), "total_hours": hours,
		"total_memory_mb_usage": ram, "total_vcpus_usage": cpus, "total_local_gb_usage": disk,
	}
	if detailed {
		o["server_usages"] = servers
	}
	return o
}

func (s *Service) listServices(r *api.Request) (*api.Reply, error) {
	l := api.List{}
	for i, binary := range []string{"nova-compute", "nova-conductor", "nova-scheduler"} {
		v := api.Obj{
			"id": any(i + 1), "binary": binary, "host": Host, "zone": "internal", "status": "enabled", "state": "up",
			"disabled_reason": nil, "updated_at": nil, "forced_down": false,
		}
		since(r, 53, v, api.Obj{"id": HypervisorID[:len(HypervisorID)-1] + fmt.Sprint(i)})
		if i == 0 {
			v["zone"] = zone
		}
		if api.Filter(r, v) {
			l = append(l, v)
		}
	}
	return api.OK(api.Obj{"services": l})
}

func (s *Service) showHypervisor(r *api.Request) (*api.Reply, error) {
	o := s.hypervisorView(r, true)
	if fmt.Sprint(o["id"]) != r.Var("id") {
		return nil, api.NotFound("Compute host %s could not be found.", r.Var("id"))
	}
	return api.OK(api.Obj{"hypervisor": o})
}

// aggregates are groups of hypervisors, of which there is one.
func (s *Service) aggregates() *api.Collection {
	show := func(c *api.Collection, r *api.Request, o *db.Object) (*api.Reply, error) {
		return api.OK(api.Obj{"aggregate": c.View(r, s.db.PutObject(o))})
	}
	c := &api.Collection{
		DB: s.db, Kind: "aggregate", Single: "aggregate", Plural: "aggregates", Path: "/os-aggregates", Update: "PUT", Made: 200, Gone: 200,
		Required: []string{"name"},
		Defaults: api.Obj{"availability_zone": nil, "hosts": api.List{}, "metadata": api.Obj{}, "deleted": false, "deleted_at": nil},
		Allow: func(r *api.Request, action string, _ *db.Object) error {
			if !r.Auth.Admin() {
				return forbidden("os_compute_api:os-aggregates:" + action)
			}
			return nil
		},
		NewKey: func(api.Obj) string {
			n := 1
			for _, o := range s.db.Objects("aggregate", nil) {
				id, _ := strconv.Atoi(o.Key)
				n = max(n, id+1)
			}
			return strconv.Itoa(n)
		},
		Missing: func(id string) error { return api.NotFound("Aggregate %s could not be found.", id) },
		Show: func(_ *api.Request, o *db.Object, v api.Obj) {
			v["id"], _ = strconv.Atoi(o.Key)
			v["created_at"], v["updated_at"] = api.Micros(o.Created), api.Micros(o.Updated)
		},
		Removed: func(_ *api.Request, o *db.Object) error {
			if hosts, _ := o.Attrs["hosts"].([]any); len(hosts) > 0 {
				return api.BadRequest("Cannot remove host from aggregate %s: host aggregate is not empty.", o.Key)
			}
			return nil
		},
	}
	c.Actions = map[string]func(*api.Request, *db.Object, api.Obj) (*api.Reply, error){
		"add_host": func(r *api.Request, o *db.Object, in api.Obj) (*api.Reply, error) {
			if in["host"] != Host {
				return nil, api.NotFound("Compute host %v could not be found.", in["host"])
			}
			return show(c, r, o.Set(api.Obj{"hosts": api.List{Host}}))
		},
		"remove_host": func(r *api.Request, o *db.Object, in api.Obj) (*api.Reply, error) {
			return show(c, r, o.Set(api.Obj{"hosts": api.List{}}))
		},
		"set_metadata": func(r *api.Request, o *db.Object, in api.Obj) (*api.Reply, error) {
			next, _ := in["metadata"].(api.Obj)
			have := api.Pairs(o.Dict("metadata"))
			maps.Copy(have, next)
			maps.DeleteFunc(have, func(_ string, v any) bool { return v == nil })
			return show(c, r, o.Set(api.Obj{"metadata": have}))
		},
	}
	return c
}

// extensions are the aliases that clients look for.
var extensions = []string{
	"os-admin-actions",
	"NMN", "OS-DCF", "OS-EXT-AZ", "OS-EXT-IMG-SIZE", "OS-EXT-IPS", "OS-EXT-IPS-MAC", "OS-EXT-SRV-ATTR", "OS-EXT-STS", "OS-FLV-DISABLED", "OS-FLV-EXT-DATA",
	"OS-SCH-HNT", "OS-SRV-USG", "os-attach-interfaces", "os-availability-zone", "os-block-device-mapping-v2-boot", "os-config-drive", "os-console-output", "os-flavor-access",
	"os-flavor-extra-specs", "os-floating-ips", "os-keypairs", "os-quota-sets", "os-security-groups", "os-server-groups", "os-used-limits", "os-user-data", "os-volumes",
}

// extensionNames are those that differ from the alias.
var extensionNames = map[string]string{"os-admin-actions": "AdminActions", "OS-SCH-HNT": "SchedulerHints"}

func extensionView(alias string) api.Obj {
	return api.Obj{
		"alias": alias, "name": cmp.Or(extensionNames[alias], alias), "description": "", "links": api.List{},
		"namespace": "http://docs.openstack.org/compute/ext/fake_xml", "updated": "2014-12-03T00:00:00Z",
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

// HypervisorID is what 2.53 and later call the compute service and the
// hypervisor.
const HypervisorID = "6e3c7a52-0d7e-4f8c-9a52-6b1fd2f9c0de"

func (s *Service) hypervisorView(r *api.Request, detail bool) api.Obj {
	var id any = 1
	if r.Version.AtLeast(api.V(53)) {
		id = HypervisorID
	}
	o := api.Obj{"id": id, "hypervisor_hostname": Host, "state": "up", "status": "enabled"}
	servers := api.Views(s.db.Servers.All(), func(v *db.Server) api.Obj { return api.Obj{"uuid": v.ID, "name": v.Name} })
	if r.Query("with_servers") == "true" && r.Version.AtLeast(api.V(53)) {
		o["servers"] = servers
	}
	if detail {
		o["hypervisor_type"], o["hypervisor_version"], o["host_ip"] = "galley", 1, "127.0.0.1"
		o["service"] = api.Obj{"host": Host, "id": id, "disabled_reason": nil}
		o["uptime"] = nil
		until(r, 88, o, api.Obj{"running_vms": len(servers)})
	}
	return o
}

// DefaultQuotas are Nova's own.
func DefaultQuotas() map[string]int {
	return map[string]int{
		"instances": 10, "cores": 20, "ram": 51200, "metadata_items": 128, "key_pairs": 100, "server_groups": 10,
		"server_group_members": 10, "injected_files": 5, "injected_file_content_bytes": 10240, "injected_file_path_bytes": 255,
		"fixed_ips": -1, "floating_ips": -1, "security_groups": -1, "security_group_rules": -1,
	}
}

// networkQuotas went to Neutron; Nova shows them up to 2.35. fileQuotas went
// with personality, in 2.57.
var (
	networkQuotas = []string{"fixed_ips", "floating_ips", "security_groups", "security_group_rules"}
	fileQuotas    = []string{"injected_files", "injected_file_content_bytes", "injected_file_path_bytes"}
)

func (s *Service) newQuotas() *api.Quotas {
	shown := func(r *api.Request, name string) bool {
		return !(r.Version.AtLeast(api.V(36)) && slices.Contains(networkQuotas, name)) &&
			!(r.Version.AtLeast(api.V(57)) && slices.Contains(fileQuotas, name))
	}
	return &api.Quotas{
		DB: s.db, Service: "compute", Default: s.Quotas, Path: "/os-quota-sets", Single: "quota_set", InUse: "in_use",
		Used: s.used, Shown: shown, Gone: 202,
		Refuse: func(action string) error { return forbidden("os_compute_api:os-quota-sets:" + action) },
		Check: func(r *api.Request, in api.Obj) error {
			fields := []field{{name: "force", check: truth}}
			for name := range s.Quotas {
				if shown(r, name) {
					fields = append(fields, field{name: name, check: number(-1)})
				}
			}
			return validate("quota_set", in, r.Version, fields)
		},
	}
}

func (s *Service) used(project, resource string) int {
	n := 0
	for _, v := range s.db.Servers.Where(func(v *db.Server) bool { return v.ProjectID == project }) {
		switch resource {
		case "instances":
			n++
		case "cores":
			n += v.Flavor.VCPUs
		case "ram":
			n += v.Flavor.RAM
		}
	}
	if resource == "server_groups" {
		n = s.db.ServerGroups.Count(func(g *db.ServerGroup) bool { return g.ProjectID == project })
	}
	return n
}

func (s *Service) limits(r *api.Request) (*api.Reply, error) {
	p := r.Auth.ProjectID
	if t := r.Query("tenant_id"); t != "" && t != p {
		if !r.Auth.Admin() {
			return nil, forbidden("os_compute_api:limits:other_project")
		}
		p = t
	}
	limit := func(name string) int { return s.quotas.Limit(p, name) }
	abs := api.Obj{
		"maxTotalInstances": limit("instances"), "maxTotalCores": limit("cores"), "maxTotalRAMSize": limit("ram"),
		"maxServerMeta": limit("metadata_items"), "maxTotalKeypairs": limit("key_pairs"), "maxServerGroups": limit("server_groups"),
		"maxServerGroupMembers": limit("server_group_members"), "totalRAMUsed": s.used(p, "ram"), "totalCoresUsed": s.used(p, "cores"),
		"totalInstancesUsed": s.used(p, "instances"), "totalServerGroupsUsed": s.used(p, "server_groups"),
	}
	until(r, 36, abs, api.Obj{
		"maxTotalFloatingIps": -1, "maxSecurityGroups": -1, "maxSecurityGroupRules": -1,
		"totalFloatingIpsUsed": 0, "totalSecurityGroupsUsed": 0,
	})
	until(r, 39, abs, api.Obj{"maxImageMeta": limit("metadata_items")})
	until(r, 57, abs, api.Obj{
		"maxPersonality": limit("injected_files"), "maxPersonalitySize": limit("injected_file_content_bytes"),
	})
	return api.OK(api.Obj{"limits": api.Obj{"rate": api.List{}, "absolute": abs}})
}
