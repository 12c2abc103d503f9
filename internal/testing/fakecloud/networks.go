package fakecloud

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// neutronParts is the fake cloud's networks, subnets and routers, with
// Neutron's rules on what goes before what.
func (f *Cloud) neutronParts(w http.ResponseWriter, r *http.Request, rest []string, body map[string]any) {
	conflict := func(text string) {
		answer(w, 409, map[string]any{"NeutronError": map[string]any{"type": "Conflict", "message": text}})
	}
	single := strings.TrimSuffix(rest[0], "s")
	in, _ := body[single].(map[string]any)
	store := map[string]map[string]map[string]any{"subnets": f.Subnets, "routers": f.Routers}[rest[0]]
	onPort := func(key, value string) bool {
		for _, p := range f.Ports {
			if p[key] == value {
				return true
			}
		}
		return false
	}
	if len(rest) > 1 && store != nil && store[rest[1]] == nil {
		answer(w, 404, map[string]any{"NeutronError": map[string]any{"message": "not found"}})
		return
	}
	switch key := r.Method + " " + rest[0]; {
	case key == "POST networks":
		in["id"], in["tenant_id"], in["router:external"], in["made"] = f.NewID("net"), "p1", false, true
		f.Networks = append(f.Networks, in)
		answer(w, 201, map[string]any{single: in})
	case key == "DELETE networks":
		if onPort("network_id", rest[1]) {
			conflict("There are one or more ports still in use on the network")
			return
		}
		f.Networks = slices.DeleteFunc(f.Networks, func(n map[string]any) bool { return n["id"] == rest[1] })
		for id, s := range f.Subnets {
			if s["network_id"] == rest[1] {
				delete(f.Subnets, id)
			}
		}
		answer(w, 204, nil)
	case r.Method == "GET" && len(rest) > 1:
		answer(w, 200, map[string]any{single: store[rest[1]]})
	case r.Method == "GET":
		answer(w, 200, map[string]any{rest[0]: filtered(store, r)})
	case r.Method == "POST":
		in["id"], in["tenant_id"] = f.NewID(single), "p1"
		if rest[0] == "subnets" && in["gateway_ip"] == nil {
			in["gateway_ip"] = netip.MustParsePrefix(in["cidr"].(string)).Addr().Next().String()
		}
		store[in["id"].(string)] = in
		answer(w, 201, map[string]any{single: in})
	case key == "DELETE subnets":
		if onPort("subnet", rest[1]) {
			conflict("One or more ports have an IP allocation from this subnet")
			return
		}
		delete(store, rest[1])
		answer(w, 204, nil)
	case key == "DELETE routers":
		if onPort("device_id", rest[1]) {
			conflict("Router has ports still attached")
			return
		}
		delete(store, rest[1])
		answer(w, 204, nil)
	case len(rest) == 3:
		f.interfaces(w, rest, body)
	case r.Method == "PUT":
		for k, v := range in {
			store[rest[1]][k] = v
		}
		answer(w, 200, map[string]any{single: store[rest[1]]})
	}
}

func (f *Cloud) interfaces(w http.ResponseWriter, rest []string, body map[string]any) {
	subnet, _ := body["subnet_id"].(string)
	port, _ := body["port_id"].(string)
	for id, p := range f.Ports {
		if p["device_id"] == rest[1] && (p["subnet"] == subnet || id == port) {
			port = id
		}
	}
	switch {
	case rest[2] == "remove_router_interface" && f.Ports[port] != nil:
		delete(f.Ports, port)
		answer(w, 200, map[string]any{"port_id": port})
	case rest[2] == "remove_router_interface":
		answer(w, 404, nil)
	case port != "":
		answer(w, 400, map[string]any{"NeutronError": map[string]any{"message": "Router already has a port on subnet"}})
	default:
		id := f.NewID("port")
		sn := f.Subnets[subnet]
		f.Ports[id] = map[string]any{
			"id": id, "network_id": sn["network_id"], "device_id": rest[1], "device_owner": "network:router_interface", "subnet": subnet,
			"fixed_ips": []any{map[string]any{"subnet_id": subnet, "ip_address": sn["gateway_ip"]}},
		}
		answer(w, 200, map[string]any{"port_id": id, "subnet_id": subnet})
	}
}
