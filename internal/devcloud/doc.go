// Package devcloud is the embedded cloud: OpenStack's identity, compute,
// network, image, volume and object APIs on one loopback port, and guests
// behind them that answer SSH on loopback addresses of their own.
//
// [Run] is the daemon, [Start] the same in the calling process (for tests).
// [Up] starts the daemon in the background; a [Client] talks to one that runs:
// its state, its faults, its request log.
//
// The cloud's parts are packages of their own below this one: db (the state),
// api (what the HTTP services share), identity, compute, network, image,
// volume, object, fault and guest. Here is what joins them: the seed, the
// addresses, the keeper of the guests and the sshPorts to them.
//
// What a real cloud has and this one leaves out: a closed port refuses where a
// cloud's would drop; addresses outside of the cloud's own 127.B.0.0/16 (a
// user's networks, IPv6) are given out and lead nowhere; there is no metadata
// service (user data and the config drive reach guests directly), no screen
// consoles, no agent that could set a password, no x509 key pairs, no trunks,
// QoS, backups or volume transfers; attached volumes are no devices in the
// guest; a floating IP shows among its server's addresses at once, where Nova's
// cache lags. Messages that quote a request's body sort its keys.
//
// Only internal/cli and tests import this package; it knows nothing of the
// engine or its drivers.
package devcloud
