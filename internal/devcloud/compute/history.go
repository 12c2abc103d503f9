package compute

import (
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

func (s *Service) historyRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/servers/{id}/os-instance-actions", Do: s.listActions},
		{Method: "GET", Path: "/servers/{id}/os-instance-actions/{request}", Do: s.showAction},
	}
}

// record adds an entry to a server's history.
func (s *Service) record(r *api.Request, v *db.Server, action string) {
	s.db.Actions.Insert(
		&db.InstanceAction{
			ServerID:  v.ID,
			Action:    action,
			RequestID: r.ID,
			UserID:    r.Auth.UserID,
			ProjectID: r.Auth.ProjectID,
		},
	)
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
		"start_time": micros(a.Created), "message": orNil(a.Message),
	}
	if r.Version.AtLeast(api.V(58)) {
		o["updated_at"] = micros(later(a.Finished, a.Created))
	}
	return o
}

func later(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}

// actionsOf are a server's entries, the latest first; from 2.21 those of a
// deleted server too.
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

func (s *Service) listActions(r *api.Request) (*api.Reply, error) {
	q := r.HTTP.URL.Query()
	limit, ok := api.Limit(q)
	if !ok {
		return nil, api.BadRequest("Invalid input for query parameters limit. Value: %s.", q.Get("limit"))
	}
	var bounds [2]time.Time
	for i, key := range []string{"changes-since", "changes-before"} {
		if text := q.Get(key); text != "" {
			t, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return nil, api.BadRequest("Invalid input for query parameters %s. Value: %s.", key, text)
			}
			bounds[i] = t
		}
	}
	var views []api.Obj
	var err error
	s.db.View(func() {
		var actions []*db.InstanceAction
		actions, err = s.actionsOf(r)
		for i := len(actions) - 1; i >= 0; i-- {
			at := later(actions[i].Finished, actions[i].Created)
			if at.Before(bounds[0]) || !bounds[1].IsZero() && at.After(bounds[1]) {
				continue
			}
			views = append(views, actionView(r, actions[i]))
		}
	})
	if err != nil {
		return nil, err
	}
	page, err := api.Paginate(views, func(v api.Obj) string { return v["request_id"].(string) }, limit, maxPage, q.Get("marker"))
	if err != nil {
		return nil, api.BadRequest("marker [%s] not found", q.Get("marker"))
	}
	l := api.List{}
	for _, v := range page.Items {
		l = append(l, v)
	}
	body := api.Obj{"instanceActions": l}
	if page.Next != "" && r.Version.AtLeast(api.V(58)) {
		body["links"] = api.List{api.Obj{"rel": "next", "href": api.NextURL(r, page.Next)}}
	}
	return api.OK(body)
}

func (s *Service) showAction(r *api.Request) (*api.Reply, error) {
	var o api.Obj
	var err error
	s.db.View(func() {
		var actions []*db.InstanceAction
		actions, err = s.actionsOf(r)
		for _, a := range actions {
			if a.RequestID != r.Var("request") {
				continue
			}
			o = actionView(r, a)
			result := any("Success")
			if a.Message != "" {
				result = "Error"
			}
			if a.Finished.IsZero() {
				result = nil
			}
			event := api.Obj{
				"event":       "compute_" + a.Action + "_instance",
				"start_time":  micros(a.Created),
				"finish_time": micros(a.Finished),
				"result":      result,
			}
			if r.Version.AtLeast(api.V(62)) {
				event["hostId"] = ""
			}
			o["events"] = api.List{event}
		}
	})
	if err != nil {
		return nil, err
	}
	if o == nil {
		return nil, api.NotFound("Action %s not found", r.Var("request"))
	}
	return api.OK(api.Obj{"instanceAction": o})
}
