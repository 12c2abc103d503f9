package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// router has routes in the order of their shapes. A variable, "{}", sorts
// behind every literal segment: the first shape that a path has is the most
// literal.
type router []Route

func split(path string) []string {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

func (t *router) add(rt Route) {
	rt.shape = split(rt.Path)
	for i, seg := range rt.shape {
		if strings.HasPrefix(seg, "{") {
			rt.shape[i] = "{}"
		}
	}
	at, _ := slices.BinarySearchFunc(*t, rt, func(a, b Route) int { return slices.Compare(a.shape, b.shape) })
	for ; at < len(*t) && slices.Equal((*t)[at].shape, rt.shape); at++ {
		if have := (*t)[at]; have.Method == rt.Method && have.Min == rt.Min && have.Max == rt.Max {
			panic(fmt.Sprintf("devcloud: two routes for %s %s", rt.Method, rt.Path))
		}
	}
	*t = slices.Insert(*t, at, rt)
}

// find returns the route for a call and its path variables; handled tells that
// the path is there, though not for this method or microversion.
func (t router) find(method, path string, v Version) (rt *Route, vars map[string]string, handled bool) {
	segs := split(path)
	fits := func(rt Route) bool {
		return slices.EqualFunc(rt.shape, segs, func(want, seg string) bool { return want == "{}" || want == seg })
	}
	first := slices.IndexFunc(t, fits)
	for i := max(first, 0); first >= 0 && i < len(t) && slices.Equal(t[i].shape, t[first].shape); i++ {
		rt := &t[i]
		switch {
		case rt.Method != method && !(rt.Method == "GET" && method == "HEAD"):
			handled = true
		case v.Within(rt.Min, rt.Max):
			return rt, rt.vars(segs), true
		}
	}
	return nil, nil, handled
}

// vars are the values of a route's variables in a path.
func (rt *Route) vars(segs []string) map[string]string {
	vars := map[string]string{}
	for i, name := range split(rt.Path) {
		if rt.shape[i] == "{}" {
			value, err := url.PathUnescape(segs[i])
			if err != nil {
				value = segs[i]
			}
			vars[strings.Trim(name, "{}")] = value
		}
	}
	return vars
}
