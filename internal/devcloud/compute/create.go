package compute

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
	shared "github.com/galleyhq/galley/internal/text"
)

var bdmFields = []field{
	{name: "source_type", check: oneOf("volume", "image", "snapshot", "blank")},
	{name: "destination_type", check: oneOf("local", "volume")},
	{name: "uuid", check: text(1, 255)},
	{name: "boot_index", check: orNull(number(-1 << 31))},
	{name: "volume_size", check: number(1)},
	{name: "delete_on_termination", check: truth},
	{name: "device_name", check: text(1, 255)},
	{name: "guest_format", check: isString},
	{name: "device_type", check: isString},
	{name: "disk_bus", check: isString},
	{name: "no_device", check: anything},
	{name: "tag", check: tagForm, min: api.V(42)},
	{name: "volume_type", check: orNull(text(0, 255)), min: api.V(67)},
}

// createFields are the properties of "server" in POST /servers.
func createFields() []field {
	return []field{
		{name: "name", check: serverName, required: true},
		{name: "flavorRef", check: anything, required: true},
		{name: "imageRef", check: imageRef},
		{name: "adminPass", check: text(0, 255)},
		{name: "metadata", check: isObject},
		{name: "networks", check: isList, max: api.V(36)},
		{name: "networks", check: networksCheck, min: api.V(37), required: true},
		{name: "OS-DCF:diskConfig", check: oneOf("AUTO", "MANUAL")},
		{name: "accessIPv4", check: orNull(isIP(4))},
		{name: "accessIPv6", check: orNull(isIP(6))},
		{name: "personality", check: isList, max: api.V(56)},
		{name: "key_name", check: orNull(text(1, 255))},
		{name: "user_data", check: orNull(isBase64)},
		{name: "config_drive", check: orNull(truth)},
		{name: "availability_zone", check: orNull(text(1, 255))},
		{name: "block_device_mapping", check: isList},
		{name: "block_device_mapping_v2", check: isList},
		{name: "min_count", check: number(1)},
		{name: "max_count", check: number(1)},
		{name: "return_reservation_id", check: truth},
		{name: "security_groups", check: isList},
		{name: "description", check: orNull(text(0, 255)), min: api.V(19)},
		{name: "tags", check: isList, min: api.V(52)},
		{name: "trusted_image_certificates", check: anything, min: api.V(63)},
		{name: "host", check: isString, min: api.V(74)},
		{name: "hypervisor_hostname", check: isString, min: api.V(74)},
		{name: "hostname", check: text(1, 255), min: api.V(90)},
		{name: "os:scheduler_hints", check: anything},
		{name: "OS-SCH-HNT:scheduler_hints", check: anything},
	}
}

func networksCheck(v any) string {
	if isList(v) == "" || oneOf("auto", "none")(v) == "" {
		return ""
	}
	return api.PyRepr(v) + " " + noSchema
}

// order is a create call as it was understood.
type order struct {
	in       api.Obj
	count    int
	minCount int
	server   db.Server // what all the servers of the call have in common
	hints    api.Obj
}

func (s *Service) createServers(r *api.Request) (*api.Reply, error) {
	var body map[string]any
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	in, err := r.Object("server")
	if err != nil {
		return nil, err
	}
	o := &order{in: in}
	for _, key := range []string{"os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"} {
		for _, from := range []map[string]any{body, in} {
			if h, ok := from[key].(api.Obj); ok {
				o.hints = h
			}
		}
	}
	if err := s.understand(r, o); err != nil {
		return nil, err
	}
	if err := s.resolve(r, o); err != nil {
		return nil, err
	}
	first := s.insertServers(r, o)
	if ok, _ := boolOf(in["return_reservation_id"]); ok {
		return api.Accepted(api.Obj{"reservation_id": first.ReservationID})
	}
	groups := api.Views(first.Plan.SecurityGroups, func(g string) api.Obj { return api.Obj{"name": g} })
	return accepted(r, first, api.Obj{
		"id": first.ID, "links": links(r, "servers", first.ID), "OS-DCF:diskConfig": first.DiskConfig,
		"security_groups": groups, "adminPass": first.AdminPass,
	}), nil
}

// accepted answers with a server that is under way.
func accepted(r *api.Request, v *db.Server, view api.Obj) *api.Reply {
	return &api.Reply{
		Status: 202, Body: api.Obj{"server": view},
		Header: map[string][]string{"Location": {r.Root + "/v2.1/servers/" + v.ID}},
	}
}

