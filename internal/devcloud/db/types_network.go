package db

import (
	"strings"
	"time"
)

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
