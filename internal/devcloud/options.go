package devcloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/compute"
	"github.com/galleyhq/galley/internal/devcloud/guest"
	"github.com/galleyhq/galley/internal/devcloud/network"
	"github.com/galleyhq/galley/internal/devcloud/volume"
)

// What Options.Guests can say.
const (
	// GuestsNamespace starts a guest for every server, in namespaces where the
	// host allows them.
	GuestsNamespace = "namespace"
	// GuestsNone starts none: servers become ACTIVE and nothing answers on
	// their addresses.
	GuestsNone = "none"
)

// Options describe a cloud. The zero value is a cloud with guests in the
// default directory; durations and limits that are zero take the defaults
// named; a negative duration is none.
type Options struct {
	// Dir is the state directory; [DefaultDir] when empty.
	Dir string `json:"-"`
	// Listen is the API's address, "127.0.0.1:0" when empty: a free port, the
	// same again after a restart.
	Listen string `json:"listen,omitempty"`
	// Guests is GuestsNamespace or GuestsNone. Empty is namespace on Linux and
	// none elsewhere.
	Guests string `json:"guests,omitempty"`
	// GuestNetwork is NetworkOwn, which is the default, or NetworkHost.
	GuestNetwork string `json:"guest_network,omitempty"`
	// SSHPort is where guests answer. 0: 22 where that can be bound, else 2222.
	SSHPort int `json:"ssh_port,omitempty"`
	// User is the seeded user's name, "demo". Password is that user's and the
	// administrator's ("admin"); when empty, a random one that the cloud keeps.
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`

	// BuildDelay is the time from a server's creation until it is ACTIVE: 1 s.
	// BootDelay is the time from the start of its boot until SSH answers: none
	// but the guest's own.
	BuildDelay time.Duration `json:"build_delay,omitempty"`
	BootDelay  time.Duration `json:"boot_delay,omitempty"`
	// ActionDelay is how long a stop, a start or a reboot takes (200 ms),
	// DeleteDelay a server's deletion (200 ms), VolumeDelay what happens to a
	// volume (200 ms), FloatingDelay a floating IP's way to ACTIVE (none).
	ActionDelay   time.Duration `json:"action_delay,omitempty"`
	DeleteDelay   time.Duration `json:"delete_delay,omitempty"`
	VolumeDelay   time.Duration `json:"volume_delay,omitempty"`
	FloatingDelay time.Duration `json:"floating_delay,omitempty"`
	// TokenLife is how long a token is good for: 8 h.
	TokenLife time.Duration `json:"token_life,omitempty"`
	// FloatingPool is how many floating IPs the pool "public" has: 100, at most
	// 150; negative is none.
	FloatingPool int `json:"floating_pool,omitempty"`
	// Empty leaves the project of a new cloud without a network, a router and
	// key pairs, as a tutorial finds it. A cloud that has state keeps it.
	Empty bool `json:"empty,omitempty"`
	// Quotas override the services' limits, by the names the services use:
	// instances, cores, ram, key_pairs, floatingip, port, security_group,
	// volumes, gigabytes, … Unlike a real cloud's, the limits that a
	// developer's machine meets first are wide: 100 instances and volumes, and
	// no limit of cores and RAM.
	Quotas map[string]int `json:"quotas,omitempty"`

	// Executable is the command that a guest's process is started with, up to
	// the arguments of guest.Main; this program with [GuestCommand] when nil.
	Executable []string `json:"-"`
	// Log receives the daemon's log; nowhere when nil.
	Log *slog.Logger `json:"-"`

	// startGuest replaces guest.Start in tests.
	startGuest func(ctx context.Context, spec guest.Spec) (guestProcess, error)
}

// The hidden sub-commands that the program has for this package, below
// "devcloud": the daemon, whose one flag is --dir, and a guest's process, whose
// arguments go to [GuestMain].
const (
	DaemonCommand = "_run"
	GuestCommand  = "_guest"
)

const maxFloatingPool = 150

// complete checks the options and fills in what they leave open.
func (o Options) complete() (Options, error) {
	var err error
	if o.Dir, err = resolveDir(o.Dir); err != nil {
		return o, err
	}
	def(&o.Listen, "127.0.0.1:0")
	def(&o.User, "demo")
	def(&o.GuestNetwork, NetworkOwn)
	if o.GuestNetwork != NetworkOwn && o.GuestNetwork != NetworkHost {
		return o, fmt.Errorf("unknown guest network %q; use %q or %q", o.GuestNetwork, NetworkOwn, NetworkHost)
	}

	def(&o.BuildDelay, time.Second)
	def(&o.ActionDelay, 200*time.Millisecond)
	def(&o.DeleteDelay, 200*time.Millisecond)
	def(&o.VolumeDelay, 200*time.Millisecond)
	def(&o.TokenLife, 8*time.Hour)
	def(&o.FloatingPool, 100)
	if o.FloatingPool > maxFloatingPool {
		return o, fmt.Errorf("the floating IP pool holds at most %d addresses, not %d", maxFloatingPool, o.FloatingPool)
	}
	o.FloatingPool = max(o.FloatingPool, 0)
	linux := runtime.GOOS == "linux"
	def(&o.Guests, map[bool]string{true: GuestsNamespace, false: GuestsNone}[linux])
	switch {
	case o.Guests != GuestsNamespace && o.Guests != GuestsNone:
		return o, fmt.Errorf("guests can be %q or %q, not %q", GuestsNamespace, GuestsNone, o.Guests)
	case o.Guests == GuestsNamespace && !linux:
		return o, fmt.Errorf(
			"guests need Linux, where every address of 127.0.0.0/8 can be listened on; on %s start the cloud with guests %q",
			runtime.GOOS, GuestsNone)
	}
	if o.User == adminUser {
		return o, fmt.Errorf("the user %q is there in any case; choose another name for the seeded one", adminUser)
	}
	if o.Executable == nil {
		self, err := os.Executable()
		if err != nil {
			return o, err
		}
		o.Executable = []string{self, "devcloud", GuestCommand}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	_, err = o.quotas()
	return o, err
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// quotaSets are the limits of the three services that have some.
type quotaSets struct{ compute, network, volume map[string]int }

func (o Options) quotas() (quotaSets, error) {
	q := quotaSets{compute.DefaultQuotas(), network.DefaultQuotas(), volume.DefaultQuotas()}
	maps.Copy(q.compute, map[string]int{"instances": 100, "cores": -1, "ram": -1})
	maps.Copy(q.network, map[string]int{"floatingip": 100})
	maps.Copy(q.volume, map[string]int{"volumes": 100, "snapshots": 100, "gigabytes": 10000})
	var unknown []error
	for name, n := range o.Quotas {
		found := false
		for _, set := range []map[string]int{q.compute, q.network, q.volume} {
			if _, ok := set[name]; ok {
				set[name], found = n, true
			}
		}
		if !found {
			unknown = append(unknown, fmt.Errorf("no service has a quota called %q", name))
		}
	}
	return q, errors.Join(unknown...)
}

// DefaultDir is where a cloud's state lies unless told otherwise:
// $GALLEY_DEVCLOUD_DIR, or galley/devcloud in $XDG_STATE_HOME or
// ~/.local/state.
func DefaultDir() (string, error) {
	if dir := os.Getenv("GALLEY_DEVCLOUD_DIR"); dir != "" {
		return dir, nil
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "galley", "devcloud"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no directory for the embedded cloud's state: %w; set GALLEY_DEVCLOUD_DIR", err)
	}
	return filepath.Join(home, ".local", "state", "galley", "devcloud"), nil
}
