package openstack

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeCloud is as much of a cloud as the tests of faults need: it keeps
// count of what exists, and fails where it is told to.
type fakeCloud struct {
	*httptest.Server
	t  *testing.T
	mu sync.Mutex
	// build is how long a server is BUILD, gone how long it takes to go.
	build, gone time.Duration
	// versions of the identity service.
	versions []string

	servers, ports, fips, volumes, keys map[string]map[string]any
	subnets, routers                    map[string]map[string]any
	networks, images, flavors           []map[string]any
	seq                                 int
	requests                            []string
	bodies                              []map[string]any
	// fault is asked before each request but the login is served.
	fault func(n int, method, path string) faultMode
	// racy is the time between checking and writing a floating IP, as Neutron
	// has it.
	racy time.Duration
	// hide keeps servers out of lists.
	hide bool
	// console is what every server's console shows.
	console string
	// hook sees a server as it is made and may change it.
	hook func(server map[string]any)
}

type faultMode int

const (
	well faultMode = iota
	error500
	busy503
	limited429
	dropBefore
	dropAfter
)

func newFake(t *testing.T) *fakeCloud {
	f := &fakeCloud{
		t: t, build: 20 * time.Millisecond, gone: 20 * time.Millisecond, versions: []string{"v3.14"},
		servers: map[string]map[string]any{}, ports: map[string]map[string]any{}, fips: map[string]map[string]any{},
		volumes: map[string]map[string]any{}, keys: map[string]map[string]any{},
		subnets: map[string]map[string]any{}, routers: map[string]map[string]any{},
		networks: []map[string]any{
			{"id": "net-public", "name": "public", "router:external": true, "tenant_id": "admin"},
			{"id": "net-1", "name": "net1", "router:external": false, "tenant_id": "p1"},
			{"id": "net-2", "name": "net2", "router:external": false, "tenant_id": "p1"},
		},
		images:  []map[string]any{{"id": "img-1", "name": "ubuntu-14.04", "status": "active", "min_disk": 2, "created_at": "2026-01-01T00:00:00Z"}},
		flavors: []map[string]any{{"id": "2", "name": "m1.small", "ram": 2048, "disk": 20, "vcpus": 1}},
	}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeCloud) auth() Auth {
	return Auth{URL: f.URL + "/v3", Username: "demo", Password: "pw", ProjectName: "demo", ReadTimeout: 5 * time.Second}
}

func (f *fakeCloud) connect(t *testing.T) *Cloud {
	t.Helper()
	c, err := Connect(t.Context(), f.auth(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.x.firstPause = time.Millisecond
	c.settle = []time.Duration{0, 10 * time.Millisecond}
	c.lateSettle = c.settle
	c.claimSettle = 20 * time.Millisecond
	c.watch.least = 5 * time.Millisecond
	c.x.pace.least = time.Millisecond
	t.Cleanup(c.Close)
	return c
}

// left lists everything that exists of what can be made.
func (f *fakeCloud) left() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for kind, m := range map[string]map[string]map[string]any{"server": f.servers, "port": f.ports, "floating IP": f.fips, "volume": f.volumes, "key pair": f.keys, "subnet": f.subnets, "router": f.routers} {
		for id := range m {
			out = append(out, kind+" "+id)
		}
	}
	for _, n := range f.networks {
		if n["made"] == true {
			out = append(out, "network "+n["id"].(string))
		}
	}
	slices.Sort(out)
	return out
}

func (f *fakeCloud) count(method, path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		if strings.HasPrefix(r, method+" "+path) {
			n++
		}
	}
	return n
}

func (f *fakeCloud) id(kind string) string {
	f.seq++
	return fmt.Sprintf("%s-%d", kind, f.seq)
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if v != nil {
		_ = json.NewEncoder(w).Encode(v)
	}
}

func (f *fakeCloud) serve(w http.ResponseWriter, r *http.Request) {
	body := map[string]any{}
	raw, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(raw, &body)
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.RequestURI())
	f.bodies = append(f.bodies, body)
	mode := well
	if f.fault != nil {
		mode = f.fault(len(f.requests), r.Method, r.URL.Path)
	}
	f.mu.Unlock()
	switch mode {
	case error500:
		w.Header().Set("X-Openstack-Request-Id", "req-fault")
		answer(w, 500, map[string]any{"computeFault": map[string]any{"message": "The server has either erred or is incapable of performing the requested operation.", "code": 500}})
		return
	case busy503:
		answer(w, 503, nil)
		return
	case limited429:
		w.Header().Set("Retry-After", "0")
		answer(w, 429, nil)
		return
	case dropBefore:
		panic(http.ErrAbortHandler)
	case dropAfter:
		f.handle(httptest.NewRecorder(), r, body)
		panic(http.ErrAbortHandler)
	}
	f.handle(w, r, body)
}

