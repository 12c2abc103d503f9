package api

import (
	"net/url"
	"strconv"
)

// Page is the part of a list that a call asked for with limit and marker.
type Page[T any] struct {
	Items []T
	// Next is the marker of the next page, empty on the last; the services that
	// cannot tell whether a full page is the last say that there is a next one.
	Next string
}

// MarkerError says that no element of the list has the marker's ID.
type MarkerError struct{ Marker string }

func (e *MarkerError) Error() string { return "marker [" + e.Marker + "] not found" }

// Paginate cuts a list. limit 0 means the caller set none; max bounds it in
// any case.
func Paginate[T any](all []T, id func(T) string, limit, max int, marker string) (Page[T], error) {
	start := 0
	if marker != "" {
		start = -1
		for i, v := range all {
			if id(v) == marker {
				start = i + 1
				break
			}
		}
		if start < 0 {
			return Page[T]{}, &MarkerError{marker}
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
