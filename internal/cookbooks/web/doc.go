// Package web makes the requests of internal/cookbooks: a web client with time
// limits, one policy for repeating them, bounds on sizes, and errors
// that name the address and the request.
//
// The packages below internal/cookbooks import it.
package web
