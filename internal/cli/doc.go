// Package cli is the command tree: one file for each noun or verb. A command
// turns flags into a request to the engine, and the answer into output and an
// exit code; it holds no further logic. Here, and only here, the engine,
// its plug-ins, the configuration and the embedded cloud are joined.
//
// cmd/galley imports it, and nothing else may.
package cli
