// Package placement is the embedded cloud's Placement: the hypervisor, which is
// the one provider of resources, and what servers have taken of it. All of it
// is a view of the compute service's records, so every call is a GET.
//
// Only internal/devcloud imports this package.
package placement

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/compute"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

var minVersion, maxVersion = v1(0), v1(39)

// v1 is the microversion 1.minor.
func v1(minor int) api.Version { return api.Version{Major: 1, Minor: minor} }

var (
	classes = []string{"VCPU", "MEMORY_MB", "DISK_GB"}
	traits  = []string{"COMPUTE_NET_ATTACH_INTERFACE", "COMPUTE_NODE", "COMPUTE_VOLUME_EXTEND", "COMPUTE_VOLUME_MULTI_ATTACH"}
	// totals are more than the seeded flavors need within the seeded quotas.
	totals = map[string]int{"VCPU": 1024, "MEMORY_MB": 1 << 19, "DISK_GB": 1 << 14}
)

const (
	generation = 1
	provider   = compute.HypervisorID
	self       = "/placement/resource_providers/" + provider
)

type service struct{ db *db.DB }

// API is the service's calls.
func API(d *db.DB) *api.Service {
	s := &service{d}
	const all, one = "GET /resource_providers", "GET /resource_providers/{id}"
	svc := &api.Service{
		Name: "placement", Versions: &api.Microversions{Service: "placement", Min: minVersion, Max: maxVersion},
		Error: func(e *api.Error, r *api.Request) (string, []byte) { return api.PlacementBody(e, r.ID) },
		NotFound: func(_ *api.Request, handled bool) *api.Error {
			if handled {
				return &api.Error{Status: 405, Message: "The hypervisor is the one resource provider: it does not change."}
			}
			return api.NotFound("The resource could not be found.")
		},
	}
	svc.Handle(api.Route{Method: "GET", Path: "/", Open: true, Do: versions})
	for minor, calls := range map[int]api.Calls{ // by the microversion that brought them
		0: {
			all: s.list, one: s.one(view), one + "/inventories": s.one(s.inventories), one + "/usages": s.one(s.usages),
			one + "/inventories/{class}": s.one(s.inventory), one + "/allocations": s.one(s.taken), "GET /allocations/{consumer}": s.consumer,
		},
		1:  {one + "/aggregates": s.one(part("aggregates", api.List{}))},
		2:  {"GET /resource_classes": listClasses, "GET /resource_classes/{name}": class},
		6:  {one + "/traits": s.one(part("traits", traits)), "GET /traits": listTraits, "GET /traits/{name}": trait},
		9:  {"GET /usages": s.totals},
		10: {"GET /allocation_candidates": s.candidates},
	} {
		for _, rt := range calls.Routes(api.Route{Min: v1(minor)}) {
			do := rt.Do
			rt.Do = func(r *api.Request) (*api.Reply, error) {
				if !r.Auth.Admin() {
					return nil, api.Forbidden("Access was denied to this resource.")
				}
				return do(r)
			}
			svc.Handle(rt)
		}
	}
	return svc
}

func versions(*api.Request) (*api.Reply, error) {
	return api.OK(api.Obj{"versions": api.List{api.Obj{
		"id": "v1.0", "status": "CURRENT", "min_version": minVersion.String(), "max_version": maxVersion.String(),
		"links": api.List{api.Obj{"rel": "self", "href": ""}},
	}}})
}

// one is a call about the provider that the path names.
func (s *service) one(view func(r *api.Request) api.Obj) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		if r.Var("id") != provider {
			return nil, api.NotFound("No resource provider with uuid %s found", r.Var("id"))
		}
		v := view(r)
		if v == nil {
			return nil, api.NotFound("No inventory of class %s for %s", r.Var("class"), provider)
		}
		return api.OK(v)
	}
}

