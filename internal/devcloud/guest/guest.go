package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Spec says what guest to start.
type Spec struct {
	// ID is the server's UUID. A directory that was booted for another ID
	// counts as new: cloud-init's first boot happens once per ID.
	ID string
	// Name is the server's name, as the metadata shows it.
	Name string
	// Hostname is the short or full host name; Name when empty.
	Hostname string
	// Image is the name of the image. Those of seededImages decide
	// /etc/os-release and the login user; any other keeps the host's os-release,
	// with centos as the login user. An image with content has its own.
	Image string
	// RootFS is the directory of the image's root file system, as UnpackImage
	// makes it; a view of the host's when empty. It is not changed, and may be
	// that of several guests.
	RootFS string
	// Disk is an archive of SaveDisk that a new disk begins with.
	Disk string
	// Dir is the guest's own directory: disk, console log, socket. It is made
	// if missing. What it holds survives Stop and a later Start.
	Dir string
	// AuthorizedKeys are public keys in authorized_keys form, for root and
	// the login user.
	AuthorizedKeys []string
	// UserData is what the API got, base64 removed; gzip is understood.
	UserData []byte
	// Metadata is the server's metadata, for the config drive.
	Metadata map[string]string
	// Files are written on the first boot, by path.
	Files map[string][]byte
	// AdminPass, when set, is the password of root and the default user, and
	// switches password logins on.
	AdminPass string
	// ConfigDrive puts the metadata tree at /mnt/config/openstack.
	ConfigDrive bool
	// BootDelay is the time from the start of a boot until sshd answers.
	BootDelay time.Duration
	// NICs are the guest's network devices, eth0 first. Without any it shares
	// the host's network.
	NICs []NIC
	// Attach is called for each boot with the other ends of the devices: one
	// read or write is one Ethernet frame. The caller closes them.
	Attach func(taps []*os.File) `json:"-"`
	// Executable is the command that calls [Main], with its leading
	// arguments. Required.
	Executable []string
}

// NIC is a network device of a guest.
type NIC struct {
	MAC string
	// Address has the length of the network's prefix.
	Address netip.Prefix
	Gateway netip.Addr
	DNS     []netip.Addr
	MTU     int
}

// The modes a guest can run in, from the best to the plainest.
const (
	// ModeNamespaces: namespaces, a user namespace among them, started by
	// root. The guest has its own users; its root is a user without rights
	// on the host.
	ModeNamespaces = "namespaces"
	// ModeReducedRoot: namespaces without a user namespace, where the kernel
	// or the file system cannot map the owners of files. The guest's root is
	// the host's without the capabilities that reach the host.
	ModeReducedRoot = "reduced-root"
	// ModeUserNamespace: namespaces below a user namespace with one user ID;
	// the login user is root under another name.
	ModeUserNamespace = "user-namespace"
	// ModeDirectory: no namespaces. Commands run on the host, as the host's
	// user, with HOME and TMPDIR in the guest's directory.
	ModeDirectory = "directory"
)

// ErrUnsupported is what Start returns on a system that cannot run guests.
var ErrUnsupported = errors.New("guests need Linux or another Unix system")

// Guest is a running guest.
type Guest struct {
	spec Spec

	mu       sync.Mutex
	mode     string
	detail   string
	ready    chan struct{}
	rebooted chan struct{} // closed when the reboot asked for has begun; or nil
	want     want
	proc     *process
	err      error

	done chan struct{}
}

// want is the last request to the guest; it decides what the end of its
// process means.
type want int

const (
	wantRun want = iota
	wantStop
	wantReboot
)

// Start starts a guest. It returns when the guest's world is set up, or with
// an error and nothing left running. SSH answers later: see [Guest.Ready].
// The context limits the start only; the guest runs until [Guest.Stop], until
// it powers itself off, or until the calling process ends.
func Start(ctx context.Context, spec Spec) (*Guest, error) {
	return start(ctx, spec, limits{})
}

// Dial connects to the guest's SSH server.
func (g *Guest) Dial(ctx context.Context) (net.Conn, error) {
	dir, err := os.Open(g.spec.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	// The directory's own name may be too long for a socket's address.
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socketName))
	if err != nil {
		return nil, fmt.Errorf("connecting to the SSH server of guest %s: %w", g.spec.ID, err)
	}
	return conn, nil
}

// consoleLimit is how much of the console log is kept for readers.
const consoleLimit = 1 << 20

// ReadConsole returns the console log of the guest whose directory is dir,
// running or not, of all boots since the directory was made; when it is longer
// than 1 MiB, its end, and nil when there is none.
func ReadConsole(dir string) []byte {
	f, err := os.Open(filepath.Join(dir, consoleName))
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	_, _ = f.Seek(-consoleLimit, io.SeekEnd) // fails in a shorter one, which is read whole
	data, _ := io.ReadAll(f)
	return data
}

// Ready returns a channel that is closed when SSH answers in the current
// boot. After a reboot has begun it returns a new one.
func (g *Guest) Ready() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ready
}

// Done returns a channel that is closed when the guest has ended and nothing
// of it runs any more. A reboot does not close it.
func (g *Guest) Done() <-chan struct{} { return g.done }

// Err says why the guest ended: nil after Stop and after a power-off from
// within, an error when its process died. Before Done it is nil.
func (g *Guest) Err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// Mode says how the guest is kept apart from the host: [ModeNamespaces],
// [ModeUserNamespace] or [ModeDirectory].
func (g *Guest) Mode() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mode
}

// ModeDetail is one line for people: what the mode means on this host, and
// why it is not a better one.
func (g *Guest) ModeDetail() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.detail
}

// Stop ends the guest and everything that runs in it, and returns when
// nothing is left but its directory. Its processes get a moment to end
// by themselves; when the context ends before they do, they are killed and
// the context's error is returned.
func (g *Guest) Stop(ctx context.Context) error { return g.stop(ctx) }

// Reboot restarts the guest: everything that runs in it ends, its disk stays.
// It returns when the new boot has begun; [Guest.Ready] tells when SSH is
// back. When the context ends before the guest has shut down, it is killed
// and restarted all the same.
func (g *Guest) Reboot(ctx context.Context) error { return g.reboot(ctx) }

// Main is the guest's side of the program: the process behind a guest, and
// the small tools (sudo, …) inside it. The program calls it from the hidden
// sub-command named in [Spec.Executable], with the arguments that follow, and
// exits with its result.
func Main(args []string) int { return guestMain(args) }

// Remove deletes a guest's directory and whatever of the guest may be left: a
// process whose starter was killed, a mount. It does not need the guest to
// have been started by this process; a directory that is not there is
// success. A guest that runs in this process must be stopped first.
func Remove(dir string) error { return remove(dir) }
