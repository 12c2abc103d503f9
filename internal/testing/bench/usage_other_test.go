//go:build !unix

package bench

import (
	"os"
	"time"
)

var started = time.Now()

// threadTime is the time on the wall where the system's is not asked for.
func threadTime() time.Duration { return time.Since(started) }

// peakOf is not known.
func peakOf(*os.ProcessState) int64 { return 0 }
