package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// candidates are the modes to try, the best first.
func candidates(lim limits) []string {
	var out []string
	if os.Geteuid() == 0 && !lim.NoRoot {
		if !lim.NoMapping {
			out = append(out, ModeNamespaces)
		}
		out = append(out, ModeReducedRoot)
	}
	if !lim.NoUserNS {
		out = append(out, ModeUserNamespace)
	}
	return append(out, ModeDirectory)
}

// attributes say how the guest's process is born.
func attributes(o bootRequest) *syscall.SysProcAttr {
	const spaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWCGROUP
	a := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if len(o.Spec.NICs) > 0 && o.Mode != ModeDirectory {
		a.Cloneflags |= syscall.CLONE_NEWNET
	}
	switch o.Mode {
	case ModeNamespaces:
		a.Cloneflags |= spaces
		mappedIDs(a, idBase(o.Spec.ID))
	case ModeReducedRoot:
		a.Cloneflags |= spaces
	case ModeUserNamespace:
		a.Cloneflags |= spaces | syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: o.Host.UID, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: o.Host.GID, Size: 1}}
	default:
		// It is to end its children before it ends itself.
		a.Pdeathsig = syscall.SIGTERM
	}
	return a
}

// startTime is when a process began, in the kernel's ticks; "" when it is
// gone. Together with the process ID it names a process for good.
func startTime(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name in parentheses may hold anything; the rest is fields.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

// sweep kills what still runs on behalf of a guest without namespaces, known
// by the mark in its environment. Called until none is found, since a dying
// process may have made another.
func sweep(dir string) {
	mark := guestMark + "=" + dir
	for range 20 {
		found := false
		entries, err := os.ReadDir("/proc")
		if err != nil {
			return
		}
		for _, e := range entries {
			var pid int
			if _, err := fmt.Sscanf(e.Name(), "%d", &pid); err != nil || pid == os.Getpid() {
				continue
			}
			env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
			if err != nil || !hasEntry(env, mark) {
				continue
			}
			if startTime(pid) == "" {
				continue // a zombie is somebody's to bury
			}
			found = true
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if !found {
			return
		}
	}
}

func hasEntry(env []byte, want string) bool {
	for entry := range strings.SplitSeq(string(env), "\x00") {
		if entry == want {
			return true
		}
	}
	return false
}
