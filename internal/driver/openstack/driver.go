package openstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/config"
	cloud "github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/openstack/session"
	table "github.com/galleyhq/galley/internal/settings"
	"github.com/galleyhq/galley/kitchen"
)

// reclaimTime bounds the cleaning up after a failed or cancelled create.
const reclaimTime = 3 * time.Minute

// Driver makes and removes the OpenStack server behind one instance. It is a
// [kitchen.Driver], [kitchen.Finisher], [kitchen.HostKeySource],
// [kitchen.FailureDetailer], [kitchen.StatusReporter] and [kitchen.Checker].
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
	kitchen.Checker
} = (*Driver)(nil)

// New returns the driver for an instance whose merged driver section is
// section. It finds settings that cannot be right whatever the cloud says; it
// neither opens files nor calls a cloud.
func New(section config.Section, o Options) (*Driver, error) {
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
func (d *Driver) Cloud(ctx context.Context) (*cloud.Cloud, error) { return d.connect(ctx) }

func (d *Driver) connect(ctx context.Context) (*cloud.Cloud, error) {
	a, err := d.auth()
	if err != nil {
		return nil, err
	}
	if err := validate(a); err != nil {
		return nil, err
	}
	return d.o.Connector.Connect(ctx, a)
}

// stateJournal writes the server's ID into the instance's state as soon as
// the journal has it, so that another tool finds it there.
type stateJournal struct {
	cloud.Journal
	state *kitchen.State
}

func (j stateJournal) Write(r *cloud.Record) error {
	if err := j.Journal.Write(r); err != nil {
		return err
	}
	if id := r.ServerID(); id != "" && j.state.String(kitchen.KeyServerID) != id {
		j.state.Set(kitchen.KeyServerID, id)
		return j.state.Save()
	}
	return nil
}

func (d *Driver) journal(step *kitchen.Step) cloud.Journal {
	return stateJournal{cloud.FileJournal(d.o.JournalPath()), step.State}
}

// spec completes the settings to what is wanted of the cloud.
func (d *Driver) spec() (cloud.ServerSpec, error) {
	s := d.settings.spec
	s.Owner, s.Project = d.o.Instance, d.o.project()
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
	spec, err := d.spec()
	if err != nil {
		return err
	}
	c, err := d.connect(ctx)
	if err != nil {
		return err
	}
	j := d.journal(step)
	if _, err := d.reconcile(ctx, c, j, step); err != nil {
		return err
	}
	if p := d.settings.prefix; p != "" && d.settings.spec.Name == "" && !strings.HasPrefix(spec.Name, p+"-") {
		step.Report.Warn("server_name_prefix %q does not fit into a host name: the server is called %q", p, spec.Name)
	}
	server, err := c.Create(ctx, spec, j, step.Report)
	if err != nil {
		return d.takeBack(ctx, c, j, step, err)
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
			return d.takeBack(ctx, c, j, step, err)
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
		st.Set(kitchen.KeySSHKey, s.KeyFile)
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
		step.Report.Info("the state names another server than the journal (%s): removing what is left of that", rec.ServerID())
		if err := c.Reclaim(ctx, cloud.FileJournal(d.o.JournalPath()), cloud.ReclaimOptions{}, step.Report); err != nil {
			return nil, err
		}
	}
	if rec == nil || rec.ServerID() != "" {
		if err := c.Adopt(j, id, d.settings.spec.Name, d.o.Instance); err != nil {
			return nil, err
		}
		// A pool's address that the peer allocated is ours to release.
		if host := step.State.String(kitchen.KeyHostname); host != "" && d.settings.spec.FloatingIP.Allocate {
			if err := c.AdoptFloatingIP(ctx, j, host); err != nil {
				return nil, err
			}
		}
		return j.Read()
	}
	return rec, nil
}

// takeBack removes what a failing create has made, unless the person wants
// to look at it or the server was complete before.
func (d *Driver) takeBack(ctx context.Context, c *cloud.Cloud, j cloud.Journal, step *kitchen.Step, cause error) error {
	rec, err := j.Read()
	if err != nil {
		return errors.Join(cause, err)
	}
	if rec == nil {
		d.forget(step)
		return cause
	}
	if rec.Complete && ctx.Err() == nil {
		return cause
	}
	if rec.Complete {
		return cause // Cancelled in server_wait: the server is good.
	}
	if step.KeepOnFailure {
		step.Report.Warn("Keeping what the failed create has made; `galley destroy %s` removes it", d.o.Instance)
		return cause
	}
	if len(rec.Resources) > 0 {
		step.Report.Info("Taking back what was made for <%s>...", d.o.Instance)
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), reclaimTime)
	defer cancel()
	if err := c.Reclaim(clean, j, cloud.ReclaimOptions{}, step.Report); err != nil {
		return errors.Join(cause, fmt.Errorf("not everything could be taken back, `galley destroy %s` tries again: %w", d.o.Instance, err))
	}
	d.removeKey(rec)
	d.forget(step)
	return cause
}

// forget drops the keys of a server that is no more.
func (d *Driver) forget(step *kitchen.Step) {
	step.State.Delete(kitchen.KeyServerID, kitchen.KeyHostname, kitchen.KeySSHKey)
	for _, key := range []string{"server", "host_keys", "host_keys_of"} {
		if step.State.Own(key) != nil {
			step.State.SetOwn(key, nil)
		}
	}
	if own, ok := step.State.Get(kitchen.KeyOwn).(map[string]any); ok && len(own) == 0 {
		step.State.Delete(kitchen.KeyOwn)
	}
}

