package chef

import (
	"context"

	"github.com/galleyhq/galley/kitchen"
)

// Preflight assembles what a converge would send, without a machine, and
// returns why it cannot: a cookbook that is missing, dependencies that cannot
// be resolved, a file that cannot be read. With local it does so only where no
// other computer has to be asked.
func (p *Provisioner) Preflight(ctx context.Context, step *kitchen.Step, local bool) error {
	if local && (isFile(p.chef.policyfile) || isFile(p.chef.berksfile)) {
		return nil
	}
	if p.resolver == nil {
		p.resolver, p.own = NewResolver(), true
	}
	_, err := p.sandbox(ctx, step)
	return err
}
