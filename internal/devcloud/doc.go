// Package devcloud is the embedded cloud: OpenStack's identity, compute,
// network, image, volume, object and placement APIs on one loopback port, and
// guests behind them that answer SSH on their own loopback addresses.
//
// [Run] is the daemon, [Start] the same in the calling process (for tests).
// [Up] starts the daemon in the background; a [Client] talks to one that runs:
// its state, its faults, its request log.
//
// The cloud's parts are packages below this one: db (the state), api (what the
// HTTP services share), identity, compute, network, image, volume, object,
// placement, fault, guest and vnet (the network between guests). This package joins them:
// the seed, the addresses, the guest manager, and the ports of servers that are
// published on this host.
//
// Differences from a real cloud: a closed port refuses where a cloud's would
// drop; on this host only addresses in the cloud's own 127.B.0.0/16 can be
// reached (guests reach every network that a router joins); IPv6 addresses are
// given out and lead nowhere; there is no metadata service (user data and the
// config drive reach guests directly), no screen consoles, no agent that could
// set a password, no x509 key pairs, no QoS; only TCP gets from this host to a guest,
// of a port forwarding the first 16 ports; attached volumes and a trunk's VLANs
// are not devices in the guest; an interface attached to a running server
// appears at its next boot; a floating IP shows among its server's addresses at
// once, where Nova's cache lags. Messages that quote a request's body sort its
// keys.
//
// Only internal/cli and tests import this package; it does not import
// the engine or its drivers.
package devcloud