func (d *Driver) removeKey(rec *cloud.Record) {
	if rec != nil && rec.KeyFile != "" && rec.KeyFile == d.o.KeyPath() {
		_ = os.Remove(rec.KeyFile)
	}
}

// Destroy implements [kitchen.Driver].
func (d *Driver) Destroy(ctx context.Context, step *kitchen.Step) error {
	j := d.journal(step)
	rec, err := j.Read()
	if err != nil {
		return err
	}
	id := step.State.String(kitchen.KeyServerID)
	if rec == nil && id == "" {
		return nil
	}
	c, err := d.connect(ctx)
	if err != nil {
		return err
	}
	if rec, err = d.reconcile(ctx, c, j, step); err != nil {
		return err
	}
	if rec != nil && step.Action == kitchen.Create && rec.Complete {
		// Taking back a create: nothing of it is worth keeping.
		rec.Complete = false
		if err := j.Write(rec); err != nil {
			return err
		}
	}
	if err := c.Reclaim(ctx, j, cloud.ReclaimOptions{}, step.Report); err != nil {
		return err
	}
	d.removeKey(rec)
	d.forget(step)
	return nil
}

// hintCommand writes Ohai's hint where Chef's looks and where Cinc's does. It
// runs on any Bourne shell; sudo is used only by those who are not root.
const hintCommand = `sh -c 's=sudo; [ "$(id -u)" = 0 ] && s=; for d in /etc/chef/ohai/hints /etc/cinc/ohai/hints; do $s mkdir -p $d && echo "{}" | $s tee $d/openstack.json >/dev/null || exit; done'`

// Finish implements [kitchen.Finisher]: it puts the hint for Ohai on the
// machine.
func (d *Driver) Finish(ctx context.Context, step *kitchen.Step, conn kitchen.Conn) error {
	if d.settings.spec.KeyName != "" {
		step.Report.Info("Using OpenStack keypair <%s>", d.settings.spec.KeyName)
	}
	if p := d.settings.publicKey; p != "" {
		step.Report.Info("Using public SSH key <%s>", p)
	}
	if k := step.State.String(kitchen.KeySSHKey); k != "" {
		step.Report.Info("Using private SSH key <%s>", k)
	}
	if step.Instance != nil && step.Instance.OSType == "windows" {
		return nil
	}
	step.Report.Info("Adding OpenStack hint for ohai")
	var said strings.Builder
	status, err := conn.Run(ctx, kitchen.Command{Line: hintCommand, Stdout: &said, Stderr: &said})
	if err != nil {
		return fmt.Errorf("cannot write the hint for ohai: %w", err)
	}
	if status != 0 {
		step.Report.Warn("The hint for ohai could not be written (%s); Chef's automatic attributes for OpenStack may be missing",
			strings.Join(strings.Fields(said.String()), " "))
	}
	return nil
}

// Status implements [kitchen.StatusReporter] by asking Nova.
func (d *Driver) Status(ctx context.Context, step *kitchen.Step) (kitchen.Status, error) {
	no, yes := false, true
	id := step.State.String(kitchen.KeyServerID)
	if id == "" {
		return kitchen.Status{Live: &no, State: kitchen.StateNotCreated, Message: "the instance has no server"}, nil
	}
	c, err := d.connect(ctx)
	if err != nil {
		return kitchen.Status{}, err
	}
	server, err := c.ServerByID(ctx, id)
	if session.KindOf(err) == session.NotFound {
		return kitchen.Status{Live: &no, State: kitchen.StateGone, ResourceID: id, Message: "the cloud does not know the server any more"}, nil
	}
	if err != nil {
		return kitchen.Status{}, err
	}
	st := kitchen.Status{Live: &no, State: server.Status, ResourceID: id, Message: server.Fault}
	if server.Status == "ACTIVE" {
		st.Live = &yes
	}
	if server.TaskState != "" && st.Message == "" {
		st.Message = "the cloud is at it: " + server.TaskState
	}
	return st, nil
}

// HostKeys implements [kitchen.HostKeySource] by the server's console.
func (d *Driver) HostKeys(ctx context.Context, step *kitchen.Step) ([]string, error) {
	id := step.State.String(kitchen.KeyServerID)
	if id == "" {
		return nil, nil
	}
	c, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	return c.HostKeys(ctx, id)
}

// consoleTail is how many lines of the console a failure report shows.
const consoleTail = 25

// FailureDetail implements [kitchen.FailureDetailer]: the end of the console.
func (d *Driver) FailureDetail(ctx context.Context, step *kitchen.Step) string {
	id := step.State.String(kitchen.KeyServerID)
	if id == "" {
		return ""
	}
	c, err := d.connect(ctx)
	if err != nil {
		return ""
	}
	text, err := c.Console(ctx, id, consoleTail)
	if err != nil || strings.TrimSpace(text) == "" {
		return ""
	}
	return "the end of the server's console:\n" + cloud.Printable(text, consoleTail)
}

// Check implements [kitchen.Checker]: it logs in and looks up every name, and
// makes nothing.
func (d *Driver) Check(ctx context.Context, _ *kitchen.Step) []string {
	var out []string
	complain := func(err error) {
		if err == nil {
			return
		}
		text := err.Error()
		var h interface{ Hint() string }
		if errors.As(err, &h) && h.Hint() != "" {
			text += " (" + h.Hint() + ")"
		}
		out = append(out, text)
	}
	spec, err := d.spec()
	complain(err)
	c, err := d.connect(ctx)
	if err != nil {
		complain(err)
		return out
	}
	for _, err := range c.CheckSpec(ctx, spec) {
		complain(err)
	}
	return out
}
