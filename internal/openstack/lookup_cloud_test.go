package openstack

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/testing/fakecloud"
)

// serve answers requests whose path ends in one of the keys.
func serve(f *fakecloud.Cloud, answers map[string]any) {
	inner := f.Config.Handler
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for end, answer := range answers {
			if strings.HasSuffix(r.URL.Path, end) {
				w.Header().Set("Content-Type", "application/json")
				_ = json.NewEncoder(w).Encode(answer)
				return
			}
		}
		inner.ServeHTTP(w, r)
	})
}

// told collects what is reported.
type told struct {
	silentReporter
	lines []string
}

func (r *told) Info(format string, args ...any) {
	for _, a := range args {
		r.lines = append(r.lines, a.(string))
	}
}

func (r *told) Warn(format string, args ...any) {
	for _, a := range args {
		if s, ok := a.(string); ok {
			r.lines = append(r.lines, s)
		}
		if s, ok := a.(Resource); ok {
			r.lines = append(r.lines, s.String())
		}
	}
}

const anID = "0f3b1c9e-1d1b-4a53-9d1b-0d6a6c8a9a11"

func TestLookupsByName(t *testing.T) {
	f := fakecloud.New(t)
	serve(f, map[string]any{
		"/snapshots":        map[string]any{"snapshots": []any{map[string]any{"id": "snap-1", "name": "daily"}, map[string]any{"id": "snap-2", "name": "weekly"}}},
		"/os-server-groups": map[string]any{"server_groups": []any{map[string]any{"id": "group-1", "name": "apart"}}},
	})
	f.Volumes["vol-1"] = map[string]any{"id": "vol-1", "name": "data", "status": "available"}
	f.Ports["port-1"] = map[string]any{"id": "port-1", "name": "eth"}
	f.Ports["port-2"] = map[string]any{"id": "port-2", "name": "twin"}
	f.Ports["port-3"] = map[string]any{"id": "port-3", "name": "twin"}
	f.Ports[anID] = map[string]any{"id": anID, "name": "named by its ID"}
	c := connect(t, f)
	for name, x := range map[string]struct {
		get  func(ref string) (string, error)
		ref  string
		want string
		kind session.Kind
		hint string
	}{
		"a snapshot":               {func(ref string) (string, error) { return c.SnapshotID(t.Context(), ref, nil) }, "daily", "snap-1", "", ""},
		"a snapshot by ID":         {func(ref string) (string, error) { return c.SnapshotID(t.Context(), ref, nil) }, anID, anID, "", ""},
		"a snapshot that is not":   {func(ref string) (string, error) { return c.SnapshotID(t.Context(), ref, nil) }, "dayly", "", session.NotFound, `did you mean "daily"`},
		"a server group":           {func(ref string) (string, error) { return c.ServerGroupID(t.Context(), ref, nil) }, "apart", "group-1", "", ""},
		"a server group by regexp": {func(ref string) (string, error) { return c.ServerGroupID(t.Context(), ref, nil) }, "/^ap/", "group-1", "", ""},
		"a server group, misspelt": {func(ref string) (string, error) { return c.ServerGroupID(t.Context(), ref, nil) }, "part", "", session.NotFound, "apart"},
		"a volume":                 {func(ref string) (string, error) { return c.VolumeID(t.Context(), ref, nil) }, "data", "vol-1", "", ""},
		"a port":                   {func(ref string) (string, error) { return c.Port(t.Context(), ref, nil) }, "eth", "port-1", "", ""},
		"a port by ID":             {func(ref string) (string, error) { return c.Port(t.Context(), ref, nil) }, anID, anID, "", ""},
		"two ports of a name":      {func(ref string) (string, error) { return c.Port(t.Context(), ref, nil) }, "twin", "", session.Ambiguous, "write its ID"},
		"a port that is not":       {func(ref string) (string, error) { return c.Port(t.Context(), ref, nil) }, "et", "", session.NotFound, `did you mean "eth"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := x.get(x.ref)
			if got != x.want || session.KindOf(err) != x.kind {
				t.Errorf("got %q, %v", got, err)
			}
			if x.hint != "" && !strings.Contains(err.(*session.Error).Hint(), x.hint) {
				t.Errorf("the hint is %q", err.(*session.Error).Hint())
			}
		})
	}
}

func TestNetworksOfOneName(t *testing.T) {
	f := fakecloud.New(t)
	f.Networks = append(f.Networks,
		map[string]any{"id": "net-shared", "name": "net1", "router:external": false, "tenant_id": "admin", "shared": true},
		map[string]any{"id": "net-3", "name": "net2", "router:external": false, "tenant_id": "p1"})
	c := connect(t, f)
	rep := &told{}
	n, err := c.Network(t.Context(), "net1", rep)
	if err != nil || n.ID != "net-1" || len(rep.lines) != 1 || !strings.Contains(rep.lines[0], "the project's own") {
		t.Errorf("%+v, %v, %q", n, err, rep.lines)
	}
	if _, err := c.Network(t.Context(), "net2", rep); session.KindOf(err) != session.Ambiguous || !strings.Contains(err.Error(), "net-3") {
		t.Errorf("two of the project's own: %v", err)
	}
}

func TestImagesOfOneName(t *testing.T) {
	f := fakecloud.New(t)
	f.Images = append(f.Images,
		map[string]any{"id": "img-2", "name": "ubuntu-14.04", "status": "active", "created_at": "2026-02-01T00:00:00Z"},
		map[string]any{"id": "img-3", "name": "half", "status": "saving", "created_at": "2026-02-01T00:00:00Z"})
	c := connect(t, f)
	rep := &told{}
	i, err := c.Image(t.Context(), "ubuntu-14.04", rep)
	if err != nil || i.ID != "img-2" || len(rep.lines) != 1 || !strings.Contains(rep.lines[0], "taking the newest") {
		t.Errorf("%+v, %v, %q", i, err, rep.lines)
	}
	for _, ref := range []string{"half", "/^half/"} {
		if _, err := c.Image(t.Context(), ref, rep); session.KindOf(err) != session.Invalid || !strings.Contains(err.Error(), "its status is saving") {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

// TestExpiredKeyPair finds a key pair without its server by its age.
func TestExpiredKeyPair(t *testing.T) {
	f := fakecloud.New(t)
	now := time.Now()
	for _, k := range []struct {
		name string
		age  time.Duration
	}{{"old", 48 * time.Hour}, {"new", time.Hour}} {
		name := keyPairName(&Record{Token: NewToken(), Owner: k.name, Project: "proj"})
		f.Keys[name] = map[string]any{"name": name, "created_at": now.Add(-k.age).UTC().Format("2006-01-02T15:04:05.000000")}
	}
	c := connect(t, f)
	list, err := c.Expired(t.Context(), now, 24*time.Hour)
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Owner, "old") {
		t.Errorf("%d records, %v", len(list), err)
	}
}

func TestForgetNetwork(t *testing.T) {
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "a.json"), filepath.Join(dir, "b.json"), filepath.Join(dir, "gone.json")}
	for i, name := range []string{"lan", "dmz"} {
		rec := &Record{Version: 1, Name: name, AuthURL: "https://cloud/v3", ProjectName: "demo", Resources: []Resource{
			{Kind: KindNetwork, Name: name, ID: "net-" + name, Stage: Made}, {Kind: KindRouter, Name: "r", ID: "r", Stage: Made, Borrowed: true},
		}}
		if err := FileJournal(paths[i]).Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	rep := &told{}
	if err := ForgetNetwork(paths, "nowhere", rep); session.KindOf(err) != session.NotFound {
		t.Errorf("%v", err)
	}
	if err := ForgetNetwork(paths, "net-dmz", rep); err != nil || !strings.Contains(strings.Join(rep.lines, " "), "network dmz (net-dmz)") || strings.Contains(strings.Join(rep.lines, " "), "router") {
		t.Errorf("%v, %q", err, rep.lines)
	}
	if rec, err := FileJournal(paths[1]).Read(); rec != nil || err != nil {
		t.Errorf("the record stays: %v, %v", rec, err)
	}
	if rec, err := FileJournal(paths[0]).Read(); rec == nil || err != nil {
		t.Errorf("another record went: %v", err)
	}
}
