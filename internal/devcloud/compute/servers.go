package compute

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

const maxPage = 1000

func (s *Service) serverRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/servers", Do: s.listServers(false)},
		{Method: "GET", Path: "/servers/detail", Do: s.listServers(true)},
		{Method: "POST", Path: "/servers", Do: s.createServers},
		{Method: "POST", Path: "/os-volumes_boot", Do: s.createServers}, // an older name, which fog still uses
		{Method: "GET", Path: "/servers/{id}", Do: s.showServer},
		{Method: "PUT", Path: "/servers/{id}", Do: s.updateServer},
		{Method: "DELETE", Path: "/servers/{id}", Do: s.deleteServer},
		{Method: "POST", Path: "/servers/{id}/action", Do: s.action},
		{Method: "GET", Path: "/servers/{id}/ips", Do: s.listAddresses},
		{Method: "GET", Path: "/servers/{id}/ips/{network}", Do: s.showAddresses},
		{Method: "GET", Path: "/servers/{id}/diagnostics", Do: s.diagnostics},
		{Method: "POST", Path: "/servers/{id}/remote-consoles", Min: api.V(6), Do: s.remoteConsole},
		{Method: "GET", Path: "/servers/{id}/topology", Min: api.V(78), Do: func(r *api.Request) (*api.Reply, error) {
			return s.with(r, func(v *db.Server) (any, error) { return api.Obj{"nodes": api.List{}}, nil })
		}},
		{Method: "GET", Path: "/servers/{id}/os-server-password", Do: func(r *api.Request) (*api.Reply, error) {
			return s.with(r, func(v *db.Server) (any, error) { return api.Obj{"password": ""}, nil })
		}},
	}
}

func errServer(id string) *api.Error { return api.NotFound("Instance %s could not be found.", id) }

// find is the server that the path names, if it is the caller's.
func (s *Service) find(r *api.Request) (*db.Server, error) {
	v := s.db.Servers.Get(r.Var("id"))
	if v == nil || v.ProjectID != r.Auth.ProjectID && !r.Auth.Admin() {
		return nil, errServer(r.Var("id"))
	}
	return v, nil
}

// with answers 200 with what show makes of the caller's server.
func (s *Service) with(r *api.Request, show func(v *db.Server) (any, error)) (*api.Reply, error) {
	var body any
	var err error
	s.db.View(func() {
		var v *db.Server
		if v, err = s.find(r); err == nil {
			body, err = show(v)
		}
	})
	if err != nil {
		return nil, err
	}
	return api.OK(body)
}

// statuses give a server's status by its vm_state, and by its task where that
// decides.
var statuses = map[string]map[string]string{
	db.VMBuilding: {"": "BUILD"},
	db.VMActive: {
		"": "ACTIVE", "rebooting": "REBOOT", "reboot_pending": "REBOOT", "reboot_started": "REBOOT", "rebooting_hard": "HARD_REBOOT",
		"rebuilding": "REBUILD", "rebuild_spawning": "REBUILD", "updating_password": "PASSWORD", "resize_prep": "RESIZE", "resize_migrating": "RESIZE", "resize_finish": "RESIZE",
	},
	db.VMStopped: {
		"":                 "SHUTOFF",
		"rebooting_hard":   "HARD_REBOOT",
		"rebuilding":       "REBUILD",
		"resize_prep":      "RESIZE",
		"resize_migrating": "RESIZE",
		"resize_finish":    "RESIZE",
	},
	db.VMPaused:  {"": "PAUSED", "rebooting_hard": "HARD_REBOOT"},
	db.VMSuspend: {"": "SUSPENDED", "rebooting_hard": "HARD_REBOOT"},
	db.VMRescued: {"": "RESCUE"},
	db.VMShelved: {"": "SHELVED_OFFLOADED"},
	db.VMResized: {"": "VERIFY_RESIZE", "resize_reverting": "REVERT_RESIZE"},
	db.VMError:   {"": "ERROR", "rebuilding": "REBUILD", "rebuild_spawning": "REBUILD"},
	"deleted":    {"": "DELETED"},
}

