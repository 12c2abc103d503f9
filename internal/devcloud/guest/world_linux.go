package guest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// systemDirs are the tops of the host's tree that a guest shares. All others
// (homes, projects, temporary files) are the guest's own, or not there.
var systemDirs = []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "opt", "var", "nix", "gnu"}

// emptied are directories of the host that a guest sees empty: they hold
// secrets or traces of the host.
var emptied = []string{
	"/etc/sudoers.d", "/etc/ssl/private", "/etc/NetworkManager/system-connections", "/etc/wireguard", "/etc/openvpn",
	"/etc/letsencrypt", "/etc/pki/tls/private", "/etc/netplan", "/etc/cron.d",
	"/var/log", "/var/tmp", "/var/mail", "/var/spool/mail", "/var/spool/cron", "/var/backups", "/var/crash",
	"/var/lib/cloud", "/var/lib/docker", "/var/lib/containerd", "/var/lib/containers", "/var/lib/kubelet",
	"/var/lib/libvirt", "/var/lib/lxc", "/var/lib/lxd", "/var/lib/mysql", "/var/lib/postgresql", "/var/lib/rabbitmq",
	"/var/lib/NetworkManager", "/var/lib/systemd/coredump",
}

// absent are things of the host that a new machine does not have.
var absent = []string{
	"/etc/chef", "/etc/cinc", "/opt/chef", "/opt/cinc", "/opt/chefdk", "/opt/chef-workstation", "/opt/cinc-workstation",
	"/opt/opscode", "/var/chef", "/var/cinc", "/var/lib/chef", "/var/opt/opscode",
	"/etc/krb5.keytab", "/etc/sudoers", "/etc/shadow-", "/etc/gshadow-", "/etc/gshadow", "/etc/shadow",
	"/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_dsa_key", "/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ed25519_key",
	"/etc/ssh/ssh_host_rsa_key.pub", "/etc/ssh/ssh_host_dsa_key.pub", "/etc/ssh/ssh_host_ecdsa_key.pub", "/etc/ssh/ssh_host_ed25519_key.pub",
	"/etc/ssh/sshd_config", "/etc/motd",
}

// mountPoint is one line of /proc/self/mountinfo.
type mountPoint struct{ path, fstype string }

func mountPoints() ([]mountPoint, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return parseMountInfo(data), nil
}

func parseMountInfo(data []byte) []mountPoint {
	var out []mountPoint
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		left, right, ok := strings.Cut(lines.Text(), " - ")
		f, t := strings.Fields(left), strings.Fields(right)
		if ok && len(f) >= 5 && len(t) >= 1 {
			out = append(out, mountPoint{path: unescapeMount(f[4]), fstype: t[0]})
		}
	}
	return out
}

// unescapeMount undoes the octal escapes of mountinfo.
func unescapeMount(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// onDisk tells file systems that hold files from those the kernel makes up.
func onDisk(fstype string) bool {
	switch fstype {
	case "proc",
		"sysfs",
		"devtmpfs",
		"devpts",
		"tmpfs",
		"ramfs",
		"cgroup",
		"cgroup2",
		"mqueue",
		"hugetlbfs",
		"debugfs",
		"tracefs",
		"securityfs",
		"pstore",
		"bpf",
		"configfs",
		"fusectl",
		"autofs",
		"binfmt_misc",
		"nsfs",
		"efivarfs",
		"rpc_pipefs",
		"nfsd",
		"squashfs":
		return false
	}
	return !strings.HasPrefix(fstype, "fuse")
}

// builder makes a world. Paths named real are the host's; all else is
// relative to the guest's directory, which is the working directory.
type builder struct {
	o         order
	w         *world
	mounts    []mountPoint
	hidden    []string        // the host's paths that are to be absent
	unseen    map[string]bool // hidden and emptied ones
	userXattr bool            // overlayfs keeps its marks in user.*, as it must in a user namespace
	noOverlay bool
	mounted   int
}

// enter makes the world that the order asks for and moves the process into
// it. An error means that the host forbids it.
func enter(o order) (*world, error) {
	if o.Mode == ModeDirectory {
		return plainWorld(o)
	}
	w := &world{pidSpace: true, tools: toolDir, self: toolDir + "/galley"}
	w.single = !mapsUsers()
	b := &builder{o: o, w: w, userXattr: !firstUserNamespace(), noOverlay: o.Limits.NoOverlay}
	if err := b.build(); err != nil {
		return nil, err
	}
	if err := unix.Sethostname([]byte(shortName(hostName(o.Spec)))); err != nil {
		return nil, fmt.Errorf("setting the host name: %w", err)
	}
	return w, nil
}

// mapsUsers tells whether this user namespace has room for the users of an
// image, or for one only.
func mapsUsers() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		var inside, outside, n uint64
		if _, err := fmt.Sscan(line, &inside, &outside, &n); err == nil && inside == 0 && n > 2000 {
			return true
		}
	}
	return false
}

