package compute

import (
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

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
		Used: s.used, Shown: shown, Gone: func() (*api.Reply, error) { return api.Accepted(nil) },
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
