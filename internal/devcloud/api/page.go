package api

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Page is the part of a list that a call asked for with limit and marker.
type Page[T any] struct {
	Items []T
	// Next is the marker of the next page, empty on the last; the services that
	// cannot tell whether a full page is the last say that there is a next one.
	Next string
}

// Paginate cuts a list. limit 0 means the caller set none; max bounds it in
// any case. The error is that no element has the marker's ID.
func Paginate[T any](all []T, id func(T) string, limit, max int, marker string) (Page[T], error) {
	start := 0
	if marker != "" {
		if start = slices.IndexFunc(all, func(v T) bool { return id(v) == marker }) + 1; start == 0 {
			return Page[T]{}, fmt.Errorf("marker [%s] not found", marker)
		}
	}
	rest := all[start:]
	n := limit
	if n <= 0 || n > max {
		n = max
	}
	if len(rest) < n {
		return Page[T]{Items: rest}, nil
	}
	p := Page[T]{Items: rest[:n]}
	if n > 0 && len(p.Items) > 0 && (limit > 0 || len(rest) > n) {
		p.Next = id(p.Items[n-1])
	}
	return p, nil
}

// Limit reads the query's limit; ok is false when it is not a natural number.
func Limit(q url.Values) (limit int, ok bool) {
	s := q.Get("limit")
	if s == "" {
		return 0, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0
}

// NextURL is the call's own URL with another marker.
func NextURL(r *Request, marker string) string {
	q := r.HTTP.URL.Query()
	q.Set("marker", marker)
	return r.Root + r.Path + "?" + q.Encode()
}

// SortOrder reads the attributes that a list is sorted by, and their
// directions: sort_key with sort_dir, and sort=KEY:DIR,KEY:DIR.
func SortOrder(q url.Values) (keys, dirs []string) {
	keys, dirs = q["sort_key"], q["sort_dir"]
	for _, part := range strings.Split(q.Get("sort"), ",") {
		if k, d, _ := strings.Cut(part, ":"); k != "" {
			keys, dirs = append(keys, k), append(dirs, cmp.Or(d, "desc"))
		}
	}
	return keys, dirs
}

// SortViews sorts by attributes, numbers by their value. A key without a
// direction has the only one there is, or is descending.
func SortViews(views []Obj, keys, dirs []string) {
	slices.SortStableFunc(views, func(a, b Obj) int {
		for i, k := range keys {
			c := cmp.Compare(fmt.Sprint(a[k]), fmt.Sprint(b[k]))
			if x, ok := number(a[k]); ok {
				y, _ := number(b[k])
				c = cmp.Compare(x, y)
			}
			dir := "desc"
			if i < len(dirs) {
				dir = dirs[i]
			} else if len(dirs) == 1 {
				dir = dirs[0]
			}
			if dir == "desc" {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
}

func number(v any) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	}
	return 0, false
}

// Views are the views of all rows; one that is nil is left out.
func Views[T any](rows []T, view func(T) Obj) List {
	l := List{}
	for _, row := range rows {
		if v := view(row); v != nil {
			l = append(l, v)
		}
	}
	return l
}
