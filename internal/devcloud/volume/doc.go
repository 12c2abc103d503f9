// Package volume is the embedded cloud's Cinder: volumes, snapshots, types,
// attachments, limits and quotas.
//
// Compute asks for volumes and attachments through the operations in ops.go.
// Only internal/devcloud and its compute service import this package.
package volume
