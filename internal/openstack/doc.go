// Package openstack makes and removes what Galley needs on an OpenStack cloud:
// look-ups by ID, name or /regexp/; servers with their volumes, ports, key
// pairs and floating IPs; networks with their subnets and routers; and one
// watcher for all waits. It is built on internal/openstack/session, which has
// the login, the HTTP layer and the errors.
//
// Each resource is recorded in a [Journal] before it is requested, with a
// token that is also put into the resource, so that [Cloud.Reclaim] finds it
// after a crash at any point.
//
// It does not depend on kitchens or their files. It may be imported by the drivers,
// by internal/servers and by internal/cli.
package openstack
