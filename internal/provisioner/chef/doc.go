// Package chef is the provisioners of the Chef family: chef_infra (also called
// chef_zero), chef_solo and chef_apply, which install Chef or Cinc on the
// machine, send it a sandbox of cookbooks and data, and run the client on it
// without a server.
//
// It may be imported by internal/cli and by tests.
package chef
