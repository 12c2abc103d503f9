package guest

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// The signals by which systemd, as process 1, is told to reboot and to power
// off (SIGRTMIN+5 and SIGRTMIN+4, counted as the C library does).
const (
	sigReboot   = syscall.Signal(39)
	sigPowerOff = syscall.Signal(38)
)

func setHostName(name string) error { return unix.Sethostname([]byte(name)) }

func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}
