// Package web makes the requests of internal/cookbooks: a web client with time
// limits, one policy for repeating them, bounds on what is read, and errors
// that name the address and what was wanted from it.
//
// The packages below internal/cookbooks import it.
package web
