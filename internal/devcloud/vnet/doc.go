// Package vnet is the network between the guests of the embedded cloud, in the
// cloud's own process: a switch that knows every port's addresses, forwards
// within a network and across routers, enforces security groups, and reaches
// the outside by address translation with a user-mode TCP/IP stack. It needs
// no rights on the host and changes nothing there.
//
// Guests get one TAP device for each port; [Switch.Attach] takes its frames.
// [Switch.Update] says what ports, networks and rules there are. IPv4 is
// forwarded; other protocols are not.
//
// Only internal/devcloud imports this package.
package vnet