// firstUserNamespace tells whether root here is the host's root. A container's
// may not be.
func firstUserNamespace() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(data)), " ") == "0 0 4294967295"
}

func (b *builder) build() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	var err error
	if b.mounts, err = mountPoints(); err != nil {
		return err
	}
	b.hidden = append(slices.Clone(absent), b.o.Host.Hide...)
	b.unseen = map[string]bool{}
	for _, p := range slices.Concat(b.hidden, emptied) {
		b.unseen[p] = true
	}
	if err := os.Chdir(b.o.Dir); err != nil {
		return err
	}
	resolv, _ := os.ReadFile("/etc/resolv.conf") // its link may lead to what the guest has not
	if err := b.base(); err != nil {
		return fmt.Errorf("laying out the root directory: %w", err)
	}
	if err := b.system(); err != nil {
		return err
	}
	if err := b.kernelDirs(); err != nil {
		return err
	}
	if err := b.bindSelf(); err != nil {
		return fmt.Errorf("showing the guest its tools: %w", err)
	}
	if err := os.Chdir(diskName); err != nil {
		return err
	}
	// The trick of pivot_root(2): old and new root in one place, then the old
	// one, now on top, is taken away.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("changing the root directory: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the host's root directory: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if len(resolv) > 0 {
		if err := b.w.write("/etc/resolv.conf", resolv, 0o644); err != nil {
			return fmt.Errorf("writing /etc/resolv.conf: %w", err)
		}
	}
	b.describe()
	return nil
}

// base makes the guest's own directories and the mount point of its root.
func (b *builder) base() error {
	if err := os.MkdirAll(diskName, 0o755); err != nil {
		return err
	}
	for _, d := range []struct {
		name string
		perm fs.FileMode
	}{
		{"boot", 0o755},
		{"dev", 0o755},
		{"home", 0o755},
		{"media", 0o755},
		{"mnt", 0o755},
		{"proc", 0o555},
		{"root", 0o700},
		{"run", 0o755},
		{"srv", 0o755},
		{"sys", 0o555},
		{"tmp", 0o1777},
	} {
		p := filepath.Join(diskName, d.name)
		if err := os.Mkdir(p, 0o700); errors.Is(err, fs.ErrExist) {
			continue // the guest's own doing by now
		} else if err != nil {
			return err
		}
		if err := unix.Chmod(p, uint32(d.perm)); err != nil {
			return err
		}
	}
	if err := unix.Mount(diskName, diskName, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("binding it: %w", err)
	}
	// A directory below a nosuid or noexec mount passes that on; as root it
	// can be taken off, in a user namespace it cannot.
	_ = unix.Mount("", diskName, "", unix.MS_REMOUNT|unix.MS_BIND, "")
	return nil
}

// system puts the host's system directories below the new root.
func (b *builder) system() error {
	for _, name := range systemDirs {
		real := "/" + name
		st, err := os.Lstat(real)
		if err != nil {
			continue
		}
		dest := filepath.Join(diskName, name)
		if st.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(real)
			if err != nil {
				return err
			}
			if err := os.Symlink(target, dest); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			continue
		}
		if err := b.graft(real); err != nil {
			return fmt.Errorf("a copy-on-write view of %s: %w", real, err)
		}
	}
	return nil
}

