package base_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/provisioner/base"
)

func TestLoginOf(t *testing.T) {
	for name, c := range map[string]struct {
		transport, fallback, state map[string]any
		want                       base.Login
	}{
		"nothing":     {want: base.Login{Host: "h", User: "root"}},
		"transport":   {transport: map[string]any{"username": "kim", "password": 12, "port": "23", "ssh_key": []any{"/a", "/b"}, "forward_agent": true}, want: base.Login{Host: "h", User: "kim", Password: "12", Port: 23, Keys: []string{"/a", "/b"}, ForwardAgent: true}},
		"fallback":    {transport: map[string]any{"port": 23}, fallback: map[string]any{"username": "old", "port": 24}, want: base.Login{Host: "h", User: "old", Port: 23}},
		"state":       {transport: map[string]any{"username": "kim", "ssh_key": "/a", "port": 23}, state: map[string]any{"username": "ubuntu", "ssh_key": "/state", "port": 25}, want: base.Login{Host: "h", User: "ubuntu", Keys: []string{"/state"}, Port: 25}},
		"gateway":     {transport: map[string]any{"ssh_gateway": "gate", "ssh_gateway_port": 2200, "ssh_gateway_username": "g"}, want: base.Login{Host: "h", User: "root", Gateway: "gate", GatewayPort: 2200, GatewayUser: "g"}},
		"gateway hop": {transport: map[string]any{"ssh_gateway": "me@[2001:db8::1]:2200"}, want: base.Login{Host: "h", User: "root", Gateway: "2001:db8::1", GatewayPort: 2200, GatewayUser: "me"}},
		"gateways":    {transport: map[string]any{"ssh_gateway": "a,me@b:22"}, want: base.Login{Host: "h", User: "root", ProxyCommand: "ssh -W %h:%p -J a -p 22 -l me b"}},
		"http proxy":  {transport: map[string]any{"ssh_http_proxy": "p", "ssh_http_proxy_user": "u"}, want: base.Login{Host: "h", User: "root", ProxyCommand: "nc -X connect -x p:8080 -P u %h %p"}},
		"command":     {transport: map[string]any{"ssh_proxy_command": "x %h", "ssh_gateway": "gate"}, want: base.Login{Host: "h", User: "root", ProxyCommand: "x %h"}},
	} {
		state := kitchen.NewState(nil)
		state.Set(kitchen.KeyHostname, "h")
		for k, v := range c.state {
			state.Set(k, v)
		}
		got, err := base.LoginOf(config.NewSection(c.transport), config.NewSection(c.fallback))(state)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	if _, err := base.LoginOf(config.NewSection(map[string]any{"port": "x"}), config.Section{})(kitchen.NewState(nil)); err == nil {
		t.Error("no error for a bad port")
	}
}
