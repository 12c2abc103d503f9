package image

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// sortKeys are the attributes a list can be sorted by.
var sortKeys = []string{"name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"}

const (
	defaultPage = 25
	maxPage     = 1000
)

func (s *Service) list(r *api.Request) (*api.Reply, error) {
	q := r.HTTP.URL.Query()
	limit, ok := api.Limit(q)
	if !ok {
		return nil, api.BadRequest("limit param must be an integer")
	}
	if limit == 0 && q.Get("limit") == "" {
		limit = defaultPage
	}
	if v := q.Get("visibility"); v != "" && v != "all" && !slices.Contains(visibilities, v) {
		return nil, api.BadRequest("Invalid visibility value: %s", v)
	}
	for _, d := range q["sort_dir"] {
		if d != "asc" && d != "desc" {
			return nil, api.BadRequest("Invalid sort direction: %s", d)
		}
	}
	views := []api.Obj{}
	for _, m := range s.db.Images.All() {
		if !s.listed(r, m) {
			continue
		}
		if v := View(m); filtered(v, m, q) {
			views = append(views, v)
		}
	}
	slices.Reverse(views) // newest first
	keys, dirs := api.SortOrder(q)
	for _, k := range keys {
		if !slices.Contains(sortKeys, k) {
			return nil, api.BadRequest("Invalid sort key: %s. It must be one of the following: %s.", k, strings.Join(sortKeys, ", "))
		}
	}
	api.SortViews(views, keys, dirs)
	id := func(v api.Obj) string { return v["id"].(string) }
	page, err := api.Paginate(views, id, min(limit, maxPage), maxPage, q.Get("marker"))
	if err != nil {
		return nil, api.BadRequest("No image found with ID %s", q.Get("marker"))
	}
	body := api.Obj{"images": page.Items, "schema": "/v2/schemas/images"}
	q.Del("marker")
	body["first"] = strings.TrimSuffix("/v2/images?"+q.Encode(), "?")
	if limit > 0 && len(page.Items) == min(limit, maxPage) {
		q.Set("marker", id(page.Items[len(page.Items)-1]))
		body["next"] = "/v2/images?" + q.Encode()
	}
	return api.OK(body)
}

// listed tells whether a list shows an image the caller could show by ID.
func (s *Service) listed(r *api.Request, m *db.Image) bool {
	q := r.HTTP.URL.Query()
	if m.Hidden != (q.Get("os_hidden") == "true" || q.Get("os_hidden") == "True") {
		return false
	}
	vis := q.Get("visibility")
	if vis != "" && vis != "all" && vis != m.Visibility {
		return false
	}
	if m.Owner == r.Auth.ProjectID || m.Visibility == "public" {
		return true
	}
	return m.Visibility == "community" && (vis == "community" || vis == "all") || r.Auth.Admin()
}

// filtered tells whether an image passes the query's filters.
func filtered(v api.Obj, m *db.Image, q map[string][]string) bool {
	for key, values := range q {
		want := values[0]
		switch key {
		case "limit", "marker", "sort_key", "sort_dir", "sort", "visibility", "os_hidden", "member_status":
			continue
		case "tag":
			for _, t := range values {
				if !slices.Contains(m.Tags, t) {
					return false
				}
			}
			continue
		case "created_at", "updated_at":
			if !onDate(v[key], want) {
				return false
			}
			continue
		case "size_min", "size_max":
			n, err := strconv.ParseInt(want, 10, 64)
			if err != nil || key == "size_min" && m.Size < n || key == "size_max" && m.Size > n {
				return false
			}
			continue
		case "protected":
			if fmt.Sprint(m.Protected) != strings.ToLower(want) {
				return false
			}
			continue
		}
		if list, ok := strings.CutPrefix(want, "in:"); ok {
			found := false
			for _, one := range strings.Split(list, ",") {
				found = found || fmt.Sprint(v[key]) == strings.Trim(one, `"`)
			}
			if !found {
				return false
			}
			continue
		}
		if fmt.Sprint(v[key]) != want {
			return false
		}
	}
	return true
}

// onDate tells whether a time passes a filter such as "gte:2026-01-01T00:00:00Z".
func onDate(have any, filter string) bool {
	how, text, ok := strings.Cut(filter, ":")
	if _, known := dateFilters[how]; !ok || !known {
		how, text = "eq", filter
	}
	at, err := time.Parse(time.RFC3339, fmt.Sprint(have))
	want, werr := time.Parse(time.RFC3339, text)
	return err == nil && werr == nil && dateFilters[how](at.Compare(want))
}

// dateFilters are what a filter of a date asks of its comparison.
var dateFilters = map[string]func(int) bool{
	"eq": func(c int) bool { return c == 0 }, "neq": func(c int) bool { return c != 0 },
	"gt": func(c int) bool { return c > 0 }, "gte": func(c int) bool { return c >= 0 },
	"lt": func(c int) bool { return c < 0 }, "lte": func(c int) bool { return c <= 0 },
}