// below lists the mounts inside a directory of the host.
func (b *builder) below(real string) []mountPoint {
	var out []mountPoint
	for _, m := range b.mounts {
		if strings.HasPrefix(m.path, real+"/") {
			out = append(out, m)
		}
	}
	return out
}

func (b *builder) isHidden(real string) bool {
	for p := real; len(p) > 1; p = filepath.Dir(p) {
		if b.unseen[p] {
			return true
		}
	}
	return false
}

// graft shows the guest a directory of the host so that its changes stay its
// own.
func (b *builder) graft(real string) error {
	dest := filepath.Join(diskName, real)
	if err := b.mkdirLike(diskName, real); err != nil {
		return err
	}
	if b.noOverlay {
		return b.bare(real)
	}
	err := b.overlay(real, dest)
	inner := b.below(real)
	if err != nil && b.mounted == 0 {
		// The first one decides what this host can do at all.
		if err = b.probe(real, dest, err); b.noOverlay {
			return b.bare(real)
		}
	}
	if errors.Is(err, unix.EINVAL) && len(inner) > 0 {
		// There are mounts that a user namespace may not look behind.
		if real == "/etc" {
			return b.bare(real) // a container's hosts, hostname, …: not worth an overlay for each directory
		}
		return b.descend(real)
	}
	if err != nil {
		return err
	}
	b.mounted++
	for _, m := range inner {
		st, err := os.Stat(m.path)
		if err != nil || !st.IsDir() || !onDisk(m.fstype) || b.isHidden(m.path) {
			continue
		}
		if err := b.overlay(m.path, filepath.Join(diskName, m.path)); err != nil {
			b.note("%s, a mount of its own, is shown read-only", m.path)
			if err := b.bindReadOnly(m.path); err != nil {
				return err
			}
		}
	}
	return nil
}

// probe finds the kind of overlay that this host allows, after the plain one
// has failed with the error given.
func (b *builder) probe(real, dest string, first error) error {
	if len(b.below(real)) == 0 || !errors.Is(first, unix.EINVAL) || b.o.Mode == ModeNamespaces {
		if err := b.memoryLayers(); err == nil {
			if b.overlay(real, dest) == nil {
				b.note(
					"overlayfs cannot keep its layers in %s (%v): what the guest changes of the system lives in memory, and is saved when it is shut down or rebooted in order",
					b.o.Dir,
					first,
				)
				return nil
			}
			b.w.store.close()
			_ = unix.Unmount(layersName, unix.MNT_DETACH)
			b.w.store, b.w.volatile, b.w.restored = nil, false, false
		}
	}
	if errors.Is(first, unix.EINVAL) && len(b.below(real)) > 0 && b.o.Mode == ModeUserNamespace {
		return first // to descend
	}
	b.noOverlay = true
	b.note("overlayfs is not possible here (%v): /usr is the host's, read-only; /etc is a copy", first)
	return nil
}