// Status is what a server's "status" says.
func Status(v *db.Server) string {
	byTask := statuses[v.VMState]
	if st, ok := byTask[v.TaskState]; ok {
		return st
	}
	return cmp.Or(byTask[""], "UNKNOWN")
}

// progressStates are the statuses with which a server shows its progress.
var progressStates = []string{"ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"}

func hostID(v *db.Server) string {
	if v.Host == "" {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum224([]byte(v.ProjectID+v.Host)))
}

// portsOf are a server's ports in the order of their making.
func (s *Service) portsOf(server string) []*db.Port {
	return s.db.Ports.Where(func(p *db.Port) bool {
		return p.DeviceID == server && strings.HasPrefix(p.DeviceOwner, "compute:")
	})
}

func family(addr string) int {
	if strings.Contains(addr, ":") {
		return 6
	}
	return 4
}

// addresses are a server's by network name; plain ones lack the extensions'
// attributes.
func (s *Service) addresses(v *db.Server, plain bool) api.Obj {
	out := map[string]api.List{}
	add := func(net, addr, kind, mac string) {
		e := api.Obj{"version": family(addr), "addr": addr}
		if !plain {
			e["OS-EXT-IPS:type"], e["OS-EXT-IPS-MAC:mac_addr"] = kind, mac
		}
		out[net] = append(out[net], e)
	}
	for _, p := range s.portsOf(v.ID) {
		name := p.NetworkID
		if n := s.db.Networks.Get(p.NetworkID); n != nil {
			name = n.Name
		}
		for _, f := range p.FixedIPs {
			add(name, f.IPAddress, "fixed", p.MAC)
			for _, fl := range s.db.FloatingIPs.Where(func(x *db.FloatingIP) bool { return x.PortID == p.ID && x.FixedIP == f.IPAddress }) {
				add(name, fl.Address, "floating", p.MAC)
			}
		}
	}
	o := api.Obj{}
	for k, l := range out {
		o[k] = l
	}
	return o
}

// groupsOf are the names of the security groups of a server's ports.
func (s *Service) groupsOf(v *db.Server) api.List {
	l := api.List{}
	seen := map[string]bool{}
	for _, p := range s.portsOf(v.ID) {
		for _, id := range p.SecurityGroups {
			if g := s.db.SecurityGroups.Get(id); g != nil && !seen[id] {
				seen[id] = true
				l = append(l, api.Obj{"name": g.Name})
			}
		}
	}
	return l
}

func (s *Service) attachmentsOf(server string) []*db.Attachment {
	return s.db.Attachments.Where(func(a *db.Attachment) bool { return a.ServerID == server })
}

func summary(r *api.Request, v *db.Server) api.Obj {
	return api.Obj{"id": v.ID, "name": v.Name, "links": links(r, "servers", v.ID)}
}

