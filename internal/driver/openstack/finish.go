package openstack

import (
	"context"
	"fmt"
	"strings"

	"github.com/galleyhq/galley/kitchen"
)

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
