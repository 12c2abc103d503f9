// Package openstack is the driver plug-in for OpenStack: it reads a
// kitchen-openstack driver section, today's or that of the 1.x generation,
// and has internal/openstack make, check and remove the server behind an
// instance.
//
// It may be imported by internal/cli and by tests. It knows the cloud
// through internal/openstack alone.
package openstack
