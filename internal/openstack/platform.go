package openstack

import (
	"cmp"
	"slices"
	"strings"
)

// System returns the distribution of Linux that an image has, by its
// properties or else its name, and its version; "" where they do not tell.
// The name of a platform of a kitchen file can be asked about in the same way.
func System(i Image) (name, version string) {
	d, version := systemOf(i)
	if d == nil {
		return "", ""
	}
	return d.name, version
}

// SameSystem reports whether two systems may be the same: versions are
// compared as far as both say one, 12 and 12.5 are the same.
func SameSystem(name, version, otherName, otherVersion string) bool {
	if name != otherName {
		return false
	}
	if version == "" || otherVersion == "" || version == otherVersion {
		return true
	}
	return strings.HasPrefix(version, otherVersion+".") || strings.HasPrefix(otherVersion, version+".")
}

// ImageFor returns the image that a platform of this name can boot, and false
// when none has its system: the newest plain image of the same version.
func ImageFor(platform string, images []Image) (SuggestedImage, bool) {
	name, version := System(Image{Name: platform})
	if name == "" {
		return SuggestedImage{}, false
	}
	var fit []Image
	for _, i := range images {
		have, haveVersion := System(i)
		text := strings.ToLower(i.Name)
		if i.Snapshot || unfit().MatchString(text) || !strings.EqualFold(i.Status, "active") || !SameSystem(name, version, have, haveVersion) {
			continue
		}
		fit = append(fit, i)
	}
	if len(fit) == 0 {
		return SuggestedImage{}, false
	}
	best := slices.MinFunc(fit, func(a, b Image) int {
		plain := func(i Image) int {
			if special().MatchString(strings.ToLower(i.Name)) {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(plain(a), plain(b)), b.Created.Compare(a.Created), cmp.Compare(a.Name, b.Name))
	})
	d, v := systemOf(best)
	out := SuggestedImage{Image: best, Ref: best.Name}
	if out.User == "" {
		out.User = d.userOf(v)
	}
	for _, i := range images {
		if i.Name == best.Name && i.ID != best.ID {
			out.Ref = best.ID
		}
	}
	return out, true
}
