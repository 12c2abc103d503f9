// Package git fetches cookbooks and files from git repositories and describes
// work trees, all by the git program of the machine. It never waits for a
// password: a repository that wants one is an error.
//
// The packages below internal/cookbooks import it.
package git
