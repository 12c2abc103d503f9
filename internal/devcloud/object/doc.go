// Package object is the embedded cloud's object store, as Swift speaks it:
// accounts, containers and objects with their metadata, listings with marker,
// prefix and delimiter, ranges, and entity tags without quotes.
//
// Left out: large objects made of segments, versions and quotas.
package object
