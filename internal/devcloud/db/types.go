package db

import (
	"strings"
	"time"
)

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
	Locked             bool
	LockedReason       string

	VMState, TaskState string
	PowerState         int
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

// Setting is one remembered choice of the cloud itself: the loopback network it
// holds, ports, the seed's version.
type Setting struct {
	Meta
	Value string
}

// Token is an issued token; its ID is what X-Auth-Token carries.
type Token struct {
	Meta
	UserID, ProjectID, DomainID string
	System                      bool
	AppCredentialID             string
	Methods, Roles              []string
	AuditID                     string
	Expires                     time.Time
}

// Quota is a project's own limit for one resource of one service; its ID is
// service/project/resource.
type Quota struct {
	Meta
	Limit int
}

// Std is what most Neutron resources have in common.
type Std struct {
	Name, Description, ProjectID string
	Tags                         []string
	Revision                     int
}

// Standard gives what the resources have in common to the table that keeps
// them.
func (s *Std) Standard() *Std { return s }

// Network is a Neutron network.
type Network struct {
	Meta
	Std
	AdminUp, Shared, External, Default bool
	PortSecurity                       bool
	MTU                                int
	ProviderType, ProviderPhysical     string
	ProviderSegment                    int
	ZoneHints                          []string
}

// Range is an inclusive range of addresses.
type Range struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

// Subnet is a Neutron subnet.
type Subnet struct {
	Meta
	Std
	NetworkID, CIDR, Gateway string
	IPVersion                int
	DHCP                     bool
	Pools                    []Range
	DNS                      []string
	Routes                   []Route
	RAMode, AddressMode      string
	SubnetPoolID             string
	ServiceTypes             []string
}

// Route is a static route of a subnet or a router.
type Route struct {
	Destination string `json:"destination"`
	NextHop     string `json:"nexthop"`
}

// FixedIP is one address of a port.
type FixedIP struct {
	SubnetID  string `json:"subnet_id"`
	IPAddress string `json:"ip_address"`
}

// Router is a Neutron router.
type Router struct {
	Meta
	Std
	AdminUp         bool
	ExternalNetwork string
	ExternalIPs     []FixedIP
	SNAT            bool
	Routes          []Route
	ZoneHints       []string
}

// Port is a Neutron port.
type Port struct {
	Meta
	Std
	NetworkID, MAC        string
	AdminUp               bool
	Status                string
	DeviceID, DeviceOwner string
	FixedIPs              []FixedIP
	SecurityGroups        []string
	PortSecurity          bool
	AddressPairs          []map[string]any
	DHCPOptions           []map[string]any
	VNICType, HostID      string
	Profile               map[string]any
	// Tag is the device tag that Nova was given for the interface.
	Tag string
	// NovaMade marks a port that Nova made for a server and removes with it.
	NovaMade bool
}

// FloatingIP is a Neutron floating IP.
type FloatingIP struct {
	Meta
	Std
	NetworkID, SubnetID, Address string
	PortID, FixedIP, RouterID    string
	Status                       string
	// ExternalPort holds the address on the external network.
	ExternalPort string
	// NextStatus is what Status becomes at Due.
	NextStatus string
	Due        time.Time `json:",omitzero"`
}

// SecurityGroup is a Neutron security group.
type SecurityGroup struct {
	Meta
	Std
	Stateful, Shared bool
}

// SecurityRule is a rule of a security group. A nil port bound is "any".
type SecurityRule struct {
	Meta
	Std
	GroupID, Direction, EtherType, Protocol string
	PortMin, PortMax                        *int
	RemotePrefix, RemoteGroup               string
	RemoteAddressGroup                      string
	// NoDescription marks the rules Neutron makes itself, whose description is
	// null.
	NoDescription bool
}

// SubnetPool is a Neutron subnet pool.
type SubnetPool struct {
	Meta
	Std
	Prefixes                   []string
	DefaultLen, MinLen, MaxLen int
	IPVersion                  int
	Shared, Default            bool
	AddressScope               string
}

