//go:build !unix || solaris || illumos || aix

package kitchen

import (
	"errors"
	"os"
	"runtime"
	"syscall"
)

// tryLock opens the file without sharing it, where the system can; nil without
// an error when another process has it.
func tryLock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		// Windows removes what a killed process has left, and refuses while
		// another process has it open. Elsewhere the two look alike.
		if runtime.GOOS != "windows" || os.Remove(path) != nil {
			return nil, nil
		}
		return tryLock(path)
	}
	if err != nil {
		if errors.Is(err, syscall.Errno(32)) { // ERROR_SHARING_VIOLATION
			return nil, nil
		}
		return nil, err
	}
	return func() error { return errors.Join(f.Close(), os.Remove(path)) }, nil
}

// syncDir does nothing: a rename is durable without it.
func syncDir(string) error { return nil }
