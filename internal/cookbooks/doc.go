// Package cookbooks resolves, installs, locks, vendors and exports the
// cookbooks of a project: the work of chef-cli on a Policyfile and of Berkshelf
// on a Berksfile, without Ruby. It does not depend on clouds or machines.
//
// A [Project] is one Policyfile or Berksfile:
//
//	p, err := cookbooks.Open("Policyfile.rb", cookbooks.Options{Env: vars, Dir: dir})
//	res, err := p.Install(ctx)
//
// Below it, policyfile and berksfile have the rules of the two files, solver
// chooses versions, source and git fetch cookbooks into the cache, cookbook
// reads one from disk. Requests to a Chef Server are signed by the caller; see
// [Options.Server].
//
// internal/cli and internal/provisioner/chef import it.
package cookbooks
