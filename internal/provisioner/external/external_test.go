package external_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/provisioner/external"
	"github.com/galleyhq/galley/internal/testing/providertest"
	"github.com/galleyhq/galley/kitchen"
)

const canary = "canary-5f1c-secret"

// goodCapabilities is the answer of a provider that keeps to the protocol.
var goodCapabilities = func() string {
	out, err := json.Marshal(external.NewCapabilities("fake", "1.0", "ssh", "custom"))
	if err != nil {
		panic(err)
	}
	return string(out)
}()

// provider writes a provider program in shell; each argument is what an
// operation does, "" for the correct answer.
func provider(t *testing.T, capabilities, validate, run string) string {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("the providers of this test are written for sh")
	}
	or := func(s, def string) string {
		if s == "" {
			return def
		}
		return s
	}
	script := fmt.Sprintf(`#!/bin/sh
cat >"$0.$1"
env >"$0.env"
case $1 in
capabilities)
%s
;;
validate)
%s
;;
run)
%s
;;
esac
`, or(capabilities, "echo '"+goodCapabilities+"'"),
		or(validate, `echo '{"protocol_version":"1.0","status":"ok","warnings":[{"message":"careful"}]}'`),
		or(run, `echo '{"protocol_version":"1.0","type":"log","level":"info","message":"installing"}'
echo
echo '{"protocol_version":"1.0","type":"progress","stage":"converge","message":"half way"}'
printf '{"protocol_version":"1.0","type":"result","status":"passed","state":{"provider":{"id":"abc"}}}'`))
	path := filepath.Join(t.TempDir(), "kitchen-provider-fake")
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

type outcome struct {
	err    error
	lines  []string
	state  *kitchen.State
	events []kitchen.Event
}

func converge(t *testing.T, settings map[string]any, login *base.Login) outcome {
	t.Helper()
	key := filepath.Join(t.TempDir(), "id_test")
	if err := os.WriteFile(key, []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n"+canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := external.Options{
		Options: base.Options{
			Instance: "default-debian-12", Suite: "default", Platform: "debian-12", OSType: "unix", ShellType: "bourne",
			Root: t.TempDir(), Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "MY_TOKEN=" + canary, "OS_PASSWORD=" + canary},
		},
		Version: "9.9", Transport: "ssh", Driver: "openstack", Verifier: "busser",
	}
	if login != nil {
		login.Keys = []string{key}
		o.Login = func(*kitchen.State) (base.Login, error) { return *login, nil }
	} else {
		o.Transport = "dummy"
	}
	settings["name"] = "external"
	p, err := external.New(config.NewSection(settings), o)
	if err != nil {
		return outcome{err: err}
	}
	out := outcome{state: kitchen.NewState(nil)}
	bus := kitchen.NewBus(func(e kitchen.Event) {
		out.events = append(out.events, e)
		out.lines = append(out.lines, string(e.Kind)+": "+e.Text)
	})
	out.state.Set(kitchen.KeyLastAction, "create")
	step := &kitchen.Step{Action: kitchen.Converge, State: out.state, Report: bus.Reporter("default-debian-12", 0, kitchen.Converge)}
	out.err = p.Converge(t.Context(), step, nil)
	return out
}

