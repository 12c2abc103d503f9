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
	s := Status{
		PID: os.Getpid(), URL: c.URL, Dir: c.opts.Dir, Net: fmt.Sprintf("127.%d.0.0/16", c.claim.b), SSHPort: c.SSHPort, Guests: c.opts.Guests,
		Resources: Summary{
			len(res.Servers), len(res.Volumes), len(res.FloatingIPs), len(res.Ports), len(res.KeyPairs),
		},
		Requests: c.faults.Requests(1 << 30).Total, Faults: len(c.faults.List()), Modes: c.guests.modes(),
	}
	return s
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

// Resources is everything the users of the cloud have made; what the seed or
// Neutron itself made is left out. An empty one means that nothing is left.
type Resources struct {
	Servers        []Resource `json:"servers"`
	Volumes        []Resource `json:"volumes"`
	Snapshots      []Resource `json:"snapshots"`
	FloatingIPs    []Resource `json:"floating_ips"`
	Ports          []Resource `json:"ports"`
	KeyPairs       []Resource `json:"key_pairs"`
	Networks       []Resource `json:"networks"`
	Routers        []Resource `json:"routers"`
	SecurityGroups []Resource `json:"security_groups"`
	ServerGroups   []Resource `json:"server_groups"`
	Images         []Resource `json:"images"`
}

// Kind is the resources of one kind.
type Kind struct {
	Kind  string
	Items []Resource
}

// All are the resources by kind, in a fixed order.
func (r Resources) All() []Kind {
	return []Kind{
		{"server", r.Servers},
		{"volume", r.Volumes},
		{"snapshot", r.Snapshots},
		{"floating IP", r.FloatingIPs},
		{"port", r.Ports},
		{"key pair", r.KeyPairs},
		{"network", r.Networks},
		{"router", r.Routers},
		{"security group", r.SecurityGroups},
		{"server group", r.ServerGroups},
		{"image", r.Images},
	}
}

// Count is how many resources there are.
func (r Resources) Count() int {
	n := 0
	for _, k := range r.All() {
		n += len(k.Items)
	}
	return n
}

// collect makes resources of rows.
func collect[T any](rows []T, view func(T) Resource) []Resource {
	out := []Resource{}
	for _, row := range rows {
		out = append(out, view(row))
	}
	return out
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

// Resources is what the users of the cloud have made so far. It is one function
// since it is a list: one entry a kind.
func (c *Cloud) Resources() Resources {
	w := c.db
	var r Resources
	seeded := map[string]bool{Net1ID: true, PublicNetID: true}
	for _, i := range seedImages {
		seeded[i.id] = true
	}
	w.View(func() {
		r.Servers = collect(w.Servers.All(), func(v *db.Server) Resource {
			return Resource{v.ID, v.Name, compute.Status(v), v.TaskState, v.Metadata, v.Tags}
		})
		r.Volumes = collect(w.Volumes.All(), func(v *db.Volume) Resource {
			return Resource{v.ID, v.Name, v.Status, fmt.Sprintf("%d GiB", v.Size), v.Metadata, nil}
		})
		r.Snapshots = collect(w.Objects("snapshot", nil), func(o *db.Object) Resource {
			return Resource{o.Key, o.Text("name"), o.Text("status"), "of volume " + o.Text("volume_id"), o.Dict("metadata"), nil}
		})
		r.FloatingIPs = collect(w.FloatingIPs.All(), func(f *db.FloatingIP) Resource {
			return standard(f.ID, &f.Std, Resource{Name: f.Address, Status: f.Status, Detail: f.FixedIP})
		})
		r.Ports = collect(w.Ports.Where(func(p *db.Port) bool { return !p.Internal() }), func(p *db.Port) Resource {
			detail := ""
			for _, f := range p.FixedIPs {
				detail = f.IPAddress
			}
			return standard(p.ID, &p.Std, Resource{Status: p.Status, Detail: detail})
		})
		own := func(k *db.KeyPair) bool { return k.Name != c.opts.User && k.Name != secondKeyPair }
		r.KeyPairs = collect(w.KeyPairs.Where(own), func(k *db.KeyPair) Resource {
			return Resource{ID: k.Name, Name: k.Name, Detail: k.Fingerprint}
		})
		r.Networks = collect(w.Networks.Where(func(n *db.Network) bool { return !seeded[n.ID] }), func(n *db.Network) Resource {
			return standard(n.ID, &n.Std, Resource{})
		})
		r.Routers = collect(w.Routers.Where(func(x *db.Router) bool { return x.Name != seedRouter }), func(x *db.Router) Resource {
			return standard(x.ID, &x.Std, Resource{})
		})
		named := func(g *db.SecurityGroup) bool { return g.Name != "default" }
		r.SecurityGroups = collect(w.SecurityGroups.Where(named), func(g *db.SecurityGroup) Resource {
			return standard(g.ID, &g.Std, Resource{})
		})
		r.ServerGroups = collect(w.ServerGroups.All(), func(g *db.ServerGroup) Resource {
			return Resource{ID: g.ID, Name: g.Name, Detail: g.Policy}
		})
		r.Images = collect(w.Images.Where(func(m *db.Image) bool { return !seeded[m.ID] }), func(m *db.Image) Resource {
			return Resource{ID: m.ID, Name: m.Name, Status: m.Status, Metadata: m.Properties, Tags: m.Tags}
		})
	})
	return r
}
