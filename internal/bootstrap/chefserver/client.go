package chefserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxBody bounds what is read of an answer.
const maxBody = 32 << 20

// Client talks to one Chef Server, or one organization of it.
type Client struct {
	base   *url.URL
	http   *http.Client
	signer *Signer
	now    func() time.Time
}

// New returns a client of the server at serverURL, as chef_server_url has it
// (with /organizations/NAME where the server has organizations). A nil
// httpClient is one with sensible time limits.
func New(serverURL string, signer *Signer, httpClient *http.Client) (*Client, error) {
	u, err := url.Parse(strings.TrimRight(serverURL, "/"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("chef_server_url %q is no http or https URL", serverURL)
	}
	if httpClient == nil {
		httpClient = &http.Client{Timeout: 60 * time.Second}
	}
	return &Client{base: u, http: httpClient, signer: signer, now: time.Now}, nil
}

// Error is an answer of the server that is no success.
type Error struct {
	Method, URL string
	Status      int
	// Messages are the server's own words.
	Messages []string
}

func (e *Error) Error() string {
	msg := strings.Join(e.Messages, "; ")
	if msg == "" {
		msg = http.StatusText(e.Status)
	}
	return fmt.Sprintf("the Chef Server answered %s %s with %d: %s", e.Method, e.URL, e.Status, msg)
}

// Hint tells what an answer usually means.
func (e *Error) Hint() string {
	switch e.Status {
	case http.StatusUnauthorized:
		return "check node_name and client_key in knife.rb or credentials, and this machine's clock"
	case http.StatusForbidden:
		return "the user is known but may not do this: ask for the right in the organization"
	case http.StatusNotFound:
		return "check chef_server_url: does it end in /organizations/NAME?"
	}
	return ""
}

// EmptyError tells of a success without the body that belongs to it, which is
// how some servers answer for what they do not have (goiardi: organizations,
// policies).
type EmptyError struct{ Method, URL string }

func (e *EmptyError) Error() string {
	return fmt.Sprintf("the Chef Server answered %s %s with an empty body: it does not have this part of the API", e.Method, e.URL)
}

// IsNotFound says whether err is the server's word that there is no such
// thing.
func IsNotFound(err error) bool { return hasStatus(err, http.StatusNotFound) }

// IsConflict says whether err is the server's word that the name is taken.
func IsConflict(err error) bool { return hasStatus(err, http.StatusConflict) }

func hasStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status
}

// do sends a signed request; out, unless nil, receives the JSON answer.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("writing the request for %s: %w", path, err)
		}
	}
	u := c.base.JoinPath(path)
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	// Servers refuse clients whose version they do not know to be recent.
	req.Header.Set("X-Chef-Version", "18.0.0")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if err := c.signer.sign(req, body, c.now()); err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return &ReachError{URL: c.base.String(), Err: err}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return fmt.Errorf("reading the Chef Server's answer to %s %s: %w", method, u, err)
	}
	if resp.StatusCode >= 300 {
		return &Error{Method: method, URL: u.String(), Status: resp.StatusCode, Messages: messages(data)}
	}
	if out == nil {
		return nil
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return &EmptyError{method, u.String()}
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("the Chef Server's answer to %s %s is not what it should be: %w", method, u, err)
	}
	return nil
}

// messages reads the server's words: {"error": ["…"]} or {"error": "…"}.
func messages(data []byte) []string {
	var body struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(data, &body) != nil {
		return nil
	}
	var list []string
	if json.Unmarshal(body.Error, &list) == nil {
		return list
	}
	var one string
	if json.Unmarshal(body.Error, &one) == nil && one != "" {
		return []string{one}
	}
	return nil
}