// memoryLayers puts the overlay's layers on a tmpfs, for a host whose disk
// cannot hold them: in containers the disk is an overlay itself.
func (b *builder) memoryLayers() error {
	if err := os.MkdirAll(layersName, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("layers", layersName, "tmpfs", unix.MS_NODEV, "mode=0700"); err != nil {
		return err
	}
	restored, err := restoreLayers()
	if err == nil {
		b.w.store, err = openMemoryStore()
	}
	if err != nil {
		_ = unix.Unmount(layersName, unix.MNT_DETACH)
		return err
	}
	b.w.volatile, b.w.restored = true, restored
	return nil
}

// overlay mounts a copy-on-write view of a directory.
func (b *builder) overlay(real, dest string) error {
	if b.o.Limits.NoDiskLayers && !b.w.volatile {
		return unix.EINVAL
	}
	layer := filepath.Join(
		layersName,
		strings.ReplaceAll(strings.Trim(strings.ReplaceAll(real, "_", "__"), "/"), "/", "_"),
	)
	upper, work := filepath.Join(layer, "upper"), filepath.Join(layer, "work")
	if err := os.MkdirAll(layer, 0o700); err != nil {
		return err
	}
	if _, err := os.Lstat(upper); errors.Is(err, fs.ErrNotExist) {
		// Prepared aside, so that a guest killed in the middle starts over.
		fresh := filepath.Join(layer, "fresh")
		_ = os.RemoveAll(fresh)
		if err := b.prepare(real, fresh); err != nil {
			return err
		}
		if err := os.Rename(fresh, upper); err != nil {
			return err
		}
	}
	// "volatile" leaves a mark in the work directory against being used again
	// after a crash of the host; that is no concern of a guest's.
	_ = os.Chmod(filepath.Join(work, "work"), 0o700)
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	if err := os.Mkdir(work, 0o700); err != nil {
		return err
	}
	options := "lowerdir=" + escapeOverlay(real) + ",upperdir=" + upper + ",workdir=" + work
	if b.userXattr {
		options += ",userxattr"
	}
	err := unix.Mount("overlay", dest, "overlay", 0, options+",volatile")
	if errors.Is(err, unix.EINVAL) {
		err = unix.Mount("overlay", dest, "overlay", 0, options) // a kernel before 5.10
	}
	return err
}

func escapeOverlay(p string) string {
	return strings.NewReplacer(`\`, `\\`, `,`, `\,`, `:`, `\:`).Replace(p)
}

// prepare makes the first upper layer of a directory: what hides the host's
// secrets, and, where there is one user ID only, what makes its directories
// writable.
func (b *builder) prepare(real, upper string) error {
	if err := os.Mkdir(upper, 0o700); err != nil {
		return err
	}
	if err := copyAttributes(real, upper); err != nil {
		return err
	}
	if b.w.single {
		if err := b.own(real, upper); err != nil {
			return err
		}
	}
	for _, h := range emptied {
		rel, ok := strings.CutPrefix(h, real+"/")
		if st, err := os.Lstat(h); !ok || err != nil || !st.IsDir() {
			continue
		}
		if err := b.mkdirIn(upper, real, rel); err != nil {
			return err
		}
		if err := b.setOpaque(filepath.Join(upper, rel)); err != nil {
			return fmt.Errorf("hiding %s: %w", h, err)
		}
	}
	for _, h := range b.hidden {
		rel, ok := strings.CutPrefix(h, real+"/")
		if _, err := os.Lstat(h); !ok || err != nil || b.isHidden(filepath.Dir(h)) {
			continue
		}
		if err := b.mkdirIn(upper, real, filepath.Dir(rel)); err != nil {
			return err
		}
		p := filepath.Join(upper, rel)
		_ = os.RemoveAll(p)
		if err := unix.Mknod(p, unix.S_IFCHR, 0); err != nil { // a whiteout
			return fmt.Errorf("hiding %s: %w", h, err)
		}
	}
	return nil
}

func (b *builder) setOpaque(p string) error {
	name := "trusted.overlay.opaque"
	if b.userXattr {
		name = "user.overlay.opaque"
	}
	return unix.Setxattr(p, name, []byte("y"), 0)
}

// own makes directories in the upper layer, to a depth where guests write.
// A directory in the upper layer belongs to the guest; one that only the host
// has belongs to a user who does not exist in the namespace. So do files: the
// upper ones of /etc are copied, so that they can be written to.
func (b *builder) own(real, upper string) error {
	switch real {
	case "/etc":
		return b.ownLevel(real, upper, 2, 2)
	case "/var":
		return b.ownLevel(real, upper, 2, 0)
	case "/opt":
		return b.ownLevel(real, upper, 1, 0)
	case "/usr":
		err := b.ownLevel(real, upper, 1, 0)
		if st, e := os.Lstat("/usr/local"); err == nil && e == nil && st.IsDir() {
			err = b.ownLevel("/usr/local", filepath.Join(upper, "local"), 2, 0)
		}
		return err
	}
	return nil
}

// ownFileMax is the largest configuration file that is copied for the guest
// to write to.
const ownFileMax = 64 << 10

// ownLevel does so to a depth for directories, and to another for files.
func (b *builder) ownLevel(real, upper string, depth, files int) error {
	entries, err := os.ReadDir(real)
	if err != nil {
		return nil //nolint:nilerr // not readable for us: it stays as it is
	}
	for _, e := range entries {
		from, to := filepath.Join(real, e.Name()), filepath.Join(upper, e.Name())
		if b.isHidden(from) {
			continue
		}
		switch {
		case e.IsDir():
			if err := os.Mkdir(to, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			if depth > 1 {
				if err := b.ownLevel(from, to, depth-1, files-1); err != nil {
					return err
				}
			}
			if err := copyAttributes(from, to); err != nil {
				return err
			}
		case files > 0 && e.Type().IsRegular():
			st, err := e.Info()
			if err != nil || st.Size() > ownFileMax {
				continue
			}
			data, err := os.ReadFile(from)
			if err != nil {
				continue
			}
			if err := os.WriteFile(to, data, st.Mode().Perm()); err != nil {
				return err
			}
		}
	}
	return nil
}

// mkdirIn makes the directory rel and its parents in an upper layer, each with
// the owner and mode that the host's has.
func (b *builder) mkdirIn(upper, real, rel string) error {
	if rel == "." {
		return nil
	}
	done := ""
	for part := range strings.SplitSeq(rel, "/") {
		done = filepath.Join(done, part)
		p := filepath.Join(upper, done)
		if err := os.Mkdir(p, 0o700); errors.Is(err, fs.ErrExist) {
			continue
		} else if err != nil {
			return err
		}
		if err := copyAttributes(filepath.Join(real, done), p); err != nil {
			return err
		}
	}
	return nil
}

// mkdirLike makes the host's directory real below base, with its parents.
func (b *builder) mkdirLike(base, real string) error {
	return b.mkdirIn(base, "/", strings.TrimPrefix(real, "/"))
}

// copyAttributes gives a directory the mode, and where possible the owner, of
// one of the host's.
func copyAttributes(from, to string) error {
	st, err := os.Stat(from)
	if err != nil {
		return err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		_ = os.Lchown(to, int(sys.Uid), int(sys.Gid)) // an owner who is not in the namespace stays ours
	}
	mode := uint32(st.Mode().Perm())
	if st.Mode()&fs.ModeSticky != 0 {
		mode |= unix.S_ISVTX
	}
	if st.Mode()&fs.ModeSetgid != 0 {
		mode |= unix.S_ISGID
	}
	return unix.Chmod(to, mode)
}

// descend grafts the children of a directory that cannot be grafted whole.
func (b *builder) descend(real string) error {
	entries, err := os.ReadDir(real)
	if err != nil {
		return err
	}
	for _, e := range entries {
		from, to := filepath.Join(real, e.Name()), filepath.Join(diskName, real, e.Name())
		if slices.Contains(b.hidden, from) {
			continue
		}
		switch {
		case slices.Contains(emptied, from):
			err = b.mkdirLike(diskName, from)
		case e.IsDir():
			if err = b.graft(from); err != nil {
				b.note("%s is not there: %v", from, err)
				err = nil
			}
		default:
			err = copyEntry(from, to, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyEntry copies a file or link that can be read, and passes over one that
// cannot or that is there.
func copyEntry(from, to string, e fs.DirEntry) error {
	if _, err := os.Lstat(to); err == nil {
		return nil
	}
	switch {
	case e.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return nil //nolint:nilerr // gone meanwhile
		}
		return os.Symlink(target, to)
	case e.Type().IsRegular():
		st, err := e.Info()
		if err != nil || st.Size() > 16*ownFileMax {
			return nil //nolint:nilerr // gone meanwhile
		}
		data, err := os.ReadFile(from)
		if err != nil {
			return nil //nolint:nilerr // not for us to read
		}
		return os.WriteFile(to, data, st.Mode().Perm())
	}
	return nil
}

// bare shows a directory without overlayfs: /etc as a copy, /var as empty
// directories, all else as the host's own, read-only.
func (b *builder) bare(real string) error {
	dest := filepath.Join(diskName, real)
	done := filepath.Join(dest, ".copied")
	switch real {
	case "/etc", "/var", "/opt":
		if _, err := os.Lstat(done); err == nil {
			break
		}
		if err := b.copyTree(real, dest, map[string]int{"/etc": 8, "/var": 2, "/opt": 0}[real], real == "/etc"); err != nil {
			return err
		}
		if err := os.WriteFile(done, nil, 0o600); err != nil {
			return err
		}
	default:
		return b.bindReadOnly(real)
	}
	if real == "/opt" {
		entries, _ := os.ReadDir(real)
		for _, e := range entries {
			p := filepath.Join(real, e.Name())
			if e.IsDir() && !b.isHidden(p) {
				if err := os.MkdirAll(filepath.Join(diskName, p), 0o755); err != nil {
					return err
				}
				if err := b.bindReadOnly(p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (b *builder) copyTree(real, dest string, depth int, files bool) error {
	entries, err := os.ReadDir(real)
	if err != nil || depth == 0 {
		return nil //nolint:nilerr // not for us to read
	}
	for _, e := range entries {
		from, to := filepath.Join(real, e.Name()), filepath.Join(dest, e.Name())
		if slices.Contains(b.hidden, from) {
			continue
		}
		if !e.IsDir() {
			if files || e.Type()&fs.ModeSymlink != 0 {
				if err := copyEntry(from, to, e); err != nil {
					return err
				}
			}
			continue
		}
		if err := os.Mkdir(to, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if !slices.Contains(emptied, from) {
			if err := b.copyTree(from, to, depth-1, files); err != nil {
				return err
			}
		}
		if err := copyAttributes(from, to); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) bindReadOnly(real string) error {
	dest := filepath.Join(diskName, real)
	if err := unix.Mount(real, dest, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return makeReadOnly(dest)
}

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
	keep := uintptr(
		st.Flags,
	) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME)
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
	// The network is the host's and so are the kernel's settings: the guest
	// may read them.
	for _, p := range []string{"proc/sys", "proc/sysrq-trigger", "proc/irq", "proc/bus"} {
		if unix.Mount(at(p), at(p), "", unix.MS_BIND|unix.MS_REC, "") == nil {
			_ = makeReadOnly(at(p))
		}
	}
	// Every boot has an ID of its own, by which programs notice a reboot.
	if id, err := os.ReadFile("/proc/sys/kernel/random/uuid"); err == nil {
		f := at(toolDir + "/boot_id")
		if os.WriteFile(f, id, 0o444) == nil {
			_ = unix.Mount(f, at("proc/sys/kernel/random/boot_id"), "", unix.MS_BIND, "")
		}
	}
	if unix.Mount("/sys", at("sys"), "", unix.MS_BIND|unix.MS_REC, "") == nil {
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
	exe, err := os.Readlink("/proc/self/exe")
	if err == nil {
		err = unix.Mount(exe, dest, "", unix.MS_BIND, "")
	}
	if err != nil { // replaced by a newer build since: the running one is still there
		err = unix.Mount("/proc/self/exe", dest, "", unix.MS_BIND, "")
	}
	return err
}

func (b *builder) note(format string, args ...any) {
	b.w.notes = append(b.w.notes, fmt.Sprintf(format, args...))
}

// describe says what came out.
func (b *builder) describe() {
	w := b.w
	what := "namespaces as root, users as on a machine"
	if w.single {
		what = "a user namespace with one user: the login user is root under another name"
	}
	switch {
	case b.noOverlay:
		w.binDir = toolDir + "/bin"
		what += "; the host's /usr read-only"
	case w.volatile:
		what += "; a copy-on-write view of the host, kept in memory"
	default:
		what += "; a copy-on-write view of the host"
	}
	if b.o.Why != "" {
		what += " (" + b.o.Why + ")"
	}
	w.detail = what
}
