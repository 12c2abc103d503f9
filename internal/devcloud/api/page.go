package api

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Paginate cuts a list. limit 0 means the caller set none; max bounds it in
// any case. next is the marker of the next page, empty on the last; the
// services that cannot tell whether a full page is the last say that there is a
// next one. The error is that no element has the marker's ID.
func Paginate[T any](all []T, id func(T) string, limit, max int, marker string) (page []T, next string, err error) {
	if marker != "" {
		at := slices.IndexFunc(all, func(v T) bool { return id(v) == marker })
		if at < 0 {
			return nil, "", fmt.Errorf("marker [%s] not found", marker)
		}
		all = all[at+1:]
	}
	n := limit
	if n <= 0 || n > max {
		n = max
	}
	if len(all) < n {
		return all, "", nil
	}
	if limit > 0 || len(all) > n {
		next = id(all[n-1])
	}
	return all[:n], next, nil
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

// Order puts views, which are in the order of their creation, in that which the
// query asks for by sort_key with sort_dir or by sort=KEY:DIR,KEY:DIR; the
// newest come first. It is not ok when a key is not among those known.
func Order(views []Obj, q url.Values, known []string) (unknown string, ok bool) {
	slices.Reverse(views)
	keys, dirs := q["sort_key"], q["sort_dir"]
	for _, part := range strings.Split(q.Get("sort"), ",") {
		if k, d, _ := strings.Cut(part, ":"); k != "" {
			keys, dirs = append(keys, k), append(dirs, cmp.Or(d, "desc"))
		}
	}
	for _, k := range keys {
		if !slices.Contains(known, k) {
			return k, false
		}
	}
	SortViews(views, keys, dirs)
	return "", true
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
