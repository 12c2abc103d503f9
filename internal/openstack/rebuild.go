package openstack

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/retry"
)

// taskTimeout bounds the wait for what the cloud is doing with a server before
// it can be rebuilt.
const taskTimeout = 5 * time.Minute

// Rebuild is a request to Nova to rebuild a server. Nova saves the metadata
// that comes with the request in the same moment as it accepts it, so the mark
// in the server's metadata proves that it did.
type Rebuild struct {
	Mark  string    `json:"mark"`
	Asked time.Time `json:"asked"`
}

// Reset gives the recorded server the system disk of a new one (Nova: rebuild).
// The server, its ports, addresses, key pair and other volumes stay. An earlier
// reset that did not end is finished instead. fresh is called when the server is
// ACTIVE again, before the record of the request is dropped.
//
// asked says that the server is not, or may not be, what it was before. After an
// error with asked the request stays recorded; Reset and [Cloud.FinishReset]
// take it up again.
func (c *Cloud) Reset(ctx context.Context, spec ServerSpec, j Journal, fresh func() error, rep Reporter) (asked bool, err error) {
	rec, err := j.Read()
	if err != nil {
		return false, err
	}
	what := fmt.Sprintf("rebuild the server %q", spec.Name)
	if rec.ServerID() == "" || !rec.Complete {
		return false, session.Fail(session.Invalid, what, "its create has not finished", "").Advise("create the %s again", session.Owner)
	}
	if err := c.SameCloud(rec); err != nil {
		return false, err
	}
	r := &rebuilding{c: c, in: newIntent(c, j, rec, rep), spec: spec, id: rec.ServerID()}
	if rec.Rebuild != nil {
		done, err := r.finish(ctx, fresh)
		if done || err != nil && !lost(err) {
			return true, err
		}
	}
	s, err := r.ready(ctx)
	if err != nil {
		return false, err
	}
	body, version, err := r.request(ctx, s)
	if err != nil {
		return false, err
	}
	if err := r.ask(ctx, s, body, version); err != nil {
		return rec.Rebuild != nil, err
	}
	_, err = r.finish(ctx, fresh)
	return true, err
}

// FinishReset waits for the end of a reset that the journal records as begun.
// A server that did not survive it is left to [Cloud.Create], which replaces it.
func (c *Cloud) FinishReset(ctx context.Context, spec ServerSpec, j Journal, fresh func() error, rep Reporter) error {
	rec, err := j.Read()
	if err != nil || rec == nil || rec.Rebuild == nil {
		return err
	}
	if err := c.SameCloud(rec); err != nil {
		return err
	}
	r := &rebuilding{c: c, in: newIntent(c, j, rec, rep), spec: spec, id: rec.ServerID()}
	if _, err = r.finish(ctx, fresh); lost(err) {
		return nil
	}
	return err
}

// lost says whether a server did not survive its rebuild.
func lost(err error) bool {
	k := session.KindOf(err)
	return k == session.ServerFault || k == session.ServerGone || k == session.NotFound
}

// rebuilding is the reset of one server.
type rebuilding struct {
	c    *Cloud
	in   *intent
	spec ServerSpec
	id   string
}

func (r *rebuilding) what() string {
	return fmt.Sprintf("rebuild the server %q (%s)", r.spec.Name, r.id)
}

func (r *rebuilding) refuse(kind session.Kind, format string, args ...any) *session.Error {
	return session.Fail(kind, r.what(), fmt.Sprintf(format, args...), "")
}

// ready returns the server when Nova can rebuild it: a sleeping one is started
// first, and what the cloud is doing with it is waited for.
func (r *rebuilding) ready(ctx context.Context) (*servers.Server, error) {
	rec := r.in.rec
	if rec.KeyFile != "" && rec.find(KindKeyPair, "") != nil {
		if _, err := os.Stat(rec.KeyFile); errors.Is(err, fs.ErrNotExist) {
			return nil, r.refuse(session.Invalid, "the private key of the server is gone, so that nobody can log in to it")
		}
	}
	s, err := r.c.lookTwice(ctx, r.id, rec.Token, rec.Name)
	if session.KindOf(err) == session.NotFound {
		return nil, r.refuse(session.NotFound, "it is gone").Advise("create the %s again", session.Owner)
	}
	if err != nil {
		return nil, err
	}
	if action := wakeAction(s.Status); action != "" {
		r.in.rep.Info("the server %s is %s: starting it", r.id, s.Status)
		if err := r.c.act(ctx, r.id, action); err != nil && !session.IsStatus(err, 409) {
			return nil, session.Explain(fmt.Sprintf("start the server %q (%s)", s.Name, r.id), err)
		}
		if s, err = r.c.active(ctx, r.id, r.spec, r.in.rep); err != nil {
			return nil, err
		}
	}
	if s.TaskState != "" {
		err := r.c.waitFor(ctx, r.id, s.Name, "the server's task to end", taskTimeout, r.in.rep, func(now *servers.Server) (bool, error) {
			s = now
			return now.TaskState == "", nil
		}, func() error { return goneError(s.Name, r.id) })
		if err != nil {
			return nil, err
		}
	}
	if s.Status != "ACTIVE" && s.Status != "ERROR" {
		return nil, r.refuse(session.Other, "its status is %s", s.Status)
	}
	return s, nil
}

