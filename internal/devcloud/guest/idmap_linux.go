package guest

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// In [ModeNamespaces] root of the guest is an unprivileged user of the host:
// the guest has a user namespace whose IDs 0 to 65535 are a range of the
// host's that nobody else uses. Its starter, which is root, clones the mounts
// that the guest needs and maps their owners into that range (kernel 5.19 for
// overlayfs on top of them), and sends them to the guest's process, which can
// reach nothing else.

const (
	idRange    = 65536
	firstID    = 1 << 30 // above what useradd, systemd and subuid give out
	idRanges   = 1 << 14
	stagingDir = "/tmp" // where the cloned mounts are attached until the root is complete
)

// idBase is the first ID of the host that a guest's range maps to.
func idBase(id string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	return firstID + int(h.Sum32()%idRanges)*idRange
}

// clonedPaths are the mounts to clone, the root first: those of systemDirs
// that hold files.
func clonedPaths() ([]string, error) {
	points, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, err
	}
	paths := []string{"/"}
	for _, m := range points {
		top, _, _ := strings.Cut(strings.TrimPrefix(m.Mountpoint, "/"), "/")
		if st, err := os.Stat(m.Mountpoint); err == nil && st.IsDir() && onDisk(m.FSType) && slices.Contains(systemDirs, top) {
			paths = append(paths, m.Mountpoint)
		}
	}
	return paths, nil
}

// cloneMounts clones the guest's directory, its program and the mounts of
// o.Mounts, with owners mapped for the process pid. Mounts that cannot be
// mapped are left out of o.Mounts; it is an error when that is the root or the
// guest's directory.
func cloneMounts(pid int, o *bootRequest, exe *os.File) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			closeFiles(files)
		}
	}()
	userns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
	if err != nil {
		return nil, err
	}
	defer func() { _ = userns.Close() }()
	add := func(path string) error {
		fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return fmt.Errorf("cloning the mount of %s: %w", path, err)
		}
		f := os.NewFile(uintptr(fd), path)
		attr := &unix.MountAttr{
			Attr_set: unix.MOUNT_ATTR_IDMAP, Propagation: unix.MS_PRIVATE, Userns_fd: uint64(userns.Fd()),
		}
		if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, attr); err != nil {
			_ = f.Close()
			return fmt.Errorf("mapping the owners of %s: %w", path, err)
		}
		files = append(files, f)
		return nil
	}
	own := []string{fmt.Sprintf("/proc/self/fd/%d", exe.Fd()), o.Dir}
	if o.Spec.RootFS != "" {
		own = append(own, o.Spec.RootFS)
	}
	var mounts []string
	for i, p := range append(own, o.Mounts...) {
		switch err := add(p); {
		case err != nil && (i < len(own) || p == "/"):
			return files, err
		case err == nil && i >= len(own):
			mounts = append(mounts, p)
		}
	}
	o.Mounts = mounts
	return files, nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// enterClonedRoot makes the cloned mounts this process's whole file system, so
// that the guest is built from them. The guest's directory and its program
// are then below stagingDir, which o names.
func enterClonedRoot(o *bootRequest, fds []int) error {
	own := []*string{&o.Program, &o.Dir}
	if o.Spec.RootFS != "" {
		own = append(own, &o.Spec.RootFS)
	}
	if len(fds) != len(own)+len(o.Mounts) {
		return fmt.Errorf("%d cloned mounts came, not %d", len(fds), len(own)+len(o.Mounts))
	}
	defer func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}()
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	attach := func(fd int, path string) error {
		if err := unix.MoveMount(fd, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return fmt.Errorf("attaching the mapped %s: %w", path, err)
		}
		return nil
	}
	for i, p := range o.Mounts {
		err := attach(fds[len(own)+i], filepath.Join(stagingDir, p))
		if err != nil && (p == "/" || !errors.Is(err, unix.ENOENT)) {
			return err
		}
	}
	for _, d := range []string{"/proc", "/sys", "/dev"} {
		if err := unix.Mount(d, stagingDir+d, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("binding %s: %w", d, err)
		}
	}
	inner := stagingDir + stagingDir
	if err := unix.Mount("staging", inner, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mounting a staging directory: %w", err)
	}
	for i, p := range own {
		name := []string{"/exe", "/dir", "/image"}[i]
		var err error
		if p == &o.Program {
			err = os.WriteFile(inner+name, nil, 0o600)
		} else {
			err = os.Mkdir(inner+name, 0o700)
		}
		if err := errors.Join(err, attach(fds[i], inner+name)); err != nil {
			return err
		}
		*p = stagingDir + name
	}
	return changeRoot(stagingDir)
}

// changeRoot makes dir, a mount point, the root directory and detaches the old
// one: both are in the same place for a moment, see pivot_root(2).
func changeRoot(dir string) error {
	if err := os.Chdir(dir); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("changing the root directory: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the host's root directory: %w", err)
	}
	return os.Chdir("/")
}

// sendFiles sends descriptors over a unix socket, with one byte.
func sendFiles(sock *os.File, files []*os.File) error {
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	return unix.Sendmsg(int(sock.Fd()), []byte{0}, rights, nil, 0)
}

// receiveFiles reads what sendFiles has sent.
func receiveFiles(sock *os.File) ([]int, error) {
	one, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4*64))
	n, rn, _, _, err := unix.Recvmsg(int(sock.Fd()), one, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, errors.New("the starter has gone")
	}
	messages, err := unix.ParseSocketControlMessage(rights[:rn])
	if err != nil {
		return nil, err
	}
	var out []int
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return nil, err
		}
		out = append(out, fds...)
	}
	return out, nil
}

// controlSocket returns the two ends of the socket between starter and guest.
func controlSocket() (ours, guests *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control"), nil
}