func TestConverge(t *testing.T) {
	path := provider(t, "", "", "")
	out := converge(t, map[string]any{"command": path, "run_list": []any{"recipe[a]"}, "pass_env": []any{"MY_TOKEN"}},
		&base.Login{Host: "192.0.2.7", Port: 2222, User: "debian", Password: canary + "pw", Gateway: "jump", GatewayPort: 2200, GatewayUser: "me"})
	if out.err != nil {
		t.Fatal(out.err)
	}
	shown := strings.Join(out.lines, "\n")
	for _, want := range []string{"warn: fake: careful", "info: installing", "info: [converge] half way"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is missing from\n%s", want, shown)
		}
	}
	if got := fmt.Sprint(out.state.Get("providers")); got != "map[fake:map[id:abc]]" {
		t.Errorf("the state is %s", got)
	}
	text, err := os.ReadFile(path + ".run")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), canary) {
		t.Errorf("a secret is in the request: %s", text)
	}
	var r external.Request
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	c := r.Components
	if r.Operation != "run" || c.Transport.Target.Hostname != "192.0.2.7" || fmt.Sprint(c.Transport.Config["port"]) != "2222" ||
		c.Transport.Secrets["private_key"] != "KITCHEN_TRANSPORT_SSH_KEY" || c.Provisioner.Provider != "fake" ||
		fmt.Sprint(c.Provisioner.Config) != "map[run_list:[recipe[a]]]" || *r.Instance.LastAction != "create" {
		t.Errorf("the request is %s", text)
	}
	environment, err := os.ReadFile(path + ".env")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"MY_TOKEN=" + canary, "KITCHEN_TRANSPORT_PASSWORD=" + canary + "pw", "KITCHEN_TRANSPORT_SSH_KEY=-----BEGIN"} {
		if !strings.Contains(string(environment), want) {
			t.Errorf("%q is missing from the provider's environment", want)
		}
	}
	if strings.Contains(string(environment), "OS_PASSWORD") {
		t.Error("a variable that pass_env does not name has reached the provider")
	}
}

func TestStateComesBack(t *testing.T) {
	path := provider(t, "", "", "")
	for range 2 {
		out := converge(t, map[string]any{"command": path}, nil)
		if out.err != nil {
			t.Fatal(out.err)
		}
	}
	text, err := os.ReadFile(path + ".run")
	if err != nil || strings.Contains(string(text), `"user_allowed":null`) {
		t.Errorf("%v: %s", err, text)
	}
}

// TestMisbehaviour holds that each fault of a provider is one sentence that
// names the fault.
func TestMisbehaviour(t *testing.T) {
	event := func(fields string) string {
		return `echo '{"protocol_version":"1.0",` + fields + `}'`
	}
	result := "\n" + event(`"type":"result","status":"passed"`)
	for _, c := range []struct {
		name                        string
		capabilities, validate, run string
		want                        string
	}{
		{name: "wrong version", capabilities: `echo '{"protocol_version":"2.0"}'`, want: `speaks version "2.0" of the protocol, and Galley 1.0`},
		{name: "no operations", capabilities: `echo '{"protocol_version":"1.0","commands":["run"]}'`, want: "does not support the operation validate"},
		{name: "other transport", capabilities: `echo '{"protocol_version":"1.0","commands":["run","validate"],"supported_transports":["winrm"]}'`, want: "does not support the transport custom, only winrm"},
		{name: "garbage capabilities", capabilities: "echo hello", want: "did not answer with JSON"},
		{name: "silent capabilities", capabilities: "exit 0", want: "did not answer with JSON"},
		{name: "endless capabilities", capabilities: "yes x | head -c 3000000", want: "answered with more than"},
		{name: "failing capabilities", capabilities: "echo broken >&2; exit 3", want: "(capabilities) ended with status 3: broken"},
		{name: "refusal", validate: `echo '{"protocol_version":"1.0","status":"error","errors":[{"message":"no run list"}]}'`, want: "refuses instance <default-debian-12>: no run list"},
		{name: "no result", run: event(`"type":"log","level":"info","message":"x"`), want: "ended without a result event"},
		{name: "garbage event", run: "echo '{not json'" + result, want: "wrote what is not an event in line 1: {not json"},
		{name: "unknown event", run: event(`"type":"dance"`) + result, want: `unknown type "dance" in line 1`},
		{name: "unknown level", run: event(`"type":"log","level":"loud"`) + result, want: `unknown level "loud"`},
		{name: "unknown status", run: event(`"type":"result","status":"fine"`), want: `unknown status "fine"`},
		{name: "event of another version", run: `echo '{"protocol_version":"0.9","type":"log","level":"info"}'` + result, want: `speaks version "0.9" of the protocol in line 1`},
		{name: "after the result", run: strings.TrimSpace(result) + result, want: "a further event after its result, in line 2"},
		{name: "status", run: "echo exploded >&2; exit 17", want: "(run) ended with status 17: exploded"},
		{name: "long line", run: "yes x | tr -d '\\n' | head -c 3000000", want: "wrote a line of more than"},
		{name: "failed converge", run: event(`"type":"result","status":"failed","message":"recipe a failed"`), want: "the external provider fake failed: recipe a failed"},
		{name: "secret in state", run: `printf '{"protocol_version":"1.0","type":"result","status":"passed","state":{"provider":{"x":"%s"}}}' "$MY_TOKEN"`, want: "returned a state that holds a secret, which is not saved"},
		{name: "secret in failure", run: `printf '{"protocol_version":"1.0","type":"result","status":"failed","message":"bad %s"}' "$MY_TOKEN"`, want: "failed: bad [redacted]"},
		{name: "secret on standard error", run: `echo "$MY_TOKEN" >&2; exit 2`, want: "ended with status 2: [redacted]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out := converge(t, map[string]any{"command": provider(t, c.capabilities, c.validate, c.run), "pass_env": []any{"MY_TOKEN"}}, nil)
			if out.err == nil || !strings.Contains(out.err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", out.err, c.want)
			}
			if text := fmt.Sprint(out.err, out.lines); strings.Contains(text, canary) {
				t.Errorf("a secret shows: %s", text)
			}
		})
	}
}

