// Package dummy is the verifier that checks nothing, slowly or badly on
// request. internal/cli imports it.
package dummy

import (
	"context"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/kitchen"
)

// Verifier checks nothing.
type Verifier struct{ play base.Play }

var _ kitchen.Verifier = (*Verifier)(nil)

// New reads the keys sleep (s, 0), fail (false) and random_failure (false).
func New(section config.Section, _ base.Options) (*Verifier, error) {
	play, err := base.ReadPlay(section)
	if err != nil {
		return nil, err
	}
	return &Verifier{play}, nil
}

// Verify implements [kitchen.Verifier].
func (v *Verifier) Verify(ctx context.Context, step *kitchen.Step, _ kitchen.Conn) error {
	return v.play.Act(ctx, step, "Dummy", "Verify")
}
