package kitchen_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

func TestOwed(t *testing.T) {
	const (
		none = kitchen.Action("")
		c    = kitchen.Create
		v    = kitchen.Converge
		s    = kitchen.Setup
		y    = kitchen.Verify
		d    = kitchen.Destroy
	)
	for _, tt := range []struct {
		last, wanted kitchen.Action
		want         []kitchen.Action
	}{
		{none, c, []kitchen.Action{c}},
		{none, v, []kitchen.Action{c, v}},
		{none, y, []kitchen.Action{c, v, s, y}},
		{c, y, []kitchen.Action{v, s, y}},
		{v, v, []kitchen.Action{v}},
		{y, c, []kitchen.Action{c}},
		{y, s, []kitchen.Action{s}},
		{s, y, []kitchen.Action{y}},
		{none, d, []kitchen.Action{d}},
		{y, d, []kitchen.Action{d}},
		{"from_the_future", v, []kitchen.Action{c, v}},
	} {
		if diff := cmp.Diff(tt.want, kitchen.Owed(tt.last, tt.wanted)); diff != "" {
			t.Errorf("from %q to %q:\n%s", tt.last, tt.wanted, diff)
		}
	}
}

func TestSelect(t *testing.T) {
	k := &kitchen.Kitchen{}
	for _, n := range []string{"default-ubuntu-1404", "default-centos-7", "web-centos-7", "web"} {
		k.Instances = append(k.Instances, &kitchen.Instance{Name: n})
	}
	for _, tt := range []struct {
		args string
		want string
	}{
		{"", "default-ubuntu-1404 default-centos-7 web-centos-7 web"},
		{"all", "default-ubuntu-1404 default-centos-7 web-centos-7 web"},
		{"web", "web"}, // the exact name wins over the regular expression
		{"centos", "default-centos-7 web-centos-7"},
		{"^web", "web-centos-7 web"},
		{"web-centos-7 default-ubuntu-1404", "default-ubuntu-1404 web-centos-7"},
		{"web web web-.*", "web-centos-7 web"},
	} {
		got, err := k.Select(strings.Fields(tt.args)...)
		if err != nil {
			t.Errorf("%q: %v", tt.args, err)
			continue
		}
		var names []string
		for _, i := range got {
			names = append(names, i.Name)
		}
		if diff := cmp.Diff(tt.want, strings.Join(names, " ")); diff != "" {
			t.Errorf("%q:\n%s", tt.args, diff)
		}
	}
	for _, args := range [][]string{{"WEB"}, {"nope"}, {"web", "nope"}, {"web["}} {
		_, err := k.Select(args...)
		var sel *kitchen.SelectError
		if !errors.As(err, &sel) {
			t.Errorf("%q: got %v, want a SelectError", args, err)
		}
	}
}

// fake is a driver, a transport and a connection whose steps are recorded and
// can be made to fail.
type fake struct {
	mu   sync.Mutex
	log  []string
	fail map[string]error
	// address is what Create records; empty for Test Kitchen's worst fault.
	address string
	// on is called when a step begins.
	on func(step string)
}

func (f *fake) did(ctx context.Context, step string) error {
	if f.on != nil {
		f.on(step)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, step)
	if err := f.fail[step]; err != nil {
		return err
	}
	return ctx.Err()
}

func (f *fake) steps() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.log...)
}

func (f *fake) Create(ctx context.Context, s *kitchen.Step) error {
	if err := f.did(ctx, "create"); err != nil {
		return err
	}
	s.State.Set(kitchen.KeyServerID, "id-1")
	s.State.Set(kitchen.KeyHostname, f.address)
	return s.State.Save()
}

func (f *fake) Destroy(ctx context.Context, s *kitchen.Step) error {
	if err := f.did(ctx, "destroy"); err != nil {
		return err
	}
	s.State.Delete(kitchen.KeyServerID, kitchen.KeyHostname)
	return nil
}

func (f *fake) Finish(ctx context.Context, s *kitchen.Step, c kitchen.Conn) error {
	return f.did(ctx, "finish")
}

