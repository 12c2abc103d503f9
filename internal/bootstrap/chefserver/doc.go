// Package chefserver is a small client of the Chef Server API, enough
// to register a node without a validator key and to remove it again.
//
// Requests are signed with an RSA key by protocol 1.3, 1.1 or 1.0 (Chef
// Server API: authentication headers). Keys never appear in errors.
//
// internal/bootstrap and internal/cli import it.
package chefserver
