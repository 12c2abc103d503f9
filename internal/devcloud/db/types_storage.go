package db

import "time"

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
	HasDescription           bool
	Nameless                 bool // its name is null, not empty
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
