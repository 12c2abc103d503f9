package servers

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/atomicfile"
	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/bootstrap/node"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/kitchen"
)

// cleanTime bounds the clean-up after a failure or an interruption.
const cleanTime = 3 * time.Minute

// metaNode is the metadata key under which a server tells the name of its
// node.
const metaNode = "galley_node"

// Manager makes and removes servers of one project of a cloud.
type Manager struct {
	Cloud *openstack.Cloud
	// Chef is the Chef Server with the rights of its user; nil where none is
	// configured.
	Chef *chefserver.Client
	// ChefURL is the Chef Server's address.
	ChefURL string
	// Files are where records lie.
	Files state.Servers
	// Mark tells the servers of this workstation from those of others.
	Mark string
	// Bus receives what happens; nil disables it.
	Bus *kitchen.Bus
	// Summary reports all of a new server as soon as it is active, as
	// knife-openstack does, and not only its name and ID.
	Summary bool
}

// report returns where the progress of the servers is reported.
func (m *Manager) report() *kitchen.Reporter { return m.Bus.Reporter("", 0, "") }

// Request is a server that is to become a node.
type Request struct {
	// Server is the server. Its Image is an ID, a name or a regular
	// expression, also one without slashes (knife: --image).
	Server openstack.ServerSpec
	// Node is the node. Its name is the server's unless it has one.
	Node node.Spec
	// SSH says how the server is logged in to; its Host is filled in.
	SSH bootstrap.Config
	// Wait bounds the wait for SSH, 10 minutes by default
	// (knife: --max-wait).
	Wait time.Duration
	// Reach chooses the address.
	Reach Reach
	// OwnKey has a key pair made for the server where none is named. PublicKey
	// is an authorized_keys line for it, "" for a fresh key.
	OwnKey    bool
	PublicKey string
	// KeepOnFailure leaves what a failed create has made.
	KeepOnFailure bool
	// NoChef leaves the server as it is once it can be logged in to: it does
	// not become a node.
	NoChef bool
}

// Node is what became of a request.
type Node struct {
	Name             string   `json:"name"`
	ID               string   `json:"instance_id"`
	State            string   `json:"state"`
	Image            string   `json:"image"`
	Flavor           string   `json:"flavor"`
	KeyPair          string   `json:"keypair"`
	KeyFile          string   `json:"key_file,omitempty"`
	AvailabilityZone string   `json:"availability_zone"`
	PublicIPs        []string `json:"public_ips"`
	PrivateIPs       []string `json:"private_ips"`
	FloatingIP       string   `json:"floating_ip,omitempty"`
	// Address is where it was bootstrapped.
	Address     string   `json:"address"`
	ChefServer  string   `json:"chef_server"`
	Environment string   `json:"environment,omitempty"`
	RunList     []string `json:"run_list"`
	PolicyName  string   `json:"policy_name,omitempty"`
	PolicyGroup string   `json:"policy_group,omitempty"`
}

// NodeName makes a name for a node that has none: the prefix and random
// digits (knife: --chef-node-name-prefix).
func NodeName(prefix string) string {
	n, err := rand.Int(rand.Reader, big.NewInt(100_000_000))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return fmt.Sprintf("%s-%08d", strings.TrimSuffix(prefix, "-"), n)
}

// project is the cloud's project, to which records belong.
func (m *Manager) project() string { return m.Cloud.Whoami().ProjectID }

// lock holds the lock of a server's name and opens its journal.
func (m *Manager) lock(ctx context.Context, name string) (*journal, func(), error) {
	unlock, err := state.Lock(ctx, m.Files.Lock(m.project(), name), `the server "`+name+`"`, func(holder string) {
		m.report().Info("Another galley works on the server %q (%s): waiting for it to end", name, holder)
	})
	if err != nil {
		return nil, nil, err
	}
	var j *journal
	done := func() {
		if j != nil && !j.exists() {
			_ = state.Remove(m.Files.Lock(m.project(), name)) // It goes with the server.
		}
		_ = unlock() // The end of the process does it as well.
	}
	atomicfile.Sweep(m.Files.Record(m.project(), name))
	atomicfile.Sweep(m.Files.Key(m.project(), name))
	j, err = openJournal(m.Files.Record(m.project(), name), name)
	if err != nil {
		done()
		return nil, nil, err
	}
	return j, done, nil
}

// removeChef removes the recorded objects from the Chef Server. One that was
// requested and never answered is removed again until it can no longer appear.
func (m *Manager) removeChef(ctx context.Context, j *journal, noWait bool) error {
	c := j.rec.Chef
	if c.empty() {
		return nil
	}
	if err := m.sameChef(c.URL, c.Node); err != nil {
		return err
	}
	until := c.Unanswered.Add(m.Cloud.Window())
	for told := false; ; told = true {
		if c.HasNode {
			if err := m.Chef.DeleteNode(ctx, c.Node); err != nil {
				return err
			}
		}
		if c.HasClient {
			if err := m.Chef.DeleteClient(ctx, c.Node); err != nil {
				return err
			}
		}
		left := time.Until(until)
		if c.Unanswered.IsZero() || left <= 0 {
			break
		}
		asked := c.Unanswered.Local().Format(time.TimeOnly)
		if noWait {
			return session.Fail(session.Pending, fmt.Sprintf("be sure that the node or client %q is not created", c.Node),
				fmt.Sprintf("the Chef Server never answered the request of %s for it, which may still take effect", asked),
				fmt.Sprintf("run it again after %s; without --no-wait it waits until then", until.Local().Format(time.TimeOnly)))
		}
		if !told {
			m.report().Info("The Chef Server never answered the request of %s for the node or client %q: removing it until %s",
				asked, c.Node, until.Local().Format(time.TimeOnly))
		}
		m.report().Waiting("the client to appear or not", left.Round(time.Second).String()+" left", c.Unanswered)
		if err := retry.Sleep(ctx, min(left, m.Cloud.Window()/20)); err != nil {
			return err
		}
	}
	c.HasNode, c.HasClient, c.Unanswered = false, false, time.Time{}
	return j.save()
}

// ChefError says that the Chef Server's part of a server cannot be removed.
type ChefError struct {
	// Node is the name of node and client, URL their Chef Server.
	Node, URL string
	// Have is the Chef Server that is configured, "" for none.
	Have string
}

// Error implements error.
func (e *ChefError) Error() string {
	if e.Have == "" {
		return fmt.Sprintf("cannot remove the node and client %q from the Chef Server %s: no Chef Server is configured", e.Node, e.URL)
	}
	return fmt.Sprintf("cannot remove the node and client %q: they are on the Chef Server %s, and %s is configured", e.Node, e.URL, e.Have)
}

// Hint says what to do.
func (e *ChefError) Hint() string {
	if e.URL == "" {
		return "name one in knife.rb or credentials: chef_server_url, node_name and client_key"
	}
	return "configure that one (chef_server_url, node_name and client_key in knife.rb or credentials, or -s, -u and -k)"
}

// sameChef sees to it that the Chef Server is the one that is meant.
func (m *Manager) sameChef(url, name string) error {
	switch {
	case m.Chef == nil:
		return &ChefError{Node: name, URL: url}
	case url != "" && strings.TrimRight(url, "/") != strings.TrimRight(m.ChefURL, "/"):
		return &ChefError{Node: name, URL: url, Have: m.ChefURL}
	}
	return nil
}
