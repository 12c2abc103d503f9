package source

import (
	"slices"

	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/cookbooks/disk"
	"github.com/galleyhq/galley/internal/cookbooks/version"
)

// Locked is one cookbook of a lock.
type Locked struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Summary is the result of a command that may write the lock.
type Summary struct {
	File     string `json:"file"`
	LockFile string `json:"lock_file"`
	// Changed says that the lock was written with another content.
	Changed bool `json:"changed"`
	// Policy and RevisionID are those of a Policyfile.
	Policy     string   `json:"policy,omitempty"`
	RevisionID string   `json:"revision_id,omitempty"`
	Cookbooks  []Locked `json:"cookbooks"`
}

// Vendored is what is written of a cookbook with these files: with
// metadata.json where it is missing.
func Vendored(m *cookbook.Metadata, dir string, files []string) disk.Tree {
	t := disk.Tree{Name: m.Name, From: dir, Files: files}
	if !slices.Contains(files, "metadata.json") {
		t.Data = map[string][]byte{"metadata.json": m.JSON()}
	}
	return t
}

// Newer is a cookbook of which a source has a newer version that the
// constraints allow.
type Newer struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Newest is the newest such version, Sources those that have it.
	Newest  string   `json:"newest"`
	Sources []string `json:"sources"`
}

// FindNewer looks in sources for versions of a cookbook that are newer than
// one and allowed; nil where there is none.
func FindNewer[S Source](sources []S, name, have string, allowed func(version.Version) bool) (*Newer, error) {
	best, err := version.Parse(have)
	if err != nil {
		return nil, err
	}
	n := &Newer{Name: name, Version: have}
	for _, s := range sources {
		list, err := s.Releases(name)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			v, err := version.Parse(r.Version)
			if err != nil || !allowed(v) {
				continue
			}
			switch order := v.Compare(best); {
			case order > 0:
				best, n.Newest, n.Sources = v, v.String(), []string{s.String()}
			case order == 0 && n.Newest != "" && !slices.Contains(n.Sources, s.String()):
				n.Sources = append(n.Sources, s.String())
			}
		}
	}
	if n.Newest == "" {
		return nil, nil
	}
	return n, nil
}
