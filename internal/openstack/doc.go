// Package openstack is all that Galley knows of OpenStack, over gophercloud:
// one authenticated connection, lookups by ID, name or /regexp/, servers with
// their volumes, ports, key pairs and floating IPs made and removed without
// remainder, and one watcher for all waits.
//
// Whatever is made is recorded in a [Journal] before it is asked for, with a
// token that is also put into the resource, so that [Cloud.Reclaim] finds it
// after a crash at any point.
//
// It knows neither kitchens nor their files. It may be imported by the driver
// plug-ins and by internal/cli; it imports none of our packages.
package openstack
