package openstack

import (
	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/kitchen"
)

// Driver makes and removes the OpenStack server behind one instance. It is a
// [kitchen.Driver], [kitchen.Finisher], [kitchen.HostKeySource],
// [kitchen.FailureDetailer] and [kitchen.Checker].
type Driver struct {
	section config.Section
	o       Options
}

var _ interface {
	kitchen.Driver
	kitchen.Finisher
	kitchen.HostKeySource
	kitchen.FailureDetailer
	kitchen.Checker
} = (*Driver)(nil)

// New returns the driver for an instance whose merged driver section is
// section. It reads the section only as far as to find settings that cannot
// be right whatever the cloud says; it neither opens files nor calls a cloud.
func New(section config.Section, o Options) (*Driver, error) {
	return &Driver{section: section, o: o}, nil
}
