// Package devcloud is the embedded cloud: OpenStack's identity, compute, network, image and volume APIs on one
// loopback port, and guests behind them that answer SSH on loopback addresses of their own.
//
// [Run] is the daemon, [Start] the same in the calling process (for tests). [Up] starts the daemon in the
// background; a [Client] talks to one that runs: its state, its faults, its request log.
//
// The cloud's parts are packages of their own below this one: world (the state), api (what the HTTP services
// share), identity, compute, network, image, volume, fault and guest. Here is what joins them: the seed, the
// addresses, the keeper of the guests and the doors to them.
//
// Only internal/cli and tests import this package; it knows nothing of the engine or its drivers.
package devcloud
