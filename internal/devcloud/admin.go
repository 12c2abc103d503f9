package devcloud

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

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
	mux.HandleFunc(
		"GET "+adminPrefix+"/status",
		func(w http.ResponseWriter, r *http.Request) { writeJSON(w, http.StatusOK, c.status()) },
	)
	mux.HandleFunc("GET "+adminPrefix+"/guests", func(w http.ResponseWriter, r *http.Request) {
		mode, err := c.guests.probe(r.Context())
		if err != nil {
			writeError(w, http.StatusInternalServerError, err)
			return
		}
		writeJSON(w, http.StatusOK, mode)
	})
	mux.HandleFunc(
		"GET "+adminPrefix+"/resources",
		func(w http.ResponseWriter, r *http.Request) { writeJSON(w, http.StatusOK, c.Resources()) },
	)
	mux.HandleFunc("POST "+adminPrefix+"/images", c.addImage)
	mux.HandleFunc("GET "+adminPrefix+"/requests", func(w http.ResponseWriter, r *http.Request) {
		since, _ := strconv.Atoi(r.URL.Query().Get("since")) // from the first without one
		writeJSON(w, http.StatusOK, c.faults.Requests(since))
	})
	mux.HandleFunc("DELETE "+adminPrefix+"/requests", func(w http.ResponseWriter, r *http.Request) {
		c.faults.ResetRequests()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc(
		"GET "+adminPrefix+"/faults",
		func(w http.ResponseWriter, r *http.Request) { writeJSON(w, http.StatusOK, c.faults.List()) },
	)
	mux.HandleFunc("POST "+adminPrefix+"/faults", c.addFault)
	mux.HandleFunc("DELETE "+adminPrefix+"/faults", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, map[string]int{"cleared": c.faults.Clear("")})
	})
	mux.HandleFunc("GET "+adminPrefix+"/faults/{id}", c.showFault)
	mux.HandleFunc("DELETE "+adminPrefix+"/faults/{id}", func(w http.ResponseWriter, r *http.Request) {
		if c.faults.Clear(r.PathValue("id")) == 0 {
			writeError(w, http.StatusNotFound, fmt.Errorf("there is no fault %q", r.PathValue("id")))
			return
		}
		writeJSON(w, http.StatusOK, map[string]int{"cleared": 1})
	})
	mux.HandleFunc("POST "+adminPrefix+"/faults/{id}/release", func(w http.ResponseWriter, r *http.Request) {
		var b struct {
			Act *bool `json:"act"`
		}
		_ = json.NewDecoder(r.Body).Decode(&b) // an empty body is "act"
		if !c.faults.Release(r.PathValue("id"), b.Act == nil || *b.Act) {
			writeError(w, http.StatusNotFound, fmt.Errorf("there is no fault %q", r.PathValue("id")))
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get(tokenHeader)), []byte(c.token)) != 1 {
			writeError(w, http.StatusUnauthorized, errors.New("these calls are for the owner of the state directory, whose daemon.json has the token"))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		writeError(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n'))
}

func writeError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]string{"error": err.Error()})
}

func (c *Cloud) addFault(w http.ResponseWriter, r *http.Request) {
	var rule fault.Rule
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&rule); err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	id, err := c.faults.Add(rule)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	st, _ := c.faults.Get(id)
	writeJSON(w, http.StatusCreated, st)
}

