package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// argAttack makes the test binary, which a guest has as its program, try to
// reach the host from inside. What it reaches it prints.
const argAttack = "galley-test-attack"

// attack tries the known ways out of a container as the user it runs as.
func attack(marker string) int {
	reached := func(format string, args ...any) { fmt.Printf("reached: "+format+"\n", args...) } //nolint:forbidigo // for the test
	mounts, err := mountinfo.GetMounts(nil)
	if err != nil || len(mounts) == 0 {
		reached("no mounts to try: %v", err)
	}
	// Inode 2 is the root directory of an ext4 file system, whatever of it is
	// mounted.
	for _, m := range mounts {
		fd, err := unix.Open(m.Mountpoint, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		handle := unix.NewFileHandle(1, []byte{2, 0, 0, 0, 0, 0, 0, 0})
		if got, err := unix.OpenByHandleAt(fd, handle, unix.O_RDONLY); err == nil {
			reached("a file handle through %s", m.Mountpoint)
			_ = unix.Close(got)
		} else if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ESTALE) {
			fmt.Println("handle", m.Mountpoint, err) //nolint:forbidigo // for the test
		}
		_ = unix.Close(fd)
	}
	writable := func(path string) {
		if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			reached("%s can be written", path)
			_ = f.Close()
		}
	}
	settings := []string{
		"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger",
		"/sys/kernel/uevent_helper", "/sys/power/state", "/sys/fs/cgroup/release_agent",
	}
	for _, p := range settings {
		writable(p)
	}
	for _, p := range []string{"/proc/sys", "/proc", "/sys"} {
		_ = unix.Mount("", p, "", unix.MS_REMOUNT|unix.MS_BIND, "")
	}
	if os.Mkdir("/run/proc", 0o755) == nil && unix.Mount("proc", "/run/proc", "proc", 0, "") == nil {
		settings = append(settings, "/run/proc/sys/kernel/core_pattern", "/run/proc/sysrq-trigger")
	}
	for _, p := range settings {
		writable(p)
	}
	var st unix.Stat_t
	if unix.Stat("/usr", &st) == nil {
		for _, dev := range []uint64{st.Dev, unix.Mkdev(254, 0), unix.Mkdev(8, 0), unix.Mkdev(1, 1)} {
			node := fmt.Sprintf("/run/node-%x", dev)
			mode := uint32(unix.S_IFBLK)
			if dev == unix.Mkdev(1, 1) {
				mode = unix.S_IFCHR // /dev/mem
			}
			if unix.Mknod(node, mode|0o600, int(dev)) != nil {
				continue
			}
			if fd, err := unix.Open(node, unix.O_RDONLY, 0); err == nil {
				reached("device %x", dev)
				_ = unix.Close(fd)
			}
		}
	}
	roots, _ := filepath.Glob("/proc/[0-9]*/root")
	for _, r := range append(roots, "", "/..", "/proc/self/cwd") {
		if _, err := os.Stat(r + marker); err == nil {
			reached("the host's files through %s", r)
		}
	}
	now := time.Now()
	ts := unix.NsecToTimespec(now.UnixNano())
	if unix.ClockSettime(unix.CLOCK_REALTIME, &ts) == nil {
		reached("the clock")
	}
	if err := unix.InitModule([]byte("not a module"), ""); !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOSYS) {
		reached("kernel modules: %v", err)
	}
	if fd, err := unix.Open("/proc/1/ns/mnt", unix.O_RDONLY, 0); err == nil {
		// Process 1 is the guest's own: its namespaces do not lead out.
		_ = unix.Setns(fd, unix.CLONE_NEWNS)
		if _, err := os.Stat(marker); err == nil {
			reached("the host's files through process 1")
		}
		_ = unix.Close(fd)
	}
	fmt.Println("tried", len(mounts), "mounts and", len(settings), "settings") //nolint:forbidigo // for the test
	return 0
}

// Nothing that root of a guest does reaches the host, in either of root's
// modes. As the guest's ordinary user the same is tried.
func TestRootIsConfined(t *testing.T) {
	apart(t)
	if os.Geteuid() != 0 {
		t.Skip("only a cloud started by root has anything to lose")
	}
	marker := filepath.Join(t.TempDir(), "host-only")
	if err := os.WriteFile(marker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, lim := range []limits{{}, {NoMapping: true}} {
		g := boot(t, nil, lim)
		t.Run(g.Mode(), func(t *testing.T) {
			for _, user := range []string{"root", "centos"} {
				out := must(t, g.login(t, user), toolDir+"/galley "+argAttack+" "+marker)
				if !strings.Contains(out, "tried ") {
					t.Errorf("%s: the attack ended early: %s", user, out)
				}
				for line := range strings.Lines(out) {
					if strings.HasPrefix(line, "reached: ") {
						t.Errorf("%s of the guest has %s", user, line)
					}
				}
			}
			if g.Mode() != ModeNamespaces {
				return
			}
			got := strings.Fields(must(t, g.login(t, "root"), "cat /proc/self/uid_map"))
			if len(got) != 3 || got[1] == "0" || got[2] != fmt.Sprint(idRange) {
				t.Errorf("the guest's root is user %v of the host", got)
			}
		})
	}
}
