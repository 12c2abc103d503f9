package image

import (
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func memberView(x *db.ImageMember) api.Obj {
	return api.Obj{
		"image_id": x.ImageID, "member_id": x.MemberID, "status": x.Status, "created_at": api.Seconds(x.Created),
		"updated_at": api.Seconds(x.LastChange()), "schema": "/v2/schemas/member",
	}
}

func errMember(r *api.Request) error {
	return api.NotFound("%s not found in the member list of the image %s.", r.Var("member"), r.Var("id"))
}

// members are those of an image that the caller sees: the owner all, a member
// itself.
func (s *Service) members(r *api.Request) ([]*db.ImageMember, error) {
	m, err := s.find(r)
	if err != nil {
		return nil, err
	}
	if m.Visibility != "shared" {
		return nil, api.Forbidden("Not allowed to list members for image %s: Only shared images have members.", m.ID)
	}
	owner := m.Owner == r.Auth.ProjectID || r.Auth.Admin()
	return s.db.ImageMembers.Where(func(x *db.ImageMember) bool {
		return x.ImageID == m.ID && (owner || x.MemberID == r.Auth.ProjectID)
	}), nil
}

func (s *Service) listMembers(r *api.Request) (*api.Reply, error) {
	members, err := s.members(r)
	l := api.List{}
	for _, x := range members {
		l = append(l, memberView(x))
	}
	return &api.Reply{Status: 200, Body: api.Obj{"members": l, "schema": "/v2/schemas/members"}}, err
}

func (s *Service) showMember(r *api.Request) (*api.Reply, error) {
	members, err := s.members(r)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(members, func(x *db.ImageMember) bool { return x.MemberID == r.Var("member") })
	if i < 0 {
		return nil, errMember(r)
	}
	return api.OK(memberView(members[i]))
}

func (s *Service) addMember(r *api.Request) (*api.Reply, error) {
	var b struct{ Member string }
	if err := r.JSON(&b); err != nil {
		return nil, err
	}
	x := &db.ImageMember{ImageID: r.Var("id"), MemberID: b.Member, Status: "pending"}
	x.ID = x.ImageID + "/" + x.MemberID
	m, err := s.own(r)
	switch {
	case b.Member == "":
		return nil, api.BadRequest("Member to be added not specified")
	case err != nil:
		return nil, err
	case m.Visibility != "shared":
		return nil, api.Forbidden("Only shared images have members.")
	case s.db.ImageMembers.Get(x.ID) != nil:
		return nil, api.Conflict("Image member %s already exists for the image %s.", b.Member, m.ID)
	}
	s.db.ImageMembers.Insert(x)
	return api.OK(memberView(x))
}

func (s *Service) updateMember(r *api.Request) (*api.Reply, error) {
	var b struct{ Status string }
	if err := r.JSON(&b); err != nil {
		return nil, err
	}
	x := s.db.ImageMembers.Get(r.Var("id") + "/" + r.Var("member"))
	switch {
	case !slices.Contains([]string{"pending", "accepted", "rejected"}, b.Status):
		return nil, api.BadRequest("Status must be \"pending\", \"accepted\" or \"rejected\".")
	case x == nil:
		return nil, errMember(r)
	case x.MemberID != r.Auth.ProjectID && !r.Auth.Admin():
		return nil, api.Forbidden("Not allowed to update members for image %s.", r.Var("id"))
	}
	x.Status = b.Status
	s.db.ImageMembers.Put(x)
	return api.OK(memberView(x))
}

func (s *Service) removeMember(r *api.Request) (*api.Reply, error) {
	if _, err := s.own(r); err != nil {
		return nil, err
	}
	id := r.Var("id") + "/" + r.Var("member")
	if s.db.ImageMembers.Get(id) == nil {
		return nil, errMember(r)
	}
	s.db.ImageMembers.Delete(id)
	return nil, nil
}
