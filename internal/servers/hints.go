package servers

import (
	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/settings"
)

// inFlags has err's advice name settings by their flags.
func inFlags(err error) error { return session.Spelled(err, settings.Knife) }
