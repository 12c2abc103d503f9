package devcloud

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/compute"
	"github.com/galleyhq/galley/internal/devcloud/db"
	"github.com/galleyhq/galley/internal/devcloud/fault"
)

// adminPrefix is where the daemon itself answers, beside the cloud's APIs.
const adminPrefix = "/_devcloud"

// tokenHeader carries daemonInfo.Token.
const tokenHeader = "X-Galley-Devcloud-Token"

func (c *Cloud) adminHandler() http.Handler {
	mux := http.NewServeMux()
	// answer is a call that answers with what do returns; nothing is 204.
	answer := func(call string, do func(r *http.Request) (any, error)) {
		method, path, _ := strings.Cut(call, " ")
		mux.HandleFunc(method+" "+adminPrefix+path, func(w http.ResponseWriter, r *http.Request) {
			v, err := do(r)
			switch {
			case err != nil:
				writeError(w, http.StatusBadRequest, err)
			case v == nil:
				w.WriteHeader(http.StatusNoContent)
			default:
				writeJSON(w, http.StatusOK, v)
			}
		})
	}
	answer("GET /status", func(*http.Request) (any, error) { return c.status(), nil })
	answer("GET /env", func(r *http.Request) (any, error) {
		if r.URL.Query().Get("admin") == "true" {
			return c.AdminEnv(), nil
		}
		return c.Env(), nil
	})
	answer("GET /guests", func(r *http.Request) (any, error) { return c.guests.probe(r.Context()) })
	answer("GET /resources", func(*http.Request) (any, error) { return c.Resources(), nil })
	answer("GET /requests", func(r *http.Request) (any, error) {
		since, _ := strconv.Atoi(r.URL.Query().Get("since")) // from the first without one
		return c.faults.Requests(since), nil
	})
	answer("DELETE /requests", func(*http.Request) (any, error) { c.faults.ResetRequests(); return nil, nil })
	answer("GET /faults", func(*http.Request) (any, error) { return c.faults.List(), nil })
	answer("DELETE /faults", func(*http.Request) (any, error) {
		return map[string]int{"cleared": c.faults.Clear("")}, nil
	})
	answer("DELETE /faults/{id}", func(r *http.Request) (any, error) {
		if c.faults.Clear(r.PathValue("id")) == 0 {
			return nil, fmt.Errorf("there is no fault %q", r.PathValue("id"))
		}
		return map[string]int{"cleared": 1}, nil
	})
	answer("POST /images", c.addImage)
	answer("POST /faults", c.addFault)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get(tokenHeader)), []byte(c.token)) != 1 {
			writeError(w, http.StatusUnauthorized, errors.New("these calls are for the owner of the state directory, whose daemon.json has the token"))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may have gone
}

func writeError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]string{"error": err.Error()})
}

func (c *Cloud) addFault(r *http.Request) (any, error) {
	var rule fault.Rule
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&rule); err != nil {
		return nil, err
	}
	return c.faults.Add(rule)
}

// Status is what a cloud says of itself.
type Status struct {
	PID     int    `json:"pid"`
	URL     string `json:"url"`
	Dir     string `json:"dir"`
	Net     string `json:"net"`
	SSHPort int    `json:"ssh_port"`
	Guests  string `json:"guests"`
	// Modes counts the running guests by how they are kept apart from the host,
	// as package guest names it.
	Modes     map[string]int `json:"modes,omitempty"`
	Resources Summary        `json:"resources"`
	Requests  int            `json:"requests"`
	Faults    int            `json:"faults"`
}

// Summary counts what the users of the cloud have made, beside the objects there
// from the start.
type Summary struct {
	Servers     int `json:"servers"`
	Volumes     int `json:"volumes"`
	FloatingIPs int `json:"floating_ips"`
	Ports       int `json:"ports"`
	KeyPairs    int `json:"key_pairs"`
}

func (c *Cloud) status() Status {
	res := c.Resources()
	return Status{
		PID: os.Getpid(), URL: c.URL, Dir: c.opts.Dir, Net: fmt.Sprintf("127.%d.0.0/16", c.claim.b), SSHPort: c.SSHPort, Guests: c.opts.Guests,
		Resources: Summary{
			len(res["servers"]), len(res["volumes"]), len(res["floating_ips"]), len(res["ports"]), len(res["key_pairs"]),
		},
		Requests: c.faults.Requests(1 << 30).Total, Faults: len(c.faults.List()), Modes: c.guests.modes(),
	}
}

