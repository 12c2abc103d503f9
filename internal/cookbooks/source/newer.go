package source

import (
	"slices"

	"github.com/galleyhq/galley/internal/cookbooks/version"
)

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
