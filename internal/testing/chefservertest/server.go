// Package chefservertest is a Chef Server in the test's own process. It
// verifies every signature against the keys it has given out, so that a
// client that signs wrongly fails here as it would on a real server.
//
// Tests only.
package chefservertest

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is the double. Admin is the name of the user whose key is AdminKey.
type Server struct {
	URL      string
	Admin    string
	AdminKey []byte

	// CA is the certificate of a server that StartTLS made, in PEM form.
	CA []byte

	prefix     string
	validators map[string]bool

	mu     sync.Mutex
	keys   map[string]*rsa.PublicKey
	nodes  map[string]map[string]any
	empty  bool
	refuse map[string]int

	policies
}

// Start runs a server with the given organization; an empty name is a server
// without organizations. It stops with the test.
func Start(t testing.TB, organization string) *Server {
	t.Helper()
	s := newServer(t, organization)
	s.serve(t, httptest.NewServer(s))
	return s
}

// StartTLS is Start over HTTPS, with a certificate that no system trusts.
func StartTLS(t testing.TB, organization string) *Server {
	t.Helper()
	s := newServer(t, organization)
	web := httptest.NewUnstartedServer(s)
	web.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that do not trust it
	web.StartTLS()
	s.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	s.serve(t, web)
	return s
}

func (s *Server) serve(t testing.TB, web *httptest.Server) {
	t.Cleanup(web.Close)
	s.URL = web.URL + s.prefix
}

func newServer(t testing.TB, organization string) *Server {
	t.Helper()
	s := &Server{Admin: "admin", keys: map[string]*rsa.PublicKey{}, nodes: map[string]map[string]any{}, validators: map[string]bool{}}
	s.policies = policies{files: map[string][]byte{}, objects: map[string]map[string]any{}}
	if organization != "" {
		s.prefix = "/organizations/" + organization
	}
	key, pub, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	s.AdminKey, s.keys[s.Admin] = key, pub
	return s
}

// AddValidator adds a validator client of that name.
func (s *Server) AddValidator(t testing.TB, name string) {
	t.Helper()
	_, pub, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[name], s.validators[name] = pub, true
}

// AddNode adds a node object and a client of its name.
func (s *Server) AddNode(t testing.TB, name string, object map[string]any) {
	t.Helper()
	_, pub, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	object["name"] = name
	s.keys[name], s.nodes[name] = pub, object
}

// AnswerEmpty makes the server answer everything with 200 and no body, as
// goiardi does for organizations and policies.
func (s *Server) AnswerEmpty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.empty = true
}

// Refuse makes the server answer requests of a method for a kind of object
// ("clients", "nodes") with a status; 0 ends that. The status 1 does what is
// asked and then cuts the connection.
func (s *Server) Refuse(method, kind string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse == nil {
		s.refuse = map[string]int{}
	}
	s.refuse[method+" "+kind] = status
}

// Node returns a node object as it was stored, nil if there is none.
func (s *Server) Node(name string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nodes[name]
}

// Clients returns how many clients there are beside the admin.
func (s *Server) Clients() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys) - 1
}

// Nodes returns how many node objects there are.
func (s *Server) Nodes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.nodes)
}

// HasClient says whether there is a client of that name.
func (s *Server) HasClient(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[name] != nil
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.empty {
		w.WriteHeader(http.StatusOK)
		return
	}
	if sum, ok := strings.CutPrefix(r.URL.Path, s.prefix+"/store/"); ok {
		s.store(w, r, sum, body) // by a URL that needs no signature
		return
	}
	if err := s.verify(r, body); err != nil {
		fail(w, http.StatusUnauthorized, err.Error())
		return
	}
	rest, ok := strings.CutPrefix(path.Clean(r.URL.Path), s.prefix)
	if !ok {
		fail(w, http.StatusNotFound, "no such organization")
		return
	}
	kind, name, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	switch status := s.refuse[r.Method+" "+kind]; status {
	case 0:
	case 1:
		w = httptest.NewRecorder()
		defer panic(http.ErrAbortHandler)
	default:
		fail(w, status, "refused, as the test asks")
		return
	}
	switch kind {
	case "clients":
		s.clients(w, r, name, body)
	case "nodes":
		s.nodeObjects(w, r, name, body)
	case "environments":
		s.environments(w, r, name)
	case "sandboxes", "cookbook_artifacts", "policy_groups", "policies", "cookbooks", "universe":
		s.policy(w, r, kind+"/"+name, body)
	default:
		fail(w, http.StatusNotFound, "no such endpoint")
	}
}

func (s *Server) clients(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	switch r.Method {
	case http.MethodPost:
		var in struct {
			Name      string `json:"name"`
			CreateKey bool   `json:"create_key"`
		}
		if err := json.Unmarshal(body, &in); err != nil || in.Name == "" {
			fail(w, http.StatusBadRequest, "Field 'name' missing")
			return
		}
		if _, taken := s.keys[in.Name]; taken {
			fail(w, http.StatusConflict, "Client already exists")
			return
		}
		key, pub, err := newKey()
		if err != nil {
			fail(w, http.StatusInternalServerError, err.Error())
			return
		}
		s.keys[in.Name] = pub
		answer(w, http.StatusCreated, map[string]any{"uri": s.URL + "/clients/" + in.Name, "chef_key": map[string]any{"private_key": string(key)}})
	case http.MethodGet:
		if name == "" {
			list := map[string]string{}
			for n := range s.keys {
				list[n] = s.URL + "/clients/" + n
			}
			answer(w, http.StatusOK, list)
			return
		}
		if _, ok := s.keys[name]; !ok {
			fail(w, http.StatusNotFound, "Cannot load client "+name)
			return
		}
		answer(w, http.StatusOK, map[string]any{"name": name, "validator": s.validators[name]})
	case http.MethodDelete:
		if _, ok := s.keys[name]; !ok {
			fail(w, http.StatusNotFound, "Cannot load client "+name)
			return
		}
		delete(s.keys, name)
		answer(w, http.StatusOK, map[string]any{"name": name})
	default:
		fail(w, http.StatusMethodNotAllowed, "no")
	}
}

