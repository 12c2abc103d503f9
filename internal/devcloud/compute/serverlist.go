package compute

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// serverTexts are the attributes that lists are filtered and sorted by.
var serverTexts = map[string]func(v *db.Server) string{
	"name": func(v *db.Server) string { return v.Name }, "display_name": func(v *db.Server) string { return v.Name },
	"hostname":    func(v *db.Server) string { return v.Hostname },
	"description": func(v *db.Server) string { return v.Description },
	"image":       func(v *db.Server) string { return v.ImageID }, "image_ref": func(v *db.Server) string { return v.ImageID },
	"flavor":            func(v *db.Server) string { return v.FlavorID },
	"uuid":              func(v *db.Server) string { return v.ID },
	"key_name":          func(v *db.Server) string { return v.KeyName },
	"user_id":           func(v *db.Server) string { return v.UserID },
	"project_id":        func(v *db.Server) string { return v.ProjectID },
	"availability_zone": func(v *db.Server) string { return v.AvailabilityZone },
	"vm_state":          func(v *db.Server) string { return v.VMState },
	"task_state":        func(v *db.Server) string { return v.TaskState },
	"power_state":       func(v *db.Server) string { return fmt.Sprint(v.PowerState) },
	"reservation_id":    func(v *db.Server) string { return v.ReservationID },
	"host":              func(v *db.Server) string { return v.Host },
	"access_ip_v4":      func(v *db.Server) string { return v.AccessIPv4 },
	"access_ip_v6":      func(v *db.Server) string { return v.AccessIPv6 },
	"created_at":        func(v *db.Server) string { return v.Created.Format(time.RFC3339Nano) },
	"updated_at":        func(v *db.Server) string { return v.LastChange().Format(time.RFC3339Nano) },
	"launched_at":       func(v *db.Server) string { return v.Launched.Format(time.RFC3339Nano) },
}

var (
	// patternParams match as regular expressions, exactParams as they are.
	patternParams = []string{"name", "hostname", "description"}
	exactParams   = []string{
		"image", "flavor", "uuid", "key_name", "user_id", "availability_zone", "vm_state", "task_state", "reservation_id", "host",
		"access_ip_v4", "access_ip_v6",
	}
	// listParams are the other query parameters; from 2.75 Nova refuses any
	// that it does not know.
	listParams = []string{
		"limit", "marker", "sort_key", "sort_dir", "all_tenants", "status", "ip", "ip6", "changes-since", "changes-before", "tags",
		"tags-any", "not-tags", "not-tags-any", "tenant_id", "project_id", "deleted", "locked",
	}
)

func (s *Service) listServers(detail bool) api.Handler {
	return func(r *api.Request) (*api.Reply, error) {
		q := r.HTTP.URL.Query()
		if err := checkList(r, q); err != nil {
			return nil, err
		}
		match, err := s.serverFilter(r, q)
		if err != nil {
			return nil, err
		}
		seen := s.db.Servers.All()
		if q.Has("changes-since") || r.Auth.Admin() && q.Get("deleted") != "" {
			seen = append(seen, s.db.DeletedServers.All()...)
		}
		seen = slices.DeleteFunc(seen, func(v *db.Server) bool { return !match(v) })
		sortServers(seen, q)
		return paged(r, "servers", seen, func(v *db.Server) string { return v.ID }, func(v *db.Server) api.Obj {
			if detail {
				return s.view(r, v, false)
			}
			return api.Obj{"id": v.ID, "name": v.Name, "links": links(r, "servers", v.ID)}
		})
	}
}

func checkList(r *api.Request, q url.Values) error {
	for _, k := range q["sort_key"] {
		if serverTexts[k] == nil {
			return api.BadRequest("Invalid input for query parameters sort_key. Value: %s. '%s' is not one of ['%s']",
				k, k, strings.Join(slices.Sorted(maps.Keys(serverTexts)), "', '"))
		}
	}
	known := slices.Concat(patternParams, exactParams, listParams)
	for k := range q {
		if r.Version.AtLeast(api.V(75)) && !slices.Contains(known, k) && !strings.HasPrefix(k, "_") {
			return api.BadRequest("'%s' does not match any of the regexes: '^_'", k)
		}
	}
	return nil
}

