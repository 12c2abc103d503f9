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
	fit := slices.DeleteFunc(candidates(images), func(c candidate) bool { return !SameSystem(name, version, c.Distro, c.Version) })
	if len(fit) == 0 {
		return SuggestedImage{}, false
	}
	return slices.MinFunc(fit, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(rank(a.odd), rank(b.odd)), b.Created.Compare(a.Created), cmp.Compare(a.Name, b.Name))
	}).SuggestedImage, true
}
