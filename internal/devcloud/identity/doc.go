// Package identity is the embedded cloud's Keystone: Identity v3, and what is
// left of v2.0 for clients and RC files of its time.
//
// Only internal/devcloud imports it.
package identity
