package compute

import (
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// DefaultQuotas are Nova's own.
func DefaultQuotas() map[string]int {
	return map[string]int{
		"instances": 10, "cores": 20, "ram": 51200, "metadata_items": 128, "key_pairs": 100, "server_groups": 10, "server_group_members": 10,
		"injected_files": 5, "injected_file_content_bytes": 10240, "injected_file_path_bytes": 255, "fixed_ips": -1, "floating_ips": -1, "security_groups": -1, "security_group_rules": -1,
	}
}

// networkQuotas went to Neutron; Nova shows them up to 2.35. fileQuotas went
// with personality, in 2.57.
var (
	networkQuotas = []string{"fixed_ips", "floating_ips", "security_groups", "security_group_rules"}
	fileQuotas    = []string{"injected_files", "injected_file_content_bytes", "injected_file_path_bytes"}
)

func (s *Service) quotaRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/limits", Do: s.limits},
		{Method: "GET", Path: "/os-quota-sets/{project}", Do: s.showQuotas(false)},
		{Method: "GET", Path: "/os-quota-sets/{project}/detail", Do: s.showQuotas(true)},
		{Method: "GET", Path: "/os-quota-sets/{project}/defaults", Do: s.defaultQuotas},
		{Method: "PUT", Path: "/os-quota-sets/{project}", Do: s.updateQuotas},
		{Method: "DELETE", Path: "/os-quota-sets/{project}", Do: s.resetQuotas},
	}
}

func quotaID(project, resource string) string { return "compute/" + project + "/" + resource }

func (s *Service) limit(project, resource string) int {
	if q := s.db.Quotas.Get(quotaID(project, resource)); q != nil {
		return q.Limit
	}
	return s.Quotas[resource]
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

// quotaShown tells whether a microversion still knows a quota.
func quotaShown(r *api.Request, name string) bool {
	return !(r.Version.AtLeast(api.V(36)) && slices.Contains(networkQuotas, name)) &&
		!(r.Version.AtLeast(api.V(57)) && slices.Contains(fileQuotas, name))
}

func (s *Service) showQuotas(detail bool) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		project := r.Var("project")
		if project != r.Auth.ProjectID && !r.Auth.Admin() {
			return nil, forbidden("os_compute_api:os-quota-sets:show")
		}
		out := api.Obj{"id": project}
		s.db.View(func() {
			for name := range s.Quotas {
				switch {
				case !quotaShown(r, name):
				case detail:
					out[name] = api.Obj{
						"limit":    s.limit(project, name),
						"in_use":   s.used(project, name),
						"reserved": 0,
					}
				default:
					out[name] = s.limit(project, name)
				}
			}
		})
		return api.OK(api.Obj{"quota_set": out})
	}
}

func (s *Service) defaultQuotas(r *api.Request) (*api.Reply, error) {
	out := api.Obj{"id": r.Var("project")}
	for name, n := range s.Quotas {
		if quotaShown(r, name) {
			out[name] = n
		}
	}
	return api.OK(api.Obj{"quota_set": out})
}

func (s *Service) updateQuotas(r *api.Request) (*api.Reply, error) {
	if !r.Auth.Admin() {
		return nil, forbidden("os_compute_api:os-quota-sets:update")
	}
	in, err := r.Object("quota_set")
	if err != nil {
		return nil, err
	}
	fields := []field{{name: "force", check: truth}}
	for name := range s.Quotas {
		if quotaShown(r, name) {
			fields = append(fields, field{name: name, check: number(-1)})
		}
	}
	if err := validate("quota_set", in, r.Version, fields); err != nil {
		return nil, err
	}
	err = s.db.Update(func() error {
		for name, v := range in {
			if n, ok := intOf(v); ok && name != "force" {
				id := quotaID(r.Var("project"), name)
				s.db.Quotas.Delete(id)
				s.db.Quotas.Insert(&db.Quota{Meta: db.Meta{ID: id}, Limit: n})
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	reply, err := s.showQuotas(false)(r)
	if err == nil {
		delete(reply.Body.(api.Obj)["quota_set"].(api.Obj), "id")
	}
	return reply, err
}

func (s *Service) resetQuotas(r *api.Request) (*api.Reply, error) {
	if !r.Auth.Admin() {
		return nil, forbidden("os_compute_api:os-quota-sets:delete")
	}
	err := s.db.Update(func() error {
		for name := range s.Quotas {
			s.db.Quotas.Delete(quotaID(r.Var("project"), name))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.Accepted(nil)
}

func (s *Service) limits(r *api.Request) (*api.Reply, error) {
	p := r.Auth.ProjectID
	if t := r.Query("tenant_id"); t != "" && t != p {
		if !r.Auth.Admin() {
			return nil, forbidden("os_compute_api:limits:other_project")
		}
		p = t
	}
	var abs api.Obj
	s.db.View(func() {
		abs = api.Obj{
			"maxTotalInstances": s.limit(
				p,
				"instances",
			), "maxTotalCores": s.limit(p, "cores"), "maxTotalRAMSize": s.limit(p, "ram"),
			"maxServerMeta": s.limit(
				p,
				"metadata_items",
			), "maxTotalKeypairs": s.limit(p, "key_pairs"), "maxServerGroups": s.limit(p, "server_groups"),
			"maxServerGroupMembers": s.limit(
				p,
				"server_group_members",
			), "totalRAMUsed": s.used(p, "ram"), "totalCoresUsed": s.used(p, "cores"),
			"totalInstancesUsed": s.used(p, "instances"), "totalServerGroupsUsed": s.used(p, "server_groups"),
		}
		if !r.Version.AtLeast(api.V(36)) {
			abs["maxTotalFloatingIps"], abs["maxSecurityGroups"], abs["maxSecurityGroupRules"] = -1, -1, -1
			abs["totalFloatingIpsUsed"], abs["totalSecurityGroupsUsed"] = 0, 0
		}
		if !r.Version.AtLeast(api.V(39)) {
			abs["maxImageMeta"] = s.limit(p, "metadata_items")
		}
		if !r.Version.AtLeast(api.V(57)) {
			abs["maxPersonality"], abs["maxPersonalitySize"] = s.limit(
				p,
				"injected_files",
			), s.limit(p, "injected_file_content_bytes")
		}
	})
	return api.OK(api.Obj{"limits": api.Obj{"rate": api.List{}, "absolute": abs}})
}
