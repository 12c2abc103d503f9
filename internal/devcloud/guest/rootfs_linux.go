package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
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
	// The host's services are not the guest's.
	"/etc/systemd/system/multi-user.target.wants", "/etc/systemd/system/graphical.target.wants",
	"/etc/systemd/system/default.target.wants", "/etc/systemd/system/sockets.target.wants",
	"/etc/systemd/system/timers.target.wants", "/etc/systemd/system/sysinit.target.wants",
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

// madeUp are file systems whose files the kernel makes up, or that cannot be an
// overlay's lower layer.
var madeUp = strings.Fields("proc sysfs devtmpfs devpts tmpfs ramfs cgroup cgroup2 mqueue hugetlbfs debugfs tracefs " +
	"securityfs pstore bpf configfs fusectl autofs binfmt_misc nsfs efivarfs rpc_pipefs nfsd squashfs")

func onDisk(fstype string) bool {
	return !slices.Contains(madeUp, fstype) && !strings.HasPrefix(fstype, "fuse")
}

// builder makes a world. Paths named real are the host's; all else is
// relative to the guest's directory, which is the working directory.
type builder struct {
	o         bootRequest
	fs        *rootfs
	mounts    []*mountinfo.Info
	hidden    []string        // the host's paths that are to be absent
	unseen    map[string]bool // hidden and emptied ones
	userXattr bool            // overlayfs keeps its marks in user.*, as it must in a user namespace
	mounted   int
}

// enter makes the world that the order asks for and moves the process into
// it. An error means that the host forbids it.
func buildRoot(o bootRequest) (*rootfs, error) {
	if o.Mode == ModeDirectory {
		return plainDirectory(o)
	}
	w := &rootfs{mode: o.Mode, pidSpace: true, self: toolDir + "/galley"}
	w.single = !mapsUsers()
	b := &builder{o: o, fs: w, userXattr: !firstUserNamespace()}
	if err := b.build(); err != nil {
		return nil, err
	}
	return w, nil
}

// idMap returns the first range of this user namespace's users: their first ID
// inside and outside, and their number.
func idMap() (inside, outside, n uint64) {
	data, _ := os.ReadFile("/proc/self/uid_map")
	_, _ = fmt.Sscan(string(data), &inside, &outside, &n)
	return inside, outside, n
}

// mapsUsers tells whether this user namespace has room for the users of an
// image, or for one only.
func mapsUsers() bool {
	inside, _, n := idMap()
	return inside == 0 && n > 2000
}

// firstUserNamespace tells whether root here is the host's root. A container's
// may not be.
func firstUserNamespace() bool {
	_, outside, n := idMap()
	return outside == 0 && n == 1<<32-1
}

