package network

import (
	"maps"
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// DefaultQuotas are Neutron's own.
func DefaultQuotas() map[string]int {
	return map[string]int{
		"network":             100,
		"subnet":              100,
		"subnetpool":          -1,
		"port":                500,
		"router":              10,
		"floatingip":          50,
		"rbac_policy":         10,
		"security_group":      10,
		"security_group_rule": 100,
	}
}

func quotaID(project, resource string) string { return "network/" + project + "/" + resource }

func (s *Service) limit(project, resource string) int {
	if q := s.db.Quotas.Get(quotaID(project, resource)); q != nil {
		return q.Limit
	}
	return s.Quotas[resource]
}

func (s *Service) used(project, resource string) int {
	mine := func(std *db.Std) bool { return std.ProjectID == project }
	switch resource {
	case "network":
		return s.db.Networks.Count(func(x *db.Network) bool { return mine(&x.Std) })
	case "subnet":
		return s.db.Subnets.Count(func(x *db.Subnet) bool { return mine(&x.Std) })
	case "subnetpool":
		return s.db.SubnetPools.Count(func(x *db.SubnetPool) bool { return mine(&x.Std) })
	case "port":
		return s.db.Ports.Count(func(x *db.Port) bool { return mine(&x.Std) })
	case "router":
		return s.db.Routers.Count(func(x *db.Router) bool { return mine(&x.Std) })
	case "floatingip":
		return s.db.FloatingIPs.Count(func(x *db.FloatingIP) bool { return mine(&x.Std) })
	case "security_group":
		return s.db.SecurityGroups.Count(func(x *db.SecurityGroup) bool { return mine(&x.Std) })
	case "security_group_rule":
		return s.db.SecurityRules.Count(func(x *db.SecurityRule) bool { return mine(&x.Std) })
	}
	return 0
}

func (s *Service) checkQuota(project, resource string) error {
	if n := s.limit(project, resource); n >= 0 && s.used(project, resource) >= n {
		return conflict("OverQuota", "Quota exceeded for resources: ['%s'].", resource)
	}
	return nil
}

func (s *Service) handleQuotas(svc *api.Service) {
	show := func(view func(project, resource string) any) api.Handler {
		return func(r *api.Request) (*api.Reply, error) {
			project := r.Var("project")
			if project != r.Auth.ProjectID && !r.Auth.Admin() {
				return nil, disallowed("rule:get_quota")
			}
			out := api.Obj{}
			s.db.View(func() {
				for _, name := range slices.Sorted(maps.Keys(s.Quotas)) {
					out[name] = view(project, name)
				}
			})
			return api.OK(api.Obj{"quota": out})
		}
	}
	plain := show(func(p, n string) any { return s.limit(p, n) })
	svc.Handle(
		api.Route{Method: "GET", Path: "/v2.0/quotas/{project}", Do: plain},
		api.Route{
			Method: "GET",
			Path:   "/v2.0/quotas/{project}/default",
			Do:     show(func(_, n string) any { return s.Quotas[n] }),
		},
		api.Route{Method: "GET", Path: "/v2.0/quotas/{project}/details", Do: show(func(p, n string) any {
			return api.Obj{"limit": s.limit(p, n), "used": s.used(p, n), "reserved": 0}
		})},
		api.Route{Method: "PUT", Path: "/v2.0/quotas/{project}", Do: func(r *api.Request) (*api.Reply, error) {
			if !r.Auth.Admin() {
				return nil, disallowed("rule:update_quota")
			}
			o, err := r.Object("quota")
			if err != nil {
				return nil, err
			}
			err = s.db.Update(func() error {
				for name, v := range o {
					n, ok := v.(float64)
					if _, known := s.Quotas[name]; !known || !ok {
						return api.BadRequest("Unrecognized attribute(s) '%s'", name)
					}
					id := quotaID(r.Var("project"), name)
					s.db.Quotas.Delete(id)
					s.db.Quotas.Insert(&db.Quota{Meta: db.Meta{ID: id}, Limit: int(n)})
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
			return plain(r)
		}},
		api.Route{Method: "DELETE", Path: "/v2.0/quotas/{project}", Do: func(r *api.Request) (*api.Reply, error) {
			if !r.Auth.Admin() {
				return nil, disallowed("rule:delete_quota")
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
			return api.NoContent()
		}},
	)
}
