package chefserver

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/secret"
)

// names lists the objects of one kind, sorted.
func (c *Client) names(ctx context.Context, kind string) ([]string, error) {
	var found map[string]string
	if err := c.Do(ctx, http.MethodGet, kind, nil, &found); err != nil {
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
	names, err := c.names(ctx, item("environments", environment)+"/nodes")
	if IsNotFound(err) {
		return nil, fmt.Errorf("the environment %s does not exist: %w", environment, err)
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
	if err := c.Do(ctx, http.MethodGet, item("clients", name), nil, &out); err != nil {
		return nil, fmt.Errorf("reading client %s: %w", name, err)
	}
	return &out, nil
}

// CreateClient registers a client and returns the private key that the server
// made for it. A name that is taken is an [Error] with the status 409.
func (c *Client) CreateClient(ctx context.Context, name string) (secret.Text, error) {
	in := map[string]any{"name": name, "clientname": name, "admin": false, "create_key": true}
	var out struct {
		Key     string `json:"private_key"`
		ChefKey struct {
			Key string `json:"private_key"`
		} `json:"chef_key"`
	}
	if err := c.Do(ctx, http.MethodPost, "clients", in, &out); err != nil {
		return "", fmt.Errorf("creating client %s: %w", name, err)
	}
	key := cmp.Or(out.ChefKey.Key, out.Key)
	if key == "" {
		return "", fmt.Errorf("creating client %s: the Chef Server returned no private key", name)
	}
	return secret.Text(key), nil
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
	err := c.Do(ctx, http.MethodGet, item(kind, name), nil, &any)
	if IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// DeleteClient removes a client; one that does not exist is not an error.
func (c *Client) DeleteClient(ctx context.Context, name string) error {
	return c.remove(ctx, "clients", name)
}

// DeleteNode removes a node; one that does not exist is not an error.
func (c *Client) DeleteNode(ctx context.Context, name string) error {
	return c.remove(ctx, "nodes", name)
}

func (c *Client) remove(ctx context.Context, kind, name string) error {
	// The server answers with the object that it has deleted; an empty answer
	// comes from a server without this part of the API, which deletes nothing.
	var gone map[string]any
	err := c.Do(ctx, http.MethodDelete, item(kind, name), nil, &gone)
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
	if err := c.Do(ctx, http.MethodPost, "nodes", in, &out); err != nil {
		return fmt.Errorf("creating node %s: %w", n.Name, err)
	}
	return nil
}

// Node reads a node object.
func (c *Client) Node(ctx context.Context, name string) (*Node, error) {
	var n Node
	if err := c.Do(ctx, http.MethodGet, item("nodes", name), nil, &n); err != nil {
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

// Noticing returns a client of the same server that reports waits.
func (c *Client) Noticing(waiting func(what, detail string, since time.Time)) *Client {
	other := *c
	other.Waiting = waiting
	return &other
}

// AsOwner returns a client of the same server that signs, by the same protocol,
// as the client called name with its private key.
func (c *Client) AsOwner(name string, key secret.Text) (*Client, error) {
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
	if err := c.Do(ctx, http.MethodGet, item("nodes", name), nil, &n); err != nil {
		return nil, fmt.Errorf("reading node %s: %w", name, err)
	}
	return &n, nil
}