func (f *fake) FailureDetail(context.Context, *kitchen.Step) string { return "console: kernel panic" }

func (f *fake) Wait(ctx context.Context, s *kitchen.Step) error { return f.did(ctx, "wait") }

func (f *fake) Connect(ctx context.Context, s *kitchen.Step) (kitchen.Conn, error) {
	if err := f.did(ctx, "connect"); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *fake) Run(ctx context.Context, c kitchen.Command) (int, error) {
	fmt.Fprintln(c.Stdout, "ran "+c.Line)
	err := f.did(ctx, "run "+c.Line)
	if strings.HasPrefix(c.Line, "exit ") {
		return 3, err
	}
	return 0, err
}
func (f *fake) Upload(context.Context, fs.FS, string) error          { return nil }
func (f *fake) Download(context.Context, string, string) error       { return nil }
func (f *fake) Shell(context.Context, kitchen.Terminal) (int, error) { return 0, nil }
func (f *fake) Close() error                                         { return f.did(context.Background(), "close") }

func (f *fake) Converge(ctx context.Context, s *kitchen.Step, c kitchen.Conn) error {
	return f.did(ctx, "converge")
}

func (f *fake) Verify(ctx context.Context, s *kitchen.Step, c kitchen.Conn) error {
	return f.did(ctx, "verify")
}

func newKitchen(f *fake, names ...string) (*kitchen.Kitchen, *kitchentest.Store) {
	store := &kitchentest.Store{}
	k := &kitchen.Kitchen{Store: store, Bus: kitchen.NewBus()}
	for i, n := range names {
		k.Instances = append(k.Instances, &kitchen.Instance{
			Name: n, Platform: "ubuntu-14.04", Index: i, Driver: f, Transport: f, Provisioner: f, Verifier: f,
		})
	}
	return k, store
}

func run(t *testing.T, k *kitchen.Kitchen, a kitchen.Action) error {
	t.Helper()
	return k.Run(t.Context(), kitchen.Request{Action: a, Instances: k.Instances})
}

func TestLifecycleRunsWhatIsOwedOverOneConnection(t *testing.T) {
	f := &fake{address: "192.0.2.1"}
	k, store := newKitchen(f, "a")
	if err := run(t, k, kitchen.Verify); err != nil {
		t.Fatal(err)
	}
	want := []string{"create", "wait", "connect", "finish", "converge", "verify", "close"}
	if diff := cmp.Diff(want, f.steps()); diff != "" {
		t.Error(diff)
	}
	st, _ := store.Load("a")
	if st.LastAction() != kitchen.Verify || st.Get(kitchen.KeyLastError) != nil {
		t.Errorf("state is %q, %v", st.LastAction(), st.Get(kitchen.KeyLastError))
	}
	if err := run(t, k, kitchen.Destroy); err != nil {
		t.Fatal(err)
	}
	if left := store.Instances(); left != nil {
		t.Errorf("left after destroy: %v", left)
	}
}

func TestRestartAtTheEndOfTheFirstBoot(t *testing.T) {
	f := &fake{address: "192.0.2.1", fail: map[string]error{"finish": errors.New("the connection was lost")}}
	f.on = func(step string) {
		if step == "close" {
			delete(f.fail, "finish")
		}
	}
	k, _ := newKitchen(f, "a")
	if err := run(t, k, kitchen.Create); err != nil {
		t.Fatal(err)
	}
	want := []string{"create", "wait", "connect", "finish", "close", "wait", "connect", "finish", "close"}
	if diff := cmp.Diff(want, f.steps()); diff != "" {
		t.Error(diff)
	}
}

func TestFailedCreateIsTakenBack(t *testing.T) {
	unreachable := errors.New("no route to host")
	f := &fake{address: "192.0.2.1", fail: map[string]error{"wait": unreachable}}
	k, store := newKitchen(f, "a")
	err := run(t, k, kitchen.Create)
	if !errors.Is(err, unreachable) || !strings.Contains(err.Error(), "kernel panic") {
		t.Errorf("got %v, want the reason with the console's end", err)
	}
	if diff := cmp.Diff([]string{"create", "wait", "destroy"}, f.steps()); diff != "" {
		t.Error(diff)
	}
	st, _ := store.Load("a")
	if st.String(kitchen.KeyServerID) != "" || st.LastAction() != "" || st.String(kitchen.KeyLastError) != "Kitchen::ActionFailed" {
		t.Errorf("state: server %q, last action %q, last error %q", st.String(kitchen.KeyServerID), st.LastAction(), st.String(kitchen.KeyLastError))
	}
}

