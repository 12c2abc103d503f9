package openstack

import (
	"context"
	"os"
	"strings"

	"github.com/galleyhq/galley/internal/config"
	cloud "github.com/galleyhq/galley/internal/openstack"
	table "github.com/galleyhq/galley/internal/settings"
	"github.com/galleyhq/galley/kitchen"
)

// Driver makes and removes the OpenStack server behind one instance. It is a
// [kitchen.Driver], [kitchen.Finisher], [kitchen.HostKeySource],
// [kitchen.FailureDetailer] and [kitchen.StatusReporter].
type Driver struct {
	section  config.Section
	o        Options
	settings sectionSettings
}

var _ interface {
	kitchen.Driver
	kitchen.Finisher
	kitchen.HostKeySource
	kitchen.FailureDetailer
	kitchen.StatusReporter
} = (*Driver)(nil)

// New returns the driver for an instance whose merged driver section is
// section. It finds settings that cannot be right whatever the cloud says; it
// neither opens files nor calls a cloud.
func New(section config.Section, o Options) (*Driver, error) {
	if o.Env == nil {
		o.Env = func(string) string { return "" }
	}
	s, err := readSettings(section)
	if err != nil {
		return nil, err
	}
	if s.spec.TTL, err = o.ttl(s.spec.TTL); err != nil {
		return nil, err
	}
	if o.Connector == nil {
		o.Connector = &cloud.Connector{}
	}
	return &Driver{section: section, o: o, settings: s}, nil
}

// Cloud returns the connection that the driver uses, shared with the other
// instances of the run.
func (d *Driver) Cloud(ctx context.Context) (*cloud.Cloud, error) {
	a, err := d.auth()
	if err != nil {
		return nil, err
	}
	if err := validate(a); err != nil {
		return nil, err
	}
	return d.o.Connector.Connect(ctx, a)
}

// Spec returns the server that a create of the instance would request.
func (d *Driver) Spec() (cloud.ServerSpec, error) {
	s := d.settings.spec
	s.Owner, s.Project = d.o.Instance, d.o.Project()
	if s.Name == "" {
		s.Name = cloud.ServerName(d.o.Instance, d.settings.prefix)
	}
	var err error
	if s.UserData, err = d.settings.readUserData(d.section); err != nil {
		return s, err
	}
	if s.KeyName == "" {
		s.NewKeyPair = &cloud.NewKeyPair{PrivateKeyFile: d.o.KeyPath()}
		if path := d.publicKeyPath(); path != "" {
			line, err := os.ReadFile(path)
			if err != nil {
				return s, &SettingError{Key: "public_key_path", Where: d.section.Where("public_key_path"), Reason: err.Error()}
			}
			s.NewKeyPair.PublicKey = strings.TrimSpace(string(line))
		}
	}
	return s, nil
}

// publicKeyPath is the public key to upload: the one that is named, or the
// one beside a private key that is.
func (d *Driver) publicKeyPath() string {
	if d.settings.publicKey != "" {
		return d.settings.publicKey
	}
	if d.settings.privateKey != "" {
		if beside := d.settings.privateKey + ".pub"; fileExists(beside) {
			return beside
		}
	}
	return ""
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Create implements [kitchen.Driver].
func (d *Driver) Create(ctx context.Context, step *kitchen.Step) error {
	for _, key := range d.section.Keys() {
		if k, ok := table.Lookup(table.ID("driver." + key)); ok && k.Idle != "" && d.section.Has(key) {
			step.Report.Debug("%s has no effect: %s", key, k.Idle)
		}
	}
	spec, err := d.Spec()
	if err != nil {
		return err
	}
	c, err := d.Cloud(ctx)
	if err != nil {
		return err
	}
	j := d.journal(step)
	if _, err := d.reconcile(ctx, c, j, step); err != nil {
		return err
	}
	if err := d.finishReset(ctx, c, spec, j, step); err != nil {
		return err
	}
	if p := d.settings.prefix; p != "" && d.settings.spec.Name == "" && !strings.HasPrefix(spec.Name, p+"-") {
		step.Report.Warn("server_name_prefix %q does not fit into a host name: the server is called %q", p, spec.Name)
	}
	if err := d.fromCache(ctx, c, step, &spec); err != nil {
		return err
	}
	server, err := c.Create(ctx, spec, j, step.Report)
	if err != nil {
		return d.cleanUp(ctx, c, j, step, err)
	}
	if !server.Created {
		step.Report.Info("%s (%s) already exists.", server.Name, server.ID)
	}
	d.write(step, server)
	if err := step.State.Save(); err != nil {
		return err
	}
	if d.settings.wait > 0 && server.Created {
		step.Report.Info("Sleeping for %d seconds to let your server start up...", int(d.settings.wait.Seconds()))
		if err := cloud.Pause(ctx, step.Report, "server_wait", d.settings.wait); err != nil {
			return d.cleanUp(ctx, c, j, step, err)
		}
	}
	return nil
}

// write puts what the transport and other tools need into the state.
func (d *Driver) write(step *kitchen.Step, s *cloud.Server) {
	st := step.State
	st.Set(kitchen.KeyServerID, s.ID)
	st.Set(kitchen.KeyHostname, s.Address)
	switch {
	case s.KeyFile != "":
		st.Set(kitchen.KeySSHKey, d.o.relative(s.KeyFile))
	case d.settings.privateKey != "":
		st.Set(kitchen.KeySSHKey, d.settings.privateKey)
	}
	about := map[string]any{"name": s.Name}
	for k, v := range map[string]string{"image": s.Image, "flavor": s.Flavor, "key_pair": s.KeyName, "floating_ip": s.FloatingIP, "availability_zone": s.AvailabilityZone} {
		if v != "" {
			about[k] = v
		}
	}
	if s.Created || st.Own("server") == nil {
		st.SetOwn("server", about)
	}
}

// reconcile brings journal and state together: another tool may have made,
// replaced or destroyed the server since the journal was written.
func (d *Driver) reconcile(ctx context.Context, c *cloud.Cloud, j cloud.Journal, step *kitchen.Step) (*cloud.Record, error) {
	rec, err := j.Read()
	if err != nil {
		return nil, err
	}
	id := step.State.String(kitchen.KeyServerID)
	if id == "" || rec != nil && rec.ServerID() == id {
		return rec, nil
	}
	if rec != nil && rec.ServerID() != "" {
		// The state is of another server than the journal: what the journal
		// has left is taken away first.
		step.Report.Info("the state names another server than the journal (%s): removing its remains", rec.ServerID())
		if err := c.Reclaim(ctx, j, cloud.ReclaimOptions{NoWait: d.o.NoWait && step.Action == kitchen.Destroy}, step.Report); err != nil {
			return nil, err
		}
	}
	if rec == nil || rec.ServerID() != "" {
		if err := c.Adopt(j, id, d.settings.spec.Name, d.o.Instance); err != nil {
			return nil, err
		}
		// A pool's address that kitchen-openstack allocated is ours to release.
		if host := step.State.String(kitchen.KeyHostname); host != "" && d.settings.spec.FloatingIP.Allocate {
			if err := c.AdoptFloatingIP(ctx, j, host); err != nil {
				return nil, err
			}
		}
		return j.Read()
	}
	return rec, nil
}
