package provider_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/provider"
	"github.com/galleyhq/galley/internal/provisioner/external"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/testing/providertest"
)

const canary = "canary-77aa-secret"

// request is what a host sends for an instance that cannot be reached: nothing
// listens on port 1 of loopback.
func request(t *testing.T) external.Request {
	t.Helper()
	return external.Request{
		ProtocolVersion: external.Version, Operation: external.OpValidate,
		Kitchen:  external.Kitchen{Version: "4.1.0", RootPath: t.TempDir()},
		Instance: external.Instance{Name: "default-debian-12"},
		Platform: external.Platform{Name: "debian-12", OSType: "unix"},
		Suite:    external.Suite{Name: "default"},
		Components: external.Components{
			Transport: external.Transport{
				Name: "ssh", Type: "ssh", Target: external.Target{Kind: "machine", Hostname: "127.0.0.1"},
				Config:  map[string]any{"username": "debian", "port": 1, "connection_retries": 1, "connection_retry_sleep": 0},
				Secrets: map[string]string{"password": "KITCHEN_TRANSPORT_PASSWORD"},
			},
			Provisioner: external.Component{Name: "external", Provider: "galley", Command: "galley provider chef", Config: map[string]any{"run_list": []any{}}},
		},
	}
}

// serve runs one operation of the Chef provider.
func serve(t *testing.T, op string, r external.Request) (out, errs string, code int) {
	t.Helper()
	r.Operation = op
	in, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	hide := &secret.Redactor{}
	p := &provider.Chef{Kind: "chef", Version: "1.2.3", Secrets: hide, Env: env.FromMap(map[string]string{"HOME": t.TempDir(), "KITCHEN_TRANSPORT_PASSWORD": canary})}
	code = external.Serve(t.Context(), op, bytes.NewReader(in), &stdout, &stderr, p, hide)
	if strings.Contains(stdout.String()+stderr.String(), canary) {
		t.Errorf("%s shows a secret: %s%s", op, &stdout, &stderr)
	}
	return stdout.String(), stderr.String(), code
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*external.Request)
		want   string
	}{
		{"as it is", func(*external.Request) {}, `"status":"ok"`},
		{"windows", func(r *external.Request) { r.Platform.OSType = "windows" }, "converges unix instances, not windows"},
		{"winrm", func(r *external.Request) {
			r.Components.Transport = external.Transport{Name: "winrm", Type: "winrm"}
		}, "over the transport ssh, not over winrm"},
		{"not created", func(r *external.Request) { r.Components.Transport.Target.Hostname = "unknown" }, "has no hostname: it has not been created"},
		{"wrong setting", func(r *external.Request) { r.Components.Provisioner.Config["require_chef_omnibus"] = []any{1} }, `"status":"error"`},
		{"transport in no file", func(r *external.Request) {
			r.Components.Transport = external.Transport{Name: "Ssh", Type: "custom"}
		}, "the transport of instance"},
	} {
		r := request(t)
		c.change(&r)
		if out, errs, code := serve(t, external.OpValidate, r); code != 0 || !strings.Contains(out, c.want) {
			t.Errorf("%s: status %d, %s%s", c.name, code, out, errs)
		}
	}
}

// TestTransportFromTheProject holds the way of Test Kitchen 4.1.0, which
// describes its SSH transport as a custom one: host and user are the project's.
func TestTransportFromTheProject(t *testing.T) {
	r := request(t)
	r.Components.Transport = external.Transport{Name: "Ssh", Type: "custom"}
	for path, text := range map[string]string{
		"kitchen.yml":                    "driver: {name: proxy}\ntransport: {name: ssh, username: kim}\nplatforms: [{name: debian-12}]\nsuites: [{name: default}]\n",
		".kitchen/default-debian-12.yml": "hostname: 127.0.0.1\nport: 1\n",
	} {
		path = filepath.Join(r.Kitchen.RootPath, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, errs, code := serve(t, external.OpValidate, r); code != 0 || !strings.Contains(out, `"status":"ok"`) {
		t.Errorf("status %d, %s%s", code, out, errs)
	}
}

// TestExampleConforms runs the provider of the documentation.
func TestExampleConforms(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "external-providers.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, script, ok := strings.Cut(string(doc), "```bash\n")
	script, _, ended := strings.Cut(script, "```\n")
	if !ok || !ended {
		t.Fatal("the example is missing from the documentation")
	}
	path := filepath.Join(t.TempDir(), "kitchen-provider-hello")
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KITCHEN_TRANSPORT_SSH_KEY", canary)
	if problems := providertest.Conform(t.Context(), []string{"sh", path}, request(t), canary); len(problems) > 0 {
		t.Error(problems)
	}
}
