package openstack

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	cloud "github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/kitchen"
)

// Status implements [kitchen.StatusReporter] by asking Nova.
func (d *Driver) Status(ctx context.Context, step *kitchen.Step) (kitchen.Status, error) {
	no, yes := false, true
	id := step.State.String(kitchen.KeyServerID)
	if id == "" {
		return kitchen.Status{Live: &no, State: kitchen.StateNotCreated, Message: "the instance has no server"}, nil
	}
	c, err := d.Cloud(ctx)
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
		st.Message = movedTo(step.State.String(kitchen.KeyHostname), server.Addresses)
	}
	if server.TaskState != "" && st.Message == "" {
		st.Message = "task in progress: " + server.TaskState
	}
	return st, nil
}

// movedTo says that a server does not have the address any more that it is
// reached at, "" while it has.
func movedTo(host string, all []cloud.Address) string {
	if _, err := netip.ParseAddr(host); err != nil || len(all) == 0 {
		return ""
	}
	var have []string
	for _, a := range all {
		if a.IP == host {
			return ""
		}
		have = append(have, a.IP)
	}
	return fmt.Sprintf("its address is not %s any more, but %s", host, strings.Join(have, ", "))
}

// HostKeys implements [kitchen.HostKeySource] by the server's console.
func (d *Driver) HostKeys(ctx context.Context, step *kitchen.Step) ([]string, error) {
	id := step.State.String(kitchen.KeyServerID)
	if id == "" {
		return nil, nil
	}
	c, err := d.Cloud(ctx)
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
	c, err := d.Cloud(ctx)
	if err != nil {
		return ""
	}
	text, err := c.Console(ctx, id, consoleTail)
	if err != nil || strings.TrimSpace(text) == "" {
		return ""
	}
	return "the end of the server's console:\n" + cloud.Printable(text, consoleTail)
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

// Project returns the mark of the resources that belong to the driver's project.
func (d *Driver) Project() string { return d.o.Project() }