var routePattern = regexp.MustCompile(`^/(v2\.0|v3|nova|neutron|glance|cinder)/?(.*)$`)

func (f *fakeCloud) handle(w http.ResponseWriter, r *http.Request, body map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.URL.Path == "/" {
		var values []any
		for _, v := range f.versions {
			values = append(values, map[string]any{"id": v, "status": "stable"})
		}
		answer(w, 300, map[string]any{"versions": map[string]any{"values": values}})
		return
	}
	m := routePattern.FindStringSubmatch(r.URL.Path)
	if m == nil {
		answer(w, 404, nil)
		return
	}
	if r.URL.Path != "/v3/auth/tokens" && r.URL.Path != "/v2.0/tokens" && r.Header.Get("X-Auth-Token") != "tok" {
		answer(w, 401, map[string]any{"error": map[string]any{"message": "The request you have made requires authentication."}})
		return
	}
	rest := strings.Split(strings.TrimSuffix(m[2], "/"), "/")
	switch m[1] {
	case "v3":
		f.tokens3(w, body)
	case "v2.0":
		f.tokens2(w)
	case "nova":
		f.nova(w, r, rest[1:], body)
	case "neutron":
		f.neutron(w, r, rest[1:], body)
	case "glance":
		f.glance(w, r, rest[1:])
	case "cinder":
		f.cinder(w, r, rest[1:], body)
	}
}

func (f *fakeCloud) tokens3(w http.ResponseWriter, body map[string]any) {
	if !slices.ContainsFunc(f.versions, func(v string) bool { return strings.HasPrefix(v, "v3") }) {
		answer(w, 404, nil)
		return
	}
	if text := fmt.Sprint(body); !strings.Contains(text, "password:pw") && !strings.Contains(text, "secret:shh") {
		answer(w, 401, map[string]any{"error": map[string]any{"message": "The request you have made requires authentication.", "code": 401}})
		return
	}
	var catalog []any
	for kind, path := range map[string]string{"compute": "/nova/v2.1", "network": "/neutron", "image": "/glance", "volumev3": "/cinder/v3/p1"} {
		catalog = append(catalog, map[string]any{"type": kind, "name": kind, "endpoints": []any{
			map[string]any{"region_id": "RegionOne", "interface": "public", "url": f.URL + path},
		}})
	}
	w.Header().Set("X-Subject-Token", "tok")
	answer(w, 201, map[string]any{"token": map[string]any{
		"catalog": catalog, "expires_at": "2030-01-01T00:00:00.000000Z", "user": map[string]any{"id": "u1", "name": "demo"}, "project": map[string]any{"id": "p1", "name": "demo"},
	}})
}

func (f *fakeCloud) tokens2(w http.ResponseWriter) {
	if !slices.ContainsFunc(f.versions, func(v string) bool { return strings.HasPrefix(v, "v2") }) {
		answer(w, 404, nil)
		return
	}
	ep := func(path string) []any {
		return []any{map[string]any{"region": "RegionOne", "publicURL": f.URL + path}}
	}
	answer(w, 200, map[string]any{"access": map[string]any{
		"token": map[string]any{"id": "tok", "expires": "2030-01-01T00:00:00Z", "tenant": map[string]any{"id": "p1", "name": "demo"}},
		"user":  map[string]any{"id": "u1", "name": "demo"},
		"serviceCatalog": []any{
			map[string]any{"type": "compute", "endpoints": ep("/nova/v2.1")},
			map[string]any{"type": "network", "endpoints": ep("/neutron")},
			map[string]any{"type": "image", "endpoints": ep("/glance")},
		},
	}})
}

// aged gives the server as it is by now.
func (f *fakeCloud) aged(s map[string]any) map[string]any {
	if s["status"] == "BUILD" && time.Since(s["made"].(time.Time)) > f.build {
		s["status"] = "ACTIVE"
		s["addresses"] = map[string]any{"net1": []any{map[string]any{"addr": "10.0.0.9", "version": 4, "OS-EXT-IPS:type": "fixed"}}}
	}
	out := map[string]any{}
	for k, v := range s {
		if k != "made" && k != "deleted" {
			out[k] = v
		}
	}
	return out
}

