package compute

import (
	"cmp"
	"slices"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// record adds an entry to a server's history.
func (s *Service) record(r *api.Request, v *db.Server, action string) {
	s.db.Actions.Insert(&db.InstanceAction{
		ServerID: v.ID, Action: action, RequestID: r.ID, UserID: r.Auth.UserID, ProjectID: r.Auth.ProjectID,
	})
}

// done adds an entry for an action that has ended already.
func (s *Service) done(r *api.Request, v *db.Server, action string) {
	s.record(r, v, action)
	s.finished(v, "")
}

// finished closes the open entries of a server's history.
func (s *Service) finished(v *db.Server, message string) {
	for _, a := range s.db.Actions.Where(func(a *db.InstanceAction) bool { return a.ServerID == v.ID && a.Finished.IsZero() }) {
		a.Finished, a.Message = s.db.Now(), message
		s.db.Actions.Put(a)
	}
}

func actionView(r *api.Request, a *db.InstanceAction) api.Obj {
	o := api.Obj{
		"action": a.Action, "instance_uuid": a.ServerID, "request_id": a.RequestID, "user_id": a.UserID, "project_id": a.ProjectID,
		"start_time": api.Micros(a.Created), "message": api.OrNil(a.Message),
	}
	since(r, 58, o, api.Obj{"updated_at": api.Micros(cmp.Or(a.Finished, a.Created))})
	return o
}

// actionsOf are a server's entries; from 2.21 those of a deleted server too.
func (s *Service) actionsOf(r *api.Request) ([]*db.InstanceAction, error) {
	id := r.Var("id")
	if _, err := s.find(r); err != nil {
		buried := s.db.DeletedServers.Get(id)
		if buried == nil || buried.ProjectID != r.Auth.ProjectID || !r.Version.AtLeast(api.V(21)) {
			return nil, err
		}
	}
	return s.db.Actions.Where(func(a *db.InstanceAction) bool { return a.ServerID == id }), nil
}

func (s *Service) listActions(r *api.Request, actions []*db.InstanceAction) (*api.Reply, error) {
	var bounds [2]time.Time
	for i, key := range []string{"changes-since", "changes-before"} {
		var ok bool
		if bounds[i], ok = parseTime(r.Query(key)); !ok && r.Query(key) != "" {
			return nil, invalidQuery(key, r.Query(key), "date-time")
		}
	}
	actions = slices.DeleteFunc(actions, func(a *db.InstanceAction) bool {
		at := cmp.Or(a.Finished, a.Created)
		return at.Before(bounds[0]) || !bounds[1].IsZero() && at.After(bounds[1])
	})
	slices.Reverse(actions) // the latest first
	reply, err := paged(r, "instanceActions", actions, func(a *db.InstanceAction) string { return a.RequestID },
		func(a *db.InstanceAction) api.Obj { return actionView(r, a) })
	if err != nil {
		return nil, err
	}
	body := reply.Body.(api.Obj)
	if next := body["instanceActions_links"]; next != nil && r.Version.AtLeast(api.V(58)) {
		body["links"] = next
	}
	delete(body, "instanceActions_links")
	return reply, nil
}

func (s *Service) showAction(r *api.Request, actions []*db.InstanceAction) (*api.Reply, error) {
	i := slices.IndexFunc(actions, func(a *db.InstanceAction) bool { return a.RequestID == r.Var("request") })
	if i < 0 {
		return nil, api.NotFound("Action %s not found", r.Var("request"))
	}
	a := actions[i]
	result := any("Success")
	if a.Message != "" {
		result = "Error"
	}
	if a.Finished.IsZero() {
		result = nil
	}
	event := api.Obj{
		"event": "compute_" + a.Action + "_instance", "start_time": api.Micros(a.Created), "finish_time": api.Micros(a.Finished), "result": result,
	}
	since(r, 62, event, api.Obj{"hostId": ""})
	o := actionView(r, a)
	o["events"] = api.List{event}
	return api.OK(api.Obj{"instanceAction": o})
}
