// Package env holds the environment variables that a run works with: a private
// copy, so that tests and templates can change it without touching the
// process.
//
// Every package except the engine may import it; it imports the standard
// library alone.
package env
