package compute

import (
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// resolve checks the order against what there is. The database is locked,
// inside a transaction.
func (s *Service) resolve(r *api.Request, o *order) error {
	v := &o.server
	boots := func(d db.PlannedDisk) bool { return d.BootIndex != nil && *d.BootIndex == 0 }
	bootsFromDisk := slices.ContainsFunc(v.Plan.Disks, boots)
	if v.ImageID == "" && !bootsFromDisk {
		if len(v.Plan.Disks) > 0 {
			return api.BadRequest(
				"Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination is not valid.")
		}
		return api.BadRequest("Missing imageRef attribute")
	}
	f := s.db.Flavors.Get(v.FlavorID)
	if f == nil || !s.flavorVisible(r, f) {
		return api.BadRequest("Flavor %s could not be found.", v.FlavorID)
	}
	v.Flavor = *f
	if err := s.resolveImage(r, o); err != nil {
		return err
	}
	if v.AvailabilityZone != zone && v.AvailabilityZone != zone+":"+Host {
		return api.BadRequest("The requested availability zone is not available")
	}
	v.AvailabilityZone = zone
	if v.KeyName != "" {
		k := s.db.KeyPairs.Get(keyID(r.Auth.UserID, v.KeyName))
		if k == nil {
			return api.BadRequest("Invalid key_name provided.")
		}
		v.PublicKey = k.PublicKey
	}
	if !s.quotas.Allows(v.ProjectID, "metadata_items", len(v.Metadata)) {
		return errMetadata(s.quotas.Limit(v.ProjectID, "metadata_items"))
	}
	for _, step := range []func(*api.Request, *order) error{
		s.resolveFiles, s.resolveGroups, s.resolveHints, s.resolveDisks, s.resolveNetworks,
	} {
		if err := step(r, o); err != nil {
			return err
		}
	}
	return s.checkServerQuota(o)
}

func (s *Service) resolveImage(r *api.Request, o *order) error {
	v := &o.server
	if v.ImageID == "" {
		return nil
	}
	img := s.Images.Usable(r.Auth.ProjectID, r.Auth.Admin(), v.ImageID)
	switch {
	case img == nil:
		return api.BadRequest("Can not find requested image")
	case img.Status != "active":
		return api.BadRequest("Image %s is not active.", v.ImageID)
	case img.MinRAM > v.Flavor.RAM:
		return api.BadRequest("Flavor's memory is too small for requested image.")
	case v.Flavor.Disk != 0 && img.MinDisk > v.Flavor.Disk:
		return api.BadRequest(
			"Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is %d bytes, minimum size is %d bytes.",
			int64(v.Flavor.Disk)<<30, int64(img.MinDisk)<<30)
	}
	return nil
}

func (s *Service) resolveGroups(_ *api.Request, o *order) error {
	v := &o.server
	for _, e := range list(o.in["security_groups"]) {
		g, _ := e.(api.Obj) // understand has looked at it
		name, ok := g["name"].(string)
		if !ok {
			continue
		}
		if s.Network.FindGroup(v.ProjectID, name) == nil {
			return api.BadRequest("Unable to find security_group with name or id '%s'", name)
		}
		if !slices.Contains(v.Plan.SecurityGroups, name) {
			v.Plan.SecurityGroups = append(v.Plan.SecurityGroups, name)
		}
	}
	if len(v.Plan.SecurityGroups) == 0 {
		v.Plan.SecurityGroups = []string{"default"}
	}
	return nil
}

func (s *Service) resolveHints(r *api.Request, o *order) error {
	if o.hints == nil {
		return nil
	}
	ref, ok := o.hints["group"]
	if !ok {
		return nil
	}
	id := api.PyStr(ref)
	g := s.db.ServerGroups.Get(id)
	if g == nil || g.ProjectID != r.Auth.ProjectID {
		return api.BadRequest("Instance group %s could not be found.", id)
	}
	if !s.quotas.Allows(r.Auth.ProjectID, "server_group_members", len(g.Members)+o.count) {
		return api.Forbidden("Quota exceeded, too many servers in group")
	}
	o.server.GroupID = id
	return nil
}

func (s *Service) resolveDisks(r *api.Request, o *order) error {
	for _, d := range o.server.Plan.Disks {
		switch d.Source {
		case "volume":
			v := s.db.Volumes.Get(d.UUID)
			if v == nil || v.ProjectID != r.Auth.ProjectID {
				return api.BadRequest("Volume %s could not be found.", d.UUID)
			}
			if o.count > 1 && !v.Multiattach {
				return api.BadRequest("Cannot attach one or more volumes to multiple instances")
			}
			if v.Status != "available" && !(v.Multiattach && v.Status == "in-use") {
				return api.BadRequest("Invalid volume: volume '%s' status must be 'available'. Currently in '%s'", v.ID, v.Status)
			}
			if d.BootIndex != nil && *d.BootIndex == 0 && !v.Bootable {
				return api.BadRequest("Block Device %s is not bootable.", d.UUID)
			}
		case "snapshot":
			if x := s.db.Object("snapshot", d.UUID); x == nil || x.ProjectID != r.Auth.ProjectID {
				return api.BadRequest("Snapshot %s could not be found.", d.UUID)
			}
		case "image":
			if s.Images.Usable(r.Auth.ProjectID, r.Auth.Admin(), d.UUID) == nil {
				return api.BadRequest("Block Device Mapping is Invalid: failed to get image %s.", d.UUID)
			}
		}
	}
	return nil
}

func (s *Service) resolveNetworks(r *api.Request, o *order) error {
	v := &o.server
	if v.Plan.NoNetwork {
		return nil
	}
	if len(v.Plan.Networks) == 0 {
		usable := s.Network.Usable(v.ProjectID)
		if len(usable) > 1 {
			return api.Conflict("Multiple possible networks found, use a Network ID to be more specific.")
		}
		if len(usable) == 0 && o.in["networks"] == "auto" {
			return api.BadRequest("Unable to automatically allocate a network for project %s", v.ProjectID)
		}
		for _, n := range usable {
			v.Plan.Networks = []db.PlannedPort{{NetworkID: n.ID}}
		}
	}
	fresh := 0
	for i, p := range v.Plan.Networks {
		if p.PortID != "" {
			port := s.db.Ports.Get(p.PortID)
			switch {
			case port == nil || port.ProjectID != v.ProjectID && !r.Auth.Admin():
				return api.BadRequest("Port id %s could not be found.", p.PortID)
			case port.DeviceID != "":
				return api.Conflict("Port %s is still in use.", p.PortID)
			case o.count > 1:
				return api.BadRequest("Failed to launch instances: Unable to launch multiple instances with a single configured port ID. " +
					"Please launch your instance one by one with different ports.")
			case len(port.FixedIPs) == 0:
				return api.BadRequest("Port %s requires a FixedIP in order to be used.", p.PortID)
			}
			v.Plan.Networks[i].NetworkID = port.NetworkID
			continue
		}
		fresh++
		n := s.Network.Visible(v.ProjectID, p.NetworkID)
		if n == nil {
			return api.BadRequest("Network %s could not be found.", p.NetworkID)
		}
		if s.db.Subnets.First(func(sn *db.Subnet) bool { return sn.NetworkID == n.ID }) == nil {
			return api.BadRequest("Network %s requires a subnet in order to boot instances on.", n.ID)
		}
		if p.FixedIP == "" {
			continue
		}
		if o.count > 1 {
			return api.BadRequest(
				"Invalid fixed IPs and min_count/max_count combination: multiple instances cannot share one fixed IP.")
		}
		holder := s.db.Ports.First(func(x *db.Port) bool {
			return x.NetworkID == n.ID &&
				slices.ContainsFunc(x.FixedIPs, func(f db.FixedIP) bool { return f.IPAddress == p.FixedIP })
		})
		if holder != nil {
			return api.BadRequest("Fixed IP address %s is already in use on instance %s.", p.FixedIP, holder.DeviceID)
		}
	}
	if !s.Network.CheckPorts(v.ProjectID, fresh*o.minCount) {
		return api.Forbidden("Maximum number of ports exceeded")
	}
	return nil
}