func TestFailedCreateIsKeptOnRequest(t *testing.T) {
	f := &fake{address: "192.0.2.1", fail: map[string]error{"wait": errors.New("no")}}
	k, _ := newKitchen(f, "a")
	if err := k.Run(t.Context(), kitchen.Request{Action: kitchen.Create, Instances: k.Instances, KeepOnFailure: true}); err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff([]string{"create", "wait"}, f.steps()); diff != "" {
		t.Error(diff)
	}
}

func TestMachineThatWasThereBeforeIsNotTakenBack(t *testing.T) {
	f := &fake{address: "192.0.2.1"}
	k, _ := newKitchen(f, "a")
	if err := run(t, k, kitchen.Create); err != nil {
		t.Fatal(err)
	}
	f.fail = map[string]error{"wait": errors.New("it is rebooting")}
	f.log = nil
	if err := run(t, k, kitchen.Create); err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff([]string{"create", "wait"}, f.steps()); diff != "" {
		t.Error(diff)
	}
}

func TestEmptyAddressIsAnErrorEverywhere(t *testing.T) {
	f := &fake{}
	k, store := newKitchen(f, "a")
	var noAddress *kitchen.NoAddressError
	if err := run(t, k, kitchen.Converge); !errors.As(err, &noAddress) {
		t.Errorf("create: got %v", err)
	}
	// The state that Test Kitchen leaves after a failed create.
	st, _ := store.Load("a")
	st.Set(kitchen.KeyServerID, "x")
	st.Set(kitchen.KeyLastAction, "create")
	if err := st.Save(); err != nil {
		t.Fatal(err)
	}
	if err := run(t, k, kitchen.Converge); !errors.As(err, &noAddress) {
		t.Errorf("converge: got %v", err)
	}
	if _, err := k.Connect(t.Context(), k.Instances[0]); !errors.As(err, &noAddress) {
		t.Errorf("connect: got %v", err)
	}
	for _, s := range f.steps() {
		if s == "connect" || s == "converge" {
			t.Errorf("%s was tried without an address", s)
		}
	}
}

func TestLoginBeforeCreate(t *testing.T) {
	k, _ := newKitchen(&fake{}, "a")
	_, err := k.Connect(t.Context(), k.Instances[0])
	var notCreated *kitchen.NotCreatedError
	if !errors.As(err, &notCreated) || !strings.Contains(kitchen.Hint(err), "galley create a") {
		t.Errorf("got %v (hint %q)", err, kitchen.Hint(err))
	}
}

func TestOneFailureDoesNotStopTheOthers(t *testing.T) {
	var begun []string
	f := &fake{address: "192.0.2.1", fail: map[string]error{"create": errors.New("quota")}}
	k, _ := newKitchen(f, "a", "b", "c")
	k.Bus = kitchen.NewBus(func(e kitchen.Event) {
		if e.Kind == kitchen.StepStarted {
			begun = append(begun, e.Instance)
		}
	})
	err := run(t, k, kitchen.Create)
	var re *kitchen.RunError
	if !errors.As(err, &re) || len(re.Failures) != 3 || len(begun) != 3 {
		t.Errorf("got %v, begun %v", err, begun)
	}
}