// reap forgets servers whose deletion is through, with the ports that Nova
// made for them.
func (f *fakeCloud) reap() {
	for id, s := range f.servers {
		at, ok := s["deleted"].(time.Time)
		if !ok || time.Since(at) <= f.gone {
			continue
		}
		delete(f.servers, id)
		for pid, p := range f.ports {
			if p["device_id"] == id {
				if p["nova"] == true {
					delete(f.ports, pid)
				} else {
					p["device_id"] = ""
				}
				for _, fip := range f.fips {
					if fip["port_id"] == pid {
						fip["port_id"] = nil
					}
				}
			}
		}
	}
}

func (f *fakeCloud) nova(w http.ResponseWriter, r *http.Request, rest []string, body map[string]any) {
	f.reap()
	switch key := r.Method + " " + rest[0]; {
	case key == "GET flavors" && rest[1] != "detail":
		answer(w, 404, nil)
	case key == "GET flavors":
		answer(w, 200, map[string]any{"flavors": f.flavors})
	case key == "POST os-keypairs":
		k := body["keypair"].(map[string]any)
		if _, ok := f.keys[k["name"].(string)]; ok {
			answer(w, 409, map[string]any{"conflictingRequest": map[string]any{"message": "Key pair already exists."}})
			return
		}
		f.keys[k["name"].(string)] = k
		answer(w, 200, map[string]any{"keypair": k})
	case key == "GET os-keypairs" && len(rest) == 1:
		list := []any{}
		for _, k := range f.keys {
			list = append(list, map[string]any{"keypair": k})
		}
		answer(w, 200, map[string]any{"keypairs": list})
	case strings.HasSuffix(key, "os-keypairs"):
		k, ok := f.keys[rest[1]]
		if !ok {
			answer(w, 404, nil)
			return
		}
		if r.Method == "DELETE" {
			delete(f.keys, rest[1])
			answer(w, 202, nil)
			return
		}
		answer(w, 200, map[string]any{"keypair": k})
	case key == "POST servers" && len(rest) == 1:
		s := body["server"].(map[string]any)
		if name, _ := s["key_name"].(string); name != "" && f.keys[name] == nil {
			answer(w, 400, map[string]any{"badRequest": map[string]any{"message": "Invalid key_name provided."}})
			return
		}
		id := f.id("srv")
		s["id"], s["status"], s["made"] = id, "BUILD", time.Now()
		s["addresses"] = map[string]any{}
		f.servers[id] = s
		nets, _ := s["networks"].([]any)
		for _, n := range nets {
			n := n.(map[string]any)
			if pid, ok := n["port"].(string); ok {
				f.ports[pid]["device_id"] = id
				continue
			}
			pid := f.id("port")
			f.ports[pid] = map[string]any{"id": pid, "network_id": n["uuid"], "device_id": id, "nova": true, "fixed_ips": []any{map[string]any{"ip_address": "10.0.0.9"}}}
		}
		if f.hook != nil {
			f.hook(s)
		}
		answer(w, 202, map[string]any{"server": map[string]any{"id": id, "adminPass": "x"}})
	case key == "GET servers" && rest[1] == "detail":
		list := []any{}
		var re *regexp.Regexp
		if n := r.URL.Query().Get("name"); n != "" {
			re = regexp.MustCompile(n)
		}
		for _, s := range f.servers {
			if f.hide {
				continue
			}
			if re == nil || re.MatchString(s["name"].(string)) {
				list = append(list, f.aged(s))
			}
		}
		answer(w, 200, map[string]any{"servers": list})
	case strings.HasSuffix(key, " servers"):
		s, ok := f.servers[rest[1]]
		switch {
		case !ok:
			answer(w, 404, map[string]any{"itemNotFound": map[string]any{"message": "Instance could not be found."}})
		case len(rest) == 3:
			if _, start := body["os-start"]; start {
				s["status"] = "ACTIVE"
			}
			if _, console := body["os-getConsoleOutput"]; console {
				answer(w, 200, map[string]any{"output": f.console})
				return
			}
			answer(w, 202, nil)
		case r.Method == "DELETE":
			s["deleted"] = time.Now()
			s["OS-EXT-STS:task_state"] = "deleting"
			answer(w, 204, nil)
		default:
			answer(w, 200, map[string]any{"server": f.aged(s)})
		}
	default:
		answer(w, 404, nil)
	}
}

func filtered(m map[string]map[string]any, r *http.Request) []any {
	out := []any{}
	for _, x := range m {
		fits := true
		for k, v := range r.URL.Query() {
			if s, _ := x[k].(string); s != v[0] {
				fits = false
			}
		}
		if fits {
			out = append(out, x)
		}
	}
	return out
}