// basic is what a server shows everywhere; PUT and rebuild show no more before
// 2.75.
func (s *Service) basic(r *api.Request, v *db.Server, plain bool) api.Obj {
	o := api.Obj{
		"id": v.ID, "name": v.Name, "status": Status(v), "tenant_id": v.ProjectID, "user_id": v.UserID, "metadata": dict(v.Metadata),
		"hostId": hostID(
			v,
		), "image": "", "created": seconds(v.Created), "updated": seconds(v.LastChange()), "addresses": s.addresses(v, plain),
		"accessIPv4": v.AccessIPv4, "accessIPv6": v.AccessIPv6, "links": links(r, "servers", v.ID), "OS-DCF:diskConfig": v.DiskConfig,
	}
	if v.ImageID != "" {
		o["image"] = api.Obj{"id": v.ImageID, "links": bookmark(r, "images", v.ImageID)}
	}
	if r.Version.AtLeast(api.V(47)) {
		f := v.Flavor
		o["flavor"] = api.Obj{
			"vcpus":         f.VCPUs,
			"ram":           f.RAM,
			"disk":          f.Disk,
			"ephemeral":     f.Ephemeral,
			"swap":          f.Swap,
			"original_name": f.Name,
			"extra_specs":   dict(f.ExtraSpecs),
		}
	} else {
		o["flavor"] = api.Obj{"id": v.FlavorID, "links": bookmark(r, "flavors", v.FlavorID)}
	}
	if slices.Contains(progressStates, Status(v)) {
		o["progress"] = v.Progress
	}
	if v.Fault != nil && (v.VMState == db.VMError || v.VMState == "deleted") {
		f := api.Obj{"code": v.Fault.Code, "created": seconds(v.Fault.Created), "message": v.Fault.Message}
		if r.Auth.Admin() && v.Fault.Details != "" {
			f["details"] = v.Fault.Details
		}
		o["fault"] = f
	}
	if r.Version.AtLeast(api.V(9)) {
		o["locked"] = v.Locked
	}
	if r.Version.AtLeast(api.V(73)) {
		o["locked_reason"] = orNil(v.LockedReason)
	}
	if r.Version.AtLeast(api.V(19)) {
		o["description"] = orNil(v.Description)
	}
	if r.Version.AtLeast(api.V(26)) {
		o["tags"] = append([]string{}, v.Tags...)
	}
	if r.Version.AtLeast(api.V(63)) {
		o["trusted_image_certificates"] = nil
	}
	return o
}

// view is a server with all that its detail shows.
func (s *Service) view(r *api.Request, v *db.Server, single bool) api.Obj {
	o := s.basic(r, v, false)
	o["OS-EXT-AZ:availability_zone"] = v.AvailabilityZone
	if v.Host == "" {
		o["OS-EXT-AZ:availability_zone"] = ""
	}
	o["config_drive"] = ""
	if v.ConfigDrive {
		o["config_drive"] = "True"
	}
	o["key_name"] = orNil(v.KeyName)
	o["OS-SRV-USG:launched_at"], o["OS-SRV-USG:terminated_at"] = micros(v.Launched), micros(v.Terminated)
	if groups := s.groupsOf(v); len(groups) > 0 {
		o["security_groups"] = groups
	}
	o["OS-EXT-STS:task_state"], o["OS-EXT-STS:vm_state"], o["OS-EXT-STS:power_state"] = orNil(
		v.TaskState,
	), v.VMState, v.PowerState
	volumes := api.List{}
	for _, a := range s.attachmentsOf(v.ID) {
		e := api.Obj{"id": a.VolumeID}
		if r.Version.AtLeast(api.V(3)) {
			e["delete_on_termination"] = a.DeleteOnTermination
		}
		volumes = append(volumes, e)
	}
	o["os-extended-volumes:volumes_attached"] = volumes
	if r.Auth.Admin() {
		o["OS-EXT-SRV-ATTR:host"], o["OS-EXT-SRV-ATTR:hypervisor_hostname"] = orNil(v.Host), orNil(v.Host)
		o["OS-EXT-SRV-ATTR:instance_name"] = fmt.Sprintf("instance-%08x", v.Seq)
		if r.Version.AtLeast(api.V(3)) {
			o["OS-EXT-SRV-ATTR:reservation_id"], o["OS-EXT-SRV-ATTR:launch_index"] = v.ReservationID, v.LaunchIndex
			o["OS-EXT-SRV-ATTR:kernel_id"], o["OS-EXT-SRV-ATTR:ramdisk_id"] = "", ""
			o["OS-EXT-SRV-ATTR:root_device_name"], o["OS-EXT-SRV-ATTR:hostname"] = v.RootDevice, v.Hostname
			o["OS-EXT-SRV-ATTR:user_data"] = nil
			if len(v.UserData) > 0 {
				o["OS-EXT-SRV-ATTR:user_data"] = base64.StdEncoding.EncodeToString(v.UserData)
			}
		}
		if r.Version.AtLeast(api.V(16)) {
			o["host_status"] = "UP"
		}
	}
	if r.Version.AtLeast(api.V(90)) {
		o["OS-EXT-SRV-ATTR:hostname"] = v.Hostname
	}
	if single && r.Version.AtLeast(api.V(71)) {
		groups := api.List{}
		if v.GroupID != "" {
			groups = append(groups, v.GroupID)
		}
		o["server_groups"] = groups
	}
	return o
}

