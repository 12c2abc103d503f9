package guest

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// droppedCaps are the capabilities that reach the host where the guest's root
// is the host's: its network, devices, clock, modules, mounts, processes, and
// files by their handles. (And files that nobody could delete.) In a user
// namespace they reach the guest alone, which may keep them.
var droppedCaps = []uintptr{
	unix.CAP_NET_ADMIN, unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO, unix.CAP_SYS_TIME, unix.CAP_SYS_BOOT, unix.CAP_MKNOD,
	unix.CAP_MAC_ADMIN, unix.CAP_MAC_OVERRIDE, unix.CAP_SYSLOG, unix.CAP_WAKE_ALARM, unix.CAP_BLOCK_SUSPEND, unix.CAP_BPF,
	unix.CAP_PERFMON, unix.CAP_SYS_PACCT, unix.CAP_AUDIT_CONTROL, unix.CAP_AUDIT_READ, unix.CAP_LINUX_IMMUTABLE,
	unix.CAP_CHECKPOINT_RESTORE, unix.CAP_DAC_READ_SEARCH, unix.CAP_SYS_ADMIN, unix.CAP_SYS_PTRACE, unix.CAP_SYS_RESOURCE,
}

// prepareThread makes the calling thread one whose children are a guest's.
func prepareThread(fs *rootfs) {
	if fs.mode != ModeNamespaces {
		for _, c := range droppedCaps {
			_ = unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0) // fails for one this kernel does not know
		}
	}
}

// attributesFor makes a process one of the user's: its IDs, and for those who
// may use sudo the right to become another, since sudo is not a setuid program
// here (see sudo_linux.go).
func attributesFor(fs *rootfs, u account, groups []int, sudoer bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true}
	if !fs.pidSpace {
		a.Pdeathsig = syscall.SIGKILL
	}
	if fs.single {
		return a
	}
	a.Credential = &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.gid)}
	for _, g := range groups {
		a.Credential.Groups = append(a.Credential.Groups, uint32(g))
	}
	if sudoer && u.uid != 0 {
		a.AmbientCaps = []uintptr{unix.CAP_SETUID, unix.CAP_SETGID}
	}
	return a
}

// adopt makes orphans of this process's descendants its own children, so that
// they can be found and killed without a pid namespace.
func adopt() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// signalAll sends a signal to every process of the guest but this one, and
// tells whether there was any.
func signalAll(fs *rootfs, sig syscall.Signal) bool {
	if fs.pidSpace {
		return syscall.Kill(-1, sig) == nil
	}
	found := false
	for _, pid := range descendants(os.Getpid()) {
		if syscall.Kill(pid, sig) == nil {
			found = true
		}
	}
	return found
}

// descendants lists the living processes below one, from /proc.
func descendants(of int) []int {
	below := map[int][]int{}
	for _, pid := range processes() {
		if f := statFields(pid); f != nil {
			parent, _ := strconv.Atoi(f[1])
			below[parent] = append(below[parent], pid)
		}
	}
	var out []int
	for queue := []int{of}; len(queue) > 0; queue = queue[1:] {
		out = append(out, below[queue[0]]...)
		queue = append(queue, below[queue[0]]...)
	}
	return out
}
