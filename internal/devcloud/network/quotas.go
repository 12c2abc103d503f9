package network

import (
	"github.com/galleyhq/galley/internal/devcloud/api"
)

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
		Gone: api.NoContent,
		Used: func(project, name string) int {
			n := 0
			for _, res := range s.resources {
				if res.single != name {
					continue
				}
				for _, it := range res.all() {
					if it.std.ProjectID == project {
						n++
					}
				}
			}
			return n
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
