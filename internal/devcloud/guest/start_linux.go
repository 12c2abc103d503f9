package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
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
		user(os.Getuid(), os.Getgid(), 1)
	}
	return a
}

// hiddenFor are the host's directories that a guest may not see: the one that
// holds this guest and its like, and the user's home; but never a top of the
// system's own tree.
func hiddenFor(dir string) (out []string) {
	hide := []string{filepath.Dir(dir)}
	if home, err := os.UserHomeDir(); err == nil {
		hide = append(hide, home)
	}
	for _, d := range hide {
		if real, err := filepath.EvalSymlinks(d); err == nil {
			d = real
		}
		if strings.Count(filepath.Clean(d), "/") >= 2 {
			out = append(out, filepath.Clean(d))
		}
	}
	if len(out) == 0 || out[0] != filepath.Dir(dir) {
		out = append(out, dir)
	}
	return out
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
// by the mark in its environment, until none is found: a dying process may
// have made another, and takes its time to die on a busy host.
func sweep(dir string) {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		left := processesWith(guestMark + "=" + dir)
		if len(left) == 0 {
			return
		}
		signalEach(left, syscall.SIGKILL)
		time.Sleep(2 * time.Millisecond) // the kernel tells only a parent of a process's end
	}
}

// processesWith are the living processes, but for this one, with an entry in
// their environment.
func processesWith(entry string) (out []int) {
	for _, pid := range processes() {
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)) // empty when gone
		if pid != os.Getpid() && slices.Contains(strings.Split(string(env), "\x00"), entry) && startTime(pid) != "" {
			out = append(out, pid)
		}
	}
	return out
}

// processes are the IDs of all processes, the dead that nobody has waited for
// among them.
func processes() (out []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		if pid, err := strconv.Atoi(filepath.Base(d)); err == nil {
			out = append(out, pid)
		}
	}
	return out
}