// Resource is one thing a user of the cloud has made.
type Resource struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status,omitempty"`
	// Detail is what tells it apart for a person: addresses, the server, the
	// size.
	Detail string `json:"detail,omitempty"`
	// Metadata are a server's or a volume's, and a floating IP's or a port's
	// description under "description".
	Metadata map[string]string `json:"metadata,omitempty"`
	Tags     []string          `json:"tags,omitempty"`
}

// Resources is everything the users of the cloud have made, by kind: "servers",
// "floating_ips"; what the seed or Neutron itself made is left out.
type Resources map[string][]Resource

// Kind is the resources of one kind.
type Kind struct {
	Kind  string
	Items []Resource
}

// resourceKinds are the kinds in a fixed order, with one resource's name.
var resourceKinds = []struct{ one, key string }{
	{"server", "servers"},
	{"volume", "volumes"},
	{"snapshot", "snapshots"},
	{"floating IP", "floating_ips"},
	{"port", "ports"},
	{"key pair", "key_pairs"},
	{"network", "networks"},
	{"router", "routers"},
	{"security group", "security_groups"},
	{"server group", "server_groups"},
	{"image", "images"},
}

// All are the resources by kind, in a fixed order.
func (r Resources) All() (kinds []Kind) {
	for _, k := range resourceKinds {
		kinds = append(kinds, Kind{k.one, r[k.key]})
	}
	return kinds
}

// Count is how many resources there are.
func (r Resources) Count() int {
	n := 0
	for _, items := range r {
		n += len(items)
	}
	return n
}

// standard is a Neutron resource with what all kinds have.
func standard(id string, std *db.Std, more Resource) Resource {
	more.ID, more.Tags = id, std.Tags
	if more.Name == "" {
		more.Name = std.Name
	}
	if std.Description != "" {
		more.Metadata = map[string]string{"description": std.Description}
	}
	return more
}

// Resources is what the users of the cloud have made so far.
func (c *Cloud) Resources() Resources {
	w, r := c.db, Resources{}
	seeded := map[string]bool{Net1ID: true, PublicNetID: true}
	for _, i := range seedImages {
		seeded[i.id] = true
	}
	for _, k := range resourceKinds {
		r[k.key] = []Resource{}
	}
	add := func(kind string, x Resource) { r[kind] = append(r[kind], x) }
	w.View(func() {
		for _, v := range w.Servers.All() {
			add("servers", Resource{v.ID, v.Name, compute.Status(v), v.TaskState, v.Metadata, v.Tags})
		}
		for _, v := range w.Volumes.All() {
			add("volumes", Resource{v.ID, v.Name, v.Status, fmt.Sprintf("%d GiB", v.Size), v.Metadata, nil})
		}
		for _, o := range w.Objects("snapshot", nil) {
			add("snapshots", Resource{o.Key, o.Text("name"), o.Text("status"), "of volume " + o.Text("volume_id"), o.Dict("metadata"), nil})
		}
		for _, f := range w.FloatingIPs.All() {
			add("floating_ips", standard(f.ID, &f.Std, Resource{Name: f.Address, Status: f.Status, Detail: f.FixedIP}))
		}
		for _, p := range w.Ports.Where(func(p *db.Port) bool { return !p.Internal() }) {
			x := Resource{Status: p.Status}
			for _, f := range p.FixedIPs {
				x.Detail = f.IPAddress
			}
			add("ports", standard(p.ID, &p.Std, x))
		}
		for _, k := range w.KeyPairs.Where(func(k *db.KeyPair) bool { return k.Name != c.opts.User && k.Name != secondKeyPair }) {
			add("key_pairs", Resource{ID: k.Name, Name: k.Name, Detail: k.Fingerprint})
		}
		for _, n := range w.Networks.Where(func(n *db.Network) bool { return !seeded[n.ID] }) {
			add("networks", standard(n.ID, &n.Std, Resource{}))
		}
		for _, x := range w.Routers.Where(func(x *db.Router) bool { return x.Name != seedRouter }) {
			add("routers", standard(x.ID, &x.Std, Resource{}))
		}
		for _, g := range w.SecurityGroups.Where(func(g *db.SecurityGroup) bool { return g.Name != "default" }) {
			add("security_groups", standard(g.ID, &g.Std, Resource{}))
		}
		for _, g := range w.ServerGroups.All() {
			add("server_groups", Resource{ID: g.ID, Name: g.Name, Detail: g.Policy})
		}
		for _, m := range w.Images.Where(func(m *db.Image) bool { return !seeded[m.ID] }) {
			add("images", Resource{ID: m.ID, Name: m.Name, Status: m.Status, Metadata: m.Properties, Tags: m.Tags})
		}
	})
	return r
}
