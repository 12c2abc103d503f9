package fetch

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// noFollow is nothing here: links are refused by their mode.
const noFollow = 0

// names returns how many names a file has, as far as it is known.
func names(os.FileInfo) uint64 { return 1 }

func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

// lock takes f for this process, and reports false if another has it. The byte
// that is locked is far after the end, since locked bytes cannot be read.
func lock(f *os.File) (bool, error) {
	at := &windows.Overlapped{OffsetHigh: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}
