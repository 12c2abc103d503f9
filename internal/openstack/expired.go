package openstack

import (
	"context"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"

	"github.com/galleyhq/galley/internal/openstack/session"
)

// Expired returns the records of what Galley has created in the project, on
// whichever machine and by whichever user, and that may be removed: the time
// that its creator gave it is over, or, with olderThan above 0, it is older
// than that.
//
// An image goes by the time that it was given, not by its age: it was made to be
// kept.
//
// Key pairs are seen by their owner only. They have no place for an expiry;
// one that is left without its server goes by its age.
func (c *Cloud) Expired(ctx context.Context, now time.Time, olderThan time.Duration) ([]*Record, error) {
	all, err := c.Orphans(ctx, "")
	if err != nil {
		return nil, err
	}
	var out []*Record
	for _, rec := range all {
		if !rec.Expires.IsZero() && now.After(rec.Expires) {
			out = append(out, rec)
			continue
		}
		if olderThan <= 0 {
			continue
		}
		if rec.Started.IsZero() {
			if rec.Started, err = c.keyPairCreated(ctx, rec); err != nil {
				return nil, err
			}
		}
		if !rec.Started.IsZero() && now.Sub(rec.Started) > olderThan {
			out = append(out, rec)
		}
	}
	saved, err := c.SavedImages(ctx)
	if err != nil {
		return nil, err
	}
	for _, img := range saved {
		if !img.Expires.IsZero() && now.After(img.Expires) {
			out = append(out, img.record(c))
		}
	}
	return out, nil
}

// keyPairCreated returns when the key pair of a record was created, the zero
// time where there is none or the cloud does not say.
func (c *Cloud) keyPairCreated(ctx context.Context, rec *Record) (time.Time, error) {
	r := rec.find(KindKeyPair, "")
	if r == nil {
		return time.Time{}, nil
	}
	sc, err := c.ComputeClient()
	if err != nil {
		return time.Time{}, err
	}
	var answer struct {
		KeyPair struct {
			CreatedAt string `json:"created_at"`
		} `json:"keypair"`
	}
	err = keypairs.Get(ctx, sc, r.ID, nil).ExtractInto(&answer)
	if session.IsStatus(err, 404) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, session.Explain("look at the key pair "+r.ID, err)
	}
	return cloudTime(answer.KeyPair.CreatedAt), nil
}

// cloudTime reads a time as OpenStack's services write it, with and without a
// zone; the zero time for anything else.
func cloudTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.999999", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	return time.Time{}
}
