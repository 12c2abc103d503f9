package openstack

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/testing/fakecloud"
)

// fullSpec asks for one of everything.
func fullSpec(t *testing.T) ServerSpec {
	return ServerSpec{
		Owner: "default-ubuntu", Project: "cookbook-1", Name: "web-1", Image: "ubuntu-14.04", Flavor: "m1.small",
		Nics:       []Nic{{Network: "net1", Make: &PortSpec{SecurityGroups: []string{"default"}}}},
		NewKeyPair: &NewKeyPair{PrivateKeyFile: filepath.Join(t.TempDir(), "web.pem")},
		Volumes:    []VolumeSpec{{Make: true, Size: 5, DeviceName: "vdb"}},
		FloatingIP: FloatingIPSpec{Pools: []string{"public"}, Allocate: true},
	}
}

type recorder struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorder) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}
func (r *recorder) Info(f string, a ...any)           { r.add(f, a...) }
func (r *recorder) Warn(f string, a ...any)           { r.add("warning: "+f, a...) }
func (r *recorder) Debug(string, ...any)              {}
func (r *recorder) Waiting(string, string, time.Time) {}
func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n")
}

func TestCreateAndReclaim(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	j := FileJournal(filepath.Join(t.TempDir(), "web.json"))
	rep := &recorder{}
	s, err := c.Create(t.Context(), fullSpec(t), j, rep)
	if err != nil {
		t.Fatal(err)
	}
	if s.Address == "" || s.Address != s.FloatingIP || !s.Created || s.KeyFile == "" {
		t.Errorf("%+v", s)
	}
	if got := f.Left(); len(got) != 5 {
		t.Errorf("exists: %v", got)
	}
	for _, want := range []string{"OpenStack instance <" + s.ID + "> created.", "(server ready)", "Attaching floating IP from <public> pool", "Attaching floating IP <" + s.Address + ">"} {
		if !strings.Contains(rep.text(), want) {
			t.Errorf("%q is not said in\n%s", want, rep.text())
		}
	}
	// Everything carries the token.
	rec, _ := j.Read()
	f.Mu.Lock()
	for _, b := range f.Bodies {
		for kind, x := range b {
			if kind != "auth" && !strings.Contains(fmt.Sprint(x), rec.Token) {
				t.Errorf("%s carries no token: %v", kind, x)
			}
		}
	}
	f.Mu.Unlock()
	// Again: the same server.
	again, err := c.Create(t.Context(), fullSpec(t), j, rep)
	if err != nil || again.ID != s.ID || again.Address != s.Address || again.Created {
		t.Errorf("%+v, %v", again, err)
	}
	if err := c.Reclaim(t.Context(), j, ReclaimOptions{}, rep); err != nil {
		t.Error(err)
	}
	if got := f.Left(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
	if r, err := j.Read(); r != nil || err != nil {
		t.Errorf("%v, %v", r, err)
	}
	if err := c.Reclaim(t.Context(), j, ReclaimOptions{}, rep); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

// TestCallsOfOneCreate holds the number of calls: one token, one look-up of each
// name and of the quota, one call for each resource, one look at the server and
// its ports.
func TestCallsOfOneCreate(t *testing.T) {
	f := fakecloud.New(t)
	f.Build = 0
	c := connect(t, f)
	spec := ServerSpec{Name: "web", Image: "ubuntu-14.04", Flavor: "m1.small", Nics: []Nic{{Network: "net1"}}, FloatingIP: FloatingIPSpec{Pools: []string{"public"}, Allocate: true}}
	if _, err := c.Create(t.Context(), spec, &MemoryJournal{}, nil); err != nil {
		t.Fatal(err)
	}
	if got := c.Calls(); got != 10 {
		t.Errorf("%d calls:\n%s", got, strings.Join(f.Requests, "\n"))
	}
}

func TestTwentyShareTheirLookups(t *testing.T) {
	f := fakecloud.New(t)
	f.Build = 300 * time.Millisecond
	c := connect(t, f)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			spec := ServerSpec{Name: fmt.Sprintf("web-%d", i), Image: "ubuntu-14.04", Flavor: "m1.small", Nics: []Nic{{Network: "net1"}}}
			if _, err := c.Create(t.Context(), spec, &MemoryJournal{}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for what, most := range map[string]int{"POST /v3/auth": 1, "GET /nova/v2.1/flavors": 1, "GET /glance/v2/images": 1, "GET /neutron/v2.0/networks": 1, "POST /nova/v2.1/servers": 20} {
		method, path, _ := strings.Cut(what, " ")
		if n := f.Count(method, path); n != most {
			t.Errorf("%s: %d times, want %d", what, n, most)
		}
	}
	// One list each round, and at most one separate look for the first.
	if n := f.Count("GET", "/nova/v2.1/servers/detail"); n == 0 || f.Count("GET", "/nova/v2.1/servers")-n > 3 {
		t.Errorf("%d lists and %d looks for twenty servers", n, f.Count("GET", "/nova/v2.1/servers")-n)
	}
}

func TestReclaimGoesOnAndReportsAll(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	j := &MemoryJournal{}
	if _, err := c.Create(t.Context(), fullSpec(t), j, nil); err != nil {
		t.Fatal(err)
	}
	f.Mu.Lock()
	f.Fault = func(_ int, method, path string) fakecloud.Mode {
		if method == "DELETE" && (strings.Contains(path, "floatingips") || strings.Contains(path, "os-keypairs")) {
			return fakecloud.Error500
		}
		return fakecloud.Well
	}
	f.Mu.Unlock()
	err := c.Reclaim(t.Context(), j, ReclaimOptions{}, nil)
	if err == nil || !strings.Contains(err.Error(), "floating IP") || !strings.Contains(err.Error(), "key pair") {
		t.Errorf("%v", err)
	}
	if rec, _ := j.Read(); rec == nil || len(rec.Resources) != 2 {
		t.Errorf("%+v", rec)
	}
	if left := f.Left(); len(left) != 2 {
		t.Errorf("left: %v", left)
	}
	f.Mu.Lock()
	f.Fault = nil
	f.Mu.Unlock()
	if err := c.Reclaim(t.Context(), j, ReclaimOptions{}, nil); err != nil || len(f.Left()) != 0 {
		t.Errorf("%v, left %v", err, f.Left())
	}
}

func TestARecordedServerIsLookedAt(t *testing.T) {
	simple := ServerSpec{Name: "web", Image: "ubuntu-14.04", Flavor: "m1.small", Nics: []Nic{{Network: "net1"}}}
	for name, c := range map[string]struct {
		spoil  func(f *fakecloud.Cloud, id string)
		replay bool // a new server is expected
		says   string
	}{
		"gone": {func(f *fakecloud.Cloud, id string) { delete(f.Servers, id); clear(f.Ports) }, true, "is gone"},
		"error": {func(f *fakecloud.Cloud, id string) {
			f.Servers[id]["status"] = "ERROR"
			f.Servers[id]["fault"] = map[string]any{"message": "disk died"}
		}, true, "disk died"},
		"shutoff": {func(f *fakecloud.Cloud, id string) { f.Servers[id]["status"] = "SHUTOFF" }, false, "starting it"},
		"build": {func(f *fakecloud.Cloud, id string) {
			f.Servers[id]["status"] = "BUILD"
			f.Servers[id]["made"] = time.Now()
		}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := fakecloud.New(t)
			cl := connect(t, f)
			j := &MemoryJournal{}
			first, err := cl.Create(t.Context(), simple, j, nil)
			if err != nil {
				t.Fatal(err)
			}
			f.Mu.Lock()
			c.spoil(f, first.ID)
			f.Mu.Unlock()
			rep := &recorder{}
			second, err := connect(t, f).Create(t.Context(), simple, j, rep)
			if err != nil {
				t.Fatal(err)
			}
			if (second.ID != first.ID) != c.replay || second.Address == "" {
				t.Errorf("first %s, then %+v", first.ID, second)
			}
			if !strings.Contains(rep.text(), c.says) {
				t.Errorf("%q is not said in %q", c.says, rep.text())
			}
			if n := len(f.Left()); n != 2 { // server and its port
				t.Errorf("exists: %v", f.Left())
			}
		})
	}
}

func TestServerInError(t *testing.T) {
	f := fakecloud.New(t)
	f.Hook = func(s map[string]any) {
		s["status"], s["fault"] = "ERROR", map[string]any{"code": 500, "message": "No valid host was found. There are not enough hosts available."}
	}
	c := connect(t, f)
	j := &MemoryJournal{}
	_, err := c.Create(t.Context(), fullSpec(t), j, nil)
	var e *session.Error
	if !errors.As(err, &e) || e.Kind != session.ServerFault || !strings.Contains(err.Error(), "No valid host") || !strings.Contains(e.Hint(), "another flavor") {
		t.Fatalf("%v", err)
	}
	if err := c.Reclaim(t.Context(), j, ReclaimOptions{}, nil); err != nil || len(f.Left()) > 0 {
		t.Errorf("%v, left %v", err, f.Left())
	}
}

func TestAnotherProjectsRecord(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	j := &MemoryJournal{}
	if _, err := c.Create(t.Context(), fullSpec(t), j, nil); err != nil {
		t.Fatal(err)
	}
	rec, _ := j.Read()
	rec.ProjectID = "elsewhere"
	_ = j.Write(rec)
	if _, err := c.Create(t.Context(), fullSpec(t), j, nil); session.KindOf(err) != session.Invalid {
		t.Errorf("%v", err)
	}
	if err := c.Reclaim(t.Context(), j, ReclaimOptions{}, nil); session.KindOf(err) != session.Invalid {
		t.Errorf("%v", err)
	}
	if len(f.Left()) != 5 {
		t.Errorf("%v", f.Left())
	}
}

func TestBorrowedFloatingIPs(t *testing.T) {
	for _, racy := range []time.Duration{0, 30 * time.Millisecond} {
		t.Run(racy.String(), func(t *testing.T) { borrowers(t, racy) })
	}
}

func borrowers(t *testing.T, racy time.Duration) {
	f := fakecloud.New(t)
	f.Racy = racy
	for i := range 3 {
		id := fmt.Sprintf("fip-free-%d", i)
		f.Fips[id] = map[string]any{"id": id, "floating_ip_address": fmt.Sprintf("172.24.4.20%d", i), "floating_network_id": "net-public", "port_id": nil, "revision_number": 0}
	}
	spec := func(i int) ServerSpec {
		return ServerSpec{Name: fmt.Sprintf("web-%d", i), Image: "ubuntu-14.04", Flavor: "m1.small", Nics: []Nic{{Network: "net1"}}, FloatingIP: FloatingIPSpec{Pools: []string{"public"}}}
	}
	var (
		mu       sync.Mutex
		wg       sync.WaitGroup
		got      = map[string]int{}
		failed   []error
		journals [5]MemoryJournal
	)
	for i := range 5 {
		// Each has a separate connection, as processes have.
		c := connect(t, f)
		if racy > 0 {
			// Far above the fake's pause, which takes longer on a busy machine.
			c.claimSettle = time.Second
		}
		wg.Go(func() {
			s, err := c.Create(t.Context(), spec(i), &journals[i], nil)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = append(failed, err)
				return
			}
			got[s.Address]++
		})
	}
	wg.Wait()
	if len(got) != 3 || len(failed) != 2 {
		t.Errorf("addresses %v, failures %v", got, failed)
	}
	for _, err := range failed {
		var e *session.Error
		if session.KindOf(err) != session.EmptyPool || !errors.As(err, &e) || !strings.Contains(e.Hint(), "allocate_floating_ip: true") {
			t.Errorf("%v", err)
		}
	}
	c := connect(t, f)
	for i := range journals {
		if err := c.Reclaim(t.Context(), &journals[i], ReclaimOptions{}, nil); err != nil {
			t.Error(err)
		}
	}
	if left := f.Left(); len(left) != 3 {
		t.Errorf("left: %v", left)
	}
	for _, x := range f.Fips {
		if x["port_id"] != nil {
			t.Errorf("still attached: %v", x)
		}
	}
}

func TestFixedFloatingIP(t *testing.T) {
	f := fakecloud.New(t)
	f.Fips["fip-a"] = map[string]any{"id": "fip-a", "floating_ip_address": "172.24.4.200", "floating_network_id": "net-public", "port_id": nil, "revision_number": 0}
	c := connect(t, f)
	spec := ServerSpec{Name: "one", Image: "ubuntu-14.04", Flavor: "m1.small", Nics: []Nic{{Network: "net1"}}, FloatingIP: FloatingIPSpec{Address: "172.24.4.200"}}
	var one, two, three MemoryJournal
	if s, err := c.Create(t.Context(), spec, &one, nil); err != nil || s.Address != "172.24.4.200" {
		t.Fatal(s, err)
	}
	spec.Name = "two"
	if _, err := c.Create(t.Context(), spec, &two, nil); len(f.Servers) != 1 || session.KindOf(err) != session.InUse || !strings.Contains(err.Error(), `"one"`) {
		t.Errorf("%v", err)
	}
	spec.FloatingIP.TakeOver = true
	if s, err := c.Create(t.Context(), spec, &two, nil); err != nil || s.Address != "172.24.4.200" {
		t.Errorf("%v, %v", s, err)
	}
	spec.Name, spec.FloatingIP.Address = "three", "172.24.4.201"
	if _, err := c.Create(t.Context(), spec, &three, nil); session.KindOf(err) != session.NotFound || !strings.Contains(err.(*session.Error).Hint(), "none of the project's addresses is free") {
		t.Errorf("%v", err)
	}
	for _, j := range []*MemoryJournal{&one, &two, &three} {
		if err := c.Reclaim(t.Context(), j, ReclaimOptions{}, nil); err != nil {
			t.Error(err)
		}
	}
	if left := f.Left(); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

func TestOrphansAreFoundByTheirMarks(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	for i, project := range []string{"mine-1", "other-2"} {
		s := fullSpec(t)
		s.Name, s.Project, s.Owner = fmt.Sprintf("web-%d", i), project, "default-ubuntu"
		if _, err := c.Create(t.Context(), s, &MemoryJournal{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	f.Mu.Lock()
	f.Servers["srv-stranger"] = map[string]any{"id": "srv-stranger", "name": "stranger", "status": "ACTIVE"}
	f.Keys["galley-by-hand"] = map[string]any{"name": "galley-by-hand"}
	f.Mu.Unlock()
	mine, err := c.Orphans(t.Context(), "mine-1")
	if err != nil || len(mine) != 1 || len(mine[0].Resources) != 5 || mine[0].Owner != "default-ubuntu" {
		t.Fatalf("%+v, %v", mine, err)
	}
	if err := c.ReclaimRecord(t.Context(), mine[0], nil); err != nil {
		t.Error(err)
	}
	all, err := c.Orphans(t.Context(), "")
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	if err := c.ReclaimRecord(t.Context(), all[0], nil); err != nil {
		t.Error(err)
	}
	if left := f.Left(); len(left) != 2 {
		t.Errorf("left: %v", left)
	}
}

func TestMisspelt(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	good := ServerSpec{Name: "web", Image: "ubuntu-14.04", Flavor: "m1.small", Nics: []Nic{{Network: "net1"}}}
	for name, c2 := range map[string]struct {
		change func(*ServerSpec)
		kind   session.Kind
		hint   string
	}{
		"image":    {func(s *ServerSpec) { s.Image = "ubuntu-1404" }, session.NotFound, `did you mean "ubuntu-14.04"`},
		"flavor":   {func(s *ServerSpec) { s.Flavor = "m1.smal" }, session.NotFound, `did you mean "m1.small"`},
		"network":  {func(s *ServerSpec) { s.Nics[0].Network = "net3" }, session.NotFound, `"net1" or "net2"`},
		"pool":     {func(s *ServerSpec) { s.FloatingIP = FloatingIPSpec{Pools: []string{"publik"}} }, session.NotFound, `did you mean "public"`},
		"no pool":  {func(s *ServerSpec) { s.FloatingIP = FloatingIPSpec{Pools: []string{"net1"}} }, session.Invalid, `"public"`},
		"key pair": {func(s *ServerSpec) { s.KeyName = "arnes" }, session.NotFound, "without key_name one is made"},
	} {
		s := good
		s.Nics = []Nic{{Network: "net1"}}
		c2.change(&s)
		j := &MemoryJournal{}
		_, err := c.Create(t.Context(), s, j, nil)
		var e *session.Error
		if session.KindOf(err) != c2.kind || !errors.As(err, &e) || !strings.Contains(e.Hint(), c2.hint) {
			t.Errorf("%s: %v, hint %v", name, err, e)
		}
		if rec, _ := j.Read(); rec != nil && len(rec.Resources) > 0 {
			t.Errorf("%s: recorded %+v", name, rec.Resources)
		}
	}
	if left := f.Left(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	// All that is misspelt is reported at once, with all hints.
	_, err := c.Create(t.Context(), ServerSpec{Name: "web", Image: "ubuntu-1404", Flavor: "m1.smal"}, &MemoryJournal{}, nil)
	var all session.Errors
	if !errors.As(err, &all) || len(all) != 2 || strings.Count(all.Hint(), "did you mean") != 2 {
		t.Errorf("%v", err)
	}
}

func TestWhatWasMadeTwiceIsRemoved(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	f.Mu.Lock()
	first := true
	f.Fault = func(_ int, method, path string) fakecloud.Mode {
		// The first server is made, its answer lost, and the cloud's list is
		// late: the request is repeated.
		if method == "POST" && path == "/nova/v2.1/servers" && first {
			first = false
			f.Hide = true
			return fakecloud.DropAfter
		}
		if method == "POST" && path == "/nova/v2.1/servers" {
			f.Hide = false
		}
		return fakecloud.Well
	}
	f.Mu.Unlock()
	rep := &recorder{}
	j := &MemoryJournal{}
	s, err := c.Create(t.Context(), ServerSpec{Name: "web", Image: "ubuntu-14.04", Flavor: "m1.small", Nics: []Nic{{Network: "net1"}}}, j, rep)
	if err != nil || s.Address == "" {
		t.Fatal(s, err)
	}
	if _, err := c.Servers(t.Context()); err != nil {
		t.Error(err)
	}
	if left := f.Left(); len(left) != 2 || !strings.Contains(rep.text(), "twice") {
		t.Errorf("exists: %v; said %q", left, rep.text())
	}
	if err := c.Reclaim(t.Context(), j, ReclaimOptions{}, nil); err != nil || len(f.Left()) != 0 {
		t.Errorf("%v, left %v", err, f.Left())
	}
}

// TestLateTwinIsRemoved holds that a second server of one request, which comes
// to be after the recorded one was removed, goes with the rest of the record.
func TestLateTwinIsRemoved(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	j := &MemoryJournal{}
	if _, err := c.Create(t.Context(), fullSpec(t), j, nil); err != nil {
		t.Fatal(err)
	}
	rec, err := j.Read()
	if err != nil {
		t.Fatal(err)
	}
	rec.Resources = slices.DeleteFunc(rec.Resources, func(r Resource) bool { return r.Kind == KindServer })
	if err := j.Write(rec); err != nil {
		t.Fatal(err)
	}
	if err := c.Reclaim(t.Context(), j, ReclaimOptions{}, nil); err != nil || len(f.Left()) != 0 {
		t.Errorf("%v, left %v", err, f.Left())
	}
}

func TestHostKeysAreReadOnce(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	f.Servers["a"] = map[string]any{"id": "a", "name": "web", "status": "ACTIVE"}
	for range 5 {
		if keys, err := c.HostKeys(t.Context(), "a"); len(keys) != 0 || err != nil {
			t.Error(keys, err)
		}
	}
	c.consoles.seen["a"].at = time.Time{}
	f.Mu.Lock()
	f.Console = "-----BEGIN SSH HOST KEY KEYS-----\n" + edKey + " root@web\n-----END SSH HOST KEY KEYS-----\n"
	f.Mu.Unlock()
	for range 5 {
		if keys, err := c.HostKeys(t.Context(), "a"); len(keys) != 1 || keys[0] != edKey || err != nil {
			t.Error(keys, err)
		}
	}
	if n := f.Count("POST", "/nova/v2.1/servers/a/action"); n != 2 {
		t.Errorf("%d looks at the console", n)
	}
}

func TestServersAreFound(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	for id, name := range map[string]string{"a": "web", "b": "web", "c": "db"} {
		f.Servers[id] = map[string]any{"id": id, "name": name, "status": "ACTIVE", "image": "", "flavor": map[string]any{"id": "2"}}
	}
	if s, err := c.Server(t.Context(), "db"); err != nil || s.ID != "c" || s.Flavor != "2" {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := c.Server(t.Context(), "a"); err != nil || s.ID != "a" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := c.Server(t.Context(), "web"); session.KindOf(err) != session.Ambiguous {
		t.Errorf("%v", err)
	}
	if _, err := c.Server(t.Context(), "wbe"); session.KindOf(err) != session.NotFound || !strings.Contains(err.(*session.Error).Hint(), `"web"`) {
		t.Errorf("%v", err)
	}
	if err := c.DeleteServer(t.Context(), "c", "db", nil); err != nil {
		t.Error(err)
	}
	if err := c.DeleteServer(t.Context(), "c", "db", nil); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

// An address that was taken from another server goes back to it when the
// taker does not come about, and stays with a taker that did.
func TestTakenFloatingIPIsGivenBack(t *testing.T) {
	f := fakecloud.New(t)
	f.Fips["f-1"] = map[string]any{"id": "f-1", "floating_ip_address": "172.24.4.200", "floating_network_id": "net-public", "port_id": nil, "revision_number": 0}
	c := connect(t, f)
	spec := ServerSpec{Name: "one", Image: "ubuntu-14.04", Flavor: "m1.small", Nics: []Nic{{Network: "net1"}}, FloatingIP: FloatingIPSpec{Address: "172.24.4.200", TakeOver: true}}
	var one, two MemoryJournal
	if _, err := c.Create(t.Context(), spec, &one, nil); err != nil {
		t.Fatal(err)
	}
	holder := func() any {
		f.Mu.Lock()
		defer f.Mu.Unlock()
		return f.Fips["f-1"]["port_id"]
	}
	first := holder()
	for _, tc := range []struct{ complete, portGoneFirst bool }{{false, false}, {false, true}, {true, false}} {
		spec.Name = "two"
		s, err := c.Create(t.Context(), spec, &two, nil)
		if err != nil || s.FloatingNetwork != "net1" || holder() == first {
			t.Fatalf("%+v, %v", s, err)
		}
		rec, _ := two.Read()
		rec.Complete = tc.complete
		if err := two.Write(rec); err != nil {
			t.Fatal(err)
		}
		if tc.portGoneFirst {
			f.Mu.Lock()
			f.Fips["f-1"]["port_id"] = nil
			f.Mu.Unlock()
		}
		rep := &recorder{}
		if err := c.Reclaim(t.Context(), &two, ReclaimOptions{}, rep); err != nil {
			t.Fatal(err)
		}
		if got := holder(); tc.complete && got != nil && got != "" || !tc.complete && got != first {
			t.Errorf("%+v: the address is on %v, was on %v\n%s", tc, got, first, rep.text())
		}
	}
}

func TestFloatingIPOfAnyPool(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	spec := ServerSpec{Name: "one", Image: "ubuntu-14.04", Flavor: "m1.small", Nics: []Nic{{Network: "net1"}}, FloatingIP: FloatingIPSpec{AnyPool: true, AllocateIfNone: true}, Address: AddressChoice{None: true}}
	var j MemoryJournal
	s, err := c.Create(t.Context(), spec, &j, nil)
	if err != nil || s.FloatingIP == "" || s.Address != s.FloatingIP {
		t.Fatalf("%+v, %v", s, err)
	}
	if err := c.Reclaim(t.Context(), &j, ReclaimOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if left := f.Left(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	// A cloud without a pool is reported before a server is created.
	f.Mu.Lock()
	for _, n := range f.Networks {
		n["router:external"] = false
	}
	f.Mu.Unlock()
	c.Forget()
	if _, err := c.Create(t.Context(), spec, &j, nil); session.KindOf(err) != session.NotFound || len(f.Servers) != 0 {
		t.Errorf("%v", err)
	}
}

// What the request for a server has beside the usual.
func TestServerAttributes(t *testing.T) {
	f := fakecloud.New(t)
	var asked map[string]any
	f.Hook = func(map[string]any) {
		asked = f.Bodies[len(f.Bodies)-1]
	}
	c := connect(t, f)
	spec := ServerSpec{
		Name: "one", Image: "ubuntu-14.04", Flavor: "m1.small", Tags: []string{"web"},
		AccessIPv4: "192.0.2.1", AdminPass: "pw", DiskConfig: "MANUAL", Hostname: "h", Address: AddressChoice{None: true},
	}
	if _, err := c.Create(t.Context(), spec, &MemoryJournal{}, nil); err != nil {
		t.Fatal(err)
	}
	got, _ := asked["server"].(map[string]any)
	for key, want := range map[string]any{"accessIPv4": "192.0.2.1", "adminPass": "pw", "OS-DCF:diskConfig": "MANUAL", "hostname": "h", "networks": "auto"} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
}
