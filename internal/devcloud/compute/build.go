package compute

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// The tasks of a build, in their order.
const (
	taskScheduling = "scheduling"
	taskDisks      = "block_device_mapping"
	taskSpawning   = "spawning"
)

// Nova's power states.
const (
	powerNone    = 0
	powerRunning = 1
	powerPaused  = 3
	powerOff     = 4
	powerSuspend = 7
)

// Advance performs due transitions inside a transaction and returns when the
// next thing is.
func (s *Service) Advance(now time.Time) (next time.Time) {
	s.db.Servers.Due(now, &next, func(v *db.Server) time.Time { return v.Due }, func(v *db.Server) {
		switch {
		case v.TaskState == "deleting":
			s.bury(v)
			return
		case v.VMState == db.VMBuilding:
			s.build(v, now)
		default:
			s.finishTask(v)
		}
		if v.Due.After(now) {
			db.Earlier(&next, v.Due)
		}
	})
	return next
}

// build carries a new server one step on. Waiting for something that is not a
// time, it leaves Due as it is and is asked again after the next change.
func (s *Service) build(v *db.Server, now time.Time) {
	switch v.TaskState {
	case taskScheduling:
		v.Host = Host
		err := s.plug(v)
		if err == nil {
			err = s.makeVolumes(v)
		}
		if err != nil {
			s.abort(v, err)
			return
		}
		v.TaskState = taskDisks
		s.db.Servers.Put(v)
		s.build(v, now)
	case taskDisks:
		ready, err := s.attachVolumes(v)
		if err != nil {
			s.abort(v, err)
		}
		if !ready {
			return
		}
		v.TaskState, v.Run, v.Boot = taskSpawning, true, v.Boot+1
		v.Due = v.Created.Add(s.BuildDelay)
		if v.WillFail != "" {
			v.Run = false
		}
		s.db.Servers.Put(v)
		if !v.Due.After(now) {
			s.build(v, now)
		}
	case taskSpawning:
		if v.WillFail != "" {
			s.fail(v, v.WillFail)
			return
		}
		up, failed := s.guestUp(v)
		if failed != "" {
			s.abort(v, errors.New(failed))
		}
		if !up {
			return
		}
		v.VMState, v.TaskState, v.PowerState, v.Launched, v.Due = db.VMActive, "", powerRunning, s.db.Now(), time.Time{}
		for _, p := range s.portsOf(v.ID) {
			p.Status = "ACTIVE"
			p.Revision++
			s.db.Ports.Put(p)
		}
		s.db.Servers.Put(v)
		s.finished(v, "")
	}
}

// guestUp tells whether the guest has been started as often as the server says;
// why it could not be, else.
func (s *Service) guestUp(v *db.Server) (up bool, failed string) {
	if !s.Guests {
		return true, ""
	}
	if v.GuestBoot != v.Boot {
		return false, ""
	}
	return v.GuestError == "", v.GuestError
}

func (s *Service) abort(v *db.Server, err error) {
	s.fail(v, fmt.Sprintf("Build of instance %s aborted: %s", v.ID, err))
}

// fail ends a build in ERROR. What was made for the server is given back, as
// Nova does.
func (s *Service) fail(v *db.Server, message string) {
	v.VMState, v.TaskState, v.PowerState, v.Run, v.Due = db.VMError, "", powerNone, false, time.Time{}
	v.Host = ""
	v.Fault = &db.ServerFault{Code: 500, Message: message, Created: s.db.Now()}
	s.unplug(v)
	s.dropVolumes(v)
	s.db.Servers.Put(v)
	s.finished(v, "Error")
}

// plug gives a server its ports.
func (s *Service) plug(v *db.Server) error {
	var groups []string
	for _, name := range v.Plan.SecurityGroups {
		if g := s.Network.FindGroup(v.ProjectID, name); g != nil {
			groups = append(groups, g.ID)
		}
	}
	for _, want := range v.Plan.Networks {
		if _, err := s.plugOne(v, want, groups); err != nil {
			return err
		}
	}
	return nil
}

var errNetwork = errors.New("Failed to allocate the network(s), not rescheduling.")

func (s *Service) plugOne(v *db.Server, want db.PlannedPort, groups []string) (*db.Port, error) {
	if want.PortID != "" {
		p := s.db.Ports.Get(want.PortID)
		if p == nil || p.DeviceID != "" && p.DeviceID != v.ID {
			return nil, fmt.Errorf("Port %s is still in use.", want.PortID)
		}
		p.DeviceID, p.DeviceOwner, p.HostID, p.Tag = v.ID, "compute:"+zone, Host, want.Tag
		p.Revision++
		s.db.Ports.Put(p)
		return p, nil
	}
	n := s.db.Networks.Get(want.NetworkID)
	if n == nil || n.External && n.ProjectID != v.ProjectID && !s.db.SharedWith(n, v.ProjectID) {
		return nil, errNetwork
	}
	p := &db.Port{
		Std: db.Std{ProjectID: v.ProjectID}, NetworkID: want.NetworkID, AdminUp: true, DeviceID: v.ID, DeviceOwner: "compute:" + zone,
		SecurityGroups: groups, PortSecurity: n.PortSecurity, HostID: Host, Tag: want.Tag, NovaMade: true,
	}
	if !n.PortSecurity {
		p.SecurityGroups = nil
	}
	var fixed []api.Obj
	if want.FixedIP != "" {
		fixed = []api.Obj{{"ip_address": want.FixedIP}}
	}
	if err := s.Network.InsertPort(p, fixed); err != nil {
		var e *api.Error
		if errors.As(err, &e) && e.Type == "InvalidIpForNetwork" {
			return nil, fmt.Errorf("Invalid input received: Fixed IP %s is not a valid ip address for network %s.",
				want.FixedIP, want.NetworkID)
		}
		return nil, errNetwork
	}
	return p, nil
}

