package fetch

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// validator returns the mark of a version of a body, by which parts of it can
// be put together: a strong entity tag, or a date of
// modification that is strong because a second at least has passed since (RFC
// 9110, 8.8.2.2 and 13.1.5). A tag without quotes is taken, since OpenStack's
// object store sends its tags so; see bareTag.
func validator(h http.Header) string {
	if tag := h.Get("ETag"); tag != "" {
		if strings.HasPrefix(tag, "W/") {
			return ""
		}
		return tag
	}
	if h.Get("Last-Modified") == "" {
		return ""
	}
	mod, err1 := http.ParseTime(h.Get("Last-Modified"))
	date, err2 := http.ParseTime(h.Get("Date"))
	if err1 == nil && err2 == nil && date.Sub(mod) >= time.Second {
		return h.Get("Last-Modified")
	}
	return ""
}

// bareTag reports whether a validator is an entity tag without quotes. If-Range
// cannot carry it: then the part itself must say that it is of that version.
func bareTag(validator string) bool {
	if validator == "" || strings.HasPrefix(validator, `"`) {
		return false
	}
	_, err := http.ParseTime(validator)
	return err != nil
}

// contentRange reads "bytes 5-9/10" and "bytes */10"; total is -1 if it is
// unknown.
func contentRange(h http.Header) (from, total int64, err error) {
	v, ok := strings.CutPrefix(strings.TrimSpace(h.Get("Content-Range")), "bytes ")
	span, all, ok2 := strings.Cut(v, "/")
	if !ok || !ok2 {
		return 0, 0, errors.New("no byte range")
	}
	total = -1
	if all != "*" {
		if total, err = strconv.ParseInt(strings.TrimSpace(all), 10, 64); err != nil || total < 0 {
			return 0, 0, errors.New("no length")
		}
	}
	if span = strings.TrimSpace(span); span == "*" {
		return 0, total, nil
	}
	a, b, ok := strings.Cut(span, "-")
	from, err1 := strconv.ParseInt(a, 10, 64)
	to, err2 := strconv.ParseInt(b, 10, 64)
	if !ok || err1 != nil || err2 != nil || from < 0 || to < from || total >= 0 && to >= total {
		return 0, 0, errors.New("no byte range")
	}
	return from, total, nil
}
