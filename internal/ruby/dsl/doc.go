// Package dsl reads the declarative Ruby files of a cookbook (metadata.rb,
// Berksfile, Policyfile.rb) as a list of the calls that they make: which name,
// with which arguments, at which place. What the calls mean is the caller's
// business.
//
//	calls, err := dsl.Read(ctx, string(src), dsl.Options{
//		File: "Berksfile", Dir: dir, Env: vars, Known: map[string]bool{"cookbook": true},
//	})
//
// The package is meant for internal/cookbooks and the provisioners.
package dsl
