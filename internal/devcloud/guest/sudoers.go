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
			names = append(names, "%"+g.name, "%#"+strconv.Itoa(g.gid))
		}
	}
	right := sudoNone
	files := []string{"/etc/sudoers"}
	entries, _ := os.ReadDir(a.at("/etc/sudoers.d"))
	for _, e := range entries {
		// As sudo: editors' backups and packages' leftovers are skipped.
		if !strings.Contains(e.Name(), ".") && !strings.HasSuffix(e.Name(), "~") {
			files = append(files, path.Join("/etc/sudoers.d", e.Name()))
		}
	}
	for _, f := range files {
		data, err := a.read(f)
		if err != nil {
			continue
		}
		text := strings.ReplaceAll(string(data), "\\\n", " ")
		for line := range strings.Lines(text) {
			who, rest, ok := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
			if !ok || !slices.Contains(names, who) {
				continue
			}
			_, what, ok := strings.Cut(rest, "=")
			switch {
			case !ok:
			case strings.Contains(what, "NOPASSWD:"):
				right = sudoFree
			default:
				right = sudoPassword
			}
		}
	}
	return right
}