func view(r *api.Request) api.Obj {
	links := api.List{api.Obj{"rel": "self", "href": self}}
	for i, rel := range []string{"inventories", "usages", "aggregates", "traits", "allocations"} {
		if r.Version.AtLeast(v1([]int{0, 0, 1, 6, 11}[i])) {
			links = append(links, api.Obj{"rel": rel, "href": self + "/" + rel})
		}
	}
	v := api.Obj{"uuid": provider, "name": compute.Host, "generation": generation, "links": links}
	if r.Version.AtLeast(v1(14)) {
		v["parent_provider_uuid"], v["root_provider_uuid"] = nil, provider
	}
	return v
}

func part(name string, value any) func(r *api.Request) api.Obj {
	return func(r *api.Request) api.Obj {
		v := api.Obj{name: value}
		if name != "aggregates" || r.Version.AtLeast(v1(19)) {
			v["resource_provider_generation"] = generation
		}
		return v
	}
}

// inventory is how much of a class there is; nil for another class.
func (s *service) inventory(r *api.Request) api.Obj {
	n, ok := totals[r.Var("class")]
	if !ok {
		return nil
	}
	v := part("total", n)(r)
	v["reserved"], v["min_unit"], v["max_unit"], v["step_size"], v["allocation_ratio"] = 0, 1, n, 1, 1.0
	return v
}

func (s *service) inventories(r *api.Request) api.Obj {
	all := api.Obj{}
	for _, class := range classes {
		r.Vars["class"] = class
		one := s.inventory(r)
		delete(one, "resource_provider_generation")
		all[class] = one
	}
	return part("inventories", all)(r)
}

// of is what a server has taken.
func of(v *db.Server) map[string]int {
	return map[string]int{"VCPU": v.Flavor.VCPUs, "MEMORY_MB": v.Flavor.RAM, "DISK_GB": v.Flavor.Disk}
}

// placed are the servers on the hypervisor that match.
func (s *service) placed(match func(*db.Server) bool) []*db.Server {
	return s.db.Servers.Where(func(v *db.Server) bool { return v.Host != "" && match(v) })
}

func anyServer(*db.Server) bool { return true }

// sum is what servers have taken together.
func sum(servers []*db.Server) map[string]int {
	out := map[string]int{}
	for _, v := range servers {
		for class, n := range of(v) {
			out[class] += n
		}
	}
	return out
}

func (s *service) usages(r *api.Request) api.Obj {
	used := sum(s.placed(anyServer))
	for _, class := range classes {
		used[class] += 0
	}
	return part("usages", used)(r)
}

func (s *service) totals(r *api.Request) (*api.Reply, error) {
	servers := s.placed(func(v *db.Server) bool {
		return v.ProjectID == r.Query("project_id") && (r.Query("user_id") == "" || v.UserID == r.Query("user_id"))
	})
	used := sum(servers)
	if len(servers) == 0 || !r.Version.AtLeast(v1(38)) {
		return api.OK(api.Obj{"usages": used})
	}
	used["consumer_count"] = len(servers)
	return api.OK(api.Obj{"usages": api.Obj{"INSTANCE": used}})
}

// taken are the servers with what each has.
func (s *service) taken(r *api.Request) api.Obj {
	out := api.Obj{}
	for _, v := range s.placed(anyServer) {
		one := api.Obj{"resources": of(v)}
		if r.Version.AtLeast(v1(28)) {
			one["consumer_generation"] = generation
		}
		out[v.ID] = one
	}
	return part("allocations", out)(r)
}

func (s *service) consumer(r *api.Request) (*api.Reply, error) {
	servers := s.placed(func(v *db.Server) bool { return v.ID == r.Var("consumer") })
	if len(servers) == 0 {
		return api.OK(api.Obj{"allocations": api.Obj{}})
	}
	v := servers[0]
	o := api.Obj{"allocations": api.Obj{provider: api.Obj{"resources": of(v), "generation": generation}}}
	for minor, more := range map[int]api.Obj{
		12: {"project_id": v.ProjectID, "user_id": v.UserID}, 28: {"consumer_generation": generation}, 38: {"consumer_type": "INSTANCE"},
	} {
		if r.Version.AtLeast(v1(minor)) {
			maps.Copy(o, more)
		}
	}
	return api.OK(o)
}

