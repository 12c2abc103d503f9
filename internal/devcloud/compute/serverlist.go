package compute

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) listServers(detail bool) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		q := r.HTTP.URL.Query()
		limit, err := checkList(r, q)
		if err != nil {
			return nil, err
		}
		match, err := serverFilter(r, q)
		if err != nil {
			return nil, err
		}
		body := api.Obj{}
		s.db.View(func() {
			servers := s.db.Servers.All()
			if q.Has("changes-since") || r.Auth.Admin() && q.Get("deleted") != "" {
				servers = append(servers, s.db.DeletedServers.All()...)
			}
			var seen []*db.Server
			for _, v := range servers {
				if match(s, v) {
					seen = append(seen, v)
				}
			}
			sortServers(seen, q)
			var page api.Page[*db.Server]
			page, err = api.Paginate(seen, func(v *db.Server) string { return v.ID }, limit, maxPage, q.Get("marker"))
			if err != nil {
				err = api.BadRequest("marker [%s] not found", q.Get("marker"))
				return
			}
			l := api.List{}
			for _, v := range page.Items {
				if detail {
					l = append(l, s.view(r, v, false))
				} else {
					l = append(l, summary(r, v))
				}
			}
			body["servers"] = l
			if page.Next != "" {
				body["servers_links"] = api.List{api.Obj{"rel": "next", "href": api.NextURL(r, page.Next)}}
			}
		})
		if err != nil {
			return nil, err
		}
		return api.OK(body)
	}
}

func checkList(r *api.Request, q url.Values) (limit int, err error) {
	limit, ok := api.Limit(q)
	if !ok {
		return 0, api.BadRequest(
			"Invalid input for query parameters limit. Value: %s. '%s' does not match '^[0-9]*$'",
			q.Get("limit"),
			q.Get("limit"),
		)
	}
	for _, k := range q["sort_key"] {
		if !slices.Contains(sortKeyNames, k) {
			return 0, api.BadRequest(
				"Invalid input for query parameters sort_key. Value: %s. '%s' is not one of ['%s']",
				k,
				k,
				strings.Join(sortKeyNames, "', '"),
			)
		}
	}
	if r.Version.AtLeast(api.V(75)) {
		for k := range q {
			if !slices.Contains(listParams, k) && !strings.HasPrefix(k, "_") {
				return 0, api.BadRequest("'%s' does not match any of the regexes: '^_'", k)
			}
		}
	}
	return limit, nil
}

func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04:05.999999", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func splitList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// serverFilter reads a list call's filters.
func serverFilter(r *api.Request, q url.Values) (func(*Service, *db.Server) bool, error) {
	everyone := false
	if q.Has("all_tenants") && q.Get("all_tenants") != "0" && !strings.EqualFold(q.Get("all_tenants"), "false") {
		if !r.Auth.Admin() {
			return nil, forbidden("os_compute_api:servers:detail:get_all_tenants")
		}
		everyone = true
	}
	var tests []func(*Service, *db.Server) bool
	add := func(t func(*Service, *db.Server) bool) { tests = append(tests, t) }
	pattern := func(key string, value func(v *db.Server) string) error {
		if !q.Has(key) {
			return nil
		}
		re, err := regexp.Compile(q.Get(key))
		if err != nil {
			return invalidQuery(key, q.Get(key), "regex")
		}
		add(func(_ *Service, v *db.Server) bool { return re.MatchString(value(v)) })
		return nil
	}
	for key, value := range map[string]func(v *db.Server) string{
		"name":        func(v *db.Server) string { return v.Name },
		"hostname":    func(v *db.Server) string { return v.Hostname },
		"description": func(v *db.Server) string { return v.Description },
	} {
		if err := pattern(key, value); err != nil {
			return nil, err
		}
	}
	for key, value := range map[string]func(v *db.Server) string{
		"image": func(v *db.Server) string { return v.ImageID }, "flavor": func(v *db.Server) string { return v.FlavorID },
		"uuid": func(v *db.Server) string { return v.ID }, "key_name": func(v *db.Server) string { return v.KeyName },
		"user_id": func(v *db.Server) string { return v.UserID }, "availability_zone": func(v *db.Server) string { return v.AvailabilityZone },
		"vm_state": func(v *db.Server) string { return v.VMState }, "task_state": func(v *db.Server) string { return v.TaskState },
		"reservation_id": func(v *db.Server) string { return v.ReservationID }, "host": func(v *db.Server) string { return v.Host },
		"access_ip_v4": func(v *db.Server) string { return v.AccessIPv4 }, "access_ip_v6": func(v *db.Server) string { return v.AccessIPv6 },
	} {
		if q.Has(key) {
			add(func(_ *Service, v *db.Server) bool { return slices.Contains(q[key], value(v)) })
		}
	}
	for _, key := range []string{"tenant_id", "project_id"} {
		if q.Has(key) && everyone {
			add(func(_ *Service, v *db.Server) bool { return v.ProjectID == q.Get(key) })
		}
	}
	if q.Has("status") {
		add(func(_ *Service, v *db.Server) bool {
			return slices.ContainsFunc(q["status"], func(w string) bool { return strings.EqualFold(w, Status(v)) })
		})
	}
	for _, more := range []func(*api.Request, url.Values, func(func(*Service, *db.Server) bool)) error{addressFilters, timeFilters, tagFilters} {
		if err := more(r, q, add); err != nil {
			return nil, err
		}
	}
	if q.Has("locked") && r.Version.AtLeast(api.V(73)) {
		want, ok := boolOf(q.Get("locked"))
		if !ok {
			return nil, api.BadRequest(
				"Unrecognized value '%s', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'",
				q.Get("locked"),
			)
		}
		add(func(_ *Service, v *db.Server) bool { return v.Locked == want })
	}
	return func(s *Service, v *db.Server) bool {
		if v.ProjectID != r.Auth.ProjectID && !everyone {
			return false
		}
		for _, t := range tests {
			if !t(s, v) {
				return false
			}
		}
		return true
	}, nil
}

