// Package dummy is the provisioner that does nothing, slowly or badly on
// request: for trying a configuration's shape. internal/cli imports it.
package dummy

import (
	"context"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/kitchen"
)

// Provisioner does nothing to a machine.
type Provisioner struct{ play base.Play }

var _ kitchen.Provisioner = (*Provisioner)(nil)

// New reads the keys sleep (s, 0), fail (false) and random_failure (false).
func New(section config.Section, _ base.Options) (*Provisioner, error) {
	play, err := base.ReadPlay(section)
	if err != nil {
		return nil, err
	}
	return &Provisioner{play}, nil
}

// Converge implements [kitchen.Provisioner].
func (p *Provisioner) Converge(ctx context.Context, step *kitchen.Step, _ kitchen.Conn) error {
	return p.play.Act(ctx, step, "Dummy", "Converge")
}