// showFault shows a fault; with ?wait=hit it answers when the fault has been
// hit (&n= times, within &timeout=30s).
func (c *Cloud) showFault(w http.ResponseWriter, r *http.Request) {
	id, q := r.PathValue("id"), r.URL.Query()
	st, ok := c.faults.Get(id)
	if !ok {
		writeError(w, http.StatusNotFound, fmt.Errorf("there is no fault %q", id))
		return
	}
	if q.Get("wait") == "hit" {
		n := 1
		if q.Has("n") {
			var err error
			if n, err = strconv.Atoi(q.Get("n")); err != nil {
				writeError(w, http.StatusBadRequest, fmt.Errorf("n=%q is not a number", q.Get("n")))
				return
			}
		}
		timeout := 30 * time.Second
		if q.Has("timeout") {
			var err error
			if timeout, err = time.ParseDuration(q.Get("timeout")); err != nil {
				writeError(w, http.StatusBadRequest, err)
				return
			}
		}
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		var err error
		if st, err = c.faults.WaitHits(ctx, id, n); err != nil {
			writeError(
				w,
				http.StatusGatewayTimeout,
				fmt.Errorf("fault %q was hit %d times, not %d: %w", id, st.Hits, n, err),
			)
			return
		}
	}
	writeJSON(w, http.StatusOK, st)
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
			len(res.Servers),
			len(res.Volumes),
			len(res.FloatingIPs),
			len(res.Ports),
			len(res.KeyPairs),
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

// All are the resources by kind, in a fixed order.
func (r Resources) All() []struct {
	Kind  string
	Items []Resource
} {
	return []struct {
		Kind  string
		Items []Resource
	}{
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

// collect makes resources of a table's rows.
func collect[T any](rows []*T, view func(*T) Resource) []Resource {
	out := []Resource{}
	for _, row := range rows {
		out = append(out, view(row))
	}
	return out
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
	described := func(std *db.Std) map[string]string {
		if std.Description == "" {
			return nil
		}
		return map[string]string{"description": std.Description}
	}
	w.View(func() {
		r.Servers = collect(w.Servers.All(), func(v *db.Server) Resource {
			return Resource{
				ID:       v.ID,
				Name:     v.Name,
				Status:   compute.Status(v),
				Detail:   v.TaskState,
				Metadata: v.Metadata,
				Tags:     v.Tags,
			}
		})
		r.Volumes = collect(w.Volumes.All(), func(v *db.Volume) Resource {
			return Resource{
				ID:       v.ID,
				Name:     v.Name,
				Status:   v.Status,
				Detail:   fmt.Sprintf("%d GiB", v.Size),
				Metadata: v.Metadata,
			}
		})
		r.Snapshots = collect(w.Objects("snapshot", nil), func(o *db.Object) Resource {
			return Resource{
				ID:       o.Key,
				Name:     o.Text("name"),
				Status:   o.Text("status"),
				Detail:   "of volume " + o.Text("volume_id"),
				Metadata: o.Dict("metadata"),
			}
		})
		r.FloatingIPs = collect(w.FloatingIPs.All(), func(f *db.FloatingIP) Resource {
			return Resource{
				ID:       f.ID,
				Name:     f.Address,
				Status:   f.Status,
				Detail:   f.FixedIP,
				Metadata: described(&f.Std),
				Tags:     f.Tags,
			}
		})
		r.Ports = collect(w.Ports.Where(func(p *db.Port) bool { return !p.Internal() }), func(p *db.Port) Resource {
			detail := ""
			for _, f := range p.FixedIPs {
				detail = f.IPAddress
			}
			return Resource{
				ID:       p.ID,
				Name:     p.Name,
				Status:   p.Status,
				Detail:   detail,
				Metadata: described(&p.Std),
				Tags:     p.Tags,
			}
		})
		r.KeyPairs = collect(
			w.KeyPairs.Where(func(k *db.KeyPair) bool { return k.Name != c.opts.User && k.Name != secondKeyPair }),
			func(k *db.KeyPair) Resource {
				return Resource{ID: k.Name, Name: k.Name, Detail: k.Fingerprint}
			},
		)
		r.Networks = collect(
			w.Networks.Where(func(n *db.Network) bool { return !seeded[n.ID] }),
			func(n *db.Network) Resource {
				return Resource{ID: n.ID, Name: n.Name, Metadata: described(&n.Std), Tags: n.Tags}
			},
		)
		r.Routers = collect(
			w.Routers.Where(func(x *db.Router) bool { return x.Name != seedRouter }),
			func(x *db.Router) Resource {
				return Resource{ID: x.ID, Name: x.Name, Metadata: described(&x.Std), Tags: x.Tags}
			},
		)
		r.SecurityGroups = collect(
			w.SecurityGroups.Where(func(g *db.SecurityGroup) bool { return g.Name != "default" }),
			func(g *db.SecurityGroup) Resource {
				return Resource{ID: g.ID, Name: g.Name, Metadata: described(&g.Std), Tags: g.Tags}
			},
		)
		r.ServerGroups = collect(w.ServerGroups.All(), func(g *db.ServerGroup) Resource {
			return Resource{ID: g.ID, Name: g.Name, Detail: g.Policy}
		})
		r.Images = collect(
			w.Images.Where(func(m *db.Image) bool { return !seeded[m.ID] }),
			func(m *db.Image) Resource {
				return Resource{ID: m.ID, Name: m.Name, Status: m.Status, Metadata: m.Properties, Tags: m.Tags}
			},
		)
	})
	return r
}