func TestFailFastBeginsNoOther(t *testing.T) {
	f := &fake{address: "192.0.2.1", fail: map[string]error{"create": errors.New("quota")}}
	k, _ := newKitchen(f, "a", "b", "c", "d", "e")
	err := k.Run(t.Context(), kitchen.Request{Action: kitchen.Create, Instances: k.Instances, FailFast: true})
	var re *kitchen.RunError
	if !errors.As(err, &re) {
		t.Fatal(err)
	}
	// One may have been handed over while the first was failing.
	if len(re.Failures) > 2 || len(re.Failures)+len(re.Skipped) != 5 {
		t.Errorf("%d failed, %d skipped", len(re.Failures), len(re.Skipped))
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	gate := make(chan struct{})
	var open sync.Once
	f := &fake{address: "192.0.2.1"}
	f.on = func(step string) {
		switch step {
		case "create":
			mu.Lock()
			now++
			most = max(most, now)
			if now == 3 {
				open.Do(func() { close(gate) })
			}
			mu.Unlock()
			<-gate
		case "finish":
			mu.Lock()
			now--
			mu.Unlock()
		}
	}
	k, _ := newKitchen(f, "a", "b", "c", "d", "e", "f")
	if err := k.Run(t.Context(), kitchen.Request{Action: kitchen.Create, Instances: k.Instances, Concurrency: 3}); err != nil {
		t.Fatal(err)
	}
	if most != 3 {
		t.Errorf("%d at once, want 3", most)
	}
}

func TestCancelTakesBackAndSkipsTheRest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fake{address: "192.0.2.1"}
	f.on = func(step string) {
		if step == "wait" {
			cancel()
		}
	}
	k, _ := newKitchen(f, "a", "b")
	err := k.Run(ctx, kitchen.Request{Action: kitchen.Create, Instances: k.Instances})
	var re *kitchen.RunError
	if !errors.As(err, &re) || len(re.Failures) != 1 || len(re.Skipped) != 1 || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff([]string{"create", "wait", "destroy"}, f.steps()); diff != "" {
		t.Error(diff)
	}
}

func TestHooks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the hooks below are lines for a POSIX shell")
	}
	f := &fake{address: "192.0.2.1"}
	k, _ := newKitchen(f, "a")
	root := t.TempDir()
	var lines []string
	k.Bus = kitchen.NewBus(func(e kitchen.Event) {
		if e.Kind == kitchen.Output {
			lines = append(lines, e.Text)
		}
	})
	inst := k.Instances[0]
	inst.Root, inst.Suite = root, "default"
	inst.Hooks = map[string][]kitchen.Hook{
		"pre_create": {
			{Local: `echo pre $KITCHEN_INSTANCE_NAME $KITCHEN_SUITE_NAME $X; pwd`, Environment: map[string]string{"X": "y z"}},
			{Local: "echo never", Excludes: []kitchen.Pattern{kitchen.Name("debian-12"), kitchen.Name("ubuntu-14.04")}},
			{Local: "echo never", Includes: []kitchen.Pattern{kitchen.Name("centos-7")}},
			{Remote: "too early", Skippable: true},
		},
		"post_create":    {{Remote: "true"}, {Remote: "exit 3", Skippable: true}, {Remote: "exit 3"}, {Remote: "not reached"}},
		"finally_create": {{Local: "echo finally $KITCHEN_INSTANCE_HOSTNAME", Includes: []kitchen.Pattern{kitchen.Name("ubuntu-14.04")}}},
	}
	err := run(t, k, kitchen.Create)
	var exit *kitchen.ExitError
	if !errors.As(err, &exit) || exit.Status != 3 {
		t.Errorf("got %v, want the failed hook", err)
	}
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"pre a default y z", real, "ran true", "ran exit 3", "ran exit 3", "finally 192.0.2.1"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}

func TestOutputIsToldInWholeLines(t *testing.T) {
	var lines []string
	bus := kitchen.NewBus(func(e kitchen.Event) { lines = append(lines, e.Text) })
	w := bus.Reporter("a", 0, kitchen.Converge).Output()
	for _, s := range []string{"on", "e\r\ntwo\n", "\nfo", "ur"} {
		if _, err := w.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	if diff := cmp.Diff([]string{"one", "two", "", "four"}, lines); diff != "" {
		t.Error(diff)
	}
}

// A command that prints without an end does not fill the logs, in one line or in
// short ones: the output ends with a note.
func TestOutputEnds(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("x", 1<<20), strings.Repeat("y\n", 1<<10)} {
		size, last := 0, ""
		bus := kitchen.NewBus(func(e kitchen.Event) {
			size += len(e.Text) + 100 // what a log writes before a line
			last = e.Text
		})
		w := bus.Reporter("a", 0, kitchen.Converge).Output()
		const most = 128 << 20
		for range 2 * most / len(text) {
			if _, err := io.WriteString(w, text); err != nil {
				t.Fatal(err)
			}
		}
		w.Close()
		if size < most-2<<20 || size > most+1<<20 || !strings.Contains(last, "more than 128 MiB in the log") {
			t.Errorf("%d bytes of output were reported; the last: %.80q", size, last)
		}
	}
}

