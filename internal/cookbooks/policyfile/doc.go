// Package policyfile does what chef-cli does with a Policyfile.rb: it reads it,
// resolves and installs its cookbooks, writes and updates the lock beside it,
// exports the policy, and uploads it to a Chef Server. Locks are those of
// chef-cli to the byte, so a team may use both.
//
// internal/cookbooks imports it.
package policyfile
