package guest

import (
	"errors"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// becomeRoot takes on root's IDs by the capabilities that the caller carries.
func becomeRoot(single bool) error {
	if single || syscall.Geteuid() == 0 {
		return nil
	}
	if err := syscall.Setresgid(0, 0, 0); err != nil {
		return errNoRight(err)
	}
	if err := syscall.Setresuid(0, 0, 0); err != nil {
		return errNoRight(err)
	}
	return nil
}

func errNoRight(err error) error {
	if errors.Is(err, syscall.EPERM) {
		return errors.New(
			"this process may not become root: only what descends from a login of a user in sudoers can",
		)
	}
	return err
}

// execAs becomes the program as another user. It returns only an error.
// Credentials are each thread's own in Linux, and exec keeps those of the
// thread that calls it, so that only this one needs to change.
func execAs(uid, gid int, groups []int, sudoer bool, program string, argv, env []string) error {
	runtime.LockOSThread()
	list := make([]uint32, 0, len(groups)+1)
	for _, g := range groups {
		list = append(list, uint32(g))
	}
	var first unsafe.Pointer
	if len(list) > 0 {
		first = unsafe.Pointer(&list[0])
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(list)), uintptr(first), 0); e != 0 {
		return e
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid)); e != 0 {
		return e
	}
	if uid != 0 {
		if sudoer {
			if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
				return err
			}
		}
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); e != 0 {
			return e
		}
		if sudoer {
			carryRights()
		}
	}
	return syscall.Exec(program, argv, env)
}

// carryRights makes the rights that sudo needs ambient, for another sudo
// below this one. Without them only that one fails.
func carryRights() {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	const set = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	data[0] = unix.CapUserData{Effective: set, Permitted: set, Inheritable: set}
	if unix.Capset(&header, &data[0]) != nil {
		return
	}
	for _, c := range []uintptr{unix.CAP_SETUID, unix.CAP_SETGID} {
		_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, c, 0, 0)
	}
}
