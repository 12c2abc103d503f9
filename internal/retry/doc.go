// Package retry is the one policy for repeating a request that failed:
// attempts, growing pauses with jitter, a budget of time, and what a server
// asked for. It serves the cloud, the Chef Server, fetch and downloads of
// packages and cookbooks.
//
// The caller decides what may be repeated; [Transient], [NotSent] and [Status]
// answer the questions that are the same everywhere. [Policy.Do] runs an
// operation under a policy; [Policy.Start] gives the pauses alone.
//
// Every package except the engine may import it; it imports the standard
// library alone.
package retry