// tagFilters adds the filters by tags (microversion 2.26).
func tagFilters(r *api.Request, q url.Values, add func(func(*Service, *db.Server) bool)) error {
	if !r.Version.AtLeast(api.V(26)) {
		return nil
	}
	for _, key := range []string{"tags", "tags-any", "not-tags", "not-tags-any"} {
		want := splitList(q.Get(key))
		if want == nil {
			continue
		}
		add(func(_ *Service, v *db.Server) bool {
			n := 0
			for _, t := range want {
				if slices.Contains(v.Tags, t) {
					n++
				}
			}
			switch key {
			case "tags":
				return n == len(want)
			case "tags-any":
				return n > 0
			case "not-tags":
				return n < len(want)
			}
			return n == 0
		})
	}
	return nil
}

func sortServers(l []*db.Server, q url.Values) {
	keys, dirs := q["sort_key"], q["sort_dir"]
	slices.SortFunc(l, func(a, b *db.Server) int {
		for i, k := range keys {
			value := serverSortKeys[k]
			if value == nil {
				continue
			}
			c := cmp.Compare(value(a), value(b))
			if i >= len(dirs) || dirs[i] != "asc" {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return cmp.Compare(b.Seq, a.Seq) // newest first
	})
}

// invalidQuery refuses the value of a filter.
func invalidQuery(key, value, want string) error {
	return api.BadRequest("Invalid input for query parameters %s. Value: %s. '%s' is not a '%s'", key, value, value, want)
}

// addressFilters adds the tests of a server's addresses.
func addressFilters(_ *api.Request, q url.Values, add func(func(*Service, *db.Server) bool)) error {
	for key, version := range map[string]int{"ip": 4, "ip6": 6} {
		if !q.Has(key) {
			continue
		}
		re, err := regexp.Compile(q.Get(key))
		if err != nil {
			return invalidQuery(key, q.Get(key), "regex")
		}
		add(func(s *Service, v *db.Server) bool {
			for _, p := range s.portsOf(v.ID) {
				for _, f := range p.FixedIPs {
					if family(f.IPAddress) == version && re.MatchString(f.IPAddress) {
						return true
					}
				}
			}
			return false
		})
	}
	return nil
}

// timeFilters adds the tests of a server's last change.
func timeFilters(r *api.Request, q url.Values, add func(func(*Service, *db.Server) bool)) error {
	for key, after := range map[string]bool{"changes-since": true, "changes-before": false} {
		if !q.Has(key) || !after && !r.Version.AtLeast(api.V(66)) {
			continue
		}
		t, ok := parseTime(q.Get(key))
		if !ok {
			return invalidQuery(key, q.Get(key), "date-time")
		}
		add(func(_ *Service, v *db.Server) bool {
			u := v.LastChange().Truncate(time.Second)
			return after && !u.Before(t) || !after && !u.After(t)
		})
	}
	return nil
}