func (b *builder) build() error {
	if b.o.Mode != ModeNamespaces { // there it has been done
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("making mounts private: %w", err)
		}
	}
	var err error
	if b.mounts, err = mountinfo.GetMounts(nil); err != nil {
		return err
	}
	b.hidden = append(slices.Clone(absent), b.o.Hide...)
	b.unseen = map[string]bool{}
	for _, p := range slices.Concat(b.hidden, emptied) {
		b.unseen[p] = true
	}
	if err := os.Chdir(b.o.Dir); err != nil {
		return err
	}
	if b.o.Spec.RootFS != "" {
		if err := b.image(); err != nil {
			return err
		}
	}
	if err := b.base(); err != nil {
		return fmt.Errorf("laying out the root directory: %w", err)
	}
	if b.o.Spec.RootFS == "" {
		if err := b.system(); err != nil {
			return err
		}
	}
	if err := b.kernelDirs(); err != nil {
		return err
	}
	if err := b.bindSelf(); err != nil {
		return fmt.Errorf("showing the guest its tools: %w", err)
	}
	if err := changeRoot(diskName); err != nil {
		return err
	}
	if b.o.Resolv != "" {
		if err := b.fs.write("/etc/resolv.conf", []byte(b.o.Resolv), 0o644); err != nil {
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
	for name, perm := range map[string]uint32{
		"boot": 0o755, "dev": 0o755, "home": 0o755, "media": 0o755, "mnt": 0o755, "proc": 0o555, "root": 0o700, "run": 0o755,
		"srv": 0o755, "sys": 0o555, "tmp": 0o1777,
	} {
		p := filepath.Join(diskName, name)
		if err := os.Mkdir(p, 0o700); errors.Is(err, fs.ErrExist) {
			continue // the guest's own doing by now
		} else if err != nil {
			return err
		}
		if err := unix.Chmod(p, perm); err != nil {
			return err
		}
	}
	if b.o.Spec.RootFS != "" {
		return nil // a mount point by itself
	}
	if err := unix.Mount(diskName, diskName, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("binding it: %w", err)
	}
	// A directory below a nosuid or noexec mount passes that on; as root it
	// can be taken off, in a user namespace it cannot.
	_ = unix.Mount("", diskName, "", unix.MS_REMOUNT|unix.MS_BIND, "")
	return nil
}

// image mounts a copy-on-write view of the image's root file system as the
// guest's root.
func (b *builder) image() error {
	if err := os.MkdirAll(diskName, 0o755); err != nil {
		return err
	}
	// "image" is the layer with what a guest has changed of its image.
	err := b.overlay("image", b.o.Spec.RootFS, diskName)
	if err != nil {
		err = b.overlayInMemory("image", b.o.Spec.RootFS, diskName, err)
	}
	if err != nil {
		return fmt.Errorf("a copy-on-write view of the image: %w", err)
	}
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
func (b *builder) below(real string) []*mountinfo.Info {
	var out []*mountinfo.Info
	for _, m := range b.mounts {
		if strings.HasPrefix(m.Mountpoint, real+"/") {
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
	err := b.overlay(layerName(real), real, dest)
	inner := b.below(real)
	locked := len(inner) > 0 && errors.Is(err, unix.EINVAL) && b.o.Mode == ModeUserNamespace
	if err != nil && b.mounted == 0 && !locked {
		// The first one decides what this host can do at all.
		err = b.overlayInMemory(layerName(real), real, dest, err)
	}
	if errors.Is(err, unix.EINVAL) && len(inner) > 0 {
		return b.descend(real) // there are mounts that a user namespace may not look behind
	}
	if err != nil {
		return err
	}
	b.mounted++
	for _, m := range inner {
		p := m.Mountpoint
		st, err := os.Stat(p)
		if err != nil || !st.IsDir() || !onDisk(m.FSType) || b.isHidden(p) {
			continue
		}
		dest := filepath.Join(diskName, p)
		if b.overlay(layerName(p), p, dest) == nil {
			continue
		}
		b.note("%s, a separate mount, is shown read-only", p)
		if err := unix.Mount(p, dest, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return err
		}
		if err := makeReadOnly(dest); err != nil {
			return err
		}
	}
	return nil
}

// overlayInMemory tries layers in memory after an overlay has failed with the
// error given.
func (b *builder) overlayInMemory(name, lower, dest string, first error) error {
	if b.memoryLayers() != nil || b.overlay(name, lower, dest) != nil {
		return fmt.Errorf("overlayfs: %w", first)
	}
	b.note("overlayfs cannot keep its layers in %s (%v): the guest's changes to the system are in memory, "+
		"and are saved when it is shut down or rebooted in order", b.o.Dir, first)
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
	store, err := openMemoryStore()
	if err != nil {
		_ = unix.Unmount(layersName, unix.MNT_DETACH)
		return err
	}
	b.fs.store = store
	return nil
}

func (b *builder) note(format string, args ...any) {
	b.fs.notes = append(b.fs.notes, fmt.Sprintf(format, args...))
}

// describe says what came out.
func (b *builder) describe() {
	w := b.fs
	what := "namespaces whose root has no rights on this host, users as on a machine"
	if b.o.Mode == ModeReducedRoot {
		what = "namespaces whose root is this host's with fewer capabilities, users as on a machine"
	}
	if w.single {
		what = "a user namespace with one user: the login user is root under another name"
	}
	what += "; a copy-on-write view of the " + map[bool]string{true: "host", false: "image"}[b.o.Spec.RootFS == ""]
	if w.store != nil {
		what += ", kept in memory"
	}
	if b.o.Why != "" {
		what += " (" + b.o.Why + ")"
	}
	w.detail = what
}
