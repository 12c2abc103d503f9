package compute

import (
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// groupArg is the security group that an action names.
func (s *Service) groupArg(v *db.Server, in api.Obj) (*db.SecurityGroup, error) {
	name, ok := in["name"].(string)
	if !ok {
		return nil, api.BadRequest("Security group not specified")
	}
	g := s.Network.FindGroup(v.ProjectID, name)
	if g == nil {
		return nil, api.NotFound("Security group %s is not found for project %s", name, v.ProjectID)
	}
	if len(s.portsOf(v.ID)) == 0 {
		return nil, api.NotFound("instance_id %s could not be found as device id on any ports", v.ID)
	}
	return g, nil
}

func (s *Service) addSecurityGroup(r *api.Request, v *db.Server, in api.Obj) (*api.Reply, error) {
	g, err := s.groupArg(v, in)
	if err != nil {
		return nil, err
	}
	for _, p := range s.portsOf(v.ID) {
		if !slices.Contains(p.SecurityGroups, g.ID) {
			p.SecurityGroups = append(slices.Clone(p.SecurityGroups), g.ID)
			p.Revision++
			s.db.Ports.Put(p)
		}
	}
	return nil, nil
}

func (s *Service) removeSecurityGroup(r *api.Request, v *db.Server, in api.Obj) (*api.Reply, error) {
	g, err := s.groupArg(v, in)
	if err != nil {
		return nil, err
	}
	found := false
	for _, p := range s.portsOf(v.ID) {
		if i := slices.Index(p.SecurityGroups, g.ID); i >= 0 {
			found = true
			p.SecurityGroups = slices.Delete(slices.Clone(p.SecurityGroups), i, i+1)
			p.Revision++
			s.db.Ports.Put(p)
		}
	}
	if !found {
		return nil, api.NotFound("Security group %s not associated with the instance %s", g.ID, v.ID)
	}
	return nil, nil
}

func (s *Service) addFloatingIP(r *api.Request, v *db.Server, in api.Obj) (*api.Reply, error) {
	address, fixed := strOf(in, "address"), strOf(in, "fixed_address")
	f := s.db.FloatingIPs.First(
		func(f *db.FloatingIP) bool { return f.Address == address && f.ProjectID == v.ProjectID },
	)
	if f == nil {
		return nil, api.NotFound("floating IP not found")
	}
	for _, p := range s.portsOf(v.ID) {
		for _, ip := range p.FixedIPs {
			if family(ip.IPAddress) == 6 || fixed != "" && ip.IPAddress != fixed {
				continue
			}
			if err := s.Network.Associate(f, p.ID, ip.IPAddress); err != nil {
				return nil, api.BadRequest(
					"Unable to associate floating IP %s to fixed IP %s for instance %s. Error: %s", address,
					ip.IPAddress, v.ID, plainError(err),
				)
			}
			return nil, nil
		}
	}
	if fixed != "" {
		return nil, api.BadRequest("Specified fixed address not assigned to instance")
	}
	return nil, api.BadRequest("No fixed IPs associated to instance")
}

func (s *Service) removeFloatingIP(r *api.Request, v *db.Server, in api.Obj) (*api.Reply, error) {
	f := s.db.FloatingIPs.First(
		func(f *db.FloatingIP) bool { return f.Address == strOf(in, "address") && f.ProjectID == v.ProjectID },
	)
	if f == nil {
		return nil, api.NotFound("floating IP not found")
	}
	p := s.db.Ports.Get(f.PortID)
	if p == nil {
		return nil, forbidden("os_compute_api:os-floating-ips:remove")
	}
	if p.DeviceID != v.ID {
		return nil, api.Conflict("Floating IP %s is not associated with instance %s.", f.Address, v.ID)
	}
	s.Network.Disassociate(f)
	return nil, nil
}
