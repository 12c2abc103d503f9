// Package source knows where cookbooks come from: a Supermarket or what
// behaves like one (Artifactory), a Chef Server, a folder of cookbooks, a git
// repository. A source lists its cookbooks, and fetches a version of one into
// the cache.
//
// internal/cookbooks/policyfile and internal/cookbooks/berksfile import it.
package source
