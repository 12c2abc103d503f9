// Package shell is the provisioner that runs a script or a command on the
// machine.
//
// It may be imported by internal/cli and by tests.
package shell
