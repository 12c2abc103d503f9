// Package solver chooses one version of each cookbook that a set of demands
// needs, newest first. It takes the decisions of Molinillo 0.8 behind solve
// 4.0, which chef-cli and Berkshelf use, in the same order: where several
// solutions are possible, theirs is found. It differs in that it stops after
// a number of steps, and in how it explains a conflict.
//
// internal/cookbooks/policyfile and internal/cookbooks/berksfile import it.
package solver