func (s *Service) showServer(r *api.Request) (*api.Reply, error) {
	return s.with(r, func(v *db.Server) (any, error) { return api.Obj{"server": s.view(r, v, true)}, nil })
}

// listParams are the query parameters that Nova's list takes; from 2.75 it
// refuses any other.
var listParams = []string{
	"limit", "marker", "sort_key", "sort_dir", "all_tenants", "name", "status", "image", "flavor", "ip", "ip6", "host", "hostname",
	"changes-since", "changes-before", "tags", "tags-any", "not-tags", "not-tags-any", "tenant_id", "project_id", "user_id", "deleted", "reservation_id",
	"uuid", "key_name", "availability_zone", "config_drive", "power_state", "task_state", "vm_state", "description", "locked", "access_ip_v4", "access_ip_v6",
	"auto_disk_config", "created_at", "launched_at", "terminated_at", "display_name", "display_description", "image_ref", "instance_type_id", "launch_index",
	"root_device_name", "progress", "node", "soft_deleted", "kernel_id", "ramdisk_id", "locked_by", "updated_at",
}

var serverSortKeys = map[string]func(v *db.Server) string{
	"created_at":   func(v *db.Server) string { return v.Created.Format(time.RFC3339Nano) },
	"updated_at":   func(v *db.Server) string { return v.LastChange().Format(time.RFC3339Nano) },
	"display_name": func(v *db.Server) string { return v.Name },
	"uuid":         func(v *db.Server) string { return v.ID },
	"vm_state":     func(v *db.Server) string { return v.VMState },
	"task_state":   func(v *db.Server) string { return v.TaskState },
	"key_name":     func(v *db.Server) string { return v.KeyName },
	"hostname":     func(v *db.Server) string { return v.Hostname },
	"launched_at":  func(v *db.Server) string { return v.Launched.Format(time.RFC3339Nano) },
	"project_id":   func(v *db.Server) string { return v.ProjectID },
	"user_id":      func(v *db.Server) string { return v.UserID },
	"image_ref":    func(v *db.Server) string { return v.ImageID },
	"power_state":  func(v *db.Server) string { return fmt.Sprint(v.PowerState) },
}

// sortKeyNames are all that Nova takes; those without a function above are
// alike for all servers here.
var sortKeyNames = []string{
	"access_ip_v4", "access_ip_v6", "auto_disk_config", "availability_zone", "config_drive", "created_at", "display_description", "display_name",
	"host", "hostname", "image_ref", "instance_type_id", "kernel_id", "key_name", "launch_index", "launched_at", "locked_by", "node", "power_state", "progress",
	"project_id", "ramdisk_id", "root_device_name", "task_state", "terminated_at", "updated_at", "user_id", "uuid", "vm_state", "architecture", "cell_name", "cleaned",
	"default_ephemeral_device", "default_swap_device", "deleted", "deleted_at", "disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id", "key_data",
	"launched_on", "locked", "memory_mb", "os_type", "reservation_id", "root_gb", "shutdown_terminate", "user_data", "vcpus", "vm_mode",
}