// understand checks the body by itself.
func (s *Service) understand(r *api.Request, o *order) error {
	in := o.in
	if err := validate("server", in, r.Version, createFields()); err != nil {
		return err
	}
	if err := checkName(in); err != nil {
		return err
	}
	v := &o.server
	var err error
	if v.Metadata, err = metadata(in); err != nil {
		return err
	}
	if in["block_device_mapping"] != nil && in["block_device_mapping_v2"] != nil {
		return api.BadRequest("Using different block_device_mapping syntaxes is not allowed in the same request.")
	}
	o.minCount, o.count = 1, 1
	if n, ok := intOf(in["min_count"]); ok {
		o.minCount, o.count = n, n
	}
	if n, ok := intOf(in["max_count"]); ok {
		o.count = n
	}
	if o.minCount > o.count {
		return api.BadRequest("min_count must be <= max_count")
	}
	v.Name, v.Description = strOf(in, "name"), strOf(in, "description")
	if !r.Version.AtLeast(api.V(19)) {
		v.Description = v.Name // Nova: before 2.19 the description is the name
	}
	v.ProjectID, v.UserID = r.Auth.ProjectID, r.Auth.UserID
	if given, ok := in["adminPass"].(string); ok {
		v.AdminPass = given
	} else {
		v.AdminPass = db.RandomString(12)
	}
	v.ImageID, v.KeyName = strOf(in, "imageRef"), strOf(in, "key_name")
	v.AccessIPv4, v.AccessIPv6 = strOf(in, "accessIPv4"), strOf(in, "accessIPv6")
	v.DiskConfig = cmp.Or(strOf(in, "OS-DCF:diskConfig"), "MANUAL")
	v.ConfigDrive, _ = boolOf(in["config_drive"])
	v.AvailabilityZone = cmp.Or(strOf(in, "availability_zone"), zone)
	v.Hostname = cmp.Or(strOf(in, "hostname"), hostname(v.Name))
	v.FlavorID = api.PyStr(in["flavorRef"])
	for i, t := range list(in["tags"]) {
		if msg := tagForm(t); msg != "" {
			return invalid(strconv.Itoa(i), t, msg)
		}
		if !slices.Contains(v.Tags, t.(string)) {
			v.Tags = append(v.Tags, t.(string))
		}
	}
	if _, err := objects(r, in["security_groups"], []field{{name: "name", check: text(1, 255)}}); err != nil {
		return err
	}
	if d := strOf(in, "user_data"); d != "" {
		v.UserData, _ = decodeBase64(d) // the schema has looked at it
	}
	if err := understandNetworks(r, o); err != nil {
		return err
	}
	return understandDisks(r, o)
}

// resolveFiles reads the files that a server is to be given.
func (s *Service) resolveFiles(_ *api.Request, o *order) error {
	v := &o.server
	files := list(o.in["personality"])
	allows := func(quota string, n int) bool { return s.quotas.Allows(v.ProjectID, quota, n) }
	if !allows("injected_files", len(files)) {
		return api.Forbidden("Personality file limit exceeded")
	}
	for _, p := range files {
		f, _ := p.(api.Obj)
		path := strOf(f, "path")
		data, err := decodeBase64(strOf(f, "contents"))
		switch {
		case err != nil || path == "":
			return invalid("personality", o.in["personality"], "file contents have to be base64, with a path")
		case !allows("injected_file_path_bytes", len(path)):
			return api.Forbidden("Personality file path exceeds maximum %d", s.quotas.Limit(v.ProjectID, "injected_file_path_bytes"))
		case !allows("injected_file_content_bytes", len(data)):
			return api.Forbidden("Personality file content exceeds maximum %d",
				s.quotas.Limit(v.ProjectID, "injected_file_content_bytes"))
		}
		if v.Personality == nil {
			v.Personality = map[string][]byte{}
		}
		v.Personality[path] = data
	}
	return nil
}

func list(v any) []any { l, _ := v.([]any); return l }

// hostname makes a host name of a server's name, as Nova does.
func hostname(name string) string {
	h := strings.ToLower(notHost().ReplaceAllString(name, ""))
	h = strings.Trim(strings.NewReplacer(" ", "-", "_", "-").Replace(h), ".-")
	if len(h) > 63 {
		h = strings.Trim(h[:63], ".-")
	}
	return cmp.Or(h, "Server")
}

var notHost = shared.Lazy(`[^a-zA-Z0-9 ._-]`)

func understandNetworks(r *api.Request, o *order) error {
	plan := &o.server.Plan
	plan.NoNetwork = o.in["networks"] == "none"
	networks, err := objects(r, o.in["networks"], []field{
		{name: "uuid", check: orNull(isString)},
		{name: "port", check: orNull(isUUID)},
		{name: "fixed_ip", check: isAddress},
		{name: "tag", check: tagForm, min: api.V(32)},
	})
	for _, net := range networks {
		p := db.PlannedPort{NetworkID: strOf(net, "uuid"), PortID: strOf(net, "port"), FixedIP: strOf(net, "fixed_ip"), Tag: strOf(net, "tag")}
		switch {
		case p.PortID != "" && p.FixedIP != "":
			return api.BadRequest("Specified Fixed IP '%s' cannot be used with port '%s': the two cannot be specified together.", p.FixedIP, p.PortID)
		case p.PortID != "":
			p.NetworkID = ""
		case !uuidForm().MatchString(p.NetworkID):
			return api.BadRequest("Bad networks format: network uuid is not in proper format (%s)", cmp.Or(p.NetworkID, "None"))
		}
		plan.Networks = append(plan.Networks, p)
	}
	return err
}

