package guest

// Files in a guest's directory.
const (
	consoleName  = "console.log" // the console log, all boots
	socketName   = "ssh.sock"    // the SSH server's unix socket
	pidName      = "guest.pid"   // the process, for Remove after a kill
	diskName     = "disk"        // the guest's own part of the file system
	restoredName = "restored"    // Spec.Disk has been unpacked
	layersName   = "layers"      // overlay layers: its changes to the host's files
)

// toolDir is where the guest finds this program and the files of its tools.
// Below /run, so that it is recreated by every boot.
const toolDir = "/run/galley-guest"

// toolBin is where the tools are in a plain directory; else they are in
// /usr/bin and /usr/sbin.
const toolBin = toolDir + "/bin"

// Exit statuses by which the guest's process says why it ended.
const (
	exitPowerOff = 0
	exitFailed   = 1
	exitReboot   = 64
	exitRefused  = 65 // the host forbids this mode
)

// limits forbids what this host allows, so that tests can see every mode.
type limits struct {
	NoRoot       bool `json:",omitempty"` // no namespaces as root
	NoMapping    bool `json:",omitempty"` // no mounts with mapped owners
	NoUserNS     bool `json:",omitempty"`
	NoDiskLayers bool `json:",omitempty"` // no overlayfs with layers in Dir
}

// bootRequest is what the starter writes to the guest's process, as one line of
// JSON. After it come lines that each hold one command word.
type bootRequest struct {
	Spec   Spec
	Dir    string // absolute
	Mode   string
	Why    string // why the mode is not a better one
	Limits limits
	// StarterTaps is set where the starter makes the network devices, not the
	// guest.
	StarterTaps bool `json:",omitempty"`
	// Mounts are the host's mounts that the starter sends, in that order
	// after the program and Dir; Program is then where the program is.
	Mounts  []string `json:",omitempty"`
	Program string   `json:",omitempty"`
	// Resolv is the host's /etc/resolv.conf, later the guest's own.
	Resolv string
	Hide   []string // directories of the host that the guest must not see
}

// Commands and events on the two pipes between starter and guest.
const (
	cmdStop   = "stop"
	cmdReboot = "reboot"
)

// event is one line of JSON from the guest's process.
type event struct {
	Event  string // "root", "refused", "ready"
	Mode   string `json:",omitempty"` // what the world came to
	Detail string `json:",omitempty"`
}

const (
	evRoot    = "root"
	evRefused = "refused"
	evReady   = "ready"
)
