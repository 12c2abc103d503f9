package volume

import (
	"maps"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// DefaultQuotas are Cinder's own.
func DefaultQuotas() map[string]int {
	return map[string]int{
		"volumes": 10, "per_volume_gigabytes": -1, "snapshots": 10, "gigabytes": 1000, "backups": 10, "backup_gigabytes": 1000, "groups": 10,
		"volumes_" + defaultType: -1, "gigabytes_" + defaultType: -1, "snapshots_" + defaultType: -1,
	}
}

func quotaID(project, resource string) string { return "volume/" + project + "/" + resource }

func (s *Service) limit(project, resource string) int {
	if q := s.db.Quotas.Get(quotaID(project, resource)); q != nil {
		return q.Limit
	}
	if n, ok := s.Quotas[resource]; ok {
		return n
	}
	return -1 // a volume type's own
}

// resources are the names of the quotas, three of which each volume type has.
func (s *Service) resources() []string {
	names := slices.Collect(maps.Keys(s.Quotas))
	for _, t := range s.db.Objects(kindType, nil) {
		for _, what := range []string{"volumes_", "gigabytes_", "snapshots_"} {
			if name := what + t.Text("name"); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func (s *Service) removeQuotas(r *api.Request) (*api.Reply, error) {
	if !r.Auth.Admin() {
		return nil, api.Forbidden("Policy doesn't allow volume_extension:quotas:delete to be performed.")
	}
	err := s.db.Update(func() error {
		for _, name := range s.resources() {
			s.db.Quotas.Delete(quotaID(r.Var("target"), name))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return api.OK(nil)
}

// used counts what a project has; gigabytes are of volumes and snapshots, as
// Cinder counts.
func (s *Service) used(project, resource string) int {
	resource, _ = strings.CutSuffix(resource, "_"+defaultType)
	n := 0
	volumes := s.db.Volumes.Where(func(v *db.Volume) bool { return v.ProjectID == project })
	snapshots := s.db.Objects(kindSnapshot, func(x *db.Object) bool { return x.ProjectID == project })
	switch resource {
	case "volumes":
		n = len(volumes)
	case "snapshots":
		n = len(snapshots)
	case "backups":
		n = len(s.db.Objects(kindBackup, func(x *db.Object) bool { return x.ProjectID == project }))
	case "gigabytes":
		for _, v := range volumes {
			n += v.Size
		}
		for _, x := range snapshots {
			n += x.Int("size")
		}
	}
	return n
}

// checkQuota tells whether a project may have one more volume or snapshot of
// that size.
func (s *Service) checkQuota(project, kind string, size int) error {
	if n := s.limit(project, "per_volume_gigabytes"); kind == "volumes" && n >= 0 && size > n {
		return api.OverLimit(
			"VolumeSizeExceedsLimit: Requested volume size %dG is larger than maximum allowed limit %dG.",
			size,
			n,
		)
	}
	if err := s.checkGigabytes(project, size); err != nil {
		return err
	}
	if n := s.limit(project, kind); n >= 0 && s.used(project, kind) >= n {
		if kind == "snapshots" {
			return api.OverLimit("SnapshotLimitExceeded: Maximum number of snapshots allowed (%d) exceeded", n)
		}
		return api.OverLimit(
			"VolumeLimitExceeded: Maximum number of volumes allowed (%d) exceeded for quota '%s'.",
			n,
			kind,
		)
	}
	return nil
}

func (s *Service) checkGigabytes(project string, size int) error {
	n, used := s.limit(project, "gigabytes"), s.used(project, "gigabytes")
	if n >= 0 && used+size > n {
		return api.OverLimit(
			"VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested %dG, quota is %dG and %dG has been consumed.",
			size,
			n,
			used,
		)
	}
	return nil
}

func (s *Service) limits(r *api.Request) (*api.Reply, error) {
	var abs api.Obj
	p := r.Auth.ProjectID
	s.db.View(func() {
		abs = api.Obj{
			"maxTotalVolumes": s.limit(
				p,
				"volumes",
			), "maxTotalSnapshots": s.limit(p, "snapshots"), "maxTotalVolumeGigabytes": s.limit(p, "gigabytes"),
			"maxTotalBackups": s.limit(
				p,
				"backups",
			), "maxTotalBackupGigabytes": s.limit(p, "backup_gigabytes"), "totalVolumesUsed": s.used(p, "volumes"),
			"totalGigabytesUsed": s.used(
				p,
				"gigabytes",
			), "totalSnapshotsUsed": s.used(p, "snapshots"), "totalBackupsUsed": s.used(p, "backups"), "totalBackupGigabytesUsed": 0,
		}
	})
	return api.OK(api.Obj{"limits": api.Obj{"rate": api.List{}, "absolute": abs}})
}

func (s *Service) showQuotas(r *api.Request) (*api.Reply, error) {
	p := r.Var("target")
	if p != r.Auth.ProjectID && !r.Auth.Admin() {
		return nil, api.Forbidden("Policy doesn't allow volume_extension:quotas:show to be performed.")
	}
	usage := strings.EqualFold(r.Query("usage"), "true")
	out := api.Obj{"id": p}
	s.db.View(func() {
		for _, name := range s.resources() {
			if usage {
				out[name] = api.Obj{"limit": s.limit(p, name), "in_use": s.used(p, name), "reserved": 0}
			} else {
				out[name] = s.limit(p, name)
			}
		}
	})
	return api.OK(api.Obj{"quota_set": out})
}

func (s *Service) defaultQuotas(r *api.Request) (*api.Reply, error) {
	out := api.Obj{"id": r.Var("target")}
	s.db.View(func() {
		for _, name := range s.resources() {
			out[name] = s.limit("", name)
		}
	})
	return api.OK(api.Obj{"quota_set": out})
}

func (s *Service) updateQuotas(r *api.Request) (*api.Reply, error) {
	if !r.Auth.Admin() {
		return nil, api.Forbidden("Policy doesn't allow volume_extension:quotas:update to be performed.")
	}
	in, err := r.Object("quota_set")
	if err != nil {
		return nil, err
	}
	err = s.db.Update(func() error {
		for name, v := range in {
			n, ok := v.(float64)
			if !slices.Contains(s.resources(), name) || !ok {
				continue // Cinder ignores keys it does not know
			}
			id := quotaID(r.Var("target"), name)
			s.db.Quotas.Delete(id)
			s.db.Quotas.Insert(&db.Quota{Meta: db.Meta{ID: id}, Limit: int(n)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	reply, err := s.showQuotas(r)
	if err == nil {
		delete(reply.Body.(api.Obj)["quota_set"].(api.Obj), "id")
	}
	return reply, err
}