func (s *Server) nodeObjects(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	switch r.Method {
	case http.MethodPost:
		var in map[string]any
		if err := json.Unmarshal(body, &in); err != nil {
			fail(w, http.StatusBadRequest, err.Error())
			return
		}
		n, _ := in["name"].(string)
		if _, taken := s.nodes[n]; taken {
			fail(w, http.StatusConflict, "Node already exists")
			return
		}
		s.nodes[n] = in
		answer(w, http.StatusCreated, map[string]any{"uri": s.URL + "/nodes/" + n})
	case http.MethodGet:
		if name == "" {
			list := map[string]string{}
			for n := range s.nodes {
				list[n] = s.URL + "/nodes/" + n
			}
			answer(w, http.StatusOK, list)
			return
		}
		n, ok := s.nodes[name]
		if !ok {
			fail(w, http.StatusNotFound, "node '"+name+"' not found")
			return
		}
		answer(w, http.StatusOK, n)
	case http.MethodDelete:
		n, ok := s.nodes[name]
		if !ok {
			fail(w, http.StatusNotFound, "node '"+name+"' not found")
			return
		}
		delete(s.nodes, name)
		answer(w, http.StatusOK, n)
	default:
		fail(w, http.StatusMethodNotAllowed, "no")
	}
}

// environments lists the nodes of one: NAME/nodes.
func (s *Server) environments(w http.ResponseWriter, r *http.Request, rest string) {
	name, ok := strings.CutSuffix(rest, "/nodes")
	list := map[string]string{}
	for n, object := range s.nodes {
		if object["chef_environment"] == name {
			list[n] = s.URL + "/nodes/" + n
		}
	}
	if !ok || r.Method != http.MethodGet || len(list) == 0 {
		fail(w, http.StatusNotFound, "Cannot load environment "+rest)
		return
	}
	answer(w, http.StatusOK, list)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func fail(w http.ResponseWriter, status int, msg string) {
	answer(w, status, map[string]any{"error": []string{msg}})
}

// verify checks a request's signature, on its own from the client's code.
func (s *Server) verify(r *http.Request, body []byte) error {
	h := r.Header
	user, stamp := h.Get("X-Ops-Userid"), h.Get("X-Ops-Timestamp")
	key := s.keys[user]
	if key == nil {
		return fmt.Errorf("Failed to authenticate as '%s'", user)
	}
	when, err := time.Parse("2006-01-02T15:04:05Z", stamp)
	if err != nil || time.Since(when).Abs() > 15*time.Minute {
		return fmt.Errorf("Failed to authenticate as '%s'. Synchronize the clock on your host.", user)
	}
	var b64 strings.Builder
	for i := 1; h.Get(fmt.Sprintf("X-Ops-Authorization-%d", i)) != ""; i++ {
		b64.WriteString(h.Get(fmt.Sprintf("X-Ops-Authorization-%d", i)))
	}
	sig, err := base64.StdEncoding.DecodeString(b64.String())
	if err != nil {
		return err
	}
	p := path.Clean(r.URL.Path)
	bad := fmt.Errorf("Invalid signature for user or client '%s'", user)
	switch h.Get("X-Ops-Sign") {
	case "algorithm=sha256;version=1.3;":
		sum := sha256.Sum256(body)
		hash := base64.StdEncoding.EncodeToString(sum[:])
		text := strings.Join([]string{
			"Method:" + r.Method, "Path:" + p, "X-Ops-Content-Hash:" + hash, "X-Ops-Sign:version=1.3",
			"X-Ops-Timestamp:" + stamp, "X-Ops-UserId:" + user, "X-Ops-Server-API-Version:" + h.Get("X-Ops-Server-API-Version"),
		}, "\n")
		sum = sha256.Sum256([]byte(text))
		if rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) != nil {
			return bad
		}
		return nil
	case "algorithm=sha1;version=1.0;", "algorithm=sha1;version=1.1;":
		b := func(data []byte) string {
			sum := sha1.Sum(data)
			return base64.StdEncoding.EncodeToString(sum[:])
		}
		id := user
		if strings.Contains(h.Get("X-Ops-Sign"), "1.1") {
			id = b([]byte(user))
		}
		text := strings.Join([]string{
			"Method:" + r.Method, "Hashed Path:" + b([]byte(p)), "X-Ops-Content-Hash:" + b(body),
			"X-Ops-Timestamp:" + stamp, "X-Ops-UserId:" + id,
		}, "\n")
		// Opened with the public key: 00 01 ff … ff 00 TEXT.
		m := new(big.Int).Exp(new(big.Int).SetBytes(sig), big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, key.Size()))
		_, got, ok := bytes.Cut(m[2:], []byte{0})
		if m[0] != 0 || m[1] != 1 || !ok || subtle.ConstantTimeCompare(got, []byte(text)) != 1 {
			return bad
		}
		return nil
	}
	return fmt.Errorf("Unsupported X-Ops-Sign %q", h.Get("X-Ops-Sign"))
}
