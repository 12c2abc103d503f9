package compute

import (
	"cmp"
	"maps"
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
)

const maxPage = 1000

// paged answers with the page of a list that the query asks for.
func paged[T any](r *api.Request, key string, all []T, id func(T) string, view func(T) api.Obj) (*api.Reply, error) {
	q := r.HTTP.URL.Query()
	limit, ok := api.Limit(q)
	if !ok {
		return nil, api.BadRequest("Invalid input for query parameters limit. Value: %s. '%s' does not match '^[0-9]*$'",
			q.Get("limit"), q.Get("limit"))
	}
	page, err := api.Paginate(all, id, limit, maxPage, q.Get("marker"))
	if err != nil {
		return nil, api.BadRequest("marker [%s] not found", q.Get("marker"))
	}
	body := api.Obj{key: api.Views(page.Items, view)}
	if page.Next != "" {
		body[key+"_links"] = api.List{api.Obj{"rel": "next", "href": api.NextURL(r, page.Next)}}
	}
	return api.OK(body)
}

func sortBy[T any](l []T, key func(T) string) {
	slices.SortStableFunc(l, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}

// since adds to a view what microversion 2.minor and later have.
func since(r *api.Request, minor int, o, more api.Obj) {
	if r.Version.AtLeast(api.V(minor)) {
		maps.Copy(o, more)
	}
}

// until adds to a view what microversions before 2.minor have.
func until(r *api.Request, minor int, o, more api.Obj) {
	if !r.Version.AtLeast(api.V(minor)) {
		maps.Copy(o, more)
	}
}
