package guest

import (
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// sudoRight is what sudoers grants a user.
type sudoRight int

const (
	sudoNone     sudoRight = iota
	sudoPassword           // after giving the user's password
	sudoFree
)

// right reads /etc/sudoers and /etc/sudoers.d as far as images and cloud-init
// write them: "who host=(as) [NOPASSWD:] commands". A line that allows some
// commands only counts as one that allows all; the last that fits wins.
func (a *accounts) right(u account) sudoRight {
	if u.uid == 0 && !a.single {
		return sudoFree
	}
	names := []string{"ALL", u.name, "#" + strconv.Itoa(u.uid)}
	ids := a.memberships(u)
	for _, g := range a.groups() {
		if slices.Contains(ids, g.gid) {
			names = append(names, "%"+g.name)
		}
	}
	right := sudoNone
	files := []string{"/etc/sudoers"}
	entries, _ := os.ReadDir(a.at("/etc/sudoers.d"))
	for _, e := range entries {
		if !strings.ContainsAny(e.Name(), ".~") { // as sudo: no backups and leftovers
			files = append(files, path.Join("/etc/sudoers.d", e.Name()))
		}
	}
	for _, f := range files {
		data, _ := a.read(f)
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			switch {
			case len(f) < 2 || !slices.Contains(names, f[0]) || !strings.Contains(line, "="):
			case strings.Contains(line, "NOPASSWD:"):
				right = sudoFree
			default:
				right = sudoPassword
			}
		}
	}
	return right
}
