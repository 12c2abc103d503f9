// Package gunzip undoes gzip faster than the general libraries do, for a
// stream that is read once and looked at in passing: it hands out pieces of its
// own window and copies nothing.
//
// It takes what RFC 1952 and RFC 1951 describe, any number of members, and
// verifies each member's checksum and length. Only internal/fetch imports it.
package gunzip
