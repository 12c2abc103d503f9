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
		"volumes": 10, "per_volume_gigabytes": -1, "snapshots": 10, "gigabytes": 1000, "backups": 10, "backup_gigabytes": 1000,
		"groups": 10, "volumes_" + defaultType: -1, "gigabytes_" + defaultType: -1, "snapshots_" + defaultType: -1,
	}
}

func (s *Service) newQuotas() *api.Quotas {
	return &api.Quotas{
		DB: s.db, Service: "volume", Default: s.Quotas, Path: base + "os-quota-sets", Single: "quota_set", InUse: "in_use",
		Used: s.used, Gone: 200,
		Refuse: func(action string) error { return forbidden("quotas:" + action) },
		Names: func() []string { // three of each volume type
			names := slices.Collect(maps.Keys(s.Quotas))
			for _, t := range s.db.Objects(kindType, nil) {
				for _, what := range []string{"volumes_", "gigabytes_", "snapshots_"} {
					if name := what + t.Text("name"); !slices.Contains(names, name) {
						names = append(names, name)
					}
				}
			}
			return names
		},
	}
}

// used counts what a project has; gigabytes are of volumes and snapshots, as
// Cinder counts.
func (s *Service) used(project, resource string) int {
	resource, _ = strings.CutSuffix(resource, "_"+defaultType)
	own := func(x *db.Object) bool { return x.ProjectID == project }
	volumes := s.db.Volumes.Where(func(v *db.Volume) bool { return v.ProjectID == project })
	switch resource {
	case "volumes":
		return len(volumes)
	case "snapshots":
		return len(s.db.Objects(kindSnapshot, own))
	case "backups":
		return len(s.db.Objects(kindBackup, own))
	}
	n := 0
	if resource == "gigabytes" {
		for _, v := range volumes {
			n += v.Size
		}
		for _, x := range s.db.Objects(kindSnapshot, own) {
			n += x.Int("size")
		}
	}
	return n
}

// checkQuota tells whether a project may have one more volume, snapshot or
// backup of that size.
func (s *Service) checkQuota(project, kind string, size int) error {
	if kind == "volumes" && !s.quotas.Allows(project, "per_volume_gigabytes", size) {
		return api.OverLimit("VolumeSizeExceedsLimit: Requested volume size %dG is larger than maximum allowed limit %dG.",
			size, s.quotas.Limit(project, "per_volume_gigabytes"))
	}
	if kind != "backups" {
		if err := s.checkGigabytes(project, size); err != nil {
			return err
		}
	}
	if s.quotas.Fits(project, kind, 1) {
		return nil
	}
	which := map[string]string{"volumes": " for quota 'volumes'."}[kind]
	return api.OverLimit("%sLimitExceeded: Maximum number of %s allowed (%d) exceeded%s",
		class(strings.TrimSuffix(kind, "s")), kind, s.quotas.Limit(project, kind), which)
}

// class is a kind as Cinder's exceptions call it.
func class(kind string) string { return strings.ToUpper(kind[:1]) + kind[1:] }

func (s *Service) checkGigabytes(project string, size int) error {
	if s.quotas.Fits(project, "gigabytes", size) {
		return nil
	}
	return api.OverLimit(
		"VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested %dG, quota is %dG and %dG has been consumed.",
		size, s.quotas.Limit(project, "gigabytes"), s.used(project, "gigabytes"))
}

func (s *Service) limits(r *api.Request) (*api.Reply, error) {
	abs := api.Obj{"totalBackupGigabytesUsed": 0}
	for suffix, name := range map[string]string{
		"Volumes": "volumes", "Snapshots": "snapshots", "VolumeGigabytes": "gigabytes", "Backups": "backups",
		"BackupGigabytes": "backup_gigabytes",
	} {
		abs["maxTotal"+suffix] = s.quotas.Limit(r.Auth.ProjectID, name)
	}
	for suffix, name := range map[string]string{
		"Volumes": "volumes", "Gigabytes": "gigabytes", "Snapshots": "snapshots", "Backups": "backups",
	} {
		abs["total"+suffix+"Used"] = s.used(r.Auth.ProjectID, name)
	}
	return api.OK(api.Obj{"limits": api.Obj{"rate": api.List{}, "absolute": abs}})
}