func TestAProviderThatNeverEnds(t *testing.T) {
	began := time.Now()
	out := converge(t, map[string]any{"command": provider(t, "", "", "sleep 600"), "timeout": 1}, nil)
	if out.err == nil || !strings.Contains(out.err.Error(), "did not end within 1s") || time.Since(began) > time.Minute {
		t.Errorf("got %v after %s", out.err, time.Since(began))
	}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		settings map[string]any
		want     string
	}{
		{map[string]any{}, "no command is named"},
		{map[string]any{"command": "x 'y"}, "the provider's command"},
		{map[string]any{"command": "x", "api_token": canary}, "has no secrets in its JSON"},
		{map[string]any{"command": "x", "vault": map[string]any{"password": canary}}, "provisioner.vault.password"},
		{map[string]any{"command": "/nonexistent/provider"}, "there is no such program"},
	} {
		out := converge(t, c.settings, nil)
		if out.err == nil || !strings.Contains(out.err.Error(), c.want) || strings.Contains(out.err.Error(), canary) {
			t.Errorf("%v: got %v, want %s", c.settings, out.err, c.want)
		}
	}
	var hinted interface{ Hint() string }
	if out := converge(t, map[string]any{}, nil); !errors.As(out.err, &hinted) || hinted.Hint() == "" {
		t.Errorf("%v has no hint", out.err)
	}
}

// TestTheTestProviderConforms holds the conformance check and the provider of
// these tests against each other: the one finds nothing in the other, and
// something in each that misbehaves.
func TestTheTestProviderConforms(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// This provider takes any request, which the check must notice.
	problems := providertest.Conform(ctx, []string{provider(t, "", "", "")}, external.Request{}, canary)
	if len(problems) != 2 || !strings.Contains(fmt.Sprint(problems), "another version") {
		t.Errorf("got %v", problems)
	}
	for _, run := range []string{"exit 1", "echo '{}'", "true", `echo '{"protocol_version":"1.0","type":"result","status":"passed","odd":1}'`} {
		if more := providertest.Conform(ctx, []string{provider(t, "", "", run)}, external.Request{}, canary); len(more) <= len(problems) && run != "exit 1" {
			t.Errorf("nothing found in a provider that runs %s: %v", run, more)
		}
	}
}