func (f *fakeCloud) neutron(w http.ResponseWriter, r *http.Request, rest []string, body map[string]any) {
	f.reap()
	byID := func(m map[string]map[string]any) map[string]any {
		x, ok := m[rest[1]]
		if !ok {
			answer(w, 404, map[string]any{"NeutronError": map[string]any{"message": "not found"}})
			return nil
		}
		return x
	}
	switch key := r.Method + " " + rest[0]; {
	case strings.HasSuffix(key, " subnets"), strings.HasSuffix(key, " routers"), strings.HasSuffix(key, " networks") && r.Method != "GET":
		f.neutronParts(w, r, rest, body)
	case key == "GET networks":
		m := map[string]map[string]any{}
		for _, n := range f.networks {
			m[n["id"].(string)] = n
		}
		answer(w, 200, map[string]any{"networks": filtered(m, r)})
	case key == "GET security-groups":
		answer(w, 200, map[string]any{"security_groups": []any{map[string]any{"id": "sg-1", "name": "default"}}})
	case key == "GET ports" && len(rest) == 1:
		answer(w, 200, map[string]any{"ports": filtered(f.ports, r)})
	case key == "POST ports":
		p := body["port"].(map[string]any)
		p["id"] = f.id("port")
		p["fixed_ips"] = []any{map[string]any{"ip_address": "10.0.0.9"}}
		f.ports[p["id"].(string)] = p
		answer(w, 201, map[string]any{"port": p})
	case key == "DELETE ports":
		if p := byID(f.ports); p != nil {
			delete(f.ports, rest[1])
			answer(w, 204, nil)
		}
	case key == "GET ports":
		if p := byID(f.ports); p != nil {
			answer(w, 200, map[string]any{"port": p})
		}
	case key == "GET floatingips" && len(rest) == 1:
		answer(w, 200, map[string]any{"floatingips": filtered(f.fips, r)})
	case key == "POST floatingips":
		p := body["floatingip"].(map[string]any)
		p["id"] = f.id("fip")
		p["floating_ip_address"] = "172.24.4." + strconv.Itoa(f.seq)
		p["revision_number"] = 0
		f.fips[p["id"].(string)] = p
		answer(w, 201, map[string]any{"floatingip": p})
	case key == "GET floatingips":
		if p := byID(f.fips); p != nil {
			answer(w, 200, map[string]any{"floatingip": p})
		}
	case key == "PUT floatingips":
		p := byID(f.fips)
		if p == nil {
			return
		}
		if want := r.Header.Get("If-Match"); want != "" && want != fmt.Sprintf("revision_number=%d", p["revision_number"]) {
			answer(w, 412, nil)
			return
		}
		if f.racy > 0 {
			f.mu.Unlock()
			time.Sleep(f.racy)
			f.mu.Lock()
		}
		for k, v := range body["floatingip"].(map[string]any) {
			p[k] = v
		}
		p["revision_number"] = p["revision_number"].(int) + 1
		answer(w, 200, map[string]any{"floatingip": p})
	case key == "DELETE floatingips":
		if byID(f.fips) != nil {
			delete(f.fips, rest[1])
			answer(w, 204, nil)
		}
	default:
		answer(w, 404, nil)
	}
}

func (f *fakeCloud) glance(w http.ResponseWriter, r *http.Request, rest []string) {
	if len(rest) == 2 {
		answer(w, 404, nil)
		return
	}
	list := []any{}
	for _, i := range f.images {
		if n := r.URL.Query().Get("name"); n == "" || n == i["name"] {
			list = append(list, i)
		}
	}
	answer(w, 200, map[string]any{"images": list})
}

func (f *fakeCloud) cinder(w http.ResponseWriter, r *http.Request, rest []string, body map[string]any) {
	rest = rest[1:] // the project
	switch {
	case r.Method == "POST":
		v := body["volume"].(map[string]any)
		v["id"], v["status"] = f.id("vol"), "available"
		f.volumes[v["id"].(string)] = v
		answer(w, 202, map[string]any{"volume": v})
	case rest[1] == "detail":
		answer(w, 200, map[string]any{"volumes": filtered(f.volumes, r)})
	default:
		v, ok := f.volumes[rest[1]]
		switch {
		case !ok:
			answer(w, 404, nil)
		case r.Method == "DELETE":
			delete(f.volumes, rest[1])
			answer(w, 202, nil)
		default:
			answer(w, 200, map[string]any{"volume": v})
		}
	}
}
