package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// makeReadOnly does so for a mount and those inside it; with a kernel before
// 5.12 for the mount alone.
func makeReadOnly(p string) error {
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if unix.MountSetattr(unix.AT_FDCWD, p, unix.AT_RECURSIVE, attr) == nil {
		return nil
	}
	var st unix.Statfs_t
	if err := unix.Statfs(p, &st); err != nil {
		return err
	}
	// Flags that the mount came with may not be dropped in a user namespace;
	// statfs's are mount's own for these.
	keep := uintptr(st.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME)
	return unix.Mount("", p, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|keep, "")
}

// kernelDirs mounts /proc, /sys, /dev and /run.
func (b *builder) kernelDirs() error {
	at := func(p string) string { return filepath.Join(diskName, p) }
	if err := unix.Mount("proc", at("proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		// A container masks parts of /proc and so forbids a fresh one.
		if err := unix.Mount("/proc", at("proc"), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("mounting /proc: %w", err)
		}
		b.note("/proc is the host's: it shows processes that are not the guest's")
	}
	if err := unix.Mount("tmpfs", at("run"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=20%"); err != nil {
		return fmt.Errorf("mounting /run: %w", err)
	}
	if err := os.MkdirAll(at(toolDir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(at("run/lock"), 0o700); err == nil {
		_ = unix.Chmod(at("run/lock"), 0o1777)
	}
	// Where the guest's root is the host's it may read the kernel's settings,
	// not change them. Elsewhere it can change its own network's.
	if b.o.Mode != ModeNamespaces {
		for _, p := range []string{"proc/sys", "proc/sysrq-trigger", "proc/irq", "proc/bus"} {
			if unix.Mount(at(p), at(p), "", unix.MS_BIND|unix.MS_REC, "") == nil {
				_ = makeReadOnly(at(p))
			}
		}
	}
	// Every boot has its own ID, by which programs notice a reboot.
	if id, err := os.ReadFile("/proc/sys/kernel/random/uuid"); err == nil {
		f := at(toolDir + "/boot_id")
		if os.WriteFile(f, id, 0o444) == nil {
			_ = unix.Mount(f, at("proc/sys/kernel/random/boot_id"), "", unix.MS_BIND, "")
		}
	}
	// A fresh one shows the guest's own network devices.
	own := errors.New("the network is the host's")
	if len(b.o.Spec.NICs) > 0 {
		own = unix.Mount("sysfs", at("sys"), "sysfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	}
	if own != nil && unix.Mount("/sys", at("sys"), "", unix.MS_BIND|unix.MS_REC, "") == nil {
		_ = makeReadOnly(at("sys"))
	}
	return b.devices()
}

func (b *builder) devices() error {
	dev := filepath.Join(diskName, "dev")
	if err := unix.Mount("dev", dev, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=0755,size=1m"); err != nil {
		return fmt.Errorf("mounting /dev: %w", err)
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		p := filepath.Join(dev, name)
		if err := os.WriteFile(p, nil, 0o666); err != nil {
			return err
		}
		// Bound, not made: device nodes of a user namespace do not open.
		if err := unix.Mount("/dev/"+name, p, "", unix.MS_BIND, ""); err != nil && name == "null" {
			return fmt.Errorf("mounting /dev/null: %w", err)
		}
	}
	for _, link := range [][2]string{
		{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"},
	} {
		if err := os.Symlink(link[0], filepath.Join(dev, link[1])); err != nil {
			return err
		}
	}
	// What is written to the console goes to the console log: see readConsole.
	if err := unix.Mkfifo(filepath.Join(dev, "console"), 0o600); err != nil {
		return err
	}
	if err := unix.Chmod(filepath.Join(dev, "console"), 0o622); err != nil {
		return err
	}
	for _, d := range []string{"pts", "shm"} {
		if err := os.Mkdir(filepath.Join(dev, d), 0o755); err != nil {
			return err
		}
	}
	const options = "newinstance,ptmxmode=0666,mode=0620"
	pts := filepath.Join(dev, "pts")
	err := unix.Mount("devpts", pts, "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, options+",gid=5")
	if err != nil { // group tty is not in a namespace of one ID
		err = unix.Mount("devpts", pts, "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, options)
	}
	if err != nil {
		b.note("no terminals: %v", err)
	}
	if err := unix.Mount("shm", filepath.Join(dev, "shm"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777,size=20%"); err != nil {
		return fmt.Errorf("mounting /dev/shm: %w", err)
	}
	return nil
}

// bindSelf shows the guest this program, for sudo and its like.
func (b *builder) bindSelf() error {
	dest := filepath.Join(diskName, toolDir, "galley")
	if err := os.WriteFile(dest, nil, 0o755); err != nil { //nolint:gosec // a program
		return err
	}
	exe, err := b.o.Program, error(nil)
	if exe == "" {
		exe, err = os.Readlink("/proc/self/exe")
	}
	if err == nil {
		err = unix.Mount(exe, dest, "", unix.MS_BIND, "")
	}
	if err != nil { // replaced by a newer build since: the running one is still there
		err = unix.Mount("/proc/self/exe", dest, "", unix.MS_BIND, "")
	}
	return err
}
