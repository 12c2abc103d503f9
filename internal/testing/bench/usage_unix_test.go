//go:build unix

package bench

import (
	"os"
	"runtime"
	"syscall"
	"time"
)

// threadTime returns the processor time of the calling thread so far; of the
// process where the system does not tell threads apart.
func threadTime() time.Duration {
	who := syscall.RUSAGE_SELF
	if runtime.GOOS == "linux" {
		who = 1 // RUSAGE_THREAD
	}
	var u syscall.Rusage
	_ = syscall.Getrusage(who, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakOf returns the largest resident size of a process that has ended, and of
// those it waited for, in bytes; 0
// where that is not known.
func peakOf(p *os.ProcessState) int64 {
	u, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(u.Maxrss)
	}
	return int64(u.Maxrss) << 10
}