func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} { // with fractions too
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// serverFilter reads a list call's filters.
func (s *Service) serverFilter(r *api.Request, q url.Values) (func(*db.Server) bool, error) {
	everyone := q.Has("all_tenants") && q.Get("all_tenants") != "0" && !strings.EqualFold(q.Get("all_tenants"), "false")
	if everyone && !r.Auth.Admin() {
		return nil, forbidden("os_compute_api:servers:detail:get_all_tenants")
	}
	tests := []func(*db.Server) bool{func(v *db.Server) bool { return everyone || v.ProjectID == r.Auth.ProjectID }}
	for key, values := range q {
		test, err := s.serverTest(r, key, values)
		switch {
		case err != nil:
			return nil, err
		case test != nil:
			tests = append(tests, test)
		case everyone && (key == "tenant_id" || key == "project_id"):
			tests = append(tests, func(v *db.Server) bool { return v.ProjectID == values[0] })
		}
	}
	return func(v *db.Server) bool {
		return !slices.ContainsFunc(tests, func(test func(*db.Server) bool) bool { return !test(v) })
	}, nil
}

// serverTest is what one query parameter asks of servers; nil when it is no
// filter of this microversion.
func (s *Service) serverTest(r *api.Request, key string, values []string) (func(*db.Server) bool, error) {
	switch {
	case slices.Contains(exactParams, key):
		return func(v *db.Server) bool { return slices.Contains(values, serverTexts[key](v)) }, nil
	case slices.Contains(patternParams, key), key == "ip", key == "ip6":
		re, err := regexp.Compile(values[0])
		if err != nil {
			return nil, invalidQuery(key, values[0], "regex")
		}
		if !slices.Contains(patternParams, key) {
			return func(v *db.Server) bool { return s.hasAddress(v, key == "ip6", re) }, nil
		}
		return func(v *db.Server) bool { return re.MatchString(serverTexts[key](v)) }, nil
	case key == "status":
		return func(v *db.Server) bool {
			return slices.ContainsFunc(values, func(w string) bool { return strings.EqualFold(w, Status(v)) })
		}, nil
	case strings.HasSuffix(key, "tags") || strings.HasSuffix(key, "tags-any"):
		if !r.Version.AtLeast(api.V(26)) || values[0] == "" {
			return nil, nil
		}
		return func(v *db.Server) bool { return api.TagsMatch(v.Tags, key, values[:1]) }, nil
	case key == "locked" && r.Version.AtLeast(api.V(73)):
		want, ok := boolOf(values[0])
		if !ok {
			return nil, api.BadRequest(
				"Unrecognized value '%s', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'",
				values[0])
		}
		return func(v *db.Server) bool { return v.Locked == want }, nil
	case key == "changes-since", key == "changes-before" && r.Version.AtLeast(api.V(66)):
		t, ok := parseTime(values[0])
		if !ok {
			return nil, invalidQuery(key, values[0], "date-time")
		}
		return func(v *db.Server) bool {
			u := v.LastChange().Truncate(time.Second)
			return u.Equal(t) || u.After(t) == (key == "changes-since")
		}, nil
	}
	return nil, nil
}

// invalidQuery refuses the value of a filter.
func invalidQuery(key, value, want string) error {
	return api.BadRequest("Invalid input for query parameters %s. Value: %s. '%s' is not a '%s'", key, value, value, want)
}

// hasAddress tells whether one of a server's fixed addresses matches.
func (s *Service) hasAddress(v *db.Server, six bool, re *regexp.Regexp) bool {
	for _, p := range s.portsOf(v.ID) {
		for _, f := range p.FixedIPs {
			if (family(f.IPAddress) == 6) == six && re.MatchString(f.IPAddress) {
				return true
			}
		}
	}
	return false
}

func sortServers(l []*db.Server, q url.Values) {
	keys, dirs := q["sort_key"], q["sort_dir"]
	slices.SortFunc(l, func(a, b *db.Server) int {
		for i, k := range keys {
			c := cmp.Compare(serverTexts[k](a), serverTexts[k](b))
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
