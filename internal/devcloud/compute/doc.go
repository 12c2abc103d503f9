// Package compute is the embedded cloud's Nova, v2.1 with microversions:
// servers and their actions, key pairs, flavors, groups, volume and interface
// attachments, quotas.
//
// It asks the network, volume and image services for what a server needs, as
// Nova does, and says by a server's Run and Boot what its guest is to do;
// internal/devcloud keeps the guests. Only internal/devcloud imports this
// package.
package compute