// TestEventsKnowTheirRunSessionAndStep: the identifiers are Test Kitchen's,
// and so are the keys under which the state keeps them.
func TestEventsKnowTheirRunSessionAndStep(t *testing.T) {
	f := &fake{address: "192.0.2.1"}
	k, store := newKitchen(f, "a")
	var events []kitchen.Event
	k.Bus = kitchen.NewBus(func(e kitchen.Event) { events = append(events, e) })
	if err := run(t, k, kitchen.Converge); err != nil {
		t.Fatal(err)
	}
	st, _ := store.Load("a")
	session := st.String(kitchen.KeySession)
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(session) {
		t.Errorf("session %q is no UUID", session)
	}
	steps := map[string]kitchen.Action{}
	for _, e := range events {
		if e.Run == "" || e.Run != k.Bus.Run() {
			t.Errorf("%s: run %q", e.Kind, e.Run)
		}
		if e.Instance == "" {
			continue
		}
		if e.Session != session || e.Step == "" {
			t.Errorf("%s: session %q, step %q", e.Kind, e.Session, e.Step)
		}
		steps[e.Step] = e.Action
	}
	if len(steps) != 2 || steps[st.String(kitchen.KeyLastStep)] != kitchen.Converge {
		t.Errorf("steps %v, the last being %q", steps, st.String(kitchen.KeyLastStep))
	}
	if st.String(kitchen.KeyLastRun) != k.Bus.Run() || st.String(kitchen.KeyLastAttempted) != "converge" {
		t.Errorf("state %q %q", st.String(kitchen.KeyLastRun), st.String(kitchen.KeyLastAttempted))
	}

	// Another process goes on in the same session; a new machine has its own.
	events, k.Bus = nil, kitchen.NewBus(func(e kitchen.Event) { events = append(events, e) })
	if err := run(t, k, kitchen.Destroy); err != nil {
		t.Fatal(err)
	}
	if e := events[1]; e.Session != session || e.Run == st.String(kitchen.KeyLastRun) {
		t.Errorf("destroy: session %q, run %q", e.Session, e.Run)
	}
	if err := run(t, k, kitchen.Create); err != nil {
		t.Fatal(err)
	}
	if st, _ := store.Load("a"); st.String(kitchen.KeySession) == session {
		t.Error("a new machine has the old one's session")
	}
}

func TestSkippedInstancesAreReported(t *testing.T) {
	f := &fake{address: "192.0.2.1", fail: map[string]error{"create": errors.New("no")}}
	k, _ := newKitchen(f, "a", "b", "c")
	var skipped []string
	k.Bus = kitchen.NewBus(func(e kitchen.Event) {
		if e.Kind == kitchen.Skipped {
			skipped = append(skipped, e.Instance+" "+string(e.Action)+": "+e.Text)
		}
	})
	if err := k.Run(t.Context(), kitchen.Request{Action: kitchen.Create, Instances: k.Instances, FailFast: true}); err == nil {
		t.Fatal("no error")
	}
	slices.Sort(skipped) // a worker and the queue may skip one each
	want := []string{"b create: another instance failed", "c create: another instance failed"}
	if diff := cmp.Diff(want, skipped); diff != "" {
		t.Error(diff)
	}
	skipped = nil
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Run(ctx, kitchen.Request{Action: kitchen.Create, Instances: k.Instances[:1]}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]string{"a create: the run was interrupted"}, skipped); diff != "" {
		t.Error(diff)
	}
}