// Internal tells that Neutron made the port for itself: a router's, a floating
// IP's, a DHCP server's.
func (p *Port) Internal() bool { return strings.HasPrefix(p.DeviceOwner, "network:") }

// AddressScope is a Neutron address scope.
type AddressScope struct {
	Meta
	Std
	IPVersion int
	Shared    bool
}

// AddressGroup is a Neutron address group; Addresses are prefixes.
type AddressGroup struct {
	Meta
	Std
	Addresses []string
}

// RBACPolicy shares a network with a project, or with all: "*".
type RBACPolicy struct {
	Meta
	Std
	ObjectType, ObjectID, Action, Target string
}

// Trunk is a Neutron trunk.
type Trunk struct {
	Meta
	Std
	AdminUp  bool
	PortID   string
	SubPorts []SubPort
}

// SubPort is a port that a trunk carries beside its own.
type SubPort struct {
	PortID string `json:"port_id"`
	Type   string `json:"segmentation_type"`
	VLAN   int    `json:"segmentation_id"`
	MAC    string `json:"mac_address,omitempty"`
}

// SharedWith tells whether a network that may be another's is shared with a
// project: with all, or by an RBAC policy.
func (d *DB) SharedWith(n *Network, project string) bool {
	return n.Shared || d.RBACPolicies.First(func(p *RBACPolicy) bool {
		return p.ObjectID == n.ID && (p.Target == project || p.Target == "*")
	}) != nil
}

// Remotes are the rules that a rule with an address group stands for: one for
// each address. Any other rule is returned itself.
func (d *DB) Remotes(x *SecurityRule) (rules []*SecurityRule) {
	if x.RemoteAddressGroup == "" {
		return []*SecurityRule{x}
	}
	if g := d.AddressGroups.Get(x.RemoteAddressGroup); g != nil {
		for _, prefix := range g.Addresses {
			one := *x
			one.RemoteAddressGroup, one.RemotePrefix = "", prefix
			rules = append(rules, &one)
		}
	}
	return rules
}

// Image is a Glance image. Sizes are in bytes, MinRAM in MiB, MinDisk in GiB.
type Image struct {
	Meta
	Name, Status, Visibility string
	Owner                    string
	DiskFormat, Container    string
	MinRAM, MinDisk          int
	Protected, Hidden        bool
	Size                     int64 // -1: not known yet
	VirtualSize              int64
	Checksum, HashAlgo, Hash string
	Tags                     []string
	Properties               map[string]string
	// Seeded marks the images of a new cloud: their guests are views of the
	// host.
	Seeded bool
	// SnapshotOf is the server whose disk the image waits for; Snapshot marks
	// one that has it.
	SnapshotOf string
	Snapshot   bool
	// Due is when a snapshot or an import is done.
	Due time.Time `json:",omitzero"`
}

// Volume is a Cinder volume. Size is in GiB.
type Volume struct {
	Meta
	Name, Description        string
	ProjectID, UserID        string
	Size                     int
	Status                   string
	Type                     string
	Zone                     string
	Bootable, Multiattach    bool
	SnapshotID, SourceVolume string
	ImageID                  string
	ImageMeta                map[string]string
	Metadata                 map[string]string
	// NextStatus is what Status becomes at Due; "deleted" removes the volume.
	NextStatus string
	NextSize   int
	Due        time.Time `json:",omitzero"`
}

// Attachment joins a volume to a server; Nova and Cinder both show it.
type Attachment struct {
	Meta
	VolumeID, ServerID, ProjectID string
	Device, Tag                   string
	DeleteOnTermination           bool
	// Status is reserved, attached or detaching.
	Status   string
	Attached time.Time `json:",omitzero"`
	BDM      string
	Mode     string
	// Due is when an attach or a detach under way is done.
	Due time.Time `json:",omitzero"`
	// BootIndex 0 is the disk the server boots from, -1 one it does not.
	BootIndex int
}
