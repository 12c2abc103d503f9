package openstack

import (
	"time"

	"github.com/galleyhq/galley/internal/secret"
)

// ServerSpec is a server as it is wanted. References are IDs, names or
// /regexps/, as [Cloud.Image] and its like take them.
type ServerSpec struct {
	// Owner and Project are put into the record and the metadata, so that
	// what a server is for can be seen in the cloud.
	Owner, Project string
	// TTL is how long the server may live; afterwards [Cloud.Expired] finds it.
	// 0 is for ever.
	TTL time.Duration

	// Name is the server's name, at most 63 characters; see [ServerName].
	Name string
	// Image and Flavor are its template and size. Image may be empty when a
	// volume is booted from. ImageByID and FlavorByID say that they are IDs
	// and need no lookup (kitchen-openstack: image_id, flavor_id).
	Image, Flavor         string
	ImageByID, FlavorByID bool
	// Nics are its network interfaces in order. None lets Nova choose.
	Nics []Nic

	// KeyName is an existing key pair. NewKeyPair, when there is no KeyName,
	// has one made for the server and removed with it.
	KeyName    string
	NewKeyPair *NewKeyPair

	// SecurityGroups are names (or IDs); none gives the project's default one.
	SecurityGroups   []string
	AvailabilityZone string
	Metadata         map[string]string
	// Tags are server tags (Nova API, microversion 2.52).
	Tags []string
	// Description is shown in listings (Nova API, microversion 2.19).
	Description string
	UserData    []byte
	ConfigDrive bool
	// SchedulerHints are handed on as they are; "group" may be the name of a
	// server group.
	SchedulerHints map[string]any
	Volumes        []VolumeSpec

	// AccessIPv4 and AccessIPv6 are shown as the server's addresses; they
	// change nothing in the network (Nova API: accessIPv4, accessIPv6).
	AccessIPv4, AccessIPv6 string
	// AdminPass is the administrator's password; "" lets Nova make one.
	AdminPass secret.Text
	// DiskConfig is "AUTO" or "MANUAL" (Nova API: OS-DCF:diskConfig).
	DiskConfig string
	// Hostname is the host name of the guest (Nova API,
	// microversion 2.90); "" has Nova make it of the name.
	Hostname string

	FloatingIP FloatingIPSpec
	Address    AddressChoice

	// ActiveTimeout bounds the wait for ACTIVE, 10 minutes by default
	// (kitchen-openstack: glance_cache_wait_timeout).
	ActiveTimeout time.Duration
}

// Nic is one network interface of a server.
type Nic struct {
	// Network is the network to be in; ByID says that it is an ID.
	Network string
	ByID    bool
	// FixedIP is the address to have there, "" for any.
	FixedIP string
	// Port is an existing port in place of a network.
	Port string
	// Make is a port to be made in the network, and removed with the server.
	Make *PortSpec
}

// PortSpec is a port as it is wanted.
type PortSpec struct {
	Name, MAC      string
	SecurityGroups []string
	// Addresses are fixed addresses; Subnets are IDs of subnets to have an
	// address of.
	Addresses, Subnets []string
}

// NewKeyPair is a key pair to be made for a server.
type NewKeyPair struct {
	// PublicKey is an authorized_keys line to upload; "" has an Ed25519 key
	// generated here, whose private half is written to PrivateKeyFile.
	PublicKey string
	// PrivateKeyFile is where the private key goes, mode 0600, in OpenSSH's
	// form.
	PrivateKeyFile string
}

// VolumeSpec is one block device (kitchen-openstack: block_device_mapping).
type VolumeSpec struct {
	// Make says that a volume is made first, of SnapshotID, SourceVolume,
	// Image or empty, and removed with the server.
	Make bool
	// VolumeID is an existing volume to attach, by ID or name.
	VolumeID string
	// SnapshotID, SourceVolume and Image are what a volume is made of.
	SnapshotID, SourceVolume, Image string
	// Size is in GiB.
	Size                         int
	VolumeType, AvailabilityZone string
	// DeviceName is what the guest should call it, as "vda".
	DeviceName string
	// DeleteOnTermination has Nova delete the volume with the server. A volume
	// that was made here is removed in any case.
	DeleteOnTermination bool
	// KeepAfter keeps a volume that was made here when a complete server is
	// removed (delete_on_termination: false, said in so many words).
	KeepAfter bool
	// BootIndex is 0 for the device to boot from, -1 for the others; nil
	// chooses: the first one boots without an image.
	BootIndex *int
	// CreationTimeout bounds the wait for the volume, 1 minute by default.
	CreationTimeout time.Duration
	// AttachTimeout is a pause after the volume is there, for clouds that need
	// it (kitchen-openstack: attach_timeout).
	AttachTimeout time.Duration
}

// FloatingIPSpec says which floating IP a server gets, if any.
type FloatingIPSpec struct {
	// Address is a floating IP of the project.
	Address string
	// TakeOver takes Address from the server that holds it.
	TakeOver bool
	// Pools are the external networks to have an address of: the first that
	// has one to give.
	Pools []string
	// AnyPool means all external networks that the project sees.
	AnyPool bool
	// Allocate makes a new one and releases it with the server; otherwise a
	// free one of the project is borrowed.
	Allocate bool
	// AllocateIfNone makes a new one where none is free to borrow.
	AllocateIfNone bool
}

// Wanted says whether a floating IP is asked for at all.
func (f FloatingIPSpec) Wanted() bool { return f.Address != "" || len(f.Pools) > 0 || f.AnyPool }

// AddressChoice says which of a server's addresses it is reached at
// (kitchen-openstack: openstack_network_name, public_ip_order,
// private_ip_order, use_ipv6).
type AddressChoice struct {
	// Network is the name of the network whose address counts.
	Network string
	// PublicOrder and PrivateOrder are indexes, from 0.
	PublicOrder, PrivateOrder int
	IPv6                      bool
	// PrivateOnly passes over the public addresses.
	PrivateOnly bool
	// None chooses no address: the caller does, of [Server.Addresses].
	None bool
}

// Server is a server that can be used.
type Server struct {
	ID, Name, Status string
	// Address is where it is reached.
	Address string
	// FloatingIP is the floating IP it was given, "" if none; FloatingNetwork
	// is the server's network that it leads into.
	FloatingIP, FloatingNetwork string
	// KeyName is its key pair; KeyFile the private key generated for it.
	KeyName, KeyFile string
	Image, Flavor    string
	AvailabilityZone string
	Addresses        []Address
	// Created says that it was made by this call and not found.
	Created bool
}

// Address is one address of a server.
type Address struct {
	Network string
	IP      string
	Version int
	// Floating is false for fixed addresses.
	Floating bool
}
