package api

import (
	"fmt"
	"net/url"
	"strings"
)

// node is one path segment of the routing tree.
type node struct {
	literal map[string]*node
	param   *node
	routes  []Route
}

func split(path string) []string {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

func (n *node) add(rt Route) {
	for _, seg := range split(rt.Path) {
		if strings.HasPrefix(seg, "{") {
			if n.param == nil {
				n.param = &node{}
			}
			n = n.param
			continue
		}
		if n.literal == nil {
			n.literal = map[string]*node{}
		}
		if n.literal[seg] == nil {
			n.literal[seg] = &node{}
		}
		n = n.literal[seg]
	}
	for _, have := range n.routes {
		if have.Method == rt.Method && have.Min == rt.Min && have.Max == rt.Max {
			panic(fmt.Sprintf("devcloud: two routes for %s %s", rt.Method, rt.Path))
		}
	}
	n.routes = append(n.routes, rt)
}

// find returns the route for a call and its path variables; handled tells that
// the path is there, though not for this method or microversion.
func (n *node) find(method, path string, v Version) (rt *Route, vars map[string]string, handled bool) {
	segs := split(path)
	node, values := n.walk(segs)
	if node == nil {
		return nil, nil, false
	}
	for i := range node.routes {
		have := &node.routes[i]
		if have.Method != method && !(have.Method == "GET" && method == "HEAD") {
			handled = true
			continue
		}
		if !v.Within(have.Min, have.Max) {
			continue
		}
		vars = map[string]string{}
		k := 0
		for _, seg := range split(have.Path) {
			if strings.HasPrefix(seg, "{") {
				vars[strings.Trim(seg, "{}")] = values[k]
				k++
			}
		}
		return have, vars, true
	}
	return nil, nil, handled
}

// walk finds the node of a path, preferring literal segments, and the values of
// the variables on the way.
func (n *node) walk(segs []string) (*node, []string) {
	if len(segs) == 0 {
		if len(n.routes) == 0 {
			return nil, nil
		}
		return n, nil
	}
	if next := n.literal[segs[0]]; next != nil {
		if found, values := next.walk(segs[1:]); found != nil {
			return found, values
		}
	}
	if n.param != nil {
		if found, values := n.param.walk(segs[1:]); found != nil {
			value := segs[0]
			if un, err := url.PathUnescape(value); err == nil {
				value = un
			}
			return found, append([]string{value}, values...)
		}
	}
	return nil, nil
}
