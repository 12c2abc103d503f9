package cli_test

import (
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/galleyhq/galley/internal/testing/supermarkettest"
)

// scriptSupermarket runs a Supermarket with the cookbooks below a folder, and
// sets SUPERMARKET to its URL. "stop" stops the last one.
func scriptSupermarket(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: supermarket DIR")
	}
	s, err := supermarkettest.StartDir(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(s.Close)
	ts.Setenv("SUPERMARKET", s.URL)
}
