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

const oneFlavor = "/flavors/{id}"

func (s *Service) flavorRoutes() []api.Route {
	manage := func(action string, do func(r *api.Request, f *db.Flavor) (*api.Reply, error)) api.Handler {
		return s.adminOnly("os_compute_api:os-flavor-manage:"+action, with(s.findFlavor, do))
	}
	routes := api.Calls{
		"GET /flavors": s.listFlavors(false), "GET /flavors/detail": s.listFlavors(true),
		"POST /flavors": s.adminOnly("os_compute_api:os-flavor-manage:create", s.createFlavor),
		"GET " + oneFlavor: with(s.findFlavor, func(r *api.Request, f *db.Flavor) (*api.Reply, error) {
			return api.OK(api.Obj{"flavor": flavorView(r, f, true)})
		}),
		"DELETE " + oneFlavor: manage("delete", func(_ *api.Request, f *db.Flavor) (*api.Reply, error) {
			s.db.Flavors.Delete(f.ID)
			return api.Accepted(nil)
		}),
		"POST " + oneFlavor + "/action": s.adminOnly("os_compute_api:os-flavor-access:add_tenant_access", with(s.findFlavor, s.flavorAction)),
		"GET " + oneFlavor + "/os-flavor-access": s.adminOnly("os_compute_api:os-flavor-access",
			with(s.findFlavor, func(_ *api.Request, f *db.Flavor) (*api.Reply, error) {
				if !f.Private {
					return nil, api.NotFound("Access list not available for public flavors.")
				}
				return flavorAccess(f)
			})),
	}.Routes(api.Route{})
	routes = append(routes, api.Route{
		Method: "PUT", Path: oneFlavor, Min: api.V(55),
		Do: manage("update", func(r *api.Request, f *db.Flavor) (*api.Reply, error) {
			in, err := r.Object("flavor")
			if err != nil {
				return nil, err
			}
			f.Description = strOf(in, "description")
			s.db.Flavors.Put(f)
			return api.OK(api.Obj{"flavor": flavorView(r, f, true)})
		}),
	})
	specs := &api.Dictionary{
		Path: oneFlavor + "/os-extra_specs", Name: "extra_specs",
		Open: func(r *api.Request) (map[string]string, func(map[string]string), error) {
			f, err := s.findFlavor(r)
			if err != nil {
				return nil, nil, err
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

// findFlavor is the flavor that the path names.
func (s *Service) findFlavor(r *api.Request) (*db.Flavor, error) {
	f := s.db.Flavors.Get(r.Var("id"))
	if f == nil || !s.flavorVisible(r, f) {
		return nil, api.NotFound("Flavor %s could not be found.", r.Var("id"))
	}
	return f, nil
}

func flavorAccess(f *db.Flavor) (*api.Reply, error) {
	view := func(project string) api.Obj { return api.Obj{"flavor_id": f.ID, "tenant_id": project} }
	return api.OK(api.Obj{"flavor_access": api.Views(f.Projects, view)})
}

// flavorAction lets a project at a private flavor, or no longer.
func (s *Service) flavorAction(r *api.Request, f *db.Flavor) (*api.Reply, error) {
	var in map[string]struct{ Tenant string }
	if err := r.JSON(&in); err != nil {
		return nil, err
	}
	add, remove := in["addTenantAccess"].Tenant, in["removeTenantAccess"].Tenant
	has := slices.Contains(f.Projects, cmp.Or(add, remove))
	switch {
	case !f.Private:
		return nil, api.Conflict("Can not add access to a public flavor.")
	case add != "" && has:
		return nil, api.Conflict("Flavor access already exists for flavor %s and project %s combination.", f.ID, add)
	case add != "":
		f.Projects = append(slices.Clone(f.Projects), add)
	case remove != "" && has:
		f.Projects = slices.DeleteFunc(slices.Clone(f.Projects), func(p string) bool { return p == remove })
	default:
		return nil, api.NotFound("Flavor access not found for %s / %s combination.", f.ID, remove)
	}
	s.db.Flavors.Put(f)
	return flavorAccess(f)
}

func (s *Service) flavorVisible(r *api.Request, f *db.Flavor) bool {
	return !f.Private || r.Auth.Admin() || slices.Contains(f.Projects, r.Auth.ProjectID)
}

func flavorView(r *api.Request, f *db.Flavor, detail bool) api.Obj {
	o := api.Obj{"id": f.ID, "name": f.Name, "links": links(r, "flavors", f.ID)}
	since(r, 55, o, api.Obj{"description": api.OrNil(f.Description)})
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
	since(r, 61, o, api.Obj{"extra_specs": api.Dict(f.ExtraSpecs)})
	return o
}

// flavorOrders are what a list of flavors can be sorted by.
var flavorOrders = map[string]func(f *db.Flavor) string{
	"name":      func(f *db.Flavor) string { return f.Name },
	"memory_mb": func(f *db.Flavor) string { return fmt.Sprintf("%012d", f.RAM) },
	"vcpus":     func(f *db.Flavor) string { return fmt.Sprintf("%012d", f.VCPUs) },
	"root_gb":   func(f *db.Flavor) string { return fmt.Sprintf("%012d", f.Disk) },
}

func (s *Service) listFlavors(detail bool) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		q := r.HTTP.URL.Query()
		minRAM, _ := intOf(cmp.Or(q.Get("minRam"), "0"))
		minDisk, _ := intOf(cmp.Or(q.Get("minDisk"), "0"))
		seen := s.db.Flavors.Where(func(f *db.Flavor) bool {
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
		key := flavorOrders[q.Get("sort_key")]
		if key == nil {
			key = func(f *db.Flavor) string { return f.ID }
		}
		sortBy(seen, key)
		if q.Get("sort_dir") == "desc" {
			slices.Reverse(seen)
		}
		return paged(r, "flavors", seen, func(f *db.Flavor) string { return f.ID }, func(f *db.Flavor) api.Obj {
			return flavorView(r, f, detail)
		})
	}
}

func (s *Service) createFlavor(r *api.Request) (*api.Reply, error) {
	in, err := body(r, "flavor", []field{
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
		f.ID = api.PyStr(in["id"])
	}
	for name, to := range map[string]*int{
		"ram": &f.RAM, "vcpus": &f.VCPUs, "disk": &f.Disk, "OS-FLV-EXT-DATA:ephemeral": &f.Ephemeral, "swap": &f.Swap,
	} {
		*to, _ = intOf(in[name])
	}
	if public, ok := boolOf(in["os-flavor-access:is_public"]); ok {
		f.Private = !public
	}
	if s.db.Flavors.First(func(x *db.Flavor) bool { return x.Name == f.Name }) != nil {
		return nil, api.Conflict("Flavor with name %s already exists.", f.Name)
	}
	if f.ID != "" && s.db.Flavors.Get(f.ID) != nil {
		return nil, api.Conflict("Flavor with ID %s already exists.", f.ID)
	}
	s.db.Flavors.Insert(f)
	return api.OK(api.Obj{"flavor": flavorView(r, f, true)})
}
