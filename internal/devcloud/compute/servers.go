package compute

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) serverRoutes() []api.Route {
	calls := api.Calls{
		"GET /servers": s.listServers(false), "GET /servers/detail": s.listServers(true), "POST /servers": s.createServers,
		"POST /os-volumes_boot": s.createServers, // an older name, which fog still uses
		"GET /servers/{id}": with(s.change, func(r *api.Request, v *db.Server) (*api.Reply, error) {
			return api.OK(api.Obj{"server": s.view(r, v, true)})
		}),
		"PUT /servers/{id}": s.updateServer, "POST /servers/{id}/action": s.action,
		"DELETE /servers/{id}": with(s.change, func(r *api.Request, v *db.Server) (*api.Reply, error) {
			s.terminate(r, v)
			return nil, nil
		}),
		"GET /servers/{id}/ips": with(s.change, func(_ *api.Request, v *db.Server) (*api.Reply, error) {
			return api.OK(api.Obj{"addresses": s.addresses(v, true)})
		}),
		"GET /servers/{id}/ips/{network}": with(s.change, func(r *api.Request, v *db.Server) (*api.Reply, error) {
			l, ok := s.addresses(v, true)[r.Var("network")]
			if !ok {
				return nil, api.NotFound("Network not found")
			}
			return api.OK(api.Obj{r.Var("network"): l})
		}),
		"GET /servers/{id}/os-server-password": with(s.change, func(*api.Request, *db.Server) (*api.Reply, error) {
			return api.OK(api.Obj{"password": ""})
		}),
	}
	return append(calls.Routes(api.Route{}), api.Route{
		Method: "POST", Path: "/servers/{id}/remote-consoles", Min: api.V(6),
		Do: with(s.change, func(r *api.Request, v *db.Server) (*api.Reply, error) { return noConsole(r, v, nil) }),
	})
}

// find is the server that the path names, if it is the caller's.
func (s *Service) find(r *api.Request) (*db.Server, error) {
	v := s.db.Servers.Get(r.Var("id"))
	if v == nil || v.ProjectID != r.Auth.ProjectID && !r.Auth.Admin() {
		return nil, api.NotFound("Instance %s could not be found.", r.Var("id"))
	}
	return v, nil
}

// statuses give a server's status by its vm_state, and by its task where that
// decides.
var statuses = map[string]map[string]string{
	db.VMBuilding: {"": "BUILD"},
	db.VMActive: {
		"": "ACTIVE", "rebooting": "REBOOT", "rebooting_hard": "HARD_REBOOT", "rebuilding": "REBUILD", "resize_prep": "RESIZE",
	},
	db.VMStopped: {"": "SHUTOFF", "rebooting_hard": "HARD_REBOOT", "rebuilding": "REBUILD", "resize_prep": "RESIZE"},
	db.VMPaused:  {"": "PAUSED", "rebooting_hard": "HARD_REBOOT"},
	db.VMSuspend: {"": "SUSPENDED", "rebooting_hard": "HARD_REBOOT"},
	db.VMRescued: {"": "RESCUE"},
	db.VMShelved: {"": "SHELVED_OFFLOADED"},
	db.VMResized: {"": "VERIFY_RESIZE", "resize_reverting": "REVERT_RESIZE"},
	db.VMError:   {"": "ERROR", "rebuilding": "REBUILD"},
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
	out := api.Obj{}
	add := func(net, addr, kind, mac string) {
		e := api.Obj{"version": family(addr), "addr": addr}
		if !plain {
			e["OS-EXT-IPS:type"], e["OS-EXT-IPS-MAC:mac_addr"] = kind, mac
		}
		out[net] = append(list(out[net]), e)
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
	return out
}

// groupsOf are the security groups of a server's ports.
func (s *Service) groupsOf(v *db.Server) (groups []*db.SecurityGroup) {
	seen := map[string]bool{}
	for _, p := range s.portsOf(v.ID) {
		for _, id := range p.SecurityGroups {
			if g := s.db.SecurityGroups.Get(id); g != nil && !seen[id] {
				seen[id] = true
				groups = append(groups, g)
			}
		}
	}
	return groups
}

func (s *Service) attachmentsOf(server string) []*db.Attachment {
	return s.db.Attachments.Where(func(a *db.Attachment) bool { return a.ServerID == server })
}

// changed is a server as PUT and rebuild answer with it: before 2.75 its basic
// view.
func (s *Service) changed(r *api.Request, v *db.Server) api.Obj {
	if r.Version.AtLeast(api.V(75)) {
		return s.view(r, v, true)
	}
	return s.basic(r, v, true)
}

// basic is what a server shows everywhere.
func (s *Service) basic(r *api.Request, v *db.Server, plain bool) api.Obj {
	f := v.Flavor
	o := api.Obj{
		"id": v.ID, "name": v.Name, "status": Status(v), "tenant_id": v.ProjectID, "user_id": v.UserID, "metadata": api.Dict(v.Metadata),
		"hostId": hostID(v), "image": "", "created": api.Seconds(v.Created), "updated": api.Seconds(v.LastChange()),
		"addresses": s.addresses(v, plain), "accessIPv4": v.AccessIPv4, "accessIPv6": v.AccessIPv6,
		"links": links(r, "servers", v.ID), "OS-DCF:diskConfig": v.DiskConfig,
		"flavor": api.Obj{"id": v.FlavorID, "links": bookmark(r, "flavors", v.FlavorID)},
	}
	since(r, 47, o, api.Obj{"flavor": api.Obj{
		"vcpus": f.VCPUs, "ram": f.RAM, "disk": f.Disk, "ephemeral": f.Ephemeral, "swap": f.Swap, "original_name": f.Name,
		"extra_specs": api.Dict(f.ExtraSpecs),
	}})
	if v.ImageID != "" {
		o["image"] = api.Obj{"id": v.ImageID, "links": bookmark(r, "images", v.ImageID)}
	}
	if slices.Contains(progressStates, Status(v)) {
		o["progress"] = 0
	}
	if v.Fault != nil && (v.VMState == db.VMError || v.VMState == "deleted") {
		o["fault"] = api.Obj{"code": v.Fault.Code, "created": api.Seconds(v.Fault.Created), "message": v.Fault.Message}
	}
	since(r, 9, o, api.Obj{"locked": v.Locked})
	since(r, 73, o, api.Obj{"locked_reason": api.OrNil(v.LockedReason)})
	since(r, 19, o, api.Obj{"description": api.OrNil(v.Description)})
	since(r, 26, o, api.Obj{"tags": append([]string{}, v.Tags...)})
	since(r, 63, o, api.Obj{"trusted_image_certificates": nil})
	return o
}

// view is a server with all that its detail shows.
func (s *Service) view(r *api.Request, v *db.Server, single bool) api.Obj {
	o := s.basic(r, v, false)
	volumes := api.Views(s.attachmentsOf(v.ID), func(a *db.Attachment) api.Obj {
		e := api.Obj{"id": a.VolumeID}
		since(r, 3, e, api.Obj{"delete_on_termination": a.DeleteOnTermination})
		return e
	})
	maps.Copy(o, api.Obj{
		"OS-EXT-AZ:availability_zone": "", "config_drive": "", "key_name": api.OrNil(v.KeyName),
		"OS-SRV-USG:launched_at": api.Micros(v.Launched), "OS-SRV-USG:terminated_at": api.Micros(v.Terminated),
		"OS-EXT-STS:task_state": api.OrNil(v.TaskState), "OS-EXT-STS:vm_state": v.VMState, "OS-EXT-STS:power_state": v.PowerState,
		"os-extended-volumes:volumes_attached": volumes,
	})
	if v.Host != "" {
		o["OS-EXT-AZ:availability_zone"] = v.AvailabilityZone
	}
	if v.ConfigDrive {
		o["config_drive"] = "True"
	}
	if groups := s.groupsOf(v); len(groups) > 0 {
		o["security_groups"] = api.Views(groups, func(g *db.SecurityGroup) api.Obj { return api.Obj{"name": g.Name} })
	}
	if r.Auth.Admin() {
		s.adminView(r, v, o)
	}
	since(r, 90, o, api.Obj{"OS-EXT-SRV-ATTR:hostname": v.Hostname})
	if single {
		groups := api.List{}
		if v.GroupID != "" {
			groups = append(groups, v.GroupID)
		}
		since(r, 71, o, api.Obj{"server_groups": groups})
	}
	return o
}

// adminView adds what administrators see of a server.
func (s *Service) adminView(r *api.Request, v *db.Server, o api.Obj) {
	const attr = "OS-EXT-SRV-ATTR:"
	o[attr+"host"], o[attr+"hypervisor_hostname"] = api.OrNil(v.Host), api.OrNil(v.Host)
	o[attr+"instance_name"] = fmt.Sprintf("instance-%08x", v.Seq)
	more := api.Obj{
		attr + "reservation_id": v.ReservationID, attr + "launch_index": v.LaunchIndex, attr + "kernel_id": "", attr + "ramdisk_id": "",
		attr + "root_device_name": v.RootDevice, attr + "hostname": v.Hostname, attr + "user_data": nil,
	}
	if len(v.UserData) > 0 {
		more[attr+"user_data"] = base64.StdEncoding.EncodeToString(v.UserData)
	}
	since(r, 3, o, more)
	since(r, 16, o, api.Obj{"host_status": "UP"})
}

func (s *Service) updateServer(r *api.Request) (*api.Reply, error) {
	in, err := body(r, "server", []field{
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
	v, err := s.find(r)
	if err != nil {
		return nil, err
	}
	rename(v, in)
	s.db.Servers.Put(v)
	return api.OK(api.Obj{"server": s.changed(r, v)})
}

// rename gives a server the texts that an update or a rebuild names.
func rename(v *db.Server, in api.Obj) {
	for key, to := range map[string]*string{
		"name": &v.Name, "accessIPv4": &v.AccessIPv4, "accessIPv6": &v.AccessIPv6, "OS-DCF:diskConfig": &v.DiskConfig,
		"description": &v.Description, "hostname": &v.Hostname, "adminPass": &v.AdminPass,
	} {
		if _, ok := in[key]; ok {
			*to = strOf(in, key)
		}
	}
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

// change is the caller's server, for reading or, unless it is locked, for a
// change.
func (s *Service) change(r *api.Request) (*db.Server, error) {
	v, err := s.find(r)
	if err == nil && r.HTTP.Method != http.MethodGet {
		err = unlocked(r, v)
	}
	return v, err
}

func (s *Service) metadataRoutes() []api.Route {
	d := &api.Dictionary{
		Path: "/servers/{id}/metadata", Name: "metadata", Item: "meta", Gone: 204,
		Open: func(r *api.Request) (map[string]string, func(map[string]string), error) {
			v, err := s.change(r)
			if err != nil {
				return nil, nil, err
			}
			return v.Metadata, func(m map[string]string) { v.Metadata = m; s.db.Servers.Put(v) }, nil
		},
		Missing: func(*api.Request, string) error { return api.NotFound("Metadata item was not found") },
		Check: func(r *api.Request, m map[string]string) error {
			if !s.quotas.Allows(r.Auth.ProjectID, "metadata_items", len(m)) {
				return errMetadata(s.quotas.Limit(r.Auth.ProjectID, "metadata_items"))
			}
			return checkMetadata(m)
		},
	}
	return d.Routes()
}

func errMetadata(limit int) *api.Error {
	return api.Forbidden("Maximum number of metadata items exceeds %d", limit)
}

// maxTags is how many tags a server may have.
const maxTags = 50

func (s *Service) tagRoutes() []api.Route {
	tags := api.Tags{
		Path: "/servers/{id}/tags", Again: http.StatusNoContent,
		Open: func(r *api.Request) ([]string, func([]string), error) {
			v, err := s.change(r)
			if err != nil {
				return nil, nil, err
			}
			return v.Tags, func(tags []string) { v.Tags = tags; s.db.Servers.Put(v) }, nil
		},
		Check: func(_ *api.Request, tags []string) error {
			for i, t := range tags {
				if msg := tagForm(t); msg != "" {
					return invalid(strconv.Itoa(i), t, msg)
				}
			}
			if len(tags) > maxTags {
				return api.BadRequest("The number of tags exceeded the per-server limit %d", maxTags)
			}
			return nil
		},
		Missing: func(r *api.Request) error {
			return api.NotFound("Server %s has no tag '%s'", r.Var("id"), r.Var("tag"))
		},
	}
	routes := tags.Routes()
	for i := range routes {
		routes[i].Min = api.V(26)
	}
	return routes
}
