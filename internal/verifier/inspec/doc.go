// Package inspec is the verifier that checks a machine with InSpec or Cinc
// Auditor. Where one of them is installed on the workstation it looks at the
// machine over SSH, and the machine needs nothing. Where none is, the profiles
// are sent to the machine and checked there by the InSpec that the Chef or
// Cinc package carries.
//
// It may be imported by internal/cli and by tests.
package inspec
