package node_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/bootstrap/node"
	"github.com/galleyhq/galley/internal/testing/chefservertest"
)

func newServer(t *testing.T) (*chefservertest.Server, *chefserver.Client) {
	t.Helper()
	double := chefservertest.Start(t, "o")
	signer, err := chefserver.NewSigner(double.Admin, double.AdminKey, "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := chefserver.New(double.URL, signer, nil)
	if err != nil {
		t.Fatal(err)
	}
	return double, c
}

func nobody(string, string) error { return nil }

func TestRegister(t *testing.T) {
	double, server := newServer(t)
	s := node.Spec{
		Name: "web1", ServerURL: double.URL, Environment: "prod", RunList: []string{"recipe[a]"},
		Attributes: map[string]any{"a": 1, "run_list": []any{"recipe[b]"}}, Tags: []string{"x"},
	}
	var seen notes
	var record []string
	made := func(kind, name string) error {
		// Nothing exists before it is on record.
		if kind == node.KindClient && double.Clients() != 0 || kind == node.KindNode && double.Node(name) != nil {
			t.Errorf("%s %s exists already", kind, name)
		}
		record = append(record, kind+" "+name)
		return nil
	}
	key, err := node.Register(t.Context(), server, s, made, &seen)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(record, ",") != "client web1,node web1" {
		t.Errorf("record %v", record)
	}
	if got := seen.String(); got != "info: Creating new client for web1\ninfo: Creating new node for web1\n" {
		t.Errorf("told:\n%s", got)
	}
	got := double.Node("web1")
	if fmt.Sprintf("%v %v %v", got["run_list"], got["chef_environment"], got["normal"]) != "[recipe[a]] prod map[a:1 tags:[x]]" {
		t.Errorf("node %v", got)
	}
	// The key is the new client's: it opens the server.
	own, err := server.AsOwner("web1", key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.Node(t.Context(), "web1"); err != nil {
		t.Error(err)
	}

	// A second time the name is taken.
	_, err = node.Register(t.Context(), server, s, nobody, nil)
	var taken *node.TakenError
	if !errors.As(err, &taken) || !taken.Node || !taken.Client || err.Error() != "the Chef Server already has a node and client called web1" {
		t.Errorf("error %v", err)
	}
	s.Overwrite = true
	again, err := node.Register(t.Context(), server, s, nobody, nil)
	if err != nil || again == key {
		t.Errorf("error %v", err)
	}
	if _, err := own.Node(t.Context(), "web1"); err == nil {
		t.Error("the old key still opens the server")
	}

	seen = notes{}
	for range 2 {
		if err := node.Unregister(t.Context(), server, "web1", &seen); err != nil {
			t.Error(err)
		}
	}
	if got := seen.String(); got != "info: Deleted node web1\ninfo: Deleted client web1\n"+
		"info: The Chef Server has no node called web1\ninfo: The Chef Server has no client called web1\n" {
		t.Errorf("told:\n%s", got)
	}
	if double.Clients() != 0 || double.Node("web1") != nil {
		t.Error("something is left")
	}
}

func TestRegisterThatFailsLeavesNothing(t *testing.T) {
	stop := errors.New("the disk is full")
	for name, c := range map[string]struct {
		method, kind string
		status       int
		made         func(string, string) error
	}{
		"a client refused":         {method: "POST", kind: "clients", status: 403},
		"a client without answer":  {method: "POST", kind: "clients", status: 1},
		"a node refused":           {method: "POST", kind: "nodes", status: 403},
		"a node without answer":    {method: "POST", kind: "nodes", status: 1},
		"no record of the client":  {made: func(string, string) error { return stop }},
		"no record of the node":    {made: func(kind, _ string) error { return map[string]error{node.KindNode: stop}[kind] }},
		"no look at what there is": {method: "GET", kind: "nodes", status: 401},
	} {
		t.Run(name, func(t *testing.T) {
			double, server := newServer(t)
			double.Refuse(c.method, c.kind, c.status)
			if c.made == nil {
				c.made = nobody
			}
			_, err := node.Register(t.Context(), server, node.Spec{Name: "web1", ServerURL: double.URL}, c.made, nil)
			if err == nil || c.status == 0 && !errors.Is(err, stop) || strings.Contains(err.Error(), "failed as well") {
				t.Errorf("error %v", err)
			}
			if double.Clients() != 0 || double.Node("web1") != nil {
				t.Errorf("%d clients are left, node %v", double.Clients(), double.Node("web1"))
			}
		})
	}
}

// What another has made in the meantime is not ours to remove.
func TestRegisterLeavesOthersAlone(t *testing.T) {
	double, server := newServer(t)
	made := func(kind, name string) error {
		if kind == node.KindNode {
			return server.CreateNode(t.Context(), chefserver.Node{Name: name})
		}
		return nil
	}
	_, err := node.Register(t.Context(), server, node.Spec{Name: "web1", ServerURL: double.URL}, made, nil)
	var answer *chefserver.Error
	if (!errors.As(err, &answer) || answer.Status != http.StatusConflict) || double.Node("web1") == nil || double.Clients() != 0 {
		t.Errorf("error %v, %d clients, node %v", err, double.Clients(), double.Node("web1"))
	}
}

func TestValidate(t *testing.T) {
	ok := node.Spec{Name: "web1", ServerURL: "https://chef"}
	if err := ok.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*node.Spec){
		"the node has no name":                     func(s *node.Spec) { s.Name = "" },
		"is not a valid node name":                 func(s *node.Spec) { s.Name = "a/b" },
		"no Chef Server":                           func(s *node.Spec) { s.ServerURL = "" },
		"line break":                               func(s *node.Spec) { s.Environment = "a\nb" },
		"must be given together":                   func(s *node.Spec) { s.PolicyName = "p" },
		"exclude each other":                       func(s *node.Spec) { s.PolicyName, s.PolicyGroup, s.RunList = "p", "g", []string{"a"} },
		"no --node-ssl-verify-mode":                func(s *node.Spec) { s.SSLVerifyMode = "x" },
		"not a log level":                          func(s *node.Spec) { s.LogLevel = "a b" },
		"no --chef-license":                        func(s *node.Spec) { s.ChefLicense = "yes" },
		"not a valid name of a hint":               func(s *node.Spec) { s.Hints = map[string][]byte{"../x": nil} },
		"not a valid name of a certificate's file": func(s *node.Spec) { s.TrustedCerts = map[string][]byte{"../x": nil} },
		"not a path below client.d":                func(s *node.Spec) { s.ClientD = map[string][]byte{"a/../../x": nil} },
	} {
		s := ok
		change(&s)
		var bad *node.SpecError
		if err := s.Validate(); !errors.As(err, &bad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v", want, err)
		}
	}
}

// The same against a real server, see make test-chefserver.
func TestRegisterOnGoiardi(t *testing.T) {
	g := chefservertest.StartGoiardi(t)
	signer, err := chefserver.NewSigner(g.Admin, g.AdminKey, "")
	if err != nil {
		t.Fatal(err)
	}
	server, err := chefserver.New(g.URL, signer, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := node.Spec{Name: "web1", ServerURL: g.URL, RunList: []string{"recipe[a]", "role[b]"}, Environment: "_default", Tags: []string{"x"}}
	key, err := node.Register(t.Context(), server, s, nobody, nil)
	if err != nil {
		t.Fatal(err)
	}
	own, err := server.AsOwner("web1", key)
	if err != nil {
		t.Fatal(err)
	}
	n, err := own.Node(t.Context(), "web1")
	if err != nil || fmt.Sprintf("%v %v %v", n.RunList, n.Environment, n.Normal) != "[recipe[a] role[b]] _default map[tags:[x]]" {
		t.Errorf("node %+v, %v", n, err)
	}
	if _, err := node.Register(t.Context(), server, s, nobody, nil); !errors.As(err, new(*node.TakenError)) {
		t.Errorf("error %v", err)
	}
	s.Overwrite = true
	if _, err := node.Register(t.Context(), server, s, nobody, nil); err != nil {
		t.Error(err)
	}
	var seen notes
	if err := node.Unregister(t.Context(), server, "web1", &seen); err != nil || !strings.Contains(seen.String(), "Deleted node web1\ninfo: Deleted client web1") {
		t.Errorf("error %v, told %s", err, seen.String())
	}
	for what, exists := range map[string]func() (bool, error){
		"node":   func() (bool, error) { return server.NodeExists(t.Context(), "web1") },
		"client": func() (bool, error) { return server.ClientExists(t.Context(), "web1") },
	} {
		if there, err := exists(); there || err != nil {
			t.Errorf("the %s is there: %v, %v", what, there, err)
		}
	}
}