// understandDisks reads both generations of block device mappings.
func understandDisks(r *api.Request, o *order) error {
	older, err := objects(r, o.in["block_device_mapping"], nil)
	if err != nil {
		return err
	}
	for _, m := range older {
		d := diskOf(m)
		d.Source, d.Destination, d.UUID = "volume", "volume", strOf(m, "volume_id")
		if id := strOf(m, "snapshot_id"); id != "" {
			d.Source, d.UUID = "snapshot", id
		}
		index := -1
		if strings.HasSuffix(d.Device, "da") && o.server.ImageID == "" {
			index = 0
		}
		d.BootIndex = &index
		o.server.Plan.Disks = append(o.server.Plan.Disks, d)
	}
	newer, err := objects(r, o.in["block_device_mapping_v2"], bdmFields)
	if err != nil {
		return err
	}
	for _, m := range newer {
		if m["no_device"] != nil && m["no_device"] != "" && m["no_device"] != false {
			continue
		}
		d := diskOf(m)
		blank := d.Source == "blank"
		switch {
		case !blank && d.UUID == "":
			return api.BadRequest("Block Device Mapping is Invalid: Missing device UUID.")
		case blank && d.UUID != "":
			return api.BadRequest("Block Device Mapping is Invalid: Invalid device UUID.")
		case blank && d.Size == 0:
			return api.BadRequest("Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size")
		case d.Source == "image" && d.Destination == "volume" && d.Size == 0:
			return api.BadRequest("Images with destination_type 'volume' need to have a non-zero size specified")
		case (d.Source == "volume" || d.Source == "snapshot") && d.Destination == "local":
			return api.BadRequest("Block Device Mapping is Invalid: Mapping %s to local is not supported.", d.Source)
		}
		o.server.Plan.Disks = append(o.server.Plan.Disks, d)
	}
	return nil
}

// diskOf reads a block device mapping.
func diskOf(m api.Obj) db.PlannedDisk {
	d := db.PlannedDisk{
		Source: cmp.Or(strOf(m, "source_type"), "volume"), UUID: strOf(m, "uuid"), Device: strOf(m, "device_name"),
		Tag: strOf(m, "tag"), VolumeType: strOf(m, "volume_type"),
	}
	d.Destination = cmp.Or(strOf(m, "destination_type"), map[string]string{"blank": "local", "image": "local"}[d.Source], "volume")
	d.Size, _ = intOf(m["volume_size"])
	d.DeleteOnTermination, _ = boolOf(m["delete_on_termination"])
	if n, ok := intOf(m["boot_index"]); ok {
		d.BootIndex = &n
	}
	return d
}

// checkServerQuota refuses more than a project may have; with fewer than
// max_count available, Nova makes those.
func (s *Service) checkServerQuota(o *order) error {
	for {
		err := s.overQuota(&o.server, o.count)
		if err == nil || o.count == o.minCount {
			return err
		}
		o.count--
	}
}

func (s *Service) overQuota(v *db.Server, n int) error {
	var names, wanted, used, limits []string
	for _, q := range []struct {
		name string
		want int
	}{{"cores", n * v.Flavor.VCPUs}, {"instances", n}, {"ram", n * v.Flavor.RAM}} {
		limit, have := s.quotas.Limit(v.ProjectID, q.name), s.used(v.ProjectID, q.name)
		if limit >= 0 && have+q.want > limit {
			names, wanted = append(names, q.name), append(wanted, fmt.Sprint(q.want))
			used, limits = append(used, fmt.Sprint(have)), append(limits, fmt.Sprint(limit))
		}
	}
	if len(names) == 0 {
		return nil
	}
	join := func(l []string) string { return strings.Join(l, ", ") }
	return api.Forbidden("Quota exceeded for %s: Requested %s, but already used %s of %s %s",
		join(names), join(wanted), join(used), join(limits), join(names))
}

// insertServers starts an order's servers and returns the first.
func (s *Service) insertServers(r *api.Request, o *order) (first *db.Server) {
	reservation := "r-" + strings.ToLower(db.RandomString(8))
	for i := range o.count {
		v := o.server
		v.ID, v.ReservationID, v.LaunchIndex = db.NewUUID(), reservation, i
		if o.count > 1 {
			v.Name = fmt.Sprintf("%s-%d", v.Name, i+1)
			v.Hostname = fmt.Sprintf("%s-%d", v.Hostname, i+1)
		}
		v.VMState, v.TaskState, v.Due = db.VMBuilding, taskScheduling, s.db.Now().Add(s.BuildDelay/10)
		v.WillFail = s.FailBuild(v.Name)
		s.db.Servers.Insert(&v)
		if v.GroupID != "" {
			g := s.db.ServerGroups.Get(v.GroupID)
			g.Members = append(slices.Clone(g.Members), v.ID)
			s.db.ServerGroups.Put(g)
		}
		s.record(r, &v, "create")
		if first == nil {
			first = &v
		}
	}
	return first
}
