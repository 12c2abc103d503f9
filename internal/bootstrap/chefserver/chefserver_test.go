package chefserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/testing/chefservertest"
)

func admin(t *testing.T, s *chefservertest.Server, p chefserver.Protocol) *chefserver.Client {
	t.Helper()
	signer, err := chefserver.NewSigner(s.Admin, s.AdminKey, p)
	if err != nil {
		t.Fatal(err)
	}
	c, err := chefserver.New(s.URL, signer, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNodeComesAndGoes(t *testing.T) {
	for _, p := range []chefserver.Protocol{chefserver.Protocol10, chefserver.Protocol11, chefserver.Protocol13} {
		for _, org := range []string{"", "clownco"} {
			t.Run(string(p)+" "+org, func(t *testing.T) {
				ctx := t.Context()
				s := chefservertest.Start(t, org)
				c := admin(t, s, p)
				key, err := c.CreateClient(ctx, "web-1")
				if err != nil {
					t.Fatal(err)
				}
				signer, err := chefserver.NewSigner("web-1", []byte(key), p)
				if err != nil {
					t.Fatal(err)
				}
				node := chefserver.Node{Name: "web-1", Environment: "prod", RunList: []string{"recipe[web]"}, Normal: map[string]any{"a": "b"}}
				if err := c.As(signer).CreateNode(ctx, node); err != nil {
					t.Fatal(err)
				}
				got, err := c.Node(ctx, "web-1")
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(&node, got); diff != "" {
					t.Error(diff)
				}
				names, err := c.Nodes(ctx)
				if diff := cmp.Diff([]string{"web-1"}, names); diff != "" || err != nil {
					t.Error(diff, err)
				}
				if _, err := c.CreateClient(ctx, "web-1"); !chefserver.IsConflict(err) {
					t.Errorf("a taken name: %v", err)
				}
				for range 2 { // the second time there is nothing left, which is no error
					if err := errors.Join(c.DeleteNode(ctx, "web-1"), c.DeleteClient(ctx, "web-1")); err != nil {
						t.Fatal(err)
					}
				}
				if there, err := c.NodeExists(ctx, "web-1"); there || err != nil || s.Clients() != 0 {
					t.Errorf("left: node %v, %d clients, %v", there, s.Clients(), err)
				}
			})
		}
	}
}

func TestWrongKeyIsRefused(t *testing.T) {
	s, other := chefservertest.Start(t, "clownco"), chefservertest.Start(t, "")
	s.AdminKey = other.AdminKey
	_, err := admin(t, s, chefserver.Protocol13).Clients(t.Context())
	var e *chefserver.Error
	if !errors.As(err, &e) || e.Status != http.StatusUnauthorized || !strings.Contains(e.Hint(), "client_key") {
		t.Errorf("got %v", err)
	}
}

func TestEmptyAnswerIsAnError(t *testing.T) {
	s := chefservertest.Start(t, "clownco")
	s.AnswerEmpty()
	c := admin(t, s, chefserver.Protocol13)
	var empty *chefserver.EmptyError
	if _, err := c.Nodes(t.Context()); !errors.As(err, &empty) {
		t.Errorf("list: %v", err)
	}
	if _, err := c.CreateClient(t.Context(), "x"); !errors.As(err, &empty) {
		t.Errorf("create: %v", err)
	}
}

func TestKeysThatAreNone(t *testing.T) {
	for name, pem := range map[string]string{
		"empty":      "",
		"public":     "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		"passphrase": "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
	} {
		if _, err := chefserver.NewSigner("x", []byte(pem), ""); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPrivateKeyIsNeverPrinted(t *testing.T) {
	k := secret.Text("SECRET")
	j, err := json.Marshal(map[string]any{"k": k})
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprintf("%v %s %#v %q", k, k, k, k) + string(j); strings.Contains(s, "SECRET") {
		t.Error(s)
	}
}

// vector is one request as mixlib-authentication 3.0.6 signs it with
// testdata/signing-key.pem at 2026-01-02T03:04:05Z as spec-user.
type vector struct {
	Protocol chefserver.Protocol
	Method   string
	Path     string
	Body     string
	Content  string
	Sign     string
	Lines    []string
}

func TestSignaturesOfTheReference(t *testing.T) {
	key, err := os.ReadFile("testdata/signing-key.pem")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		t.Run(fmt.Sprintf("%s %s %s", v.Protocol, v.Method, v.Path), func(t *testing.T) {
			signer, err := chefserver.NewSigner("spec-user", key, v.Protocol)
			if err != nil {
				t.Fatal(err)
			}
			h, err := chefserver.SignForTest(signer, v.Method, v.Path, []byte(v.Body), "2026-01-02T03:04:05Z")
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for i := 1; h.Get(fmt.Sprintf("X-Ops-Authorization-%d", i)) != ""; i++ {
				lines = append(lines, h.Get(fmt.Sprintf("X-Ops-Authorization-%d", i)))
			}
			if diff := cmp.Diff(v.Lines, lines); diff != "" {
				t.Error(diff)
			}
			if got := h.Get("X-Ops-Content-Hash"); got != v.Content {
				t.Errorf("content hash %q, want %q", got, v.Content)
			}
			if got := h.Get("X-Ops-Sign"); got != v.Sign {
				t.Errorf("X-Ops-Sign %q, want %q", got, v.Sign)
			}
		})
	}
}

func TestServersWordsReachThePerson(t *testing.T) {
	for name, body := range map[string]string{"list": `{"error":["you may not"]}`, "text": `{"error":"you may not"}`} {
		t.Run(name, func(t *testing.T) {
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprint(w, body)
			}))
			defer web.Close()
			s := chefservertest.Start(t, "")
			signer, err := chefserver.NewSigner(s.Admin, s.AdminKey, "")
			if err != nil {
				t.Fatal(err)
			}
			c, err := chefserver.New(web.URL, signer, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Nodes(context.Background())
			if err == nil || !strings.Contains(err.Error(), "403: you may not") {
				t.Errorf("got %v", err)
			}
		})
	}
}
