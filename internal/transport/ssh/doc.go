// Package ssh is the ssh transport: it joins the engine's [kitchen.Transport]
// to internal/bootstrap. Its keys and their defaults are those of Test
// Kitchen's transport of that name, its readings of them are in [New].
//
// It may be imported by internal/cli and by tests.
package ssh
