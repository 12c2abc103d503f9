// Package fakecloud is as much of an OpenStack cloud as the tests of faults
// need: it counts what exists, and fails where it is configured to. Tests import it.
package fakecloud

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
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

// Cloud is as much of a cloud as the tests of faults need: it keeps
// count of what exists, and fails where it is configured to.
type Cloud struct {
	*httptest.Server
	t  *testing.T
	Mu sync.Mutex
	// build is how long a server is BUILD, Gone how long it takes to go.
	Build, Gone time.Duration
	// versions of the identity service.
	Versions []string

	Servers, Ports, Fips, Volumes, Keys map[string]map[string]any
	Subnets, Routers                    map[string]map[string]any
	Networks, Images, Flavors           []map[string]any
	seq                                 int
	Requests                            []string
	Bodies                              []map[string]any
	// fault is asked before each request but the login is served.
	Fault func(n int, method, path string) Mode
	// racy is the time between checking and writing a floating IP, as Neutron
	// has it.
	Racy time.Duration
	// hide keeps servers out of lists.
	Hide bool
	// console is what every server's console shows.
	Console string
	// hook sees a server as it is made and may change it.
	Hook func(server map[string]any)
}

// Mode is how the cloud answers a request.
type Mode int

// The modes.
const (
	Well Mode = iota
	Error500
	Busy503
	Limited429
	DropBefore
	DropAfter
)

// New starts a cloud that ends with the test.
func New(t *testing.T) *Cloud {
	f := &Cloud{
		t: t, Build: 20 * time.Millisecond, Gone: 20 * time.Millisecond, Versions: []string{"v3.14"},
		Servers: map[string]map[string]any{}, Ports: map[string]map[string]any{}, Fips: map[string]map[string]any{},
		Volumes: map[string]map[string]any{}, Keys: map[string]map[string]any{},
		Subnets: map[string]map[string]any{}, Routers: map[string]map[string]any{},
		Networks: []map[string]any{
			{"id": "net-public", "name": "public", "router:external": true, "tenant_id": "admin"},
			{"id": "net-1", "name": "net1", "router:external": false, "tenant_id": "p1"},
			{"id": "net-2", "name": "net2", "router:external": false, "tenant_id": "p1"},
		},
		Images:  []map[string]any{{"id": "img-1", "name": "ubuntu-14.04", "status": "active", "min_disk": 2, "created_at": "2026-01-01T00:00:00Z"}},
		Flavors: []map[string]any{{"id": "2", "name": "m1.small", "ram": 2048, "disk": 20, "vcpus": 1}},
	}
	f.Server = httptest.NewServer(http.HandlerFunc(f.Serve))
	t.Cleanup(f.Close)
	return f
}

// Left lists everything that exists of what can be made.
func (f *Cloud) Left() []string {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	var out []string
	for kind, m := range map[string]map[string]map[string]any{"server": f.Servers, "port": f.Ports, "floating IP": f.Fips, "volume": f.Volumes, "key pair": f.Keys, "subnet": f.Subnets, "router": f.Routers} {
		for id := range m {
			out = append(out, kind+" "+id)
		}
	}
	for _, n := range f.Networks {
		if n["made"] == true {
			out = append(out, "network "+n["id"].(string))
		}
	}
	slices.Sort(out)
	return out
}

// Count returns how many requests began with the path.
func (f *Cloud) Count(method, path string) int {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	n := 0
	for _, r := range f.Requests {
		if strings.HasPrefix(r, method+" "+path) {
			n++
		}
	}
	return n
}

