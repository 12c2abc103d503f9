package openstack

import (
	cloud "github.com/galleyhq/galley/internal/openstack"
)

// Spec returns the server that a create of the instance would request.
func (d *Driver) Spec() (cloud.ServerSpec, error) { return d.spec() }

// Project returns the mark of the resources that belong to the driver's project.
func (d *Driver) Project() string { return d.o.Project() }
