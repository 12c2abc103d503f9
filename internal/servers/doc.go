// Package servers makes and removes servers that are nodes of a Chef Server,
// as knife-openstack did: what a server needs is checked on both sides, then
// it is made on the cloud, reached over SSH, registered with the Chef Server
// and bootstrapped. What fails on the way is removed on both sides. An existing
// machine becomes a node in the same way ([Bootstrap]).
//
// Each server has a record: a file that holds the requests to the cloud
// (an [openstack.Record]) and of the Chef Server, written before it is asked
// for. A create or delete of the same name finds what a killed one has left.
//
// The package has no flags and no terminal. It imports
// internal/openstack, internal/bootstrap and the packages below it, and
// internal/state for files and locks; only internal/cli imports it.
package servers