// NewID returns a new identifier for a kind of resource.
func (f *Cloud) NewID(kind string) string {
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

// Serve answers one request.
func (f *Cloud) Serve(w http.ResponseWriter, r *http.Request) {
	body := map[string]any{}
	raw, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(raw, &body)
	// Until the end, so that what a client finds that its fault made give up is
	// the same each time.
	f.Mu.Lock()
	defer f.Mu.Unlock()
	f.Requests = append(f.Requests, r.Method+" "+r.URL.RequestURI())
	f.Bodies = append(f.Bodies, body)
	mode := Well
	if f.Fault != nil {
		mode = f.Fault(len(f.Requests), r.Method, r.URL.Path)
	}
	switch mode {
	case Error500:
		w.Header().Set("X-Openstack-Request-Id", "req-fault")
		answer(w, 500, map[string]any{"computeFault": map[string]any{"message": "The server has either erred or is incapable of performing the requested operation.", "code": 500}})
		return
	case Busy503:
		answer(w, 503, nil)
		return
	case Limited429:
		w.Header().Set("Retry-After", "0")
		answer(w, 429, nil)
		return
	case DropBefore:
		panic(http.ErrAbortHandler)
	case DropAfter:
		f.handle(httptest.NewRecorder(), r, body)
		panic(http.ErrAbortHandler)
	}
	f.handle(w, r, body)
}

var routePattern = regexp.MustCompile(`^/(v2\.0|v3|nova|neutron|glance|cinder)/?(.*)$`)

func (f *Cloud) handle(w http.ResponseWriter, r *http.Request, body map[string]any) {
	if r.URL.Path == "/" {
		var values []any
		for _, v := range f.Versions {
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

func (f *Cloud) tokens3(w http.ResponseWriter, body map[string]any) {
	if !slices.ContainsFunc(f.Versions, func(v string) bool { return strings.HasPrefix(v, "v3") }) {
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

func (f *Cloud) tokens2(w http.ResponseWriter) {
	if !slices.ContainsFunc(f.Versions, func(v string) bool { return strings.HasPrefix(v, "v2") }) {
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
func (f *Cloud) aged(s map[string]any) map[string]any {
	if s["status"] == "BUILD" && time.Since(s["made"].(time.Time)) > f.Build {
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
func (f *Cloud) reap() {
	for id, s := range f.Servers {
		at, ok := s["deleted"].(time.Time)
		if !ok || time.Since(at) <= f.Gone {
			continue
		}
		delete(f.Servers, id)
		for pid, p := range f.Ports {
			if p["device_id"] == id {
				if p["nova"] == true {
					delete(f.Ports, pid)
				} else {
					p["device_id"] = ""
				}
				for _, fip := range f.Fips {
					if fip["port_id"] == pid {
						fip["port_id"] = nil
					}
				}
			}
		}
	}
}

func (f *Cloud) nova(w http.ResponseWriter, r *http.Request, rest []string, body map[string]any) {
	f.reap()
	switch key := r.Method + " " + rest[0]; {
	case key == "GET flavors" && rest[1] != "detail":
		answer(w, 404, nil)
	case key == "GET flavors":
		answer(w, 200, map[string]any{"flavors": f.Flavors})
	case key == "POST os-keypairs":
		k := body["keypair"].(map[string]any)
		if _, ok := f.Keys[k["name"].(string)]; ok {
			answer(w, 409, map[string]any{"conflictingRequest": map[string]any{"message": "Key pair already exists."}})
			return
		}
		f.Keys[k["name"].(string)] = k
		answer(w, 200, map[string]any{"keypair": k})
	case key == "GET os-keypairs" && len(rest) == 1:
		list := []any{}
		for _, k := range f.Keys {
			list = append(list, map[string]any{"keypair": k})
		}
		answer(w, 200, map[string]any{"keypairs": list})
	case strings.HasSuffix(key, "os-keypairs"):
		k, ok := f.Keys[rest[1]]
		if !ok {
			answer(w, 404, nil)
			return
		}
		if r.Method == "DELETE" {
			delete(f.Keys, rest[1])
			answer(w, 202, nil)
			return
		}
		answer(w, 200, map[string]any{"keypair": k})
	case key == "POST servers" && len(rest) == 1:
		s := body["server"].(map[string]any)
		if name, _ := s["key_name"].(string); name != "" && f.Keys[name] == nil {
			answer(w, 400, map[string]any{"badRequest": map[string]any{"message": "Invalid key_name provided."}})
			return
		}
		id := f.NewID("srv")
		s["id"], s["status"], s["made"] = id, "BUILD", time.Now()
		s["addresses"] = map[string]any{}
		f.Servers[id] = s
		nets, _ := s["networks"].([]any)
		for _, n := range nets {
			n := n.(map[string]any)
			if pid, ok := n["port"].(string); ok {
				f.Ports[pid]["device_id"] = id
				continue
			}
			pid := f.NewID("port")
			f.Ports[pid] = map[string]any{"id": pid, "network_id": n["uuid"], "device_id": id, "nova": true, "fixed_ips": []any{map[string]any{"ip_address": "10.0.0.9"}}}
		}
		if f.Hook != nil {
			f.Hook(s)
		}
		answer(w, 202, map[string]any{"server": map[string]any{"id": id, "adminPass": "x"}})
	case key == "GET servers" && rest[1] == "detail":
		list := []any{}
		var re *regexp.Regexp
		if n := r.URL.Query().Get("name"); n != "" {
			re = regexp.MustCompile(n)
		}
		for _, s := range f.Servers {
			if f.Hide {
				continue
			}
			if re == nil || re.MatchString(s["name"].(string)) {
				list = append(list, f.aged(s))
			}
		}
		answer(w, 200, map[string]any{"servers": list})
	case strings.HasSuffix(key, " servers"):
		s, ok := f.Servers[rest[1]]
		switch {
		case !ok:
			answer(w, 404, map[string]any{"itemNotFound": map[string]any{"message": "Instance could not be found."}})
		case len(rest) == 3:
			if _, start := body["os-start"]; start {
				s["status"] = "ACTIVE"
			}
			if _, console := body["os-getConsoleOutput"]; console {
				answer(w, 200, map[string]any{"output": f.Console})
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
	for _, id := range slices.Sorted(maps.Keys(m)) {
		x := m[id]
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

func (f *Cloud) neutron(w http.ResponseWriter, r *http.Request, rest []string, body map[string]any) {
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
		for _, n := range f.Networks {
			m[n["id"].(string)] = n
		}
		if len(rest) == 1 {
			answer(w, 200, map[string]any{"networks": filtered(m, r)})
		} else if n := byID(m); n != nil {
			answer(w, 200, map[string]any{"network": n})
		}
	case key == "GET security-groups":
		answer(w, 200, map[string]any{"security_groups": []any{map[string]any{"id": "sg-1", "name": "default"}}})
	case key == "GET ports" && len(rest) == 1:
		answer(w, 200, map[string]any{"ports": filtered(f.Ports, r)})
	case key == "POST ports":
		p := body["port"].(map[string]any)
		p["id"] = f.NewID("port")
		p["fixed_ips"] = []any{map[string]any{"ip_address": "10.0.0.9"}}
		f.Ports[p["id"].(string)] = p
		answer(w, 201, map[string]any{"port": p})
	case key == "DELETE ports":
		if p := byID(f.Ports); p != nil {
			delete(f.Ports, rest[1])
			answer(w, 204, nil)
		}
	case key == "GET ports":
		if p := byID(f.Ports); p != nil {
			answer(w, 200, map[string]any{"port": p})
		}
	case key == "GET floatingips" && len(rest) == 1:
		answer(w, 200, map[string]any{"floatingips": filtered(f.Fips, r)})
	case key == "POST floatingips":
		p := body["floatingip"].(map[string]any)
		p["id"] = f.NewID("fip")
		p["floating_ip_address"] = "172.24.4." + strconv.Itoa(f.seq)
		p["revision_number"] = 0
		f.Fips[p["id"].(string)] = p
		answer(w, 201, map[string]any{"floatingip": p})
	case key == "GET floatingips":
		if p := byID(f.Fips); p != nil {
			answer(w, 200, map[string]any{"floatingip": p})
		}
	case key == "PUT floatingips":
		p := byID(f.Fips)
		if p == nil {
			return
		}
		if want := r.Header.Get("If-Match"); want != "" && want != fmt.Sprintf("revision_number=%d", p["revision_number"]) {
			answer(w, 412, nil)
			return
		}
		if f.Racy > 0 {
			f.Mu.Unlock()
			time.Sleep(f.Racy)
			f.Mu.Lock()
		}
		for k, v := range body["floatingip"].(map[string]any) {
			p[k] = v
		}
		p["revision_number"] = p["revision_number"].(int) + 1
		answer(w, 200, map[string]any{"floatingip": p})
	case key == "DELETE floatingips":
		if byID(f.Fips) != nil {
			delete(f.Fips, rest[1])
			answer(w, 204, nil)
		}
	default:
		answer(w, 404, nil)
	}
}

func (f *Cloud) glance(w http.ResponseWriter, r *http.Request, rest []string) {
	if len(rest) == 2 {
		answer(w, 404, nil)
		return
	}
	list := []any{}
	for _, i := range f.Images {
		if n := r.URL.Query().Get("name"); n == "" || n == i["name"] {
			list = append(list, i)
		}
	}
	answer(w, 200, map[string]any{"images": list})
}

func (f *Cloud) cinder(w http.ResponseWriter, r *http.Request, rest []string, body map[string]any) {
	rest = rest[1:] // the project
	switch {
	case rest[0] == "attachments":
		f.attachments(w, r, rest[1:])
	case r.Method == "POST":
		v := body["volume"].(map[string]any)
		v["id"], v["status"] = f.NewID("vol"), "available"
		f.Volumes[v["id"].(string)] = v
		answer(w, 202, map[string]any{"volume": v})
	case rest[1] == "detail":
		answer(w, 200, map[string]any{"volumes": filtered(f.Volumes, r)})
	default:
		v, ok := f.Volumes[rest[1]]
		switch {
		case !ok:
			answer(w, 404, nil)
		case r.Method == "DELETE" && v["status"] == "reserved":
			answer(w, 400, nil)
		case r.Method == "DELETE":
			delete(f.Volumes, rest[1])
			answer(w, 202, nil)
		default:
			answer(w, 200, map[string]any{"volume": v})
		}
	}
}

// attachments lists the attachment "a-VOLUME" of each reserved volume, to the
// server in its key "server", or deletes one.
func (f *Cloud) attachments(w http.ResponseWriter, r *http.Request, rest []string) {
	if r.Header.Get("OpenStack-API-Version") != "volume 3.27" {
		answer(w, 404, nil)
		return
	}
	list := []any{}
	for id, v := range f.Volumes {
		switch {
		case v["status"] != "reserved":
		case r.Method == "DELETE" && rest[0] == "a-"+id:
			v["status"] = "available"
		case r.URL.Query().Get("volume_id") == id:
			list = append(list, map[string]any{"id": "a-" + id, "volume_id": id, "instance": v["server"], "status": "reserved"})
		}
	}
	answer(w, 200, map[string]any{"attachments": list})
}
