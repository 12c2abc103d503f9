//go:build !linux

package devcloud

// loopbackNets: outside of Linux only 127.0.0.1 is there from the start.
const loopbackNets = false
