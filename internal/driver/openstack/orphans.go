package openstack

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	cloud "github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/kitchen"
)

var _ kitchen.OrphanFinder = (*Driver)(nil)

// Orphans implements [kitchen.OrphanFinder]: what carries this kitchen's mark
// on the cloud and is in no journal of an instance that is still configured,
// and routers that are left of networks.
func (d *Driver) Orphans(ctx context.Context, configured func(instance string) bool) ([]kitchen.Orphan, error) {
	c, err := d.Cloud(ctx)
	if err != nil {
		return nil, err
	}
	journals, err := filepath.Glob(filepath.Join(d.o.dir(), "*.json"))
	if err != nil {
		return nil, err
	}
	alive := map[string]bool{}
	stale := map[string]string{} // a journal of nobody's, by token
	for _, path := range journals {
		rec, err := cloud.FileJournal(path).Read()
		if err != nil {
			return nil, err
		}
		if rec == nil {
			continue
		}
		if configured(strings.TrimSuffix(filepath.Base(path), ".json")) {
			alive[rec.Token] = true
		} else {
			stale[rec.Token] = path
		}
	}
	records, err := c.Orphans(ctx, d.o.Project())
	if err != nil {
		return nil, err
	}
	routers, err := c.OrphanRouters(ctx)
	if err != nil {
		return nil, err
	}
	records = append(records, routers...)
	var out []kitchen.Orphan
	for _, rec := range records {
		if alive[rec.Token] {
			continue
		}
		out = append(out, d.orphan(c, rec, stale[rec.Token]))
		delete(stale, rec.Token)
	}
	// A journal whose resources are gone, or were only borrowed.
	for token, path := range stale {
		rec, err := cloud.FileJournal(path).Read()
		if err != nil {
			return nil, err
		}
		if rec != nil && rec.Token == token {
			out = append(out, d.orphan(c, rec, path))
		}
	}
	return out, nil
}

func (d *Driver) orphan(c *cloud.Cloud, rec *cloud.Record, journal string) kitchen.Orphan {
	o := kitchen.Orphan{Instance: rec.Owner}
	for _, r := range rec.Resources {
		o.What = append(o.What, r.String())
	}
	o.Remove = func(ctx context.Context, report *kitchen.Reporter) error {
		if journal == "" {
			return c.ReclaimRecord(ctx, rec, report)
		}
		stale := d.o
		stale.Instance = strings.TrimSuffix(filepath.Base(journal), ".json")
		j := &instanceJournal{stale, kitchen.NewState(nil), report}
		saved, err := j.Read()
		if err != nil {
			return err
		}
		if err := c.Reclaim(ctx, j, cloud.ReclaimOptions{NoWait: d.o.NoWait}, report); err != nil {
			return err
		}
		if saved != nil && filepath.Dir(saved.KeyFile) == filepath.Clean(d.o.dir()) {
			_ = os.Remove(saved.KeyFile)
		}
		return nil
	}
	return o
}
