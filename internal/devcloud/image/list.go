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
	if k, ok := api.Order(views, q, sortKeys); !ok {
		return nil, api.BadRequest("Invalid sort key: %s. It must be one of the following: %s.", k, strings.Join(sortKeys, ", "))
	}
	id := func(v api.Obj) string { return v["id"].(string) }
	page, next, err := api.Paginate(views, id, min(limit, maxPage), maxPage, q.Get("marker"))
	if err != nil {
		return nil, api.BadRequest("No image found with ID %s", q.Get("marker"))
	}
	q.Del("marker")
	body := api.Obj{"images": page, "schema": "/v2/schemas/images", "first": strings.TrimSuffix("/v2/images?"+q.Encode(), "?")}
	if next != "" {
		q.Set("marker", next)
		body["next"] = "/v2/images?" + q.Encode()
	}
	return api.OK(body)
}

// listed tells whether a list shows an image the caller could show by ID.
func (s *Service) listed(r *api.Request, m *db.Image) bool {
	vis := r.Query("visibility")
	switch {
	case m.Hidden != r.Flag("os_hidden") || vis != "" && vis != "all" && vis != m.Visibility:
		return false
	case m.Visibility == "community" && (vis == "community" || vis == "all"):
		return true
	}
	return m.Owner == r.Auth.ProjectID || m.Visibility == "public" || r.Auth.Admin()
}

// filtered tells whether an image passes the query's filters.
func filtered(v api.Obj, m *db.Image, q map[string][]string) bool {
	for key, values := range q {
		if !passes(v, m, key, values) {
			return false
		}
	}
	return true
}

func passes(v api.Obj, m *db.Image, key string, values []string) bool {
	want := values[0]
	switch key {
	case "limit", "marker", "sort_key", "sort_dir", "sort", "visibility", "os_hidden", "member_status":
		return true
	case "tag":
		return !slices.ContainsFunc(values, func(t string) bool { return !slices.Contains(m.Tags, t) })
	case "created_at", "updated_at":
		return onDate(v[key], want)
	case "size_min", "size_max":
		n, err := strconv.ParseInt(want, 10, 64)
		return err == nil && (key == "size_max" || m.Size >= n) && (key == "size_min" || m.Size <= n)
	case "protected":
		want = strings.ToLower(want)
	}
	wanted := []string{want}
	if list, ok := strings.CutPrefix(want, "in:"); ok {
		wanted = strings.Split(strings.ReplaceAll(list, `"`, ""), ",")
	}
	return slices.Contains(wanted, fmt.Sprint(v[key]))
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
