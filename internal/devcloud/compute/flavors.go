package compute

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) flavorRoutes() []api.Route {
	routes := []api.Route{
		{Method: "GET", Path: "/flavors", Do: s.listFlavors(false)},
		{Method: "GET", Path: "/flavors/detail", Do: s.listFlavors(true)},
		{Method: "POST", Path: "/flavors", Do: s.createFlavor},
		{Method: "GET", Path: "/flavors/{id}", Do: s.showFlavor},
		{Method: "PUT", Path: "/flavors/{id}", Min: api.V(55), Do: s.updateFlavor},
		{Method: "DELETE", Path: "/flavors/{id}", Do: s.deleteFlavor},
		{Method: "POST", Path: "/flavors/{id}/action", Do: s.flavorAction},
		{Method: "GET", Path: "/flavors/{id}/os-flavor-access", Do: func(r *api.Request) (*api.Reply, error) {
			if !r.Auth.Admin() {
				return nil, forbidden("os_compute_api:os-flavor-access")
			}
			return s.withFlavor(r, func(f *db.Flavor) (any, error) {
				if !f.Private {
					return nil, api.NotFound("Access list not available for public flavors.")
				}
				return flavorAccess(f), nil
			})
		}},
	}
	specs := &api.Dictionary{
		DB: s.db, Path: "/flavors/{id}/os-extra_specs", Name: "extra_specs",
		Open: func(r *api.Request) (map[string]string, func(map[string]string), error) {
			f := s.db.Flavors.Get(r.Var("id"))
			if f == nil || !s.flavorVisible(r, f) {
				return nil, nil, errFlavor(r.Var("id"))
			}
			if r.HTTP.Method != "GET" && !r.Auth.Admin() {
				return nil, nil, forbidden("os_compute_api:os-flavor-extra-specs:create")
			}
			return f.ExtraSpecs, func(m map[string]string) { f.ExtraSpecs = m; s.db.Flavors.Put(f) }, nil
		},
		Missing: func(r *api.Request, key string) error {
			return api.NotFound("Flavor %s has no extra specs with key %s.", r.Var("id"), key)
		},
	}
	return append(routes, specs.Routes()...)
}

func flavorAccess(f *db.Flavor) api.Obj {
	l := api.List{}
	for _, p := range f.Projects {
		l = append(l, api.Obj{"flavor_id": f.ID, "tenant_id": p})
	}
	return api.Obj{"flavor_access": l}
}