// matches tells whether the provider passes the query's filters: of its name,
// its aggregates (it is in none), its traits and what it has left.
func (s *service) matches(r *api.Request) bool {
	q := r.HTTP.URL.Query()
	for key, have := range map[string]string{"uuid": provider, "in_tree": provider, "name": compute.Host, "member_of": ""} {
		if q.Has(key) && q.Get(key) != have {
			return false
		}
	}
	for _, word := range strings.Split(strings.Join(q["required"], ","), ",") {
		if name, without := strings.CutPrefix(word, "!"); word != "" && slices.Contains(traits, name) == without {
			return false
		}
	}
	used := sum(s.placed(anyServer))
	for class, n := range wanted(r) {
		if n < 1 || used[class]+n > totals[class] {
			return false
		}
	}
	return true
}

// wanted is the query's "VCPU:1,MEMORY_MB:512".
func wanted(r *api.Request) map[string]int {
	out := map[string]int{}
	for _, part := range strings.Split(r.Query("resources"), ",") {
		if class, amount, ok := strings.Cut(part, ":"); ok {
			out[class], _ = strconv.Atoi(amount) // 0, of which nothing has any, when it is no number
		}
	}
	return out
}

func (s *service) list(r *api.Request) (*api.Reply, error) {
	l := api.List{}
	if s.matches(r) {
		l = append(l, view(r))
	}
	return api.OK(api.Obj{"resource_providers": l})
}

// candidates are the allocations that would give a new consumer what it asks
// for: one, or none where the hypervisor has not that much left.
func (s *service) candidates(r *api.Request) (*api.Reply, error) {
	want := wanted(r)
	if len(want) == 0 {
		return nil, api.BadRequest("JSON does not validate: 'resources' is a required property")
	}
	if !s.matches(r) {
		return api.OK(api.Obj{"allocation_requests": api.List{}, "provider_summaries": api.Obj{}})
	}
	one := api.Obj{"allocations": api.Obj{provider: api.Obj{"resources": want}}}
	if !r.Version.AtLeast(v1(12)) {
		one["allocations"] = api.List{api.Obj{"resource_provider": api.Obj{"uuid": provider}, "resources": want}}
	}
	left, used := api.Obj{}, sum(s.placed(anyServer))
	for _, class := range classes {
		if want[class] > 0 || r.Version.AtLeast(v1(27)) {
			left[class] = api.Obj{"capacity": totals[class], "used": used[class]}
		}
	}
	summary := api.Obj{"resources": left}
	if r.Version.AtLeast(v1(17)) {
		summary["traits"] = traits
	}
	if r.Version.AtLeast(v1(29)) {
		summary["parent_provider_uuid"], summary["root_provider_uuid"] = nil, provider
	}
	if r.Version.AtLeast(v1(34)) {
		one["mappings"] = api.Obj{"": api.List{provider}}
	}
	return api.OK(api.Obj{"allocation_requests": api.List{one}, "provider_summaries": api.Obj{provider: summary}})
}

func classView(name string) api.Obj {
	return api.Obj{"name": name, "links": api.List{api.Obj{"rel": "self", "href": "/placement/resource_classes/" + name}}}
}

func listClasses(*api.Request) (*api.Reply, error) {
	return api.OK(api.Obj{"resource_classes": api.Views(classes, classView)})
}

func class(r *api.Request) (*api.Reply, error) {
	if !slices.Contains(classes, r.Var("name")) {
		return nil, api.NotFound("No such resource class %s.", r.Var("name"))
	}
	return api.OK(classView(r.Var("name")))
}

func listTraits(r *api.Request) (*api.Reply, error) {
	how, want, _ := strings.Cut(r.Query("name"), ":")
	return api.OK(api.Obj{"traits": slices.DeleteFunc(slices.Clone(traits), func(name string) bool {
		return how == "startswith" && !strings.HasPrefix(name, want) || how == "in" && !slices.Contains(strings.Split(want, ","), name)
	})})
}

func trait(r *api.Request) (*api.Reply, error) {
	if !slices.Contains(traits, r.Var("name")) {
		return nil, api.NotFound("No such trait(s): %s.", r.Var("name"))
	}
	return nil, nil
}
