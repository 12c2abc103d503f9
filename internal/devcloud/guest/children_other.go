//go:build unix && !linux

package guest

import "syscall"

func prepareThread(*world) {}

func attributesFor(*world, account, []int, bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true}
}

func adopt() {}

// signalAll has no way to find what left its session here; the sessions'
// process groups have been signalled by then.
func signalAll(*world, syscall.Signal) bool { return false }
