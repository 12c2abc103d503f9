// Package disk writes the results of internal/cookbooks: files that are
// replaced at once, and trees that appear when they are complete.
//
// The packages below internal/cookbooks import it.
package disk
