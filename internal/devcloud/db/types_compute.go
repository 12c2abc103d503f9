package db

import "time"

// Flavor is a Nova flavor. RAM and Swap are in MiB, Disk and Ephemeral in GiB.
type Flavor struct {
	Meta
	Name, Description                 string
	VCPUs, RAM, Disk, Ephemeral, Swap int
	Private                           bool
	Projects                          []string
	ExtraSpecs                        map[string]string
}

// KeyPair is a Nova key pair; its ID is user/name, because names are the user's
// own.
type KeyPair struct {
	Meta
	UserID, Name, Type     string
	PublicKey, Fingerprint string
}

// The states of Nova's vm_state that the embedded cloud uses.
const (
	VMBuilding = "building"
	VMActive   = "active"
	VMStopped  = "stopped"
	VMPaused   = "paused"
	VMSuspend  = "suspended"
	VMRescued  = "rescued"
	VMShelved  = "shelved_offloaded"
	VMResized  = "resized"
	VMError    = "error"
)

// Server is a Nova server.
type Server struct {
	Meta
	Name, Description  string
	ProjectID, UserID  string
	ImageID            string // empty when it boots from a volume
	FlavorID           string
	Flavor             Flavor // as it was when the server was made
	OldFlavor          *Flavor
	KeyName, PublicKey string
	AdminPass          string
	UserData           []byte
	Personality        map[string][]byte
	Metadata           map[string]string
	Tags               []string
	ConfigDrive        bool
	AvailabilityZone   string
	Host               string
	Hostname           string
	AccessIPv4         string
	AccessIPv6         string
	ReservationID      string
	LaunchIndex        int
	DiskConfig         string
	RootDevice         string
	GroupID            string
	Hints              map[string]any
	Locked             bool
	LockedReason       string

	VMState, TaskState string
	PowerState         int
	Progress           int
	Launched           time.Time `json:",omitzero"`
	Terminated         time.Time `json:",omitzero"`
	Fault              *ServerFault
	// WillFail is the fault the server goes to ERROR with at the end of its
	// build.
	WillFail string
	// Due is when the task of TaskState ends.
	Due time.Time `json:",omitzero"`
	// NextState is the vm_state at Due.
	NextState string

	Plan ServerPlan
	// Run tells the guest's keeper whether the guest is to run; Boot counts its
	// starts, so that a reboot shows.
	Run  bool
	Boot int
	// GuestBoot is the start that the keeper has carried out, GuestError why it
	// could not.
	GuestBoot  int
	GuestError string
	// Disk counts rebuilds: a new one means a fresh disk.
	Disk int
}

// ServerPlan lists the resources still to be made while a server builds.
type ServerPlan struct {
	NoNetwork      bool
	Networks       []PlannedPort
	SecurityGroups []string
	Disks          []PlannedDisk
}

// PlannedPort is one element of a server's "networks".
type PlannedPort struct {
	NetworkID, PortID, FixedIP, Tag string
}

// PlannedDisk is one element of a server's block_device_mapping_v2. Size is in
// GiB.
type PlannedDisk struct {
	Source, Destination, UUID string
	BootIndex                 *int
	Size                      int
	DeleteOnTermination       bool
	Device, Tag, VolumeType   string
	VolumeID                  string // once it is made
}

// ServerFault is why a server is in ERROR.
type ServerFault struct {
	Code    int
	Message string
	Details string
	Created time.Time
}

// ServerGroup is a Nova server group; Members are server IDs.
type ServerGroup struct {
	Meta
	Name, ProjectID, UserID string
	Policy                  string
	Rules                   map[string]any
	Members                 []string
}

// InstanceAction is one entry of a server's history.
type InstanceAction struct {
	Meta
	ServerID, Action, RequestID string
	UserID, ProjectID, Message  string
	Finished                    time.Time `json:",omitzero"`
}
