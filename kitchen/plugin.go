package kitchen

import (
	"context"
	"io"
	"io/fs"
)

// Driver makes and destroys the machine behind an instance.
//
// Contract: Create is idempotent. On a state that already records a machine
// it checks that the machine is there and usable; it finishes a half-made
// one, replaces a broken one, and fails rather than record an instance
// without an address. Whatever Create makes is recorded durably before it is
// asked for, so that Destroy, in this process or a later one, finds it.
// Create ends with at least the state key "hostname" set (see [KeyHostname]).
//
// Destroy leaves nothing of the instance behind. What no longer exists is
// success; a resource that cannot be deleted is an error that names it. It does not need
// Create to have ended, or to have been called at all.
//
// Both obey the context: on cancellation they return promptly with its error
// and leave the durable record in place.
type Driver interface {
	Create(ctx context.Context, step *Step) error
	Destroy(ctx context.Context, step *Step) error
}

// Finisher is a Driver that has something to put on the machine once it can
// be reached, as kitchen-openstack's hint for Ohai. After an error, which means
// that conn is lost, Finish is called once more with a new one.
type Finisher interface {
	Finish(ctx context.Context, step *Step, conn Conn) error
}

// HostKeySource is a Driver that can say which SSH host keys a machine has
// without asking the machine, as from the cloud's console log.
type HostKeySource interface {
	// HostKeys returns keys in authorized_keys form ("ssh-ed25519 AAAA…") or
	// fingerprints ("SHA256:…"). None, without an error, means that the
	// source does not show any yet, or never will.
	HostKeys(ctx context.Context, step *Step) ([]string, error)
}

// FailureDetailer is a Driver that can add its knowledge of a machine that
// could not be reached (the end of its console log) to the report of the
// failure. An empty string means that there is nothing to add.
type FailureDetailer interface {
	FailureDetail(ctx context.Context, step *Step) string
}

// OrphanFinder is a Driver that can find the resources of instances that are
// configured no longer, or whose records are lost.
type OrphanFinder interface {
	// Orphans returns what exists for this project's directory and belongs to
	// no instance that configured knows.
	Orphans(ctx context.Context, configured func(instance string) bool) ([]Orphan, error)
}

// Orphan is the leftovers of one instance.
type Orphan struct {
	// Instance is its name, as far as that is known.
	Instance string
	// What names the things that are left, for the user.
	What []string
	// Remove removes them. What no longer exists is success.
	Remove func(ctx context.Context, report *Reporter) error
}

// Checker is a plug-in that can be asked for trouble before anything is made
// (`galley doctor`). Each returned string is one complaint, a whole sentence.
type Checker interface {
	Check(ctx context.Context, step *Step) []string
}

// Transport reaches a machine.
type Transport interface {
	// Wait returns when a session can be opened on the machine and a command
	// run in it, and not before. It gives up at its own deadline, and at once
	// on a failure that waiting cannot mend.
	Wait(ctx context.Context, step *Step) error
	// Connect opens a connection. It never guesses a host: a state without
	// [KeyHostname] is an error.
	Connect(ctx context.Context, step *Step) (Conn, error)
}

// Conn is an open connection to a machine. Its methods may be called from
// several goroutines. The one who got it from [Transport.Connect] closes it.
type Conn interface {
	// Run runs a command by the machine's shell and returns its exit status.
	// A non-zero status is not an error: err tells of a command that could not be
	// run or whose end was not seen.
	Run(ctx context.Context, cmd Command) (status int, err error)
	// Upload puts the tree of src below the remote directory dest, which is
	// made if needed. Modes and symbolic links survive.
	Upload(ctx context.Context, src fs.FS, dest string) error
	// Download copies the remote file or directory src to the local path dest.
	Download(ctx context.Context, src, dest string) error
	// Shell gives the user at the terminal a login shell and returns the
	// shell's exit status.
	Shell(ctx context.Context, term Terminal) (status int, err error)
	Close() error
}

// Neighbour is a Conn that can say whether its machine is on this host, so
// that data sent to it is not worth compressing.
type Neighbour interface {
	Near() bool
}

// Command is one command line for a machine's shell.
type Command struct {
	// Line is handed to the login shell as it is.
	Line string
	// Stdin is what the command reads; nil is the empty input. Run does not
	// wait for a Read under way when the command ends.
	Stdin io.Reader
	// Stdout and Stderr receive its output; nil throws it away. With TTY
	// both streams arrive on Stdout.
	Stdout, Stderr io.Writer
	// TTY asks for a pseudo terminal. A machine that gives none runs the
	// command without one.
	TTY bool
}

// Terminal is the user's end of an interactive session.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
	// Type is the value of TERM, "" without a terminal.
	Type string
	// Size is the terminal's size in cells when the session starts.
	Width, Height int
	// Resized yields the new size each time the terminal changes; nil means
	// that it never does.
	Resized <-chan [2]int
}

// Provisioner converges a machine.
type Provisioner interface {
	Converge(ctx context.Context, step *Step, conn Conn) error
}

// Verifier checks a converged machine.
type Verifier interface {
	Verify(ctx context.Context, step *Step, conn Conn) error
}

// Step is what a plug-in is given to do its part for one instance: who it is,
// the facts known about it, and where to tell what happens. It lives as long as
// one action.
type Step struct {
	// Instance is the instance acted on.
	Instance *Instance
	// Action is the action under way.
	Action Action
	// State is the instance's durable state. A plug-in that changes it calls
	// Save at once if the change must survive a kill.
	State *State
	// Report tells what happens.
	Report *Reporter
	// HostKeys asks the driver for the machine's SSH host keys. It is nil
	// when the driver is no [HostKeySource].
	HostKeys func(ctx context.Context) ([]string, error)
	// Installed is called by a provisioner once it has installed its product on
	// the machine, and before it puts anything of the project there. It may take
	// minutes; the only error is that of the context. It is nil when the driver is
	// no [ImageCacher].
	Installed func(ctx context.Context, conn Conn) error
	// Terminal is [Kitchen.Terminal].
	Terminal bool
	// KeepOnFailure tells the driver not to remove what a failing Create
	// has made.
	KeepOnFailure bool
}