// request returns the body of the request, without its mark, and the
// microversion that it needs.
func (r *rebuilding) request(ctx context.Context, s *servers.Server) (map[string]any, string, error) {
	body, version := map[string]any{}, ""
	if len(r.spec.UserData) > 0 {
		body["user_data"], version = base64.StdEncoding.EncodeToString(r.spec.UserData), "2.57"
	}
	ref, byID := r.spec.Image, r.spec.ImageByID
	if len(s.Image) == 0 {
		// Before this version Nova accepts the request, and leaves the volume as
		// it is.
		version = "2.93"
		v := r.spec.BootVolume()
		if v == nil || !v.Make || v.Image == "" {
			return nil, "", r.refuse(session.Invalid, "it boots from a volume that was not made from an image")
		}
		ref, byID = v.Image, false
	}
	if !byID {
		img, err := r.c.Image(ctx, ref, r.in.rep)
		if err != nil {
			return nil, "", err
		}
		ref = img.ID
	}
	body["imageRef"] = ref
	return body, version, nil
}

// BootVolume returns the volume that the server boots from, nil where that is
// the image.
func (s ServerSpec) BootVolume() *VolumeSpec {
	for i, v := range s.Volumes {
		if v.boots(i == 0, s.Image != "") {
			return &s.Volumes[i]
		}
	}
	return nil
}

// ask sends the request. It returns nil when Nova has accepted it.
func (r *rebuilding) ask(ctx context.Context, s *servers.Server, body map[string]any, version string) error {
	sc := r.c.ComputeClient()
	sc.Microversion = version
	mark := NewToken()
	metadata := maps.Clone(s.Metadata)
	if metadata == nil {
		metadata = map[string]string{}
	}
	metadata[metaRebuild] = mark
	body["metadata"] = metadata
	err := r.in.save(func(rec *Record) { rec.Rebuild = &Rebuild{Mark: mark, Asked: time.Now().UTC()} })
	if err != nil {
		r.in.rec.Rebuild = nil // Nothing was asked for.
		return err
	}
	_, err = r.in.ask(ctx, request{what: r.what(), ask: func(ctx context.Context) (string, error) {
		_, err := sc.Post(ctx, sc.ServiceURL("servers", r.id, "action"), map[string]any{"rebuild": body}, nil,
			&gophercloud.RequestOpts{OkCodes: []int{200, 202, 204}})
		return "", err
	}})
	answered := err != nil && (!session.Unsettled(err) || session.IsStatus(err, 500))
	took, lerr := r.accepted(ctx, answered)
	switch {
	case lerr != nil:
		return session.Join(session.Explain(r.what(), err), lerr)
	case took:
		return nil
	}
	cause := session.Explain(r.what(), err)
	switch {
	case err == nil:
		cause = r.refuse(session.Other, "the cloud said yes and did not do it")
	case version == "2.93" && session.IsStatus(err, 400, 404, 406):
		cause = r.refuse(session.Invalid, "it boots from a volume, which this cloud's Nova cannot rebuild (microversion 2.93)")
	}
	return session.Join(cause, r.forget())
}

// accepted looks whether Nova has accepted the recorded request: once when it
// has answered it with a refusal, else until it could not take effect any more.
func (r *rebuilding) accepted(ctx context.Context, answered bool) (bool, error) {
	want := r.in.rec.Rebuild
	until := r.c.effectUntil(want.Asked)
	for pause, told := r.c.window/100, false; ; pause = min(pause*3/2, r.c.window/20) {
		s, err := r.c.lookTwice(ctx, r.id, r.in.rec.Token, r.in.rec.Name)
		if err != nil {
			return false, err
		}
		left := time.Until(until)
		if s.Metadata[metaRebuild] == want.Mark || answered || left <= 0 {
			return s.Metadata[metaRebuild] == want.Mark, nil
		}
		if !told {
			told = true
			r.in.rep.Info("Whether the cloud has accepted the rebuild of %s is not known: looking until %s",
				want.Asked.Local().Format(time.TimeOnly), until.Local().Format(time.TimeOnly))
		}
		if err := retry.Sleep(ctx, min(pause, left)); err != nil {
			return false, err
		}
	}
}

// finish waits for the end of the recorded rebuild and drops the record of it.
// done is false when Nova never accepted the request.
func (r *rebuilding) finish(ctx context.Context, fresh func() error) (done bool, err error) {
	took, err := r.accepted(ctx, false)
	if err == nil && took {
		_, err = r.c.active(ctx, r.id, r.spec, r.in.rep)
	}
	switch {
	case lost(err):
		return false, session.Join(err, r.forget())
	case err != nil:
		return false, err
	case !took:
		return false, r.forget()
	}
	// The console shows the keys of the new system from now on.
	r.c.consoles.forget(r.id)
	if err := fresh(); err != nil {
		return false, err
	}
	return true, r.forget()
}

// forget drops the record of the request.
func (r *rebuilding) forget() error {
	return r.in.save(func(rec *Record) { rec.Rebuild = nil })
}

// forget drops what the console of a server has shown.
func (h *hostKeys) forget(serverID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.seen, serverID)
}
