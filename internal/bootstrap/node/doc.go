// Package node gets from an open connection to a Chef node: [Register] makes
// the client and the node object on the Chef Server, [Bootstrap] puts the
// client's key and configuration on the machine, installs Chef or Cinc and runs
// it for the first time, [Unregister] takes the objects away again.
//
// The files lie as knife bootstrap lays them out, in the directory in which
// the client that is on the machine looks by itself: /etc/chef for Chef,
// /etc/cinc for Cinc, and then /etc/chef is a link to it where nothing else
// stands there, so that what counts on that name finds it.
//
// Commands for root reach the machine through the standard input
// of a shell, behind sudo or su where the login user is not root: no secret is
// ever on a command line, or in a file that is not meant to hold it.
//
// internal/cli imports it. It imports internal/bootstrap and the packages below.
package node