// flavorAction lets a project at a private flavor, or no longer.
func (s *Service) flavorAction(r *api.Request) (*api.Reply, error) {
	var in map[string]struct{ Tenant string }
	if err := r.JSON(&in); err != nil {
		return nil, err
	}
	f, err := s.changeFlavor(r, "os_compute_api:os-flavor-access:add_tenant_access", func(f *db.Flavor) error {
		add, remove := in["addTenantAccess"].Tenant, in["removeTenantAccess"].Tenant
		has := slices.Contains(f.Projects, cmp.Or(add, remove))
		switch {
		case !f.Private:
			return api.Conflict("Can not add access to a public flavor.")
		case add != "" && has:
			return api.Conflict("Flavor access already exists for flavor %s and project %s combination.", f.ID, add)
		case add != "":
			f.Projects = append(slices.Clone(f.Projects), add)
		case remove != "" && has:
			f.Projects = slices.DeleteFunc(slices.Clone(f.Projects), func(p string) bool { return p == remove })
		default:
			return api.NotFound("Flavor access not found for %s / %s combination.", f.ID, remove)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(flavorAccess(f))
}

func sortBy[T any](l []T, key func(T) string) {
	slices.SortStableFunc(l, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}

func (s *Service) flavorVisible(r *api.Request, f *db.Flavor) bool {
	return !f.Private || r.Auth.Admin() || slices.Contains(f.Projects, r.Auth.ProjectID)
}

func errFlavor(id string) *api.Error { return api.NotFound("Flavor %s could not be found.", id) }

func flavorView(r *api.Request, f *db.Flavor, detail bool) api.Obj {
	o := api.Obj{"id": f.ID, "name": f.Name, "links": links(r, "flavors", f.ID)}
	if r.Version.AtLeast(api.V(55)) {
		o["description"] = orNil(f.Description)
	}
	if !detail {
		return o
	}
	var swap any = f.Swap
	if f.Swap == 0 && !r.Version.AtLeast(api.V(75)) {
		swap = ""
	}
	maps.Copy(o, api.Obj{
		"ram": f.RAM, "disk": f.Disk, "swap": swap, "OS-FLV-EXT-DATA:ephemeral": f.Ephemeral, "OS-FLV-DISABLED:disabled": false,
		"vcpus": f.VCPUs, "os-flavor-access:is_public": !f.Private, "rxtx_factor": 1.0,
	})
	if r.Version.AtLeast(api.V(61)) {
		o["extra_specs"] = dict(f.ExtraSpecs)
	}
	return o
}

func (s *Service) listFlavors(detail bool) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		q := r.HTTP.URL.Query()
		limit, ok := api.Limit(q)
		if !ok {
			return nil, api.BadRequest(
				"Invalid input for query parameters limit. Value: %s. '%s' does not match '^[0-9]*$'",
				q.Get("limit"),
				q.Get("limit"),
			)
		}
		minRAM, _ := intOf(cmp.Or(q.Get("minRam"), "0"))
		minDisk, _ := intOf(cmp.Or(q.Get("minDisk"), "0"))
		var seen []*db.Flavor
		s.db.View(func() {
			seen = s.db.Flavors.Where(func(f *db.Flavor) bool {
				if f.RAM < minRAM || f.Disk < minDisk || !s.flavorVisible(r, f) {
					return false
				}
				switch strings.ToLower(q.Get("is_public")) {
				case "true", "1", "t":
					return !f.Private
				case "false", "0", "f":
					return f.Private && r.Auth.Admin()
				case "none":
					return true
				}
				return !f.Private || slices.Contains(f.Projects, r.Auth.ProjectID)
			})
		})
		key := map[string]func(f *db.Flavor) string{
			"name":      func(f *db.Flavor) string { return f.Name },
			"memory_mb": func(f *db.Flavor) string { return fmt.Sprintf("%012d", f.RAM) }, "vcpus": func(f *db.Flavor) string { return fmt.Sprintf("%012d", f.VCPUs) },
			"root_gb": func(f *db.Flavor) string { return fmt.Sprintf("%012d", f.Disk) },
		}[q.Get("sort_key")]
		if key == nil {
			key = func(f *db.Flavor) string { return f.ID }
		}
		sortBy(seen, key)
		if q.Get("sort_dir") == "desc" {
			slices.Reverse(seen)
		}
		page, err := api.Paginate(seen, func(f *db.Flavor) string { return f.ID }, limit, maxPage, q.Get("marker"))
		if err != nil {
			return nil, api.BadRequest("marker [%s] not found", q.Get("marker"))
		}
		l := api.List{}
		for _, f := range page.Items {
			l = append(l, flavorView(r, f, detail))
		}
		body := api.Obj{"flavors": l}
		if page.Next != "" {
			body["flavors_links"] = api.List{api.Obj{"rel": "next", "href": api.NextURL(r, page.Next)}}
		}
		return api.OK(body)
	}
}

func (s *Service) withFlavor(r *api.Request, show func(f *db.Flavor) (any, error)) (*api.Reply, error) {
	var f *db.Flavor
	s.db.View(func() { f = s.db.Flavors.Get(r.Var("id")) })
	if f == nil || !s.flavorVisible(r, f) {
		return nil, errFlavor(r.Var("id"))
	}
	body, err := show(f)
	if err != nil {
		return nil, err
	}
	return api.OK(body)
}

func (s *Service) showFlavor(r *api.Request) (*api.Reply, error) {
	return s.withFlavor(r, func(f *db.Flavor) (any, error) { return api.Obj{"flavor": flavorView(r, f, true)}, nil })
}

func (s *Service) createFlavor(r *api.Request) (*api.Reply, error) {
	if !r.Auth.Admin() {
		return nil, forbidden("os_compute_api:os-flavor-manage:create")
	}
	in, err := r.Object("flavor")
	if err != nil {
		return nil, err
	}
	err = validate("flavor", in, r.Version, []field{
		{name: "name", check: text(1, 255), required: true},
		{name: "id", check: anything},
		{name: "ram", check: number(1), required: true},
		{name: "vcpus", check: number(1), required: true},
		{name: "disk", check: number(0), required: true},
		{name: "OS-FLV-EXT-DATA:ephemeral", check: number(0)},
		{name: "swap", check: number(0)},
		{name: "rxtx_factor", check: anything},
		{name: "os-flavor-access:is_public", check: truth},
		{name: "description", check: orNull(isString), min: api.V(55)},
	})
	if err != nil {
		return nil, err
	}
	f := &db.Flavor{Name: strOf(in, "name"), Description: strOf(in, "description")}
	if in["id"] != nil && in["id"] != "auto" {
		f.ID = pyStr(in["id"])
	}
	f.RAM, _ = intOf(in["ram"])
	f.VCPUs, _ = intOf(in["vcpus"])
	f.Disk, _ = intOf(in["disk"])
	f.Ephemeral, _ = intOf(in["OS-FLV-EXT-DATA:ephemeral"])
	f.Swap, _ = intOf(in["swap"])
	if public, ok := boolOf(in["os-flavor-access:is_public"]); ok {
		f.Private = !public
	}
	err = s.db.Update(func() error {
		if s.db.Flavors.First(func(x *db.Flavor) bool { return x.Name == f.Name }) != nil {
			return api.Conflict("Flavor with name %s already exists.", f.Name)
		}
		if f.ID != "" && s.db.Flavors.Get(f.ID) != nil {
			return api.Conflict("Flavor with ID %s already exists.", f.ID)
		}
		s.db.Flavors.Insert(f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"flavor": flavorView(r, f, true)})
}

// changeFlavor runs do on a flavor inside a transaction and stores it.
func (s *Service) changeFlavor(r *api.Request, rule string, do func(f *db.Flavor) error) (*db.Flavor, error) {
	if !r.Auth.Admin() {
		return nil, forbidden(rule)
	}
	var f *db.Flavor
	err := s.db.Update(func() error {
		if f = s.db.Flavors.Get(r.Var("id")); f == nil {
			return errFlavor(r.Var("id"))
		}
		if err := do(f); err != nil {
			return err
		}
		s.db.Flavors.Put(f)
		return nil
	})
	return f, err
}

func (s *Service) updateFlavor(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("flavor")
	if err != nil {
		return nil, err
	}
	f, err := s.changeFlavor(r, "os_compute_api:os-flavor-manage:update", func(f *db.Flavor) error {
		f.Description = strOf(in, "description")
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"flavor": flavorView(r, f, true)})
}

func (s *Service) deleteFlavor(r *api.Request) (*api.Reply, error) {
	_, err := s.changeFlavor(r, "os_compute_api:os-flavor-manage:delete", func(*db.Flavor) error { return nil })
	if err == nil {
		err = s.db.Update(func() error { s.db.Flavors.Delete(r.Var("id")); return nil })
	}
	if err != nil {
		return nil, err
	}
	return api.Accepted(nil)
}