func (s *Service) updateServer(r *api.Request) (*api.Reply, error) {
	in, err := r.Object("server")
	if err != nil {
		return nil, err
	}
	err = validate("server", in, r.Version, []field{
		{name: "name", check: serverName},
		{name: "accessIPv4", check: orNull(isIP(4))},
		{name: "accessIPv6", check: orNull(isIP(6))},
		{name: "OS-DCF:diskConfig", check: oneOf("AUTO", "MANUAL")},
		{name: "description", check: orNull(text(0, 255)), min: api.V(19)},
		{name: "hostname", check: text(1, 255), min: api.V(90)},
	})
	if err == nil {
		err = checkName(in)
	}
	if err != nil {
		return nil, err
	}
	var o api.Obj
	err = s.db.Update(func() error {
		v, err := s.find(r)
		if err != nil {
			return err
		}
		for key, to := range map[string]*string{"name": &v.Name, "accessIPv4": &v.AccessIPv4, "accessIPv6": &v.AccessIPv6, "OS-DCF:diskConfig": &v.DiskConfig, "description": &v.Description, "hostname": &v.Hostname} {
			if _, ok := in[key]; ok {
				*to = strOf(in, key)
			}
		}
		s.db.Servers.Put(v)
		if o = s.basic(r, v, true); r.Version.AtLeast(api.V(75)) {
			o = s.view(r, v, true)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"server": o})
}

func (s *Service) deleteServer(r *api.Request) (*api.Reply, error) {
	err := s.db.Update(func() error {
		v, err := s.find(r)
		if err != nil {
			return err
		}
		if err := unlocked(r, v); err != nil {
			return err
		}
		s.terminate(r, v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.NoContent()
}

// terminate starts deleting a server.
func (s *Service) terminate(r *api.Request, v *db.Server) {
	if v.TaskState == "deleting" {
		return
	}
	s.record(r, v, "delete")
	v.TaskState, v.Run, v.NextState, v.Due = "deleting", false, "deleted", s.db.Now().Add(s.DeleteDelay)
	s.db.Servers.Put(v)
}

// unlocked refuses what a lock forbids to those who did not make it.
func unlocked(r *api.Request, v *db.Server) error {
	if v.Locked && !r.Auth.Admin() {
		return api.Conflict("Instance %s is locked", v.ID)
	}
	return nil
}

func (s *Service) listAddresses(r *api.Request) (*api.Reply, error) {
	return s.with(r, func(v *db.Server) (any, error) { return api.Obj{"addresses": s.addresses(v, true)}, nil })
}

func (s *Service) showAddresses(r *api.Request) (*api.Reply, error) {
	return s.with(r, func(v *db.Server) (any, error) {
		l, ok := s.addresses(v, true)[r.Var("network")]
		if !ok {
			return nil, api.NotFound("Network not found")
		}
		return api.Obj{r.Var("network"): l}, nil
	})
}

func (s *Service) diagnostics(r *api.Request) (*api.Reply, error) {
	if !r.Auth.Admin() {
		return nil, forbidden("os_compute_api:os-server-diagnostics")
	}
	return s.with(r, func(v *db.Server) (any, error) {
		state := "shutdown"
		if v.VMState == db.VMActive {
			state = "running"
		}
		if !r.Version.AtLeast(api.V(48)) {
			return api.Obj{"memory": v.Flavor.RAM * 1024}, nil
		}
		return api.Obj{
			"state": state, "driver": "devcloud", "hypervisor": "galley", "hypervisor_os": "linux", "uptime": 0, "num_cpus": v.Flavor.VCPUs, "num_nics": len(s.portsOf(v.ID)),
			"num_disks": 1 + len(
				s.attachmentsOf(v.ID),
			), "config_drive": v.ConfigDrive, "cpu_details": api.List{}, "nic_details": api.List{}, "disk_details": api.List{},
			"memory_details": api.Obj{"maximum": v.Flavor.RAM, "used": v.Flavor.RAM},
		}, nil
	})
}

func (s *Service) remoteConsole(r *api.Request) (*api.Reply, error) {
	return s.with(r, func(v *db.Server) (any, error) {
		return nil, api.BadRequest("Unavailable console type novnc.") // guests here have no screen
	})
}
