// Package network is the embedded cloud's Neutron: networks, subnets, routers,
// ports, floating IPs, security groups and what goes with them.
//
// A table of attributes and five functions describe each kind of resource;
// calls, filters, pagination, tags and revisions are the same code for all.
// Compute asks for ports through the operations in ops.go. Only
// internal/devcloud and its compute service import this package.
package network
