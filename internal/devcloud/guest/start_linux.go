package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
	user := func(uid, gid, n int) {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: n}}
		a.GidMappings = []syscall.SysProcIDMap{{HostID: gid, Size: n}}
	}
	if o.pidSpace() {
		a.Cloneflags |= spaces
	} else {
		a.Pdeathsig = syscall.SIGTERM // it is to end its children before itself
	}
	switch base := idBase(o.Spec.ID); o.Mode {
	case ModeNamespaces:
		user(base, base, idRange)
		a.GidMappingsEnableSetgroups, a.Credential = true, &syscall.Credential{}
	case ModeUserNamespace:
		user(o.Host.UID, o.Host.GID, 1)
	}
	return a
}

// startTime is when a process began, in the kernel's ticks; "" when it is
// gone. Together with the process ID it names a process for good.
func startTime(pid int) string {
	if fields := statFields(pid); fields != nil {
		return fields[19]
	}
	return ""
}

// statFields are a living process's fields in /proc/PID/stat behind its name,
// which may hold anything: state, parent, ...; nil when it is gone.
func statFields(pid int) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // empty when gone
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return nil
	}
	return fields
}

// sweep kills what still runs on behalf of a guest without namespaces, known
// by the mark in its environment. Called until none is found, since a dying
// process may have made another.
func sweep(dir string) {
	for range 20 {
		left := processesWith(guestMark + "=" + dir)
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// processesWith are the living processes, but for this one, with an entry in
// their environment.
func processesWith(entry string) (out []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, err := os.ReadFile(f)
		if err == nil && slices.Contains(strings.Split(string(env), "\x00"), entry) && startTime(pid) != "" {
			out = append(out, pid)
		}
	}
	return out
}
