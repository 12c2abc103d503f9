package image

import (
	"slices"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func memberView(x *db.ImageMember) api.Obj {
	return api.Obj{
		"image_id": x.ImageID, "member_id": x.MemberID, "status": x.Status, "created_at": timeText(x.Created),
		"updated_at": timeText(x.LastChange()), "schema": "/v2/schemas/member",
	}
}

// seenMembers are the members of an image that the caller sees: the owner all,
// a member itself.
func (s *Service) seenMembers(r *api.Request) ([]*db.ImageMember, error) {
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
	l := api.List{}
	var err error
	s.db.View(func() {
		var members []*db.ImageMember
		members, err = s.seenMembers(r)
		for _, x := range members {
			l = append(l, memberView(x))
		}
	})
	if err != nil {
		return nil, err
	}
	return api.OK(api.Obj{"members": l, "schema": "/v2/schemas/members"})
}

func (s *Service) showMember(r *api.Request) (*api.Reply, error) {
	var found *db.ImageMember
	var err error
	s.db.View(func() {
		var members []*db.ImageMember
		members, err = s.seenMembers(r)
		if i := slices.IndexFunc(members, func(x *db.ImageMember) bool { return x.MemberID == r.Var("member") }); i >= 0 {
			found = members[i]
		}
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, api.NotFound("%s not found in the member list of the image %s.", r.Var("member"), r.Var("id"))
	}
	return api.OK(memberView(found))
}

func (s *Service) addMember(r *api.Request) (*api.Reply, error) {
	var b struct{ Member string }
	if err := r.JSON(&b); err != nil {
		return nil, err
	}
	if b.Member == "" {
		return nil, api.BadRequest("Member to be added not specified")
	}
	x := &db.ImageMember{ImageID: r.Var("id"), MemberID: b.Member, Status: "pending"}
	x.ID = x.ImageID + "/" + x.MemberID
	err := s.db.Update(func() error {
		m, err := s.own(r)
		if err != nil {
			return err
		}
		if m.Visibility != "shared" {
			return api.Forbidden("Only shared images have members.")
		}
		if s.db.ImageMembers.Get(x.ID) != nil {
			return api.Conflict("Image member %s already exists for the image %s.", b.Member, m.ID)
		}
		s.db.ImageMembers.Insert(x)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(memberView(x))
}

func (s *Service) updateMember(r *api.Request) (*api.Reply, error) {
	var b struct{ Status string }
	if err := r.JSON(&b); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"pending", "accepted", "rejected"}, b.Status) {
		return nil, api.BadRequest("Status must be \"pending\", \"accepted\" or \"rejected\".")
	}
	var x *db.ImageMember
	err := s.db.Update(func() error {
		if x = s.db.ImageMembers.Get(r.Var("id") + "/" + r.Var("member")); x == nil {
			return api.NotFound("%s not found in the member list of the image %s.", r.Var("member"), r.Var("id"))
		}
		if x.MemberID != r.Auth.ProjectID && !r.Auth.Admin() {
			return api.Forbidden("Not allowed to update members for image %s.", r.Var("id"))
		}
		x.Status = b.Status
		s.db.ImageMembers.Put(x)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(memberView(x))
}

func (s *Service) removeMember(r *api.Request) (*api.Reply, error) {
	err := s.db.Update(func() error {
		if _, err := s.own(r); err != nil {
			return err
		}
		id := r.Var("id") + "/" + r.Var("member")
		if s.db.ImageMembers.Get(id) == nil {
			return api.NotFound("%s not found in the member list of the image %s.", r.Var("member"), r.Var("id"))
		}
		s.db.ImageMembers.Delete(id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.NoContent()
}
