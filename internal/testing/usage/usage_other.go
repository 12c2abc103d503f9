//go:build !unix

package usage

import (
	"os"
	"time"
)

var started = time.Now()

// ThreadTime is the time on the wall where the system's is not asked for.
func ThreadTime() time.Duration { return time.Since(started) }

// Peak is not known.
func Peak(*os.ProcessState) int64 { return 0 }