// unplug takes a server's ports away: those Nova made go, those it was given
// are freed.
func (s *Service) unplug(v *db.Server) {
	for _, p := range s.portsOf(v.ID) {
		s.unplugOne(p)
	}
}

func (s *Service) unplugOne(p *db.Port) {
	if p.NovaMade {
		s.Network.DropPort(p.ID)
		return
	}
	p.DeviceID, p.DeviceOwner, p.HostID, p.Tag, p.Status = "", "", "", "", "DOWN"
	p.Revision++
	s.db.Ports.Put(p)
}

// makeVolumes asks for the volumes that a server's mappings want made.
func (s *Service) makeVolumes(v *db.Server) error {
	disks := slices.Clone(v.Plan.Disks)
	for i, d := range disks {
		if d.Destination != "volume" {
			continue
		}
		if d.Source == "volume" {
			disks[i].VolumeID = d.UUID
			continue
		}
		vol := &db.Volume{
			ProjectID: v.ProjectID, UserID: v.UserID, Size: d.Size, Type: d.VolumeType, Zone: zone,
		}
		switch d.Source {
		case "image":
			vol.ImageID = d.UUID
		case "snapshot":
			vol.SnapshotID = d.UUID
		case "blank":
			vol.Name = v.ID + "-blank-vol"
		}
		if err := s.Volumes.Insert(vol, false); err != nil {
			return plainError(err)
		}
		disks[i].VolumeID = vol.ID
	}
	v.Plan.Disks = disks
	return nil
}

// plainError strips the status that an API error's text begins with.
func plainError(err error) error {
	var e *api.Error
	if errors.As(err, &e) {
		return fmt.Errorf("%s", e.Message)
	}
	return err
}

// attachVolumes attaches a new server's volumes once all are made; ready tells
// whether they are.
func (s *Service) attachVolumes(v *db.Server) (ready bool, err error) {
	for _, d := range v.Plan.Disks {
		if d.VolumeID == "" {
			continue
		}
		vol := s.db.Volumes.Get(d.VolumeID)
		switch {
		case vol == nil:
			return false, fmt.Errorf("Volume %s could not be found.", d.VolumeID)
		case vol.Status == "error":
			return false, fmt.Errorf(
				"Volume %s did not finish being created even after we waited 0 seconds or 1 attempts. And its status is error.", d.VolumeID)
		case vol.Status == "creating" || vol.Status == "downloading":
			return false, nil
		}
	}
	for i, d := range v.Plan.Disks {
		if d.VolumeID == "" {
			continue
		}
		a := &db.Attachment{
			ServerID: v.ID, Device: d.Device, Tag: d.Tag, DeleteOnTermination: d.DeleteOnTermination, BootIndex: -1,
		}
		if d.BootIndex != nil {
			a.BootIndex = *d.BootIndex
		}
		if a.Device == "" {
			a.Device = s.nextDevice(v)
			if a.BootIndex == 0 {
				a.Device = "/dev/vda"
			}
		}
		if err := s.Volumes.AttachNow(s.db.Volumes.Get(d.VolumeID), a); err != nil {
			return false, plainError(err)
		}
		v.Plan.Disks[i].VolumeID = d.VolumeID
	}
	v.RootDevice = "/dev/vda"
	return true, nil
}

// nextDevice is the first device name a server has free; vda is its root disk.
func (s *Service) nextDevice(v *db.Server) string {
	taken := map[string]bool{"/dev/vda": true}
	for _, a := range s.attachmentsOf(v.ID) {
		taken[a.Device] = true
	}
	for c := 'b'; c <= 'z'; c++ {
		if name := "/dev/vd" + string(c); !taken[name] {
			return name
		}
	}
	return ""
}

// dropVolumes ends a server's attachments, and with them the volumes that were
// to go with it.
func (s *Service) dropVolumes(v *db.Server) {
	attached := map[string]bool{}
	for _, a := range s.attachmentsOf(v.ID) {
		attached[a.VolumeID] = true
		s.Volumes.DetachNow(a, true)
	}
	for _, d := range v.Plan.Disks {
		// A volume made for the server that was never attached to it.
		if d.VolumeID == "" || d.Source == "volume" || attached[d.VolumeID] || !d.DeleteOnTermination {
			continue
		}
		if vol := s.db.Volumes.Get(d.VolumeID); vol != nil {
			if vol.Status == "creating" {
				vol.NextStatus = "deleted"
				s.db.Volumes.Put(vol)
				continue
			}
			_ = s.Volumes.Delete(vol, false)
		}
	}
}

// gravesKept is how many deleted servers changes-since can still show.
const gravesKept = 200

// bury removes a server whose deletion is due.
func (s *Service) bury(v *db.Server) {
	s.unplug(v)
	s.dropVolumes(v)
	if g := s.db.ServerGroups.Get(v.GroupID); g != nil {
		g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(m string) bool { return m == v.ID })
		s.db.ServerGroups.Put(g)
	}
	s.finished(v, "")
	s.db.Servers.Delete(v.ID)
	v.VMState, v.TaskState, v.PowerState, v.Terminated, v.Due, v.Run = "deleted", "", powerNone, s.db.Now(), time.Time{}, false
	v.Updated = s.db.Now()
	s.db.DeletedServers.Insert(v)
	if s.db.DeletedServers.Len() <= gravesKept {
		return
	}
	oldest := s.db.DeletedServers.All()[0].ID
	s.db.DeletedServers.Delete(oldest)
	for _, a := range s.db.Actions.Where(func(a *db.InstanceAction) bool { return a.ServerID == oldest }) {
		s.db.Actions.Delete(a.ID)
	}
}
