//go:build !unix

package main

import "os"

// peakMB is the most memory that a process had, 0 where that is not known.
func peakMB(*os.ProcessState) int { return 0 }
