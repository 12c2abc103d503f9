// Package db holds the state of one embedded cloud: what exists in it, under
// one lock, journalled to a directory, with a notice to whoever waits for a
// change.
//
// The services (identity, compute, network, image, volume) are rules and views
// over these tables; none of them keeps other state. Only
// internal/devcloud and its sub-packages import this one.
package db
