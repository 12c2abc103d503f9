package servers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/bootstrap/node"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/secret"
)

// ExistsError says that a server of the name was made before.
type ExistsError struct {
	// Name and ID are the server's.
	Name, ID string
}

// Error implements error.
func (e *ExistsError) Error() string {
	return fmt.Sprintf("a server %q (%s) exists already", e.Name, e.ID)
}

// Hint says what to do.
func (e *ExistsError) Hint() string {
	return "take another name (-N), or remove it first: `galley server delete " + e.Name + " --purge`"
}

// Create makes a server that is a node, or nothing: resources created by the time
// of a failure or of the context's end is removed from the cloud and from the
// Chef Server, unless r.KeepOnFailure. What an earlier create of the name has
// left unfinished is removed first.
//
// Errors: *[ExistsError], *[node.TakenError] and *[node.SpecError] before
// anything is made, as all those of names that cannot be resolved.
func (m *Manager) Create(ctx context.Context, r Request) (*Node, error) {
	r.complete()
	if err := m.checkNode(r); err != nil {
		return nil, err
	}
	j, unlock, err := m.lock(ctx, r.Server.Name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := m.clear(ctx, j); err != nil {
		return nil, inFlags(err)
	}
	if err := m.check(ctx, &r); err != nil {
		return nil, inFlags(err)
	}
	j.rec = record{
		Version: recordVersion, Name: r.Server.Name, Started: time.Now().UTC(),
	}
	if !r.NoChef {
		j.rec.Chef = &chefRecord{URL: cmp.Or(m.ChefURL, r.Node.ServerURL), Node: r.Node.Name}
	}
	n, err := m.make(ctx, j, r)
	if err == nil {
		j.rec.Complete = true
		err = j.save()
	}
	if err != nil {
		return nil, inFlags(m.cleanUp(ctx, j, r.KeepOnFailure, err))
	}
	return n, nil
}

// checkNode finds a node that cannot be made of the server.
func (m *Manager) checkNode(r Request) error {
	if r.NoChef {
		return nil
	}
	if err := node.Check(r.Node); err != nil {
		return err
	}
	if m.Chef == nil && r.Node.ValidationKey == "" {
		return &ChefError{Node: r.Node.Name}
	}
	return nil
}

// complete fills in what follows from the rest.
func (r *Request) complete() {
	if r.Node.Name == "" {
		r.Node.Name = r.Server.Name
	}
	if r.Server.Name == "" {
		r.Server.Name = r.Node.Name
	}
	r.Server.Owner = r.Server.Name
	r.Server.Metadata = maps.Clone(r.Server.Metadata)
	if r.Server.Metadata == nil {
		r.Server.Metadata = map[string]string{}
	}
	if !r.NoChef {
		r.Server.Metadata[metaNode] = r.Node.Name
	}
	// The address is chosen here, by knife's rules.
	r.Server.Address = openstack.AddressChoice{None: true}
}

// clear removes what an earlier create of the name has left.
func (m *Manager) clear(ctx context.Context, j *journal) error {
	if !j.exists() {
		return nil
	}
	name := j.rec.Name
	if c := j.rec.Cloud; c != nil {
		if err := m.Cloud.SameCloud(c); err != nil {
			return err
		}
	}
	if id := j.rec.Cloud.ServerID(); id != "" && (j.rec.Complete || j.rec.Kept) {
		_, err := m.Cloud.Server(ctx, id)
		if err == nil {
			return &ExistsError{name, id}
		}
		if session.KindOf(err) != session.NotFound {
			return err
		}
		m.report().Warn("the server %q (%s) that was created before is gone: removing its remains", name, id)
		if j.rec.Complete {
			// The node was a working one; its objects are left to the user.
			j.rec.Chef = nil
		}
	} else {
		m.report().Warn("an earlier create of %q did not finish: cleaning up after it", name)
	}
	return m.reclaim(ctx, j, false)
}

// reclaim removes all that the record tells of, and the record.
func (m *Manager) reclaim(ctx context.Context, j *journal, noWait bool) error {
	key := ""
	if c := j.rec.Cloud; c != nil {
		key = c.KeyFile
		if !j.rec.Complete {
			c.Complete = false // Nothing of an unfinished one is worth keeping.
		}
	}
	// The server goes first: as long as it runs, its client may write the node
	// again.
	err := m.Cloud.Reclaim(ctx, j, openstack.ReclaimOptions{NoWait: noWait}, m.report())
	if err == nil {
		err = m.removeChef(ctx, j, noWait)
	} else if ctx.Err() == nil {
		err = errors.Join(err, m.removeChef(ctx, j, noWait))
	}
	if err == nil && key != "" {
		_ = os.Remove(key)
	}
	return err
}

// cleanUp removes what a create that failed with cause has created.
func (m *Manager) cleanUp(ctx context.Context, j *journal, keep bool, cause error) error {
	if !j.exists() {
		return cause
	}
	name := j.rec.Name
	if keep {
		j.rec.Kept = true
		err := j.save()
		m.report().Warn("Keeping what the failed create has made; `galley server delete %s` removes it", name)
		return errors.Join(cause, err)
	}
	m.report().Info("Removing the resources created for %s...", name)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	if err := m.reclaim(ctx, j, false); err != nil {
		return errors.Join(cause, fmt.Errorf("not everything could be removed, `galley server delete %s` tries again: %w", name, err))
	}
	return cause
}

// check looks up on both sides all that the request names, so that nothing is
// created without need. It completes the request by its findings.
func (m *Manager) check(ctx context.Context, r *Request) error {
	var (
		wg    sync.WaitGroup
		chef  error
		cloud []error
	)
	wg.Go(func() { chef = m.checkChef(ctx, r) })
	m.chooseImage(ctx, &r.Server)
	cloud = m.Cloud.CheckSpec(ctx, r.Server)
	if err := m.checkReach(ctx, r); err != nil {
		cloud = append(cloud, err)
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if chef != nil {
		cloud = append(cloud, chef)
	}
	return session.Join(cloud...)
}

// chooseImage takes an image name that no image has for a regular expression, as
// knife does. Faults of the image are found by [openstack.Cloud.CheckSpec].
func (m *Manager) chooseImage(ctx context.Context, s *openstack.ServerSpec) {
	if s.Image == "" || s.ImageByID {
		return
	}
	_, err := m.Cloud.Image(ctx, s.Image, nil)
	if session.KindOf(err) != session.NotFound || strings.HasPrefix(s.Image, "/") {
		return
	}
	img, err := m.Cloud.Image(ctx, "/"+s.Image+"/", nil)
	if err != nil {
		return
	}
	m.report().Info("No image is called %q: taking %s (%s), whose name it matches", s.Image, img.Name, img.ID)
	s.Image = "/" + s.Image + "/"
}

// checkReach finds that the network to bootstrap over is none of the server's.
func (m *Manager) checkReach(ctx context.Context, r *Request) error {
	if r.Reach.Network == "" || len(r.Server.Nics) == 0 {
		return nil
	}
	var names []string
	for _, nic := range r.Server.Nics {
		if nic.Port != "" {
			return nil
		}
		n, err := m.Cloud.Network(ctx, nic.Network, nil)
		if err != nil {
			return nil // [openstack.Cloud.CheckSpec] reports it.
		}
		if n.Name == r.Reach.Network {
			return nil
		}
		names = append(names, n.Name)
	}
	return &AddressError{Server: r.Server.Name, Wanted: r.Reach.Network, Networks: names}
}

// checkChef sees that the Chef Server answers and that the name is free.
func (m *Manager) checkChef(ctx context.Context, r *Request) error {
	if m.Chef == nil || r.NoChef {
		return nil
	}
	var err error
	taken := &node.TakenError{Name: r.Node.Name}
	if taken.Node, err = m.Chef.NodeExists(ctx, r.Node.Name); err != nil {
		return fmt.Errorf("looking whether the node %s exists: %w", r.Node.Name, err)
	}
	if taken.Client, err = m.Chef.ClientExists(ctx, r.Node.Name); err != nil {
		return fmt.Errorf("looking whether the client %s exists: %w", r.Node.Name, err)
	}
	if (taken.Node || taken.Client) && !r.Node.Overwrite {
		return taken
	}
	return nil
}

// make does it, step by step.
func (m *Manager) make(ctx context.Context, j *journal, r Request) (*Node, error) {
	spec := r.Server
	spec.Project = m.Mark
	if spec.KeyName == "" && r.OwnKey {
		spec.NewKeyPair = &openstack.NewKeyPair{PublicKey: r.PublicKey, PrivateKeyFile: m.Files.Key(m.project(), spec.Name)}
	}
	progress := &progress{Reporter: m.report(), timeout: spec.ActiveTimeout, summary: m.Summary}
	progress.creating()
	s, err := m.Cloud.Create(ctx, spec, j, progress)
	if err != nil {
		return nil, err
	}
	n := nodeOf(s, &r)
	progress.active(n)
	if n.Address, err = r.Reach.address(s); err != nil {
		return nil, err
	}
	progress.connecting(n.Address, r.NoChef)
	client, err := m.connect(ctx, r, s, n.Address, progress)
	if err != nil {
		m.console(ctx, s.ID)
		return nil, err
	}
	defer client.Close()
	if r.NoChef {
		return n, nil
	}
	m.report().Info("Connecting to %s", n.Address)
	key, err := m.register(ctx, j, r)
	if err != nil {
		return nil, err
	}
	out := m.Bus.Reporter(n.Address, 0, "").Output()
	defer out.Close()
	return n, node.Bootstrap(ctx, client, r.Node, key, out, m.report())
}

// nodeOf describes a server that was created.
func nodeOf(s *openstack.Server, r *Request) *Node {
	n := &Node{
		Name: s.Name, ID: s.ID, State: s.Status, Image: s.Image, Flavor: s.Flavor, KeyPair: s.KeyName, KeyFile: s.KeyFile,
		AvailabilityZone: s.AvailabilityZone, FloatingIP: s.FloatingIP, PublicIPs: []string{}, PrivateIPs: []string{},
		ChefServer: r.Node.ServerURL, Environment: r.Node.Environment, RunList: r.Node.RunList,
		PolicyName: r.Node.PolicyName, PolicyGroup: r.Node.PolicyGroup,
	}
	if n.RunList == nil {
		n.RunList = []string{}
	}
	if n.Image == "" {
		n.Image = r.Server.Image
	}
	for _, a := range s.Addresses {
		ip, err := netip.ParseAddr(a.IP)
		switch {
		case err != nil, a.IP == s.FloatingIP:
		case a.Floating || !ip.IsPrivate() && !ip.IsLoopback():
			n.PublicIPs = append(n.PublicIPs, a.IP)
		default:
			n.PrivateIPs = append(n.PrivateIPs, a.IP)
		}
	}
	if s.FloatingIP != "" {
		n.PublicIPs = append(n.PublicIPs, s.FloatingIP)
	}
	return n
}

// connect waits until the server has run a command.
func (m *Manager) connect(ctx context.Context, r Request, s *openstack.Server, address string, report bootstrap.Reporter) (*bootstrap.Client, error) {
	cfg := r.SSH
	cfg.Host, cfg.Report = address, report
	if s.KeyFile != "" {
		cfg.Keys = append([]string{s.KeyFile}, cfg.Keys...)
	}
	if cfg.HostKeys == nil || !cfg.HostKeys.Off {
		keys := &bootstrap.HostKeys{
			SourceName: "the console log",
			Source:     func(ctx context.Context) ([]string, error) { return m.Cloud.HostKeys(ctx, s.ID) },
		}
		if given := cfg.HostKeys; given != nil {
			keys.KnownHosts, keys.Unknown = given.KnownHosts, given.Unknown
		}
		cfg.HostKeys = keys
	}
	o := bootstrap.WaitOptions{Timeout: r.Wait, Boot: bootstrap.ShortBootTimeout}
	if len(r.Server.UserData) > 0 {
		o.Boot = bootstrap.DefaultBootTimeout
	}
	return bootstrap.Wait(ctx, cfg, o)
}

// consoleTail is how many lines of the console are shown of a server that
// cannot be reached, and consoleTime bounds the reading of it.
const (
	consoleTail = 25
	consoleTime = 10 * time.Second
)

// console shows why a server cannot be reached, if the cloud shows it.
func (m *Manager) console(ctx context.Context, id string) {
	if ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, consoleTime)
	defer cancel()
	if text, err := m.Cloud.Console(ctx, id, consoleTail); err == nil && strings.TrimSpace(text) != "" {
		m.report().Warn("the end of the server's console:\n%s", openstack.Printable(text, consoleTail))
	}
}

// register makes the node's objects on the Chef Server. In the legacy way the
// node does that itself.
func (m *Manager) register(ctx context.Context, j *journal, r Request) (secret.Text, error) {
	if r.Node.ValidationKey != "" {
		return "", errors.Join(j.asked(node.KindClient, ""), j.asked(node.KindNode, ""))
	}
	key, err := node.Register(ctx, m.Chef, r.Node, j.asked, m.report())
	var refused *chefserver.Error
	if errors.As(err, &refused); err == nil || refused != nil {
		j.rec.Chef.Unanswered = time.Time{}
	}
	if refused != nil && refused.Status < 500 {
		// The last request failed. If its object exists all the same,
		// somebody else was quicker, and it is theirs.
		if !j.rec.Chef.HasNode {
			j.rec.Chef.HasClient = false
		}
		j.rec.Chef.HasNode = false
		err = errors.Join(err, j.save())
	}
	return key, err
}
