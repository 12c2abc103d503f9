package api

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Version is a microversion; the zero value is none.
type Version struct{ Major, Minor int }

// V is the microversion 2.minor, as Nova counts.
func V(minor int) Version { return Version{2, minor} }

// ParseVersion reads "2.37".
func ParseVersion(s string) (Version, error) {
	major, minor, ok := strings.Cut(s, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	if !ok || err1 != nil || err2 != nil || a < 1 || b < 0 {
		return Version{}, fmt.Errorf("%q is not a microversion", s)
	}
	return Version{a, b}, nil
}

// negotiate settles the call's microversion, which its OpenStack-API-Version
// header names for the service, or else the older header; without either it is
// the lowest.
func (r *Request) negotiate(known *Microversions) error {
	service, min, max := known.Service, known.Min, known.Max
	r.Version = min
	text := r.HTTP.Header.Get(cmp.Or(known.Legacy, "None"))
	for _, part := range strings.Split(r.HTTP.Header.Get("OpenStack-API-Version"), ",") {
		if word, v, ok := strings.Cut(strings.TrimSpace(part), " "); ok && word == service {
			text = v
		}
	}
	switch text {
	case "":
		return nil
	case "latest":
		r.Version = max
		return nil
	}
	v, err := ParseVersion(text)
	if err != nil {
		r.Version = Version{}
		return BadRequest("API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", text)
	}
	if r.Version = v; !v.Within(min, max) {
		return newError(http.StatusNotAcceptable, "Version %s is not supported by the API. Minimum is %s and maximum is %s.", []any{text, min, max})
	}
	return nil
}

// AtLeast tells whether v is o or later.
func (v Version) AtLeast(o Version) bool {
	return v.Major > o.Major || v.Major == o.Major && v.Minor >= o.Minor
}

// Within tells whether v lies between two bounds, inclusively; a zero bound is
// none.
func (v Version) Within(min, max Version) bool {
	return (min == Version{} || v.AtLeast(min)) && (max == Version{} || max.AtLeast(v))
}

// String gives "2.37".
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }
