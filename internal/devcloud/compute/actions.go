package compute

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// actionSpec is one of the actions of POST /servers/ID/action.
type actionSpec struct {
	max api.Version
	// from are the vm_states that allow it; none means all.
	from []string
	// lockable actions are refused on a locked server.
	lockable bool
	// record names the entry in the server's history; "" makes none.
	record string
	// fields are the properties of the action's object; without any it takes
	// every body.
	fields []field
	do     action
}

type action func(r *api.Request, v *db.Server, in api.Obj) (*api.Reply, error)

// taking gives an action its object's properties.
func (a actionSpec) taking(fields ...field) actionSpec {
	a.fields = fields
	return a
}

// actionTable is the table of actions, one entry each.
func (s *Service) actionTable() map[string]actionSpec {
	on := func(record string, do action, from ...string) actionSpec {
		return actionSpec{from: from, lockable: true, record: record, do: do}
	}
	alive := []string{db.VMActive, db.VMStopped, db.VMPaused, db.VMSuspend}
	return map[string]actionSpec{
		"reboot": on("reboot", s.reboot, append(alive, db.VMError)...).
			taking(field{name: "type", required: true, check: oneOf("HARD", "Hard", "hard", "SOFT", "Soft", "soft")}),
		"os-start": on("start", s.task("powering-on", db.VMActive), db.VMStopped),
		"os-stop":  on("stop", s.task("powering-off", db.VMStopped), db.VMActive, db.VMRescued, db.VMError),
		"pause":    on("pause", s.task("pausing", db.VMPaused), db.VMActive),
		"unpause":  on("unpause", s.task("unpausing", db.VMActive), db.VMPaused),
		"suspend":  on("suspend", s.task("suspending", db.VMSuspend), db.VMActive),
		"resume":   on("resume", s.task("resuming", db.VMActive), db.VMSuspend),
		"shelve":   on("shelve", s.task("shelving", db.VMShelved), alive...),
		"unshelve": on("unshelve", s.task("unshelving", db.VMActive), db.VMShelved),
		"rescue":   on("rescue", s.rescue, db.VMActive, db.VMStopped, db.VMError),
		"unrescue": on("unrescue", s.task("unrescuing", db.VMActive), db.VMRescued),
		"rebuild":  on("rebuild", s.rebuild, append(alive, db.VMRescued, db.VMError)...).taking(rebuildFields...),
		"resize": on("resize", s.resize, db.VMActive, db.VMStopped).taking(
			field{name: "flavorRef", required: true, check: anything}, field{name: "OS-DCF:diskConfig", check: oneOf("AUTO", "MANUAL")}),
		"confirmResize": on("confirmResize", s.confirmResize, db.VMResized),
		"revertResize":  on("revertResize", s.revertResize, db.VMResized),
		"changePassword": on("changePassword", changePassword, db.VMActive).
			taking(field{name: "adminPass", required: true, check: isString}),
		"createImage": on("createImage", s.createImage, alive...).
			taking(field{name: "name", check: text(1, 255), required: true}, field{name: "metadata", check: isObject}),
		"createBackup": on("createBackup", s.createBackup, alive...).taking(
			field{name: "name", required: true, check: text(1, 255)}, field{name: "backup_type", required: true, check: text(1, 255)},
			field{name: "rotation", required: true, check: number(0)}, field{name: "metadata", check: isObject}),
		"lock":                {record: "lock", do: s.lock(true)},
		"unlock":              {record: "unlock", do: s.lock(false)},
		"os-getConsoleOutput": {do: s.consoleOutput, fields: []field{{name: "length", check: orNull(number(-1 << 31))}}},
		"os-resetState":       {do: s.resetState, fields: []field{{name: "state", required: true, check: oneOf("active", "error")}}},
		"forceDelete": on("", func(r *api.Request, v *db.Server, _ api.Obj) (*api.Reply, error) {
			s.terminate(r, v)
			return nil, nil
		}),
		"addSecurityGroup":    on("", s.groupAction(true)),
		"removeSecurityGroup": on("", s.groupAction(false)),
		"addFloatingIp":       {max: api.V(43), do: s.addFloatingIP},
		"removeFloatingIp":    {max: api.V(43), do: s.removeFloatingIP},
		"os-getVNCConsole":    {max: api.V(5), do: noConsole},
		"os-getSPICEConsole":  {max: api.V(5), do: noConsole},
		"os-getSerialConsole": {max: api.V(5), do: noConsole},
	}
}

func noConsole(*api.Request, *db.Server, api.Obj) (*api.Reply, error) {
	return nil, api.BadRequest("Unavailable console type novnc.") // guests here have no screen
}

func errState(action string, v *db.Server) *api.Error {
	return api.Conflict("Cannot '%s' instance %s while it is in vm_state %s", strings.TrimPrefix(action, "os-"), v.ID, v.VMState)
}

func errTask(action string, v *db.Server) *api.Error {
	return api.Conflict("Cannot '%s' instance %s while it is in task_state %s", strings.TrimPrefix(action, "os-"), v.ID, v.TaskState)
}

func (s *Service) action(r *api.Request) (*api.Reply, error) {
	name, arg, err := r.Action()
	if err != nil {
		return nil, err
	}
	spec, ok := s.actionTable()[name]
	if !ok {
		return nil, api.BadRequest("There is no such action: %s", name)
	}
	if !r.Version.Within(api.Version{}, spec.max) {
		return nil, api.NotFound("The resource could not be found.")
	}
	in, isObject := arg.(api.Obj)
	if spec.fields != nil {
		if !isObject {
			return nil, invalid(name, arg, api.PyRepr(arg)+" is not of type 'object'")
		}
		if err := validate(name, in, r.Version, spec.fields); err != nil {
			return nil, err
		}
	}
	v, err := s.find(r)
	if err == nil && spec.lockable {
		err = unlocked(r, v)
	}
	switch {
	case err != nil:
		return nil, err
	case spec.from != nil && !slices.Contains(spec.from, v.VMState):
		return nil, errState(name, v)
	case spec.from != nil && v.TaskState != "":
		return nil, errTask(name, v)
	}
	if spec.record != "" {
		s.record(r, v, spec.record)
	}
	reply, err := spec.do(r, v, in)
	if reply == nil && err == nil {
		return api.Accepted(nil)
	}
	return reply, err
}

// begin starts a task that ends in a vm_state.
func (s *Service) begin(v *db.Server, task, next string) {
	v.TaskState, v.NextState, v.Due = task, next, s.db.Now().Add(s.ActionDelay)
	s.db.Servers.Put(v)
}

// task is an action that only takes a server from one state to another.
func (s *Service) task(task, next string) action {
	return func(r *api.Request, v *db.Server, _ api.Obj) (*api.Reply, error) {
		switch next {
		case db.VMStopped, db.VMShelved, db.VMSuspend, db.VMPaused:
			v.Run = false
		case db.VMActive:
			if !v.Run {
				v.Run, v.Boot = true, v.Boot+1
			}
		}
		s.begin(v, task, next)
		return nil, nil
	}
}

var powerOf = map[string]int{
	db.VMActive: powerRunning, db.VMStopped: powerOff, db.VMPaused: powerPaused, db.VMSuspend: powerSuspend,
	db.VMRescued: powerRunning, db.VMShelved: powerOff, db.VMResized: powerRunning,
}

// finishTask ends the task of a server that is built, once its guest is where
// it should be.
func (s *Service) finishTask(v *db.Server) {
	if v.Run {
		up, failed := s.guestUp(v)
		if !up && failed == "" {
			return
		}
		if failed != "" {
			v.VMState, v.TaskState, v.Due = db.VMError, "", time.Time{}
			v.Fault = &db.ServerFault{Code: 500, Message: failed, Created: s.db.Now()}
			s.db.Servers.Put(v)
			s.finished(v, "Error")
			return
		}
	}
	v.VMState, v.TaskState, v.NextState, v.Due, v.Fault = v.NextState, "", "", time.Time{}, nil
	v.PowerState = powerOf[v.VMState]
	s.db.Servers.Put(v)
	s.finished(v, "")
}

func (s *Service) reboot(r *api.Request, v *db.Server, in api.Obj) (*api.Reply, error) {
	hard := strings.EqualFold(strOf(in, "type"), "HARD")
	if !hard && v.VMState != db.VMActive {
		return nil, errState("reboot", v)
	}
	task := "rebooting"
	if hard {
		task = "rebooting_hard"
	}
	v.Run, v.Boot = true, v.Boot+1
	s.begin(v, task, db.VMActive)
	return nil, nil
}

func (s *Service) rescue(_ *api.Request, v *db.Server, _ api.Obj) (*api.Reply, error) {
	s.begin(v, "rescuing", db.VMRescued)
	// As Nova does with enable_instance_password off: no guest takes another
	// password while it is rescued.
	return api.OK(api.Obj{})
}

var rebuildFields = []field{
	{name: "imageRef", check: imageRef, required: true},
	{name: "name", check: serverName},
	{name: "adminPass", check: text(1, 255)},
	{name: "metadata", check: isObject},
	{name: "preserve_ephemeral", check: truth},
	{name: "OS-DCF:diskConfig", check: oneOf("AUTO", "MANUAL")},
	{name: "accessIPv4", check: orNull(isString)},
	{name: "accessIPv6", check: orNull(isString)},
	{name: "description", check: orNull(text(0, 255)), min: api.V(19)},
	{name: "key_name", check: orNull(text(1, 255)), min: api.V(54)},
	{name: "user_data", check: orNull(isBase64), min: api.V(57)},
	{name: "trusted_image_certificates", check: anything, min: api.V(63)},
	{name: "hostname", check: text(1, 255), min: api.V(90)},
}

func (s *Service) rebuild(r *api.Request, v *db.Server, in api.Obj) (*api.Reply, error) {
	img := s.Images.Usable(r.Auth.ProjectID, r.Auth.Admin(), strOf(in, "imageRef"))
	if img == nil {
		return nil, api.BadRequest("Cannot find image for rebuild")
	}
	v.ImageID = img.ID
	rename(v, in)
	if m, err := metadata(in); err != nil {
		return nil, err
	} else if m != nil {
		v.Metadata = m
	}
	if name, given := in["key_name"]; given {
		v.KeyName, v.PublicKey = "", ""
		if n, ok := name.(string); ok {
			k := s.db.KeyPairs.Get(keyID(r.Auth.UserID, n))
			if k == nil {
				return nil, api.BadRequest("Invalid key_name provided.")
			}
			v.KeyName, v.PublicKey = n, k.PublicKey
		}
	}
	if d, given := in["user_data"]; given {
		v.UserData = nil
		if t, ok := d.(string); ok {
			v.UserData, _ = decodeBase64(t) // the schema has looked at it
		}
	}
	next := db.VMActive
	v.Disk++
	if v.VMState == db.VMStopped {
		next = db.VMStopped
	} else {
		v.Run, v.Boot = true, v.Boot+1
	}
	s.begin(v, "rebuilding", next)
	shown := s.changed(r, v)
	shown["adminPass"] = v.AdminPass
	since(r, 54, shown, api.Obj{"key_name": api.OrNil(v.KeyName)})
	since(r, 57, shown, api.Obj{"user_data": nil})
	return accepted(r, v, shown), nil
}

func (s *Service) resize(r *api.Request, v *db.Server, in api.Obj) (*api.Reply, error) {
	f := s.db.Flavors.Get(api.PyStr(in["flavorRef"]))
	if f == nil || !s.flavorVisible(r, f) {
		return nil, api.BadRequest("Flavor %s could not be found.", api.PyStr(in["flavorRef"]))
	}
	if f.ID == v.FlavorID {
		return nil, api.BadRequest("When resizing, instances must change flavor!")
	}
	if f.Disk < v.Flavor.Disk && f.Disk > 0 {
		return nil, api.BadRequest("Unable to resize disk down.")
	}
	old := v.Flavor
	v.OldFlavor, v.Flavor, v.FlavorID = &old, *f, f.ID
	s.begin(v, "resize_prep", db.VMResized)
	return nil, nil
}

func (s *Service) confirmResize(r *api.Request, v *db.Server, _ api.Obj) (*api.Reply, error) {
	v.OldFlavor, v.VMState = nil, db.VMActive
	s.db.Servers.Put(v)
	return &api.Reply{Status: http.StatusNoContent}, nil
}

func (s *Service) revertResize(r *api.Request, v *db.Server, _ api.Obj) (*api.Reply, error) {
	if v.OldFlavor != nil {
		v.Flavor, v.FlavorID, v.OldFlavor = *v.OldFlavor, v.OldFlavor.ID, nil
	}
	s.begin(v, "resize_reverting", db.VMActive)
	return nil, nil
}

func changePassword(_ *api.Request, v *db.Server, _ api.Obj) (*api.Reply, error) { // guests run no agent
	return nil, api.Conflict("Failed to set admin password on %s because error setting admin password", v.ID)
}

func (s *Service) createImage(r *api.Request, v *db.Server, in api.Obj) (*api.Reply, error) {
	m := &db.Image{
		Name: strOf(in, "name"), Status: "queued", Visibility: "private", Owner: v.ProjectID, MinDisk: v.Flavor.Disk,
		Size: -1, VirtualSize: -1, Due: s.db.Now().Add(s.ActionDelay),
	}
	props := map[string]string{}
	if base := s.Images.Root(v); base != nil {
		maps.Copy(props, base.Properties)
		m.MinRAM, props["base_image_ref"] = base.MinRAM, base.ID
	}
	maps.Copy(props, map[string]string{
		"image_type": "snapshot", "instance_uuid": v.ID, "user_id": v.UserID,
		"owner_project_name": r.Auth.ProjectName, "owner_user_name": r.Auth.UserName,
	})
	if meta, ok := in["metadata"].(api.Obj); ok {
		for k, x := range meta {
			props[k] = api.PyStr(x)
		}
	}
	m.Properties = props
	if s.Guests { // their disks are saved in the background
		m.Due, m.SnapshotOf = time.Time{}, v.ID
	}
	s.db.Images.Insert(m)
	s.finished(v, "")
	rep := &api.Reply{Status: 202, Header: map[string][]string{"Location": {s.ImageURL + "/images/" + m.ID}}}
	if r.Version.AtLeast(api.V(45)) {
		rep.Header, rep.Body = nil, api.Obj{"image_id": m.ID}
	}
	return rep, nil
}

// createBackup makes an image of a server and removes its older ones of the
// same kind.
func (s *Service) createBackup(r *api.Request, v *db.Server, in api.Obj) (*api.Reply, error) {
	rotation, _ := intOf(in["rotation"])
	kind := strOf(in, "backup_type")
	reply, err := s.createImage(r, v, api.Obj{"name": in["name"], "metadata": api.Obj{"image_type": "backup", "backup_type": kind}})
	if err != nil {
		return nil, err
	}
	old := s.db.Images.Where(func(m *db.Image) bool {
		return m.Properties["instance_uuid"] == v.ID && m.Properties["backup_type"] == kind
	})
	for len(old) > rotation {
		s.db.Images.Delete(old[0].ID)
		old = old[1:]
	}
	return reply, nil
}

// lock locks a server, or unlocks it.
func (s *Service) lock(locked bool) action {
	return func(r *api.Request, v *db.Server, in api.Obj) (*api.Reply, error) {
		v.Locked, v.LockedReason = locked, ""
		if locked && r.Version.AtLeast(api.V(73)) {
			v.LockedReason = strOf(in, "locked_reason")
		}
		s.db.Servers.Put(v)
		s.finished(v, "")
		return nil, nil
	}
}

func (s *Service) consoleOutput(r *api.Request, v *db.Server, in api.Obj) (*api.Reply, error) {
	if v.VMState == db.VMBuilding && v.TaskState != taskSpawning {
		return nil, api.Conflict("Instance %s is not ready", v.ID)
	}
	log := s.Console(v.ID)
	if n, ok := intOf(in["length"]); ok && n >= 0 {
		log = lastLines(log, n)
	}
	return api.OK(api.Obj{"output": strings.ToValidUTF8(string(log), "?")})
}

// lastLines are the last n lines of a log.
func lastLines(log []byte, n int) []byte {
	lines := bytes.SplitAfter(log, []byte("\n"))
	if last := len(lines) - 1; len(lines[last]) == 0 {
		lines = lines[:last]
	}
	return bytes.Join(lines[max(0, len(lines)-n):], nil)
}

func (s *Service) resetState(r *api.Request, v *db.Server, in api.Obj) (*api.Reply, error) {
	if !r.Auth.Admin() {
		return nil, forbidden("os_compute_api:os-admin-actions:reset_state")
	}
	v.VMState, v.TaskState, v.Due = strOf(in, "state"), "", time.Time{}
	s.db.Servers.Put(v)
	return nil, nil
}
