package ssh

import (
	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/kitchen"
)

// Target says how the machine with that state is reached, for programs on the
// workstation that connect by themselves. A state without an address is a
// [kitchen.NoAddressError].
func (t *Transport) Target(inst *kitchen.Instance, state *kitchen.State) (bootstrap.Config, error) {
	return t.config(&kitchen.Step{Instance: inst, State: state})
}