// names lists one kind of object, sorted.
func (c *Client) names(ctx context.Context, kind string) ([]string, error) {
	var found map[string]string
	if err := c.do(ctx, http.MethodGet, kind, nil, &found); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// Clients returns the names of the clients.
func (c *Client) Clients(ctx context.Context) ([]string, error) { return c.names(ctx, "clients") }

// Nodes returns the names of the nodes.
func (c *Client) Nodes(ctx context.Context) ([]string, error) { return c.names(ctx, "nodes") }

// NodesIn returns the names of the nodes of an environment.
func (c *Client) NodesIn(ctx context.Context, environment string) ([]string, error) {
	names, err := c.names(ctx, "environments/"+url.PathEscape(environment)+"/nodes")
	if IsNotFound(err) {
		return nil, fmt.Errorf("there is no environment %s: %w", environment, err)
	}
	return names, err
}

// APIClient is a client as the server describes it.
type APIClient struct {
	Name string `json:"name"`
	// Validator says that it can register others.
	Validator bool   `json:"validator"`
	Admin     bool   `json:"admin"`
	PublicKey string `json:"public_key,omitempty"`
}

// Client reads a client.
func (c *Client) Client(ctx context.Context, name string) (*APIClient, error) {
	var out APIClient
	if err := c.do(ctx, http.MethodGet, "clients/"+url.PathEscape(name), nil, &out); err != nil {
		return nil, fmt.Errorf("reading client %s: %w", name, err)
	}
	return &out, nil
}

// PrivateKey is a client's new private key in PEM form. It prints as
// [redacted].
type PrivateKey string

// String hides the key.
func (PrivateKey) String() string { return "[redacted]" }

// GoString hides the key.
func (PrivateKey) GoString() string { return "[redacted]" }

// MarshalJSON hides the key.
func (PrivateKey) MarshalJSON() ([]byte, error) { return []byte(`"[redacted]"`), nil }

// CreateClient registers a client and returns the private key that the server
// made for it. That the name is taken is an error that [IsConflict] knows.
func (c *Client) CreateClient(ctx context.Context, name string) (PrivateKey, error) {
	in := map[string]any{"name": name, "clientname": name, "admin": false, "create_key": true}
	var out struct {
		Key     string `json:"private_key"`
		ChefKey struct {
			Key string `json:"private_key"`
		} `json:"chef_key"`
	}
	if err := c.do(ctx, http.MethodPost, "clients", in, &out); err != nil {
		return "", fmt.Errorf("creating client %s: %w", name, err)
	}
	key := out.ChefKey.Key
	if key == "" {
		key = out.Key
	}
	if key == "" {
		return "", fmt.Errorf("creating client %s: the Chef Server returned no private key", name)
	}
	return PrivateKey(key), nil
}

// ClientExists says whether there is a client of that name.
func (c *Client) ClientExists(ctx context.Context, name string) (bool, error) {
	return c.exists(ctx, "clients", name)
}

// NodeExists says whether there is a node of that name.
func (c *Client) NodeExists(ctx context.Context, name string) (bool, error) {
	return c.exists(ctx, "nodes", name)
}

func (c *Client) exists(ctx context.Context, kind, name string) (bool, error) {
	var any map[string]any
	err := c.do(ctx, http.MethodGet, kind+"/"+url.PathEscape(name), nil, &any)
	if IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// DeleteClient removes a client; that there is none is no error.
func (c *Client) DeleteClient(ctx context.Context, name string) error {
	return c.remove(ctx, "clients", name)
}

// DeleteNode removes a node; that there is none is no error.
func (c *Client) DeleteNode(ctx context.Context, name string) error {
	return c.remove(ctx, "nodes", name)
}

func (c *Client) remove(ctx context.Context, kind, name string) error {
	// The server answers with what was deleted; an empty answer is that of a
	// server which has no such part, and has deleted nothing.
	var gone map[string]any
	err := c.do(ctx, http.MethodDelete, kind+"/"+url.PathEscape(name), nil, &gone)
	if err != nil && !IsNotFound(err) {
		return fmt.Errorf("deleting %s %s: %w", strings.TrimSuffix(kind, "s"), name, err)
	}
	return nil
}

// Node is a node object.
type Node struct {
	Name        string         `json:"name"`
	Environment string         `json:"chef_environment"`
	RunList     []string       `json:"run_list"`
	Normal      map[string]any `json:"normal"`
	PolicyName  string         `json:"policy_name,omitempty"`
	PolicyGroup string         `json:"policy_group,omitempty"`
}

// CreateNode makes a node object. It is signed by the client's own key when
// made through the client's own [Client], so that the node owns itself.
func (c *Client) CreateNode(ctx context.Context, n Node) error {
	if n.Environment == "" {
		n.Environment = "_default"
	}
	if n.RunList == nil {
		n.RunList = []string{}
	}
	if n.Normal == nil {
		n.Normal = map[string]any{}
	}
	in := struct {
		Node
		ChefType  string         `json:"chef_type"`
		JSONClass string         `json:"json_class"`
		Default   map[string]any `json:"default"`
		Override  map[string]any `json:"override"`
		Automatic map[string]any `json:"automatic"`
	}{n, "node", "Chef::Node", map[string]any{}, map[string]any{}, map[string]any{}}
	var out map[string]any
	if err := c.do(ctx, http.MethodPost, "nodes", in, &out); err != nil {
		return fmt.Errorf("creating node %s: %w", n.Name, err)
	}
	return nil
}

// Node reads a node object.
func (c *Client) Node(ctx context.Context, name string) (*Node, error) {
	var n Node
	if err := c.do(ctx, http.MethodGet, "nodes/"+url.PathEscape(name), nil, &n); err != nil {
		return nil, fmt.Errorf("reading node %s: %w", name, err)
	}
	return &n, nil
}

// As returns a client of the same server that signs as another.
func (c *Client) As(s *Signer) *Client {
	other := *c
	other.signer = s
	return &other
}

// AsOwner returns a client of the same server that signs, by the same protocol,
// as the client called name with its private key.
func (c *Client) AsOwner(name string, key PrivateKey) (*Client, error) {
	s, err := NewSigner(name, []byte(key), c.signer.Protocol)
	if err != nil {
		return nil, fmt.Errorf("the private key that the Chef Server made for %s: %w", name, err)
	}
	return c.As(s), nil
}

// FullNode is a node object with what its runs and its roles have set.
type FullNode struct {
	Node
	// Automatic is what the node's own runs have found out.
	Automatic map[string]any `json:"automatic"`
	Default   map[string]any `json:"default"`
	Override  map[string]any `json:"override"`
}

// FullNode reads a node object with all of its attributes.
func (c *Client) FullNode(ctx context.Context, name string) (*FullNode, error) {
	var n FullNode
	if err := c.do(ctx, http.MethodGet, "nodes/"+url.PathEscape(name), nil, &n); err != nil {
		return nil, fmt.Errorf("reading node %s: %w", name, err)
	}
	return &n, nil
}
