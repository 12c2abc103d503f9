// Package cookbook reads one cookbook from disk: its metadata (metadata.json
// or metadata.rb), the files that belong to it, what its chefignore leaves
// out, and the identifier that a Policyfile lock has for its content. Each is
// as the Chef Infra Client and chef-cli see it.
//
// Any package below internal/cookbooks and the Chef provisioners may import
// it.
package cookbook
