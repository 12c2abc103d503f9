package network

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
)

// pageParams are the query parameters that are not filters.
var pageParams = []string{"limit", "marker", "page_reverse", "sort_key", "sort_dir", "fields"}

var tagFilters = []string{"tags", "tags-any", "not-tags", "not-tags-any"}

const maxPage = 1 << 30 // Neutron's default sets no bound

func (s *Service) listItems(res *resource, r *api.Request) (*api.Reply, error) {
	q := r.HTTP.URL.Query()
	if res.class == "SecurityGroup" {
		s.DefaultGroup(r.Auth.ProjectID)
	}
	var items []item
	for _, it := range res.all() {
		if visible(it, r.Auth) {
			items = append(items, it)
		}
	}
	views, err := selectItems(res, items, r.Auth, q)
	if err == nil {
		err = sortViews(views, q)
	}
	if err != nil {
		return nil, err
	}
	return s.pageOf(res, r, views)
}

// selectItems applies the query's filters and returns the views of what passes.
func selectItems(res *resource, items []item, a *api.Auth, q url.Values) ([]api.Obj, error) {
	known := knownFilters(res)
	var bad []string
	for key := range q {
		if !slices.Contains(known, key) {
			bad = append(bad, "'"+key+"'")
		}
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		return nil, api.BadRequest("[%s] is invalid attribute for filtering", strings.Join(bad, ", "))
	}
	views := []api.Obj{}
next:
	for _, it := range items {
		v := it.shown(a)
		for key, values := range q {
			switch {
			case slices.Contains(pageParams, key):
			case slices.Contains(tagFilters, key):
				if !api.TagsMatch(it.std.Tags, key, values) {
					continue next
				}
			case slices.Contains(res.filters, key):
				if !slices.ContainsFunc(values, func(want string) bool { return res.filter(it, key, want) }) {
					continue next
				}
			default:
				if !slices.ContainsFunc(values, func(want string) bool { return valueMatches(v[key], want) }) {
					continue next
				}
			}
		}
		views = append(views, v)
	}
	return views, nil
}

func knownFilters(res *resource) []string {
	known := slices.Concat(pageParams, tagFilters, res.filters, []string{"changed_since"})
	for _, a := range standardAttrs {
		known = append(known, a.name)
	}
	for _, a := range res.attrs {
		known = append(known, a.name)
	}
	return known
}

func valueMatches(have any, want string) bool {
	switch h := have.(type) {
	case nil:
		return want == "" || want == "None"
	case bool:
		return strings.EqualFold(fmt.Sprint(h), want) || h && want == "1" || !h && want == "0"
	case []string:
		return slices.Contains(h, want)
	}
	return fmt.Sprint(have) == want
}

func sortViews(views []api.Obj, q url.Values) error {
	if len(q["sort_key"]) != len(q["sort_dir"]) {
		return api.BadRequest("The number of sort_keys and sort_dirs must be same")
	}
	api.SortViews(views, append(q["sort_key"], "id"), append(q["sort_dir"], "asc"))
	return nil
}

func (s *Service) pageOf(res *resource, r *api.Request, views []api.Obj) (*api.Reply, error) {
	q := r.HTTP.URL.Query()
	limit, ok := api.Limit(q)
	if !ok {
		return nil, api.BadRequest("Limit must be an integer 0 or greater and not '%s'", q.Get("limit"))
	}
	marker, reverse := q.Get("marker"), strings.EqualFold(q.Get("page_reverse"), "true")
	if reverse {
		slices.Reverse(views)
	}
	if !slices.ContainsFunc(views, func(v api.Obj) bool { return v["id"] == marker }) {
		marker = "" // Neutron starts from the beginning
	}
	page, err := api.Paginate(views, func(v api.Obj) string { return v["id"].(string) }, limit, maxPage, marker)
	if err != nil {
		return nil, err
	}
	if reverse {
		slices.Reverse(page.Items)
	}
	body := api.Obj{res.key(): api.Views(page.Items, func(v api.Obj) api.Obj { return fields(r, v) })}
	if limit > 0 && len(page.Items) > 0 {
		links := api.List{}
		if page.Next != "" {
			links = append(links, api.Obj{"rel": "next", "href": api.NextURL(r, page.Next)})
		}
		prev := r.HTTP.URL.Query()
		prev.Set("marker", page.Items[0]["id"].(string))
		prev.Set("page_reverse", "True")
		links = append(links, api.Obj{"rel": "previous", "href": r.Root + r.Path + "?" + prev.Encode()})
		body[res.key()+"_links"] = links
	}
	return api.OK(body)
}
